"""Accounts kept while a log is read: one per worker, one per queue."""

from __future__ import annotations

import signal as signals
from array import array
from operator import sub
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from runner.analysis.durations import Durations

if TYPE_CHECKING:
    from runner.log.events import Get, QueueFacts

PRODUCER: Final = "producer"
STAGE: Final = "stage"
CONSUMER: Final = "consumer"

FAR: Final = 1 << 62
"""An instant no event reaches."""

RECOVERED: Final = 1 << 31
"""From here on number the writers of recovered puts, each its own: their order binds nobody."""


class Hold(Struct, gc=False):
    """An item in a worker's hands, from its get to its `done`.

    A Struct, because it is made once per item and a dataclass takes ten times as long to make.
    """

    worker: WorkerAccount
    get: Get
    line: int
    place: int
    """Of its put in the queue's columns; -1 until an overtaken put is seen."""
    origin_ns: int
    """When the producer's put of the item's root began."""


class Handout(Struct):
    """An item that was handed out again, or is about to be."""

    delivery: int = 1
    """By the redeliveries so far."""
    t_ns: int = -FAR
    """When the last redelivery returned."""
    origin_ns: int = 0
    """When the producer's put of the item's root began."""
    waits: bool = False
    """Redelivered and not got since."""
    ahead: Get | None = None
    """A get that returned before its redelivery did, and its line."""
    ahead_line: int = 0
    previous: Hold | None = None
    """In whose hands the item was when that get took it."""


class WorkerAccount:
    """What one worker name did, over all its incarnations."""

    __slots__ = (
        "alive",
        "beyond",
        "blocked_ns",
        "busy_ns",
        "dead_ns",
        "deaths",
        "done",
        "done_ns",
        "due_ns",
        "exit_code",
        "exited_ns",
        "first_began_ns",
        "get_ns",
        "get_wait_ns",
        "gets",
        "group",
        "incarnations",
        "last_id",
        "last_line",
        "last_place",
        "last_size",
        "name",
        "number",
        "paced",
        "put_ns",
        "put_wait_ns",
        "puts",
        "relays",
        "role",
        "sleep_ns",
        "source",
        "started_ns",
        "starved_ns",
        "target",
        "used_before_ns",
        "waited_before_ns",
    )

    def __init__(
        self,
        name: str,
        number: int,
        group: str,
        role: str,
        source: QueueAccount | None,
        target: QueueAccount | None,
    ) -> None:
        self.name = name
        self.number = number
        self.group = group
        self.role = role
        self.relays = role == STAGE
        self.source = source
        self.target = target
        self.incarnations = 0
        self.started_ns = -FAR
        self.exited_ns = FAR
        # Whether an incarnation has started and not died; when the last one did; how many died, which may hide a get.
        self.alive = False
        self.dead_ns = -FAR
        self.deaths = 0
        self.used_before_ns = 0
        self.exit_code: int | None = None
        self.puts = self.gets = self.done = 0
        # Blocked in puts, starved in gets.
        self.busy_ns = self.blocked_ns = self.starved_ns = self.sleep_ns = 0
        # Instants of the last operations; the events of a batch share one and its wait, which counts once.
        self.put_ns = self.get_ns = self.done_ns = -FAR
        self.put_wait_ns = self.get_wait_ns = 0
        self.first_began_ns = FAR
        self.waited_before_ns = 0
        # Open pacing: how many of its puts have a lateness, when the last of them was due.
        self.paced = 0
        self.due_ns = -FAR
        # Producer: ids that begin with its name are below `beyond` (";" follows ":"); its last one, and how long.
        self.beyond = f"{name};"
        self.last_id = ""
        self.last_size = 0
        # Reader: writer's number -> place of the put of the last item that came from it, and line of my get; the
        # line is known only while gets have overtaken their puts, which is when it is asked for.
        self.last_place: dict[int, int] = {}
        self.last_line: dict[int, int] = {}

    @property
    def wait_ns(self) -> int:
        """Time in puts and gets."""
        return self.blocked_ns + self.starved_ns

    def start(self, t_ns: int, incarnation: int) -> None:
        """Begin an incarnation."""
        self.incarnations = max(incarnation, self.incarnations)
        self.started_ns = t_ns
        self.alive = True
        self.used_before_ns = self.wait_ns + self.busy_ns

    @property
    def used_ns(self) -> int:
        """Time spent in puts, gets and work since the start of the incarnation, all of it one after the other."""
        return self.wait_ns + self.busy_ns - self.used_before_ns

    def die(self, t_ns: int, incarnation: int | None) -> None:
        """Note that an incarnation, maybe one that never started, ended before its work did."""
        self.incarnations = max(self.incarnations, incarnation or 1)
        self.deaths += 1
        self.dead_ns = t_ns
        self.alive = False

    def exit(self, t_ns: int, exit_code: int | None, signal: int | str | None) -> None:
        """End an incarnation; a signal becomes its negative number, as `multiprocessing` has it."""
        killed = exit_code is None and signal is not None
        if killed:
            exit_code = _exit_code(signal)
        if (killed or exit_code) and self.alive:
            self.deaths += 1
        self.dead_ns = t_ns
        self.alive = False
        self.alive = False
        self.exit_code = exit_code
        self.exited_ns = t_ns
        self.rest_until(t_ns)

    def rest_until(self, t_ns: int) -> None:
        """Close the incarnation's time: what a producer did not spend in puts since its first, it paused."""
        if self.first_began_ns != FAR and self.role == PRODUCER:
            waited = self.wait_ns - self.waited_before_ns
            self.sleep_ns += max(0, t_ns - self.first_began_ns - waited)
        self.first_began_ns = FAR
        self.waited_before_ns = self.wait_ns
        self.last_size = 0


