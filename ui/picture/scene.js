/**
 * What stands where. A scene is a list of blocks, each a grid of numbers that can be pointed at, under titled bands;
 * ribbons and arcs between them say what goes where. The same function lays out a phone and a wide screen.
 */

const TITLE = 22; // height of a band's title
const GAP = 26; // between bands, for the lines
const BARS = 96; // height of the tallest bar
const LABEL = 24; // room below a bar for a letter,
const UPRIGHT = 84; // and for a word, which stands upright
const COLUMN = 56; // of a word that is unrolled: below it the earliest characters are left out

/** A scene of a view { model, made, symbols } in so many pixels. */
export function layOut(view, width, small) {
  const scene = { width, small, tokens: view.tokens, y: 0, blocks: [], bands: [], ribbons: [], arcs: [], frames: [], left: 0 };
  LAYOUTS[view.model.config.architecture](scene, view);
  bars(scene, view);
  scene.height = scene.y;
  return scene;
}

const LAYOUTS = {
  bigram(scene, { model, made }) {
    const { W } = model.tensors;
    const whole = W.rows <= 40 && W.rows * 11 <= scene.width && !scene.small;
    tiles(scene, made.ids, "Context: the last character");
    band(scene, "W", whole ? "Table W: its row gives the logits" : "Its row of the table W gives the logits");
    const { room, ids } = outputs(scene, W.columns, made.p);
    const values = whole ? W.values : Float64Array.from(ids, (id) => W.values[made.ids.at(-1) * W.columns + id]);
    const tall = whole ? 9 : 16;
    const x = (scene.width - room * ids.length) / 2;
    const shape = { x, y: scene.y, columns: ids.length, cell: room, tall, scale: peak(W.values) };
    const block = add(scene, { name: "W", at: 0, last: 0, values, kind: "cells", ...shape });
    if (!whole) block.first = made.ids.at(-1) * W.columns;
    if (!whole) block.ids = ids;
    const y = scene.y + (whole ? made.ids.at(-1) * tall : 0);
    scene.frames.push({ x, y, width: room * ids.length, height: tall });
    scene.y += (whole ? W.rows : 1) * tall + GAP;
  },

  mlp(scene, { model, made }) {
    const { config } = model;
    const count = config.context_size;
    const strips = looked(scene, model, made, `Context: the last ${count === 1 ? "character" : `${count} characters`}`);
    band(scene, "x", `Side by side: ${made.x.length} numbers`);
    const size = grid(config.embedding_dim, scene.width / count, 34, 16, 3);
    const middles = spaced(scene, count, size.columns * size.cell);
    const side = row(scene, "x", made.rows, middles, size, { scale: peak(model.tensors.C.values) });
    strips.forEach((strip, at) => scene.ribbons.push([strip, side[at]]));
    scene.y += GAP;
    config.hidden_sizes.forEach((units, i) => {
      const name = `h${i + 1}`;
      band(scene, name, `Hidden layer${config.hidden_sizes.length > 1 ? ` ${i + 1}` : ""}: ${units} units`);
      wide(scene, name, made[name], config.activation, 128);
      scene.y += GAP;
    });
  },

  wavenet(scene, { model, made }) {
    const { config } = model;
    let below = looked(scene, model, made, `Context: the last ${config.context_size} characters`);
    for (let layer = 1; made[`h${layer}`]; layer++) {
      const name = `h${layer}`;
      const vectors = made[name];
      const said = vectors.length > 1 ? `${vectors.length} vectors of ${config.hidden_size} units, each from two` : `${config.hidden_size} units, from the last two`;
      band(scene, name, `Layer ${layer}: ${said}`);
      const middles = vectors.map((_, k) => (middle(below[2 * k]) + middle(below[2 * k + 1])) / 2);
      const size = grid(config.hidden_size, scene.width / vectors.length - 8, 64, 11, 2);
      const blocks = row(scene, name, vectors, middles, size, look(config.activation, vectors));
      blocks.forEach((block, k) => scene.ribbons.push([below[2 * k], block], [below[2 * k + 1], block]));
      below = blocks;
      scene.y += GAP;
    }
  },

  rnn: recurrent([["h", "State: tanh of the row and the state before", "tanh"]]),
  gru: recurrent([
    ["r", "Reset gate: what the candidate sees of the state", "gate"],
    ["z", "Update gate: what stays of the state", "gate"],
    ["n", "Candidate for a new state", "tanh"],
    ["h", "State: old and new, mixed by the update gate", "tanh"],
  ]),
  lstm: recurrent([
    ["i", "Input gate: what is let into the cell", "gate"],
    ["f", "Forget gate: what stays in the cell", "gate"],
    ["o", "Output gate: what the cell shows", "gate"],
    ["g", "Candidate for the cell", "tanh"],
    ["c", "Cell: what stays and what is let in", "free"],
    ["h", "State: what the cell shows", "tanh"],
  ]),

  transformer(scene, { model, made }) {
    const { config } = model;
    unrolled(scene, model, made);
    const { middles, each } = scene.places;
    const last = made.rows.length - 1;
    for (let n = 1; n <= config.layers; n++) {
      const heads = made[`attention${n}`];
      band(scene, `attention${n}`, `Layer ${n}, attention: where the last character looks, ${headsText(heads.length)}`);
      const tall = Math.max(7, Math.min(12, 48 / heads.length));
      scene.y += 40;
      scene.arcs.push({ name: `attention${n}`, y: scene.y, height: 36, middles, heads: heads.map((rows) => rows[last].slice(scene.left)) });
      const values = Float64Array.from(heads.flatMap((rows) => Array.from(rows[last].slice(scene.left))));
      const shape = { x: middles[0] - each / 2, y: scene.y, columns: middles.length, cell: each, tall, scale: 1 };
      add(scene, { name: `attention${n}`, at: 0, last: 0, values, kind: "cells", look: "gate", ...shape });
      scene.y += heads.length * tall + 8;
      band(scene, `up${n}`, `Layer ${n}, feed-forward: ${4 * config.embedding_dim} units, of the last character`);
      wide(scene, `up${n}`, made[`up${n}`][last], config.activation, 40, last);
      scene.y += GAP / 2;
    }
    const kind = config.normalisation === "rms" ? "" : ", normalised"; // the logits read it as it is
    band(scene, "h", `Residual stream of the last character${kind}: ${config.embedding_dim} numbers`);
    wide(scene, "h", made.h, "free", 30);
    scene.y += GAP;
  },
};

