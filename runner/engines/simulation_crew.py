"""All simulated workers: how they begin and end, what becomes of the items of the dead, and what is left at the end."""

from __future__ import annotations

import json
import signal
from collections import Counter
from copy import copy
from random import Random
from typing import TYPE_CHECKING, Any, Final

from runner.engines.closing import fate
from runner.engines.contract import Outcome, Status
from runner.engines.deaths import Answer, answer
from runner.engines.entries import about
from runner.engines.recovery import DEATHS_OF_ONE_ITEM
from runner.engines.simulation_calendar import Calendar, Cores, ShuffledCalendar
from runner.engines.simulation_express import ExpressCalendar, is_plain
from runner.engines.simulation_hands import Tally
from runner.engines.simulation_queue import Channel, Handout
from runner.engines.simulation_steady import Observer
from runner.engines.simulation_worker import Actor
from runner.engines.stop import Stop
from runner.log.journal import Clock, item_members
from runner.log.leftovers import Leftover
from runner.log.sequence import raw
from runner.planning.plan import Act, OnDeath, QueuePlan, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.engines.simulation_hands import Hands
    from runner.engines.steady import Steadiness
    from runner.envelope import Envelope
    from runner.log.sequence import Record
    from runner.planning.plan import GroupPlan, Plan, WorkerPlan

_NOWHERE: Final = QueuePlan("", "pipe", 0, 1, None)


