/**
 * The forward pass of every architecture in mmcore/architectures, number for number, in plain arrays.
 *
 *   const model = unpack({ config, layout }, flat);
 *   const { h1, logits, p } = forward(model, contextOf(model, [5, 13]));
 *
 * It needs neither a page nor a library. Results are called as in mmcore.trace: a vector is a Float64Array, what is made
 * for every character is an array of them. `off` names units that are switched off, such as { h1: new Set([3]) }: their
 * output is 0 wherever it is read; of attention1 it is a head.
 */

const EPSILON = 1e-5; // added to a variance or mean square before dividing by its root, as in mmcore

/** A model of named tensors, views of one flat Float32Array in the layout of mmcore's Model.flat. */
export function unpack({ config, layout }, flat) {
  const tensors = {};
  for (const [name, [start, shape]] of Object.entries(layout)) {
    const size = shape.reduce((product, side) => product * side, 1);
    tensors[name] = { values: flat.subarray(start, start + size), columns: shape.at(-1), rows: size / shape.at(-1) };
  }
  return { config, tensors };
}

/** The T ids that a model sees after some characters: boundaries first, then the last of them. */
export function contextOf({ config }, ids) {
  const length = config.context_size ?? 1; // a bigram has no such setting
  return [...Array(length).fill(0), ...ids].slice(-length);
}

/** Every intermediate result of one context, by name, `logits` and `p` last. */
export function forward(model, ids, off = {}) {
  const made = { ids };
  made.logits = ARCHITECTURES[model.config.architecture](model, ids, made, off);
  made.p = softmax(made.logits);
  return made;
}

const ARCHITECTURES = {
  bigram: ({ tensors }, ids) => rowOf(tensors.W, ids.at(-1)),
  mlp,
  wavenet,
  rnn: sequence(rnn),
  gru: sequence(gru),
  lstm: sequence(lstm),
  transformer: sequence(transformer),
};

function mlp({ config, tensors }, ids, made, off) {
  made.rows = ids.map((id) => rowOf(tensors.C, id));
  made.x = joined(made.rows);
  let h = made.x;
  const output = config.hidden_sizes.length + 1;
  for (let layer = 1; layer < output; layer++) {
    const step = hidden(config, tensors, layer, h);
    h = silenced(step.h, off[`h${layer}`]);
    keep(made, layer, step);
  }
  let logits = Float64Array.from(tensors[`b${output}`].values);
  if (output > 1) logits = sum(times(h, tensors[`W${output}`]), logits);
  return config.direct ? sum(times(made.x, tensors.W), logits) : logits;
}

function wavenet({ config, tensors }, ids, made, off) {
  let h = (made.rows = ids.map((id) => rowOf(tensors.C, id)));
  for (let layer = 1; h.length > 1; layer++) {
    const pairs = Array.from({ length: h.length / 2 }, (_, k) => joined([h[2 * k], h[2 * k + 1]]));
    const steps = pairs.map((pair) => hidden(config, tensors, layer, pair));
    h = steps.map((step) => silenced(step.h, off[`h${layer}`]));
    for (const name of Object.keys(steps[0])) made[`${name}${layer}`] = steps.map((step) => step[name]);
  }
  return affine(h[0], tensors.W_lm_head, tensors.b_lm_head);
}

/** Pre-activations of a hidden layer, normalised if they are, and activations. */
function hidden({ activation, normalisation }, tensors, layer, inputs) {
  const z = times(inputs, tensors[`W${layer}`]);
  if (normalisation === "none") {
    const biased = sum(z, tensors[`b${layer}`].values);
    return { z: biased, h: biased.map(ACTIVATIONS[activation]) };
  }
  const of = (name) => tensors[`${name}${layer}`].values;
  const norm =
    normalisation === "layer"
      ? normalised(z, of("ln_gain"), of("ln_bias"))
      : z.map((value, i) => {
          const deviation = Math.sqrt(of("bn_running_var")[i] + EPSILON);
          return ((value - of("bn_running_mean")[i]) / deviation) * of("bn_gain")[i] + of("bn_bias")[i];
        });
  return { z, norm, h: norm.map(ACTIVATIONS[activation]) };
}

