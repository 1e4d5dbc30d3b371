"""What a comparison needs of a run: every duration with the item it belongs to, in columns of numbers.

    events --> Reading.feed --> puts, gets, dones: one row each, in the order of the log

An item of a queue has one number, the same in all runs that are read with the same `Numbers`, so that a row of one run
finds its like in another without a text. A row takes some 30 bytes, an item of a queue some 90 in each run and 170
once for its name: a million items fit into half a gigabyte.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import compress
from typing import TYPE_CHECKING, Any, Final

from runner.analysis.accounts import CONSUMER, PRODUCER, STAGE
from runner.log.events import Done, Failed, Get, Left, Lost, Put, Redelivery, RunEnd, RunStart, WorkerStart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runner.log.events import Event

UNKNOWN: Final = -1
_FATES: Final[dict[Any, str]] = {Left: "left", Failed: "failed", Lost: "lost"}
_NEVER: Final = 1 << 62


class Numbers:
    """A number for each item of each queue, from 0 on."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, int]] = {}
        self.count = 0

    def of(self, queue: str, item: str) -> int:
        """The item's number in a queue; a new one where it was not asked for before."""
        items = self._of.setdefault(queue, {})
        number = items.get(item)
        if number is None:
            number = items[item] = self.count
            self.count += 1
        return number


class Rows:
    """Events of one kind.

    Attributes:
        items: Number of each one's item.
        parts: Which queue (of puts and gets) or group (of dones) it belongs to, as a place in `names`.
        names: Of the parts.
        ended: Instants, ns.
        figures: Durations by name, ns.
    """

    def __init__(self, *figures: str) -> None:
        self.items = array("I")
        self.parts = array("H")
        self.names: dict[str, int] = {}
        self.ended = array("q")
        self.figures = {name: array("q") for name in figures}

    def add(self, item: int, part: str, ended: int) -> None:
        """Begin a row; its figures are for the caller to append."""
        self.items.append(item)
        self.parts.append(self.names.setdefault(part, len(self.names)))
        self.ended.append(ended)

    def of(self, part: str, values: Iterable[int]) -> list[int]:
        """Of values, one for each row, those of the rows of this part."""
        return [*compress(values, self.chosen(part))]

    def first(self, since_ns: int) -> int:
        """Place of the first row that ended then or later; the log is in the order of time."""
        return bisect_left(self.ended, since_ns)

    def chosen(self, part: str) -> list[bool]:
        """For each row whether it is of this part."""
        place = self.names.get(part, UNKNOWN)
        return [each == place for each in self.parts]


