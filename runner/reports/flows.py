"""The way of items from put to get, as arrows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.reports.depths import Key
    from runner.reports.tracewriter import TraceWriter, Track

_NEVER: Final = -(1 << 62)


class Flows:
    """Joins each put to its get, whichever the log tells first.

    An arrow is written when both ends are known, so none has a loose end.
    """

    def __init__(self, writer: TraceWriter) -> None:
        self._writer = writer
        self._puts: dict[Key, tuple[Track, int]] = {}
        self._gets: dict[Key, tuple[Track, int]] = {}
        self._count = 0

    def latest(self, keys: Iterable[Key]) -> int:
        """When the last of the puts of these began, as drawn, as far as they are known."""
        return max((self._puts[key][1] for key in keys if key in self._puts), default=_NEVER)

    def put(self, key: Key, track: Track) -> None:
        """An item was put, from the beginning of the track's last operation on."""
        got = self._gets.pop(key, None)
        if got is None:
            self._puts[key] = (track, track.began)
        else:
            self._arrow((track, track.began), got)

    def redelivered(self, key: Key, track: Track) -> None:
        """An item was handed out again: another put. Whoever died may have taken the first unseen."""
        queue, item, delivery = key
        self._puts.pop((queue, item, delivery - 1), None)
        self.put(key, track)

    def get(self, key: Key, track: Track) -> None:
        """An item was got, at the end of the track's last operation."""
        put = self._puts.pop(key, None)
        if put is None:
            self._gets[key] = (track, track.ended - 1)
        else:
            self._arrow(put, (track, track.ended - 1))

    def _arrow(self, put: tuple[Track, int], got: tuple[Track, int]) -> None:
        self._count += 1
        self._writer.arrow(self._count, put, got)
