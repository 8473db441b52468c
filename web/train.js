/**
 * Training in the browser: MLPs, bigrams and RNNs of mmcore/architectures, their gradients derived by hand, and AdamW.
 *
 *   const model = fresh(config, vocabSize, seed);
 *   const { loss, gradients } = gradientsOf(model, batch);
 *
 * It needs neither a page nor a library, but sampling.js before it. Data is { contexts, starts, columns, counts, length, vocabSize }: the M distinct
 * contexts of `length` ids each, and of row i what follows it, `columns` and `counts` from starts[i] to starts[i + 1].
 */

const BETA1 = 0.85; // as in mmcore/optimizer.py
const BETA2 = 0.97;
const TINY = 1e-8;

/** The shape of every tensor, and the spread of its first values; those of vectors are 0. */
export function shapesOf(config, V) {
  const T = config.context_size ?? 1;
  if (config.architecture === "bigram") return { W: [V, V, 0.1 / Math.sqrt(V)] };
  const D = config.embedding_dim;
  if (config.architecture === "rnn") {
    const H = config.hidden_size;
    const recurrent = { W_ih: [D, H, 1 / Math.sqrt(D)], b_ih: [1, H, 0], W_hh: [H, H, 1 / Math.sqrt(H)] };
    return { C: [V, D, 1], ...recurrent, W_lm_head: [H, V, 0.1 / Math.sqrt(H)], b_lm_head: [1, V, 0] };
  }
  const gain = config.activation === "tanh" ? 5 / 3 : Math.SQRT2;
  const shapes = { C: [V, D, 1] };
  let width = T * D;
  config.hidden_sizes.forEach((H, at) => {
    shapes[`W${at + 1}`] = [width, H, gain / Math.sqrt(width)];
    shapes[`b${at + 1}`] = [1, H, 0];
    width = H;
  });
  const output = config.hidden_sizes.length + 1;
  if (output > 1) shapes[`W${output}`] = [width, V, 0.1 / Math.sqrt(width)];
  shapes[`b${output}`] = [1, V, 0];
  if (config.direct) shapes.W = [T * D, V, 0.1 / Math.sqrt(T * D)];
  return shapes;
}

/** A model with first values drawn as mmcore's scaled ones, in the form that forward.js reads. */
export function fresh(config, vocabSize, seed) {
  const random = chances(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()); // Box and Muller
  const tensors = {};
  for (const [name, [rows, columns, spread]] of Object.entries(shapesOf(config, vocabSize))) {
    const values = new Float32Array(rows * columns);
    if (spread) for (let i = 0; i < values.length; i++) values[i] = spread * normal();
    tensors[name] = { values, rows, columns };
  }
  return { config, tensors };
}

// ---- data

/** The same data seen through shorter contexts: rows that end alike become one. */
export function shortened(data, length) {
  if (length === data.length) return data;
  const found = new Map();
  const kept = [];
  const counts = [];
  for (let row = 0; row < data.starts.length - 1; row++) {
    const ids = data.contexts.subarray((row + 1) * data.length - length, (row + 1) * data.length);
    const key = ids.join();
    if (!found.has(key)) {
      found.set(key, kept.length);
      kept.push(ids);
      counts.push(new Map());
    }
    const own = counts[found.get(key)];
    for (let at = data.starts[row]; at < data.starts[row + 1]; at++) {
      own.set(data.columns[at], (own.get(data.columns[at]) ?? 0) + data.counts[at]);
    }
  }
  const starts = [0];
  for (const own of counts) starts.push(starts.at(-1) + own.size);
  const contexts = new Uint16Array(kept.length * length);
  kept.forEach((ids, row) => contexts.set(ids, row * length));
  const columns = Uint16Array.from(counts.flatMap((own) => [...own.keys()]));
  const numbers = Uint32Array.from(counts.flatMap((own) => [...own.values()]));
  return { ...data, contexts, starts: Uint32Array.from(starts), columns, counts: numbers, length };
}

