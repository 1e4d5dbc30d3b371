"""A queue in virtual time: first in, first out, exactly so many items, and whoever waited longest goes next."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from runner.engines.simulation_calendar import Player

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from runner.engines.simulation_calendar import Calendar
    from runner.envelope import Envelope
    from runner.planning.plan import QueuePlan


class Party(Player, Protocol):
    """Whoever writes into a queue or reads from it.

    Attributes:
        pending: What it has to write.
        limit: So many items it would take.
    """

    pending: list[Envelope]
    limit: int

    def wrote(self, count: int, /) -> None:
        """So many of the pending items are in the queue now."""

    def receive(self, taken: list[Envelope], /) -> None:
        """These items are its own now."""


@dataclass(frozen=True, slots=True)
class Handout:
    """An item that is handed out again: from whose hands it comes, and since when it waits for room."""

    envelope: Envelope
    worker: str
    entered: int


class Channel:
    """A queue.

    What one worker does to it may let others go on: their operation returns at the same instant, and they have their
    turn behind whoever acts.

    Attributes:
        items: What is in it.
        readers: Who waits for an item, the longest first; then there is none.
        blocked: Who waits for room, the longest first; then there is none.
        backlog: What is handed out again and waits for room, before all who are blocked.
        writers: How many may still put.
        living: How many may still get.
        held: Items that were got and are neither done nor handed out again.
        mortal: As given.

    Args:
        plan: Its bound (maxsize, or else what a pipe holds) and its batch.
        calendar: Gives turns to those who waited.
        mortal: Whether a reader may die, so that the stream's end has to wait for what is in other hands.
        again: Called with what is handed out again as it is put.
        chance: Where it is given, it decides who of those who wait for room goes next, and not how long they waited.
    """

    __slots__ = (
        "_again", "_calendar", "_chance", "backlog", "batch", "blocked", "bound", "held", "items", "living",
        "mortal", "name", "readers", "writers",
    )  # fmt: skip

    def __init__(
        self,
        plan: QueuePlan,
        calendar: Calendar,
        *,
        mortal: bool,
        again: Callable[[str, Handout], Any],
        chance: Random | None = None,
    ) -> None:
        self.name = plan.name
        self.bound = inf if plan.capacity is None else plan.capacity
        self.batch = plan.batch
        self.items: deque[Envelope] = deque()
        self.readers: deque[Party] = deque()
        self.blocked: deque[Party] = deque()
        self.backlog: deque[Handout] = deque()
        self.writers = self.living = self.held = 0
        self._calendar = calendar
        self.mortal = mortal
        self._again = again
        self._chance = chance

    def write(self, writer: Party) -> bool:
        """Put what a writer has pending, as far as there is room; False: there is none, and it waits."""
        if len(self.items) >= self.bound:
            self.blocked.append(writer)
            return False
        self._admit(writer)
        if self.readers:
            self.serve()
        return True

    def _admit(self, writer: Party) -> None:
        room = self.bound - len(self.items)
        pending = writer.pending
        fitting = pending if len(pending) <= room else pending[: int(room)]
        self.items.extend(fitting)
        writer.wrote(len(fitting))

    def read(self, reader: Party) -> bool:
        """Give a reader what it may take, nothing at the stream's end; False: there is no item yet, and it waits."""
        if self.items:
            self._hand_to(reader)
            if self.blocked or self.backlog:
                self.fill()
            return True
        if self.is_over:
            return True
        self.readers.append(reader)
        return False

    def _hand_to(self, reader: Party) -> None:
        items = self.items
        count = min(reader.limit, self.batch, len(items))
        taken = [items.popleft()] if count == 1 else [items.popleft() for _ in range(count)]
        self.held += count
        reader.receive(taken)

    def serve(self) -> None:
        """Give items to those who wait for them."""
        while self.readers and self.items:
            reader = self.readers.popleft()
            self._hand_to(reader)
            self._calendar.wake(reader, self._calendar.now)

    def fill(self) -> None:
        """Use the room that a get has made."""
        while self.backlog and len(self.items) < self.bound:
            self._put_again(self.backlog.popleft())
        while self.blocked and len(self.items) < self.bound:
            if self._chance is not None:
                self.blocked.rotate(self._chance.randrange(len(self.blocked)))
            writer = self.blocked.popleft()
            self._admit(writer)
            self._calendar.wake(writer, self._calendar.now)

    def hand_out(self, handout: Handout) -> None:
        """Put an item of the dead again, as soon as there is room."""
        if len(self.items) >= self.bound:
            self.backlog.append(handout)
            return
        self._put_again(handout)
        self.serve()

    def _put_again(self, handout: Handout) -> None:
        self.items.append(handout.envelope)
        self._again(self.name, handout)

    def settle(self, count: int) -> None:
        """So many items of those in hands are done, or set aside."""
        self.held -= count
        if self.mortal and not self.held:
            self.end()

    @property
    def is_over(self) -> bool:
        """Whether nothing will come any more."""
        return not (self.writers or self.items or self.backlog or (self.mortal and self.held))

    def leave(self) -> None:
        """A writer puts no more."""
        self.writers -= 1
        self.end()

    def end(self) -> None:
        """Let those who wait see the end of the stream, if it has come."""
        if self.readers and self.is_over:
            for reader in self.readers:
                self._calendar.wake(reader, self._calendar.now)
            self.readers.clear()
