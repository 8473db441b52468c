const SPEAK_EVERY_MS = 10_000; // twice a second would be read aloud without end

const charts = new WeakMap(); // one state for each mounted chart, by its element

function mount(root) {
  const chart = { root, plot: root.querySelector(".live-plot"), drawn: "", spoken: -Infinity };
  chart.details = root.querySelector("details");
  chart.details.addEventListener("toggle", () => fillTable(chart));
  chart.observer = new ResizeObserver(() => {
    const width = Math.round(chart.plot.clientWidth);
    if (chart.plotly && width && width !== chart.width) {
      chart.width = width;
      chart.plotly.relayout(chart.plot, { width });
    }
  });
  chart.observer.observe(chart.plot);
  return chart;
}

async function draw(chart) {
  chart.plot.style.minHeight = `${chart.data.layout.height}px`; // nothing below moves when the chart appears
  chart.plotly ??= await loadPlotly(chart.data.plotly);
  const { traces, layout, config } = chart.data; // after the wait: the newest data
  chart.width = Math.round(chart.plot.clientWidth);
  if (!chart.plot.isConnected || !chart.width) return;
  const curves = traces.map((trace) => ({ ...trace, type: "scatter", connectgaps: true }));
  await chart.plotly.react(chart.plot, curves, { ...layout, yaxis: heights(chart), width: chart.width }, config);
  const [picture, ...overlays] = chart.plot.querySelectorAll(".main-svg"); // the tool buttons beside it stay reachable
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", chart.data.summary);
  for (const overlay of overlays) overlay.setAttribute("aria-hidden", "true");
}

/** The loss axis as the app wants it, or as whoever looks has zoomed it: plotly keeps a zoom only of a range that stays. */
function heights(chart) {
  const { yaxis, uirevision } = chart.data.layout;
  const { given, revision } = chart;
  const now = chart.plot.layout?.yaxis;
  Object.assign(chart, { given: yaxis.range, revision: uirevision });
  const zoomed = given && (now.autorange || String(now.range) !== String(given));
  return zoomed && revision === uirevision ? { ...yaxis, range: now.range, autorange: now.autorange } : { ...yaxis };
}

function announce(chart) {
  const { title, summary, running } = chart.data;
  chart.root.querySelector(".live-title").textContent = title;
  if (running && performance.now() - chart.spoken < SPEAK_EVERY_MS) return;
  chart.spoken = performance.now();
  chart.root.querySelector(".live-summary").textContent = summary;
}

function fillTable({ details, data }) {
  if (!details.open) return;
  const { rows, columns, traces, layout } = data;
  const table = details.querySelector("table");
  table.replaceChildren();
  const addRow = (tag, cells) => {
    const row = table.insertRow();
    for (const text of cells) row.append(Object.assign(document.createElement(tag), { textContent: text }));
  };
  const shown = (value) => (typeof value === "string" ? value : (value?.toFixed(4) ?? "–"));
  addRow("th", columns ?? [layout.xaxis.title.text, ...traces.map((trace) => trace.name)]);
  for (const [step, ...values] of rows) addRow("td", [step.toLocaleString("en"), ...values.map(shown)]);
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".live-chart");
  if (!charts.has(root)) charts.set(root, mount(root));
  const chart = charts.get(root);
  const json = JSON.stringify(data);
  if (json !== chart.drawn) {
    Object.assign(chart, { drawn: json, data });
    announce(chart);
    fillTable(chart);
    draw(chart).catch((error) => (chart.plot.textContent = error.message));
  }
  return () => {
    chart.observer.disconnect();
    chart.plotly?.purge(chart.plot);
    charts.delete(root);
  };
}
