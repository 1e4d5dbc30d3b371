"""Tickets in flight: what a worker is just putting, or has just got, in memory that outlives it.

    putting:  count = 0, tickets, count = n, write       what was begun is known; whether it arrived is not
    getting:  first words = 0, read straight to here     the kernel takes no ticket from the pipe before it is here

One small mapped file for each end of each worker incarnation; one writer, so no lock. A count, and the first word of a
ticket, is one aligned 8-byte store. As the kernel copies what it reads into this very memory, there is no instant at
which a ticket is neither in the pipe nor here.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Final

from runner.log.journal import allocate
from runner.queues.tickets import SIZE

if TYPE_CHECKING:
    from pathlib import Path

_HEAD: Final = 8
_WORDS: Final = SIZE // 8
MOST: Final = 128
"""Tickets there is room for: one write or read."""


def begun_path(folder: Path, worker: int, incarnation: int) -> Path:
    """Where an incarnation says what it is putting."""
    return folder / f"begun-{worker}.{incarnation}"


def hand_path(folder: Path, worker: int, incarnation: int) -> Path:
    """Where an incarnation has what it got."""
    return folder / f"hand-{worker}.{incarnation}"


class InFlight:
    """A worker's own side of such a file.

    Attributes:
        words: The count, then the tickets, as 64-bit words.
        map: The same as bytes.
        tickets: The bytes of the tickets alone.
    """

    def __init__(self, path: Path) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            allocate(file, 0, _HEAD + MOST * SIZE)
            self.map = mmap.mmap(file, _HEAD + MOST * SIZE)
        finally:
            os.close(file)
        self.words = memoryview(self.map).cast("q")
        self.tickets = memoryview(self.map)[_HEAD:]


def begun(path: Path) -> list[bytes]:
    """The tickets a dead worker was putting when it last put; empty where it never did."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    count = int.from_bytes(data[:_HEAD], "little") if len(data) > _HEAD else 0
    return [data[_HEAD + SIZE * k : _HEAD + SIZE * (k + 1)] for k in range(count)]


def hand(path: Path) -> list[bytes]:
    """The tickets a worker got last, all or some of which may be done; of a living worker, as of one instant."""
    try:
        data = path.read_bytes()
        while data != (again := path.read_bytes()):
            data = again
    except FileNotFoundError:
        return []
    tickets = [data[start : start + SIZE] for start in range(_HEAD, len(data), SIZE)]
    nothing = bytes(8)
    count = next((k for k, ticket in enumerate(tickets) if ticket[:8] == nothing), len(tickets))
    return tickets[:count]
