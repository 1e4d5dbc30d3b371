"""A queue of the engine `ray` as the supervisor knows it: what its broker answers, and that the broker may be gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import ray
from ray.exceptions import GetTimeoutError, RayError

from runner.queues.broker import Remains
from runner.queues.sealed import parcel, readdressed

if TYPE_CHECKING:
    from runner.planning.plan import QueuePlan
    from runner.queues.broker import Collected, Holder
    from runner.queues.contract import Parcel
    from runner.queues.wire import Address

_PATIENCE_S: Final = 30.0
"""How long a broker may take to answer; it does nothing that takes long."""
_PLACED_WITHIN_S: Final = 60.0
_NOTHING: Final = Remains([], [], [])


class BrokerQueue:
    """See `Repairable`; calls wait for the broker's answer, and a broker that is gone answers nothing.

    Args:
        plan: Of the queue.
        actor: Its broker.

    Raises:
        RayError: The broker does not start.

    Attributes:
        address: Where workers find its broker.
        lost: Why there is no broker any more; None while there is one.
        pending: The call of `collect` that is under way.
    """

    def __init__(self, plan: QueuePlan, actor: Any) -> None:
        self.plan = plan
        self.actor = actor
        self.address: Address = ray.get(actor.open.remote(), timeout=_PLACED_WITHIN_S)
        self.lost: str | None = None
        self.pending: Any = None
        self._number = 0
        self._depth = 0
        self._remains: dict[Holder, Remains] = {}

    def collect(self) -> Any:
        """Ask for what is new; gives the reference of the answer, which `collected` is told."""
        self.pending = self.actor.collect.remote(self._number)
        return self.pending

    def collected(self, found: Collected) -> None:
        """The answer is there."""
        self.pending = None
        self._number, self._depth = found.number, found.depth

    def depth(self) -> int:
        """Items in the queue, when it last told."""
        return self._depth

    def bury(self, worker: int, incarnation: int) -> Remains:
        """Have the broker heed this incarnation no more; what it leaves."""
        remains: Remains = self._asked("bury", (worker, incarnation)) or _NOTHING
        self._remains[worker, incarnation] = remains
        return remains

    def remains(self, holder: Holder) -> Remains | None:
        """What was found at a burial; None: there was none."""
        return self._remains.get(holder)

    def begun(self, worker: int, incarnation: int) -> list[Parcel]:
        """See `Repairable.begun`; all of it has arrived."""
        return [parcel(ticket) for ticket in self._remains.get((worker, incarnation), _NOTHING).begun]

    def hand(self, worker: int, incarnation: int) -> list[Parcel]:
        """See `Repairable.hand`; nothing of it is done."""
        return [parcel(ticket) for ticket in self._remains.get((worker, incarnation), _NOTHING).hand]

    def again(self, of: Parcel, delivery: int, skip: int) -> Parcel:
        """See `Repairable.again`."""
        return readdressed(of, delivery, skip)

    def offer(self, parcels: list[Parcel]) -> int:
        """See `Repairable.offer`."""
        return self._asked("offer", [each.content for each in parcels]) or 0

    def drain(self) -> list[Parcel]:
        """Nothing: no put of a dead writer is in doubt."""
        return []

    def forget(self, count: int) -> None:
        """So many items that dead workers had in hand are not handed out again."""
        if count:
            self._asked("forget", count)

    def leave(self, worker: int) -> None:
        """A writer is dead, and nobody takes its place."""
        self._asked("leave", worker)

    def stop(self, holders: list[Holder] | None = None) -> None:
        """Let these put and get no more, or all."""
        if self.lost is None:
            self.actor.stop.remote(holders)

    def _asked(self, method: str, *arguments: Any) -> Any:
        if self.lost is not None:
            return None
        try:
            return ray.get(getattr(self.actor, method).remote(*arguments), timeout=_PATIENCE_S)
        except GetTimeoutError:
            self.lost = f"did not answer within {_PATIENCE_S:g} s"
        except RayError:
            self.lost = "is gone"
        return None
