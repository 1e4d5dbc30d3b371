"""Charts of a run as data: what the plotting library is told, with colours by name.

Times are seconds. Whatever text comes from a run is escaped by `label`, as the library reads some HTML in its texts.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from runner.reports.reduction import STATES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.reports.reduction import Reduction
    from runner.reports.series import Histogram, Series

NAMES: Final = {"work": "working", "put": "blocked in put", "get": "blocked in get", "pause": "pausing"}
_NS: Final = 1e9
_COLOURS: Final = 8
_SECONDS: Final = {"ticksuffix": "s", "exponentformat": "SI", "minexponent": 1}
_ROW: Final = 26
_FEW: Final = 8
MOST_BARS: Final = 200
"""Workers that get a bar each."""
_NOTHING: Final = 0.9
"""Where on a logarithmic axis of ns stands what took none."""

Chart = dict[str, Any]


def label(text: str) -> str:
    """A text as the plotting library is to show it: to the letter."""
    return escape(text, quote=False)


def plot(data: Sequence[Chart], x: str, y: str, **layout: Any) -> Chart:
    """A chart with titles on its axes; `layout` goes beyond that."""
    axes = {"xaxis": {"title": {"text": x}, **layout.pop("xaxis", {})}}
    axes["yaxis"] = {"title": {"text": y}, **layout.pop("yaxis", {})}
    return {"kind": "plot", "data": list(data), "layout": {**axes, **layout}}


def over_time(series: Mapping[str, Series], until_ns: int, unit: str, *, steps: bool) -> Chart:
    """Values over time, a colour a name: as they are, or a band from the minimum to the maximum.

    Args:
        series: By name.
        until_ns: How far the axis of time goes.
        unit: Title of the axis; values of an axis in seconds are ns.
        steps: Whether a value holds until the next one.
    """
    seconds = "seconds" in unit
    scale = _NS if seconds else 1
    data: list[Chart] = []
    for place, (name, values) in enumerate(series.items()):
        colour = f"var(--c{place % _COLOURS})"
        if values.reduced:
            data += _band(label(name), values, colour, scale, steps=steps)
        else:
            data.append(_points(label(name), values.points, colour, scale, steps=steps))
            if steps and values.points:
                data[-1]["x"].append(until_ns / _NS)
                data[-1]["y"].append(values.points[-1][1])
    few = not seconds and max((max(each["y"], default=0) for each in data), default=0) < _FEW
    bottom = {"rangemode": "tozero", **(_SECONDS if seconds else {}), **({"dtick": 1} if few else {})}
    time = {"range": [0, max(1, until_ns) / _NS], **_SECONDS}
    return plot(data, "seconds since the start", unit, xaxis=time, yaxis=bottom)


def _points(name: str, points: Sequence[tuple[int, int]], colour: str, scale: float, *, steps: bool) -> Chart:
    drawn: Chart = {"type": "scatter", "name": name, "x": [t / _NS for t, _ in points]}
    drawn["y"] = [value / scale for _, value in points]
    if steps:
        return drawn | {"mode": "lines", "line": {"shape": "hv", "color": colour, "width": 1.5}}
    return drawn | {"mode": "markers", "marker": {"color": colour, "size": 4}}


def _band(name: str, values: Series, colour: str, scale: float, *, steps: bool) -> list[Chart]:
    """Maximum, minimum and what is between; and the mean of what has no duration."""
    x: list[float] = []
    lowest: list[float] = []
    highest: list[float] = []
    mean: list[float] = []
    held: float | None = None
    for place, count in enumerate(values.count):
        if not count:
            continue
        low, high = values.lowest[place] / scale, values.highest[place] / scale
        if steps and held is not None:  # what was there when the bin began is in it, too
            low, high = min(low, held), max(high, held)
        x.append(place * values.width / _NS)
        lowest.append(low)
        highest.append(high)
        mean.append(values.total[place] / count / scale)
        held = values.last[place] / scale
    shape = "hv" if steps else "linear"
    both = {"type": "scatter", "mode": "lines", "x": x, "legendgroup": name}
    line = {"shape": shape, "color": colour, "width": 1}
    data: list[Chart] = [
        {**both, "y": highest, "name": f"{name}, maximum", "line": line, "showlegend": steps},
        {**both, "y": lowest, "name": f"{name}, minimum", "line": line, "fill": "tonexty", "showlegend": False},
    ]
    if not steps:
        data.append(
            {
                **both,
                "y": mean,
                "name": f"{name}, minimum to maximum, and mean",
                "line": {"color": "var(--text)", "width": 1, "dash": "dot"},
            }
        )
    return data


def distribution(sizes: Mapping[str, Histogram]) -> Chart:
    """Durations by size, on a logarithmic axis; what took no time stands at a nanosecond."""
    data = []
    latencies = sum(name.startswith("latency") for name, sizes_of in sizes.items() if sizes_of.count)
    for place, (name, histogram) in enumerate((name, each) for name, each in sizes.items() if each.count):
        x: list[float] = []
        y: list[float] = []
        classes = [(low or _NOTHING, high, count) for low, high, count in histogram.classes()]
        for (low, high, count), after in pairwise([*classes, None]):  # type: ignore[misc]
            x.append(low / _NS)
            y.append(100 * count / histogram.count)
            if after is None or after[0] > 1.01 * high:
                x.append(high / _NS)
                y.append(0)
        data.append(
            {
                "type": "scatter", "mode": "lines", "name": label(name), "x": x, "y": y, "fill": "tozeroy",
                "line": {"shape": "hv", "width": 1.5, "color": f"var(--c{place % _COLOURS})"},
                "visible": True if place < max(1, latencies) else "legendonly",
            }
        )  # fmt: skip
    return plot(data, "duration", "% of all", xaxis={"type": "log", **_SECONDS}, yaxis={"rangemode": "tozero"})


def bars(found: Reduction) -> Chart:
    """What each worker spent its time on, in seconds; the rest of the run is in none of the bars.

    Of more workers than a screen has room for, the mean of each group and its extremes.
    """
    many = len(found.workers) > MOST_BARS
    spent = extremes(found) if many else {name: found.spent[place] for name, place in found.workers.items()}
    names = [label(name) for name in spent]
    rows = list(range(len(names)))
    data: list[Chart] = [
        {
            "type": "bar", "orientation": "h", "name": NAMES[state], "y": rows, "customdata": names,
            "x": [each[number] / _NS for each in spent.values()], "marker": {"color": f"var(--{state})"},
            "hovertemplate": f"%{{customdata}}: {NAMES[state]} %{{x:.4s}}s<extra></extra>",
        }
        for number, state in enumerate(STATES)
    ]  # fmt: skip
    return plot(
        data, "seconds", "", barmode="stack", xaxis=_SECONDS, yaxis=rows_axis(names), height=height(len(names))
    )  # fmt: skip


def extremes(found: Reduction) -> dict[str, Sequence[float]]:
    """Ns by state: of each group the worker that was busiest, the mean, and the worker that was least busy.

    Busiest is who worked longest; of producers, who was blocked longest.
    """
    groups: dict[str, list[str]] = {}
    for name in found.workers:
        groups.setdefault(name.rpartition("-")[0], []).append(name)
    rows: dict[str, Sequence[float]] = {}
    for group, names in groups.items():
        spent = {name: found.spent[found.workers[name]] for name in names}
        ordered = sorted(names, key=lambda name: spent[name][:2])
        rows[f"{group}, busiest: {ordered[-1]}"] = spent[ordered[-1]]
        rows[f"{group}, mean of {len(names):,}"] = [sum(ns) / len(names) for ns in zip(*spent.values(), strict=True)]
        rows[f"{group}, least busy: {ordered[0]}"] = spent[ordered[0]]
    return rows


def rows_axis(names: Sequence[str]) -> Chart:
    """An axis with a row for each name, from top to bottom; of many rows not each is named."""
    step = -(-len(names) // 60) if names else 1
    ticks = list(range(0, len(names), step))
    return {
        "tickvals": ticks, "ticktext": [names[tick] for tick in ticks], "range": [len(names) - 0.5, -0.5],
        "automargin": True, "showgrid": False, "zeroline": False,
    }  # fmt: skip


def height(rows: int) -> int:
    """Pixels for so many rows."""
    return 150 + min(900, max(4, rows) * _ROW)


def timeline(found: Reduction) -> Chart:
    """What every worker did when: shares of time for the whole, slices for the windows that are there in full."""
    shares = found.shares
    used = shares.used(found.until)
    names = [label(name) for name in found.workers]
    spent = [
        [[min(1000, round(1000 * ns / shares.width)) for ns in column[:used]] for column in columns]
        for columns in shares.spent
    ]
    windows = [
        {
            "from": window.began / _NS, "to": window.ended / _NS, "why": window.why,
            "worker": [each.worker for each in window.details], "state": [each.state for each in window.details],
            "ns": [each.began - window.began for each in window.details],
            "took": [each.ended - each.began for each in window.details],
            "item": [label(each.item) for each in window.details], "items": [each.items for each in window.details],
        }
        for window in found.details.windows()
    ]  # fmt: skip
    marks = [
        {
            "t": mark.t_ns / _NS,
            "worker": found.workers[mark.worker],
            "text": label(" ".join(filter(None, [mark.what, mark.item, mark.why]))),
        }
        for mark in found.marks
        if mark.worker in found.workers
    ]
    return {
        "kind": "timeline", "until": max(found.until, 1) / _NS, "width": shares.width / _NS, "shares": spent,
        "states": [{"name": NAMES[state], "colour": f"var(--{state})"} for state in STATES],
        "windows": windows, "complete": found.details.complete, "marks": marks,
        "rows": rows_axis(names), "names": names, "height": height(len(names)), "seconds": _SECONDS,
    }  # fmt: skip
