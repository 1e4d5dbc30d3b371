"""The warm-up of a run: what of its books lies before, so that figures can leave it out.

    log --events before--> books --mark: what are the sums? forget the durations--events after--> books
                                                           +--> figures: sums less these, durations since

What returned before the end of the warm-up is left out, what returned after it is a sample, whole. Only shares of time
(busy, wait, sleep, depth) are cut at that very instant: of an operation or a service that was going on then, the part
before it is left out. Audit, counts of items and the makespan know no warm-up.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from runner.analysis.accounts import CONSUMER, FAR, PRODUCER
from runner.analysis.depth import depths
from runner.log.events import Done, Get, Put

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from runner.analysis.accounts import QueueAccount, WorkerAccount
    from runner.log.events import Event

_OPERATIONS: Final = {PRODUCER: (Put,), CONSUMER: (Get, Done)}


@dataclass(slots=True)
class QueueBefore:
    """Of one queue before the mark: the area under the number of items in it."""

    residence_ns: int = 0


@dataclass(slots=True)
class WorkerBefore:
    """Of one worker before the mark; `began`: whether a producer had begun to put."""

    done: int = 0
    busy_ns: int = 0
    blocked_ns: int = 0
    starved_ns: int = 0
    sleep_ns: int = 0
    began: bool = False


class Warmup:
    """Notes the books as they stand when the warm-up ends; all is 0 where there is none.

    Attributes:
        ns: How long it takes, from the start gate on.

    Args:
        ns: How long it takes.
    """

    def __init__(self, ns: int = 0) -> None:
        self.ns = max(0, ns)
        self._queues: dict[str, QueueBefore] = {}
        self._workers: dict[str, WorkerBefore] = {}
        self._awaited: set[tuple[type[Event], str]] = set()
        self.is_over = self.ns == 0

    @property
    def concerns(self) -> bool:
        """Whether it has anything to do with what is booked next."""
        return not self.is_over or bool(self._awaited)

    def length(self, events: Sequence[Event]) -> int:
        """How many of these events, which follow one another in time, lie before its end."""
        return bisect_left(events, self.ns, key=attrgetter("t_ns"))

    def mark(self, queues: Iterable[QueueAccount], workers: Iterable[WorkerAccount]) -> None:
        """Note how the books stand; to be called once, as everything before its end is booked.

        Args:
            queues: All of them.
            workers: All of them.
        """
        self.is_over = True
        for queue in queues:
            self._queues[queue.name] = QueueBefore(self._area(queue))
        for worker in workers:
            slept, began = worker.sleep_ns, worker.role == PRODUCER and worker.first_began_ns != FAR
            if began:
                slept += self.ns - worker.first_began_ns - (worker.wait_ns - worker.waited_before_ns)
            self._workers[worker.name] = WorkerBefore(
                worker.done, worker.busy_ns, worker.blocked_ns, worker.starved_ns, slept, began
            )
            self._awaited |= {(kind, worker.name) for kind in _OPERATIONS.get(worker.role, (Get, Put, Done))}

    def _area(self, queue: QueueAccount) -> int:
        """What is in the queue at the mark has been there for some time."""
        waiting = sum(self.ns - queue.returned[place] for place in queue.waiting.values())
        again = sum(self.ns - handout.t_ns for handout in queue.handouts.values() if handout.waits)
        return queue.residence_ns + waiting + again

    def cut(self, events: Sequence[Event]) -> None:
        """Of what each worker was at when the warm-up ended, leave out the part before; these events come after."""
        awaited = self._awaited
        for event in events if awaited else ():
            if not isinstance(event, Put | Get | Done) or (type(event), event.worker) not in awaited:
                continue
            if isinstance(event, Put) and event.recovered:
                continue
            awaited.remove((type(event), event.worker))
            before = self._workers[event.worker]
            lasted = event.service_ns if isinstance(event, Done) else event.wait_ns
            part = max(0, self.ns - (event.t_ns - lasted))
            if isinstance(event, Done):
                before.busy_ns += part
            elif isinstance(event, Get):
                before.starved_ns += part
            else:
                before.blocked_ns += part
                before.sleep_ns -= part if before.began else 0
            if not awaited:
                return

    def of_queue(self, name: str) -> QueueBefore:
        """What lies before its end, of a queue."""
        return self._queues.get(name) or QueueBefore()

    def of_worker(self, name: str) -> WorkerBefore:
        """What lies before its end, of a worker."""
        return self._workers.get(name) or WorkerBefore()

    def window_ns(self, makespan_ns: int) -> int:
        """What is left of a makespan."""
        return max(0, makespan_ns - self.ns)

    def deepest(self, returned: Sequence[int], get_began: Collection[int]) -> int:
        """How many items a queue held at most since then; as `depths`, whose arguments these are."""
        at_once = bisect_left(returned, self.ns) - sum(instant < self.ns for instant in get_began)
        later = (depth for at, depth in zip(returned, depths(returned, get_began), strict=True) if at >= self.ns)
        return max(0, at_once, max(later, default=0))
