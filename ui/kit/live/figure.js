const figures = new WeakMap(); // one state for each mounted figure, by its element

function mount(plot) {
  const figure = { plot, drawn: "" };
  figure.observer = new ResizeObserver(() => {
    const width = Math.round(plot.clientWidth);
    if (figure.plotly && width && width !== figure.width) {
      figure.width = width;
      figure.plotly.relayout(plot, { width });
    }
  });
  figure.observer.observe(plot);
  return figure;
}

async function draw(figure) {
  const { plot } = figure;
  plot.style.minHeight = `${figure.data.layout.height}px`; // nothing below moves when the figure appears
  figure.plotly ??= await loadPlotly(figure.data.plotly);
  const { traces, layout, config, alt } = figure.data; // after the wait: the newest data
  figure.width = Math.round(plot.clientWidth);
  if (!plot.isConnected || !figure.width) return;
  await figure.plotly.react(plot, traces, { ...layout, width: figure.width }, config);
  const [picture, ...overlays] = plot.querySelectorAll(".main-svg"); // the tool buttons beside it stay reachable
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", alt);
  for (const overlay of overlays) overlay.setAttribute("aria-hidden", "true");
  if (figure.listens) return;
  figure.listens = true;
  plot.on("plotly_click", ({ points }) => {
    const [place] = points.map(({ customdata }) => customdata).filter((customdata) => customdata !== undefined);
    if (figure.data.clickable && place !== undefined) figure.send("clicked", String(place));
  });
}

export default function ({ data, parentElement, setTriggerValue }) {
  const plot = parentElement.querySelector(".live-figure");
  if (!figures.has(plot)) figures.set(plot, mount(plot));
  const figure = figures.get(plot);
  figure.send = setTriggerValue;
  const json = JSON.stringify(data);
  if (json !== figure.drawn) {
    Object.assign(figure, { drawn: json, data });
    draw(figure).catch((error) => (plot.textContent = error.message));
  }
  return () => {
    figure.observer.disconnect();
    figure.plotly?.purge(plot);
    figures.delete(plot);
  };
}
