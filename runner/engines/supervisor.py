"""The supervisor of the engine `processes`: one poll loop and no thread, which starts workers and sees to their end.

    start --> ready --> gate opens --> deaths, signals, timeout, ticks --> all gone
                          |              |
                          |              +-- a death: stock is taken, items handed out again, a replacement started
                          +-- streams are tended: what the dead left goes in again, the ends are closed late

**An order to stop** is a word on the board, and SIGTERM to cut short what a worker waits for; after a grace SIGKILL.

**A death** is one that nobody ordered. What follows is the plan's `on_death`; where a queue with locks is used the run
ends at once, since nobody knows what the dead had in hand or whether they hold a lock.
"""

from __future__ import annotations

import select
import signal
from dataclasses import replace
from multiprocessing import connection
from time import monotonic, monotonic_ns, time_ns
from typing import TYPE_CHECKING, Final

from runner.engines.board import State
from runner.engines.contract import Status
from runner.engines.deaths import Answer, answer
from runner.engines.depths import DepthSampler
from runner.engines.launch import Launch
from runner.engines.limits import unwritten
from runner.engines.memory import OutOfMemoryKills
from runner.engines.process_worker import WorkerExit
from runner.engines.recovery import Recovery
from runner.engines.resume import FROM_THE_START
from runner.engines.steady import Steadiness
from runner.engines.stillness import Stillness, stacks, standstill, waiting
from runner.engines.stop import Stop, overdue
from runner.engines.streams import Streams
from runner.engines.witnesses import witnessed
from runner.log.journal import Clock
from runner.planning.plan import OnDeath, Role
from runner.queues.contract import RepairableQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import BaseContext

    from runner.engines.contract import LiveRun, Outcome, Watch
    from runner.engines.member import Member
    from runner.engines.resume import Resume
    from runner.engines.signals import Signals
    from runner.planning.plan import WorkerPlan
    from runner.queues.contract import SharedQueue

_TICK_MS: Final = 100
_BLOCKED: Final = frozenset({State.GETTING, State.PUTTING, State.SLEEPING, State.CLOSING})
"""States in which a worker may wait in the operating system, and has to be woken to stop."""


