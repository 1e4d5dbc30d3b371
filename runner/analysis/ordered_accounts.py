"""Accounts kept while a log in order is read: what is in a queue or a worker's hands, and sums of all that was."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from runner.analysis.accounts import FAR, WorkerAccount
from runner.analysis.durations import Durations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.envelope import Envelope
    from runner.log.events import GroupFacts, QueueFacts


class OrderedQueue:
    """What went through one queue.

    Attributes:
        inside: What is in it.
        puts, gets: How many there were.
        residence_ns: Time spent in it by all items that were got; of those inside less the instants they came at.
        put_ns: Instant of the last put.
        depth: After all of that instant that is known.
        max_depth: Of all instants before.
    """

    __slots__ = (
        "bound", "capacity", "depth", "get_wait", "gets", "inside", "latency", "max_depth", "maxsize", "name", "put_ns",
        "put_wait", "puts", "residence_ns",
    )  # fmt: skip

    def __init__(self, name: str, facts: QueueFacts | None = None) -> None:
        self.name = name
        self.maxsize = facts.maxsize if facts else 0
        self.capacity = facts.capacity if facts else None
        self.bound = inf if facts is None or facts.capacity is None else facts.capacity
        self.inside: deque[Envelope] = deque()
        self.puts = self.gets = self.residence_ns = self.depth = self.max_depth = 0
        self.put_ns = -FAR
        self.latency, self.put_wait, self.get_wait = Durations(), Durations(), Durations()

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
    """

    __slots__ = ("hands", "reads", "seq", "writes")

    def __init__(self, name: str, number: int, group: str, facts: GroupFacts, ends: Sequence[OrderedQueue]) -> None:
        super().__init__(name, number, group, facts.role, None, None)
        self.reads, self.writes = ends
        self.hands: deque[Envelope] = deque()
        self.seq = -1
