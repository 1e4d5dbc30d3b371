"""How many items are in each queue, from put returned to get returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Key: TypeAlias = tuple[str, str, int]
"""Queue, id and delivery: what one put hands over to one get."""


class Depths:
    """Counts what is in each queue, and tells each change, once for all that happens at an instant.

    Args:
        tell: Called with queue, instant and depth.
    """

    def __init__(self, tell: Callable[[str, int, int], None]) -> None:
        self._tell = tell
        self._depths: dict[str, int] = {}
        self._told: dict[str, int] = {}
        self._changed: dict[str, int] = {}
        self._waiting: set[Key] = set()

    def put(self, key: Key, t_ns: int) -> None:
        """An item was put."""
        self._change(key[0], t_ns, 1)
        self._waiting ^= {key}

    def get(self, key: Key, t_ns: int) -> None:
        """An item was got; the log may tell that before it tells of the put."""
        self._change(key[0], t_ns, -1)
        self._waiting ^= {key}

    def redelivered(self, key: Key, t_ns: int) -> None:
        """An item was handed out again: another put. Whoever died may have taken the first unseen."""
        queue, item, delivery = key
        if (before := (queue, item, delivery - 1)) in self._waiting:
            self.get(before, t_ns)
        self.put(key, t_ns)

    def _change(self, queue: str, t_ns: int, by: int) -> None:
        changed = self._changed.get(queue)
        if changed is not None and changed != t_ns:
            self._show(queue, changed)
        self._depths[queue] = self._depths.get(queue, 0) + by
        self._changed[queue] = t_ns

    def _show(self, queue: str, t_ns: int) -> None:
        # A get may be logged before its put, which returned later: until then there is one less than none.
        depth = max(0, self._depths[queue])
        if self._told.get(queue) != depth:
            self._told[queue] = depth
            self._tell(queue, t_ns, depth)

    def end(self) -> None:
        """Tell the last changes."""
        for queue, t_ns in self._changed.items():
            self._show(queue, t_ns)
