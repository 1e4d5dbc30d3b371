"""A worker on a Ray cluster as the supervisor knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import ray

from runner.engines.board import FINISH, STOP
from runner.engines.entries import about
from runner.engines.patience import ItemTimeout

if TYPE_CHECKING:
    from runner.engines.board import Slot
    from runner.planning.plan import WorkerPlan
    from runner.queues.broker import Holder


@dataclass(slots=True)
class RayHand:
    """One incarnation.

    Attributes:
        worker: Who it is.
        incarnation: From 1.
        slot: Its slot on the board.
        actor: Its actor.
        before: Puts and gets of its former incarnations.
        node: Where it is; empty before that is known.
        pid: Its process's, on that node.
        alive: Whether it has not been seen to end.
        died: Whether it has come to no end of its own, though nobody ordered one.
        replaced: Whether another incarnation has taken its place.
        told_at: When it was told to stop (`time.monotonic`).
        killed: Whether we killed it at the run's end.
        overdue: Why we killed it in the middle of the run.
        patience: Tells when it has worked on one item for too long.
    """

    worker: WorkerPlan
    incarnation: int
    slot: Slot
    actor: Any
    before: tuple[int, int]
    node: str = ""
    pid: int | None = None
    alive: bool = True
    died: bool = False
    replaced: bool = False
    told_at: float | None = None
    killed: bool = False
    overdue: str | None = None
    patience: ItemTimeout = field(init=False)

    def __post_init__(self) -> None:
        self.patience = ItemTimeout(self.worker, self.slot)

    @property
    def holder(self) -> Holder:
        """How brokers know it."""
        return self.worker.index, self.incarnation

    def tell_to_stop(self) -> None:
        """Order it to stop; whoever waits at a broker has to be woken there besides."""
        if self.told_at is None:
            self.told_at = monotonic()
            self.slot.stop()
            self.actor.tell.remote(STOP)

    def tell_to_finish(self) -> None:
        """Order a producer to begin no further item."""
        self.slot.finish()
        self.actor.tell.remote(FINISH)

    def kill(self) -> None:
        """End its process at once."""
        self.killed = True
        ray.kill(self.actor)

    def watch_item(self) -> None:
        """Kill it where it has worked on one item for longer than its group may."""
        if self.alive and self.told_at is None and self.overdue is None and self.patience.is_over():
            self.overdue = f"was killed for working on one item for longer than {self.patience.words}"
            ray.kill(self.actor)

    @property
    def about(self) -> dict[str, Any]:
        """The keys of `worker.start` and `worker.exit` that say who it is."""
        return about(self.worker, self.incarnation, self.pid)
