function loadPlotly(path) {
  window.makemorePlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(path, document.baseURI);
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error(`${path} could not be loaded`));
    document.head.append(script);
  });
  return window.makemorePlotly;
}