function keep(made, layer, step) {
  for (const [name, value] of Object.entries(step)) made[`${name}${layer}`] = value;
}

/** What reads a word from its boundary on, with a last state that gives the logits. */
function sequence(states) {
  return (model, ids, made, off) => {
    const { tensors } = model;
    const word = ids.slice(Math.max(ids.lastIndexOf(0), 0));
    made.ids = word;
    made.rows = word.map((id) => rowOf(tensors.C, id));
    return affine(states(model, made, off), tensors.W_lm_head, tensors.b_lm_head);
  };
}

function rnn({ config, tensors }, made, off) {
  let h = new Float64Array(config.hidden_size);
  made.h = made.rows.map((x) => {
    const z = sum(affine(x, tensors.W_ih, tensors.b_ih), times(h, tensors.W_hh));
    return (h = silenced(z.map(Math.tanh), off.h));
  });
  return h;
}

function gru({ config, tensors }, made, off) {
  let h = new Float64Array(config.hidden_size);
  Object.assign(made, { r: [], z: [], n: [], h: [] });
  for (const x of made.rows) {
    const [xr, xz, xn] = parts(affine(x, tensors.W_ih, tensors.b_ih), 3);
    const [hr, hz, hn] = parts(affine(h, tensors.W_hh, tensors.b_hh), 3);
    const r = sum(xr, hr).map(sigmoid);
    const z = sum(xz, hz).map(sigmoid);
    const n = xn.map((value, i) => Math.tanh(value + r[i] * hn[i]));
    const before = h;
    h = silenced(n.map((value, i) => z[i] * before[i] + (1 - z[i]) * value), off.h);
    for (const [name, value] of Object.entries({ r, z, n, h })) made[name].push(value);
  }
  return h;
}

function lstm({ config, tensors }, made, off) {
  let h = new Float64Array(config.hidden_size);
  let c = h;
  Object.assign(made, { i: [], f: [], o: [], g: [], c: [], h: [] });
  for (const x of made.rows) {
    const gates = sum(affine(x, tensors.W_ih, tensors.b_ih), times(h, tensors.W_hh));
    const [zi, zf, zo, zg] = parts(gates, 4);
    const [i, f, o] = [zi, zf.map((value) => value + 1), zo].map((gate) => gate.map(sigmoid));
    const g = zg.map(Math.tanh);
    c = c.map((value, k) => f[k] * value + i[k] * g[k]);
    h = silenced(c.map((value, k) => o[k] * Math.tanh(value)), off.h);
    for (const [name, value] of Object.entries({ i, f, o, g, c, h })) made[name].push(value);
  }
  return h;
}

function transformer({ config, tensors }, made, off) {
  const rms = config.normalisation === "rms"; // then the embeddings are normalised too, and the last vector is not
  const learned = (name) => tensors[name]?.values;
  const norm = (name, n, vector) =>
    rms ? rooted(vector) : normalised(vector, learned(`${name}_gain${n}`), learned(`${name}_bias${n}`));
  let s = made.rows.map((row, place) => sum(row, rowOf(tensors.wpe, place)));
  if (rms) [made.places, s] = [s, s.map(rooted)];
  made.s0 = s;
  for (let n = 1; n <= config.layers; n++) {
    const of = (name) => tensors[`${name}${n}`];
    const x1 = s.map((vector) => norm("ln1", n, vector));
    const qkv = x1.map((x) => affine(x, of("W_attn"), of("b_attn")));
    const attention = attentionWeights(qkv, config.heads);
    const mixed = mix(attention, qkv, off[`attention${n}`]);
    const a = s.map((vector, t) => sum(vector, affine(mixed[t], of("W_attn_proj"), of("b_attn_proj"))));
    const x2 = a.map((vector) => norm("ln2", n, vector));
    const bent = (x) => affine(x, of("W_fc"), of("b_fc")).map(ACTIVATIONS[config.activation]);
    const up = x2.map((x) => silenced(bent(x), off[`up${n}`]));
    s = a.map((vector, t) => sum(vector, affine(up[t], of("W_mlp_proj"), of("b_mlp_proj"))));
    keep(made, n, { attention, mixed, a, x: x2, up, s });
  }
  return (made.h = rms ? s.at(-1) : norm("lnf", "", s.at(-1)));
}

