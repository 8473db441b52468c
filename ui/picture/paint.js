/** A scene on a canvas: numbers as colours, saturated ones marked, lines for the strongest terms. */

const SHADES = 24; // between nothing and the strongest colour
const SATURATED = 0.97; // |tanh| beyond it passes back less than 6 % of a gradient, as in mmcore.trace
const HEADS = [[], [5, 3], [2, 2], [8, 3]]; // dashes, so that colour does not tell heads apart alone
const PERCENT = 18; // px that a percentage over a bar takes at each side

/** The colours of the page as it is now: theme variables, and the legend's swatches. */
export function colours(root) {
  const style = getComputedStyle(root);
  const named = (name) => style.getPropertyValue(`--st-${name}`).trim();
  const swatch = (name) => rgb(getComputedStyle(root.querySelector(`.picture-swatch-${name}`)).backgroundColor);
  const neutral = swatch("neutral");
  const shades = (name) => Array.from({ length: SHADES + 1 }, (_, i) => blend(neutral, swatch(name), i / SHADES));
  return {
    text: style.color,
    muted: getComputedStyle(root.querySelector(".picture-legend")).color,
    border: named("border-color"),
    background: named("background-color"),
    empty: rgb(getComputedStyle(root.querySelector(".picture-panel")).backgroundColor),
    accent: named("primary-color"),
    font: style.fontFamily,
    positive: shades("positive"),
    negative: shades("negative"),
    share: shades("share"),
  };
}

const rgb = (text) => text.match(/[\d.]+/g).slice(0, 3).map(Number);
const blend = (from, to, share) => from.map((value, i) => Math.round(value + (to[i] - value) * share));
const css = (shade) => `rgb(${shade.join(" ")})`;

