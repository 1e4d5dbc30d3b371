"""Accounts kept while a log in order is read: what is in a queue or a worker's hands, and sums of all that was."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from runner.analysis.accounts import CONSUMER, FAR, PRODUCER, WorkerAccount
from runner.analysis.durations import Durations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runner.envelope import Envelope
    from runner.log.events import GroupFacts, QueueFacts


class OrderedQueue:
    """What went through one queue.

    Attributes:
        inside: What is in it.
        puts, gets: How many there were, once it is closed.
        residence_ns: Time spent in it, once it is closed, by all items that were got or named at the end; of those
            inside less the instants they came at.
        max_depth: The largest depth after an instant, of those that are over.
        deep_ns: Instant at which it was deeper, or as deep as it may be; it may not be over.
        depth: After all of that instant that is known.
        notable: A greater depth than this is to be told by `deepen`.
    """

    __slots__ = (
        "bound", "capacity", "deep_ns", "depth", "get_wait", "gets", "inside", "latency", "max_depth", "maxsize",
        "name", "notable", "put_wait", "puts", "residence_ns",
    )  # fmt: skip

    def __init__(self, name: str, facts: QueueFacts | None = None) -> None:
        self.name = name
        self.maxsize = facts.maxsize if facts else 0
        self.capacity = facts.capacity if facts else None
        self.bound = inf if facts is None or facts.capacity is None else facts.capacity
        self.inside: deque[Envelope] = deque()
        self.puts = self.gets = self.residence_ns = self.depth = self.max_depth = 0
        self.notable: float = 0
        self.deep_ns = -FAR
        self.latency, self.put_wait, self.get_wait = Durations(), Durations(), Durations()

    def deepen(self, instant: int, depth: int) -> None:
        """Note a depth: only the one that an instant ends with counts."""
        if instant != self.deep_ns:
            self.deep_ns = instant
            self.max_depth = max(self.max_depth, self.depth)
            self.notable = min(self.max_depth, self.bound)
        self.depth = depth

    def close(self, workers: Iterable[OrderedWorker]) -> None:
        """Draw the line, with what the workers did to it; call it once, at the end."""
        self.max_depth = max(self.max_depth, self.depth)
        self.puts = sum(worker.puts for worker in workers if worker.writes is self)
        self.gets = sum(worker.gets for worker in workers if worker.reads is self)
        # An item is inside from the put's return to the get's: for its latency, less what the put waited for room.
        self.residence_ns += self.latency.total - self.put_wait.total - sum(item.began for item in self.inside)
        self.put_wait.fill(self.puts)
        self.get_wait.fill(self.gets)
        self.latency.fill(self.gets)

    @property
    def max_depth_warm(self) -> int:
        """There is no warm-up."""
        return self.max_depth


class OrderedWorker(WorkerAccount):
    """What one worker did, and has in hand.

    Attributes:
        reads, writes: Its queues.
        hands: What it has got and not done.
        seq: Of its last put.
        begins, ends: Whether items begin (a producer) or end (a consumer) with it.
    """

    __slots__ = ("begins", "ends", "hands", "reads", "seq", "writes")

    def __init__(self, name: str, number: int, group: str, facts: GroupFacts, queues: Sequence[OrderedQueue]) -> None:
        super().__init__(name, number, group, facts.role, None, None)
        self.reads, self.writes = queues
        self.begins, self.ends = facts.role == PRODUCER, facts.role == CONSUMER
        self.hands: deque[Envelope] = deque()
        self.seq = -1