class Crew:
    """The workers of a plan, and the queues between them.

    Attributes:
        plan: What they carry out.
        calendar: Gives them their turns.
        cores: What those who are busy share.
        channels: The queues.
        nowhere: The end of a queue that a worker has not.
        actors: The workers, in plan order, each in its present incarnation.
        records: What has happened, in order, until somebody takes it.
        stop: Whether the run is to end early, and why.
        settled: Whether the run is steady and producers are to begin no further item.

    Args:
        plan: Whose workers.
        ties: Seeds the chance by which ties are decided; None: by the order of the plan, and of how long one waited.
    """

    def __init__(self, plan: Plan, ties: int | None = None) -> None:
        self.plan = plan
        self._chance = None if ties is None else Random(ties)  # noqa: S311 - repeatable
        self.calendar = self._calendar()
        self.cores = Cores(plan.cores, self.calendar)
        self.records: list[Record] = []
        self.stop = Stop()
        self.settled = False
        self.channels = {queue.name: self._channel(queue) for queue in plan.queues}
        self.nowhere = self._channel(_NOWHERE)
        self._writers: dict[str, list[int]] = {name: [] for name in self.channels}
        self._tallies: list[Tally] = []
        self.actors: list[Actor] = []
        self._last_dead: dict[str, str] = {}
        self._dead: dict[str, str] = {}
        self._deaths: Counter[tuple[str, str]] = Counter()
        self._failures: dict[Leftover, str] = {}
        self._killers: list[Leftover] = []
        self._redelivered = 0

    def _calendar(self) -> Calendar:
        if self._chance is not None:
            return ShuffledCalendar(self._chance)
        return ExpressCalendar(self) if is_plain(self.plan) else Calendar()

    @property
    def now_ns(self) -> int:
        """See `LiveSimulation`."""
        return self.calendar.now

    def counts(self) -> dict[Role, int]:
        """See `LiveSimulation`."""
        counts = dict.fromkeys(Role, 0)
        for worker, tally in zip(self.plan.workers(), self._tallies, strict=True):
            role = worker.group.role
            counts[role] += tally.puts if role is Role.PRODUCER else tally.dones
        return counts

    def _channel(self, queue: QueuePlan) -> Channel:
        mortal = any(map(_is_mortal, self.plan.readers(queue.name)))
        again = self._tell_of_redelivery
        return Channel(queue, self.calendar, mortal=mortal, again=again, chance=self._chance)

    def start(self) -> None:
        """Start every worker, in plan order, at the instant 0."""
        for worker in self.plan.workers():
            group = worker.group
            if group.target is not None:
                self.channels[group.target].writers += 1
                self._writers[group.target].append(worker.index)
            if group.source is not None:
                self.channels[group.source].living += 1
            self._tallies.append(Tally())
            self.actors.append(self._started(worker, 1))
        if self.plan.steady is not None:
            Observer(self.plan.steady, self.calendar, self.plan.size, self._done, self._settle, self.plan.warmup_ns)

    def _done(self) -> int:
        """Items that consumers have done."""
        return sum(t.dones for t, actor in zip(self._tallies, self.actors, strict=True) if actor.target is None)

    def _settle(self, steadiness: Steadiness) -> None:
        """The run is steady: the producers come to their end; what they have put is still worked off."""
        self.settled = True
        self.tell("steady", **steadiness.about)

    def _started(self, worker: WorkerPlan, incarnation: int) -> Actor:
        actor = Actor(self, worker, incarnation, self._tallies[worker.index])
        self.tell("worker.start", **about(actor.plan, actor.incarnation, None))
        self.calendar.wake(actor, self.calendar.now)
        return actor

    def tell(self, event: str, level: str = "info", **keys: Any) -> None:
        """Record an event that is no put, get or done."""
        self.records.append(raw(self.calendar.now, event, level, **keys))

    def finished(self, actor: Hands) -> None:
        """A worker has come to the end of its steps."""
        self._part_with(actor, exit_code=0)
        self._dismiss_writers(actor.source)

    def failed(self, actor: Hands, why: str) -> None:
        """A worker cannot go on, for a reason that is told."""
        self._part_with(actor, exit_code=1)
        self.order_stop(Status.FAILED, f"{actor.name} failed: {why}")

    def died(self, actor: Hands, why: str) -> None:
        """A worker is dead: what it had in hand is handed out again, if the run goes on."""
        name = actor.name
        held, at_work, seq = actor.held(), actor.in_hand, actor.tally.seq
        last = f"{name}:{seq}" if actor.source is None and seq >= 0 else None
        last = actor.plan.item_id(at_work) if at_work is not None else last
        self._part_with(actor, closes=False, signal="SIGKILL")
        self.tell("worker.died", "error", worker=name, incarnation=actor.incarnation, why=why, item=last)
        self._dead[name] = why
        what, also = answer(self.plan.on_death, actor.incarnation, closed=False)
        if what is Answer.REPLACE:
            self._replace(actor, why)
        if self.plan.on_death.policy is not OnDeath.FAIL:
            self._hand_out(actor, held, at_work)
        if what is Answer.LEAVE:
            actor.leave()
            self._last_dead[actor.source or ""] = name
            self._dismiss_writers(actor.source)
        elif what is Answer.STOP:
            self.order_stop(Status.FAILED, f"{why}{also}")

    def _replace(self, actor: Hands, why: str) -> None:
        name, incarnation = actor.name, actor.incarnation + 1
        self.tell("worker.restart", "warning", worker=name, incarnation=incarnation, why=why)
        if actor.source is not None:
            self.channels[actor.source].living += 1
        del self._dead[name]
        self.actors[actor.index] = self._started(actor.plan, incarnation)

    def _hand_out(self, actor: Hands, held: list[tuple[Envelope, int]], at_work: Envelope | None) -> None:
        """Give what a dead worker had in hand to others; an item that killed too many is set aside."""
        channel, queue = actor.reads, actor.source or ""
        for envelope, skip in held:
            key = (queue, actor.plan.item_id(envelope))
            self._deaths[key] += envelope is at_work
            if self._deaths[key] >= DEATHS_OF_ONE_ITEM:
                self._killers.append(Leftover(*key, envelope.delivery, actor.name))
                self._failures[self._killers[-1]] = f"killed its worker {DEATHS_OF_ONE_ITEM} times"
                continue
            again = copy(envelope)
            again.delivery += 1
            again.skip = skip
            channel.hand_out(Handout(again, actor.name, self.calendar.now))
        actor.drop()
        channel.settle(len(held))

    def _tell_of_redelivery(self, queue: str, handout: Handout) -> None:
        envelope = handout.envelope
        members = json.loads(b"{%b}" % item_members(envelope.item))
        self._redelivered += 1
        self.tell(
            "redelivery", "warning", queue=queue, id=self._id(envelope), **members, delivery=envelope.delivery,
            **{"from": handout.worker}, wait_ns=self.calendar.now - handout.entered,
        )  # fmt: skip

    def _id(self, envelope: Envelope) -> str:
        return self.actors[0].plan.item_id(envelope)

    def set_aside(self, actor: Hands, envelope: Envelope, why: str) -> None:
        """An item's work failed for good."""
        self._failures[Leftover(actor.source or "", self._id(envelope), envelope.delivery, actor.name)] = why

    def _part_with(self, actor: Hands, *, closes: bool = True, **how: Any) -> None:
        actor.end(closes=closes)
        if actor.plan.group.busy:
            self.cores.remove(actor)
        if actor.source is not None:
            self.channels[actor.source].living -= 1
        puts, gets = actor.before
        self.tell(
            "worker.exit", "info" if how.get("exit_code") == 0 else "warning",
            **about(actor.plan, actor.incarnation, None), **how,
            puts=actor.tally.puts - puts, gets=actor.tally.gets - gets,
        )  # fmt: skip

    def _dismiss_writers(self, queue: str | None) -> None:
        """Once every reader of a queue has ended, whoever still puts there is stopped, and upstream likewise."""
        if queue is None or self.channels[queue].living or self.stop.at is not None:
            return
        channel = self.channels[queue]
        found = (self.actors[index] for index in self._writers[queue])
        writing = [actor for actor in found if not (actor.is_over or actor.closed)]
        if queue in self._last_dead and (writing or channel.items or channel.backlog):
            self.order_stop(Status.FAILED, f"queue {queue} has lost its last reader, {self._last_dead[queue]}")
            return
        for actor in writing:
            self._part_with(actor, exit_code=0)
        for upstream in dict.fromkeys(actor.source for actor in writing):
            self._dismiss_writers(upstream)

    def interrupt(self, number: int) -> None:
        """End the run because of a signal."""
        self.order_stop(Status.INTERRUPTED, f"interrupted by {signal.Signals(number).name}", number)

    def order_stop(self, status: Status, reason: str, number: int | None = None) -> None:
        """End the run where it stands; the first reason stands."""
        if not self.stop.order(status, reason, number):
            return
        for actor in self.actors:
            if not actor.is_over:
                self._part_with(actor, exit_code=0)
        self.calendar.heap.clear()

    def look_for_the_hung(self) -> None:
        """Stop a run in which nobody has a turn any more and not all have ended."""
        waits = [
            {"worker": actor.name, "waits": actor.waits_for, "last": actor.last, "stack": None}
            for actor in self.actors
            if not actor.is_over
        ]
        if waits:
            why = "nothing can move any more: " + "; ".join(f"{w['worker']} waits {w['waits']}" for w in waits)
            self.tell("hang", "error", why=why, workers=waits)
            self.order_stop(Status.FAILED, why)

    def end(self) -> Outcome:
        """Name every item that was put and not done, and tell of the end."""
        if self._killers and self.stop.at is None:
            self.stop.order(Status.FAILED, f"{self._killers[0].id} {self._failures[self._killers[0]]}")
        outcome = self.stop.outcome(Clock(0, 0), balanced=True)
        fates = dict.fromkeys(("left", "failed", "lost"), 0)
        for item in self._leftovers():
            event, level, why = fate(self.plan, item, outcome, self._failures.get(item), self._dead)
            fates[event] += 1
            about = {"queue": item.queue, "id": item.id, "delivery": item.delivery, "worker": item.worker}
            self.tell(event, level, **about, why=why)
        self._tell_of_the_end(outcome, fates)
        return outcome

    def _tell_of_the_end(self, outcome: Outcome, fates: dict[str, int]) -> None:
        names = {"put": "puts", "got": "gets", "done": "dones"}
        totals = {name: sum(getattr(tally, key) for tally in self._tallies) for name, key in names.items()}
        totals |= {**fates, "redelivered": self._redelivered}
        level = "info" if outcome.status is Status.COMPLETED else "error"
        self.tell("run.end", level, status=outcome.status, reason=outcome.reason, totals=totals)

    def _leftovers(self) -> Iterator[Leftover]:
        for name, channel in self.channels.items():
            yield from (Leftover(name, self._id(each), each.delivery, None) for each in channel.items)
            for handout in channel.backlog:
                yield Leftover(name, self._id(handout.envelope), handout.envelope.delivery - 1, handout.worker)
        for actor in self.actors:
            for envelope, _ in actor.held():
                yield Leftover(actor.source or "", self._id(envelope), envelope.delivery, actor.name)
        yield from self._failures


def _is_mortal(group: GroupPlan) -> bool:
    """Whether a worker of the group may die."""
    return group.item_timeout_ns is not None or any(fault.act is Act.KILL for fault in group.faults)
