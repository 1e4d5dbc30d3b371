"""`make chaos`: all trials, the whole matrix of failpoints, and the controls, which must fail."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chaos import capacity, cells, plain_queue
from chaos.conductor import Conductor
from chaos.tally import Tally, matrix, table
from chaos.trial import METHODS, Act, Trial, drawn
from runner.config.kinds import LOCK_BASED

if TYPE_CHECKING:
    from collections.abc import Callable

_PARTS: Final = ("trials", "failpoints", "pairs", "maxsize", "control")
_OTHERS: Final = (("pipe", "continue"), ("pipe", "fail"), *((kind, "fail") for kind in LOCK_BASED))
_EVERY_S: Final = 15.0
_BLIND_CELLS: Final = 60
_TRIES: Final = 5


def main() -> int:
    """Run what is asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make chaos ARGS=…", description=__doc__)
    parser.add_argument("--seed", type=int, default=os.environ.get("MPRUN_CHAOS_SEED") or time.time_ns() % 1_000_000)
    parser.add_argument("--trials", type=int, default=1000, help="of the kind pipe with on_death restart")
    parser.add_argument("--first", type=int, default=0, help="number of the first trial, to repeat one: --trials 1")
    parser.add_argument("--only", choices=_PARTS, action="append", help="one part; may be repeated")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mprun-chaos-"))
    sys.stdout.write(f"seed {asked.seed}; what goes wrong is kept in {folder}\n")
    parts: dict[str, Callable[[Suite], None]] = {
        "trials": lambda suite: suite.trials(asked.first, asked.trials),
        "failpoints": Suite.failpoints,
        "pairs": lambda suite: suite.pairs(max(10, asked.trials // 2)),
        "maxsize": Suite.maxsize,
        "control": lambda suite: suite.control(max(10, asked.trials // 20)),
    }
    with Conductor(folder) as conductor:
        suite = Suite(conductor, asked.seed, folder)
        try:
            for part in asked.only or _PARTS:
                parts[part](suite)
        except KeyboardInterrupt:
            sys.stdout.write(suite.report())
            return 130
    sys.stdout.write(suite.report())
    return 0 if suite.good else 1


class Suite:
    """All parts, and what came of them."""

    def __init__(self, conductor: Conductor, seed: int, folder: Path) -> None:
        self._conductor = conductor
        self._seed = seed
        self._chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._folder = folder
        self._began = self._said = time.monotonic()
        self._tallies: list[Tally] = []
        self._cells: list[tuple[cells.Cell, bool]] = []
        self._controls: list[tuple[str, int, int]] = []

    def trials(self, first: int, count: int) -> None:
        """Random kills: of the default policy so many, and a twentieth of that of each other."""
        self._kills("pipe", "restart", range(first, first + count))
        for kind, policy in _OTHERS if count > 1 else ():
            self._kills(kind, policy, range(max(10, count // 20)))

    def _kills(self, kind: str, policy: str, numbers: range) -> None:
        tally = self._tally(f"{kind}, {policy}")
        for number in numbers:
            self._try(drawn(self._seed, number, kind, policy), tally, len(numbers))

    def failpoints(self) -> None:
        """Every cell of the matrix; then some that need a redelivery, without it."""
        tallies = {act: self._tally(f"failpoints, {act}") for act in Act}
        every = self._matrix()
        for cell in every:
            red = self._try(cell.trial, tallies[cell.act], len(every), sprung=1)
            self._cells.append((cell, red))
        needy = [cell.trial for cell in every if cell.act is Act.KILL and cell.step in {"get", "work", "done"}]
        blind = Tally("failpoints without redelivery")
        for trial in self._chance.sample(needy, _BLIND_CELLS):
            self._try(cells.blind(trial), blind, _BLIND_CELLS, report=False)
        self._controls.append(("failpoint cells without redelivery, red", blind.wrong_trials, blind.trials))

    def pairs(self, count: int) -> None:
        """Two failpoints in a run."""
        tally = self._tally("two failpoints in a run")
        for trial in cells.pairs(self._matrix(), count, self._chance):
            self._try(trial, tally, count)

    def _matrix(self) -> list[cells.Cell]:
        """All cells of all configs."""
        made: list[cells.Cell] = []
        known: cells.Survey = {}
        for config in cells.BASES:
            tried = self._conductor.tried(cells.survey(config), keep=True)
            if tried.faults:
                raise SystemExit(f"the survey failed: {tried}")
            places = cells.found(tried.folder)
            shutil.rmtree(tried.folder)
            made += cells.cells(config, places, known)
            known = known or places
        return made

    def maxsize(self) -> None:
        """Bounds, kept while 20 workers die."""
        tally = self._tally("maxsize 1 and 7, 20 kills")
        for method in METHODS:
            for maxsize in (1, 7):
                trial = capacity.trial(maxsize, 20, self._chance, method)
                tried = self._conductor.tried(trial, keep=True)
                tally.add(tried, list(capacity.judge(maxsize, next(tried.folder.glob("2*/events.jsonl")))))
                self._progress(trial, tally, 2 * len(METHODS))

    def control(self, count: int) -> None:
        """The same trials for a plain multiprocessing.Queue, as far as there are no stages."""
        hung = tried = number = 0
        while tried < count:
            trial = drawn(self._seed, number)
            number += 1
            if not trial.stages:
                tried += 1
                hung += plain_queue.hangs(trial, self._folder)
                self._progress(trial, Tally("plain multiprocessing.Queue", tried), count)
        self._controls.append(("plain multiprocessing.Queue under the same kills, hung", hung, tried))

    def _tally(self, name: str) -> Tally:
        self._tallies.append(Tally(name))
        return self._tallies[-1]

    def _try(self, trial: Trial, tally: Tally, of: int, *, sprung: int = 0, report: bool = True) -> bool:
        """Try, count, tell; returns whether anything is wrong.

        Some places are only come to as timing will have it: there the first time will do, in one of several tries.
        """
        tried = self._conductor.tried(trial)
        earlier = replace(trial, traps=tuple(replace(trap, hit=1) for trap in trial.traps))
        for _ in range(_TRIES):
            if tried.sprung < sprung and not tried.faults:
                tried = self._conductor.tried(earlier)
        tally.unsprung += tried.sprung < sprung
        tally.add(tried)
        if tried.faults and report:
            sys.stdout.write(f"WRONG {tried}\n")
        self._progress(trial, tally, of)
        return bool(tried.faults)

    def _progress(self, trial: Trial, tally: Tally, of: int) -> None:
        now = time.monotonic()
        if now - self._said > _EVERY_S:
            self._said = now
            sys.stdout.write(f"{now - self._began:6.0f} s  {tally.name}: {tally.trials} of {of}, last {trial.name}\n")
            sys.stdout.flush()

    @property
    def good(self) -> bool:
        """Whether nothing is wrong, nearly every trap went off, and every control is wrong."""
        right = not any(tally.wrong_trials or tally.unsprung > tally.trials / 100 for tally in self._tallies)
        return right and all(red for _, red, _ in self._controls)

    def report(self) -> str:
        """The closing tables."""
        text = table(self._tallies)
        if self._cells:
            text += "\n" + matrix(self._cells)
        for what, red, count in self._controls:
            text += f"\ncontrol: {what}: {red} of {count} ({red / count:.0%})"
        return f"\n{text}\n\nseed {self._seed}, {time.monotonic() - self._began:.0f} s\n"


if __name__ == "__main__":
    sys.exit(main())
