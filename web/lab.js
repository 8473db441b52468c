/**
 * The lab page: what a trained model writes, expects and knows, and the same model trained again. All that it needs is
 * in the page; mmcore/export/lab_page.py puts it there, with forward.js and sampling.js before this text.
 */

const LONGEST = 100; // symbols of a word that is drawn
const WORDS = 12;
const BARS = 12;
const FRAME_MS = 120; // of the film
const DTYPES = { f4: Float32Array, u2: Uint16Array, u4: Uint32Array };

const $ = (id) => document.getElementById(id);
const nats = (loss) => loss.toFixed(4);
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 2 : 1)} %`;
const counted = (number) => number.toLocaleString("en");

const lab = JSON.parse($("lab").textContent);
const arrays = await unpacked(lab.blob, lab.arrays);
const V = lab.symbols.length;
const models = { run: unpack(lab.model, arrays.weights) };
let model = models.run;
let seed = 1; // of the words that are drawn
let prefix = []; // ids
let written = []; // ids of the text that grows symbol by symbol, the prefix first

/** The arrays of the page: base64 of their bytes one after the other, deflated. */
async function unpacked(blob, directory) {
  const stream = new Blob([fromBase64(blob)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const raw = await new Response(stream).arrayBuffer();
  return Object.fromEntries(directory.map(([name, type, start, count]) => [name, new DTYPES[type](raw, start, count)]));
}

const decode = (ids) => joinedText(ids, lab.symbols, lab);
const lacking = (strange) => (strange.length ? `Not in the vocabulary: ${strange.join(" ")}. ` : "");

// ---- what is drawn from

const logitsAfter = (ids) => forward(model, contextOf(model, ids)).logits;
const likely = (ids) => probabilities(logitsAfter(ids), 1);
const next = (ids) => probabilities(logitsAfter(ids), $("temperature").valueAsNumber, $("top").valueAsNumber);

function choose() {
  const { ids, strange } = idsOf($("prefix").value, lab);
  prefix = ids;
  $("note").textContent = lacking(strange);
  $("temperature-said").textContent = $("temperature").valueAsNumber.toFixed(2);
  $("top-said").textContent = $("top").valueAsNumber === V ? "all" : $("top").value;
  startOver();
  draw();
}

// ---- words

function draw() {
  const random = chances(seed);
  $("words").replaceChildren(...Array.from({ length: WORDS }, () => element("li", wordFrom(random), { dir: "auto" })));
}

/** A word that begins with the prefix, from one row of chances: one that changes a little changes it a little. */
function wordFrom(random) {
  const row = Array.from({ length: LONGEST }, random);
  const ids = [...prefix];
  while (ids.length < LONGEST) {
    const id = drawn(next(ids), row[ids.length]);
    if (id === 0) return decode(ids) || lab.labels[0];
    ids.push(id);
  }
  return `${decode(ids)}…`;
}

// ---- the next symbol

function startOver() {
  written = prefix;
  showNext();
}

function showNext() {
  $("so-far").textContent = decode(written) || "nothing";
  const p = next(written);
  const order = Array.from(p.keys()).sort((a, b) => p[b] - p[a]).slice(0, BARS);
  $("bars").replaceChildren(...order.filter((id) => p[id] > 0).map((id) => barOf(id, p[id], p[order[0]])));
  const rest = 1 - order.reduce((sum, id) => sum + p[id], 0);
  $("rest").textContent = `${rest > 5e-5 ? `All others: ${percent(rest)}. ` : ""}Press a symbol to take it; ${lab.labels[0]} ends the word.`;
}

function barOf(id, share, most) {
  const button = element("button", "", { type: "button" });
  const bar = element("span", "", { className: "bar" });
  bar.style.width = `${(100 * share) / most}%`;
  button.append(element("bdi", lab.labels[id]), bar, element("span", percent(share), { className: "share" }));
  button.addEventListener("click", () => take(id));
  return button;
}

function take(id) {
  if (id === 0 || written.length >= LONGEST) return startOver();
  written = [...written, id];
  showNext();
}

// ---- scores

function score() {
  const { ids, strange } = idsOf($("word").value, lab);
  const losses = [...ids, 0].map((id, at) => -Math.log(likely(ids.slice(0, at))[id]));
  const total = losses.reduce((sum, loss) => sum + loss, 0);
  $("score-said").textContent = `${lacking(strange)}${nats(total / losses.length)} nats per symbol, ${nats(total)} in all.`;
  const rows = losses.map((loss, at) => row([lab.labels[ids[at] ?? 0], percent(Math.exp(-loss)), nats(loss)]));
  $("score").replaceChildren(row(["Symbol", "Probability", "Loss (nats)"], "th"), ...rows);
}

function row(cells, kind = "td") {
  const made = element("tr");
  made.append(...cells.map((cell) => element(kind, cell)));
  return made;
}

// ---- the film

function startFilm() {
  const { steps, said } = lab.film;
  $("film-section").hidden = false;
  $("film-note").textContent = said;
  Object.assign($("frame"), { max: steps.length - 1, value: steps.length - 1 });
  const extent = arrays.film.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9) * 1.1;
  const letters = lab.labels.map((label) => drawing("text", { "text-anchor": "middle" }, label));
  $("film").replaceChildren(...letters);
  const show = () => {
    const frame = $("frame").valueAsNumber;
    $("frame-said").textContent = counted(steps[frame]);
    letters.forEach((letter, v) => {
      const [x, y] = arrays.film.subarray(2 * (frame * V + v));
      letter.setAttribute("x", 200 + (195 * x) / extent);
      letter.setAttribute("y", 204 - (195 * y) / extent);
    });
  };
  show();
  playable(show);
}

/** The slider and the button that moves it to its end. */
function playable(show) {
  let timer = 0;
  const stop = () => {
    timer = clearInterval(timer);
    $("play").textContent = "Play";
  };
  const atEnd = () => $("frame").value === $("frame").max;
  const advance = () => {
    $("frame").stepUp();
    show();
    if (atEnd()) stop();
  };
  $("frame").addEventListener("input", () => (stop(), show()));
  $("play").addEventListener("click", () => {
    if (timer) return stop();
    if (atEnd()) $("frame").value = 0;
    show();
    $("play").textContent = "Pause";
    timer = setInterval(advance, FRAME_MS);
  });
}

// ---- training

const SLIDERS = {
  context_size: ["Context size", () => range(1, lab.train.context)],
  embedding_dim: ["Embedding dimension", () => [1, 2, 3, 5, 10, 16, 24, 32]],
  hidden: ["Hidden units", () => [10, 20, 50, 100, 200, 300]],
  rate: ["Learning rate", () => [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]],
  steps: ["Steps", () => [100, 200, 500, 1000, 2000, 5000]],
};
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const chosen = {}; // by setting: what its slider says
const training = { seed: 0, halt: null }; // how to stop what is being trained

function startTraining() {
  $("train-section").hidden = false;
  $("train-note").append(` ${lab.train.note}`);
  for (const [name, start] of Object.entries(lab.train.start)) addSlider(name, start);
  $("train").addEventListener("click", () => (training.halt ? training.halt() : train()));
  drawChart([], chosen.steps());
}

function addSlider(name, start) {
  const [title, stops] = SLIDERS[name];
  const values = [...new Set([...stops(), start])].sort((a, b) => a - b);
  const slider = element("input", "", { type: "range", min: 0, max: values.length - 1, step: 1 });
  slider.value = values.indexOf(start);
  const said = element("span", "", { className: "said", ariaHidden: "true" }); // the slider says it
  const label = element("label", `${title} `);
  label.append(said, slider);
  $("settings").append(label);
  chosen[name] = () => values[slider.value];
  const say = () => {
    said.textContent = counted(chosen[name]());
    slider.setAttribute("aria-valuetext", said.textContent);
  };
  slider.addEventListener("input", say);
  say();
}

/** The config that the sliders ask for. */
function configured() {
  const config = { ...lab.train.config };
  for (const name of ["context_size", "embedding_dim"]) if (name in chosen) config[name] = chosen[name]();
  if ("hidden" in chosen && config.hidden_sizes) config.hidden_sizes = config.hidden_sizes.map(() => chosen.hidden());
  else if ("hidden" in chosen) config.hidden_size = chosen.hidden();
  return config;
}

/** What the page carries of a part, "train" or "val". */
function dataOf(part) {
  const names = ["contexts", "starts", "columns", "counts"];
  return { ...Object.fromEntries(names.map((n) => [n, arrays[`${part}_${n}`]])), length: lab.train.context, vocabSize: V };
}

async function train() {
  training.seed += 1;
  const settings = { config: configured(), steps: chosen.steps(), rate: chosen.rate(), batch: lab.train.batch, seed: training.seed };
  const points = [];
  $("train").textContent = "Stop";
  await trainHere(settings, (told) => {
    points.push([told.step, told.loss]);
    $("train-said").textContent =
      `Step ${counted(told.step)} of ${counted(settings.steps)}, ${told.seconds.toFixed(1)} s: ` +
      `validation loss ${nats(told.loss)}.${told.loss < lab.train.bigram ? " Below the bigram counts." : ""}`;
    drawChart(points, settings.steps);
    offer(told.model);
  });
  $("train").textContent = "Train again";
}

/** Train from scratch, and hear of every check: { step, loss, seconds, model }. Ends when it is done or halted. */
async function trainHere(settings, tell) {
  const asked = { train: dataOf("train"), val: dataOf("val"), settings };
  const url = `data:text/javascript,${encodeURIComponent($("trainer").textContent)}`; // of a blob a file has no module workers
  await (globalThis.Worker ? trainAside(url, asked, tell) : trainBetween(await import(url), asked, tell));
  training.halt = null;
}

/** In a thread of its own. */
function trainAside(url, asked, tell) {
  const worker = new Worker(url, { type: "module" });
  return new Promise((resolve) => {
    training.halt = resolve;
    worker.onmessage = ({ data }) => (data ? tell(data) : resolve());
    worker.postMessage(asked);
  }).finally(() => worker.terminate());
}

/** In the page's own thread, which looks after the page between two checks. */
async function trainBetween({ trained }, asked, tell) {
  let halted = false;
  training.halt = () => (halted = true);
  for (const told of trained(asked)) {
    tell(told);
    await new Promise((resolve) => setTimeout(resolve));
    if (halted) return;
  }
}

/** Let the other parts of the page show what was trained here. */
function offer(made) {
  models.here = made;
  $("which").hidden = false;
  if ($("model").value === "here") showModel();
}

function showModel() {
  model = models[$("model").value];
  choose();
  score();
}

function drawChart(points, steps) {
  const { bigram } = lab.train;
  const curve = lab.train.curve.filter(([step]) => step <= steps);
  const losses = [...points, ...curve].map(([, loss]) => loss).filter(Number.isFinite);
  const top = Math.min(Math.max(...losses, bigram + 0.1), Math.log(V) + 0.2);
  const bottom = Math.min(...losses, bigram) - 0.05;
  const x = (step) => 45 + (525 * Math.log1p(step)) / Math.log1p(steps);
  const y = (loss) => 10 + (255 * (top - Math.min(loss, top))) / (top - bottom);
  const path = (line) => line.map(([step, loss], at) => `${at ? "L" : "M"}${x(step).toFixed(1)} ${y(loss).toFixed(1)}`).join("");
  const label = (text, at) => drawing("text", { class: "axis-text", ...at }, text);
  const marks = [bottom + 0.05, (top + bottom) / 2, top].map((loss) => label(loss.toFixed(2), { x: 38, y: y(loss) + 4, "text-anchor": "end" }));
  const stops = [1, 10, 100, 1000].filter((step) => step < steps / 3);
  const ticks = [...stops, steps].map((step) => label(counted(step), { x: x(step), y: 284, "text-anchor": "middle" }));
  $("chart").replaceChildren(
    drawing("path", { d: "M45 10V265H570", fill: "none", class: "axis" }),
    drawing("line", { x1: 45, x2: 570, y1: y(bigram), y2: y(bigram), class: "line" }),
    ...marks,
    ...ticks,
    drawing("path", { d: path(curve), class: "run" }),
    drawing("path", { d: path(points), class: "here" }),
  );
}

// ---- the page

function element(tag, text = "", properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

function drawing(tag, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function about() {
  const rows = lab.about.map(([name, value]) => {
    const made = element("tr");
    made.append(element("th", name, { scope: "row" }), element("td", value));
    return made;
  });
  $("about").replaceChildren(...rows);
}

function start() {
  $("summary").textContent = lab.summary;
  Object.assign($("top"), { max: V, value: V });
  for (const id of ["temperature", "top", "prefix"]) $(id).addEventListener("input", choose);
  for (const form of document.forms) form.addEventListener("submit", (event) => event.preventDefault());
  $("model").addEventListener("input", showModel);
  $("draw").addEventListener("click", () => ((seed += 1), draw()));
  $("step").addEventListener("click", () => take(drawn(next(written), Math.random())));
  $("back").addEventListener("click", startOver);
  $("word").value = lab.word;
  $("word").addEventListener("input", score);
  about();
  if (lab.film) startFilm();
  if (lab.train) startTraining();
  showModel();
  document.documentElement.dataset.ready = "yes";
}

start();
globalThis.lab = { settings: lab, run: models.run, likely, next, trainHere, dataOf }; // for whoever opens the console