/** How often each distinct context occurs. */
export function totalsOf({ starts, counts }) {
  return Float64Array.from({ length: starts.length - 1 }, (_, row) => {
    let total = 0;
    for (let at = starts[row]; at < starts[row + 1]; at++) total += counts[at];
    return total;
  });
}

/** Some rows as a batch: contexts (B, T), and what follows each as a distribution (B, V). */
export function batchOf(data, rows) {
  const { length, vocabSize } = data;
  const contexts = new Uint16Array(rows.length * length);
  const targets = new Float32Array(rows.length * vocabSize);
  rows.forEach((row, b) => {
    contexts.set(data.contexts.subarray(row * length, (row + 1) * length), b * length);
    let total = 0;
    for (let at = data.starts[row]; at < data.starts[row + 1]; at++) total += data.counts[at];
    for (let at = data.starts[row]; at < data.starts[row + 1]; at++) {
      targets[b * vocabSize + data.columns[at]] = data.counts[at] / total;
    }
  });
  return { contexts, targets, size: rows.length, length, vocabSize };
}

/** Draws rows in proportion to how often they occur: one random offset, and equally spaced places from there. */
export function samplerOf(data, size, random) {
  const bounds = totalsOf(data);
  for (let row = 1; row < bounds.length; row++) bounds[row] += bounds[row - 1];
  const spacing = bounds.at(-1) / size;
  return () => {
    const rows = [];
    let place = random() * spacing;
    for (let row = 0; row < bounds.length && rows.length < size; ) {
      if (bounds[row] > place) {
        rows.push(row);
        place += spacing;
      } else row++;
    }
    return batchOf(data, rows);
  };
}

// ---- gradients

/** The mean loss of a batch, and its derivative by every tensor. */
export function gradientsOf(model, batch) {
  return { bigram: bigramGradients, mlp: mlpGradients, rnn: rnnGradients }[model.config.architecture](model, batch);
}

/** out (n, k) += a (n, m) · b (m, k), four rows of b at a time: each number of `out` is read and written once for four. */
function addProduct(a, b, out, n, m, k) {
  for (let i = 0; i < n; i++) {
    for (let l = 0; l < m; l += 4) addRowsOf(b, l, Math.min(4, m - l), a, i * m + l, 1, out, i * k, k);
  }
}

/** out (m, k) += aᵀ · b, of a (n, m) and b (n, k) */
function addTransposedProduct(a, b, out, n, m, k) {
  for (let i = 0; i < n; i += 4) {
    for (let l = 0; l < m; l++) addRowsOf(b, i, Math.min(4, n - i), a, i * m + l, m, out, l * k, k);
  }
}

/** Add up to four rows of b (…, k), from one on, to k numbers of `out`; their factors stand in a, `stride` apart. */
function addRowsOf(b, row, count, a, at, stride, out, to, k) {
  let from = row * k;
  if (count < 4) {
    for (; count > 0; count--, at += stride, from += k) {
      for (let j = 0; j < k; j++) out[to + j] += a[at] * b[from + j];
    }
    return;
  }
  const [f, g, h, p] = [a[at], a[at + stride], a[at + 2 * stride], a[at + 3 * stride]];
  const [second, third, fourth] = [from + k, from + 2 * k, from + 3 * k];
  for (let j = 0; j < k; j++) {
    out[to + j] += f * b[from + j] + g * b[second + j] + h * b[third + j] + p * b[fourth + j];
  }
}

function transposed(a, n, m) {
  const result = new Float32Array(a.length);
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) result[j * n + i] = a[i * m + j];
  return result;
}

/** Each of n rows plus the same vector, which starts them. */
function spreadRows(vector, n) {
  const k = vector.length;
  const out = new Float32Array(n * k);
  for (let i = 0; i < n; i++) out.set(vector, i * k);
  return out;
}

function addRows(rows, out, n) {
  const k = out.length;
  for (let i = 0; i < n; i++) for (let j = 0; j < k; j++) out[j] += rows[i * k + j];
}

