/** The picture on the page: what is typed, chosen and pointed at, and what is drawn for it. No server is asked. */

const LETTER_MS = 550; // between the characters of a name that is written
const FRAME_MS = 300; // between the checkpoints that are played
const IDLE_MS = 8; // of work at once that can wait: names, and what drives a unit
const NAMES = 8;
const LONGEST = 20; // characters of a name
const DRIVERS = 5; // contexts that are listed
const WIRES = 15; // from the terms of one number
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const pictures = new WeakMap(); // one state for each mounted picture, by its element

function mount(root) {
  const find = (name) => root.querySelector(`.picture-${name}`);
  const picture = { root, find, canvas: root.querySelector("canvas"), prefix: [], off: {}, at: -1, names: [], sent: [] };
  find("prefix").addEventListener("input", () => typed(picture));
  find("write").addEventListener("click", () => (picture.writing ? stopWriting(picture) : writeName(picture)));
  find("all").addEventListener("click", () => switchOn(picture));
  find("play").addEventListener("click", () => (picture.playing ? halt(picture) : play(picture)));
  find("slider").addEventListener("input", ({ target }) => {
    pause(picture);
    goTo(picture, target.valueAsNumber);
  });
  find("slider").addEventListener("change", () => rest(picture));
  for (const kind of ["pointerenter", "focus"]) find("slider").addEventListener(kind, () => fetchFilm(picture));
  find("part").addEventListener("change", () => fillTable(picture));
  root.querySelector("details").addEventListener("toggle", () => fillTable(picture));
  listen(picture);
  picture.observer = new ResizeObserver(() => {
    if (Math.round(find("stage").clientWidth) !== picture.scene?.width) draw(picture);
  });
  picture.observer.observe(find("stage"));
  document.fonts.ready.then(() => redraw(picture)); // a canvas does not change its font by itself
  return picture;
}

/** What the pointer and the keyboard do on the canvas. */
function listen(picture) {
  const { canvas } = picture;
  const hit = ({ offsetX, offsetY }) => under(picture.scene, offsetX, offsetY);
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "touch") point(picture, hit(event));
    canvas.style.cursor = acts(picture, picture.hover) ? "pointer" : "default";
  });
  canvas.addEventListener("pointerleave", () => !picture.keyboard && point(picture, null));
  canvas.addEventListener("click", (event) => {
    const found = hit(event);
    if (!found) return unpin(picture);
    picture.keyboard = false;
    point(picture, found);
    if (event.shiftKey) pin(picture);
    else if (picture.pointer !== "touch") act(picture);
  });
  canvas.addEventListener("pointerdown", ({ pointerType }) => (picture.pointer = pointerType));
  canvas.addEventListener("keydown", (event) => pressed(picture, event));
  canvas.addEventListener("focus", () => {
    picture.keyboard = canvas.matches(":focus-visible");
    if (picture.keyboard && !picture.hover) point(picture, first(picture));
  });
  canvas.addEventListener("blur", () => (picture.keyboard = false));
}

