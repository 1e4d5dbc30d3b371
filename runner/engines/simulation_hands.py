"""What a simulated worker has in its hands, and at its two queues: what it writes, what it got, what it has done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from runner.log.journal import DONE, GET, PUT
from runner.planning.plan import OnError

if TYPE_CHECKING:
    from runner.engines.simulation_calendar import Calendar, Cores
    from runner.engines.simulation_queue import Channel
    from runner.envelope import Envelope
    from runner.log.sequence import Record
    from runner.planning.plan import WorkerPlan

UNLIMITED: Final = 1 << 30


class World(Protocol):
    """What all simulated workers share.

    Attributes:
        calendar: Gives them their turns.
        cores: The processors of those who are busy.
        records: Takes what happens.
        channels: The queues.
        nowhere: The end of a queue that a worker has not.
        settled: Whether the run is steady and producers are to begin no further item.
    """

    calendar: Calendar
    cores: Cores
    records: list[Record]
    channels: dict[str, Channel]
    nowhere: Channel
    settled: bool


class Tally:
    """What all incarnations of a worker did."""

    __slots__ = ("dones", "gets", "puts", "seq", "taken")

    def __init__(self) -> None:
        self.puts = self.gets = self.dones = self.taken = 0
        self.seq = -1


class Hands:
    """One incarnation of a worker, as its queues know it.

    Attributes:
        name, group, source, target: Who it is, as the log names it.
        index: Its place in the plan.
        token: Of its turn in the calendar.
        reads, writes: Its queues.
        before: Puts and gets of its former incarnations.
        pending: What it has to write and has not written.
        taken: What it has got and not begun, the next one last.
        in_hand: What it works on.
        limit: So many items it would take now.
        is_over: Whether it has ended.
        closed: Whether it has closed its end of the queue it writes.
    """

    __slots__ = (
        "_batch", "_began", "_calendar", "_dues", "_output", "_records", "_reports", "before", "closed", "group",
        "in_hand", "incarnation", "index", "is_over", "limit", "name", "pending", "plan", "reads", "source", "taken",
        "tally", "target", "tell", "token", "writes",
    )  # fmt: skip

    def __init__(self, world: World, plan: WorkerPlan, incarnation: int, tally: Tally) -> None:
        group = plan.group
        self.plan, self.incarnation, self.tally = plan, incarnation, tally
        self.name, self.group, self.source, self.target = plan.name, group.name, group.source, group.target
        self.index, self.token = plan.index, 0
        self.before = (tally.puts, tally.gets)
        self.pending: list[Envelope] = []
        self.taken: list[Envelope] = []
        self.in_hand: Envelope | None = None
        self.limit = UNLIMITED
        self.is_over = self.closed = False
        self.reads: Channel = world.channels.get(group.source or "", world.nowhere)
        self.writes: Channel = world.channels.get(group.target or "", world.nowhere)
        self.tell = world.records.append
        self._calendar, self._records = world.calendar, world.records
        self._batch = self.writes.batch if group.on_error.policy is OnError.FAIL else 1
        self._reports: list[tuple[int, Envelope, int, int | None]] = []
        self._dues: list[int] = []
        self._output: Envelope | None = None
        self._began = 0

    def turn(self, now: int) -> None:
        """See `Player.turn`."""
        raise NotImplementedError

    def now(self) -> int:
        """The instant of the present turn."""
        return self._calendar.now

    def flush(self) -> bool:
        """Write what is pending, in as many writes as the queue needs; False: it waits for room."""
        while self.pending:
            self._began = now = self._calendar.now
            for envelope in self.pending:
                envelope.began = now
            if not self.writes.write(self):
                return False
        return True

    def wrote(self, count: int) -> None:
        """So many of the pending items are in the queue; what stands behind them is done."""
        now, tally, wait = self._calendar.now, self.tally, self._calendar.now - self._began
        lateness: list[int] | list[None] = [self._began - due for due in self._dues[:count]] or [None] * count
        del self._dues[:count]
        for position, (envelope, late) in enumerate(zip(self.pending, lateness, strict=False), 1):
            self.tell((PUT, now, self, envelope, wait, late))
            tally.seq = envelope.seq
            while self._reports and self._reports[0][0] <= position:
                self.tell_done(*self._reports.pop(0)[1:])
        tally.puts += count
        del self.pending[:count]
        if self._reports:
            self._reports = [(behind - count, *report) for behind, *report in self._reports]  # type: ignore[misc]

    def receive(self, taken: list[Envelope]) -> None:
        """These items are its own now."""
        now = self._calendar.now
        wait, tell = now - self._began, self.tell
        for envelope in taken:
            tell((GET, now, self, envelope, wait, now - envelope.began))
        self.tally.gets += len(taken)
        if len(taken) > 1:
            taken.reverse()
        self.taken = taken

    def tell_done(self, envelope: Envelope, service: int, planned: int | None) -> None:
        """Tell that an item is done."""
        self.tell((DONE, self._calendar.now, self, envelope, service, planned))
        self.tally.dones += 1
        self.reads.settle(1)

    def leave(self) -> None:
        """Put no more."""
        if self.target is not None and not self.closed:
            self.closed = True
            self.writes.leave()

    def held(self) -> list[tuple[Envelope, int]]:
        """What it has got and not done, in order, each with how many of its outputs are in the queue."""
        found = [(envelope, envelope.skip) for _, envelope, _, _ in self._reports]
        if self.in_hand is not None:
            is_put = self._output is not None and not any(each is self._output for each in self.pending)
            found.append((self.in_hand, self.in_hand.skip or int(is_put)))
        return found + [(envelope, envelope.skip) for envelope in reversed(self.taken)]

    def drop(self) -> None:
        """Have nothing in hand any more: it is in others'."""
        self.in_hand = None
        self.taken, self._reports = [], []

    def end(self, *, closes: bool) -> None:
        """End where it stands; `closes` says whether nobody will put in its place."""
        self.is_over = True
        self._calendar.forget(self)
        for line in (self.reads.readers, self.writes.blocked):
            if self in line:
                line.remove(self)
        if closes:
            self.leave()

    @property
    def waits_for(self) -> str:
        """In words, what it waits for."""
        if self in self.writes.blocked:
            return f"for room in {self.target}"
        return f"for an item from {self.source}" if self in self.reads.readers else "for nothing"

    @property
    def last(self) -> str | None:
        """The last thing it did that is known, in words."""
        if self.in_hand is not None:
            return f"get {self.plan.item_id(self.in_hand)}"
        return f"put {self.name}:{self.tally.seq}" if self.source is None and self.tally.seq >= 0 else None
