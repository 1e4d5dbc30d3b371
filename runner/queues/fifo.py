"""The FIFO between threads of one process, for the engines where queue kinds do not bind."""

from __future__ import annotations

from collections import deque
from copy import copy
from threading import Condition, Lock
from typing import TYPE_CHECKING

from runner.log.journal import tail_of
from runner.queues.contract import Parcel, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.envelope import Envelope
    from runner.planning.plan import QueuePlan


class Fifo:
    """A bounded first-in first-out queue with an end: the stream ends when every writer has closed.

    Args:
        plan: Its maxsize (0: no bound) and batch.
        writers: Threads that will put.
    """

    def __init__(self, plan: QueuePlan, writers: int) -> None:
        lock = Lock()
        self.filled = Condition(lock)
        self.room = Condition(lock)
        self.items: deque[Envelope] = deque()
        self.bound = plan.maxsize or float("inf")
        self.batch = plan.batch
        self.writers = writers
        self.precedence = False
        self._hands: dict[tuple[int, int], list[Envelope]] = {}

    def end_of(self, worker: int, incarnation: int, stopped: Callable[[], bool]) -> FifoEnd:
        """An end for a thread: an incarnation of the worker with this index in the plan."""
        return FifoEnd(self, stopped, self._hands.setdefault((worker, incarnation), []))

    def depth(self) -> int:
        """Items in the queue now."""
        return len(self.items)

    def begun(self, _worker: int, _incarnation: int) -> list[Parcel]:
        """Nothing: no thread ends in the middle of a put."""
        return []

    def hand(self, worker: int, incarnation: int) -> list[Parcel]:
        """See `Repairable.hand`."""
        return [_parcel(envelope) for envelope in self._hands.get((worker, incarnation), ())]

    def again(self, parcel: Parcel, delivery: int, skip: int) -> Parcel:
        """See `Repairable.again`."""
        envelope: Envelope = copy(parcel.content)
        envelope.delivery, envelope.skip = delivery, skip
        return _parcel(envelope)

    def offer(self, parcels: list[Parcel]) -> int:
        """See `Repairable.offer`."""
        with self.filled:
            count = int(max(0, min(len(parcels), self.bound - len(self.items))))
            self.items.extend(parcel.content for parcel in parcels[:count])
            self.filled.notify(count)
            self.precedence = count < len(parcels)
            if not self.precedence:
                self.room.notify_all()
        return count

    def drain(self) -> list[Parcel]:
        """See `Repairable.drain`."""
        return [_parcel(self.items.popleft()) for _ in range(len(self.items))]

    def leave(self) -> None:
        """A thread that puts is dead, and nobody takes its place."""
        with self.filled:
            self.writers -= 1
            self.filled.notify_all()

    def wake(self) -> None:
        """Let everyone who waits look whether it was told to stop."""
        with self.filled:
            self.filled.notify_all()
            self.room.notify_all()


class FifoEnd:
    """One thread's end, for putting or for getting.

    Args:
        fifo: The queue.
        stopped: Tells whether this thread was told to stop.
        hand: Takes what this thread got last.
    """

    def __init__(self, fifo: Fifo, stopped: Callable[[], bool], hand: list[Envelope] | None = None) -> None:
        self._fifo = fifo
        self._stopped = stopped
        self._hand: list[Envelope] = [] if hand is None else hand

    def put(self, envelopes: list[Envelope]) -> int:
        """See `Writer.put`."""
        fifo = self._fifo
        with fifo.room:
            while len(fifo.items) >= fifo.bound or fifo.precedence:
                if self._stopped():
                    raise Stopped
                fifo.room.wait()
            count = int(min(len(envelopes), fifo.bound - len(fifo.items)))
            fifo.items.extend(envelopes[:count])
            fifo.filled.notify(count)
        return count

    def get(self, limit: int) -> list[Envelope]:
        """See `Reader.get`."""
        fifo = self._fifo
        with fifo.filled:
            while not fifo.items and fifo.writers:
                if self._stopped():
                    raise Stopped
                fifo.filled.wait()
            count = min(limit, fifo.batch, len(fifo.items))
            taken = [fifo.items.popleft() for _ in range(count)]
            self._hand[:] = taken
            fifo.room.notify(count)
        return taken

    def close(self) -> None:
        """This thread puts no more."""
        self._fifo.leave()


def _parcel(envelope: Envelope) -> Parcel:
    members = tail_of(envelope).partition(b"\0")[2]
    return Parcel(
        envelope.producer, envelope.seq, envelope.suffix, envelope.delivery, envelope.began, envelope.skip,
        members, envelope,
    )  # fmt: skip
