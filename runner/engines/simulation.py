"""The engine `simulation`: the same plan, steps and draws in virtual time.

    calendar --turn--> simulated worker --steps--> queues, processors, calendar
                              +--> records, in order --> event log, or analysis, or both

It writes no journals: what happens is told in the order in which it happens, and whoever asked takes it in chunks, so
memory is bounded by workers and depths and not by items. Simultaneous events come in the order (instant, plan order);
a worker that has its turn goes on until it has to wait.
"""

from __future__ import annotations

import gc
from time import monotonic
from typing import TYPE_CHECKING, Final

from runner.engines.contract import Status
from runner.engines.simulation_crew import Crew
from runner.log.events import SCHEMA
from runner.planning.resolve import summary_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runner.engines.contract import Outcome, SimulationWatch
    from runner.engines.signals import Signals
    from runner.log.sequence import Record
    from runner.planning.plan import Plan

_TURNS: Final = 1 << 11
"""Between two looks at the clock on the wall and at signals."""


class Simulation:
    """One simulation of a plan, to be gone through once.

    Attributes:
        outcome: How it ended, once it has.
        rounds: How many rounds of turns were played.
        ties: As given.

    Args:
        plan: What is simulated.
        run: The run's name in the log; None: it has none.
        signals: What may interrupt it.
        watch: Looks at it while it goes on.
        again: The same simulation, which has been gone through: this one ends where that one did, whatever the time.
        ties: Seeds the chance by which turns at one instant, and writers who wait for room, are put in order; None: in
            the order of the plan and of how long they waited, as a log promises.
    """

    def __init__(
        self,
        plan: Plan,
        run: str | None,
        signals: Signals | None = None,
        *,
        watch: SimulationWatch | None = None,
        again: Simulation | None = None,
        ties: int | None = None,
    ) -> None:
        self._plan = plan
        self._run = run
        self._signals = signals
        self._watch = watch
        self._again = again
        self.ties: int | None = ties if again is None else again.ties
        self.outcome: Outcome | None = None
        self.rounds = 0

    def chunks(self) -> Iterator[list[Record]]:
        """What happens, in order, some thousands of records at a time."""
        crew = Crew(self._plan, self.ties)
        plan = self._plan
        crew.tell(
            "run.start", run=self._run, name=plan.name, seed=plan.seed, engine="simulation",
            start_method=plan.start_method, config_digest=plan.config_digest, plan_digest=plan.plan_digest,
            schema=SCHEMA, **summary_of(plan),
        )  # fmt: skip
        crew.start()
        deadline = None if plan.timeout_ns is None else monotonic() + plan.timeout_ns / 1e9
        while True:
            yield crew.records[:]
            crew.records.clear()
            if not self._play(crew, deadline):
                break
        crew.look_for_the_hung()
        self.outcome = crew.end()
        yield crew.records

    def _play(self, crew: Crew, deadline: float | None) -> bool:
        """A round of turns; False where it was the last."""
        self._interrupt(crew, deadline)
        if self._watch is not None:
            self._watch.look(crew)
        self.rounds += 1
        return crew.stop.at is None and crew.calendar.play(_TURNS) and crew.stop.at is None

    def _interrupt(self, crew: Crew, deadline: float | None) -> None:
        """Stop where the wall clock or a signal says so; when gone through again, where it was stopped before."""
        if self._again is not None:
            before = self._again.outcome
            if before is not None and before.status in _FROM_OUTSIDE and self._again.rounds == self.rounds + 1:
                crew.order_stop(before.status, before.reason or "", before.signal)
            return
        for number in self._signals.fresh() if self._signals is not None else ():
            crew.interrupt(number)
        if deadline is not None and monotonic() > deadline:
            crew.order_stop(Status.TIMEOUT, f"timed out after {(self._plan.timeout_ns or 0) / 1e9:g} s")


_FROM_OUTSIDE: Final = (Status.TIMEOUT, Status.INTERRUPTED)


def run(simulation: Simulation, take: Callable[[list[Record]], None]) -> Outcome:
    """Go through a simulation, giving every chunk of records away."""
    collecting = gc.isenabled()
    gc.disable()  # as for a log being written: millions of tuples, and no cycle
    try:
        for chunk in simulation.chunks():
            take(chunk)
    finally:
        if collecting:
            gc.enable()
    assert simulation.outcome is not None  # noqa: S101 - it has been gone through
    return simulation.outcome
