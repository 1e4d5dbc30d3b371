"""A log reduced to what a page can show, in one pass and bounded memory.

    log --slices--> shares of time by worker and bin; slices one by one, of windows --> timeline
                --> seconds by worker and state                                     --> bars
        --items---> depth and latency over time; durations by size; the slowest     --> the other charts

Memory grows with the number of workers and with the items in flight, not with the run.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from runner.log.events import (
    Done,
    Event,
    Failed,
    Get,
    Left,
    Lost,
    Other,
    Put,
    Redelivery,
    RunEnd,
    RunStart,
    Torn,
    WorkerDied,
)
from runner.reports.depths import Depths
from runner.reports.details import Detail, Details
from runner.reports.series import Histogram, Series, Shares
from runner.reports.slices import GET, PAUSE, PUT, WORK, Slice, Slices

if TYPE_CHECKING:
    from collections.abc import Iterable

STATES: Final = (WORK, PUT, GET, PAUSE)
_STATE: Final = {name: number for number, name in enumerate(STATES)}
_WORKERS: Final = 100_000
"""No plan has more; a log may say anything."""
_MARKS: Final = 300
_SLOWEST: Final = 20


class Mark(NamedTuple):
    """Something that happened to a worker, or to none: a fault, a death, an item left over."""

    t_ns: int
    what: str
    worker: str
    item: str
    why: str


class Slow(NamedTuple):
    """An item that was long on its way from put to get."""

    latency_ns: int
    item: str
    queue: str
    worker: str
    t_ns: int


class Reduction:
    """What of a run a page shows.

    Attributes:
        start, end: First and last event; `end` is None where the log is incomplete.
        torn: Whether the last line is only half there.
        until: The last instant of the run, in ns.
        events: How many were read.
        workers: Names, in the order of the plan; their numbers are used elsewhere.
        spent: ns by worker and state, in the order of `STATES`.
        moved: Puts, gets and dones by worker.
        shares, details: The timeline.
        depths, latencies, lateness: Over time, by queue; lateness of all, empty where pacing is closed.
        sizes: Durations by size, by name.
        marks, marks_count: The first few hundred, and how many of each kind.
        slow: The items longest on their way, the longest first.
    """

    def __init__(self) -> None:
        self.start: RunStart | None = None
        self.end: RunEnd | None = None
        self.torn = False
        self.until = 0
        self.events = 0
        self.workers: dict[str, int] = {}
        self.spent: list[list[int]] = []
        self.moved: list[list[int]] = []
        self.shares = Shares(1, len(STATES))
        self.details = Details()
        self.depths: dict[str, Series] = defaultdict(Series)
        self.latencies: dict[str, Series] = defaultdict(Series)
        self.lateness = Series()
        self.sizes: dict[str, Histogram] = defaultdict(Histogram)
        self.marks: list[Mark] = []
        self.marks_count: Counter[str] = Counter()
        self._slices = Slices()
        self._depths = Depths(self._depth)
        self._slow: list[Slow] = []
        self._services = Histogram()
        self._waits = {PUT: Histogram(), GET: Histogram()}
        self._late = Histogram()

    def read(self, chunks: Iterable[list[Event]]) -> None:
        """Read a whole log."""
        for chunk in chunks:
            self.events += len(chunk)
            for piece in self._slices.feed(chunk):
                self._take(piece)
        for piece in self._slices.end():
            self._take(piece)
        self._depths.end()
        named = {"blocked in put": self._waits[PUT], "blocked in get": self._waits[GET], "service": self._services}
        self.sizes |= {name: sizes for name, sizes in {**named, "lateness": self._late}.items() if sizes.count}

    @property
    def slow(self) -> list[Slow]:
        """The items longest on their way, the longest first."""
        return sorted(self._slow, reverse=True)

    def _take(self, piece: Slice | Event) -> None:
        if type(piece) is Done:
            self._done(piece)
            return
        if type(piece) is not Slice:
            self._rare(piece)  # type: ignore[arg-type]
            return
        number = self.workers.get(piece.worker)
        if number is None:
            number = self._new(piece.worker)
        state, events, ended = _STATE[piece.kind], piece.events, piece.ended
        if ended > self.until:
            self.until = ended
        if not piece.again:
            began = max(0, piece.began)
            self.spent[number][state] += ended - began
            self.shares.add(number, state, began, ended)
            item = events[0].id if events else ""
            self.details.add(Detail(number, state, began, ended, item, len(events)))
        if piece.kind == GET:
            self._gets(number, events, again=piece.again)
        elif piece.kind == PUT:
            self._puts(number, events, again=piece.again)

    def _new(self, worker: str) -> int:
        number = self.workers[worker] = len(self.workers)
        self.spent.append([0] * len(STATES))
        self.moved.append([0, 0, 0])
        return number

    def _gets(self, number: int, gets: list[Get], *, again: bool) -> None:
        self.moved[number][1] += len(gets)
        if not again:
            self._waits[GET].add(gets[0].wait_ns)
        for get in gets:
            self._depths.get((get.queue, get.id, get.delivery), get.t_ns)
            self.sizes[f"latency of {get.queue}"].add(get.latency_ns)
            self.latencies[get.queue].add(get.t_ns, get.latency_ns)
            if len(self._slow) < _SLOWEST or get.latency_ns > self._slow[0].latency_ns:
                self._slower(get)

    def _slower(self, get: Get) -> None:
        found = Slow(get.latency_ns, get.id, get.queue, get.worker, get.t_ns)
        if not self._slow or found > max(self._slow):
            self.details.slowest()
        heapq.heappush(self._slow, found)
        if len(self._slow) > _SLOWEST:
            heapq.heappop(self._slow)

    def _puts(self, number: int, puts: list[Put], *, again: bool) -> None:
        self.moved[number][0] += len(puts)
        first = puts[0]
        if not again and not first.recovered:
            self._waits[PUT].add(first.wait_ns)
        for put in puts:
            self._depths.put((put.queue, put.id, put.delivery), put.t_ns)
        if first.late_ns is not None:
            for put in puts:
                self._late.add(put.late_ns or 0)
                self.lateness.add(put.t_ns, put.late_ns or 0)

    def _done(self, done: Done) -> None:
        number = self.workers.get(done.worker)
        self.moved[self._new(done.worker) if number is None else number][2] += 1
        self._services.add(done.service_ns)
        if done.t_ns > self.until:
            self.until = done.t_ns

    def _depth(self, queue: str, t_ns: int, depth: int) -> None:
        self.depths[queue].add(t_ns, depth)

    def _rare(self, event: Event) -> None:
        self.until = max(self.until, event.t_ns)
        match event:
            case RunStart():
                self._begin(event)
            case RunEnd():
                self.end = event
            case Torn():
                self.torn = True
            case Redelivery(queue=queue, id=item, delivery=delivery, t_ns=t_ns):
                self._depths.redelivered((queue, item, delivery), t_ns)
                self._mark(event, event.dead, f"delivery {delivery}", item)
            case WorkerDied():
                self._mark(event, event.worker, event.why)
            case Left() | Failed() | Lost():
                self._mark(event, event.worker, event.why, event.id)
            case Other(act=act, why=why):
                self._mark(
                    event, event.worker, " ".join(str(said) for said in (act, why) if said is not None), event.id
                )

    def _begin(self, start: RunStart) -> None:
        self.start = start
        names = [f"{name}-{k}" for name, group in start.groups.items() for k in range(min(group.count, _WORKERS))]
        self.shares = Shares(len(names), len(STATES))
        for name in names[:_WORKERS]:
            self._new(name)
        for queue in start.queues:
            self.depths[queue] = Series()
            self.latencies[queue] = Series()
            self.sizes[f"latency of {queue}"] = Histogram()

    def _mark(self, event: Event, worker: Any, why: str | None, item: Any = None) -> None:
        what = event.event if type(event) is Other else str(type(event).__struct_config__.tag)
        self.marks_count[what] += 1
        if len(self.marks) < _MARKS:
            told = ["" if text is None else str(text) for text in (worker, item, why)]
            self.marks.append(Mark(event.t_ns, what, *told))
