"""The status board: one shared file of 64-bit words, a slot a worker, in which each says what it is doing.

The first slot is the run's own: the instant the start gate opened.

Every word has one writer: the worker for its state and counters, the supervisor for the orders to stop and to finish. A
word is stored by one aligned 8-byte store, so readers need no lock. Counters go on over all incarnations of a worker;
between two of them the supervisor brings them up to what the journal says.
"""

from __future__ import annotations

import mmap
import os
from collections import Counter
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from runner.log.journal import allocate

if TYPE_CHECKING:
    from pathlib import Path

    from runner.planning.plan import Plan

STATE: Final = 0
PUTS: Final = 1
GETS: Final = 2
DONES: Final = 3
STOP: Final = 4
CLOSED: Final = 5
TAKEN: Final = 6
SKIPPED: Final = 7
UNTIL: Final = 8
BLOCKED: Final = 9
FINISH: Final = 10
_WORDS: Final = 16
_ZERO: Final = 0


class State(IntEnum):
    """What a worker is doing."""

    STARTING = 0
    PREPARING = 1
    READY = 2
    RUNNING = 3
    PUTTING = 4
    GETTING = 5
    SLEEPING = 6
    BUSY = 7
    CALLING = 8
    CLOSING = 9
    FINISHED = 10
    STOPPED = 11
    FAILED = 12

    @property
    def keeps_the_gate(self) -> bool:
        """Whether the start gate stays closed: the worker is not ready, or has failed, and nothing is to move then."""
        return self < State.READY or self is State.FAILED

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
                allocate(file, 0, size)
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

    def column(self, word: int) -> list[int]:
        """One word of every slot, in the order of the plan: quick enough to be asked for often, of many workers."""
        return self.words[_WORDS + word :: _WORDS].tolist()

    def open_items(self, plan: Plan) -> Counter[str]:
        """How many items each queue's writers put and its readers have neither done nor skipped."""
        open_items = Counter({queue.name: 0 for queue in plan.queues})
        for worker in plan.workers():
            slot = self.slot(worker.index)
            if worker.group.target is not None:
                open_items[worker.group.target] += slot.puts
            if worker.group.source is not None:
                open_items[worker.group.source] -= slot.dones + slot.skipped
        return open_items

    def done(self, plan: Plan) -> int:
        """How many items all consumers have done."""
        return sum(self.slot(worker.index).dones for worker in plan.workers() if worker.group.target is None)

    def any_skipped(self, plan: Plan) -> bool:
        """Whether any worker has set an item aside because its work failed."""
        return any(self.slot(worker.index).skipped for worker in plan.workers())

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
    def zero(self) -> int:
        """See `Board.zero`."""
        return self.words[_ZERO]

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
    def skipped(self) -> int:
        """Items set aside because their work failed."""
        return self.words[self.base + SKIPPED]

    @property
    def taken(self) -> int:
        """How many items of the last read it has begun to work on."""
        return self.words[self.base + TAKEN]

    @property
    def blocked_ns(self) -> int:
        """Time that its puts and gets have waited, as far as they had to wait at all."""
        return self.words[self.base + BLOCKED]

    @property
    def until(self) -> int:
        """When what it does now is planned to end, in ns of the monotonic clock; long past where nothing is planned."""
        return self.words[self.base + UNTIL]

    def correct(self, puts: int, gets: int, dones: int, skipped: int) -> None:
        """Bring a dead worker's counters up to what its journals count."""
        words, base = self.words, self.base
        words[base + PUTS], words[base + GETS], words[base + DONES], words[base + SKIPPED] = puts, gets, dones, skipped

    def begin_again(self) -> None:
        """Make a dead worker's slot that of its replacement, which has not started."""
        words, base = self.words, self.base
        words[base + TAKEN] = words[base + UNTIL] = 0
        words[base + STATE] = State.STARTING

    @property
    def closed(self) -> bool:
        """Whether the worker has closed its end of the queue it puts into."""
        return self.words[self.base + CLOSED] != 0

    def stop(self) -> None:
        """Order the worker to stop at its next opportunity."""
        self.words[self.base + STOP] = 1

    def finish(self) -> None:
        """Order a producer to begin no further item."""
        self.words[self.base + FINISH] = 1

    def finishing(self) -> bool:
        """Whether the producer was ordered to begin no further item."""
        return self.words[self.base + FINISH] != 0

    def stopped(self) -> bool:
        """Whether the worker was ordered to stop."""
        return self.words[self.base + STOP] != 0
