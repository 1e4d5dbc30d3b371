"""A sweep: one config many times, with other values; what is done stays done.

    sweep file --> plan: cells, order --> folder --rows that are there--> what is left
                                             +<-- a row --- one run after the other <--+

A run that fails, whatever the reason, is a row like any other. A signal ends the sweep between two rows.
"""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

from runner import api
from runner.config.simulable import SIMULATION
from runner.engines.signals import Signals
from runner.errors import ConfigError, ExitCode, MprunError, strongest
from runner.experiments.sweep_figures import SweepFigures
from runner.experiments.sweep_plan import Cell, Slot, SweepPlan, sweep_plan
from runner.experiments.sweep_rows import Row, metrics_of
from runner.experiments.sweep_store import RUNS, SweepDir
from runner.log.manifest import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runner.api import Result
    from runner.engines.simulated import Simulated
    from runner.experiments.drifts import Drift

_SIGNALS: Final = 128
_FACTS: Final = ("versions", "implementation", "host", "cpu", "kernel", "machine", "git", "started", "command_line")


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep that has ended, or was interrupted.

    Attributes:
        folder: Where its rows are.
        name: Its name.
        digest: Of all that decides what its rows hold.
        axes: The paths that vary.
        cells: The settings of each cell.
        size: Number of its runs.
        rows: Of the runs that have ended, by cell and repeat.
        new: So many of them were made this time.
        signal: The exit code of the signal that interrupted it; None: none did.
        faults: What was changed by hand in the folder, a sentence each.
        drifts: What is not as it was when the rows that were there already were begun.
    """

    folder: Path
    name: str
    digest: str
    axes: tuple[str, ...]
    cells: tuple[Mapping[str, Any], ...]
    size: int
    rows: tuple[Row, ...]
    new: int
    signal: int | None
    faults: tuple[str, ...]
    drifts: tuple[Drift, ...]

    @property
    def finished(self) -> bool:
        """Whether every run has ended."""
        return len(self.rows) == self.size

    @property
    def figures(self) -> SweepFigures:
        """What its rows say, in medians and intervals."""
        return SweepFigures(self.axes, self.cells, self.rows)

    @property
    def exit_code(self) -> int:
        """The strongest of its runs; a run that could not be started counts as failed."""
        codes = [ExitCode.FAILED if row.exit_code == ExitCode.USAGE else row.exit_code for row in self.rows]
        return int(strongest([*codes, self.signal or ExitCode.OK]))

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, ready for JSON."""
        return {
            "folder": str(self.folder),
            "name": self.name,
            "digest": self.digest,
            "axes": list(self.axes),
            "cells": [dict(cell) for cell in self.cells],
            "size": self.size,
            "new": self.new,
            "finished": self.finished,
            "signal": self.signal,
            "exit_code": self.exit_code,
            "faults": list(self.faults),
            "drifts": [asdict(each) for each in self.drifts],
            "rows": [row.to_dict() for row in self.rows],
        }


class SweepWatch(Protocol):
    """Is told how a sweep goes."""

    def begins(self, plan: SweepPlan, folder: SweepDir) -> None:
        """The rows that are there are known."""

    def run_begins(self, cell: Cell, slot: Slot, /) -> None:
        """A run is about to start."""

    def run_ended(self, row: Row) -> None:
        """A run's row is stored."""


def sweep(
    source: str | Path | Mapping[str, Any],
    out: str | Path = "runs",
    *,
    vary: Mapping[str, Any] | None = None,
    repeat: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    fresh: bool = False,
    store: bool = False,
    many: bool = False,
    watch: SweepWatch | None = None,
) -> Sweep:
    """Run one config many times, with other values; a sweep that was broken off goes on where it was.

    Args:
        source: A sweep file, or what one would hold; with `vary` a config file.
        out: Parent of the sweep's folder.
        vary: Dotted path → list of values, or a text such as `1..64`: every combination.
        repeat: Runs of each cell; the r-th has the seed + r, from r = 0.
        overrides: Of the base config, as in `load`.
        fresh: Whether to throw away what is there and start anew.
        store: Whether simulations are stored as runs, too; otherwise nothing but their rows is.
        many: Whether more than 10,000 cells are meant.
        watch: Is told how it goes.

    Raises:
        ConfigError: The sweep or one of its cells is wrong; nothing was started.
        UsageError: There are too many cells, or the sweep goes on elsewhere; nothing was started.
        StoreError: A row could not be written; the rows before are kept.
    """
    options = {} if repeat is None else {"repeat": repeat}
    plan = sweep_plan(source, vary=vary, options=options, overrides=overrides, many=many)
    return execute(plan, out, fresh=fresh, store=store, watch=watch)


