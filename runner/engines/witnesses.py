"""Puts that nobody logged and somebody got: of writers that died in a put, into queues that cannot tell of it.

A worker logs a put when it has returned. Killed between the two, its item is in the queue, and where the kind is
lock-based the queue does not know whose it is. Nobody may ever get it: then it is as if it had never been put. But who
did get it has logged so, and with that bears witness to the put.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.log.journal import GET, PUT, records_of, suffix_of
from runner.planning.plan import Role
from runner.queues.contract import Parcel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from runner.log.journal import Record
    from runner.planning.plan import WorkerPlan

_Key = tuple[int, int, str]


def witnessed(
    folder: Path, writers: Iterable[WorkerPlan], dead: Sequence[WorkerPlan], readers: Iterable[WorkerPlan]
) -> Iterator[tuple[WorkerPlan, Parcel]]:
    """Yield each put into a queue that no writer logged and a reader got, with the dead writer whose it was.

    Args:
        folder: Where the journals are.
        writers: Of the queue.
        dead: Those of them that came to no end of their own.
        readers: Of the queue.
    """
    if not dead:
        return
    logged = {_key(record) for writer in writers for record in _records(folder, writer, PUT)}
    held = {
        _key(record): writer
        for writer in dead
        if writer.group.role is not Role.PRODUCER
        for record in _records(folder, writer, GET)
    }
    producers = {writer.index: writer for writer in dead if writer.group.role is Role.PRODUCER}
    for reader in readers:
        for record in _records(folder, reader, GET):
            key = _key(record)
            if key not in logged:
                logged.add(key)
                producer, seq, suffix = key
                parent = (producer, seq, suffix.rpartition(".")[0])
                writer = producers.get(producer) or held.get(key) or held.get(parent)
                if writer is not None:
                    yield writer, _parcel(key, record)


def _records(folder: Path, worker: WorkerPlan, kind: int) -> Iterator[Record]:
    """Of all incarnations."""
    journals = sorted(folder.glob(f"{worker.name}.*.journal"))
    return (record for journal in journals for record in records_of(journal) if record[8] == kind)


def _key(record: Record) -> _Key:
    return record[5], record[3], suffix_of(record)


def _parcel(key: _Key, record: Record) -> Parcel:
    """What the get says of the item: also when its put began, as that is where its latency counts from."""
    instant, _, latency, _, item, _, delivery, _, _ = record
    members = item.partition(b"\0")[2] if isinstance(item, bytes) else b'"item":%d' % item
    return Parcel(*key, delivery, instant - latency, 0, members, None)