function pressed(picture, event) {
  const { key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  picture.keyboard = true;
  if (ARROWS[key]) point(picture, picture.hover ? (beside(picture.scene, located(picture, picture.hover), ARROWS[key]) ?? located(picture, picture.hover)) : first(picture));
  else if (key === "Enter" || key === " ") act(picture);
  else if (key === "p") pin(picture);
  else if (key === "Escape") unpin(picture);
  else return;
  event.preventDefault();
}

const first = (picture) => ({ block: picture.scene.blocks.find(({ name }) => name === "p"), index: 0 });

/** Where the pointer or the keyboard is. It is remembered by name, from the last character, so that it outlives a key. */
function point(picture, found) {
  const before = picture.hover;
  picture.hover = found && { name: found.block.name, back: found.block.last - found.block.at, index: numbered(found.block, found.index) };
  if (JSON.stringify(before) !== JSON.stringify(picture.hover)) redraw(picture);
}

function pin(picture) {
  const same = JSON.stringify(picture.pinned) === JSON.stringify(picture.hover);
  picture.pinned = same ? null : picture.hover;
  redraw(picture);
}

function unpin(picture) {
  picture.pinned = null;
  redraw(picture);
}

/** A unit is switched off or on, a bar's character is written. */
function act(picture) {
  const spot = picture.hover;
  const kind = acts(picture, spot);
  if (kind === "switch") {
    const unit = switchOf(picture, spot);
    const set = (picture.off[spot.name] ??= new Set());
    if (!set.delete(unit)) set.add(unit);
    compute(picture);
    nameAgain(picture);
  } else if (kind === "write") {
    append(picture, spot.index);
  }
}

/** What a click on a number does: "switch", "write" or nothing. */
function acts({ view }, spot) {
  if (!spot) return "";
  if (spot.name === "p") return "write";
  const { architecture } = view.model.config;
  const units = { mlp: /^h\d/, wavenet: /^h\d/, rnn: /^h$/, gru: /^h$/, lstm: /^h$/, transformer: /^(up|attention)\d/ };
  return units[architecture]?.test(spot.name) ? "switch" : "";
}

function switchOf({ scene }, { name, index }) {
  const block = scene.blocks.find((other) => other.name === name);
  return name.startsWith("attention") ? Math.floor(index / block.columns) : index;
}

function switchOn(picture) {
  picture.off = {};
  compute(picture);
  nameAgain(picture);
  picture.find("prefix").focus();
}

// ---- the prefix

function typed(picture) {
  stopWriting(picture);
  const { ids, strange } = idsOf(picture.find("prefix").value, picture.data);
  Object.assign(picture, { prefix: ids, strange });
  compute(picture);
}

function append(picture, id) {
  picture.prefix = id === 0 ? [] : [...picture.prefix, id];
  picture.strange = [];
  picture.find("prefix").value = joinedText(picture.prefix, picture.data.symbols, picture.data);
  compute(picture);
}

/** Write a word, one drawn character after the other, each from the picture's own probabilities. */
function writeName(picture) {
  append(picture, 0);
  picture.find("write").textContent = "Stop";
  picture.writing = setInterval(() => {
    const id = drawn(picture.view.made.p, Math.random());
    if (id === 0 || picture.prefix.length >= LONGEST || !picture.root.isConnected) stopWriting(picture);
    else append(picture, id);
  }, LETTER_MS);
}

function stopWriting(picture) {
  clearInterval(picture.writing);
  picture.writing = null;
  picture.find("write").textContent = fit("Write a word", picture.data);
}

// ---- weights along the way

/** All kept checkpoints, once, as soon as someone is about to drag. */
function fetchFilm(picture) {
  const { data } = picture;
  if (!data.film) return Promise.resolve();
  picture.film ??= fetch(new URL(data.film, document.baseURI))
    .then((answer) => answer.arrayBuffer())
    .then((buffer) => new Float32Array(buffer));
  return picture.film;
}

async function goTo(picture, at) {
  const { steps, step, kept } = picture.data;
  picture.at = at;
  tellStep(picture);
  if (steps[at] === step) return useWeights(picture, picture.own);
  const film = await fetchFilm(picture);
  if (picture.at !== at || !picture.root.isConnected) return;
  const [row, size] = [kept.indexOf(steps[at]), picture.own.length];
  useWeights(picture, film.subarray(row * size, (row + 1) * size));
}

function tellStep(picture) {
  const step = `Step ${picture.data.steps[picture.at].toLocaleString("en")}`;
  picture.find("step").textContent = step;
  picture.find("slider").value = picture.at;
  picture.find("slider").setAttribute("aria-valuetext", step);
}

function play(picture) {
  const last = picture.data.steps.length - 1;
  picture.find("play").textContent = "Pause";
  let at = picture.at >= last ? 0 : picture.at;
  goTo(picture, at);
  picture.playing = setInterval(() => {
    if (at >= last || !picture.root.isConnected) return halt(picture);
    goTo(picture, ++at);
  }, FRAME_MS);
}

function pause(picture) {
  clearInterval(picture.playing);
  picture.playing = null;
  picture.find("play").textContent = "Watch it learn";
}

function halt(picture) {
  pause(picture);
  rest(picture);
}

/** Tell the page at which step the slider has come to rest, where it asks. */
function rest(picture) {
  const { steps, step, reports } = picture.data;
  const chosen = steps[picture.at];
  if (!reports || !picture.root.isConnected || chosen === (picture.sent.at(-1) ?? step)) return;
  picture.sent.push(chosen);
  picture.report("step", chosen);
}

function useWeights(picture, flat) {
  picture.model = unpack(picture.data.model, flat);
  picture.driven = null;
  compute(picture);
  nameAgain(picture);
}

// ---- what is drawn

function compute(picture) {
  const { model, data, off } = picture;
  if (!model) return;
  const made = forward(model, contextOf(model, picture.prefix), off);
  picture.view = { model, made, off, labels: data.labels, symbols: data.symbols, tokens: data.tokens };
  draw(picture);
}

function draw(picture) {
  const { view, find } = picture;
  const width = Math.round(find("stage").clientWidth);
  if (!view || !width) return;
  picture.scene = layOut(view, width, picture.data.small);
  redraw(picture);
  for (const look of ["tanh", "gate"]) find(look).hidden = !picture.scene.blocks.some((block) => block.look === look);
  const strange = picture.strange?.length ? `Not in the vocabulary: ${picture.strange.join(" ")}. ` : "";
  const seen = view.model.config.context_size ?? 1;
  const cut = picture.prefix.length > seen ? fit(`The network sees the last ${seen === 1 ? "character" : `${seen} characters`} only. `, view) : "";
  const count = Object.values(picture.off).reduce((sum, units) => sum + units.size, 0);
  const silent = count ? `${count} ${count === 1 ? "unit" : "units"} switched off.` : "";
  find("note").textContent = `${strange}${cut}${silent}`;
  find("all").hidden = !count;
  fillTable(picture);
}

function redraw(picture) {
  const { view, scene, canvas } = picture;
  if (!scene) return;
  const best = view.made.p.indexOf(Math.max(...view.made.p));
  const spot = picture.pinned ?? picture.hover ?? { name: "p", back: 0, index: best };
  const place = (at) => at && located(picture, at);
  const framed = (at) => at && { ...cellOf(at.block, at.index), name: at.block.name, head: Math.floor(at.index / at.block.columns) };
  const [focus, chosen] = [place(picture.hover), place(spot)];
  picture.palette = colours(picture.root);
  paint(canvas, scene, {
    palette: picture.palette,
    off: picture.off,
    wires: chosen ? wiresOf(picture, chosen, !picture.hover && !picture.pinned) : [],
    focus: framed(focus),
    pinned: framed(place(picture.pinned)),
    best,
    labels: view.labels,
  });
  canvas.setAttribute("aria-label", inShort(view, best));
  tell(picture, chosen, spot);
  const [mouse, keys] = picture.root.querySelectorAll(".picture-hint");
  mouse.hidden = picture.keyboard || Boolean(picture.hover);
  keys.hidden = !picture.keyboard;
}

/** The numbering of a result from the place of a cell in its block, and back: a block may show some of it. */
const numbered = (block, cell) => (block.first ?? 0) + (block.ids ? block.ids[cell] : cell);
const cellNumber = (block, index) => (block.ids ? block.ids.indexOf(index - (block.first ?? 0)) : index);

function located({ scene }, { name, back, index }) {
  const blocks = scene.blocks.filter((block) => block.name === name);
  const block = blocks[Math.max(0, blocks.length - 1 - back)];
  const cell = block ? cellNumber(block, index) : -1;
  return cell >= 0 && cell < block.values.length ? { block, index: cell } : null;
}

/** Lines of the largest terms: into the number chosen and out of it; of the likeliest bar those before it, too. */
function wiresOf(picture, { block, index }, deeper) {
  const { view, scene } = picture;
  const number = numbered(block, index);
  const into = (to, parts) => wires(scene, parts, (found) => [found, to]);
  const terms1 = largest(terms(view, block.name, block.at, number), WIRES);
  const found = into({ block, index }, terms1);
  if (deeper) {
    for (const part of terms1.slice(0, 3)) {
      const to = at(scene, part);
      if (to) found.push(...into(to, largest(terms(view, part.name, part.at, part.index), 5)));
    }
  }
  const out = largest(effects(view, block.name, block.at, number), 8);
  return [...found, ...wires(scene, out, (end) => [{ block, index }, end])];
}

function wires(scene, parts, ends) {
  const most = Math.max(...parts.map(({ value }) => Math.abs(value)));
  return parts.flatMap((part) => {
    const found = at(scene, part);
    if (!found || !part.value) return [];
    const pair = ends(found);
    const [from, to] = pair.map((end) => tipOf(end.block, end.index));
    if (part.name === "W") from.y = found.block.y + Math.ceil(found.block.values.length / found.block.columns) * found.block.tall - from.height; // past the rows below
    const marked = pair.filter(({ block }) => block.kind === "cells" && block.values.length > block.columns);
    return [{ from, to, value: part.value, share: Math.abs(part.value) / most, ends: marked.map((end) => cellOf(end.block, end.index)) }];
  });
}

function at(scene, part) {
  const block = scene.blocks.find(({ name, at }) => name === part.name && at === part.at);
  const cell = block ? cellNumber(block, part.index) : -1;
  return cell >= 0 ? { block, index: cell } : null;
}

function inShort({ made, labels }, best) {
  const seen = made.ids.map((id) => labels[id]).join(" ");
  return `The network after ${seen}: likeliest is ${labels[best]}, ${percent(made.p[best])}`;
}

// ---- the panel

const element = (tag, props, ...children) => {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children);
  return made;
};

