"""The way of items from put to get, as arrows, and how many are on it, as counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.reports.tracewriter import TraceWriter, Track

Key: TypeAlias = tuple[str, str, int]
"""Queue, id and delivery: what one put hands over to one get."""

_NEVER: Final = -(1 << 62)


class Flows:
    """Joins each put to its get, whichever the log tells first, and counts what is in each queue.

    An arrow is written when both ends are known, so none has a loose end.
    """

    def __init__(self, writer: TraceWriter) -> None:
        self._writer = writer
        self._puts: dict[Key, tuple[Track, int]] = {}
        self._gets: dict[Key, tuple[Track, int]] = {}
        self._count = 0
        self._depths: dict[str, int] = {}
        self._shown: dict[str, int] = {}
        self._changed: dict[str, int] = {}

    def latest(self, keys: Iterable[Key]) -> int:
        """When the last of the puts of these began, as drawn, as far as they are known."""
        return max((self._puts[key][1] for key in keys if key in self._puts), default=_NEVER)

    def put(self, key: Key, t_ns: int, track: Track) -> None:
        """An item was put, at the beginning of the track's last operation."""
        self._change(key[0], t_ns, 1)
        got = self._gets.pop(key, None)
        if got is None:
            self._puts[key] = (track, track.began)
        else:
            self._arrow((track, track.began), got)

    def redelivered(self, key: Key, t_ns: int, track: Track) -> None:
        """An item was handed out again: another put. Whoever died may have taken the first unseen."""
        queue, item, delivery = key
        if self._puts.pop((queue, item, delivery - 1), None) is not None:
            self._change(queue, t_ns, -1)
        self.put(key, t_ns, track)

    def get(self, key: Key, t_ns: int, track: Track) -> None:
        """An item was got, at the end of the track's last operation."""
        self._change(key[0], t_ns, -1)
        put = self._puts.pop(key, None)
        if put is None:
            self._gets[key] = (track, track.ended - 1)
        else:
            self._arrow(put, (track, track.ended - 1))

    def _arrow(self, put: tuple[Track, int], got: tuple[Track, int]) -> None:
        self._count += 1
        self._writer.arrow(self._count, put, got)

    def _change(self, queue: str, t_ns: int, by: int) -> None:
        changed = self._changed.get(queue)
        if changed is not None and changed != t_ns:
            self._show(queue, changed)
        self._depths[queue] = self._depths.get(queue, 0) + by
        self._changed[queue] = t_ns

    def _show(self, queue: str, t_ns: int) -> None:
        # A get may be logged before its put, which returned later: until then there is one less than none.
        depth = max(0, self._depths[queue])
        if self._shown.get(queue) != depth:
            self._shown[queue] = depth
            self._writer.counter(queue, t_ns, depth)

    def end(self) -> None:
        """Write the last counts."""
        for queue, t_ns in self._changed.items():
            self._show(queue, t_ns)
