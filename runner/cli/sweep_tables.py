"""What there is to see of a sweep: its cells before it runs, medians over the repeats of each afterwards."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from runner.cli.tables import table
from runner.config.bounds import SECONDS, kind_of
from runner.experiments.sweep_figures import value_of
from runner.figures import NONE, duration, number, share

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.table import Table

    from runner.experiments.sweep import Sweep
    from runner.experiments.sweep_figures import SweepFigures
    from runner.experiments.sweep_forecast import SweepForecast
    from runner.experiments.sweep_plan import SweepPlan
    from runner.experiments.sweep_rows import Row
    from runner.experiments.sweep_store import StoredSweep

MOST_CELLS: Final = 100
"""So many are shown; all of them are in sweep.csv."""
_FIGURES: Final = ("makespan_s", "throughput", "latency.mean", "latency.p99")


def planned(plan: SweepPlan, expected: SweepForecast) -> list[Table | str]:
    """The cells of a sweep, and how long it takes."""
    rows = []
    for place, cell in enumerate(plan.cells[:MOST_CELLS]):
        found = expected.cells.get(place)
        wall_s = None if found is None else found.wall_s
        config = cell.config
        rows.append([*_values(plan.axes, cell.settings), config.engine, number(config.seed), duration(wall_s)])
    columns = [*plan.axes, "engine", "seed", "a run takes"]
    return [
        f"{plan.name}: {len(plan.cells):,} cells x {plan.repeat:,} = {plan.size:,} runs, {plan.order}",
        table(columns, rows, texts=len(plan.axes) + 1),
        *_more(len(plan.cells)),
        _total(plan, expected),
    ]


def _total(plan: SweepPlan, expected: SweepForecast) -> str:
    unknown = next((each.why for each in expected.cells.values() if each.wall_s is None), None)
    if expected.total_s is None:
        return f"takes nobody knows how long: {unknown}"
    told = f"takes about {duration(expected.total_s)} in all"
    if expected.known < len(plan.cells):
        told = f"{told}, by {expected.known:,} of {len(plan.cells):,} cells"
        told = f"{told} ({unknown})" if unknown else told
    return told


def ended(found: Sweep | StoredSweep) -> list[Table | str]:
    """Each cell with what became of its runs, and medians over its repeats; what more workers bring."""
    figures = found.figures
    by_cell: dict[int, list[Row]] = {}
    for row in found.rows:
        by_cell.setdefault(row.cell, []).append(row)
    rows = [
        [*_values(figures.axes, settings), number(len(by_cell.get(place, ()))), _status(by_cell.get(place, ())),
         *(_median(path, by_cell.get(place, ())) for path in _FIGURES)]
        for place, settings in enumerate(figures.cells[:MOST_CELLS])
    ]  # fmt: skip
    columns = [*figures.axes, "runs", "status", *_FIGURES]
    gains = [_gains(figures, axis) for axis in figures.varied if figures.is_worker_count(axis)]
    return [table(columns, rows, texts=len(figures.axes)), *_more(len(figures.cells)), *gains]


def _gains(figures: SweepFigures, axis: str) -> Table:
    """Speed-up and efficiency, with intervals over the seeds."""
    found = figures.speed_ups(axis)[:MOST_CELLS]
    others = [*dict.fromkeys(path for each in found for path in each.others)]
    rows = [
        [*_values(others, each.others), number(each.workers),
         *map(number, (each.speed_up.median, each.speed_up.low, each.speed_up.high)), share(each.efficiency.median),
         number(each.speed_up.samples)]
        for each in found
    ]  # fmt: skip
    return table([*others, axis, "speed-up", "from", "to", "efficiency", "seeds"], rows, texts=len(others))


def _more(cells: int) -> list[str]:
    return [f"and {cells - MOST_CELLS:,} more cells"] if cells > MOST_CELLS else []


def _values(axes: Iterable[str], settings: Mapping[str, Any]) -> list[str]:
    return [value_of(settings[path]) if path in settings else NONE for path in axes]


def _status(rows: Sequence[Row]) -> str:
    counts = Counter(row.status for row in rows)
    return ", ".join(f"{count} {status}" if len(counts) > 1 else status for status, count in counts.items()) or NONE


def _median(path: str, rows: Iterable[Row]) -> str:
    values = [value for row in rows if (value := row.metrics.get(path)) is not None]
    shown = duration if kind_of(path) == SECONDS else number
    return shown(median(values)) if values else NONE
