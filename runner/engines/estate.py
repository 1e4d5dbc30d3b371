"""What a dead incarnation of a worker leaves: read from its journal and from what it had in flight."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from runner.log.journal import DONE, GET, PUT, RAW, records_of, suffix_of
from runner.planning.plan import OnError, Role

if TYPE_CHECKING:
    from pathlib import Path

    from runner.log.journal import Record
    from runner.planning.plan import WorkerPlan
    from runner.queues.contract import Parcel

_Key: TypeAlias = tuple[int, int, str]


@dataclass(slots=True)
class Estate:
    """What was found.

    Attributes:
        puts: Puts in its journal.
        gets: Gets in its journal.
        dones: Items done by its journal.
        skipped: Items set aside by its journal.
        last_seq: Last seq a producer put or began to put; -1: none.
        in_hand: What it had got and not done, in order, each with how many of its outputs were put.
        begun: What it was putting and has not logged: it may have arrived or not.
        at_work: The item it was working on.
        taken: Items it had begun to work on.
    """

    puts: int = 0
    gets: int = 0
    dones: int = 0
    skipped: int = 0
    last_seq: int = -1
    in_hand: list[tuple[Parcel, int]] = field(default_factory=list)
    begun: list[Parcel] = field(default_factory=list)
    at_work: Parcel | None = None
    taken: int = 0

    def last(self, worker: WorkerPlan) -> str | None:
        """The id of the item it was at: a reader the one it worked on, a producer the last it put."""
        if self.at_work is not None:
            return worker.item_id(self.at_work)
        if worker.group.role is Role.PRODUCER and self.last_seq >= 0:
            return f"{worker.name}:{self.last_seq}"
        return None


def estate(worker: WorkerPlan, journal: Path, hand: list[Parcel], begun: list[Parcel], taken: int) -> Estate:
    """Take stock of a dead incarnation.

    Args:
        worker: Who died.
        journal: The incarnation's.
        hand: What it got last, in order; all or some of it may be done.
        begun: What it put last; it may be logged.
        taken: How many of `hand` it had begun to work on.
    """
    stock = _Stock(worker, hand, begun)
    for record in records_of(journal):
        stock.enter(record)
    return stock.taken(taken)


class _Stock:
    """The stock while it is being taken."""

    def __init__(self, worker: WorkerPlan, hand: list[Parcel], begun: list[Parcel]) -> None:
        self._worker = worker
        self._hand = hand
        self._names = {worker.item_id(parcel): parcel.key for parcel in hand}
        self._held = {parcel.key for parcel in hand}
        self._putting = {parcel.key: parcel for parcel in begun}
        self._got: set[_Key] = set()
        self._settled: set[_Key] = set()
        self._children: Counter[_Key] = Counter()
        self._found = Estate()

    def enter(self, record: Record) -> None:
        """Go on to the next record of the journal."""
        kind, found = record[8], self._found
        if kind == RAW:
            self._take_note(record)
            return
        key = (record[5], record[3], suffix_of(record))
        if kind == PUT:
            found.puts += 1
            found.last_seq = record[3]
            self._putting.pop(key, None)
            self._children.update(self._parents(key))
        elif kind == GET:
            found.gets += 1
            if key in self._held:
                self._got.add(key)
        elif kind == DONE:
            found.dones += 1
            if key in self._held:
                self._settled.add(key)

    def _take_note(self, record: Record) -> None:
        event = json.loads(record[4])
        skipped = event["event"] == "error" and event.get("then") == OnError.SKIP
        if skipped and self._worker.group.role is not Role.PRODUCER:
            self._found.skipped += 1
            if event["id"] in self._names:
                self._settled.add(self._names[event["id"]])

    def _parents(self, key: _Key) -> list[_Key]:
        """Of which item in hand this is an output, if of any: it bears the same id, or one part more."""
        if not self._held:
            return []
        producer, seq, suffix = key
        parents = ((producer, seq, suffix), (producer, seq, suffix.rpartition(".")[0]))
        return [parent for parent in dict.fromkeys(parents) if parent in self._held][:1]

    def taken(self, taken: int) -> Estate:
        """The stock, of whose hand so many items were begun."""
        found, hand, settled = self._found, self._hand, self._settled
        found.begun = list(self._putting.values())
        for parcel in found.begun:
            found.last_seq = max(found.last_seq, parcel.seq)
            self._children.update(self._parents(parcel.key))
        found.in_hand = [(one, one.skip + self._children[one.key]) for one in hand if one.key not in settled]
        found.taken = found.gets - len(self._got - settled - {parcel.key for parcel in hand[:taken]})
        if 0 < taken <= len(hand) and hand[taken - 1].key not in settled:
            found.at_work = hand[taken - 1]
        return found
