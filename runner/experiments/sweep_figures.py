"""What the rows of a sweep say: medians over the repeats of a cell, changes along an axis, speed-up and efficiency.

Repeat r has the same seed in every cell, hence the same items and draws. So cells are compared seed by seed, and what
the seeds have in common cancels (common random numbers; Law, Simulation Modeling and Analysis, section 11.2): the
interval of a change is one over such pairs. Every interval is the distribution-free one of
`runner.analysis.intervals`, whose coverage depends on the number of samples alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from runner.analysis.intervals import coverage, interval, rank
from runner.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runner.experiments.sweep_rows import Row

_WORKERS: Final = re.compile(r"(producers|stages|consumers)\..+\.count")
_PACE: Final = "throughput"


def value_of(value: Any) -> str:
    """A value as a sweep file could hold it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def cell_name(settings: Mapping[str, Any]) -> str:
    """A cell in words: `consumers.consume.count=2, queues.main.kind=pipe`."""
    return ", ".join(f"{path}={value_of(value)}" for path, value in settings.items()) or "the base"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over repeats.

    Attributes:
        samples: So many runs, or pairs of runs, have the figure.
        median: Over them; None without any.
        low, high: Where the median of the law behind them lies with the probability `coverage`; None for less than two.
    """

    samples: int
    median: float | None
    low: float | None = None
    high: float | None = None

    @property
    def coverage(self) -> float:
        """From 0 to 1: 0.5 for two samples, 0.75 for three, 0.94 for five, 0.95 at least from six on."""
        return coverage(rank(self.samples), self.samples) if self.samples > 1 else 0.0


def estimate(samples: Sequence[float]) -> Estimate:
    """Median and interval of samples."""
    if not samples:
        return Estimate(0, None)
    found = interval(samples)
    return Estimate(len(samples), found.median, *((found.low, found.high) if len(samples) > 1 else ()))


@dataclass(frozen=True, slots=True)
class Line:
    """Cells that differ along one axis only.

    Attributes:
        others: The values of the other axes, which they share.
        points: Value on the axis and place of the cell, in the order of the sweep.
    """

    others: Mapping[str, Any]
    points: tuple[tuple[Any, int], ...]


@dataclass(frozen=True, slots=True)
class SpeedUp:
    """What more workers bring: throughput against that of the smallest number of them on the same line.

    Attributes:
        others: The values of the other axes.
        workers: How many there are, as the axis says.
        base: The smallest number on the line.
        speed_up: Throughput as a multiple of the base's, over the seeds that both have.
        efficiency: The speed-up as a share of what as many more workers could bring at best.
    """

    others: Mapping[str, Any]
    workers: int
    base: int
    speed_up: Estimate
    efficiency: Estimate


class SweepFigures:
    """The figures of a sweep; only runs that completed count.

    Attributes:
        axes: The paths that vary.
        cells: The settings of each cell.
        rows: Of the runs that count: status `ok` or `unmet`.
        left_out: Of the others.
    """

    def __init__(self, axes: Iterable[str], cells: Iterable[Mapping[str, Any]], rows: Iterable[Row]) -> None:
        self.axes = tuple(axes)
        self.cells = tuple(cells)
        every = sorted(rows, key=lambda row: row.slot)
        self.rows = tuple(row for row in every if row.exit_code in (ExitCode.OK, ExitCode.UNMET))
        self.left_out = tuple(row for row in every if row.exit_code not in (ExitCode.OK, ExitCode.UNMET))

    @cached_property
    def _by_cell(self) -> list[list[Row]]:
        found: list[list[Row]] = [[] for _ in self.cells]
        for row in self.rows:
            found[row.cell].append(row)
        return found

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Every metric of which there is a sample, as summary.json has them."""
        return tuple(
            dict.fromkeys(path for row in self.rows for path, value in row.metrics.items() if value is not None)
        )

    def _by_seed(self, metric: str, cell: int) -> dict[int, float]:
        return {row.seed: value for row in self._by_cell[cell] if (value := row.metrics.get(metric)) is not None}

    def estimate(self, metric: str, cell: int) -> Estimate:
        """A metric of a cell, over its repeats."""
        return estimate([*self._by_seed(metric, cell).values()])

    def ratio(self, metric: str, cell: int, base: int) -> Estimate:
        """A metric of a cell as a multiple of what it is in another, seed by seed; without a sample where that is 0."""
        ours, theirs = self._by_seed(metric, cell), self._by_seed(metric, base)
        return estimate([value / theirs[seed] for seed, value in ours.items() if theirs.get(seed)])

    def tied(self, axis: str) -> tuple[str, ...]:
        """Axes that go with this one, as those of `zip` do: each of its values has one of theirs, and the reverse."""
        return tuple(other for other in self.axes if other != axis and self._is_tied(axis, other))

    def _is_tied(self, axis: str, other: str) -> bool:
        pairs = {(_text(cell, axis), _text(cell, other)) for cell in self.cells}
        return len(pairs) == len({own for own, _ in pairs}) == len({its for _, its in pairs}) > 1

    def lines(self, axis: str) -> list[Line]:
        """The cells by what they share, each line along one axis; without those that do not name it."""
        apart = [path for path in self.axes if path != axis and path not in self.tied(axis)]
        found: dict[tuple[str, ...], list[int]] = {}
        for place, cell in enumerate(self.cells):
            if axis in cell:
                found.setdefault(tuple(_text(cell, path) for path in apart), []).append(place)
        return [
            Line(
                {path: self.cells[places[0]][path] for path in apart if path in self.cells[places[0]]},
                tuple((self.cells[place][axis], place) for place in places),
            )
            for places in found.values()
        ]

    @property
    def varied(self) -> tuple[str, ...]:
        """The axes along which cells can be compared; of those that go together the first."""
        found: list[str] = []
        for axis in self.axes:
            if not set(self.tied(axis)) & set(found) and any(len(line.points) > 1 for line in self.lines(axis)):
                found.append(axis)
        return tuple(found)

    def is_worker_count(self, axis: str) -> bool:
        """Whether the axis is the number of a group's workers."""
        return _WORKERS.fullmatch(axis) is not None and all(isinstance(cell.get(axis, 1), int) for cell in self.cells)

    def speed_ups(self, axis: str) -> list[SpeedUp]:
        """What more workers bring, line by line, the smallest number of each line first.

        Throughput is compared, not makespan: where each producer has items of its own, more of them have more to do.

        Args:
            axis: One for which `is_worker_count` holds.
        """
        found = []
        for line in self.lines(axis):
            points = sorted(line.points, key=itemgetter(0))
            fewest, base = points[0]
            for workers, cell in points:
                gained = self.ratio(_PACE, cell, base)
                found.append(SpeedUp(line.others, workers, fewest, gained, _scaled(gained, fewest / workers)))
        return found

    def best(self, metric: str, *, largest: bool) -> tuple[int, Estimate] | None:
        """The cell whose median of a metric is the largest, or the smallest, by its place; the first of equals."""
        known = [(place, self.estimate(metric, place)) for place in range(len(self.cells))]
        known = [(place, found) for place, found in known if found.median is not None]
        sign = -1 if largest else 1
        return min(known, key=lambda each: sign * (each[1].median or 0.0)) if known else None


def _text(cell: Mapping[str, Any], path: str) -> str:
    return json.dumps(cell[path], sort_keys=True) if path in cell else ""


def _scaled(found: Estimate, factor: float) -> Estimate:
    median, low, high = (None if each is None else each * factor for each in (found.median, found.low, found.high))
    return Estimate(found.samples, median, low, high)
