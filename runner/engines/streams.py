"""The queues of a run as the supervisor tends them: what the dead left goes in again, and at the end the stream ends.

A stream ends late: when its writers are finished, nothing waits to be handed out, the queue is empty and every item
that was put is done. Then the supervisor closes its write end, and as nobody else has one, readers see the end. To end
it as soon as the writers finish would be right too, and would leave nobody to take over from readers that die late.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from runner.engines.board import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runner.engines.board import Board
    from runner.engines.recovery import Recovery
    from runner.planning.plan import Plan, WorkerPlan
    from runner.queues.contract import RepairableQueue

_SOON_MS: Final = 2
_LATER_MS: Final = 20
_PATIENCE_GROWS: Final = 1.5
"""While the last items are in work, each look comes so much later than the one before, up to `_LATER_MS`."""
_IDLE_S: Final = 1.0
"""So long every reader must have been idle at an empty queue whose account does not balance, before it ends."""


class Streams:
    """All queues that can be repaired, and what is open in each.

    Args:
        plan: Of the run.
        board: Of the run.
        queues: Those that can be repaired.
        recovery: What the dead left.
        readers: Gives all incarnations of the readers of a queue.
    """

    def __init__(
        self,
        plan: Plan,
        board: Board,
        queues: Mapping[str, RepairableQueue],
        recovery: Recovery,
        readers: Callable[[str], list[tuple[WorkerPlan, int]]],
    ) -> None:
        self._plan = plan
        self._board = board
        self._queues = queues
        self._recovery = recovery
        self._readers = readers
        self._open = set(queues)
        self._finished: set[str] = set()
        self._idle_since: dict[str, float] = {}
        self._patience = float(_SOON_MS)
        self._dones = -1

    def writers_finished(self, queue: str) -> None:
        """Note that nobody will put into a queue any more but the supervisor."""
        self._finished.add(queue)

    @property
    def waiting_for_writers(self) -> Iterable[str]:
        """Queues whose writers may not be finished."""
        return [name for name in self._queues if name not in self._finished]

    def tend(self) -> None:
        """Hand out what finds room; decide what can be; end what has ended."""
        self._recovery.deliver()
        for name, queue in self._queues.items():
            if self._recovery.pending(name):
                self._open.add(name)
            elif name in self._open and name in self._finished and not queue.depth():
                if self._recovery.undecided(name):
                    self._recovery.decide(name, self._readers(name))
                elif self.open_items(name) == 0 or self._idle(name):
                    queue.end()
                    self._open.discard(name)

    def _idle(self, name: str) -> bool:
        """Whether all readers have waited for an item for a while; ending a stream is never wrong, only early."""
        slots = [self._board.slot(worker.index) for worker, _ in self._readers(name)]
        if any(slot.state is not State.GETTING and not slot.state.ended for slot in slots):
            self._idle_since.pop(name, None)
            return False
        return monotonic() - self._idle_since.setdefault(name, monotonic()) > _IDLE_S

    def open_items(self, name: str) -> int:
        """Items put into a queue and neither done nor set aside."""
        return self._board.open_items(self._plan)[name] + self._recovery.correction(name)

    def exhausted(self, name: str) -> bool:
        """Whether nothing is left in a queue and nothing will come."""
        recovery = self._recovery
        return (
            name in self._finished
            and not recovery.pending(name)
            and not recovery.undecided(name)
            and not self._queues[name].depth()
            and self.open_items(name) == 0
        )

    def patience_ms(self, otherwise: int) -> int:
        """How long the supervisor may wait before it tends them again."""
        if any(self._recovery.pending(name) for name in self._queues):
            return _SOON_MS
        ending = [name for name in self._open if name in self._finished]
        if not ending:
            return otherwise
        dones = sum(self._board.slot(worker.index).dones for name in ending for worker, _ in self._readers(name))
        moved, self._dones = dones != self._dones, dones
        self._patience = _SOON_MS if moved else min(_LATER_MS, self._patience * _PATIENCE_GROWS)
        return _LATER_MS if any(self._queues[name].depth() for name in ending) else int(self._patience)

    def settle(self) -> None:
        """After the last worker: find out what became of the puts of dead writers, as far as anybody can."""
        for name, queue in self._queues.items():
            if self._recovery.undecided(name):
                self._recovery.decide(name, self._readers(name), queue.drain())

    @property
    def balanced(self) -> bool:
        """Whether every item of every queue is done."""
        if self._recovery.aside or self._board.any_skipped(self._plan):
            return False
        return not any(self.open_items(queue.name) for queue in self._plan.queues)
