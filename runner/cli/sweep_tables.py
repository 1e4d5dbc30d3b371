"""What there is to see of a sweep: its cells before it runs, medians over the repeats of each afterwards."""

from __future__ import annotations

import json
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from runner.cli.tables import table
from runner.config.bounds import SECONDS, kind_of
from runner.figures import NONE, duration, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.table import Table

    from runner.experiments.sweep import Sweep
    from runner.experiments.sweep_forecast import SweepForecast
    from runner.experiments.sweep_plan import SweepPlan
    from runner.experiments.sweep_rows import Row

MOST_CELLS: Final = 100
"""So many are shown; all of them are in sweep.csv."""
_FIGURES: Final = ("makespan_s", "throughput", "latency.mean", "latency.p99")


def cell_name(settings: Mapping[str, Any]) -> str:
    """A cell in words: `consumers.consume.count=2, queues.main.kind=pipe`."""
    return ", ".join(f"{path}={value_of(value)}" for path, value in settings.items()) or "the base"


def value_of(value: Any) -> str:
    """A value as a sweep file could hold it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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


def ended(found: Sweep) -> list[Table | str]:
    """Each cell with what became of its runs, and medians over its repeats."""
    by_cell: dict[int, list[Row]] = {}
    for row in found.rows:
        by_cell.setdefault(row.cell, []).append(row)
    rows = [
        [*_values(found.axes, settings), number(len(by_cell.get(place, ()))), _status(by_cell.get(place, ())),
         *(_median(path, by_cell.get(place, ())) for path in _FIGURES)]
        for place, settings in enumerate(found.cells[:MOST_CELLS])
    ]  # fmt: skip
    columns = [*found.axes, "runs", "status", *_FIGURES]
    return [table(columns, rows, texts=len(found.axes)), *_more(len(found.cells))]


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
