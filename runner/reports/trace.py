"""A run as a trace for ui.perfetto.dev and chrome://tracing, in the Trace Event Format.

    log --slices--> a track per worker --+
        --items---> an arrow per put and get of an item --+--> JSON events, one a line, gzip
        --counts--> a counter per queue ------------------+

The format: "Trace Event Format" (the Chromium authors): complete events (`X`), flow events (`s`, `f`), counters (`C`),
instants (`i`), metadata (`M`); times in µs. How viewers bind an arrow to a slice is what Perfetto's importer does
(`flow_tracker.cc`, `slice_tracker.cc`): slices are closed on the left and open on the right, and those of a track must
not overlap partially. So every put and get is at least a nanosecond wide, and what follows on its track gives way.
And an arrow is drawn from the slice that began first to the other: as a get may have begun to wait before the put
did, its last nanosecond is a slice of its own inside it, in which the arrow ends.
"""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.log.events import (
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
from runner.reports.flows import Flows
from runner.reports.slices import GET, PAUSE, PUT, WORK, Slice, Slices
from runner.reports.source import source, whole_or_not_at_all
from runner.reports.tracewriter import TraceWriter, as_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.log.events import Done, Event
    from runner.reports.source import Source
    from runner.reports.tracewriter import Track

FILE: Final = "trace.json.gz"
_LEVEL: Final = 3
"""Of compression: a fifth larger than by the usual 6, in a third of the time."""


def trace(run: str | Path, file: str | Path | None = None, *, told: Callable[[str], None] | None = None) -> Path:
    """Write a stored run as a trace file, and return its path.

    Memory is bounded by the items in flight, not by the run.

    Args:
        run: A run directory or an `events.jsonl`. Where the run goes on, or its supervisor was killed, the journals
            are read.
        file: Where to write; `trace.json.gz` in the run's folder by default.
        told: Called with each thing that was wrong with the log and did not keep it from being read.

    Raises:
        LogError: There is no event log.
        UsageError: The file cannot be written.
    """
    found = source(run)
    target = found.folder / FILE if file is None else Path(file)
    with whole_or_not_at_all(target) as new, new.open("wb") as raw:
        # No name and no time in the header: one log is one file, byte by byte.
        packed = gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0)
        _write(found, TraceWriter(packed.write))
        packed.close()
    if told is not None:
        for complaint in found.complaints:
            told(complaint)
    return target


def _write(found: Source, writer: TraceWriter) -> None:
    tracing = _Tracing(writer)
    slices = Slices()
    for chunk in found.chunks():
        for piece in slices.feed(chunk):
            tracing.take(piece)
    for piece in slices.end():
        tracing.take(piece)
    tracing.end()


class _Tracing:
    """Turns slices and events into a trace."""

    def __init__(self, writer: TraceWriter) -> None:
        self._writer = writer
        self._flows = Flows(writer)
        self._depths = Depths(writer.counter)

    def take(self, piece: Slice | Event) -> None:
        """Write what a slice or another event is in the trace."""
        if type(piece) is not Slice:
            self._event(piece)  # type: ignore[arg-type]
            return
        track = self._writer.track(piece.worker)
        if piece.kind == PUT:
            self._put(track, piece)
        elif piece.kind == GET:
            self._get(track, piece)
        elif piece.kind == WORK:
            done: Done = piece.events[0]
            self._writer.slice(track, WORK, piece.began, piece.ended, _worked(done))
        else:
            self._writer.slice(track, PAUSE, piece.began, piece.ended, "{}")

    def _put(self, track: Track, piece: Slice) -> None:
        puts: list[Put] = piece.events
        if not piece.again:
            self._writer.operation(track, PUT, piece.began, piece.ended, _moved(puts))
        for put in puts:
            key = (put.queue, put.id, put.delivery)
            self._flows.put(key, track)
            self._depths.put(key, put.t_ns)

    def _get(self, track: Track, piece: Slice) -> None:
        gets: list[Get] = piece.events
        keys = [(get.queue, get.id, get.delivery) for get in gets]
        if not piece.again:
            # An arrow ends at the instant of the return, which must lie in the slice, and not before it begins: where
            # all happens at one instant, as in a simulation, what is drawn a little late makes others later.
            ended = max(piece.ended, self._flows.latest(keys)) + 1
            track.gaps.clear()
            self._writer.operation(track, GET, piece.began, ended, _moved(gets))
            self._writer.landing(track, "got")
        for key, get in zip(keys, gets, strict=True):
            self._flows.get(key, track)
            self._depths.get(key, get.t_ns)

    def _event(self, event: Event) -> None:
        writer = self._writer
        match event:
            case RunStart():
                writer.begin(event)
            case Redelivery():
                self._redelivery(event)
            case WorkerDied():
                writer.instant(writer.track(event.worker), "death", event.t_ns, {"why": event.why})
            case Left() | Failed() | Lost():
                told = {"id": event.id, "queue": event.queue, "delivery": event.delivery, "why": event.why}
                writer.instant(writer.supervisor, type(event).__name__.lower(), event.t_ns, told)
            case Other():
                track = writer.track(event.worker) if isinstance(event.worker, str) else writer.supervisor
                told = {key: value for key in ("act", "id", "why") if (value := getattr(event, key)) is not None}
                writer.instant(track, event.event, event.t_ns, told)
            case RunEnd(status=status, reason=reason):
                writer.instant(writer.run, f"run.end: {status}", event.t_ns, {"reason": reason})
            case Torn():
                writer.instant(writer.run, "the log breaks off here", event.t_ns, {})

    def _redelivery(self, event: Redelivery) -> None:
        told = {"id": event.id, "queue": event.queue, "delivery": event.delivery, "from": event.dead}
        track = self._writer.supervisor
        self._writer.operation(track, "redelivery", event.t_ns - event.wait_ns, event.t_ns, as_json(told))
        key = (event.queue, event.id, event.delivery)
        self._flows.redelivered(key, track)
        self._depths.redelivered(key, event.t_ns)

    def end(self) -> None:
        """Write what comes last."""
        self._depths.end()
        self._writer.end()


def _moved(moves: list[Put] | list[Get]) -> str:
    """What is told of a put or get, as JSON: an item, or how many and which."""
    first = moves[0]
    more = "" if len(moves) == 1 else f',"items":{len(moves)},"last id":{as_json(moves[-1].id)}'
    if first.delivery > 1:
        more += f',"delivery":{first.delivery}'
    if type(first) is Get:
        more += f',"latency_ns":{first.latency_ns}'
    elif type(first) is Put and first.late_ns is not None:
        more += f',"late_ns":{first.late_ns}'
    return f'{{"queue":{_name(first.queue)},"id":{as_json(first.id)},"wait_ns":{first.wait_ns}{more}}}'


def _worked(done: Done) -> str:
    more = "" if done.planned_ns is None else f',"planned_ns":{done.planned_ns}'
    if done.delivery > 1:
        more += f',"delivery":{done.delivery}'
    return f'{{"queue":{_name(done.queue)},"id":{as_json(done.id)},"service_ns":{done.service_ns}{more}}}'


@lru_cache
def _name(queue: str) -> str:
    return as_json(queue)
