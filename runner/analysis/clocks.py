"""How exactly the instants of a log can be compared: on a cluster each node has its own clock.

An instant of a worker is exact to ± the uncertainty of its node against the driver's clock, into which all were
translated; between two workers of one node it is exact. What was not logged by a worker may have been stamped on any
node. So of two instants that contradict each other by less than `between` says, nothing can be said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.analysis.accounts import RECOVERED
from runner.log.events import WorkerStart

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.analysis.accounts import QueueAccount
    from runner.log.events import Event


def uncertain(events: Iterable[Event]) -> bool:
    """Whether one of these events says that a clock is."""
    return any(isinstance(event, WorkerStart) and event.clock_uncertainty_ns for event in events)


class Clocks:
    """Takes every `worker.start`; all instants are exact until one says otherwise.

    Attributes:
        largest_ns: Of all uncertainties.
        names: Workers by the number of their account.
    """

    def __init__(self) -> None:
        self.largest_ns = 0
        self.names: list[str] = []
        self._nodes: dict[str, str | None] = {}
        self._uncertainties: dict[str, int] = {}

    def enter(self, event: WorkerStart) -> None:
        """Note what an incarnation says: a worker is as uncertain as the worst of its own, nowhere once it moved."""
        name = event.worker
        uncertainty = event.clock_uncertainty_ns or 0
        if self._nodes.setdefault(name, event.node) != event.node:
            self._nodes[name] = None
        self._uncertainties[name] = max(uncertainty, self._uncertainties.get(name, 0))
        self.largest_ns = max(uncertainty, self.largest_ns)

    def of(self, worker: str | None) -> int:
        """By how much an instant of a worker may differ from the driver's clock, in ns; None: not a worker's."""
        return self.largest_ns if worker is None else self._uncertainties.get(worker, 0)

    def between(self, one: str | None, other: str | None) -> int:
        """By how much two instants may be farther apart, or closer, than they look, in ns."""
        node = None if one is None or other is None else self._nodes.get(one)
        return 0 if node is not None and node == self._nodes.get(other or "") else self.of(one) + self.of(other)

    def latency(self, queue: QueueAccount, place: int, reader: str) -> int:
        """By how much a latency may be wrong, in ns: from a put, by its place in the columns, to a worker's get."""
        number = queue.writers[place]
        return self.between(self.names[number] if number < RECOVERED else None, reader)

    def together(self, workers: Iterable[str]) -> bool:
        """Whether all these workers are, and were, on one node, or have exact clocks."""
        workers = list(workers)
        nodes = {self._nodes.get(name) for name in workers}
        return not any(map(self.of, workers)) or (len(nodes) == 1 and None not in nodes)