const headsText = (count) => (count === 1 ? "one head" : `a row for each of ${count} heads`);

/** A recurrent network, unrolled: a column a character, a band for each of its results. */
function recurrent(bands) {
  return (scene, { model, made }) => {
    unrolled(scene, model, made);
    const { middles, each } = scene.places;
    const size = grid(model.config.hidden_size, each - 12, bands.length > 2 ? 44 : 90, 12, 2);
    for (const [name, title, kind] of bands) {
      band(scene, name, title);
      const shown = made[name].slice(scene.left);
      const blocks = row(scene, name, shown, middles, size, look(kind, shown), scene.left);
      if (name === "h" || name === "c") {
        blocks.slice(1).forEach((block, k) => scene.ribbons.push([blocks[k], block, "next"]));
      }
      scene.y += name === "h" ? GAP : 10;
    }
  };
}

/** The characters of a word side by side and their rows of C; on a narrow screen the last of them. */
function unrolled(scene, model, made) {
  scene.left = Math.max(0, made.ids.length - Math.max(2, Math.floor(scene.width / COLUMN)));
  const left = scene.left ? `, its last ${made.ids.length - scene.left} of ${made.ids.length} characters` : "";
  looked(scene, model, made, `The word so far${left}`);
}

/** Tiles of the context, and the rows of C that stand for them. */
function looked(scene, model, made, title) {
  tiles(scene, made.ids.slice(scene.left), title, scene.left);
  scene.y -= GAP - 6;
  const rows = made.rows.slice(scene.left);
  band(scene, "rows", `Their rows of C, ${model.config.embedding_dim} numbers each`, true);
  const { middles, each } = scene.places;
  const size = grid(model.config.embedding_dim, each - 8, 30, 16, 2);
  const blocks = row(scene, "rows", rows, middles, size, { scale: peak(model.tensors.C.values) }, scene.left);
  scene.y += GAP;
  return blocks;
}

function tiles(scene, ids, title, first = 0) {
  band(scene, "ids", title);
  const each = Math.min(scene.width / ids.length, 168);
  const middles = spaced(scene, ids.length, each);
  scene.places = { middles, each };
  const side = Math.min(38, each - 3);
  ids.forEach((id, at) => {
    const place = { name: "ids", at: first + at, last: first + ids.length - 1 };
    add(scene, { ...place, values: [id], kind: "tile", x: middles[at] - side / 2, y: scene.y, columns: 1, cell: side, tall: side });
  });
  scene.y += side + GAP;
}

/** The bars of the next character's probabilities; of a large vocabulary the likeliest. */
function bars(scene, { model, made, symbols }) {
  const { room, ids } = outputs(scene, symbols.length, made.p);
  const cut = ids.length < symbols.length ? `: the ${ids.length} likeliest of ${symbols.length}` : "";
  band(scene, "p", `Probability of the next character${cut}`);
  const x = (scene.width - room * ids.length) / 2;
  const tall = scene.small ? 64 : BARS;
  const values = Float64Array.from(ids, (id) => made.p[id]);
  const upright = scene.tokens === "words";
  const below = upright ? UPRIGHT : LABEL;
  add(scene, { name: "p", at: 0, last: 0, values, ids, kind: "bars", x, y: scene.y + 18, columns: ids.length, cell: room, tall, below, upright });
  scene.y += 18 + tall + below;
}