def execute(
    plan: SweepPlan,
    out: str | Path = "runs",
    *,
    fresh: bool = False,
    store: bool = False,
    watch: SweepWatch | None = None,
    command_line: list[str] | None = None,
) -> Sweep:
    """Make the runs of a sweep that are not made yet; see `sweep`."""
    facts = manifest("", "", command_line or list(sys.argv), {})
    with SweepDir(Path(out), plan, {key: facts[key] for key in _FACTS}, fresh=fresh) as folder, Signals() as signals:
        if watch is not None:
            watch.begins(plan, folder)
        before = len(folder.rows)
        with _collecting():
            signal = _go_on(plan, folder, signals, watch, store=store)
        folder.write_table()
        return Sweep(
            folder=folder.path,
            name=plan.name,
            digest=plan.digest,
            axes=plan.axes,
            cells=tuple(cell.settings for cell in plan.cells),
            size=plan.size,
            rows=tuple(sorted(folder.rows, key=lambda row: row.slot)),
            new=len(folder.rows) - before,
            signal=signal,
            faults=folder.faults,
            drifts=folder.drifts,
        )


def _go_on(plan: SweepPlan, folder: SweepDir, signals: Signals, watch: SweepWatch | None, *, store: bool) -> int | None:
    """Make what is left, run after run; returns the exit code of a signal that ended it early."""
    done = {row.slot for row in folder.rows}
    for slot in plan.slots():
        if slot in done:
            continue
        if received := signals.fresh():
            return _SIGNALS + received[0]
        cell = plan.cells[slot.cell]
        if watch is not None:
            watch.run_begins(cell, slot)
        row = _made(cell, slot, folder.path, store=store)
        if row.exit_code > _SIGNALS:
            return row.exit_code  # without a row: it will be run again
        folder.append(row)
        if watch is not None:
            watch.run_ended(row)
    return None


def _made(cell: Cell, slot: Slot, folder: Path, *, store: bool) -> Row:
    """The row of a run, whatever becomes of it."""
    config = cell.repeated(slot.repeat)
    started, began = datetime.now(UTC).isoformat(timespec="microseconds"), monotonic()
    simulates = config.engine == SIMULATION
    result: Result | Simulated | None = None
    ended: tuple[str, int, str | None]
    try:
        if simulates and not store:
            result = api.simulate(config, store=False)
        else:
            result = api.run(config, folder / RUNS, overrides={**cell.settings, "seed": config.seed})
    except ConfigError as error:
        ended = ("refused", int(error.exit_code), str(error))
    except MprunError as error:
        ended = ("failed", int(error.exit_code), str(error))
    except Exception as error:
        ended = ("error", int(ExitCode.INTERNAL), f"internal error: {type(error).__name__}: {error}")
    else:
        ended = (result.summary["status"], result.exit_code, _reason(result))
    summary = {} if result is None else result.summary
    status, exit_code, reason = ended
    return Row(
        cell=slot.cell,
        repeat=slot.repeat,
        seed=config.seed,
        settings=cell.settings,
        status=status,
        exit_code=exit_code,
        reason=reason,
        started=started,
        wall_s=monotonic() - began,
        plan_digest=summary.get("plan_digest"),
        run=None if result is None or result.run_dir is None else f"{RUNS}/{result.run_dir.name}",
        bottleneck=summary.get("bottleneck"),
        expectations=tuple(summary.get("expectations") or ()),
        metrics=metrics_of(summary),
    )


def _reason(result: Result | Simulated) -> str | None:
    """Why a run is not ok, as far as it is not plain from its expectations."""
    if not result.exit_code or result.exit_code == ExitCode.UNMET:
        return None
    if result.reason is not None:
        return result.reason
    return next((each.message for each in result.verdict.violations), None)


@contextmanager
def _collecting() -> Iterator[None]:
    """Garbage is looked for, as many simulations in one process leave some; not in what was there before."""
    was = gc.isenabled()
    gc.freeze()
    gc.enable()
    try:
        yield
    finally:
        gc.unfreeze()
        if not was:
            gc.disable()
