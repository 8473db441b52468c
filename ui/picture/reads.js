/**
 * What a number of the picture is the sum of, and what it adds to others: terms
 * { name, at, index, input, weight, value }, where `value` = input · weight, and `name`, `at`, `index` say which number
 * the input is: `at` counts characters, or vectors of a layer.
 */

/** The terms of a unit's pre-activation, of a gate's, of a state's or of a logit (named p); none of what is looked up. */
export function terms(view, name, at, index) {
  const { model, made } = view;
  const { config, tensors } = model;
  if (name === "p") return outputTerms(view, index);
  const layer = Number(name.match(/^(?:h|up)(\d+)$/)?.[1]);
  if (config.architecture === "mlp" && layer) {
    return layer === 1
      ? ofRows("x", made.rows, tensors.W1, index)
      : ofVector(`h${layer - 1}`, 0, made[`h${layer - 1}`], tensors[`W${layer}`], index);
  }
  if (config.architecture === "wavenet" && layer) {
    const [below, vectors] = layer === 1 ? ["rows", made.rows] : [`h${layer - 1}`, made[`h${layer - 1}`]];
    return ofRows(below, vectors.slice(2 * at, 2 * at + 2), tensors[`W${layer}`], index, 2 * at);
  }
  if (name.startsWith("up")) return ofVector(`x${layer}`, at, made[`x${layer}`][at], tensors[`W_fc${layer}`], index);
  return RECURRENT[config.architecture]?.(view, name, at, index) ?? [];
}

/** What one unit adds to each logit, or to each unit of the next layer. */
export function effects({ model, made }, name, at, index) {
  const { config, tensors } = model;
  const layer = Number(name.match(/^h(\d*)$/)?.[1] || 0);
  if (config.architecture === "mlp" && layer) {
    const last = layer === config.hidden_sizes.length;
    return fromUnit(last ? "p" : `h${layer + 1}`, made[`h${layer}`][index], tensors[`W${layer + 1}`], index);
  }
  const top = config.architecture === "wavenet" ? Math.log2(config.context_size) : 0;
  if (name !== lastOf(model) || layer !== top || at !== lastPlace(made[name])) return [];
  return fromUnit("p", vectorAt(made[name], at)[index], tensors.W_lm_head, index);
}

/** The vector that the logits are made of. */
export function lastOf({ config }) {
  if (config.architecture === "mlp") return config.hidden_sizes.length ? `h${config.hidden_sizes.length}` : "x";
  return config.architecture === "wavenet" ? `h${Math.log2(config.context_size)}` : "h";
}

export const largest = (list, count) => [...list].sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, count);

const isVector = (value) => ArrayBuffer.isView(value);
const vectorAt = (value, at) => (isVector(value) ? value : value[at]);
const lastPlace = (value) => (isVector(value) ? 0 : value.length - 1);

function outputTerms({ model, made }, index) {
  const { config, tensors } = model;
  if (config.architecture === "bigram") {
    const row = made.ids.at(-1);
    const value = tensors.W.values[row * tensors.W.columns + index];
    return [{ name: "W", at: 0, index: row * tensors.W.columns + index, input: 1, weight: value, value }];
  }
  const direct = config.direct ? ofRows("x", made.rows, tensors.W, index) : [];
  const last = lastOf(model);
  if (last === "x") return direct;
  const W = tensors.W_lm_head ?? tensors[`W${config.hidden_sizes.length + 1}`];
  const at = lastPlace(made[last]);
  return [...ofVector(last, at, vectorAt(made[last], at), W, index), ...direct];
}

const term = (name, at, index, input, weight) => ({ name, at, index, input, weight, value: input * weight });

/** vector · column of W, whose rows begin at `start`. */
function ofVector(name, at, vector, W, column, start = 0) {
  return Array.from(vector, (input, i) => term(name, at, i, input, W.values[(start + i) * W.columns + column]));
}

/** The same of several vectors side by side. */
function ofRows(name, vectors, W, column, first = 0) {
  return vectors.flatMap((vector, k) => ofVector(name, first + k, vector, W, column, k * vector.length));
}

function fromUnit(name, input, W, row) {
  return Array.from({ length: W.columns }, (_, k) => term(name, 0, k, input, W.values[row * W.columns + k]));
}

/** x · W_ih and h · W_hh, in the columns of one gate. */
function ofStep({ model, made }, at, column) {
  const { W_ih, W_hh } = model.tensors;
  const before = at ? ofVector("h", at - 1, made.h[at - 1], W_hh, column) : [];
  return [...ofVector("rows", at, made.rows[at], W_ih, column), ...before];
}

const RECURRENT = {
  rnn: (view, name, at, index) => (name === "h" ? ofStep(view, at, index) : []),
  gru(view, name, at, index) {
    const { made } = view;
    if (name === "h") {
      const keep = made.z[at][index];
      const before = at ? [term("h", at - 1, index, made.h[at - 1][index], keep)] : [];
      return [...before, term("n", at, index, made.n[at][index], 1 - keep)];
    }
    const gate = ["r", "z", "n"].indexOf(name);
    if (gate < 0) return [];
    const found = ofStep(view, at, gate * view.model.config.hidden_size + index);
    if (name !== "n") return found;
    const share = made.r[at][index]; // of the state, as the reset gate lets it through
    return found.map((part) => (part.name === "h" ? { ...part, weight: part.weight * share, value: part.value * share } : part));
  },
  lstm(view, name, at, index) {
    const { made } = view;
    if (name === "h") return [term("c", at, index, Math.tanh(made.c[at][index]), made.o[at][index])];
    if (name === "c") {
      const before = at ? [term("c", at - 1, index, made.c[at - 1][index], made.f[at][index])] : [];
      return [...before, term("g", at, index, made.g[at][index], made.i[at][index])];
    }
    const gate = ["i", "f", "o", "g"].indexOf(name);
    return gate < 0 ? [] : ofStep(view, at, gate * view.model.config.hidden_size + index);
  },
};