/** Which symbols have a bar, and how wide it is. */
function outputs(scene, count, p) {
  const room = Math.max(11, Math.min(28, Math.floor(scene.width / count)));
  const fits = Math.floor(scene.width / room);
  const all = Array.from({ length: count }, (_, id) => id);
  return { room, ids: count <= fits ? all : all.sort((a, b) => p[b] - p[a]).slice(0, fits) };
}

// ---- what all of them are made of

function add(scene, block) {
  scene.blocks.push({ tall: block.cell, scale: 1, ...block });
  return scene.blocks.at(-1);
}

function band(scene, name, title, quiet = false) {
  scene.bands.push({ name, title: fit(title, scene), y: scene.y, quiet });
  scene.y += TITLE;
}

/** Middles of columns of a width, side by side in the middle of the scene. */
function spaced(scene, count, each) {
  const start = (scene.width - count * each) / 2;
  return Array.from({ length: count }, (_, k) => start + (k + 0.5) * each);
}

/** Cells as large as fit into a room of some height, in rows of equal length. */
function grid(count, width, tallest, most, least) {
  for (let cell = most; ; cell--) {
    const fits = Math.max(1, Math.min(count, Math.floor(width / cell)));
    const rows = Math.ceil(count / fits);
    if (cell > least && rows * cell > tallest) continue;
    return { columns: Math.ceil(count / rows), rows, cell };
  }
}

/** A block for each vector, one beside the other. */
function row(scene, name, vectors, middles, { columns, rows, cell }, looks, first = 0) {
  const blocks = vectors.map((values, at) => {
    const place = { name, at: first + at, last: first + vectors.length - 1, x: middles[at] - (columns * cell) / 2, y: scene.y };
    return add(scene, { ...place, values, kind: "cells", columns, cell, ...looks });
  });
  scene.y += rows * cell;
  return blocks;
}

/** One vector over the whole width. */
function wide(scene, name, values, kind, tallest, at = 0) {
  const size = grid(values.length, scene.width, scene.small ? tallest / 2 : tallest, 18, 4);
  const [block] = row(scene, name, [values], [scene.width / 2], size, look(kind, [values]), at);
  return block;
}

/** How a result is coloured: −1 to 1 for tanh, 0 to 1 for gates, as far as they go for the rest. */
function look(kind, vectors) {
  const bounded = kind === "tanh" || kind === "gate";
  return { look: kind, scale: bounded ? 1 : Math.max(...vectors.map(peak)) || 1 };
}

const peak = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const middle = (block) => block.x + (block.columns * block.cell) / 2;

// ---- where things are

/** The rectangle of one number. */
export function cellOf(block, index) {
  const { x, y, columns, cell, tall } = block;
  return { x: x + (index % columns) * cell, y: y + Math.floor(index / columns) * tall, width: cell, height: tall };
}

/** How tall a bar is: the likeliest fills the room, unless even that is unlikely. */
export function barHeight({ values, tall }, value) {
  return Math.max(1, (value / Math.max(0.2, ...values)) * tall);
}

/** Where lines begin and end: at a number's own cell, at the top of a bar or of what is written on it. */
export function tipOf(block, index) {
  const cell = cellOf(block, index);
  if (block.kind !== "bars") return cell;
  const top = block.tall - barHeight(block, block.values[index]) - 17;
  return { ...cell, y: cell.y + top, height: block.tall - top };
}

/** What is under a point: { block, index }. */
export function under(scene, x, y) {
  for (const block of scene.blocks) {
    const column = Math.floor((x - block.x) / block.cell);
    const line = Math.floor((y - block.y) / block.tall);
    const reach = block.kind === "bars" ? block.tall + block.below : 0; // the letter belongs to its bar
    if (reach && column >= 0 && column < block.columns && y >= block.y - 14 && y < block.y + reach) {
      return { block, index: column };
    }
    const index = line * block.columns + column;
    if (column >= 0 && column < block.columns && line >= 0 && index < block.values.length) return { block, index };
  }
  return null;
}

/** The nearest number in a direction, by the arrow keys. */
export function beside(scene, from, [dx, dy]) {
  const here = cellOf(from.block, from.index);
  let best = null;
  for (const block of scene.blocks) {
    for (let index = 0; index < block.values.length; index++) {
      if (block === from.block && index === from.index) continue;
      const there = cellOf(block, index);
      const right = there.x + there.width / 2 - here.x - here.width / 2;
      const down = there.y + there.height / 2 - here.y - here.height / 2;
      const along = right * dx + down * dy;
      const across = Math.abs(right * dy) + Math.abs(down * dx);
      if (along < 0.5 || across > along * 3 + (dx ? 2 : 600)) continue;
      const distance = along + across * (dx ? 8 : 1);
      if (!best || distance < best.distance) best = { block, index, distance };
    }
  }
  return best && { block: best.block, index: best.index };
}