/** Draw everything: `off` are units switched off, `focus` and `pinned` are framed, `wires` lead from cell to cell. */
export function paint(canvas, scene, { palette, off, wires, focus, pinned, best, labels }) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(scene.width * ratio), Math.round(scene.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) {
    Object.assign(canvas, { width, height });
    canvas.style.height = `${scene.height}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, scene.width, scene.height);
  scene.ribbons.forEach((ribbon) => paintRibbon(pen, palette, ribbon));
  scene.arcs.forEach((arc) => paintArcs(pen, palette, arc, focus, off));
  wires.forEach((wire) => paintWire(pen, palette, wire));
  for (const block of scene.blocks) PAINTERS[block.kind](pen, palette, block, { off: off[block.name], best, labels });
  for (const { ends } of wires) ends.forEach((end) => outline(pen, end, palette.text, 1));
  scene.bands.forEach((band) => write(pen, palette, band.title, 0, band.y + 13, { size: 12.5, colour: palette.muted, halo: true, room: scene.width }));
  scene.frames.forEach((frame) => outline(pen, frame, palette.text, 1.5));
  if (pinned) outline(pen, pinned, palette.accent, 2.5);
  if (focus) outline(pen, focus, palette.text, 2);
}

const PAINTERS = {
  tile(pen, palette, block, { labels }) {
    const { x, y, cell } = block;
    pen.fillStyle = css(palette.positive[0]);
    pen.strokeStyle = palette.border;
    pen.beginPath();
    pen.roundRect(x + 0.5, y + 0.5, cell - 1, cell - 1, Math.min(7, cell / 4));
    pen.fill();
    pen.stroke();
    const quiet = block.values[0] === 0;
    const size = Math.min(20, cell * 0.58);
    write(pen, palette, labels[block.values[0]], x + cell / 2, y + cell / 2 + size * 0.35, {
      size, weight: 600, align: "center", colour: quiet ? palette.muted : palette.text, room: cell - 4,
    });
  },

  cells(pen, palette, block, { off }) {
    const { values, columns, cell, tall, x, y, look } = block;
    const rows = Math.ceil(values.length / columns);
    const silenced = (i) => off?.has(block.name.startsWith("attention") ? Math.floor(i / columns) : i);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(pixels(palette, block, rows, silenced), x, y, columns * cell, rows * tall);
    const size = Math.min(cell, tall);
    if (size >= 5) lattice(pen, block, rows, look === "relu" ? palette.border : palette.background);
    if (look === "tanh" && size >= 5) signs(pen, palette, block, silenced);
    if (off?.size) crosses(pen, palette, block, silenced);
  },

  bars(pen, palette, block, { best, labels }) {
    const { values, ids, x, y, cell, tall, below, upright } = block;
    const wide = Math.max(cell - Math.max(2, cell * 0.25), 3);
    values.forEach((value, i) => {
      const height = barHeight(block, value);
      const likeliest = ids[i] === best;
      pen.fillStyle = likeliest ? palette.accent : css(palette.share[10]);
      pen.fillRect(x + i * cell + (cell - wide) / 2, y + tall - height, wide, height);
      const at = x + (i + 0.5) * cell;
      const style = { size: Math.min(14, cell * 0.8), align: "center", room: cell };
      const bold = likeliest ? { weight: 700, colour: palette.text } : { colour: palette.muted };
      if (upright) writeUpright(pen, palette, labels[ids[i]], at, y + tall + 6, { ...style, ...bold, align: "right", room: below - 12 });
      else write(pen, palette, labels[ids[i]], at, y + tall + 17, { ...style, ...bold });
      if (likeliest) write(pen, palette, `${Math.round(100 * value)} %`, Math.max(at, PERCENT), y + tall - height - 4, { size: 12, weight: 600, align: "center", halo: true });
    });
  },
};

const sheet = document.createElement("canvas"); // a block's numbers, a pixel each, to be drawn larger

/** Thousands of cells at once: a pixel for each number, much quicker than as many rectangles. */
function pixels(palette, { values, columns, scale, look }, rows, silenced) {
  Object.assign(sheet, { width: columns, height: rows });
  const brush = sheet.getContext("2d", { willReadFrequently: true });
  const image = brush.createImageData(columns, rows);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] / scale;
    const hollow = silenced(i) || (look === "relu" && value <= 0);
    const shades = look === "gate" ? palette.share : value < 0 ? palette.negative : palette.positive;
    const shade = hollow ? palette.empty : shades[Math.round((Math.min(1, Math.abs(value)) || 0) * SHADES)];
    image.data.set([...shade, 255], 4 * i);
  }
  brush.putImageData(image, 0, 0);
  return sheet;
}

/** Lines between cells. */
function lattice(pen, { values, columns, cell, tall, x, y }, rows, colour) {
  pen.fillStyle = colour;
  const rest = values.length % columns || columns; // the last row may be shorter
  for (let column = 0; column <= columns; column++) {
    pen.fillRect(x + column * cell - 1, y, 1, (column <= rest ? rows : rows - 1) * tall);
  }
  for (let row = 0; row <= rows; row++) pen.fillRect(x, y + row * tall - 1, (row < rows ? columns : rest) * cell, 1);
}

/** Plus or minus on a unit at the end of its range. */
function signs(pen, palette, { values, columns, cell, tall, x, y }, silenced) {
  const arm = Math.max(1, Math.round(cell * 0.22));
  const thick = Math.max(1, Math.round(cell * 0.12));
  pen.fillStyle = palette.background;
  pen.globalAlpha = 0.85;
  pen.beginPath();
  for (let i = 0; i < values.length; i++) {
    if (Math.abs(values[i]) <= SATURATED || silenced(i)) continue;
    const middle = x + ((i % columns) + 0.5) * cell - 0.5;
    const centre = y + (Math.floor(i / columns) + 0.5) * tall - 0.5;
    pen.rect(middle - arm, centre - thick / 2, 2 * arm, thick);
    if (values[i] < 0) continue;
    pen.rect(middle - thick / 2, centre - arm, thick, arm - thick / 2);
    pen.rect(middle - thick / 2, centre + thick / 2, thick, arm - thick / 2);
  }
  pen.fill();
  pen.globalAlpha = 1;
}

function crosses(pen, palette, { values, columns, cell, tall, x, y }, silenced) {
  pen.strokeStyle = palette.text;
  pen.lineWidth = 1.2;
  pen.beginPath();
  for (let i = 0; i < values.length; i++) {
    if (!silenced(i)) continue;
    const [left, top] = [x + (i % columns) * cell, y + Math.floor(i / columns) * tall];
    pen.rect(left, top, cell - 1, tall - 1);
    pen.moveTo(left + 2, top + 2);
    pen.lineTo(left + cell - 3, top + tall - 3);
    pen.moveTo(left + cell - 3, top + 2);
    pen.lineTo(left + 2, top + tall - 3);
  }
  pen.stroke();
}

/** From a block to the one that it goes into. */
function paintRibbon(pen, palette, [from, to, way]) {
  const width = (block) => block.columns * block.cell;
  const height = (block) => Math.ceil(block.values.length / block.columns) * block.tall;
  pen.fillStyle = palette.border;
  pen.globalAlpha = 0.45;
  pen.beginPath();
  if (way === "next") {
    const y = from.y + height(from) / 2;
    const [left, right] = [from.x + width(from) + 1, to.x - 2];
    pen.globalAlpha = 1;
    pen.fillRect(left, y - 0.75, Math.max(0, right - left - 3), 1.5);
    pen.moveTo(right, y);
    pen.lineTo(right - 5, y - 4);
    pen.lineTo(right - 5, y + 4);
  } else {
    const [top, bottom] = [from.y + height(from) + 2, to.y - 2];
    pen.moveTo(from.x, top);
    pen.lineTo(from.x + width(from), top);
    pen.lineTo(to.x + width(to), bottom);
    pen.lineTo(to.x, bottom);
  }
  pen.fill();
  pen.globalAlpha = 1;
}

/** Attention of the last character: an arc to each that it looks at, as thick as its weight. */
function paintArcs(pen, palette, { name, y, height, middles, heads }, focus, off) {
  const to = middles.length - 1;
  heads.forEach((weights, head) => {
    if (off[name]?.has(head)) return;
    const chosen = focus?.name === name;
    const alone = chosen && focus.head === head;
    pen.strokeStyle = palette.accent;
    pen.setLineDash(HEADS[head % HEADS.length]);
    weights.forEach((weight, from) => {
      if (weight < 0.02) return;
      pen.globalAlpha = chosen && !alone ? 0.08 : 0.2 + 0.8 * weight;
      pen.lineWidth = 0.5 + 5 * weight;
      pen.beginPath();
      if (from === to) {
        pen.ellipse(middles[to], y - 5, 6, 5, 0, 0, 2 * Math.PI);
      } else {
        const [left, right] = [middles[from], middles[to]];
        const lift = height * (0.45 + (0.55 * (to - from)) / Math.max(1, to)) - head * 2;
        pen.ellipse((left + right) / 2, y - 1, (right - left) / 2, Math.max(6, lift), 0, Math.PI, 0);
      }
      pen.stroke();
    });
  });
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

/** A term of a sum, from its input to its result: orange adds, blue takes away. */
function paintWire(pen, palette, { from, to, value, share }) {
  const below = to.y >= from.y + from.height;
  const start = { x: from.x + from.width / 2, y: below ? from.y + from.height : from.y + from.height / 2 };
  const end = { x: to.x + to.width / 2, y: below ? to.y : to.y + to.height / 2 };
  const bend = below ? (end.y - start.y) / 2 : 0;
  pen.strokeStyle = css((value < 0 ? palette.negative : palette.positive)[SHADES]);
  pen.globalAlpha = 0.35 + 0.65 * share;
  pen.lineWidth = 0.6 + 3 * share;
  pen.setLineDash(value < 0 ? [4, 3] : []);
  pen.beginPath();
  pen.moveTo(start.x, start.y);
  pen.bezierCurveTo(start.x, start.y + bend, end.x, end.y - bend, end.x, end.y);
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

function outline(pen, { x, y, width, height }, colour, thick) {
  pen.strokeStyle = colour;
  pen.lineWidth = thick;
  pen.strokeRect(x - thick / 2 - 0.5, y - thick / 2 - 0.5, width + thick, height + thick);
}

function write(pen, palette, text, x, y, { size, weight = 400, align = "left", colour = palette.text, room, halo = false }) {
  pen.font = `${weight} ${size}px ${palette.font}`;
  pen.textAlign = align;
  if (halo) {
    pen.strokeStyle = palette.background; // so that lines beneath do not cross it out
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeText(text, x, y, room);
  }
  pen.fillStyle = colour;
  pen.fillText(text, x, y, room);
}

/** A word below a bar, read from below; one that is too long is cut. */
function writeUpright(pen, palette, text, x, y, style) {
  pen.save();
  pen.translate(x, y);
  pen.rotate(-Math.PI / 2);
  pen.font = `${style.weight ?? 400} ${style.size}px ${palette.font}`;
  write(pen, palette, abridged(text, (part) => pen.measureText(part).width <= style.room), 0, style.size * 0.35, style);
  pen.restore();
}