/** The mean loss of logits (n, V), which become their own gradient (p − q) · weight; weights sum to 1. */
function crossEntropy(logits, targets, n, V, weights) {
  let loss = 0;
  for (let i = 0; i < n; i++) {
    const from = i * V;
    const weight = weights ? weights[i] : 1 / n;
    if (weight === 0) {
      logits.fill(0, from, from + V);
      continue;
    }
    let top = -Infinity;
    for (let v = 0; v < V; v++) if (logits[from + v] > top) top = logits[from + v];
    let total = 0;
    for (let v = 0; v < V; v++) total += Math.exp(logits[from + v] - top);
    const level = top + Math.log(total);
    for (let v = 0; v < V; v++) {
      const q = targets[from + v];
      const logP = logits[from + v] - level;
      if (q) loss -= weight * q * logP;
      logits[from + v] = weight * (Math.exp(logP) - q);
    }
  }
  return loss;
}

const zerosLike = ({ tensors }) =>
  Object.fromEntries(Object.entries(tensors).map(([name, { values }]) => [name, new Float32Array(values.length)]));

function bigramGradients(model, batch) {
  const { contexts, targets, size, length, vocabSize: V } = batch;
  const W = model.tensors.W.values;
  const gradients = zerosLike(model);
  const logits = new Float32Array(size * V);
  const last = (b) => contexts[(b + 1) * length - 1];
  for (let b = 0; b < size; b++) logits.set(W.subarray(last(b) * V, (last(b) + 1) * V), b * V);
  const loss = crossEntropy(logits, targets, size, V, batch.weights);
  if (batch.lossOnly) return { loss };
  for (let b = 0; b < size; b++) for (let v = 0; v < V; v++) gradients.W[last(b) * V + v] += logits[b * V + v];
  return { loss, gradients };
}

const BENT = { tanh: Math.tanh, relu: (z) => Math.max(0, z) };
const SLOPE = { tanh: (h) => 1 - h * h, relu: (h) => (h > 0 ? 1 : 0) }; // from the activation's own output

function bend(h, activation) {
  const bent = BENT[activation];
  for (let i = 0; i < h.length; i++) h[i] = bent(h[i]);
}

/**
 * x · W of the embeddings x of a context is a sum of rows, one a place, of the table C · W_t: as in mmcore/backprop.py,
 * both ways go through that table.
 */
function lookup(model, name, { contexts, size, length, vocabSize: V }) {
  const C = model.tensors.C.values;
  const W = model.tensors[name].values;
  const D = model.tensors.C.columns;
  const K = model.tensors[name].columns;
  const part = (t) => W.subarray(t * D * K, (t + 1) * D * K);
  return {
    addTo(out) {
      for (let t = 0; t < length; t++) {
        const table = new Float32Array(V * K);
        addProduct(C, part(t), table, V, D, K);
        for (let b = 0; b < size; b++) {
          const from = contexts[b * length + t] * K;
          for (let k = 0, to = b * K; k < K; k++, to++) out[to] += table[from + k];
        }
      }
    },
    backward(d, dC, dW) {
      for (let t = 0; t < length; t++) {
        const table = new Float32Array(V * K);
        for (let b = 0; b < size; b++) {
          const to = contexts[b * length + t] * K;
          for (let k = 0, from = b * K; k < K; k++, from++) table[to + k] += d[from];
        }
        addTransposedProduct(C, table, dW.subarray(t * D * K, (t + 1) * D * K), V, D, K);
        addProduct(table, transposed(part(t), D, K), dC, V, K, D);
      }
    },
  };
}