/** Of each head the weights with which each character looks at itself and those before it: [head][to][from]. */
function attentionWeights(qkv, heads) {
  const width = qkv[0].length / 3;
  const each = width / heads;
  return Array.from({ length: heads }, (_, head) =>
    qkv.map((to, t) => {
      const scores = qkv.slice(0, t + 1).map((from) => {
        let score = 0;
        for (let i = head * each; i < (head + 1) * each; i++) score += to[i] * from[width + i];
        return score / Math.sqrt(each);
      });
      const row = new Float64Array(qkv.length); // what comes later has weight 0
      row.set(softmax(Float64Array.from(scores)));
      return row;
    }),
  );
}

/** The characters' values, averaged with those weights, head beside head; nothing from a head that is off. */
function mix(attention, qkv, off) {
  const width = qkv[0].length / 3;
  const each = width / attention.length;
  return qkv.map((_, t) => {
    const mixed = new Float64Array(width);
    attention.forEach((rows, head) => {
      if (off?.has(head)) return;
      rows[t].forEach((weight, from) => {
        for (let i = head * each; i < (head + 1) * each; i++) mixed[i] += weight * qkv[from][2 * width + i];
      });
    });
    return mixed;
  });
}

// ---- arithmetic

const sigmoid = (value) => 1 / (1 + Math.exp(-value));
const gelu = (value) => (value * erfc(-value / Math.SQRT2)) / 2;
const ACTIVATIONS = { tanh: Math.tanh, relu: (value) => Math.max(0, value), gelu };

/** 1 − erf, to 1.2 · 10⁻⁷ of itself: Press et al., Numerical Recipes in C (1992), section 6.2. */
function erfc(x) {
  const t = 1 / (1 + Math.abs(x) / 2);
  const terms = [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196];
  const series = terms.reduce((inner, term) => term + t * inner, 0);
  const tail = t * Math.exp(-x * x - 1.26551223 + t * (1.00002368 + t * series));
  return x >= 0 ? tail : 2 - tail;
}

/** x (m) · W (m, k). */
function times(x, { values, columns }) {
  const result = new Float64Array(columns);
  for (let i = 0; i < x.length; i++) {
    const factor = x[i];
    if (factor === 0) continue; // silent units, and the first state
    for (let k = 0, at = i * columns; k < columns; k++, at++) result[k] += factor * values[at];
  }
  return result;
}

const affine = (x, W, b) => (b ? sum(times(x, W), b.values) : times(x, W));
const sum = (a, b) => a.map((value, i) => value + b[i]);
const rowOf = ({ values, columns }, row) => Float64Array.from(values.subarray(row * columns, (row + 1) * columns));
const silenced = (vector, off) => (off?.size ? vector.map((value, unit) => (off.has(unit) ? 0 : value)) : vector);

function joined(vectors) {
  const result = new Float64Array(vectors.reduce((length, vector) => length + vector.length, 0));
  let at = 0;
  for (const vector of vectors) {
    result.set(vector, at);
    at += vector.length;
  }
  return result;
}

function parts(vector, count) {
  const each = vector.length / count;
  return Array.from({ length: count }, (_, part) => vector.subarray(part * each, (part + 1) * each));
}

function normalised(vector, gain, bias) {
  const mean = vector.reduce((total, value) => total + value, 0) / vector.length;
  const variance = vector.reduce((total, value) => total + (value - mean) ** 2, 0) / vector.length;
  const deviation = Math.sqrt(variance + EPSILON);
  return vector.map((value, i) => ((value - mean) / deviation) * gain[i] + (bias ? bias[i] : 0));
}

/** Divided by the root of the mean square. */
function rooted(vector) {
  const square = vector.reduce((total, value) => total + value ** 2, 0) / vector.length;
  return vector.map((value) => value / Math.sqrt(square + EPSILON));
}

function softmax(scores) {
  const top = scores.reduce((most, score) => Math.max(most, score), -Infinity);
  const powers = scores.map((score) => Math.exp(score - top));
  const total = powers.reduce((all, power) => all + power, 0);
  return powers.map((power) => power / total);
}
