"""The FIFO between threads of one process, for the engines where queue kinds do not bind."""

from __future__ import annotations

from collections import deque
from threading import Condition, Lock
from typing import TYPE_CHECKING

from runner.queues.contract import Stopped

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
    """

    def __init__(self, fifo: Fifo, stopped: Callable[[], bool]) -> None:
        self._fifo = fifo
        self._stopped = stopped

    def put(self, envelopes: list[Envelope]) -> int:
        """See `Writer.put`."""
        fifo = self._fifo
        with fifo.room:
            while len(fifo.items) >= fifo.bound:
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
            fifo.room.notify(count)
        return taken

    def close(self) -> None:
        """This thread puts no more."""
        fifo = self._fifo
        with fifo.filled:
            fifo.writers -= 1
            if not fifo.writers:
                fifo.filled.notify_all()