function mlpGradients(model, batch) {
  const { config, tensors } = model;
  const { targets, size, vocabSize: V } = batch;
  const gradients = zerosLike(model);
  const sizes = config.hidden_sizes;
  const output = sizes.length + 1;
  const first = sizes.length ? lookup(model, "W1", batch) : null;
  const direct = config.direct ? lookup(model, "W", batch) : null;
  const layers = [];
  sizes.forEach((H, at) => {
    const h = spreadRows(tensors[`b${at + 1}`].values, size);
    if (at) addProduct(layers[at - 1], tensors[`W${at + 1}`].values, h, size, sizes[at - 1], H);
    else first.addTo(h);
    bend(h, config.activation);
    layers.push(h);
  });
  const logits = spreadRows(tensors[`b${output}`].values, size);
  if (layers.length) addProduct(layers.at(-1), tensors[`W${output}`].values, logits, size, sizes.at(-1), V);
  direct?.addTo(logits);
  const loss = crossEntropy(logits, targets, size, V, batch.weights);
  if (batch.lossOnly) return { loss };
  addRows(logits, gradients[`b${output}`], size);
  direct?.backward(logits, gradients.C, gradients.W);
  let d = logits;
  for (let at = sizes.length - 1; at >= 0; at--) {
    const [H, K] = [sizes[at], sizes[at + 1] ?? V];
    const name = `W${at + 2}`;
    addTransposedProduct(layers[at], d, gradients[name], size, H, K);
    const dh = new Float32Array(size * H);
    addProduct(d, transposed(tensors[name].values, H, K), dh, size, K, H);
    for (let i = 0; i < dh.length; i++) dh[i] *= SLOPE[config.activation](layers[at][i]);
    addRows(dh, gradients[`b${at + 1}`], size);
    d = dh;
  }
  first?.backward(d, gradients.C, gradients.W1);
  return { loss, gradients };
}

/** Each beginning of some contexts once, after those it continues: a word is read from its boundary on. */
function treeOf({ contexts, size, length }) {
  const nodes = { last: [], parent: [] };
  const known = new Map();
  const ends = [];
  for (let b = 0; b < size; b++) {
    const ids = contexts.subarray(b * length, (b + 1) * length);
    let node = -1;
    for (let t = Math.max(0, ids.lastIndexOf(0)); t < length; t++) {
      const key = (node + 1) * 65536 + ids[t];
      if (!known.has(key)) {
        known.set(key, nodes.last.length);
        nodes.last.push(ids[t]);
        nodes.parent.push(node);
      }
      node = known.get(key);
    }
    ends.push(node);
  }
  return { ...nodes, ends };
}

function rnnGradients(model, batch) {
  const { config, tensors } = model;
  const { targets, size, vocabSize: V } = batch;
  const [H, D] = [config.hidden_size, config.embedding_dim];
  const gradients = zerosLike(model);
  const { last, parent, ends } = treeOf(batch);
  const values = (name) => tensors[name].values;
  const inputs = spreadRows(values("b_ih"), V); // (V, H): what each symbol adds to a state; there are no others
  addProduct(values("C"), values("W_ih"), inputs, V, D, H);
  const states = new Float32Array(last.length * H);
  const row = (table, at, width = H) => table.subarray(at * width, (at + 1) * width);
  for (let node = 0; node < last.length; node++) {
    const h = row(states, node);
    h.set(row(inputs, last[node]));
    if (parent[node] >= 0) addProduct(row(states, parent[node]), values("W_hh"), h, 1, H, H);
    for (let i = 0; i < H; i++) h[i] = Math.tanh(h[i]);
  }
  const read = new Float32Array(size * H);
  ends.forEach((node, b) => read.set(row(states, node), b * H));
  const logits = spreadRows(values("b_lm_head"), size);
  addProduct(read, values("W_lm_head"), logits, size, H, V);
  const loss = crossEntropy(logits, targets, size, V, batch.weights);
  if (batch.lossOnly) return { loss };
  addRows(logits, gradients.b_lm_head, size);
  addTransposedProduct(read, logits, gradients.W_lm_head, size, H, V);
  const dRead = new Float32Array(size * H);
  addProduct(logits, transposed(values("W_lm_head"), H, V), dRead, size, V, H);
  const dStates = new Float32Array(states.length);
  ends.forEach((node, b) => addRows(row(dRead, b), row(dStates, node), 1));
  const dInputs = new Float32Array(V * H);
  const back = transposed(values("W_hh"), H, H);
  for (let node = last.length - 1; node >= 0; node--) {
    const [h, dz] = [row(states, node), row(dStates, node)];
    for (let i = 0; i < H; i++) dz[i] *= 1 - h[i] * h[i];
    addRows(dz, row(dInputs, last[node]), 1);
    if (parent[node] < 0) continue;
    addTransposedProduct(row(states, parent[node]), dz, gradients.W_hh, 1, H, H);
    addProduct(dz, back, row(dStates, parent[node]), 1, H, H);
  }
  addRows(dInputs, gradients.b_ih, V);
  addTransposedProduct(values("C"), dInputs, gradients.W_ih, V, D, H);
  addProduct(dInputs, transposed(values("W_ih"), D, H), gradients.C, V, H, D);
  return { loss, gradients };
}