class Supervisor:
    """Starts the workers of a plan, replaces the dead, waits for their end, and sees to it that it comes."""

    def __init__(
        self,
        live: LiveRun,
        context: BaseContext,
        queues: dict[str, SharedQueue],
        signals: Signals,
        watch: Watch | None,
    ) -> None:
        self._live = live
        self._plan = live.plan
        self._board = live.board
        self._chronicle = live.chronicle
        self._queues = queues
        self._signals = signals
        self._watch = watch
        self._stop = Stop()
        self._members: list[Member] = []
        self._living: dict[int, Member] = {}
        self._urge_at = 0.0
        self._poll = select.poll()
        self._deadline = None if self._plan.timeout_ns is None else monotonic() + self._plan.timeout_ns / 1e9
        repairable = {name: queue for name, queue in queues.items() if isinstance(queue, RepairableQueue)}
        self._recovery = Recovery(self._plan, live.folder, live.chronicle, repairable)
        self._streams = Streams(self._plan, live.board, repairable, self._recovery, self._readers)
        self._stillness = Stillness(live.board, self._plan.hang_after_ns)
        self._memory = OutOfMemoryKills()
        self._steadiness = None if self._plan.steady is None else Steadiness(self._plan.steady, self._plan.warmup_ns)
        self._depths = DepthSampler({name: queue.depth for name, queue in queues.items()})
        self._launch = Launch(live, context, queues)

    def run(self) -> Outcome:
        """From the first start to the last exit."""
        self._poll.register(self._launch.readiness, select.POLLIN)
        if self._signals.descriptor >= 0:
            self._poll.register(self._signals.descriptor, select.POLLIN)
        try:
            self._start_all()
            self._wait_while(lambda: self._stop.at is None and not self._all_ready())
            clock = self._open_gate()
            self._wait_while(lambda: bool(self._living))
        finally:
            self._kill_all()
            self._launch.close()
        self._streams.settle()
        self._hear_witnesses()
        return self._outcome(clock)

    def _hear_witnesses(self) -> None:
        """Of queues that cannot be repaired, find the puts that the dead did not come to log."""
        for name in self._queues.keys() - self._recovery.queues.keys():
            writers = [member for member in self._members if member.worker.group.target == name]
            dead = [member.worker for member in writers if not member.slot.state.ended]
            readers = [worker for worker, _ in self._readers(name)]
            for worker, parcel in witnessed(self._live.folder, [m.worker for m in writers], dead, readers):
                self._recovery.hear(name, worker, parcel)

    def _all_ready(self) -> bool:
        return not any(member.alive and member.slot.state.keeps_the_gate for member in self._current())

    def _outcome(self, clock: Clock) -> Outcome:
        aside = self._recovery.aside
        if aside:
            self._stop.order(Status.FAILED, f"{aside[0].id} {aside[0].why}")
        return replace(
            self._stop.outcome(clock, balanced=self._streams.balanced),
            aside={(each.queue, each.id): each.why for each in aside},
            recovered=tuple(self._recovery.recovered),
            depths=self._depths.samples,
        )

    def _current(self) -> Iterator[Member]:
        """The last incarnation of every worker."""
        return (member for member in self._members if not member.replaced)

    def _readers(self, queue: str) -> list[tuple[WorkerPlan, int]]:
        """All incarnations there ever were of the workers that get from a queue."""
        return [(m.worker, m.incarnation) for m in self._members if m.worker.group.source == queue]

    def _start_all(self) -> None:
        look_at = 0.0
        for worker in self._plan.workers():
            if monotonic() >= look_at:  # not at each of a thousand: it takes longer the more there are
                self._look_around()
                look_at = monotonic() + _TICK_MS / 1000
            if self._stop.at is not None:
                return
            self._start(worker, 1, FROM_THE_START)

    def _start(self, worker: WorkerPlan, incarnation: int, resume: Resume) -> None:
        inherited = [*self._signals.descriptors, *(m.death for m in self._living.values() if m.own_death)]
        try:
            member, began = self._launch.start(worker, incarnation, resume, inherited)
        except OSError as error:
            self._order_stop(Status.FAILED, f"{worker.name} could not be started: {error.strerror}")
            return
        self._members.append(member)
        self._living[member.death] = member
        self._poll.register(member.death, select.POLLIN)
        self._chronicle.add("worker.start", instant=began, **member.about)

    def _open_gate(self) -> Clock:
        clock = Clock(monotonic_ns(), time_ns())
        clock.save(self._live.folder)
        self._board.zero = clock.zero_ns
        self._depths.begin(clock.zero_ns)
        if self._stop.at is not None:
            self._pass_on_stop()
        self._launch.open_gate()
        return clock

    def _wait_while(self, condition: Callable[[], bool]) -> None:
        while condition():
            self._look_around(self._streams.patience_ms(_TICK_MS))

    def _look_around(self, patience_ms: int = 0) -> None:
        """One turn of the loop: whatever has happened, and whatever is due."""
        happened = self._depths.wait(self._poll.poll, patience_ms)
        self._obey_signals()  # first, as what else happened may be their effect
        for descriptor, _ in happened:
            if descriptor == self._launch.readiness:
                self._launch.heed_readiness()
            elif descriptor in self._living:
                self._bury(self._living[descriptor])
        if self._deadline is not None and monotonic() > self._deadline:
            self._order_stop(Status.TIMEOUT, f"timed out after {(self._plan.timeout_ns or 0) / 1e9:g} s")
        if self._chronicle.failure is not None:
            self._order_stop(Status.FAILED, unwritten("mprun", self._live.folder))
        if self._stop.at is None:
            self._tend()
        self._urge()
        if self._watch is not None:
            self._watch.tick(self._live)

    def _tend(self) -> None:
        for queue in self._streams.waiting_for_writers if self._board.zero else ():
            writers = (m for m in self._current() if m.worker.group.target == queue)
            if not any(m.alive and not m.slot.closed for m in writers):
                self._streams.writers_finished(queue)
        self._streams.tend()
        for member in self._living.values():
            member.watch_item()
        if self._steadiness is not None and self._board.zero:
            self._look_whether_steady(self._steadiness)
        if self._stillness.is_too_long(member.slot for member in self._living.values()):
            self._give_up_waiting()

    def _look_whether_steady(self, steadiness: Steadiness) -> None:
        """Once the run is steady, let the producers come to their end; what they have put is still worked off."""
        if steadiness.look(monotonic_ns() - self._board.zero, self._board.done(self._plan)):
            self._chronicle.add("steady", **steadiness.about)
            for member in self._current():
                if member.worker.group.role is Role.PRODUCER:
                    member.slot.finish()

    def _give_up_waiting(self) -> None:
        """The run is hung: enter who waits for what, and stop it."""
        living = list(self._living.values())
        found = stacks(living, self._live.folder)
        waits = [
            waiting(m.worker, m.slot, self._live.folder / f"{m.worker.name}.{m.incarnation}.journal",
                    found.get(m.worker.name))
            for m in living
        ]  # fmt: skip
        why = standstill(self._plan.hang_after_ns, waits)
        self._chronicle.add("hang", "error", why=why, workers=waits)
        self._order_stop(Status.FAILED, why)

    def _obey_signals(self) -> None:
        for number in self._signals.fresh():
            if self._stop.interrupt(number):
                self._pass_on_stop()
            else:
                self._kill_all()

    def _order_stop(self, status: Status, reason: str) -> None:
        if self._stop.order(status, reason):
            self._pass_on_stop()

    def _pass_on_stop(self) -> None:
        for queue in self._queues.values():
            queue.end()
        for member in self._living.values():
            member.tell_to_stop()

    def _urge(self) -> None:
        """Once a tick, remind who was told to stop and still waits, and kill who has used up the grace."""
        if monotonic() < self._urge_at:
            return
        self._urge_at = monotonic() + _TICK_MS / 1000
        for member in self._living.values():
            if member.told is not None:
                state = member.slot.state
                if overdue(member.told, calling=state is State.CALLING):
                    member.kill()
                elif state in _BLOCKED:
                    member.urge()

    def _bury(self, member: Member) -> None:
        """A worker has ended: enter how, and draw the consequences."""
        code = member.exit_code()
        if code is None:
            return
        self._poll.unregister(member.death)
        del self._living[member.death]
        member.close()
        state, name = member.slot.state, member.worker.name
        died = member.died(code)
        last = None
        if not state.ended:
            goes_on = died and self._stop.at is None and self._plan.on_death.policy is not OnDeath.FAIL
            left = self._recovery.bury(member.worker, member.incarnation, member.slot, hand_out=goes_on)
            last = left.last(member.worker)
        self._chronicle.add("worker.exit", "info" if code == 0 else "warning", **member.ending(code))
        if code == WorkerExit.DISK and state is State.FAILED:  # user code may exit with that, too
            self._order_stop(Status.FAILED, unwritten(name, self._live.folder))
        elif state is State.FAILED:
            self._order_stop(Status.FAILED, f"{name} failed")
        elif died:
            self._answer_death(member, code, last)
        if self._stop.at is None and member.worker.group.source is not None and not member.replaced:
            self._look_after(member.worker.group.source)

    def _answer_death(self, member: Member, code: int, last: str | None) -> None:
        held = last if member.worker.group.source is not None else None
        how = f"{member.how(code)} {f'with {held} in hand' if held else f'while {member.slot.state.name.lower()}'}"
        if code == -signal.SIGKILL and member.overdue is None and self._memory.fresh():
            how += "; the kernel killed for lack of memory"
        name = member.worker.name
        why = f"{name} {how}"
        self._chronicle.add("worker.died", "error", worker=name, incarnation=member.incarnation, why=why, item=last)
        if self._stop.at is not None:
            return
        what, also = answer(self._plan.on_death, member.incarnation, closed=member.slot.closed)
        if what is Answer.STOP:
            self._order_stop(Status.FAILED, f"{why}{also}{self._advice()}")
        elif what is Answer.REPLACE:
            self._replace(member, why)

    def _advice(self) -> str:
        locked = [queue.kind for queue in self._plan.queues if queue.name not in self._recovery.queues]
        return f"; {locked[0]} cannot be repaired after a death, kind pipe can" if locked else ""

    def _replace(self, member: Member, why: str) -> None:
        member.replaced = True
        worker, incarnation = member.worker, member.incarnation + 1
        self._chronicle.add("worker.restart", "warning", worker=worker.name, incarnation=incarnation, why=why)
        member.slot.begin_again()
        self._start(worker, incarnation, self._recovery.resume(worker))

    def _look_after(self, queue: str) -> None:
        """Once every reader of a queue has ended, whoever still puts there is stopped."""
        readers = [member for member in self._current() if member.worker.group.source == queue]
        yet_to_start = sum(group.count for group in self._plan.readers(queue)) - len(readers)
        if yet_to_start or any(member.alive for member in readers):
            return
        # Who was told to stop, and was too young to obey, is not missed.
        dead = [member for member in readers if not member.slot.state.ended and member.told is None]
        self._tend()
        if dead and queue in self._recovery.queues and not self._streams.exhausted(queue):
            self._order_stop(Status.FAILED, f"queue {queue} has lost its last reader, {dead[-1].worker.name}")
        for member in self._current():
            if member.alive and member.worker.group.target == queue and not member.slot.closed:
                member.tell_to_stop()

    def _kill_all(self) -> None:
        """SIGKILL whoever is left, and wait for the deaths."""
        left = list(self._living.values())
        if left:
            self._stop.order(Status.FAILED, "the run was broken off")
        for member in left:
            member.kill()
        while left:
            connection.wait([member.process.sentinel for member in left], timeout=1)
            for member in left:
                self._bury(member)
            left = [member for member in left if member.alive]
