"""Journals that arrive in pieces, from workers that share no disk with the supervisor, and are written here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Arrivals:
    """Appends what arrives, whatever arrives twice; raises OSError when the disk is full.

    Args:
        folder: Where the journals are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[tuple[str, int], int] = {}
        self._written: dict[tuple[str, int], int] = {}

    def write(self, worker: str, incarnation: int, offset: int, records: bytes) -> None:
        """Append records that begin at this offset of the journal, as far as they are not there."""
        key = worker, incarnation
        written = self._written.get(key, 0)
        if key not in self._files:
            path = self._folder / f"{worker}.{incarnation}.journal"
            self._files[key] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        if offset > written:
            raise AssertionError(f"{worker}.{incarnation}: nobody has records {written} to {offset}")
        fresh = memoryview(records)[written - offset :]
        while fresh:
            count = os.write(self._files[key], fresh)
            written = self._written[key] = written + count
            fresh = fresh[count:]

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()
