const FRAME_MS = 350;
const REST_MS = 250; // without another move: then the film is at rest
const STILL = matchMedia("(prefers-reduced-motion: reduce)"); // then frames change without gliding
const ICONS = { Play: "▶", Pause: "❚❚" };

const films = new WeakMap(); // one state for each mounted film, by its element

function mount(root) {
  const find = (name) => root.querySelector(`.film-${name}`);
  const film = { root, drawn: "", frame: null, sent: [], find };
  film.button = find("play");
  film.slider = find("slider");
  film.wrote = find("wrote");
  film.pictures = ["map", "curve"].map((name) => ({ name, plot: find(name) }));
  label(film, "Play");
  film.button.addEventListener("click", () => {
    if (!film.playing) return start(film);
    pause(film);
    show(film, film.frame);
    rest(film);
  });
  film.slider.addEventListener("input", () => {
    pause(film);
    show(film, film.slider.valueAsNumber);
    rest(film);
  });
  root.querySelector("details").addEventListener("toggle", () => fillTable(film));
  film.observer = new ResizeObserver(() => film.pictures.forEach((picture) => fit(film, picture)));
  film.pictures.forEach(({ plot }) => film.observer.observe(plot));
  return film;
}

function label(film, name) {
  film.button.setAttribute("aria-label", name);
  const icon = Object.assign(document.createElement("span"), { textContent: ICONS[name] });
  icon.setAttribute("aria-hidden", "true");
  film.button.replaceChildren(icon, name);
}

function fit(film, picture) {
  const width = Math.round(picture.plot.clientWidth);
  if (!film.plotly || !picture.ready || !width || width === picture.width) return;
  picture.width = width;
  film.plotly.relayout(picture.plot, { width });
}

async function draw(film) {
  film.wrote.textContent = film.data.wrote;
  for (const { name, plot } of film.pictures) {
    plot.style.minHeight = `${film.data[name].layout.height}px`; // nothing below moves when a picture appears
    plot.previousElementSibling.textContent = film.data[name].title;
  }
  film.plotly ??= await loadPlotly(film.data.plotly);
  const { data } = film; // after the wait: the newest
  for (const picture of film.pictures) {
    const { plot, name } = picture;
    picture.width = Math.round(plot.clientWidth);
    if (!plot.isConnected || !picture.width) return;
    await film.plotly.react(plot, data[name].data, { ...data[name].layout, width: picture.width }, data.config);
    const [svg, ...overlays] = plot.querySelectorAll(".main-svg"); // the tool buttons beside it stay reachable
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `${data[name].title}; read the checkpoint from the slider above`);
    for (const overlay of overlays) overlay.setAttribute("aria-hidden", "true");
    picture.ready = true;
  }
  film.slider.max = data.steps.length - 1;
  show(film, data.frame, true);
  listen(film);
  fillTable(film);
}

function listen(film) {
  if (film.listens) return;
  film.listens = true;
  film.pictures[0].plot.on("plotly_click", ({ points: [point] }) => {
    if (point?.customdata !== undefined) film.send("symbol", point.customdata);
  });
  film.pictures[0].plot.on("plotly_clickannotation", ({ annotation }) => film.send("symbol", Number(annotation.name)));
}

/** Say which frame the film has come to rest at, once it has: the rest of the page is about it then. */
function rest(film) {
  clearTimeout(film.resting);
  film.resting = setTimeout(() => {
    film.resting = null;
    if (film.frame === (film.sent.at(-1) ?? film.data.frame)) return;
    film.sent.push(film.frame);
    film.send("frame", film.frame);
  }, REST_MS);
}

function start(film) {
  const last = film.data.steps.length - 1;
  const from = film.frame === last ? 0 : film.frame;
  clearTimeout(film.resting);
  film.resting = null;
  film.playing = true;
  label(film, "Pause");
  const began = performance.now() - from * FRAME_MS;
  const tick = (now) => {
    if (!film.playing || !film.root.isConnected) return;
    const place = Math.max(from, Math.min((now - began) / FRAME_MS, last));
    show(film, STILL.matches ? Math.floor(place) : place);
    if (place < last) return requestAnimationFrame(tick);
    pause(film);
    show(film, place);
    rest(film);
  };
  requestAnimationFrame(tick);
}