function tell(picture, chosen, spot) {
  const { view, find } = picture;
  if (!chosen) return;
  const number = numbered(chosen.block, chosen.index);
  const said = describe(view, spot.name, chosen.block.at, number);
  find("said").replaceChildren(
    element("p", { className: "picture-name", textContent: said.title }),
    element("p", { textContent: said.value }),
    ...said.lists.flatMap(listed),
    ...drivers(picture, chosen.block, number),
  );
  find("panel").setAttribute("aria-live", picture.keyboard ? "polite" : "off");
  buttons(picture, spot);
}

function listed({ title, rows }) {
  const lines = rows.map((cells) => element("tr", {}, ...cells.map((textContent) => element("td", { textContent }))));
  return [element("p", { className: "picture-list", textContent: title }), element("table", { className: "picture-terms" }, ...lines)];
}

function buttons(picture, spot) {
  const kind = acts(picture, spot);
  const label = picture.view.labels[spot.index];
  const off = kind === "switch" && picture.off[spot.name]?.has(switchOf(picture, spot));
  const said = { switch: off ? "Switch on" : "Switch off", write: spot.index ? `Write ${label}` : "End the name" }[kind];
  const pinned = JSON.stringify(spot) === JSON.stringify(picture.pinned);
  const run = (action) => () => {
    picture.hover = spot;
    action(picture);
  };
  const made = [said && [said, act], [pinned ? "Unpin" : "Pin", pinned ? unpin : pin]].filter(Boolean);
  const signature = JSON.stringify([made.map(([text]) => text), spot]);
  if (picture.buttons === signature) return; // a button that is being pressed stays
  picture.buttons = signature;
  picture.find("buttons").replaceChildren(
    ...made.map(([textContent, action]) => element("button", { type: "button", textContent, onclick: run(action) })),
  );
}

