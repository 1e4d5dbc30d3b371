"""A kind of queue for mprun, as a package may bring one: items are files in a folder.

Whoever gets an item renames its file first, which only one process can do. No process shares a lock with another.
"""

from __future__ import annotations

import os
import pickle
import time
from typing import TYPE_CHECKING, ClassVar

from runner.envelope import Envelope
from runner.queues.contract import pickled, unpickled

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import BaseContext
    from pathlib import Path

    from runner.planning.plan import QueuePlan

LOOK_AGAIN_S = 0.002


class SpoolQueue:
    """The supervisor's side. The attributes tell mprun what may be asked of the kind."""

    fifo: ClassVar[bool] = False  # two producers may put at once, and their clocks decide
    repairable: ClassVar[bool] = False
    largest_maxsize: ClassVar[int | None] = 0  # nobody counts the files

    def __init__(self, plan: QueuePlan, context: BaseContext, folder: Path, writers: int) -> None:
        self.capacity: int | None = None
        self.folder = folder / f"spool-{plan.name}"
        self.folder.mkdir()
        self.writers = writers

    def connector(self, worker: int, incarnation: int, *, writes: bool) -> SpoolConnector:
        return SpoolConnector(self.folder, worker, self.writers)

    def descriptors(self) -> tuple[int, ...]:
        return ()

    def depth(self) -> int | None:
        return None

    def end(self) -> None:
        pass

    def close(self) -> None:
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()


class SpoolConnector:
    """What travels to a worker, and there becomes its end."""

    descriptors: tuple[int, ...] = ()

    def __init__(self, folder: Path, worker: int, writers: int) -> None:
        self.folder = folder
        self.worker = worker
        self.writers = writers

    def writer(self, stopped: Callable[[], bool]) -> SpoolWriter:
        return SpoolWriter(self.folder, self.worker)

    def reader(self, stopped: Callable[[], bool]) -> SpoolReader:
        return SpoolReader(self.folder, self.writers)


class SpoolWriter:
    descriptors: tuple[int, ...] = ()

    def __init__(self, folder: Path, worker: int) -> None:
        self.folder = folder
        self.worker = worker

    def put(self, envelopes: list[Envelope]) -> int:
        envelope = envelopes[0]
        sent = (
            envelope.producer, envelope.seq, pickled(envelope), envelope.delivery, envelope.began, envelope.suffix,
            envelope.padding,
        )  # fmt: skip
        path = self.folder / f"new-{self.worker}"
        path.write_bytes(pickle.dumps(sent))
        path.rename(self.folder / f"item-{time.monotonic_ns():020}-{self.worker}")
        return 1

    def cut(self) -> None:
        pass  # a put never waits

    def close(self) -> None:
        (self.folder / f"closed-{self.worker}").touch()


class SpoolReader:
    descriptors: tuple[int, ...] = ()

    def __init__(self, folder: Path, writers: int) -> None:
        self.folder = folder
        self.writers = writers
        self.ended = False

    def get(self, limit: int) -> list[Envelope]:
        while not self.ended:
            names = [path.name for path in self.folder.iterdir()]
            all_closed = sum(name.startswith("closed-") for name in names) == self.writers
            items = sorted(name for name in names if name.startswith("item-"))
            if items and (taken := self.taken(items[0])):
                producer, seq, item, *others = pickle.loads(taken)
                return [Envelope(producer, seq, unpickled(item), *others)]
            if not items:
                self.ended = all_closed
                time.sleep(LOOK_AGAIN_S)
        return []

    def taken(self, name: str) -> bytes | None:
        mine = self.folder / f"taken-{os.getpid()}"
        try:
            (self.folder / name).rename(mine)
        except FileNotFoundError:
            return None  # another reader was faster
        return mine.read_bytes()

    def cut(self) -> None:
        self.ended = True
