"""What becomes of the items of the dead: handed out again, found to have arrived, or set aside.

    death --estate--> in hand ----> backlog --offer--> queue     `redelivery`, delivery + 1
                        |  killed its worker three times
                        +---------> set aside                    `failed`, at the run's end
                  --> begun, and not logged
                        |  once everything put has been got: in some journal, or nowhere
                        +---------> `put` with recovered: true, offered first where it never arrived

Both real-time engines use it; a queue tells what the dead had (`Repairable`), so nothing here looks into an item.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import dataclass
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from runner.engines.estate import estate
from runner.engines.resume import Resume
from runner.log.journal import GET, records_of, suffix_of
from runner.planning.pacing import due_ns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runner.engines.board import Slot
    from runner.engines.estate import Estate
    from runner.log.chronicle import Chronicle
    from runner.planning.plan import Plan, WorkerPlan
    from runner.queues.contract import Parcel, Repairable

DEATHS_OF_ONE_ITEM: Final = 3
"""An item that killed its consumer so often is set aside."""

_Key: TypeAlias = tuple[int, int, str]


@dataclass(slots=True)
class Past:
    """What all dead incarnations of a worker did together."""

    puts: int = 0
    gets: int = 0
    dones: int = 0
    skipped: int = 0
    taken: int = 0
    seq: int = -1

    def add(self, left: Estate) -> None:
        """Another one has died."""
        self.puts += left.puts
        self.gets += left.gets
        self.dones += left.dones
        self.skipped += left.skipped
        self.taken += left.taken
        self.seq = max(self.seq, left.last_seq)


@dataclass(frozen=True, slots=True)
class Handout:
    """An item that waits to be put by the supervisor.

    Attributes:
        parcel: What is put.
        worker: Whose it was: the reader that died with it, or the writer that died putting it.
        entered: Since when it waits, ns of the monotonic clock.
        recovered: Whether it stands for the put of a dead writer, not for a redelivery.
        late: Of such a put, by how much it began later than it was due, in ns; None: pacing is closed.
    """

    parcel: Parcel
    worker: WorkerPlan
    entered: int
    recovered: bool = False
    late: int | None = None


@dataclass(frozen=True, slots=True)
class SetAside:
    """An item that is not handed out any more."""

    queue: str
    id: str
    delivery: int
    worker: str
    why: str


class Recovery:
    """Keeps account of what the dead leave.

    Attributes:
        queues: Those that can be repaired.
        aside: Items set aside.
        recovered: Puts of dead writers that were found or made good: queue, and the item's key.

    Args:
        plan: Of the run.
        folder: Where the journals are.
        chronicle: Takes the events.
        queues: Those that can be repaired.
    """

    def __init__(self, plan: Plan, folder: Path, chronicle: Chronicle, queues: Mapping[str, Repairable]) -> None:
        self._plan = plan
        self._folder = folder
        self._chronicle = chronicle
        self.queues = queues
        self._backlog: dict[str, deque[Handout]] = {name: deque() for name in queues}
        self._begun: dict[str, dict[_Key, Handout]] = {name: {} for name in queues}
        self._deaths: Counter[tuple[str, _Key]] = Counter()
        self._past: dict[str, Past] = {}
        self.aside: list[SetAside] = []
        self.recovered: list[tuple[str, _Key]] = []

    def bury(self, worker: WorkerPlan, incarnation: int, slot: Slot, *, hand_out: bool) -> Estate:
        """Take stock of a dead worker and correct its counters on the board.

        Args:
            worker: Who died.
            incarnation: Which one.
            slot: Its slot.
            hand_out: Whether the run goes on, and what it had in hand is handed out again.
        """
        group = worker.group
        source, target = self.queues.get(group.source or ""), self.queues.get(group.target or "")
        left = estate(
            worker,
            self._folder / f"{worker.name}.{incarnation}.journal",
            source.hand(worker.index, incarnation) if source is not None else [],
            target.begun(worker.index, incarnation) if target is not None else [],
            slot.taken,
        )
        past = self._past.setdefault(worker.name, Past())
        past.add(left)
        slot.correct(past.puts, past.gets, past.dones, past.skipped)
        now = monotonic_ns()
        for parcel in left.begun:
            late = parcel.began - slot.zero - due_ns(worker, parcel.seq) if group.open else None
            self._begun[group.target or ""][parcel.key] = Handout(parcel, worker, now, recovered=True, late=late)
        for parcel, skip in left.in_hand if hand_out else ():
            self._hand_out_again(worker, parcel, skip, begun=parcel is left.at_work)
        return left

    def resume(self, worker: WorkerPlan) -> Resume:
        """Where a replacement goes on."""
        past = self._past.get(worker.name, Past())
        return Resume(past.seq, past.taken)

    def _hand_out_again(self, worker: WorkerPlan, parcel: Parcel, skip: int, *, begun: bool) -> None:
        queue = worker.group.source or ""
        if begun:
            self._deaths[queue, parcel.key] += 1
            if self._deaths[queue, parcel.key] >= DEATHS_OF_ONE_ITEM:
                why = f"killed its worker {DEATHS_OF_ONE_ITEM} times"
                self.aside.append(SetAside(queue, worker.item_id(parcel), parcel.delivery, worker.name, why))
                return
        again = self.queues[queue].again(parcel, parcel.delivery + 1, skip)
        self._backlog[queue].append(Handout(again, worker, monotonic_ns()))

    def deliver(self) -> None:
        """Put what waits and finds room."""
        for name, backlog in self._backlog.items():
            while backlog:
                count = self.queues[name].offer([handout.parcel for handout in backlog])
                returned = monotonic_ns()
                for _ in range(count):
                    self._enter(name, backlog.popleft(), returned)
                if not count:
                    break

    def _enter(self, queue: str, handout: Handout, returned: int) -> None:
        """Log a put of the supervisor."""
        parcel, worker = handout.parcel, handout.worker
        about = {"queue": queue, "id": worker.item_id(parcel), **_item(parcel)}
        if handout.recovered:
            self._log_recovered(about, handout, returned)
            return
        self._chronicle.add(
            "redelivery", "warning", instant=returned, **about, delivery=parcel.delivery,
            **{"from": worker.name}, wait_ns=returned - handout.entered,
        )  # fmt: skip

    def _log_recovered(self, about: dict[str, Any], handout: Handout, instant: int) -> None:
        self.recovered.append((about["queue"], handout.parcel.key))
        self._chronicle.add(
            "put", "warning", instant=instant, worker=handout.worker.name, **about,
            wait_ns=instant - handout.parcel.began, late_ns=handout.late, delivery=handout.parcel.delivery,
            recovered=True,
        )  # fmt: skip

    def pending(self, queue: str) -> bool:
        """Whether something waits to be put."""
        return bool(self._backlog[queue])

    def undecided(self, queue: str) -> bool:
        """Whether a dead writer's put may or may not have arrived."""
        return bool(self._begun[queue])

    def decide(self, queue: str, readers: list[tuple[WorkerPlan, int]], present: list[Parcel] | None = None) -> None:
        """Find out which puts of dead writers arrived; call it when all that was put has been got.

        An item goes from the queue to a hand to a journal and leaves the one only once it is in the next, so whoever
        looks there in this order cannot miss it.

        Args:
            queue: Whose writers.
            readers: All incarnations of its readers there ever were.
            present: After the run, what is still in the queue; then what never arrived is forgotten, as nobody
                will get it.
        """
        begun = self._begun[queue]
        seen = {parcel.key for parcel in present or ()}
        for worker, incarnation in readers:
            seen |= {parcel.key for parcel in self.queues[queue].hand(worker.index, incarnation)}
        for worker, incarnation in readers:
            for record in records_of(self._folder / f"{worker.name}.{incarnation}.journal"):
                if record[8] == GET:
                    key = (record[5], record[3], suffix_of(record))
                    if key in begun:
                        seen.add(key)
        for key, handout in begun.items():
            if key in seen:
                about = {"queue": queue, "id": handout.worker.item_id(handout.parcel), **_item(handout.parcel)}
                self._log_recovered(about, handout, monotonic_ns())
            elif present is None:
                self._backlog[queue].append(handout)
        begun.clear()

    def hear(self, queue: str, worker: WorkerPlan, parcel: Parcel) -> None:
        """Log the put of a dead writer into a queue that cannot be repaired, to which a reader bears witness."""
        about = {"queue": queue, "id": worker.item_id(parcel), **_item(parcel)}
        self._log_recovered(about, Handout(parcel, worker, 0, recovered=True), monotonic_ns())

    def correction(self, queue: str) -> int:
        """What the board's account of open items does not know: puts of the dead, less what is set aside."""
        return sum(each[0] == queue for each in self.recovered) - sum(each.queue == queue for each in self.aside)


def _item(parcel: Parcel) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(b"{%b}" % parcel.members)
    return members
