"""The supervisor of the engine `ray`: starts brokers and workers, replaces the dead, and sees to it that it ends.

    placed --> prepared --> gate opens --> deaths, signals, timeout, ticks --> all ended --> last records collected

One loop waits for whatever answer comes next, a tenth of a second at most. A dead worker is buried at its brokers
first, which from then on heed it no more; what they answer is all there is of it.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from time import monotonic, monotonic_ns, sleep, time_ns
from typing import TYPE_CHECKING, Any, Final

import ray
from ray.exceptions import RayError

from runner.engines.board import TAKEN, State
from runner.engines.contract import Status
from runner.engines.deaths import Answer, answer, bereft
from runner.engines.entries import enter_exit
from runner.engines.limits import unwritten
from runner.engines.ray_collection import Collection, cause_of_death
from runner.engines.ray_launch import Launch
from runner.engines.ray_nodes import Nodes
from runner.engines.recovery import Recovery
from runner.engines.resume import FROM_THE_START
from runner.engines.steady import Steadiness
from runner.engines.stillness import Stillness, standstill, waiting
from runner.engines.stop import Stop, overdue
from runner.engines.witnesses import witnessed
from runner.log.journal import Clock
from runner.planning.plan import OnDeath, Role

if TYPE_CHECKING:
    from runner.engines.contract import LiveRun, Outcome, Watch
    from runner.engines.ray_hand import RayHand
    from runner.engines.ray_queue import BrokerQueue
    from runner.engines.ray_worker import About, Ending
    from runner.engines.resume import Resume
    from runner.engines.signals import Signals
    from runner.planning.plan import WorkerPlan
    from runner.queues.broker import Holder

_TICK_S: Final = 0.1
_SOON_S: Final = 0.005
"""How soon what waits to be handed out again is offered once more."""
_GATE_LEAD_NS: Final = 20_000_000
_LEAD_PER_WORKER_NS: Final = 2_000_000
"""The gate opens a little later than it is told, so that everybody hears of it in time."""


class Crew:
    """See above."""

    def __init__(self, live: LiveRun, signals: Signals, watch: Watch | None) -> None:
        self._plan = live.plan
        self._board = live.board
        self._chronicle = live.chronicle
        self._signals = signals
        self._watch = watch
        self._stop = Stop()
        self._hands: list[RayHand] = []
        self._awaited: dict[Any, tuple[Any, Any]] = {}
        self._clock: Clock | None = None
        self._nodes = Nodes()
        self._launch = Launch(live.plan, live.board)
        self._queues = self._launch.queues
        self._collection = Collection(live.folder, self._queues, self._stop_for_lack_of_room)
        self._live = replace(live, depths={name: queue.depth for name, queue in self._queues.items()})
        self._recovery = Recovery(self._plan, live.folder, live.chronicle, self._queues)
        self._stillness = Stillness(live.board, self._plan.hang_after_ns)
        self._steadiness = None if self._plan.steady is None else Steadiness(self._plan.steady, self._plan.warmup_ns)
        self._deadline = None if self._plan.timeout_ns is None else monotonic() + self._plan.timeout_ns / 1e9

    def run(self) -> Outcome:
        """From the first start to the last end."""
        try:
            return self._run()
        except ConnectionError as error:  # by Ray Client, where the head of the cluster is gone
            return self._cut_off(error)
        finally:
            self._dissolve()

    def _run(self) -> Outcome:
        for worker in self._plan.workers():
            self._start(worker, 1, FROM_THE_START)
        while self._stop.at is None and any(h.alive and h.slot.state.keeps_the_gate for h in self._hands):
            self._look_around()
        self._open_gate()
        while any(hand.alive for hand in self._hands):
            self._look_around()
        self._collection.end()
        if any(hand.slot.state is not State.FINISHED for hand in self._hands if not hand.replaced):
            self._look_for_lost_brokers()  # of which its workers only may have heard
        self._hear_witnesses()
        self._look_at_clocks_again()
        return self._outcome()

    def _cut_off(self, error: ConnectionError) -> Outcome:
        """Nobody answers any more: what has been collected is all there will be."""
        self._stop.order(Status.FAILED, f"the cluster is gone: {str(error).strip().splitlines()[0]}")
        for queue in self._queues.values():
            queue.lost = queue.lost or "is gone with its cluster"
        for hand in self._hands:
            if hand.alive:
                hand.alive = False
                hand.died = True
                enter_exit(self._chronicle, hand, signal="SIGKILL", why="is gone with its cluster")
        self._hear_witnesses()
        return self._outcome()

    def _hear_witnesses(self) -> None:
        """Where brokers died and writers with them, find the puts of which no record is left but that of a reader."""
        if all(queue.lost is None for queue in self._queues.values()):
            return
        known = set(self._recovery.recovered)
        for name in self._queues:
            writing = [hand for hand in self._hands if hand.worker.group.target == name]
            writers = {hand.worker.index: hand.worker for hand in writing}
            dead = {hand.worker.index: hand.worker for hand in writing if hand.died}
            readers = {hand.worker.index: hand.worker for hand in self._hands if hand.worker.group.source == name}
            found = witnessed(self._live.folder, writers.values(), list(dead.values()), readers.values())
            for worker, parcel in list(found):
                if (name, parcel.key) not in known:
                    self._recovery.hear(name, worker, parcel)

    def _look_at_clocks_again(self) -> None:
        """The log tells of each worker how far its clock may have been off, at whatever time of the run."""
        self._nodes.look_again({hand.node: hand.actor for hand in self._hands if not (hand.died or hand.killed)})
        for node, uncertainty in self._nodes.wider():
            self._chronicle.amend("worker.start", "node", node, clock_uncertainty_ns=uncertainty)

    def _outcome(self) -> Outcome:
        aside = self._recovery.aside
        if aside:
            self._stop.order(Status.FAILED, f"{aside[0].id} {aside[0].why}")
        open_items = self._board.open_items(self._plan)
        undone = any(open_items[name] + self._recovery.correction(name) for name in self._queues)
        balanced = not aside and not undone and not self._board.any_skipped(self._plan)
        return replace(
            self._stop.outcome(self._clock or Clock(monotonic_ns(), time_ns()), balanced=balanced),
            aside={(each.queue, each.id): each.why for each in aside},
            recovered=tuple(self._recovery.recovered),
            nodes=self._nodes.about,
            gone={name: f"its broker {queue.lost}" for name, queue in self._queues.items() if queue.lost is not None},
        )

    def _dissolve(self) -> None:
        """Let nothing of the run stay on the cluster."""
        self._collection.close()
        if not ray.is_initialized():  # else to kill would be to start another
            return
        for actor in (*(hand.actor for hand in self._hands), *(queue.actor for queue in self._queues.values())):
            with contextlib.suppress(RayError, ValueError, ConnectionError):
                ray.kill(actor)

    # --- starting

    def _start(self, worker: WorkerPlan, incarnation: int, resume: Resume) -> None:
        hand = self._launch.start(worker, incarnation, resume)
        self._hands.append(hand)
        self._collection.enrol(hand)
        self._await(hand.actor.about.remote(), self._placed, hand)

    def _await(self, reference: Any, heed: Any, whom: Any) -> None:
        """Have `heed(whom, answer)` called once the answer is there, an exception where there will be none."""
        self._awaited[reference] = (heed, whom)

    def _placed(self, hand: RayHand, about: About | RayError) -> None:
        if not hand.alive:
            return
        if isinstance(about, RayError):
            self._part_with(hand, cause_of_death(about))
            return
        self._launch.note_progress()
        hand.node, hand.pid = about.node, about.pid
        try:
            offset = self._nodes.offset(about, hand.actor)
        except RayError as error:
            self._part_with(hand, cause_of_death(error))
            return
        self._chronicle.add(
            "worker.start", **hand.about, node=about.node, clock_offset_ns=offset.offset_ns,
            clock_uncertainty_ns=offset.uncertainty_ns,
        )  # fmt: skip
        hand.slot.state = State.PREPARING
        self._await(hand.actor.prepare.remote(-offset.offset_ns), self._prepared, hand)

    def _prepared(self, hand: RayHand, ending: Ending | RayError) -> None:
        if not hand.alive:
            return
        if isinstance(ending, RayError):
            self._part_with(hand, cause_of_death(ending))
            return
        self._launch.note_progress()
        self._collection.take(hand, ending)
        if hand.slot.state is State.FAILED:
            self._part_with(hand)
        elif self._board.zero:
            self._let_run(hand)

    def _let_run(self, hand: RayHand) -> None:
        hand.slot.state = State.RUNNING
        self._await(hand.actor.run.remote(self._board.zero), self._ended, hand)

    def _open_gate(self) -> None:
        lead = _GATE_LEAD_NS + _LEAD_PER_WORKER_NS * self._plan.size if self._stop.at is None else 0
        self._clock = Clock(monotonic_ns() + lead, time_ns() + lead)
        self._clock.save(self._live.folder)
        self._board.zero = self._clock.zero_ns
        for hand in self._hands:
            if not hand.alive:
                continue
            if hand.slot.state is State.READY and self._stop.at is None:
                self._let_run(hand)
            elif self._stop.at is not None:  # it has done nothing yet
                hand.kill()
                hand.alive = False
                enter_exit(self._chronicle, hand, exit_code=1)

    # --- the loop

    def _look_around(self) -> None:
        for reference in self._arrived():
            heed, whom = self._awaited.pop(reference)
            try:
                answer = ray.get(reference)
            except RayError as error:
                answer = error
            heed(whom, answer)
        for number in self._signals.fresh():
            if self._stop.interrupt(number):
                self._pass_on_stop()
            else:
                self._kill_all()
        if self._deadline is not None and monotonic() > self._deadline:
            self._order_stop(Status.TIMEOUT, f"timed out after {(self._plan.timeout_ns or 0) / 1e9:g} s")
        if self._chronicle.failure is not None:
            self._stop_for_lack_of_room()
        for queue, reference in self._collection.begin():
            self._await(reference, self._collection.enter, queue)
        self._look_for_lost_brokers()
        if self._stop.at is None:
            self._tend()
        self._enforce()
        if self._watch is not None:
            self._watch.tick(self._live)

    def _tend(self) -> None:
        self._recovery.deliver()
        why = self._launch.given_up(self._hands)
        if why is not None:
            self._order_stop(Status.FAILED, why)
        self._look_for_the_hung()
        if self._steadiness is not None and self._board.zero:
            self._look_whether_steady(self._steadiness)

    def _arrived(self) -> list[Any]:
        """The answers that are there; waits for the first."""
        references = list(self._awaited)
        patience = _SOON_S if any(map(self._recovery.pending, self._queues)) else _TICK_S
        if not references:
            sleep(patience)
            return []
        found, _ = ray.wait(references, timeout=patience)
        if found:
            found, _ = ray.wait(references, num_returns=len(references), timeout=0)
        return list(found)

    # --- ends

    def _ended(self, hand: RayHand, ending: Ending | RayError) -> None:
        """A worker's life is over, one way or the other."""
        if isinstance(ending, RayError):
            self._part_with(hand, cause_of_death(ending))
            return
        self._collection.take(hand, ending)
        if ending.why is not None:
            hand.slot.state = State.RUNNING  # it has come to no end of its own
            ray.kill(hand.actor)
            self._part_with(hand, f"broke down: {ending.why.strip().splitlines()[-1]}")
            return
        self._part_with(hand)

    def _part_with(self, hand: RayHand, how: str | None = None) -> None:
        """A worker has ended, by a death where it is said how: enter it, and draw the consequences."""
        if not hand.alive:
            return
        hand.alive = False
        name = hand.worker.name
        hand.died = how is not None and not hand.killed and not hand.slot.state.ended
        last, buried = None, how is not None and not hand.slot.state.ended
        if buried:
            goes_on = hand.died and self._stop.at is None and self._plan.on_death.policy is not OnDeath.FAIL
            last = self._bury(hand, hand_out=goes_on)
        failed = hand.slot.state is State.FAILED
        why = hand.overdue or how
        ended = {"exit_code": 1 if failed else 0} if how is None else {"signal": "SIGKILL"}
        enter_exit(self._chronicle, hand, **ended, **({"why": why} if why else {}))
        if failed:
            self._order_stop(Status.FAILED, f"{name} failed")
        elif hand.died:
            self._answer_death(hand, why or "", last)
        if buried and (target := self._queues.get(hand.worker.group.target or "")) is not None:
            self._recovery.decide(target.plan.name, [], target.begun(*hand.holder))
        if self._stop.at is None and hand.worker.group.source is not None and not hand.replaced:
            if not hand.died and hand.slot.state is not State.FINISHED:
                self._release(hand, self._queues[hand.worker.group.source])
            self._dismiss_writers(hand.worker.group.source)

    def _release(self, hand: RayHand, source: BrokerQueue) -> None:
        """A reader was stopped while the run goes on: what it had is left, and nobody need wait for it."""
        remains = source.remains(hand.holder) or source.bury(*hand.holder)  # who was killed is buried already
        self._collection.write(hand, remains.chunks)
        source.forget(len(remains.hand))

    def _bury(self, hand: RayHand, *, hand_out: bool) -> str | None:
        """Take stock of a dead worker; the id of the item it was at."""
        worker, group = hand.worker, hand.worker.group
        target, source = self._queues.get(group.target or ""), self._queues.get(group.source or "")
        held = 0
        for queue in (target, source):
            if queue is not None:
                remains = queue.bury(*hand.holder)
                self._collection.write(hand, remains.chunks)
                held += len(remains.hand)
        # Items are worked off in order: the first that is not done is the one it was at.
        hand.slot.words[hand.slot.base + TAKEN] = min(held, 1)
        aside = len(self._recovery.aside)
        left = self._recovery.bury(worker, hand.incarnation, hand.slot, hand_out=hand_out)
        if source is not None:
            source.forget(len(self._recovery.aside) - aside)
        return left.last(worker)

    def _answer_death(self, hand: RayHand, how: str, last: str | None) -> None:
        """What `Supervisor` does, for an actor."""
        name = hand.worker.name
        held = last if hand.worker.group.source is not None else None
        why = f"{name} {how} {f'with {held} in hand' if held else f'while {hand.slot.state.name.lower()}'}"
        self._chronicle.add("worker.died", "error", worker=name, incarnation=hand.incarnation, why=why, item=last)
        if self._stop.at is not None:
            return
        what, also = answer(self._plan.on_death, hand.incarnation, closed=hand.slot.closed)
        if what is Answer.STOP:
            self._order_stop(Status.FAILED, f"{why}{also}")
        elif what is Answer.LEAVE:
            if hand.worker.group.target is not None and not hand.slot.closed:
                self._queues[hand.worker.group.target].leave(hand.worker.index)
        else:
            hand.replaced = True
            incarnation = hand.incarnation + 1
            self._chronicle.add("worker.restart", "warning", worker=name, incarnation=incarnation, why=why)
            hand.slot.begin_again()
            self._start(hand.worker, incarnation, self._recovery.resume(hand.worker))

    def _dismiss_writers(self, queue: str) -> None:
        """Once every reader of a queue has ended, whoever still puts there is stopped."""
        found = bereft(self._hands, queue)
        if found is None:
            return
        dead, writing = found
        if (
            dead
            and not self._has_ended(queue)
            and (writing or self._queues[queue].depth() or self._recovery.pending(queue))
        ):
            self._order_stop(Status.FAILED, f"queue {queue} has lost its last reader, {dead[-1].worker.name}")
        self._tell_to_stop(writing)

    def _has_ended(self, queue: str) -> bool:
        """Whether a reader has come to the stream's end, of which the broker's last word may not tell yet."""
        readers = [hand for hand in self._hands if hand.worker.group.source == queue]
        return any(hand.slot.state is State.FINISHED and hand.worker.group.quota is None for hand in readers)

    def _look_for_lost_brokers(self) -> None:
        for name, queue in self._queues.items():
            if queue.lost is not None:
                self._order_stop(Status.FAILED, f"the broker of queue {name} {queue.lost}, and what it held is lost")

    def _look_for_the_hung(self) -> None:
        """Stop a run in which nothing moves; kill who works on an item for too long."""
        living = [hand for hand in self._hands if hand.alive]
        placed = all(hand.pid is not None for hand in living)  # who is not has a time of its own: `Launch.given_up`
        if self._stillness.is_too_long(hand.slot for hand in living) and (placed or self._board.zero):
            waits = [self._waiting(hand) for hand in living]
            why = standstill(self._plan.hang_after_ns, waits)
            self._chronicle.add("hang", "error", why=why, workers=waits)
            self._order_stop(Status.FAILED, why)
        for hand in living:
            hand.watch_item()

    def _waiting(self, hand: RayHand) -> dict[str, Any]:
        journal = self._live.folder / f"{hand.worker.name}.{hand.incarnation}.journal"
        return waiting(hand.worker, hand.slot, journal, None)

    def _look_whether_steady(self, steadiness: Steadiness) -> None:
        """See `Supervisor`."""
        if steadiness.look(monotonic_ns() - self._board.zero, self._board.done(self._plan)):
            self._chronicle.add("steady", **steadiness.about)
            for hand in self._hands:
                if hand.alive and hand.worker.group.role is Role.PRODUCER:
                    hand.tell_to_finish()

    # --- stopping

    def _order_stop(self, status: Status, reason: str) -> None:
        if self._stop.order(status, reason):
            self._pass_on_stop()

    def _stop_for_lack_of_room(self) -> None:
        self._order_stop(Status.FAILED, unwritten("mprun", self._live.folder))

    def _pass_on_stop(self) -> None:
        for queue in self._queues.values():
            queue.stop()
        for hand in self._hands:
            if hand.alive:
                hand.tell_to_stop()

    def _tell_to_stop(self, hands: list[RayHand]) -> None:
        for hand in hands:
            hand.tell_to_stop()
        by_queue: dict[str, list[Holder]] = {}
        for hand in hands:  # a stage may wait at the one it gets from
            for queue in filter(None, (hand.worker.group.source, hand.worker.group.target)):
                by_queue.setdefault(queue, []).append(hand.holder)
        for queue, holders in by_queue.items():
            self._queues[queue].stop(holders)

    def _enforce(self) -> None:
        """Kill who was told to stop and has used up the grace."""
        for hand in self._hands:
            if hand.alive and not hand.killed and hand.told_at is not None:
                calling = hand.slot.state is State.CALLING
                if overdue(hand.told_at, calling=calling):
                    hand.kill()

    def _kill_all(self) -> None:
        for hand in self._hands:
            if hand.alive:
                hand.kill()