function pause(film) {
  film.playing = false;
  label(film, "Play");
}

/** Draw a place in the film: whole numbers are frames, letters glide between them. */
function show(film, place, again = false) {
  const { data } = film;
  if (!film.pictures.every((picture) => picture.ready)) return;
  const frame = Math.floor(place);
  if (place !== film.place || again) {
    const next = Math.min(frame + 1, data.steps.length - 1);
    const between = (axis) => data.ids.map((ids) => ids.map((i) => mix(axis[frame][i], axis[next][i], place - frame)));
    film.plotly.restyle(film.pictures[0].plot, { x: between(data.x), y: between(data.y) }, [...data.ids.keys()]);
    film.place = place;
  }
  if (frame !== film.frame || again) tell(film, frame);
  labelSymbols(film, place === data.frame && !film.playing ? data.labels : null, again);
}

/** Labels that were pushed apart where the film rests, else above their points, with which they move. */
function labelSymbols(film, labels, again) {
  if (labels === film.labels && !again) return;
  film.labels = labels;
  const mode = labels ? "markers" : "markers+text";
  film.plotly.update(film.pictures[0].plot, { mode }, {
    annotations: (labels ?? []).map((label) => ({ ...label, captureevents: true })), // a label is as good as its point
  });
}

const mix = (a, b, share) => a + (b - a) * share;
const nats = (loss) => (Math.abs(loss) < 1e6 ? loss.toFixed(4) : loss.toExponential(2)); // as in ui/text.py

function tell(film, frame) {
  const { data } = film;
  const [train, val] = data.losses.map((losses) => `${data.measured[frame] ? "" : "≈ "}${nats(losses[frame])}`);
  const step = data.steps[frame].toLocaleString("en");
  film.frame = frame;
  film.slider.value = frame;
  film.slider.setAttribute("aria-valuetext", `Step ${step}: train loss ${train}, validation loss ${val}`);
  film.find("step").textContent = step;
  film.find("train").textContent = train;
  film.find("val").textContent = val;
  film.find("names").replaceChildren(
    ...data.words[frame].map((word) => Object.assign(document.createElement("li"), { textContent: word || "(empty)" })),
  );
  const x = data.places[frame];
  const y = data.losses.map((losses) => [losses[frame]]);
  film.plotly.restyle(film.pictures[1].plot, { x: [[x, x], [x], [x]], y: [data.span, ...y] }, [2, 3, 4]);
}

function fillTable(film) {
  const details = film.root.querySelector("details");
  if (!details.open || !film.data) return;
  const { steps, losses, measured, words } = film.data;
  const table = details.querySelector("table");
  table.replaceChildren();
  const addRow = (tag, cells) => {
    const row = table.insertRow();
    for (const text of cells) row.append(Object.assign(document.createElement(tag), { textContent: text }));
  };
  addRow("th", ["Step", "Train loss", "Validation loss", "It writes"]);
  steps.forEach((step, i) => {
    const shown = losses.map((loss) => `${measured[i] ? "" : "≈ "}${nats(loss[i])}`);
    addRow("td", [step.toLocaleString("en"), ...shown, words[i].join(", ")]);
  });
}

/** Take what the server says: a new film, or only another frame of the same. */
function update(film, data) {
  const { frame, labels, ...rest } = data;
  const json = JSON.stringify(rest);
  const before = film.data?.frame;
  const answered = film.sent.lastIndexOf(frame); // an answer to the film, which may have moved on since
  film.sent.splice(0, answered + 1);
  film.data = data;
  if (json !== film.drawn) {
    film.drawn = json;
    draw(film).catch((error) => (film.pictures[0].plot.textContent = error.message));
  } else if (!film.playing && !film.resting) show(film, answered < 0 && frame !== before ? frame : film.frame);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".film");
  if (!films.has(root)) films.set(root, mount(root));
  const film = films.get(root);
  film.send = setTriggerValue;
  update(film, data);
  return () => {
    film.playing = false;
    clearTimeout(film.resting);
    film.observer.disconnect();
    film.pictures.forEach(({ plot }) => film.plotly?.purge(plot));
    films.delete(root);
  };
}