// ---- what drives a unit: the contexts of the corpus on which it is highest

function drivers(picture, block, number) {
  const { data, view } = picture;
  const vector = block.at === block.last && block.name !== "x" && block.name !== "rows" && block.kind === "cells";
  if (!data.contexts || !vector || block.name === "W" || block.name.startsWith("attention")) return [];
  const length = view.model.config.context_size;
  const count = picture.contexts.length / length;
  const what = rankedBy(view.made, block.name) === block.name ? "Highest" : "Highest pre-activation";
  const title = `${what}, of ${count.toLocaleString("en")} contexts of the training split`;
  picture.driven ??= { values: {}, done: 0 };
  const found = picture.driven.values[block.name];
  if (picture.driven.done < count) {
    lookAtAll(picture, count, length);
    return listed({ title, rows: [["…"]] });
  }
  const top = Array.from({ length: count }, (_, i) => i).sort((a, b) => found[b][number] - found[a][number]).slice(0, DRIVERS);
  const text = (i) => Array.from(picture.contexts.subarray(i * length, (i + 1) * length), (id) => view.labels[id]);
  return listed({ title, rows: top.map((i) => [trimmed(text(i)), signed(found[i][number])]) });
}

/** The result that tells contexts apart on which a unit is saturated: its pre-activation, where it has one. */
function rankedBy(made, name) {
  const before = [name.replace(/^h(?=\d)/, "norm"), name.replace(/^h(?=\d)/, "z")];
  return before.find((other) => made[other]) ?? name;
}

