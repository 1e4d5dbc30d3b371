"""The status board: one shared file of 64-bit words, a slot a worker, in which each says what it is doing.

The first slot is the run's own: the instant the start gate opened.

Every word has one writer: the worker for its state and counters, the supervisor for the order to stop. A word is
stored by one aligned 8-byte store, so readers need no lock.
"""

from __future__ import annotations

import mmap
import os
from collections import Counter
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from runner.planning.plan import Plan

STATE: Final = 0
PUTS: Final = 1
GETS: Final = 2
DONES: Final = 3
STOP: Final = 4
CLOSED: Final = 5
_WORDS: Final = 8
_ZERO: Final = 0


class State(IntEnum):
    """What a worker is doing."""

    STARTING = 0
    READY = 1
    RUNNING = 2
    PUTTING = 3
    GETTING = 4
    SLEEPING = 5
    BUSY = 6
    CALLING = 7
    CLOSING = 8
    FINISHED = 9
    STOPPED = 10
    FAILED = 11

    @property
    def ended(self) -> bool:
        """Whether the worker has come to an end of its own."""
        return self >= State.FINISHED


class Board:
    """All slots; the supervisor creates the file, workers open it."""

    def __init__(self, path: Path, workers: int, *, create: bool = False) -> None:
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if create else 0)
        file = os.open(path, flags, 0o666)
        try:
            size = (1 + workers) * _WORDS * 8
            if create:
                os.truncate(file, size)
            self._map = mmap.mmap(file, size)
        finally:
            os.close(file)
        self.words = memoryview(self._map).cast("q")

    @property
    def zero(self) -> int:
        """The instant the start gate opened, in ns of the monotonic clock; 0 before."""
        return self.words[_ZERO]

    @zero.setter
    def zero(self, instant: int) -> None:
        self.words[_ZERO] = instant

    def slot(self, worker: int) -> Slot:
        """The slot of the worker with this index in the plan."""
        return Slot(self.words, (1 + worker) * _WORDS)

    def balanced(self, plan: Plan) -> bool:
        """Whether in every queue as many items are done as were put."""
        puts, dones = Counter[str](), Counter[str]()
        for worker in plan.workers():
            slot = self.slot(worker.index)
            puts[worker.group.target or ""] += slot.puts
            dones[worker.group.source or ""] += slot.dones
        return all(puts[queue.name] == dones[queue.name] for queue in plan.queues)

    def close(self) -> None:
        """Unmap the file; slots must not be used any more."""
        self.words.release()
        self._map.close()


class Slot:
    """One worker's words; `words` and `base` are public for the hot path."""

    __slots__ = ("base", "words")

    def __init__(self, words: memoryview, base: int) -> None:
        self.words: memoryview[int] = words  # type: ignore[type-arg,unused-ignore]  # generic only in newer stubs
        self.base = base

    @property
    def state(self) -> State:
        """What the worker is doing."""
        return State(self.words[self.base + STATE])

    @state.setter
    def state(self, state: State) -> None:
        self.words[self.base + STATE] = state

    @property
    def puts(self) -> int:
        """Puts returned."""
        return self.words[self.base + PUTS]

    @property
    def gets(self) -> int:
        """Gets returned."""
        return self.words[self.base + GETS]

    @property
    def dones(self) -> int:
        """Items done."""
        return self.words[self.base + DONES]

    @property
    def closed(self) -> bool:
        """Whether the worker has closed its end of the queue it puts into."""
        return self.words[self.base + CLOSED] != 0

    def stop(self) -> None:
        """Order the worker to stop at its next opportunity."""
        self.words[self.base + STOP] = 1

    def stopped(self) -> bool:
        """Whether the worker was ordered to stop."""
        return self.words[self.base + STOP] != 0
