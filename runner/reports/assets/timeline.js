// What every worker did when. From afar each worker is a band with the shares of its time; near enough, where slices were
// kept one by one, each slice is a bar that says which item it is.
"use strict";
class Timeline {
  static MOST = 2500; // bars at once
  static COLUMNS = 500; // from afar
  static CELLS = 16000; // columns of all workers

  constructor(name, place, chart) {
    this.place = place;
    this.chart = chart;
    this.view = [0, chart.until];
    this.rows = chart.rows.range;
    this.said = document.getElementById(`${name}-said`);
    this.listens = false;
    const on = (what, does) => document.getElementById(`${name}-${what}`).addEventListener("click", does);
    on("all", () => { this.rows = chart.rows.range; this.go(0, chart.until); });
    on("in", () => this.zoom(0.25));
    on("out", () => this.zoom(4));
    on("left", () => this.move(-0.5));
    on("right", () => this.move(0.5));
    this.windows = document.getElementById(`${name}-windows`);
    this.windows.addEventListener("change", () => {
      const window = chart.windows[Number(this.windows.value)];
      if (window) this.go(window.from, window.to);
    });
  }

  zoom(by) {
    const [from, to] = this.view;
    const middle = (from + to) / 2, half = Math.max(((to - from) * by) / 2, 5e-9);
    this.go(middle - half, middle + half);
  }

  move(by) {
    const [from, to] = this.view;
    this.go(from + by * (to - from), to + by * (to - from));
  }

  go(from, to) {
    this.view = to > from ? [from, to] : [from, from + 1e-8];
    this.draw(this.show);
  }

  async draw(show) {
    this.show = show;
    const [from, to] = this.view;
    const bars = this.bars(from, to);
    const near = bars !== null && bars.count > 0;
    const covered = near ? bars.windows : [];
    const data = [...this.bands(from, to, covered), ...(near ? bars.data : []), ...this.marks()];
    await show(data, {
      height: this.chart.height, barmode: "overlay", bargap: 0, showlegend: true, uniformtext: { mode: "hide", minsize: 9 },
      xaxis: { title: { text: "seconds since the start" }, range: [from, to], ...this.chart.seconds },
      yaxis: { ...this.chart.rows, range: this.rows },
    });
    this.tell(from, to, near ? bars.count : 0, covered);
    if (!this.listens) {
      this.listens = true;
      this.place.on("plotly_relayout", (change) => this.changed(change));
    }
  }

  changed(change) {
    if (change["yaxis.range[0]"] !== undefined) this.rows = [change["yaxis.range[0]"], change["yaxis.range[1]"]];
    if (change["yaxis.autorange"]) this.rows = this.chart.rows.range;
    if (change["xaxis.autorange"]) this.view = [0, this.chart.until];
    else if (change["xaxis.range[0]"] !== undefined) {
      this.view = [Number(change["xaxis.range[0]"]), Number(change["xaxis.range[1]"])];
    } else if (change["yaxis.range[0]"] === undefined && !change["yaxis.autorange"]) return;
    this.draw(this.show);
  }

  // Whether a row is in view.
  seen(row) {
    return row + 0.5 >= Math.min(...this.rows) && row - 0.5 <= Math.max(...this.rows);
  }

  // The slices that are in view and were kept, as bars; null where there are too many to be told apart.
  bars(from, to) {
    const byState = this.chart.states.map(() => ({ base: [], x: [], y: [], text: [], hover: [] }));
    const windows = [];
    let count = 0;
    for (const window of this.chart.windows) {
      if (window.to < from || window.from > to) continue;
      windows.push(window);
      for (let k = 0; k < window.ns.length; k++) {
        const began = window.from + window.ns[k] / 1e9, took = window.took[k] / 1e9;
        if (began > to || began + took < from || !this.seen(window.worker[k])) continue;
        if (++count > Timeline.MOST) return null;
        const bar = byState[window.state[k]], row = window.worker[k];
        const more = window.items[k] > 1 ? ` and ${window.items[k] - 1} more` : "";
        bar.base.push(began);
        bar.x.push(took);
        bar.y.push(row);
        bar.text.push(window.item[k]);
        bar.hover.push(`${this.chart.names[row]}: ${this.chart.states[window.state[k]].name}<br>` +
          (window.item[k] ? `${window.item[k]}${more}<br>` : "") +
          `from ${began.toFixed(9)} s<br>for ${Timeline.duration(took)}`);
      }
    }
    const few = count <= 300;
    const data = byState.map((bar, state) => ({
      type: "bar", orientation: "h", base: bar.base, x: bar.x, y: bar.y, width: 0.8, customdata: bar.hover,
      hovertemplate: "%{customdata}<extra></extra>", name: this.chart.states[state].name, showlegend: false,
      marker: { color: this.chart.states[state].colour, line: { color: "var(--back)", width: few ? 1 : 0 } },
      ...(few ? { text: bar.text, textposition: "inside", insidetextanchor: "middle", textangle: 0,
        insidetextfont: { color: "var(--back)" } } : {}),
    }));
    return { data, count, windows };
  }