/** A long context of boundaries first needs only the last of them. */
function trimmed(labels) {
  const start = labels.findIndex((label) => label !== labels[0] || label !== ".");
  const long = labels.length > 8 && start > 1 ? labels.slice(start - 1) : labels;
  return long.join("");
}

/** Every unit on every context, a few at a time, so that no key waits. */
function lookAtAll(picture, count, length) {
  if (picture.driven.looking) return;
  picture.driven.looking = true;
  const { driven, model } = picture;
  const names = [...new Set(picture.scene.blocks.filter(({ kind }) => kind === "cells").map(({ name }) => name))];
  const work = () => {
    const until = performance.now() + IDLE_MS;
    while (driven.done < count && performance.now() < until) {
      const ids = Array.from(picture.contexts.subarray(driven.done * length, ++driven.done * length));
      const made = forward(model, ids);
      for (const name of names) {
        const value = made[rankedBy(made, name)];
        if (value) (driven.values[name] ??= []).push(Float32Array.from(ArrayBuffer.isView(value) ? value : value.at(-1)));
      }
    }
    if (picture.driven !== driven || !picture.root.isConnected) return;
    if (driven.done < count) setTimeout(work);
    else redraw(picture);
  };
  setTimeout(work);
}

// ---- names, each from the same chances, so that weights that change a little change them a little

function nameAgain(picture) {
  const { find, data } = picture;
  if (data.small) return;
  const turn = (picture.naming = {}); // later ones go before it
  const random = chances(7);
  const rows = Array.from({ length: NAMES }, () => Array.from({ length: LONGEST }, random));
  const words = [];
  const work = () => {
    if (picture.naming !== turn || !picture.root.isConnected) return;
    const until = performance.now() + IDLE_MS;
    while (words.length < NAMES && performance.now() < until) words.push(wordOf(picture, rows[words.length]));
    if (words.length < NAMES) return setTimeout(work);
    find("names").replaceChildren(...words.map((textContent) => element("li", { textContent })));
  };
  setTimeout(work);
}

function wordOf({ model, off, data }, row) {
  const ids = [];
  for (const chance of row) {
    const id = drawn(forward(model, contextOf(model, ids), off).p, chance);
    if (id === 0) break;
    ids.push(id);
  }
  return joinedText(ids, data.labels, data) || "(empty)";
}

// ---- the table

function fillTable(picture) {
  const details = picture.root.querySelector("details");
  if (!details.open || !picture.scene) return;
  const { scene, view } = picture;
  const part = picture.find("part");
  const bands = scene.bands.filter(({ name }) => scene.blocks.some((block) => block.name === name));
  const chosen = bands.some(({ name }) => name === part.value) ? part.value : "p";
  part.replaceChildren(...bands.map(({ name, title }) => element("option", { value: name, textContent: title })));
  part.value = chosen;
  const blocks = scene.blocks.filter(({ name }) => name === chosen);
  const table = details.querySelector("table");
  table.replaceChildren();
  const addRow = (tag, cells) => table.append(element("tr", {}, ...cells.map((textContent) => element(tag, { textContent }))));
  for (const cells of tableOf(view, chosen, blocks)) addRow(table.rows.length ? "td" : "th", cells);
}

