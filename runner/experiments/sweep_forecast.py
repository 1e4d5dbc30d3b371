"""How long a sweep takes, as far as that can be said before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final

from runner.config.simulable import SIMULATION
from runner.engines.prediction import predicted

if TYPE_CHECKING:
    from runner.experiments.sweep_plan import Cell, SweepPlan

PATIENCE_S: Final = 20.0
"""After so long no further cell is predicted; those that are stand for all."""
AROUND_S: Final = 0.5
"""Starting the workers of a real run, and storing it."""


@dataclass(frozen=True, slots=True)
class CellForecast:
    """How long one run of a cell takes.

    Attributes:
        wall_s: Seconds; of a simulation, what simulating it took just now. None: unknown.
        by: What it comes from: `simulation` or `theory`; None: nothing.
        why: Why there is nothing.
    """

    wall_s: float | None
    by: str | None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class SweepForecast:
    """How long a sweep takes.

    Attributes:
        cells: By the place of the cell; those that were looked at.
        total_s: All runs of all cells, the mean of the known ones standing for the others; None where none is known.
    """

    cells: dict[int, CellForecast]
    total_s: float | None

    @property
    def known(self) -> int:
        """Number of cells whose time is known."""
        return sum(each.wall_s is not None for each in self.cells.values())


def forecast(plan: SweepPlan, patience_s: float = PATIENCE_S) -> SweepForecast:
    """Predict the cells in the order of the sweep's runs, as many as there is time for."""
    ends = monotonic() + patience_s
    cells: dict[int, CellForecast] = {}
    for slot in plan.slots():
        if slot.cell not in cells and (not cells or monotonic() < ends):
            cells[slot.cell] = _cell(plan.cells[slot.cell])
    known = [each.wall_s for each in cells.values() if each.wall_s is not None]
    total = sum(known) / len(known) * plan.size if known else None
    return SweepForecast(cells, total)


def _cell(cell: Cell) -> CellForecast:
    began = monotonic()
    found = predicted(cell.config)
    took = monotonic() - began
    if cell.config.engine == SIMULATION:
        if found.by == SIMULATION:
            return CellForecast(took, SIMULATION)
        return CellForecast(None, None, "too many items to be simulated only to see how long that takes")
    wall_s = None if found.duration_s is None else found.duration_s + AROUND_S
    return CellForecast(wall_s, found.by, found.why)
