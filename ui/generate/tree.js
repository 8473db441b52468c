/** What a model may write after a prefix, as a tree that is drawn anew for every letter and temperature in the browser. */

const DEPTHS = [2, 4]; // characters ahead: as many as their labels have room for
const LETTER = 9.7; // px, of a label
const LONGEST_LABEL = 14; // letters of it
const SHARE = 55; // px, of a bar and a share beside it
const WIDE = /\p{Extended_Pictographic}|\p{Regional_Indicator}|\p{Script=Hangul}|\p{Script=Han}/u; // as wide as two letters
const ROWS = 14; // of the picture, at most
const LEAST = 0.001; // share of its parent below which a branch is not drawn
const ROW = 27; // px, of the last nodes: targets that a finger hits
const GAP = 7;
const FLOW = 300; // px, as wide as probability 1
const HEIGHT = 432;
const BAR = 6;
const NARROW = 560;
const WORDS = 12;
const LONGEST = 30; // characters of a word that is drawn
const IDLE_MS = 8; // of work at once that can wait
const REMEMBERED = 2_000_000; // logits
const FOUND = { train: "in train", val: "in validation", test: "in test", new: "new" };
const ARROWS = { ArrowLeft: (node) => node.parent, ArrowRight: (node) => node.children[0], ArrowUp: (node) => beside(node, -1), ArrowDown: (node) => beside(node, 1) };

const trees = new WeakMap(); // one state for each mounted tree, by its element

function mount(root) {
  const find = (name) => root.querySelector(`.tree-${name}`);
  const tree = { root, find, svg: find("drawn"), logits: new Map(), sent: [], seed: 1, at: "" };
  find("prefix").addEventListener("input", ({ target }) => typed(tree, target.value));
  find("temperature").addEventListener("input", ({ target }) => sample(tree, { temperature: target.valueAsNumber }));
  find("top").addEventListener("input", ({ target }) => sample(tree, { topK: clamped(target) }));
  for (const name of ["prefix", "temperature", "top"]) find(name).addEventListener("change", () => send(tree));
  find("back").addEventListener("click", () => goTo(tree, tree.prefix.slice(0, -1)));
  find("again").addEventListener("click", () => {
    tree.seed += 1;
    drawWords(tree);
  });
  tree.svg.addEventListener("click", ({ target }) => follow(tree, nodeOf(tree, target)));
  tree.svg.addEventListener("keydown", (event) => pressed(tree, event));
  tree.svg.addEventListener("focusin", ({ target }) => (tree.at = nodeOf(tree, target)?.key ?? tree.at));
  root.querySelector("details").addEventListener("toggle", () => fillTable(tree));
  tree.observer = new ResizeObserver(() => tree.svg.clientWidth !== tree.width && tree.data && show(tree));
  tree.observer.observe(tree.svg);
  return tree;
}

const clamped = ({ valueAsNumber, max }) => Math.min(Math.max(Math.round(valueAsNumber) || 0, 0), Number(max));

// ---- what is chosen

function typed(tree, text) {
  const { ids, strange } = idsOf(text, tree.data);
  Object.assign(tree, { prefix: ids, strange });
  show(tree);
}

function sample(tree, change) {
  Object.assign(tree.sampling, change);
  show(tree);
}

function goTo(tree, ids) {
  tree.prefix = ids;
  tree.strange = [];
  tree.at = "0"; // who goes on with the keyboard begins at the new root
  tree.find("prefix").value = textOf(tree, ids);
  show(tree);
  tree.svg.classList.remove("tree-moved");
  requestAnimationFrame(() => tree.svg.classList.add("tree-moved"));
  send(tree);
}

/** A letter is the next of the prefix, the root takes the last of it away, an end is where it is. */
function follow(tree, node) {
  if (!node) return;
  const back = node === tree.grown;
  if (node.ended) tell(tree, `${spelt(tree, node.ids)} is complete${found(tree, node.ids)}.`);
  else if (!back || tree.prefix.length) goTo(tree, back ? tree.prefix.slice(0, -1) : node.ids);
}