def _exit_code(signal: int | str | None) -> int | None:
    """The negative number of a signal; None for a name that is none here."""
    if isinstance(signal, str):
        number = signals.Signals.__members__.get(signal)
        return None if number is None else -number
    return None if signal is None else -signal


class QueueAccount:
    """What went through one queue.

    Columns hold one entry per put or get in the order of the log; dicts hold items in flight only, so that a
    finished item costs some 50 bytes. What nobody looks up meanwhile is gathered in lists first, which take an entry
    in a third of the time, and moved by `store`.
    """

    __slots__ = (
        "_seen",
        "_seen_until",
        "abandoned",
        "batch",
        "began",
        "blur_ns",
        "capacity",
        "children",
        "early",
        "fresh_gets",
        "fresh_ids",
        "fresh_recovered",
        "get_began",
        "get_returned",
        "get_wait",
        "handouts",
        "hashes",
        "held",
        "latency",
        "lines",
        "max_depth",
        "max_depth_warm",
        "maxsize",
        "name",
        "open_below_ns",
        "origins",
        "overtaken",
        "put_wait",
        "readers",
        "recovered",
        "redelivered",
        "residence_ns",
        "returned",
        "slipped",
        "unseen",
        "upstream",
        "waiting",
        "writers",
    )

    def __init__(self, name: str, facts: QueueFacts | None = None) -> None:
        self.name = name
        self.maxsize = facts.maxsize if facts else 0
        self.capacity = facts.capacity if facts else None
        self.batch = facts.batch if facts else 1
        # Over the whole run, and since the end of its warm-up.
        self.max_depth = self.max_depth_warm = 0
        # What the stages that write here read.
        self.upstream: list[QueueAccount] = []
        # One entry per put: when it began and returned, its line, its writer's number, its id's hash.
        self.began = array("q")
        self.returned = array("q")
        self.lines = array("I")
        self.writers = array("I")
        self.hashes = array("q")
        # Where a stage writes too, when the root's put began; elsewhere that is `began`.
        self.origins = self.began
        self.fresh_ids: list[str] = []
        # One entry per get.
        self.get_began = array("q")
        self.get_returned = array("q")
        # Number of each one's worker, from the first whose clock is uncertain on.
        self.readers = array("I")
        self.fresh_gets: list[Get] = []
        # Of puts without those that were logged long after they returned; of gets; since the end of the warm-up.
        self.put_wait, self.get_wait, self.latency = Durations(), Durations(), Durations()
        # Time in which items may have left the queue already, as the gets that took them had begun.
        self.open_below_ns = 0
        # By how much uncertain clocks may have changed the time that all items together were here.
        self.blur_ns = 0
        # Items in flight: put and not got (-> place in the columns), got before the put returned, got and not done.
        self.waiting: dict[str, int] = {}
        self.early: dict[str, Hold] = {}
        self.held: dict[str, Hold] = {}
        # What was put of an item that a stage has in hand.
        self.children: dict[str, set[str]] = {}
        # Items handed out again; instant and line of each redelivery; instants from which on an item may have been in
        # the hands of one who died before logging the get; line of a redelivery of what had not been put yet.
        self.handouts: dict[str, Handout] = {}
        self.redelivered: list[tuple[int, int]] = []
        self.slipped: list[int] = []
        self.unseen: dict[str, int] = {}
        # Puts that the supervisor logged, with their places; number of gets that returned before their put did.
        self.recovered: dict[str, int] = {}
        self.fresh_recovered: list[int] = []
        self.overtaken = 0
        # Places of what was put and called left, failed or lost without having been got.
        self.abandoned: list[int] = []
        self.residence_ns = 0
        self._seen: set[int] = set()
        self._seen_until = 0

    def add_upstream(self, queue: QueueAccount) -> None:
        """Note that a stage brings items from `queue`."""
        self.upstream.append(queue)
        self.origins = array("q")

    def store(self) -> None:
        """Move what was gathered into the columns."""
        first = len(self.hashes)
        waits = list(map(sub, self.returned[first:], self.began[first:]))
        while self.fresh_recovered:
            del waits[self.fresh_recovered.pop() - first]
        self.put_wait.take(waits)
        self.hashes.fromlist(list(map(hash, self.fresh_ids)))
        self.fresh_ids.clear()
        gets = self.fresh_gets
        returned, waits = [get.t_ns for get in gets], [get.wait_ns for get in gets]
        latencies = [get.latency_ns for get in gets]
        self.get_returned.fromlist(returned)
        self.get_began.fromlist(list(map(sub, returned, waits)))
        begun_before = zip(waits, latencies, strict=True)
        # `min` would be a call for each, and take three times as long.
        self.open_below_ns += sum([one if one < other else other for one, other in begun_before])  # noqa: FURB136
        self.get_wait.take(waits)
        self.latency.take(latencies)
        gets.clear()

    def forget_durations(self) -> None:
        """Leave out of the figures what was stored so far."""
        for durations in (self.put_wait, self.get_wait, self.latency):
            durations.forget()

    def was_put(self, item: str) -> bool:
        """Whether the id was put here before; for the rare suspicious case, since the first call takes long."""
        self.store()
        self._seen.update(self.hashes[self._seen_until :])
        self._seen_until = len(self.hashes)
        return hash(item) in self._seen