class Reading:
    """A run as it was read.

    Attributes:
        start: Its `run.start`; None where there was none.
        status: Of its `run.end`; None where there was none.
        last_ns: Instant of the last put, get or done.
        counts: Puts of producers, dones of consumers, fates and redeliveries.
        puts, gets, dones: Its rows, those of the warm-up, too. Puts that the supervisor logged for the dead have none,
            as nobody knows how long those took.
        lateness: After the warm-up: (number of the item, how late its put was).
        finished: Its consumers' dones after the warm-up: (number in its queue of the item a producer put, instant).

    Args:
        numbers: Shared with the runs that this one is compared with.
    """

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers
        self.start: RunStart | None = None
        self.status: str | None = None
        self.last_ns = 0
        self.counts = dict.fromkeys(("put", "done", *_FATES.values(), "redelivered"), 0)
        self.puts = Rows("wait_put")
        self.gets = Rows("wait_get", "latency")
        self.dones = Rows("service", "planned")
        self.lateness: tuple[array[int], array[int]] = (array("I"), array("q"))
        self.finished: tuple[array[int], array[int], array[int]] = (array("I"), array("I"), array("q"))
        self._began = _Instants()
        self._returned = _Instants()
        self._besides: dict[str, list[int]] = {}
        self._roles: dict[str, tuple[str, str | None]] = {}
        self._targets: dict[str, str] = {}
        self._handlers: dict[Any, Callable[[Any], None]] = {
            Put: self._put, Get: self._get, Done: self._done, RunStart: self._run_start, RunEnd: self._run_end,
            WorkerStart: self._worker_start, Redelivery: self._redelivery, **dict.fromkeys(_FATES, self._fate),
        }  # fmt: skip

    def feed(self, events: Iterable[Event]) -> None:
        """Read further events."""
        handlers = self._handlers
        for event in events:
            if (handler := handlers.get(type(event))) is not None:
                handler(event)

    @property
    def since_ns(self) -> int:
        """Where the warm-up ends, which is left out of all figures but the makespan; 0 without one."""
        return max(0, self.start.warmup_ns) if self.start else 0

    @property
    def working(self) -> dict[str, int]:
        """Groups that work on items, and how many workers each has."""
        if self.start is None:
            return dict.fromkeys(self.dones.names, 0)
        return {name: group.count for name, group in self.start.groups.items() if group.role != PRODUCER}

    def sojourns(self) -> tuple[array[int], array[int]]:
        """Of each item that a consumer did: its number, and the time since its producer's put began."""
        began = self._began
        rows = [
            (item, ended - since)
            for item, root, ended in zip(*self.finished, strict=True)
            if (since := began.get(root)) is not None
        ]
        return array("I", [item for item, _ in rows]), array("q", [ns for _, ns in rows])

    def passages(self, queue: str) -> tuple[list[int], list[int]]:
        """When items came into a queue, as puts and redeliveries returned, and when they left it; both ascend.

        They left it as their get returned; where that was before their put returned, then.
        """
        came = self.puts.of(queue, self.puts.ended) + self._besides.get(queue, [])
        gets = zip(self.gets.of(queue, self.gets.items), self.gets.of(queue, self.gets.ended), strict=True)
        left = [max(ended, self._returned.get(item) or ended) for item, ended in gets]
        return sorted(came), sorted(left)

    def _run_start(self, event: RunStart) -> None:
        if self.start is None:
            self.start = event

    def _run_end(self, event: RunEnd) -> None:
        self.status = event.status

    def _worker_start(self, event: WorkerStart) -> None:
        if event.role is not None:
            self._roles[event.worker] = (event.group or group_of(event.worker), event.role)

    def _fate(self, event: Left | Failed | Lost) -> None:
        self.counts[_FATES[type(event)]] += 1

    def _redelivery(self, event: Redelivery) -> None:
        self.counts["redelivered"] += 1
        self._besides.setdefault(event.queue, []).append(event.t_ns)

    def _put(self, event: Put) -> None:
        item = self.numbers.of(event.queue, event.id)
        self._returned.note(item, event.t_ns, self.numbers.count)
        if self._role(event.worker)[1] not in (STAGE, CONSUMER):
            self.counts["put"] += 1
            self._targets.setdefault(event.worker, event.queue)
            self._began.note(item, event.t_ns - event.wait_ns, self.numbers.count)
        if event.recovered:
            self._besides.setdefault(event.queue, []).append(event.t_ns)
            return
        self._passed(event.t_ns)
        self.puts.add(item, event.queue, event.t_ns)
        self.puts.figures["wait_put"].append(event.wait_ns)
        if event.late_ns is not None and event.t_ns >= self.since_ns:
            self.lateness[0].append(item)
            self.lateness[1].append(event.late_ns)

    def _get(self, event: Get) -> None:
        self._passed(event.t_ns)
        self.gets.add(self.numbers.of(event.queue, event.id), event.queue, event.t_ns)
        self.gets.figures["wait_get"].append(event.wait_ns)
        self.gets.figures["latency"].append(event.latency_ns)

    def _done(self, event: Done) -> None:
        self._passed(event.t_ns)
        group, role = self._role(event.worker)
        item = self.numbers.of(event.queue, event.id)
        self.dones.add(item, group, event.t_ns)
        self.dones.figures["service"].append(event.service_ns)
        self.dones.figures["planned"].append(UNKNOWN if event.planned_ns is None else event.planned_ns)
        if role == STAGE:
            return
        self.counts["done"] += 1
        if event.t_ns < self.since_ns:
            return
        items, roots, ended = self.finished
        items.append(item)
        roots.append(self._root(event, item))
        ended.append(event.t_ns)

    def _root(self, event: Done, item: int) -> int:
        """The number of the item, or of the one it was made of, in the queue its producer put it into."""
        root = event.id.partition(".")[0]
        producer = root.rpartition(":")[0]
        queue = self._targets.get(producer)
        if queue is None:
            group = self.start and self.start.groups.get(group_of(producer))
            queue = self._targets[producer] = (group and group.target) or event.queue
        return item if queue == event.queue and root == event.id else self.numbers.of(queue, root)

    def _role(self, worker: str) -> tuple[str, str | None]:
        known = self._roles.get(worker)
        if known is None:
            name = group_of(worker)
            group = self.start.groups.get(name) if self.start else None
            known = self._roles[worker] = (name, group.role if group else None)
        return known

    def _passed(self, t_ns: int) -> None:
        self.last_ns = max(self.last_ns, t_ns)


class _Instants:
    """An instant for each number that has one."""

    def __init__(self) -> None:
        self._ns = array("q")

    def note(self, number: int, ns: int, most: int) -> None:
        """Enter one; `most` numbers there are so far."""
        known = self._ns
        if number >= len(known):
            known.extend([_NEVER] * (max(most, 2 * len(known)) - len(known)))
        known[number] = ns

    def get(self, number: int) -> int | None:
        return self._ns[number] if number < len(self._ns) and self._ns[number] != _NEVER else None


def group_of(worker: str) -> str:
    """The group that a worker belongs to, by its name."""
    return worker.rpartition("-")[0]
