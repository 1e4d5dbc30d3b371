"""The events of a run that has no finished event log: read from what its workers and its supervisor left.

    supervisor.jsonl ---parse---> run.start, worker.start, redelivery, … --+
    journal of incarnation 1 of worker 0 ---read---> put, get, done -------+--merged by instant--> events
    journal of incarnation 2 of worker 0 ---read---> put, get, done -------+

Nothing is written, and whatever is torn, empty or missing is passed over. The run may still go on: how far each journal
reaches is noted first, then whether the supervisor entered anything meanwhile; what came later is left for next time.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from runner.errors import LogError
from runner.log.chronicle import FILE
from runner.log.events import LIMIT_NS, Done, Event, Get, Other, Put, RunStart, WorkerStart, decoded
from runner.log.journal import DONE, GET, NO_SECOND, PUT, RAW, Clock, JournalReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runner.log.journal import Record

    _Stream = Iterator[tuple[int, Event]]

INCOMPLETE: Final = "incomplete: read from the journals, as the run goes on or its supervisor was killed"

_SLOTS: Final = 1 << 12
_CHUNK: Final = 1 << 12
_NEVER: Final = 1 << 62
_INSTANT: Final = itemgetter(0)


def read_chunks(folder: Path) -> Iterator[list[Event]]:
    """Yield the events of the run whose journals lie in `folder`, in the order of time, in lists.

    Raises:
        LogError: The journals cannot be read.
    """
    try:
        events = _events(folder)
        while chunk := list(islice(events, _CHUNK)):
            yield chunk
    except OSError as error:
        raise LogError(f"{folder}: cannot be read: {error.strerror}") from error


def _events(folder: Path) -> Iterator[Event]:
    entered = _entries(folder)
    start = next((event for _, event in entered if isinstance(event, RunStart)), None)
    if start is None:
        return
    zero = _zero(folder, entered)
    journals = [journal for path in sorted(folder.glob("*.journal")) if (journal := _journal(path, start))]
    until = min((instant for instant, _ in _entries(folder)[len(entered) :]), default=_NEVER)
    known = {(event.worker, event.incarnation) for _, event in entered if isinstance(event, WorkerStart)}
    streams: list[_Stream] = [iter(_since(zero, entered))]
    streams += [
        journal.events(zero, until, announced=(journal.worker, journal.incarnation) in known) for journal in journals
    ]
    for _, event in heapq.merge(*streams, key=_INSTANT):
        yield event


def _zero(folder: Path, entered: list[tuple[int, Event]]) -> int:
    """When the gate opened; where it never did, the last thing that is known."""
    try:
        return Clock.load(folder).zero_ns
    except (OSError, ValueError, TypeError):
        return max(instant for instant, _ in entered)


def _entries(folder: Path) -> list[tuple[int, Event]]:
    """(instant, event) of what the supervisor entered, `run.start` first; `t_ns` is the instant still."""
    try:
        lines = (folder / FILE).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    entries = [entry for line in lines if (entry := _entry(line)) is not None]
    return sorted(entries, key=lambda entry: (not isinstance(entry[1], RunStart), entry[0]))


def _entry(line: bytes) -> tuple[int, Event] | None:
    try:
        entry = msgspec.json.decode(line, type=dict[str, Any])
        instant = int(entry.pop("instant"))
        return instant, decoded(msgspec.json.encode({**entry, "t_ns": instant}))
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        return None


def _since(zero: int, entered: list[tuple[int, Event]]) -> list[tuple[int, Event]]:
    return [(instant, msgspec.structs.replace(event, t_ns=instant - zero)) for instant, event in entered]


def _journal(path: Path, start: RunStart) -> _Journal | None:
    """The journal at a path, by the name of its file; None where that names no worker of the run."""
    worker, _, incarnation = path.name.removesuffix(".journal").rpartition(".")
    facts = start.groups.get(worker.rpartition("-")[0])
    if facts is None or not incarnation.isdigit():
        return None
    try:
        reader = JournalReader(path)
    except FileNotFoundError:  # the run has just ended and taken it away
        return None
    try:
        count = sum(map(len, iter(lambda: reader.read(_SLOTS), [])))
    finally:
        reader.close()
    return _Journal(path, worker, int(incarnation), facts.source or "", facts.target or "", _prefixes(start), count)


def _prefixes(start: RunStart) -> list[str]:
    """`produce-0:` by the index of the worker in the plan, where that is a producer."""
    return [f"{name}-{k}:" for name, group in start.groups.items() for k in range(group.count)]


@dataclass(frozen=True, slots=True)
class _Journal:
    """One incarnation's journal; `count` records of it are read."""

    path: Path
    worker: str
    incarnation: int
    source: str
    target: str
    prefixes: list[str]
    count: int

    def events(self, zero: int, until: int, *, announced: bool) -> _Stream:
        """(instant, event) of the records before `until`; with a start where the supervisor had no time to enter it."""
        for record in self._records():
            instant = record[0]
            if instant >= until or not -LIMIT_NS < instant - zero < LIMIT_NS:
                return
            if not announced:
                announced = True
                yield instant, WorkerStart(t_ns=instant - zero, worker=self.worker, incarnation=self.incarnation)
            event = self._event(record, instant - zero)
            if event is not None:
                yield instant, event

    def _records(self) -> Iterator[Record]:
        if not self.count:
            return
        try:
            reader = JournalReader(self.path)
        except FileNotFoundError:
            return
        left = self.count
        try:
            while left > 0 and (records := reader.read(_SLOTS)):
                yield from records[:left]
                left -= len(records)
        finally:
            reader.close()

    def _event(self, record: Record, t_ns: int) -> Event | None:
        _, first, other, seq, item, producer, delivery, flags, kind = record
        if kind == RAW:
            return Other(event="error", t_ns=t_ns, worker=self.worker)
        if kind not in (PUT, GET, DONE) or producer >= len(self.prefixes):
            return None
        second = None if flags & NO_SECOND else other
        suffix = "" if item.__class__ is int else item.partition(b"\0")[0].decode(errors="replace")
        name = f"{self.prefixes[producer]}{seq}{suffix}"
        if kind == PUT:
            return Put(
                t_ns=t_ns, worker=self.worker, queue=self.target, id=name, wait_ns=first, late_ns=second,
                delivery=delivery,
            )  # fmt: skip
        if kind == GET:
            return Get(
                t_ns=t_ns, worker=self.worker, queue=self.source, id=name, wait_ns=first, latency_ns=other,
                delivery=delivery,
            )  # fmt: skip
        return Done(
            t_ns=t_ns, worker=self.worker, queue=self.source, id=name, service_ns=first, planned_ns=second,
            delivery=delivery,
        )  # fmt: skip
