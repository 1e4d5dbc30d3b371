"""Accounts kept while a log is read: one per worker, one per queue."""

from __future__ import annotations

import signal as signals
from array import array
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from runner.log.events import Get

FAR: Final = 1 << 62
"""An instant no event reaches."""


class Hold(Struct, gc=False):
    """An item in a worker's hands, from its get to its `done`.

    A Struct, because it is made once per item and a dataclass takes ten times as long to make.
    """

    get: Get
    line: int
    place: int
    """Of its put in the queue's columns; -1 until an overtaken put is seen."""
    origin_ns: int
    """When the producer's put of the item's root began."""


class WorkerAccount:
    """What one worker name did, over all its incarnations."""

    __slots__ = (
        "busy_ns",
        "children",
        "done",
        "exit_code",
        "exited_ns",
        "first_began_ns",
        "get_ns",
        "get_wait_ns",
        "gets",
        "group",
        "incarnations",
        "last_from",
        "last_id",
        "name",
        "number",
        "prefix",
        "put_ns",
        "put_wait_ns",
        "puts",
        "role",
        "sleep_ns",
        "source",
        "started_ns",
        "target",
        "wait_ns",
        "waited_before_ns",
    )

    def __init__(self, name: str, number: int, group: str, role: str, source: str | None, target: str | None) -> None:
        self.name = name
        self.number = number
        self.group = group
        self.role = role
        self.source = source
        self.target = target
        self.prefix = f"{name}:"
        self.started_ns = FAR
        self.exited_ns = FAR
        self.incarnations = 0
        self.exit_code: int | None = None
        self.puts = self.gets = self.done = 0
        self.busy_ns = self.wait_ns = self.sleep_ns = 0
        # The last operation: the events of a batch share its instant and its wait, which counts once.
        self.put_ns = self.put_wait_ns = self.get_ns = self.get_wait_ns = -FAR
        self.first_began_ns = FAR
        self.waited_before_ns = 0
        self.last_id = ""
        # Writer's number -> [place of its put, line of my get] of the last item that came from it.
        self.last_from: dict[int, list[int]] = {}
        # Stage: item in hand -> what was put of it.
        self.children: dict[str, set[str]] = {}

    def start(self, t_ns: int) -> None:
        """Begin an incarnation."""
        self.started_ns = t_ns
        self.exited_ns = FAR
        self.incarnations += 1

    def exit(self, t_ns: int, exit_code: int | None, signal: int | str | None) -> None:
        """End an incarnation; a signal becomes its negative number, as `multiprocessing` has it."""
        if exit_code is None and signal is not None:
            exit_code = -(signals.Signals[signal] if isinstance(signal, str) else signal)
        self.exit_code = exit_code
        self.exited_ns = t_ns
        self.rest_until(t_ns)

    def rest_until(self, t_ns: int) -> None:
        """Close the incarnation's time: what a producer did not spend in puts since its first, it paused."""
        if self.first_began_ns != FAR:
            waited = self.wait_ns - self.waited_before_ns
            self.sleep_ns += max(0, t_ns - self.first_began_ns - waited)
        self.first_began_ns = FAR
        self.waited_before_ns = self.wait_ns


class QueueAccount:
    """What went through one queue.

    Columns hold one entry per put or get in the order of the log; dicts hold items in flight only, so that a
    finished item costs some 60 bytes.
    """

    __slots__ = (
        "_seen",
        "_seen_until",
        "began",
        "deliveries",
        "early",
        "get_began",
        "get_wait",
        "hashes",
        "held",
        "latency",
        "lines",
        "max_depth",
        "maxsize",
        "name",
        "origins",
        "residence_ns",
        "returned",
        "upstream",
        "waiting",
        "writers",
    )

    def __init__(self, name: str, maxsize: int, upstream: tuple[str, ...] = ()) -> None:
        self.name = name
        self.maxsize = maxsize
        self.max_depth = 0
        # The queues of the stages that write here.
        self.upstream = upstream
        # One entry per put: when it began and returned, its line, its writer's number, its id's hash.
        self.began = array("q")
        self.returned = array("q")
        self.lines = array("I")
        self.writers = array("I")
        self.hashes = array("q")
        # Where a stage writes too, when the root's put began; elsewhere that is `began`.
        self.origins = array("q") if upstream else self.began
        # One entry per get.
        self.get_began = array("q")
        self.get_wait = array("q")
        self.latency = array("q")
        # Items in flight: put and not got (-> place in the columns), got before the put returned, got and not done.
        self.waiting: dict[str, int] = {}
        self.early: dict[str, Hold] = {}
        self.held: dict[str, Hold] = {}
        self.deliveries: dict[str, int] = {}
        self.residence_ns = 0
        self._seen: set[int] = set()
        self._seen_until = 0

    def was_put(self, item: str) -> bool:
        """Whether the id was put here before; for the rare suspicious case, since the first call takes long."""
        self._seen.update(self.hashes[self._seen_until :])
        self._seen_until = len(self.hashes)
        return hash(item) in self._seen
