"""The matrix of failpoints: every line that a worker comes to, and everything that may happen to it there."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from chaos.trial import Act, Trap, Trial

if TYPE_CHECKING:
    import random
    from pathlib import Path

ROLES: Final = {"p-0": "producer", "s-0": "stage", "c-0": "consumer"}
BASES: Final = {
    "one": Trial("one", "chain", items=5, slow=False, service=0.0001, more={"duration": 3600}),
    "batch": Trial("batch", "chain", items=9, batch=4, maxsize=2, texts=True),
    "express": Trial("express", "1x1", items=9, batch=4, slow=False),
}
"""Configs whose workers together come wherever one can come: in the first all interpret steps, in the second there are
batches and a gate, in the third both loops of `runner.engines.express` and nothing else."""
STEPS: Final = ("start", "put", "get", "work", "done", "journal", "exit")
_FUNCTIONS: Final = {
    "put": ("pipe_ends.PipeWriter.put", "pipe_ends.PipeWriter._", "worker.Worker._put", "worker.Worker.flush",
            "worker.Worker._log_puts", "express._Producer.", "envelope.packed", "gate.Gate._", "gate.depth",
            "tickets.PayloadFile.ticket", "tickets.record_of"),
    "get": ("pipe_ends.PipeReader.", "worker.Worker._get", "express._Consumer.", "gate.Waker.room",
            "tickets.PayloadFiles."),
    "done": ("worker.Worker._done",),
    "journal": ("journal.",),
    "exit": ("pipe_ends.PipeWriter.close", "worker.Worker._close", "process_worker.SignalInterruption.close",
             "process_worker.main"),
}  # fmt: skip
_BEGINS: Final = "worker.Worker.run"
_HANGS_AFTER_S: Final = 0.3
_STOPS_OF_A_START: Final = 10

Survey = dict[str, dict[str, int]]
"""Of every worker, how often it came to each place, in the order in which it first came there."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing that happens at one place; `step` and `role` say which place that is to somebody who reads a table."""

    step: str
    role: str
    trial: Trial

    @property
    def act(self) -> Act:
        """What happens."""
        return self.trial.traps[0].act


def survey(config: str) -> Trial:
    """A run in which workers write down where they come."""
    return replace(BASES[config], name=f"survey-{config}", patch="survey")


def found(folder: Path) -> Survey:
    """What a survey found, of the workers there are."""
    files = {worker: folder / f"{worker}.1.survey" for worker in ROLES}
    return {worker: json.loads(file.read_text()) for worker, file in files.items() if file.exists()}


def cells(config: str, places: Survey, known: Survey | None = None) -> list[Cell]:
    """All cells of a config: at each place where a worker comes for the first time, or half the times it does.

    A stopped worker costs a second: of the many places of its start only every tenth gets one.

    Args:
        config: Which.
        places: What its survey found.
        known: What the survey of another config found, whose cells are there: how workers start is then left out,
            and no worker is stopped where one was stopped.
    """
    made: list[Cell] = []
    for worker, hits in places.items():
        steps, elsewhere = _steps(hits), (known or {}).get(worker, {})
        for number, (where, count) in enumerate(hits.items()):
            starts, again = steps[where] == "start", where in elsewhere
            for act in () if starts and again else Act:
                if act is not Act.STOP or not (again or (starts and number % _STOPS_OF_A_START)):
                    trap = Trap(worker, where, (count + 1) // 2, act)
                    made.append(Cell(steps[where], ROLES[worker], trial(config, trap, f"{config}-{len(made)}")))
    return made


def pairs(made: list[Cell], count: int, chance: random.Random) -> list[Trial]:
    """Runs in which two things happen, perhaps to a worker and its replacement; nobody is stopped for good."""
    chosen = []
    sudden = [cell.trial for cell in made if cell.act is not Act.STOP]
    for number in range(count):
        one = chance.choice(sudden)
        other = chance.choice([trial.traps[0] for trial in sudden if trial.batch == one.batch])
        hit = chance.choice([1, other.hit])
        chosen.append(replace(one, name=f"pair-{number}", traps=(*one.traps, replace(other, hit=hit))))
    return chosen


def trial(config: str, trap: Trap, name: str) -> Trial:
    """A run of a config with one trap."""
    base = BASES[config]
    more = {"hang_after": _HANGS_AFTER_S} if trap.act is Act.STOP else {}
    return replace(base, name=name, traps=(trap,), more=base.more | more)


def _steps(hits: dict[str, int]) -> dict[str, str]:
    """Which step each place belongs to: by its function, once the worker works; all before that is its start."""
    steps = {}
    working = False
    for where in hits:
        working = working or where.startswith(_BEGINS)
        steps[where] = _step(where) if working else "start"
    return steps


def _step(where: str) -> str:
    for step, functions in _FUNCTIONS.items():
        if where.startswith(functions):
            return step
    return "work"


def blind(cell: Trial) -> Trial:
    """The control of a cell: nothing is handed out again."""
    return replace(cell, name=f"blind-{cell.name}", patch="no redelivery")