function pressed(tree, event) {
  const node = nodeOf(tree, event.target);
  if (!node || event.ctrlKey || event.metaKey || event.altKey) return;
  if (ARROWS[event.key]) focus(tree, ARROWS[event.key](node));
  else if (event.key === "Enter" || event.key === " ") follow(tree, node);
  else if (event.key === "Backspace") follow(tree, tree.grown);
  else if (event.key === "Home") focus(tree, tree.grown);
  else return;
  event.preventDefault();
  if (!tree.svg.contains(document.activeElement)) focus(tree, tree.grown); // what was pressed is drawn no more
}

function focus(tree, node) {
  if (node) tree.svg.querySelector(`[data-key="${node.key}"]`)?.focus();
}

/** The node before or after one, among all as far from the root. */
function beside(node, step) {
  let top = node;
  while (top.parent) top = top.parent;
  const level = nodes(top).filter(({ depth }) => depth === node.depth);
  return level[level.indexOf(node) + step];
}

function send(tree) {
  const { temperature, topK } = tree.sampling;
  const chosen = { prefix: textOf(tree, tree.prefix), temperature, topK };
  if (JSON.stringify(tree.sent.at(-1) ?? tree.data.sampling) === JSON.stringify(chosen)) return;
  tree.sent.push(chosen);
  tree.report("sampling", chosen);
}

const textOf = ({ data }, ids) => joinedText(ids, data.symbols, data);
const spelt = ({ data }, ids) => isolated(joinedText(ids, data.labels, data)) || fit("The empty word", data);

