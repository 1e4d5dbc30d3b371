"""Why a real run and its simulation end at different instants: the gap, split into parts that add up to it.

    simulated makespan
      + ties             the real run's decisions, at simulated times: which worker took which item, in what order
      + oversleeping     pauses and services as long as they really were
      + operations       puts and gets as long as they really took, beyond what they had to wait for
      + start-up         each worker's first operation when it really began
      + rest             what then is missing: Python between two operations, and whatever the graph does not know
    = real makespan

Each part is the difference of two makespans of the same graph (`Course`), of which the second has one more kind of real
times. So what does not delay the end counts for nothing, and what two kinds delay together counts for the later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.analysis.course import works

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.analysis.course import Course

PARTS: Final[Mapping[str, str]] = {
    "ties": "ties decided otherwise",
    "oversleeping": "oversleeping",
    "operations": "time in the queue operations",
    "start_up": "start-up",
    "rest": "the rest",
}
"""Each part in words."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A real makespan against the simulated one; all in ns, positive where reality took longer.

    Attributes:
        simulated, real: The two makespans.
        ties, oversleeping, operations, start_up, rest: The parts; their sum is the gap.
        simultaneous: Simulated events that come by themselves while another worker's does.
        instants: At so many instants.
        moved: Gets that another worker made than in the simulation.
        gets: Gets of the same item in both.
    """

    simulated: int
    real: int
    ties: int
    oversleeping: int
    operations: int
    start_up: int
    rest: int
    simultaneous: int
    instants: int
    moved: int
    gets: int

    @property
    def total(self) -> int:
        """The real makespan less the simulated one."""
        return self.real - self.simulated

    @property
    def dominant(self) -> str:
        """The largest part, whatever its sign."""
        return max(PARTS, key=lambda part: abs(getattr(self, part)))


def gap(simulated: Course, real: Course) -> Gap:
    """Split the gap between a real run and the simulation of the same plan."""
    planned, between, taken = _times(simulated, real)
    itself = [0 if o.delivery > 1 else ns for o, ns in zip(real.operations, real.itself, strict=True)]
    no_time = [0] * len(itself)
    decided = real.played(planned, between, no_time, simulated.starts)
    slept = real.played(taken, between, no_time, simulated.starts)
    operated = real.played(taken, between, itself, simulated.starts)
    started = real.played(taken, between, itself, real.starts)
    simultaneous, instants = simulated.simultaneous()
    moved, gets = _moved(simulated, real)
    return Gap(
        simulated=simulated.makespan,
        real=real.makespan,
        ties=decided - simulated.makespan,
        oversleeping=slept - decided,
        operations=operated - slept,
        start_up=started - operated,
        rest=real.makespan - started,
        simultaneous=simultaneous,
        instants=instants,
        moved=moved,
        gets=gets,
    )


def _times(simulated: Course, real: Course) -> tuple[list[int], list[int], list[int]]:
    """Before each operation: the work as simulated, what else lay there in the simulation, the work as it was.

    A service is drawn for a group: where another one did the item than in the simulation, its own draw is planned.
    """
    known = works(simulated)
    planned, between, taken = [], [], []
    for operation in real.operations:
        own = operation.work if operation.planned is None else operation.planned
        group, work, beside = known.get(operation.key or ("", ""), (None, own, 0))
        work = work if group == operation.group else own
        planned.append(work)
        between.append(beside)
        taken.append(operation.work if work or operation.slept else 0)  # else it is Python's time, not sleep
    return planned, between, taken


def _moved(simulated: Course, real: Course) -> tuple[int, int]:
    takers, others = _takers(simulated), _takers(real)
    both = takers.keys() & others.keys()
    return sum(takers[key] != others[key] for key in both), len(both)


def _takers(course: Course) -> dict[tuple[str, str], str]:
    return {(o.queue, o.item): o.worker for o in course.operations if o.kind == "get" and o.delivery == 1}
