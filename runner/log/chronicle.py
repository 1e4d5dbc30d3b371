"""The supervisor's own events: kept in memory for the log, and on disk at once for whoever comes after its death."""

from __future__ import annotations

import json
import os
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "supervisor.jsonl"


class Chronicle:
    """What happened to the run and its workers, in order.

    Attributes:
        entries: (instant in ns of the monotonic clock, event without its instant).
        failure: Why its file is not whole: the disk is full. Whoever is at work on ending a run must not stumble on it.
    """

    def __init__(self, folder: Path) -> None:
        self.entries: list[tuple[int, dict[str, Any]]] = []
        self.failure: OSError | None = None
        self._file = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)

    def add(self, event: str, level: str = "info", *, instant: int = 0, **keys: Any) -> None:
        """Enter an event as of now, or of the instant just read."""
        entry = {"event": event, "level": level, **keys}
        instant = instant or monotonic_ns()
        self.entries.append((instant, entry))
        try:
            os.write(self._file, json.dumps({"instant": instant, **entry}).encode() + b"\n")
        except OSError as error:
            self.failure = self.failure or error

    def amend(self, event: str, key: str, value: Any, **keys: Any) -> None:
        """Correct what was entered of such events where `key` has this value, for the log that is yet to be written.

        Its file keeps what was known at first.
        """
        for _, entry in self.entries:
            if entry["event"] == event and entry.get(key) == value:
                entry.update(keys)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