/** Text that is read from right to left, between Unicode's isolates: what stands beside it keeps its place. */
const isolated = (text) => (/[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/.test(text) ? `\u2068${text}\u2069` : text);

// ---- what comes next

function logitsAfter(tree, ids) {
  const context = contextOf(tree.model, ids);
  const key = context.join();
  if (!tree.logits.has(key)) {
    if (tree.logits.size * tree.data.symbols.length > REMEMBERED) tree.logits.clear();
    tree.logits.set(key, forward(tree.model, context).logits);
  }
  return tree.logits.get(key);
}

const after = (tree, ids) => probabilities(logitsAfter(tree, ids), tree.sampling.temperature, tree.sampling.topK);

/** A node and, below it, the likeliest ways on: each gets its part of the picture's rows. */
function grow(tree, node, rows) {
  node.children = [];
  if (node.ended || node.depth === tree.depth) return node;
  const p = after(tree, node.ids);
  const parts = shared(p, rows, node.depth + 1 === tree.depth);
  for (const [id, part] of parts) {
    const ended = id === 0;
    const ids = ended ? node.ids : [...node.ids, id];
    const key = `${node.key}.${id}`;
    const child = { parent: node, id, ids, ended, key, p: p[id], path: node.path * p[id], depth: node.depth + 1 };
    node.children.push(grow(tree, child, part));
  }
  return node;
}

/** Rows by probability, as seats by votes (D'Hondt): [id, rows] of all that get one, likeliest first. */
function shared(p, rows, one) {
  const most = (id) => (one || id === 0 ? 1 : rows);
  const parts = new Map();
  const ranked = Array.from(p.keys()).sort((a, b) => p[b] - p[a]).slice(0, rows).filter((id) => p[id] >= LEAST);
  for (let row = 0; row < rows; row++) {
    const open = ranked.filter((id) => (parts.get(id) ?? 0) < most(id));
    if (!open.length) break;
    const claim = (id) => p[id] / ((parts.get(id) ?? 0) + 1);
    const best = open.reduce((first, id) => (claim(id) > claim(first) ? id : first));
    parts.set(best, (parts.get(best) ?? 0) + 1);
  }
  return [...parts].sort(([a], [b]) => p[b] - p[a]);
}

const nodes = (node) => [node, ...node.children.flatMap(nodes)];

// ---- the picture

function show(tree) {
  const { data, find, sampling } = tree;
  const root = { ids: tree.prefix, key: "0", p: 1, path: 1, depth: 0 };
  const finite = logitsAfter(tree, tree.prefix).every(Number.isFinite);
  measure(tree);
  tree.grown = finite ? grow(tree, root, ROWS) : null;
  find("temperature").value = sampling.temperature;
  find("hot").textContent = sampling.temperature.toFixed(2);
  if (document.activeElement !== find("top")) find("top").value = sampling.topK;
  find("back").disabled = !tree.prefix.length;
  const seen = tree.model.config.context_size ?? 1;
  const cut = tree.prefix.length > seen ? fit(`The model sees the last ${seen === 1 ? "character" : `${seen} characters`} only. `, tree.data) : "";
  const strange = tree.strange?.length ? `Not in the vocabulary: ${tree.strange.join(" ")}. ` : "";
  const best = finite ? tree.grown.children[0] : null;
  const where = tree.prefix.length ? `After ${spelt(tree, tree.prefix)}` : fit("At the start of a word", tree.data);
  const likeliest = best ? `${where} the likeliest is ${best.ended ? "the end" : isolated(data.labels[best.id])}, ${share(best.p)}.` : "The scores of these weights are no finite numbers: nothing can be drawn from them.";
  tell(tree, `${strange}${cut}${likeliest}`);
  draw(tree);
  drawWords(tree);
}

/** How wide a label and its share are, and how many of them fit beside each other. */
function measure(tree) {
  tree.label = LETTER * tree.letters + SHARE;
  const [least, most] = DEPTHS;
  tree.depth = Math.min(Math.max(Math.floor((tree.svg.clientWidth || Infinity) / tree.label) - 1, least), most);
}

const lettersOf = (text) => symbolsOf(text, "graphemes").reduce((sum, letter) => sum + (WIDE.test(letter) ? 2 : 1), 0);

/** The end of the prefix, as much as stands beside the root. */
function tail(tree, narrow) {
  let ids = tree.prefix.slice(narrow ? -4 : -12);
  while (tree.data.between && ids.length > 1 && textOf(tree, ids).length > LONGEST_LABEL) ids = ids.slice(1);
  return isolated(textOf(tree, ids));
}

const tell = (tree, text) => (tree.find("note").textContent = text);
const share = (p) => (p >= 0.1 ? `${(100 * p).toFixed(0)} %` : `${(100 * p).toFixed(1)} %`);

function draw(tree) {
  const { svg } = tree;
  tree.width = svg.clientWidth;
  if (!tree.width) return;
  const held = svg.contains(document.activeElement);
  svg.replaceChildren();
  if (!tree.grown) return fillTable(tree);
  let flow = FLOW;
  while (slot(tree.grown, flow) > HEIGHT && flow > 60) flow *= 0.9;
  const look = { flow, column: (tree.width - (tree.width < NARROW ? tree.label + 6 : tree.label + 134)) / tree.depth, narrow: tree.width < NARROW };
  place(tree.grown, (HEIGHT - slot(tree.grown, flow)) / 2, look);
  const all = nodes(tree.grown);
  for (const node of all.slice(1)) svg.append(branch(node, look));
  for (const node of all) svg.append(drawNode(tree, node, look));
  const reached = svg.querySelector(`[data-key="${tree.at}"]`) ?? svg.querySelector(".tree-node");
  reached.tabIndex = 0;
  if (held) reached.focus();
  svg.setAttribute("aria-label", fit(`What may follow the prefix, ${tree.depth} characters ahead`, tree.data));
  fillTable(tree);
}

/** The height that a node and all below it take. */
function slot(node, flow) {
  const own = Math.max(node.path * flow + GAP, ROW);
  return Math.max(own, node.children.reduce((sum, child) => sum + slot(child, flow), 0));
}

/** Give a node and all below it their places; a branch begins where the one before it ends, on its parent's bar. */
function place(node, top, look) {
  const { flow, column } = look;
  node.tall = slot(node, flow);
  node.thick = Math.max(node.path * flow, 1.5);
  node.x = node.depth * column;
  node.y = top + (node.tall - node.thick) / 2;
  let from = node.y;
  let below = top + (node.tall - node.children.reduce((sum, child) => sum + slot(child, flow), 0)) / 2;
  for (const child of node.children) {
    child.from = from;
    from += child.path * flow;
    place(child, below, look);
    below += child.tall;
  }
  node.drawnTo = Math.min(from, node.y + node.thick);
}

const SVG = "http://www.w3.org/2000/svg";
function shape(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function branch({ parent, x, y, thick, from, ended }) {
  const [start, half] = [parent.x + BAR, (parent.x + BAR + x) / 2];
  const curve = (a, b, back) => (back ? `C ${half} ${a}, ${half} ${b}, ${start} ${b}` : `C ${half} ${a}, ${half} ${b}, ${x} ${b}`);
  const d = `M ${start} ${from} ${curve(from, y)} L ${x} ${y + thick} ${curve(y + thick, from + thick, true)} Z`;
  return shape("path", { d, class: `tree-path${ended ? " tree-last" : ""}` });
}

function drawNode(tree, node, { column, narrow }) {
  const { x, y, thick, tall, ended, drawnTo } = node;
  const middle = y + thick / 2;
  const text = shape("text", { x: x + BAR + 6, y: middle });
  const most = ended || node.depth === tree.depth ? LONGEST_LABEL : Math.min(Math.floor((column - SHARE) / LETTER), LONGEST_LABEL);
  const part = (words, name) => text.append(shape("tspan", { class: `tree-${name}`, dx: text.childNodes.length ? 5 : 0 }, words));
  if (node.parent) {
    part(isolated(abridged(tree.data.labels[node.id], (label) => lettersOf(label) <= most)), "symbol");
    part(share(node.p), "share");
    if (ended && !narrow) part(`${spelt(tree, node.ids)}${found(tree, node.ids)}`, "share");
  } else {
    part(`${tree.data.labels[0]}${tree.data.between}${tail(tree, narrow)}`, "symbol");
  }
  const bars = [shape("rect", { x, y, width: BAR, height: thick, class: "tree-bar" })];
  const rest = node.children.length && node.depth < tree.depth ? y + thick - drawnTo : 0;
  if (rest > 1) bars.push(shape("rect", { x, y: drawnTo, width: BAR, height: rest, class: "tree-rest" }));
  const high = Math.min(Math.max(thick, ROW - 2), tall);
  const wide = Math.min(column - 4, tree.width - x);
  const hit = shape("rect", { x, y: middle - high / 2, width: wide, height: high, rx: 4, class: "tree-hit" });
  const about = { "aria-label": named(tree, node), "aria-level": node.depth + 1, "data-key": node.key, tabindex: -1 };
  if (node.children.length) about["aria-expanded"] = "true";
  return shape("g", { role: "treeitem", class: `tree-node${ended ? " tree-last" : ""}`, ...about }, hit, ...bars, text);
}

function named(tree, node) {
  if (!node.parent) return node.ids.length ? `Prefix ${spelt(tree, node.ids)}` : "The empty prefix";
  const what = node.ended ? `End of ${spelt(tree, node.ids)}${found(tree, node.ids)}` : spelt(tree, node.ids);
  return `${what}: ${share(node.p)}, path ${share(node.path)}`;
}

function nodeOf(tree, element) {
  const key = element.closest?.(".tree-node")?.dataset.key;
  return key && tree.grown ? nodes(tree.grown).find((node) => node.key === key) : null;
}

// ---- words

/** In which split a word occurs, once the words are here. */
function found(tree, ids) {
  const where = whereOf(tree, ids);
  return where ? `, ${FOUND[where]}` : "";
}

const whereOf = (tree, ids) => tree.known && (tree.known.get(textOf(tree, ids)) ?? "new");

async function fetchWords(tree) {
  const { words } = tree.data;
  tree.known = null;
  if (!words) return;
  const splits = await fetch(new URL(words, document.baseURI)).then((answer) => (answer.ok ? answer.json() : null)).catch(() => null);
  if (!splits || words !== tree.data.words) return; // not to be had, or of another run
  tree.known = new Map();
  for (const [name, part] of Object.entries(splits)) for (const word of part) if (!tree.known.has(word)) tree.known.set(word, name);
  show(tree);
}

function drawWords(tree) {
  const { find } = tree;
  const turn = (tree.drawing = {}); // later ones go before it
  const random = chances(tree.seed);
  const rows = Array.from({ length: WORDS }, () => Array.from({ length: LONGEST }, random));
  const made = [];
  const work = () => {
    if (tree.drawing !== turn || !tree.root.isConnected) return;
    const until = performance.now() + IDLE_MS;
    while (tree.grown && made.length < WORDS && performance.now() < until) made.push(wordOf(tree, rows[made.length]));
    if (tree.grown && made.length < WORDS) return setTimeout(work);
    find("words").replaceChildren(...made.map((word) => itemOf(tree, word)));
    find("count").textContent = counted(tree, made);
  };
  setTimeout(work);
}

function wordOf(tree, row) {
  const ids = [...tree.prefix];
  for (const chance of row.slice(0, Math.max(LONGEST - ids.length, 1))) {
    const id = drawn(after(tree, ids), chance);
    if (id === 0) return { ids, ended: true };
    ids.push(id);
  }
  return { ids, ended: false };
}

const element = (tag, props, ...children) => {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children);
  return made;
};

function itemOf(tree, { ids, ended }) {
  const where = ended ? whereOf(tree, ids) : null;
  const text = `${spelt(tree, ids)}${ended ? "" : "…"}`;
  const mark = where ? [element("span", { textContent: FOUND[where] })] : [];
  return element("li", { className: where === "new" ? "tree-new" : "" }, element("b", { textContent: text }), ...mark);
}

function counted(tree, made) {
  const whole = made.filter(({ ended }) => ended);
  const fresh = whole.filter(({ ids }) => whereOf(tree, ids) === "new").length;
  const cut = whole.length < made.length ? fit(` ${made.length - whole.length} were cut at ${LONGEST} characters.`, tree.data) : "";
  return tree.known ? `${fresh} of ${whole.length} are new: they occur in no split.${cut}` : cut.trim();
}

// ---- the table

function fillTable(tree) {
  const details = tree.root.querySelector("details");
  if (!details.open) return;
  const rows = tree.grown ? nodes(tree.grown).slice(1) : [];
  const start = (ids) => `${tree.data.labels[0]}${ids.map((id) => tree.data.labels[id]).join("")}`;
  const cells = rows.map(({ parent, id, p, path }) => [start(parent.ids), tree.data.labels[id], p.toFixed(6), path.toFixed(6)]);
  const line = (tag) => (texts) => element("tr", {}, ...texts.map((textContent) => element(tag, { textContent })));
  const head = line("th")(["After", "Next", "Probability", "Of the whole path"]);
  details.querySelector("table").replaceChildren(element("thead", {}, head), element("tbody", {}, ...cells.map(line("td"))));
}

// ---- the component

function update(tree, data) {
  const before = tree.data;
  tree.data = data;
  if (before?.labels.join() !== data.labels.join()) tree.letters = Math.min(Math.max(...data.labels.map(lettersOf)), LONGEST_LABEL);
  if (!before) for (const said of tree.root.querySelectorAll(".tree-said")) said.textContent = fit(said.textContent, data);
  tree.find("top").max = data.symbols.length;
  tree.find("temperature").max = data.hottest;
  if (before?.weights !== data.weights) {
    tree.model = unpack(data.model, new Float32Array(fromBase64(data.weights)));
    tree.logits.clear();
  }
  const reply = tree.sent.findLastIndex((sent) => JSON.stringify(sent) === JSON.stringify(data.sampling));
  tree.sent.splice(0, reply + 1);
  if (!before || before.symbols.join() !== data.symbols.join() || (reply < 0 && JSON.stringify(before.sampling) !== JSON.stringify(data.sampling))) {
    const { prefix, temperature, topK } = data.sampling;
    tree.sampling = { temperature, topK };
    tree.sent = [];
    tree.find("prefix").value = prefix;
    typed(tree, prefix);
  } else if (before.weights !== data.weights) {
    show(tree);
  }
  if (before?.words !== data.words) fetchWords(tree);
  tree.find("controls").disabled = false; // what is typed before would be lost
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".tree");
  if (!trees.has(root)) trees.set(root, mount(root));
  const tree = trees.get(root);
  tree.report = setTriggerValue;
  update(tree, data);
  return () => {
    tree.observer.disconnect();
    trees.delete(root);
  };
}
