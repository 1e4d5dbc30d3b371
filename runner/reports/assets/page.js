// Draws the charts of the page in the colours of its theme, and again when that is switched.
"use strict";
(() => {
  const root = document.documentElement;
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const timelines = {};

  // A copy of what the library is told, with the theme's colours for their names; texts of the run stay as they are.
  function coloured(value, style, key = "") {
    if (typeof value === "string") {
      const named = key.endsWith("color") && /^var\((--[a-z0-9]+)\)$/.exec(value);
      return named ? style.getPropertyValue(named[1]).trim() : value;
    }
    if (Array.isArray(value)) {
      return typeof value[0] === "object" && value[0] !== null ? value.map((each) => coloured(each, style)) : value;
    }
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, coloured(each, style, name)]));
    }
    return value;
  }

  function layout(own) {
    const axis = { gridcolor: "var(--grid)", linecolor: "var(--line)", zerolinecolor: "var(--line)", automargin: true };
    return {
      paper_bgcolor: "var(--back)", plot_bgcolor: "var(--back)", height: 380, hovermode: "closest", dragmode: "zoom",
      font: { family: "system-ui, 'DejaVu Sans', sans-serif", size: 13, color: "var(--text)" },
      margin: { l: 60, r: 20, t: 30, b: 55 }, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, traceorder: "normal" },
      showlegend: true,
      hoverlabel: { bgcolor: "var(--panel)", bordercolor: "var(--soft)", font: { color: "var(--text)" } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: "var(--soft)", activecolor: "var(--text)" },
      ...own,
      xaxis: { ...axis, ...own.xaxis }, yaxis: { ...axis, ...own.yaxis },
    };
  }

  const config = {
    responsive: true, displaylogo: false, scrollZoom: false, showTips: false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
  };

  function draw(name) {
    const chart = charts[name];
    const place = document.getElementById(name);
    const style = getComputedStyle(root);
    const show = (data, own) => Plotly.react(place, coloured(data, style), coloured(layout(own), style), config);
    if (chart.kind === "timeline") {
      timelines[name] ??= new Timeline(name, place, chart);
      return timelines[name].draw(show);
    }
    return show(chart.data, { ...chart.layout, uirevision: "kept" });
  }

  // One after the other; the page can be used meanwhile. `data-drawn` says which are, `data-ready` that all are.
  let turn = 0;
  async function drawAll() {
    const mine = ++turn, drawn = [];
    if (typeof Plotly === "undefined") return;
    for (const name of Object.keys(charts)) {
      await draw(name);
      if (mine !== turn) return;
      drawn.push(name);
      root.dataset.drawn = drawn.join(" ");
      await new Promise((done) => setTimeout(done));
    }
    root.dataset.ready = "yes";
  }

  const asked = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  function setTheme(dark) {
    root.dataset.theme = dark ? "dark" : "light";
    button.setAttribute("aria-pressed", String(dark));
  }
  setTheme(asked.matches);
  button.hidden = false;
  button.addEventListener("click", () => { setTheme(root.dataset.theme !== "dark"); drawAll(); });
  asked.addEventListener("change", () => { setTheme(asked.matches); drawAll(); });

  // Words and tables first: the library takes longer than all else.
  addEventListener("load", () => setTimeout(() => {
    const library = document.createElement("script");
    library.textContent = document.getElementById("library").textContent;
    document.head.append(library);
    drawAll();
  }, 20));
})();
