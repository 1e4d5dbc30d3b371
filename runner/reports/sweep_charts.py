"""Charts of a sweep as data: a metric, or the speed-up, along an axis, a line for each combination of the others."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from runner.config.bounds import SECONDS, kind_of
from runner.experiments.sweep_figures import cell_name, value_of
from runner.reports.charts import label, plot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.experiments.sweep_figures import Estimate, Line, SpeedUp, SweepFigures
    from runner.reports.charts import Chart

MOST_LINES: Final = 16
"""Lines in a chart: more nobody tells apart."""
_COLOURS: Final = 8
_SYMBOLS: Final = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down", "star", "pentagon")
_DASHES: Final = ("solid", "dash", "dot", "dashdot")
_SECONDS: Final = {"ticksuffix": "s", "exponentformat": "SI", "minexponent": 1}

Point = tuple[Any, "Estimate"]


def unit_of(metric: str) -> str:
    """`seconds`, `items per second`, or nothing for a count."""
    if kind_of(metric) == SECONDS:
        return "seconds"
    return "items per second" if metric == "throughput" else ""


def along(figures: SweepFigures, metric: str, axis: str) -> Chart:
    """A metric against an axis, with an interval over the repeats."""
    lines = figures.lines(axis)[:MOST_LINES]
    values = [value for line in lines for value, _ in line.points]
    scale = _axis(values)
    data = [
        _line(line_name(line.others), [(value, figures.estimate(metric, cell)) for value, cell in line.points], place,
              numeric=scale["type"] == "linear")
        for place, line in enumerate(lines)
    ]  # fmt: skip
    unit = unit_of(metric)
    title = f"{metric}, {unit}" if unit else metric
    bottom = {"rangemode": "tozero", **(_SECONDS if unit == "seconds" else {})}
    return plot(data, label(axis), title, xaxis=scale, yaxis=bottom)


def speed_up(found: Sequence[SpeedUp], axis: str) -> Chart:
    """Speed-up against the number of workers, beside what would be ideal."""
    lines = _by_line(found)
    data = [
        _line(name, [(each.workers, each.speed_up) for each in points], place, numeric=True)
        for place, (name, points) in enumerate(lines.items())
    ]
    counts = sorted({each.workers for each in found})
    ideal: Chart = {
        "type": "scatter", "mode": "lines", "name": "ideal", "x": counts, "y": [n / counts[0] for n in counts],
        "line": {"color": "var(--soft)", "width": 1.5, "dash": "longdash"},
    }  # fmt: skip
    return plot([ideal, *data], label(axis), "speed-up", xaxis=_axis(counts), yaxis={"rangemode": "tozero"})


def efficiency(found: Sequence[SpeedUp], axis: str) -> Chart:
    """Efficiency against the number of workers, in percent."""
    data = [
        _line(name, [(each.workers, each.efficiency) for each in points], place, numeric=True, factor=100)
        for place, (name, points) in enumerate(_by_line(found).items())
    ]
    counts = sorted({each.workers for each in found})
    percent = {"rangemode": "tozero", "ticksuffix": " %"}
    return plot(data, label(axis), "efficiency", xaxis=_axis(counts), yaxis=percent)


def line_name(others: Mapping[str, Any]) -> str:
    """What the cells of a line share, in words."""
    return cell_name(others) if others else "all"


def _by_line(found: Sequence[SpeedUp]) -> dict[str, list[SpeedUp]]:
    lines: dict[str, list[SpeedUp]] = {}
    for each in found:
        lines.setdefault(line_name(each.others), []).append(each)
    return dict([*lines.items()][:MOST_LINES])


def is_scale(values: Sequence[Any]) -> bool:
    """Whether values are numbers that go up along each line, so that they may stand on an axis of numbers."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    order = [*dict.fromkeys(values)] if numbers else []
    return numbers and all(low < high for low, high in pairwise(order))


def _axis(values: Sequence[Any]) -> Chart:
    if is_scale(values):
        ticks = [*dict.fromkeys(values)]
        return {"type": "linear", **({"tickvals": ticks} if len(ticks) <= MOST_LINES else {})}
    names = [*dict.fromkeys(label(value_of(value)) for value in values)]
    return {"type": "category", "categoryorder": "array", "categoryarray": names}


def _line(name: str, points: Sequence[Point], place: int, *, numeric: bool, factor: float = 1) -> Chart:
    known = [(value, found, found.median) for value, found in points if found.median is not None]
    colour = f"var(--c{place % _COLOURS})"
    ends = [
        (median - (median if found.low is None else found.low), (median if found.high is None else found.high) - median)
        for _, found, median in known
    ]
    return {
        "type": "scatter", "mode": "lines+markers", "name": label(name),
        "x": [value if numeric else label(value_of(value)) for value, _, _ in known],
        "y": [factor * median for _, _, median in known],
        "error_y": {
            "type": "data", "symmetric": False, "array": [factor * above for _, above in ends],
            "arrayminus": [factor * below for below, _ in ends], "color": colour, "thickness": 1.2, "width": 5,
        },
        "marker": {"symbol": _SYMBOLS[place % len(_SYMBOLS)], "size": 8, "color": colour},
        "line": {"color": colour, "width": 1.5, "dash": _DASHES[place // _COLOURS % len(_DASHES)]},
    }  # fmt: skip


def shown_lines(lines: Sequence[Line]) -> str:
    """A sentence where not every line is drawn; empty where each is."""
    return f"Drawn are {MOST_LINES} of {len(lines):,} lines; all are in the table." if len(lines) > MOST_LINES else ""