/** The exact mean loss of some data, in pieces. */
export function lossOf(model, data, rowsAtOnce = 512) {
  const totals = totalsOf(data);
  let [loss, examples] = [0, 0];
  for (let from = 0; from < totals.length; from += rowsAtOnce) {
    const rows = Array.from({ length: Math.min(rowsAtOnce, totals.length - from) }, (_, i) => from + i);
    const here = rows.reduce((sum, row) => sum + totals[row], 0);
    const weights = Float64Array.from(rows, (row) => totals[row] / here);
    loss += here * gradientsOf(model, { ...batchOf(data, rows), weights, lossOnly: true }).loss;
    examples += here;
  }
  return loss / examples;
}

// ---- training

/** One update by AdamW with the runs' settings; `moments` is { step, mean, square }, made by the first call. */
export function update(model, gradients, rate, moments) {
  moments.step = (moments.step ?? 0) + 1;
  moments.mean ??= zerosLike(model);
  moments.square ??= zerosLike(model);
  const scale1 = 1 - BETA1 ** moments.step;
  const scale2 = Math.sqrt(1 - BETA2 ** moments.step);
  for (const [name, { values }] of Object.entries(model.tensors)) {
    const [g, m, s] = [gradients[name], moments.mean[name], moments.square[name]];
    for (let i = 0; i < values.length; i++) {
      m[i] += (g[i] - m[i]) * (1 - BETA1);
      s[i] = s[i] * BETA2 + g[i] * g[i] * (1 - BETA2);
      values[i] -= ((rate / scale1) * m[i]) / (Math.sqrt(s[i]) / scale2 + TINY);
    }
  }
}

/** The one-cycle schedule of mmcore/schedules.py. */
export function rateAt(rate, step, steps) {
  return rate * Math.min(1, (step + 1) / Math.max(1, 0.2 * steps), (1 - step / steps) / 0.8);
}

const CHECKS = 28; // validation losses along the way

/** Train from scratch: { step, loss, seconds, model } of every check, whose loss is that of all validation data. */
export function* trained({ train, val, settings: { config, steps, rate, batch, seed } }) {
  const length = config.context_size ?? 1;
  const [known, unknown] = [shortened(train, length), shortened(val, length)];
  const model = fresh(config, train.vocabSize, seed);
  const sample = samplerOf(known, batch, chances(seed + 1));
  const [moments, began] = [{}, performance.now()];
  const checks = new Set([0, steps, ...Array.from({ length: CHECKS }, (_, i) => Math.round(steps ** ((i + 1) / CHECKS)))]);
  for (let step = 0; step <= steps; step++) {
    if (checks.has(step)) yield { step, loss: lossOf(model, unknown), seconds: (performance.now() - began) / 1000, model };
    if (step === steps) return;
    update(model, gradientsOf(model, sample()).gradients, rateAt(rate, step, steps), moments);
  }
}
