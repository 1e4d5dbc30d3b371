"""What a log says of the items of one queue, and what contradicts itself in that."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Event: TypeAlias = dict[str, Any]


class Wrong(StrEnum):
    """What can be wrong with a trial."""

    HUNG = "hung"
    LOST = "lost"
    DUPLICATE = "unmarked duplicates"
    UNREADABLE = "unreadable logs"
    EXIT_CODE = "wrong exit codes"
    RECORD = "wrong records"
    AUDIT = "audit not valid"
    LEFT_RUNNING = "left running"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong."""

    wrong: Wrong
    why: str


@dataclass(slots=True)
class Fates:
    """One queue's items: who was put, handed out again, got and done, and of whom a fate is told."""

    queue: str
    put: dict[str, Event] = field(default_factory=dict)
    redelivered: dict[tuple[str, int], Event] = field(default_factory=dict)
    got: dict[tuple[str, int], Event] = field(default_factory=dict)
    done: defaultdict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    told: dict[str, list[Event]] = field(default_factory=dict)

    def enter(self, event: Event) -> Iterator[Fault]:
        """Take note of an event about this queue."""
        id_, delivery = event["id"], event["delivery"]
        before: Event | None = None
        match event["event"]:
            case "put":
                before = self.put.get(id_)
                self.put[id_] = event
            case "redelivery":
                before = self.redelivered.get((id_, delivery))
                self.redelivered[id_, delivery] = event
            case "get":
                before = self.got.get((id_, delivery))
                self.got[id_, delivery] = event
            case "done":
                self.done[id_].append(event)
            case "left" | "failed" | "lost":
                self.told.setdefault(id_, []).append(event)
        if before is not None:
            yield Fault(Wrong.DUPLICATE, f"twice: {before} {event}")

    def contradictions(self) -> Iterator[Fault]:
        """Whatever cannot be."""
        yield from self._from_nowhere()
        yield from self._done_twice()
        for id_ in self.put:
            fates = bool(self.done.get(id_)) + len(self.told.get(id_, ()))
            if fates != 1:
                wrong = Wrong.RECORD if fates else Wrong.LOST
                yield Fault(wrong, f"{self.queue} {id_} was put and has {fates} fates")
        for id_ in (self.done.keys() | self.told.keys()) - self.put.keys():
            yield Fault(Wrong.RECORD, f"{self.queue} {id_} has a fate and was never put")

    def _from_nowhere(self) -> Iterator[Fault]:
        """Each delivery was put before it was got, each but the first after the one before it."""
        for (id_, delivery), got in self.got.items():
            source = self.put.get(id_) if delivery == 1 else self.redelivered.get((id_, delivery))
            if source is None or got["t_ns"] < _began(source):
                yield Fault(Wrong.RECORD, f"got, and not put: {got} {source}")
        for id_, delivery in self.redelivered:
            if delivery > 2 and (id_, delivery - 1) not in self.redelivered:
                yield Fault(Wrong.RECORD, f"{self.queue} {id_}: delivery {delivery} without the one before")

    def _done_twice(self) -> Iterator[Fault]:
        """Only by who had got it, a delivery but once, and an item again only where a redelivery says so."""
        for id_, dones in self.done.items():
            if len({done["delivery"] for done in dones}) < len(dones):
                yield Fault(Wrong.DUPLICATE, f"one delivery done twice: {dones}")
            for position, done in enumerate(dones):
                got = self.got.get((id_, done["delivery"]))
                if got is None or got["worker"] != done["worker"] or got["t_ns"] > done["t_ns"]:
                    yield Fault(Wrong.RECORD, f"done by who had not got it: {done} {got}")
                again = self.redelivered.get((id_, done["delivery"]))
                if position and (again is None or _began(again) > done["t_ns"]):
                    yield Fault(Wrong.DUPLICATE, f"done again without notice: {dones[0]} {done}")

    def not_as_planned(self, expected: dict[str, Any], *, or_repr: bool) -> Iterator[Fault]:
        """No item but those that were planned, each as it was planned; the first that is otherwise.

        Args:
            expected: The items by their ids.
            or_repr: Whether an item may be shown as its repr, as one is that is no JSON value.
        """
        for event in [*self.put.values(), *self.redelivered.values(), *self.got.values()]:
            item = expected.get(event["id"])
            if event["id"] not in expected or (event["item"] != item and not (or_repr and event["item"] == repr(item))):
                yield Fault(Wrong.RECORD, f"not as planned: {event}")
                return

    def done_by(self) -> Counter[str]:
        """How many items each worker did."""
        return Counter(done["worker"] for dones in self.done.values() for done in dones)


def _began(event: Event) -> int:
    instant: int = event["t_ns"] - event["wait_ns"]
    return instant