function tableOf({ made, labels, model }, name, blocks) {
  if (name === "ids") return [["Place", "Character", "Id"], ...made.ids.map((id, at) => [at + 1, labels[id], id])];
  const digits = (value) => value.toFixed(4);
  if (name === "p") return [["Character", "Probability", "Logit"], ...blocks[0].ids.map((id) => [labels[id], digits(made.p[id]), digits(made.logits[id])])];
  const [block] = blocks;
  if (name === "W" || name.startsWith("attention")) {
    const columns = name === "W" ? block.ids ?? labels.keys() : made.ids.slice(-block.columns);
    const [lines] = [Math.ceil(block.values.length / block.columns)];
    const head = (line) => (name !== "W" ? `Head ${line + 1}` : labels[block.first === undefined ? line : made.ids.at(-1)]);
    const of = (line) => Array.from(block.values.slice(line * block.columns, (line + 1) * block.columns), digits);
    return [[name === "W" ? "After" : "", ...[...columns].map((id) => labels[id])], ...Array.from({ length: lines }, (_, line) => [head(line), ...of(line)])];
  }
  const heads = blocks.length > 1 || name === "rows" ? blocks.map((each) => headOf(each, model, made, labels)) : ["Value"];
  return [["Number", ...heads], ...Array.from(block.values, (_, i) => [i, ...blocks.map((each) => digits(each.values[i]))])];
}

const headOf = ({ name, at }, { config }, made, labels) =>
  config.architecture === "wavenet" && name !== "rows" ? `Vector ${at + 1}` : `${at + 1}: ${labels[made.ids[at]]}`;

// ---- the component

function update(picture, data) {
  const before = picture.data;
  const changed = before?.weights !== data.weights;
  picture.data = data;
  if (before?.tokens !== data.tokens) for (const said of picture.root.querySelectorAll(".picture-fitted")) said.textContent = fit((said.dataset.said ??= said.textContent), data);
  picture.root.classList.toggle("picture-small", data.small);
  picture.root.classList.toggle("picture-driven", Boolean(data.contexts));
  if (JSON.stringify(before?.model) !== JSON.stringify(data.model)) Object.assign(picture, { off: {}, hover: null, pinned: null });
  if (before?.film !== data.film || before?.steps.length !== data.steps.length) picture.film = null;
  if (before?.contexts !== data.contexts) picture.contexts = data.contexts && new Uint16Array(fromBase64(data.contexts));
  if (!before || before.symbols.join() !== data.symbols.join()) {
    picture.prefix = data.prefix;
    picture.find("prefix").value = joinedText(data.prefix, data.symbols, data);
  }
  picture.find("time").hidden = data.steps.length < 2 || data.small;
  picture.find("slider").max = data.steps.length - 1;
  const told = picture.sent.lastIndexOf(data.step); // by the slider, which may be elsewhere by now
  picture.sent.splice(0, told + 1);
  if (changed) picture.own = new Float32Array(fromBase64(data.weights));
  if (changed && told < 0) {
    pause(picture);
    picture.at = data.steps.indexOf(data.step);
    tellStep(picture);
    useWeights(picture, picture.own);
  } else {
    redraw(picture); // perhaps in other colours
  }
  picture.root.classList.add("picture-ready"); // until now nothing in it had its place
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".picture");
  if (!pictures.has(root)) pictures.set(root, mount(root));
  const picture = pictures.get(root);
  picture.report = setTriggerValue;
  update(picture, data);
  return () => {
    stopWriting(picture);
    pause(picture);
    picture.observer.disconnect();
    pictures.delete(root);
  };
}
