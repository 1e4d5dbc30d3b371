"""Hung is not dead: how a run in which nothing moves is told from one that is only slow, and what is said of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from time import monotonic_ns, sleep
from typing import TYPE_CHECKING, Any, Final

from runner.engines.board import State
from runner.engines.patience import Absences
from runner.log.journal import DONE, GET, PUT, RAW, records_of, suffix_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runner.engines.board import Board, Slot
    from runner.engines.member import Member
    from runner.planning.plan import WorkerPlan

DUMP_STACKS: Final = signal.SIGUSR1
"""Makes a worker process write its stack to `stack_path`."""
_STACK_PATIENCE_S: Final = 0.5
_WAITS_FOR: Final = {
    State.STARTING: "for its process to start",
    State.PREPARING: "for its user code to be imported",
    State.READY: "for the start gate",
    State.PUTTING: "for room in {target}",
    State.GETTING: "for an item from {source}",
    State.SLEEPING: "for the end of a pause or service",
    State.BUSY: "for CPU time",
    State.CALLING: "for user code to return",
    State.CLOSING: "for its queue to take the end",
    State.FINISHED: "for its process to end",
}
_NAMES: Final = {PUT: "put", GET: "get", DONE: "done"}


class Stillness:
    """Notices when nothing has happened on the board for too long and nothing planned explains it.

    Args:
        board: Of the run.
        limit_ns: How long is too long.
    """

    def __init__(self, board: Board, limit_ns: int) -> None:
        self._board = board
        self._limit = limit_ns
        self._seen = b""
        self._since = monotonic_ns()
        self._look_at = 0
        self._absences = Absences(limit_ns)

    def is_too_long(self, slots: Iterable[Slot]) -> bool:
        """Whether the run is hung, of whose living workers these are the slots; looks 100 times within the limit."""
        now = monotonic_ns()
        if self._absences.ended(now):
            self._since = now
        if now < self._look_at:
            return False
        self._look_at = now + self._limit // 100
        words = self._board.words.tobytes()
        if words != self._seen:
            self._seen, self._since = words, now
            return False
        waiting = [slot for slot in slots if not slot.state.ended]
        planned = max((slot.until for slot in waiting), default=now)
        return now - max(self._since, planned) > self._limit


def stack_path(folder: Path, worker: str, incarnation: int) -> Path:
    """Where an incarnation writes its stack when asked to."""
    return folder / f"{worker}.{incarnation}.stack"


def stacks(members: Sequence[Member], folder: Path) -> dict[str, str]:
    """The stack of each living process that answers, by worker; a stopped one does not."""
    asked = {m.worker.name: stack_path(folder, m.worker.name, m.incarnation) for m in members}
    for member in members:
        if member.alive and member.slot.state > State.STARTING and _would_answer(member.pid):
            os.kill(member.pid, DUMP_STACKS)
    deadline = monotonic_ns() + int(_STACK_PATIENCE_S * 1e9)
    found: dict[str, str] = {}
    while len(found) < len(asked) and monotonic_ns() < deadline:
        sleep(0.02)  # also for the rest of a stack whose beginning is there
        found = {name: text for name, path in asked.items() if (text := _text(path))}
    return found


def _would_answer(pid: int) -> bool:
    """Whether the signal is caught there: user code may have undone it, and then it would kill."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    caught = status.partition("SigCgt:")[2].split()[:1]
    return not caught or bool(int(caught[0], 16) >> (DUMP_STACKS - 1) & 1)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def standstill(limit_ns: int, waits: Sequence[Mapping[str, Any]]) -> str:
    """The reason of a run that is hung, of whose workers `waiting` says this."""
    return f"nothing has moved for {limit_ns / 1e9:g} s: " + "; ".join(
        f"{w['worker']} waits {w['waits']}" for w in waits
    )


def waiting(worker: WorkerPlan, slot: Slot, journal: Path, stack: str | None) -> dict[str, Any]:
    """What a `hang` event says of one worker."""
    group = worker.group
    waits = _WAITS_FOR.get(slot.state, "for nothing").format(source=group.source, target=group.target)
    return {"worker": worker.name, "waits": waits, "last": _last(worker, journal), "stack": stack}


def _last(worker: WorkerPlan, journal: Path) -> str | None:
    """The last event of a journal in words: `put p-0:3`."""
    last = None
    for last in records_of(journal):  # noqa: B007 - the last one is wanted
        pass
    if last is None:
        return None
    if last[8] == RAW:
        return "error or fault"
    return f"{_NAMES[last[8]]} {worker.origins.prefix(last[5])}{last[3]}{suffix_of(last)}"
