"""What a sweep would run, before anything runs: its cells, the order of its runs, and the digest that names it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from runner.config.load import canonical
from runner.config.simulable import SIMULATION
from runner.config.sweeps import load_sweep
from runner.planning.resolve import digest, usable_cores

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runner.config.models import Config
    from runner.config.sweeps import SweepFile
    from runner.errors import Problem

_BESIDES: Final = ("engine", "start_method", "address", "engine_options", "timeout", "hang_after", "expect")
"""Keys that make no other experiment, and may make other rows."""


class Slot(NamedTuple):
    """One run of a sweep: the place of its cell, and which repeat it is, both from 0."""

    cell: int
    repeat: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination.

    Attributes:
        settings: Dotted path → value, in which it differs from the base.
        config: What results, with the seed of its first repeat.
        experiment: Plain data in which it differs from a config of defaults, files by their digests.
    """

    settings: Mapping[str, Any]
    config: Config
    experiment: Mapping[str, Any]

    def repeated(self, repeat: int) -> Config:
        """The config of a repeat: the same but for the seed, which is as much larger."""
        return self.config.model_copy(update={"seed": self.config.seed + repeat})


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A sweep whose every cell is valid.

    Attributes:
        name: Of its folder.
        description: What is to be learnt.
        axes: The paths that vary.
        cells: All combinations, as they were declared.
        repeat: Runs of each.
        order: `shuffled` or `declared`.
        digest: SHA-256 of all that decides what its rows hold; the order and the name do not.
        warnings: What is allowed and probably not meant.
    """

    name: str
    description: str | None
    axes: tuple[str, ...]
    cells: tuple[Cell, ...]
    repeat: int
    order: str
    digest: str
    warnings: tuple[Problem, ...]

    @property
    def size(self) -> int:
        """Number of its runs."""
        return len(self.cells) * self.repeat

    def slots(self) -> list[Slot]:
        """Its runs in the order in which they are made.

        Declared: cell by cell. Shuffled: one repeat of every cell after the other, each time in another order, which
        follows from the digest; so what drifts while the sweep lasts, such as the machine's temperature, meets all
        cells alike.
        """
        cells = range(len(self.cells))
        if self.order == "declared":
            return [Slot(cell, repeat) for cell in cells for repeat in range(self.repeat)]
        rounds = (sorted((Slot(cell, repeat) for cell in cells), key=self._lot) for repeat in range(self.repeat))
        return [slot for each in rounds for slot in each]

    def _lot(self, slot: Slot) -> bytes:
        return hashlib.sha256(f"{self.digest} {slot.cell} {slot.repeat}".encode()).digest()


def sweep_plan(
    source: str | Path | Mapping[str, Any],
    *,
    vary: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    many: bool = False,
) -> SweepPlan:
    """Read a sweep and check every cell; `runner.config.sweeps.load_sweep` says what is what, and raises."""
    file = load_sweep(source, vary=vary, options=options, overrides=overrides, many=many)
    cells = tuple(Cell(cell.settings, cell.config, experiment(cell.config)) for cell in file.cells)
    return SweepPlan(
        name=file.name,
        description=file.description,
        axes=file.axes,
        cells=cells,
        repeat=file.repeat,
        order=file.order,
        digest=_digest(file, cells),
        warnings=file.warnings,
    )


def experiment(config: Config) -> dict[str, Any]:
    """What decides on the figures of a config's run, as JSON data: keys that are not at their default."""
    besides = config.model_dump(mode="json", by_alias=True, exclude_defaults=True, include=set(_BESIDES))
    cores = {"cores": config.cores or usable_cores()} if config.engine == SIMULATION else {}
    return {**canonical(config), **besides, **cores}


def _digest(file: SweepFile, cells: tuple[Cell, ...]) -> str:
    return digest({"cells": [[dict(c.settings), c.experiment] for c in cells], "repeat": file.repeat})
