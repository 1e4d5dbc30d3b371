"""Tables of a sweep's page: medians with their intervals, changes along an axis, speed-up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.config.bounds import SECONDS, kind_of
from runner.experiments.sweep_figures import value_of
from runner.figures import NONE, duration, number
from runner.reports.tables import table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runner.experiments.sweep_figures import Estimate, SpeedUp, SweepFigures

MOST_CELLS: Final = 200
"""Cells in a table of all metrics; sweep.csv has all."""
MOST_ROWS: Final = 500
"""Lines in a table along an axis."""


def spelt(found: Estimate, shown: Callable[[float | None], str]) -> str:
    """`3.85 s (3.71 s to 4.02 s)`: the median and its interval."""
    if found.low is None or found.high is None:
        return shown(found.median)
    return f"{shown(found.median)} ({shown(found.low)} to {shown(found.high)})"


def shown_as(metric: str) -> Callable[[float | None], str]:
    """How values of a metric are written."""
    return duration if kind_of(metric) == SECONDS else number


def percent(value: float | None) -> str:
    """A ratio as a change: `+12.5 %` of 1.125."""
    return NONE if value is None else f"{100 * (value - 1):+,.1f} %"


def share(value: float | None) -> str:
    """A share of 1 in percent, with a digit behind the point."""
    return NONE if value is None else f"{100 * value:.1f} %"


def medians(figures: SweepFigures, metric: str, axis: str) -> str:
    """A metric: a row for each combination of the other axes, a column for each value of this one."""
    shown = shown_as(metric)

    def median(cell: int, _: int) -> str:
        return spelt(figures.estimate(metric, cell), shown)

    return _pivot(f"{metric} by {axis}: median of the repeats", figures, axis, median)


def changes(figures: SweepFigures, metric: str, axis: str) -> str:
    """The same against the first value of the axis, seed by seed."""

    def changed(cell: int, first: int) -> str:
        return "1" if cell == first else spelt(figures.ratio(metric, cell, first), percent)

    return _pivot(f"{metric} by {axis}: change against the first of the row, seed by seed", figures, axis, changed)


def _pivot(title: str, figures: SweepFigures, axis: str, cell_text: Callable[[int, int], str]) -> str:
    lines = figures.lines(axis)
    others = [*dict.fromkeys(path for line in lines for path in line.others)]
    values = [*dict.fromkeys(value_of(value) for line in lines for value, _ in line.points)]
    rows = []
    for line in lines[:MOST_ROWS]:
        first = line.points[0][1]
        cells = {value_of(value): cell_text(cell, first) for value, cell in line.points}
        heads = named(others, line.others) or ["all"]
        rows.append([*heads, *(cells.get(value, NONE) for value in values)])
    columns = [*(others or [""]), *values]
    if len(lines) > MOST_ROWS:
        title = f"{title}; the first {MOST_ROWS} of {len(lines):,} rows"
    return table(title, columns, rows, texts=len(others) or 1)


def named(axes: Sequence[str], settings: Mapping[str, Any]) -> list[str]:
    """The values of axes in a cell, as texts."""
    return [value_of(settings[path]) if path in settings else NONE for path in axes]


def speed_ups(found: Sequence[SpeedUp], axis: str) -> str:
    """Speed-up and efficiency."""
    others = [*dict.fromkeys(path for each in found for path in each.others)]
    rows = [
        [*named(others, each.others), number(each.workers), spelt(each.speed_up, number), spelt(each.efficiency, share),
         number(each.speed_up.samples)]
        for each in found[:MOST_ROWS]
    ]  # fmt: skip
    columns = [*others, axis, "speed-up", "efficiency", "seeds"]
    return table(f"Speed-up with more of {axis}", columns, rows, texts=len(others))


def everything(figures: SweepFigures) -> str:
    """The median of every metric in every cell."""
    title = "Medians of all metrics"
    if len(figures.cells) > MOST_CELLS:
        title = f"{title}; the first {MOST_CELLS} of {len(figures.cells):,} cells, sweep.csv has all"
    rows = [
        [
            *named(figures.axes, cell),
            *(shown_as(path)(figures.estimate(path, place).median) for path in figures.metrics),
        ]
        for place, cell in enumerate(figures.cells[:MOST_CELLS])
    ]
    return table(title, [*figures.axes, *figures.metrics], rows, texts=len(figures.axes))
