"""The broker of a queue as an actor: what the supervisor asks it through Ray, while workers come to its desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ray

from runner.queues.broker import Broker
from runner.queues.wire import Desk

if TYPE_CHECKING:
    from runner.queues.broker import Collected, Holder, Remains
    from runner.queues.wire import Address


class RayBroker:
    """See `Broker`; its methods are coroutines because all of it lives in one event loop."""

    def __init__(self, maxsize: int, writers: int) -> None:
        self._broker = Broker(maxsize, writers)

    async def open(self) -> Address:
        """Listen for workers; gives where."""
        return await Desk(self._broker).open(ray.util.get_node_ip_address())

    async def collect(self, number: int) -> Collected:
        """See `Broker.collect`."""
        return self._broker.collect(number)

    async def bury(self, holder: Holder) -> Remains:
        """See `Broker.bury`."""
        return self._broker.bury(holder)

    async def offer(self, tickets: list[bytes]) -> int:
        """See `Broker.offer`."""
        return self._broker.offer(tickets)

    async def forget(self, count: int) -> None:
        """See `Broker.forget`."""
        self._broker.forget(count)

    async def leave(self, worker: int) -> None:
        """See `Broker.leave`."""
        self._broker.leave(worker)

    async def stop(self, holders: list[Holder] | None) -> None:
        """See `Broker.stop`."""
        self._broker.stop(holders)