  // Shares of time, as one shape a state: for each worker its bins in view, but for what is drawn slice by slice. Of more
  // bins than a screen can show, several are drawn as one.
  bands(from, to, covered) {
    const { shares, width, states } = this.chart;
    const last = shares.length && shares[0].length ? shares[0][0].length : 0;
    const first = Math.max(0, Math.floor(from / width)), end = Math.min(last, Math.ceil(to / width));
    const most = Math.max(8, Math.min(Timeline.COLUMNS, Math.floor(Timeline.CELLS / Math.max(1, shares.length))));
    const step = Math.max(1, Math.ceil((end - first) / most));
    const runs = this.runs(first - (first % step), end, step, covered);
    const shapes = states.map(() => ({ x: [], y: [] }));
    shares.forEach((worker, row) => {
      if (this.seen(row)) runs.forEach((run) => this.band(worker, row, run, step, shapes));
    });
    this.column = step * width;
    return shapes.map((shape, state) => ({
      type: "scatter", mode: "lines", fill: "toself", line: { width: 0, color: states[state].colour }, hoverinfo: "skip",
      fillcolor: states[state].colour, name: states[state].name, x: shape.x.length ? shape.x : [null],
      y: shape.y.length ? shape.y : [null],
    }));
  }

  // Neighbouring columns, each [first bin, left edge, right edge], in stretches between the windows that are covered.
  runs(first, end, step, covered) {
    const width = this.chart.width;
    const runs = [[]];
    for (let bin = first; bin < end; bin += step) {
      let at = bin * width;
      const right = (bin + step) * width;
      for (const window of covered) {
        if (window.to <= at || window.from >= right) continue;
        if (window.from > at) runs[runs.length - 1].push([bin, at, window.from]);
        runs.push([]);
        at = Math.max(at, window.to);
      }
      if (at < right) runs[runs.length - 1].push([bin, at, right]);
    }
    return runs.filter((run) => run.length);
  }

  // One worker's stretch: a polygon a state, along its upper edges and back along the lower ones.
  band(worker, row, run, step, shapes) {
    const low = run.map(() => row + 0.4);
    worker.forEach((column, state) => {
      const high = run.map(([bin], k) => {
        let sum = 0;
        for (let each = bin; each < Math.min(bin + step, column.length); each++) sum += column[each];
        return low[k] - (0.8 * sum) / (1000 * step);
      });
      if (high.every((value, k) => value === low[k])) return;
      const shape = shapes[state];
      for (const [edges, forward] of [[high, true], [low, false]]) {
        for (let i = 0; i < run.length; i++) {
          const k = forward ? i : run.length - 1 - i;
          const before = forward ? k - 1 : k + 1, after = forward ? k + 1 : k - 1;
          if (edges[before] !== edges[k]) this.point(shape, run[k][forward ? 1 : 2], edges[k]);
          if (edges[after] !== edges[k]) this.point(shape, run[k][forward ? 2 : 1], edges[k]);
        }
      }
      this.point(shape, null, null);
      high.forEach((value, k) => { low[k] = value; });
    });
  }

  point(shape, x, y) {
    shape.x.push(x);
    shape.y.push(y);
  }

  marks() {
    const marks = this.chart.marks;
    if (!marks.length) return [];
    return [{
      type: "scatter", mode: "markers", name: "deaths, faults, …", x: marks.map((m) => m.t), y: marks.map((m) => m.worker),
      text: marks.map((m) => m.text), hovertemplate: "%{text}<br>at %{x:.9f} s<extra></extra>",
      marker: { symbol: "x", size: 9, color: "var(--bad)", line: { color: "var(--back)", width: 1 } },
    }];
  }

  tell(from, to, count, covered) {
    const span = `${Timeline.duration(to - from)} from ${from.toFixed(9).replace(/0+$/, "0")} s on`;
    const bin = `each bar of ${Timeline.duration(this.column)} shows shares of time`;
    if (!count) this.said.textContent = `Shown: ${span}; ${bin}.`;
    else {
      const whole = covered.some((window) => window.from <= from && window.to >= to) || this.chart.complete;
      this.said.textContent = `Shown: ${span}; ${count} slices one by one` + (whole ? "." : `; elsewhere ${bin}.`);
    }
  }

  static duration(seconds) {
    for (const [factor, unit] of [[1, "s"], [1e3, "ms"], [1e6, "µs"]]) {
      if (seconds * factor >= 1) return `${Number((seconds * factor).toPrecision(4))} ${unit}`;
    }
    return `${Number((seconds * 1e9).toPrecision(4))} ns`;
  }
}
