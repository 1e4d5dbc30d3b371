"""A journal whose records are sent away instead of kept: for workers that share no disk with the supervisor.

    worker --log--> windows in memory --take--> bytes --(a report)--> supervisor, who appends them to the journal's file

What `take` gives out, put together in order, is a journal as `runner.log.journal` reads it. Instants are translated on
the way in: the worker stamps by the clock of its node, the log counts by that of the supervisor's.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from runner.log.journal import JournalWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.envelope import Envelope

_WINDOW: Final = 48 << 10
"""Whole slots: a record fits what is left of a window, or nothing is left."""


class JournalBuffer(JournalWriter):
    """Appends records in memory; one thread logs, any may take.

    Args:
        shift: What is added to every instant, in ns: the supervisor's clock minus this node's.
    """

    __slots__ = ("_full", "_lock", "_shift", "_taken")

    def __init__(self, shift: int = 0) -> None:
        self._lock = Lock()
        self._full: list[bytes] = []
        self._taken = 0
        self._shift = shift
        self._base = 0
        self._map = self._mapped(_WINDOW)

    def _mapped(self, size: int) -> Any:
        self._limit = size
        self._position = 0
        return bytearray(size)

    def log(self, kind: int, envelope: Envelope, instant: int, first: int, second: int | None) -> None:
        """See `JournalWriter.log`; `instant` is of this node's clock."""
        super().log(kind, envelope, instant + self._shift, first, second)

    def log_packed(self, kind: int, items: bytes, instant: int, wait: int) -> None:
        """See `JournalWriter.log_packed`; `instant` is of this node's clock, those in the items are translated."""
        super().log_packed(kind, items, instant + self._shift, wait)

    def raw(self, instant: int, event: Mapping[str, Any]) -> None:
        """See `JournalWriter.raw`; `instant` is of this node's clock."""
        super().raw(instant + self._shift, event)

    def _next_window(self, needed: int) -> None:
        with self._lock:
            self._full.append(bytes(memoryview(self._map)[self._taken : self._position]))
            self._taken = 0
            self._map = self._mapped(max(_WINDOW, needed))

    def take(self) -> bytes:
        """The records since the last call: whole ones, as a record counts once the position is behind it."""
        with self._lock:
            end = self._position
            records = b"".join([*self._full, memoryview(self._map)[self._taken : end]])
            self._full.clear()
            self._taken = end
        return records

    @property
    def has_more(self) -> bool:
        """Whether there are records since the last `take`."""
        return bool(self._full) or self._position > self._taken

    def close(self) -> None:
        """Nothing to close."""
