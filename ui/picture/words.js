/** What a number of the picture is, in words: its name, its value, what it is made of and what it adds to. */

const LISTED = 5; // terms
const GATES = {
  r: "Reset gate", z: "Update gate", n: "Candidate", i: "Input gate", f: "Forget gate", o: "Output gate", g: "Candidate for the cell",
  c: "Cell", h: "State",
};

const isDeep = ({ config }) => config.architecture === "wavenet" || config.hidden_sizes?.length > 1;
const signed = (value, digits = 3) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
const percent = (p) => `${(100 * p).toFixed(1)} %`;

/** { title, value, lists: [{ title, rows }] } of the number at `index` of a block. */
export function describe(view, name, at, index) {
  const say = SAYING.find(([pattern]) => pattern.test(name))[1];
  return { lists: [], ...say(view, name, at, index) };
}

const SAYING = [
  [/^ids$/, (view, _, at) => {
    const id = view.made.ids[at];
    return { title: `${fit("Character", view)} ${at + 1}: ${view.labels[id]}`, value: `${id === 0 ? "The boundary, id" : "Its id is"} ${id}. It picks a row of the table.` };
  }],
  [/^(rows|x)$/, (view, _, at, index) => ofRow(view, at, index)],
  [/^W$/, ofTable],
  [/^attention/, ofHead],
  [/^p$/, ofOutput],
  [/^[rzifo]$/, (view, name, at, index) => {
    const value = view.made[name][at][index];
    return { title: named(view, name, at, index), value: `Open to ${percent(value)}.`, lists: reads(view, name, at, index) };
  }],
  [/./, ofUnit],
];

function ofRow(view, at, index) {
  const symbol = view.labels[view.made.ids[at]];
  return {
    title: `Number ${index} of the row of ${symbol}`,
    value: `C[${symbol}, ${index}] = ${signed(view.made.rows[at][index])}. The same wherever ${symbol} stands.`,
  };
}

function ofTable(view, _, at, index) {
  const { columns, values } = view.model.tensors.W;
  const [row, column] = [Math.floor(index / columns), index % columns];
  return { title: `After ${view.labels[row]}: ${view.labels[column]}`, value: `W[${view.labels[row]}, ${view.labels[column]}] = ${signed(values[index])}, a logit.` };
}

function ofHead(view, name, at, index) {
  const { ids } = view.made;
  const weights = view.made[name];
  const [head, from] = [Math.floor(index / ids.length), index % ids.length];
  const weight = weights[head].at(-1)[from];
  return {
    title: `Head ${head + 1} of layer ${name.slice("attention".length)}`,
    value: `${fit("The last character", view)} takes ${percent(weight)} from ${view.labels[ids[from]]}, ${fit("character", view)} ${from + 1}.`,
  };
}

function ofOutput(view, name, at, index) {
  const { p, logits } = view.made;
  const place = p.reduce((before, other) => before + (other > p[index]), 1);
  return {
    title: `${fit("Next character", view)}: ${view.labels[index]}`,
    value: `Probability ${percent(p[index])}, place ${place} of ${p.length}. Logit ${signed(logits[index])}.`,
    lists: reads(view, name, at, index),
  };
}

function ofUnit(view, name, at, index) {
  const { made } = view;
  const layer = name.match(/\d+$/)?.[0];
  const vector = (found) => (ArrayBuffer.isView(found) ? found : found[at]);
  const value = vector(made[name])[index];
  const off = view.off[name]?.has(index);
  const before = made[layer ? `norm${layer}` : ""] ?? made[layer ? `z${layer}` : ""];
  const from = before && name.startsWith("h") ? ` from a pre-activation of ${signed(vector(before)[index])}` : "";
  const lists = [...reads(view, name, at, index), ...(off ? [] : pushes(view, name, at, index))];
  return { title: named(view, name, at, index), value: off ? "Switched off: its output is 0." : `Output ${signed(value)}${from}.`, lists };
}

/** A unit's name: its layer, or its gate and the character after which it stands. */
function named({ model, made, labels }, name, at, index) {
  const layer = name.match(/\d+$/)?.[0];
  if (name.startsWith("up")) return `Feed-forward unit ${index} of layer ${layer}`;
  if (layer) return `Unit ${index} of ${isDeep(model) ? `layer ${layer}` : "the hidden layer"}`;
  if (model.config.architecture === "transformer") return `Number ${index} of the residual stream`;
  return `${GATES[name]}, unit ${index}, after ${labels[made.ids[at]]}`;
}

function reads(view, name, at, index) {
  if (view.model.config.architecture === "bigram") return []; // the logit is looked up
  const found = largest(terms(view, name, at, index), LISTED).filter(({ value }) => value !== 0);
  const rows = found.map((part) => [source(view, part), `${signed(part.input, 2)} × ${signed(part.weight, 2)}`, signed(part.value, 2)]);
  return rows.length ? [{ title: "Reads most, number × weight", rows }] : [];
}

function pushes(view, name, at, index) {
  const found = largest(effects(view, name, at, index), LISTED).filter(({ value }) => value !== 0);
  if (!found.length) return [];
  const shown = (part) => (part.name === "p" ? `Logit of ${view.labels[part.index]}` : `Next layer, unit ${part.index}`);
  return [{ title: "Adds most to", rows: found.map((part) => [shown(part), "", signed(part.value, 2)]) }];
}

function source(view, { name, at, index }) {
  const { made, labels, model } = view;
  if (name === "x" || name === "rows") return `${at + 1}: ${labels[made.ids[at]]} [${index}]`; // as on the charts below
  if (/^x\d/.test(name) || model.config.architecture === "transformer") return `Stream, number ${index}`;
  if (/^h\d/.test(name)) return isDeep(model) ? `Layer ${name.slice(1)}, unit ${index}` : `Unit ${index}`;
  return `${GATES[name]} ${index}${at === made.ids.length - 1 ? "" : `, after ${at + 1}: ${labels[made.ids[at]]}`}`;
}
