"""What every worker did when: its log as slices of time that touch but never overlap.

    producer: put | pause | put | pause …
    stage:    get | work | put | work | …        a generator's work goes on between its puts
    consumer: get | work | get | work | …

A put or get lasts from its beginning to its return, one slice for all items of one write or read. A pause lasts from a
put's return to the next put's beginning or the producer's end. Of work the log says how long it took in all: it fills
the time since the worker got the item, or did the one before, that no put took. What is left, the worker's own steps
and the wait for the stream's end, is in no slice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Struct

from runner.log.events import Done, Event, Get, Put, RunStart, WorkerDied, WorkerExit, WorkerStart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runner.log.events import GroupFacts

PUT: Final = "put"
GET: Final = "get"
WORK: Final = "work"
PAUSE: Final = "pause"

_NOWHERE: Final = -(1 << 62)


class Slice(Struct, gc=False):
    """A stretch of one worker's time, in ns since the gate opened.

    Attributes:
        kind: `put`, `get` (blocked in it, but for the microseconds that it takes), `work` or `pause`.
        events: The puts or gets of one operation, the one `done` of work, none of a pause.
        again: Whether the same stretch was given before, of which these are further events: where others of its
            worker stand between the lines of one operation.
    """

    worker: str
    kind: str
    began: int
    ended: int
    events: list[Any]
    again: bool = False


Told: TypeAlias = "Slice | Event"


class _Loose(Struct):
    """The time before a producer's death, in which a put that nobody logged may have begun, as may turn up later."""

    began: int
    ended: int
    pauses: bool
    """Whether it had put before, so that the time until such a put is a pause."""
    put: int = _NOWHERE
    """When the put began that turned up."""


class _Worker:
    """What is known of a worker at a point of the log."""

    __slots__ = ("at", "began", "gaps", "loose", "operation", "produces", "started")

    def __init__(self, *, produces: bool) -> None:
        self.produces = produces
        self.started = 0
        self.at = _NOWHERE
        """Where its last slice ended; nowhere before the first of an incarnation."""
        self.operation: tuple[str, int, int] = ("", 0, 0)
        self.began = 0
        """Of the last operation, which is told by its kind, instant and wait."""
        self.gaps: list[tuple[int, int]] = []
        """Free time since it got the item in hand, or did the one before."""
        self.loose: list[_Loose] = []


class Slices:
    """Makes slices of events, which are given in the order of the log."""

    def __init__(self) -> None:
        self._groups: dict[str, GroupFacts] = {}
        self._workers: dict[str, _Worker] = {}
        self._open: Slice | None = None

    def feed(self, events: Iterable[Event]) -> Iterator[Told]:
        """Slices as they end, in the order of time; between them every event that is no put or get, as it is."""
        for event in events:
            if type(event) is Put or type(event) is Get:
                yield from self._operation(event)
                continue
            if self._open is not None:
                yield self._open
                self._open = None
            if type(event) is Done:
                yield from self._done(event)
                yield event
            else:
                yield from self._rare(event)

    def end(self) -> Iterator[Told]:
        """What is open yet, when there are no more events."""
        yield from self._close()
        for name, worker in self._workers.items():
            for gap in worker.loose:
                if gap.pauses and gap.put == _NOWHERE and gap.began < gap.ended:
                    yield Slice(name, PAUSE, gap.began, gap.ended, [])

    def _close(self) -> Iterator[Slice]:
        if self._open is not None:
            yield self._open
            self._open = None

    def _worker(self, name: str) -> _Worker:
        worker = self._workers.get(name)
        if worker is None:
            group = self._groups.get(name.rpartition("-")[0])
            worker = self._workers[name] = _Worker(produces=group is not None and group.role == "producer")
        return worker

    def _operation(self, event: Put | Get) -> Iterator[Slice]:
        kind = PUT if type(event) is Put else GET
        mark = (kind, event.t_ns, event.wait_ns)
        worker = self._worker(event.worker)
        if type(event) is Put and event.recovered:
            yield from self._close()
            yield from self._recovered(worker, event)
        elif worker.operation == mark and worker.at != _NOWHERE:
            if self._open is not None and self._open.worker == event.worker:
                self._open.events.append(event)
            else:
                yield from self._close()
                yield Slice(event.worker, kind, worker.began, event.t_ns, [event], again=True)
        else:
            if self._open is not None:
                yield self._open
            began = max(worker.at, event.t_ns - event.wait_ns)
            if worker.produces and worker.at < began and worker.at != _NOWHERE:
                yield Slice(event.worker, PAUSE, worker.at, began, [])
            elif kind == GET:
                worker.gaps.clear()
            elif not worker.produces and worker.at != _NOWHERE:
                worker.gaps.append((worker.at, began))
            worker.operation, worker.began = mark, began
            worker.at = max(began, event.t_ns)
            self._open = Slice(event.worker, kind, began, worker.at, [event])

    def _done(self, event: Done) -> Iterator[Slice]:
        worker = self._worker(event.worker)
        if worker.at == _NOWHERE:
            worker.at = event.t_ns - event.service_ns
        worker.gaps.append((worker.at, event.t_ns))
        left = event.service_ns
        for began, ended in worker.gaps:
            share = min(left, ended - began)
            if share > 0:
                yield Slice(event.worker, WORK, ended - share, ended, [event])
                left -= share
        worker.gaps.clear()
        worker.at = max(worker.at, event.t_ns)

    def _recovered(self, worker: _Worker, event: Put) -> Iterator[Slice]:
        """A put that a worker began before it died: it took until then, for nobody saw it return."""
        began = event.t_ns - event.wait_ns
        for gap in worker.loose:
            if gap.began <= began <= gap.ended and gap.put in (_NOWHERE, began):
                again = gap.put == began
                if gap.pauses and not again and began > gap.began:
                    yield Slice(event.worker, PAUSE, gap.began, began, [])
                gap.put = began
                yield Slice(event.worker, PUT, began, gap.ended, [event], again=again)
                return
        yield Slice(event.worker, PUT, began, began, [event], again=True)

    def _rare(self, event: Event) -> Iterator[Told]:
        match event:
            case RunStart():
                self._groups = event.groups
            case WorkerStart():
                worker = self._worker(event.worker)
                worker.at, worker.started = _NOWHERE, event.t_ns
            case WorkerExit():
                yield from self._exit(event)
            case WorkerDied():
                self._worker(event.worker).at = _NOWHERE
        yield event

    def _exit(self, event: WorkerExit) -> Iterator[Slice]:
        worker = self._worker(event.worker)
        had_put = worker.at != _NOWHERE
        began = worker.at if had_put else worker.started
        if worker.produces and event.exit_code != 0:
            worker.loose.append(_Loose(began, max(began, event.t_ns), had_put))
        elif worker.produces and had_put and began < event.t_ns:
            yield Slice(event.worker, PAUSE, began, event.t_ns, [])
        worker.at = _NOWHERE
        worker.gaps.clear()
