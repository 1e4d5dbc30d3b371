"""What a log recorded of every pause and every service, item by item."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from runner.analysis.accounts import PRODUCER
from runner.log.events import Done, Get, Put, RunStart, WorkerDied, WorkerExit, WorkerStart

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runner.log.events import Event


@dataclass(slots=True)
class Recording:
    """Durations in ns.

    Attributes:
        start: The log's first event.
        pauses: Of each producer group, item id → pause after it.
        services: Of each stage and consumer group, item id → last service of it.
        taken: Of each stage and consumer group, ids it got, done or not.
        seqs: Of each producer, the seqs it put, in their order.
        open_groups: Producer groups whose puts know how late they were.
        dues: Of each of their workers, seq → when the item was due.
        puts: Of each stage group, how many items it put.
        deaths: How many workers died.
    """

    start: RunStart
    pauses: dict[str, dict[str, int]] = field(default_factory=dict)
    services: dict[str, dict[str, int]] = field(default_factory=dict)
    taken: dict[str, dict[str, None]] = field(default_factory=dict)
    seqs: dict[str, list[int]] = field(default_factory=dict)
    open_groups: set[str] = field(default_factory=set)
    dues: dict[str, dict[int, int]] = field(default_factory=dict)
    puts: dict[str, int] = field(default_factory=dict)
    deaths: int = 0

    def service_of(self, queue: str, item: str) -> int | None:
        """The service of an item by whichever group that reads the queue did it."""
        for name, group in self.start.groups.items():
            if group.source == queue and item in self.services[name]:
                return self.services[name][item]
        return None


def recording(events: Iterable[Event]) -> Recording | None:
    """Read the durations off a log; None where it has no `run.start`.

    A closed producer's pause lasts from the return of a put to the beginning of its next, an open one's from due to
    due, also across deaths; the last one to the worker's exit. After a closed producer's put that was its last before a
    death, or that the supervisor recovered, it is 0.
    """
    found: Recording | None = None
    last: dict[str, tuple[str, int]] = {}
    groups: dict[str, str] = {}
    for event in events:
        match event:
            case RunStart() if found is None:
                found = _empty(event)
                groups = {f"{name}-{k}": name for name, each in event.groups.items() for k in range(each.count)}
            case Put() if found is not None and event.worker in groups:
                _enter_put(found, groups[event.worker], event, last)
            case Get() if found is not None and event.worker in groups:
                found.taken[groups[event.worker]][event.id] = None
            case Done() if found is not None and event.worker in groups:
                found.services[groups[event.worker]][event.id] = event.service_ns
            case WorkerStart():
                last.pop(event.worker, None)
            case WorkerDied() if found is not None:
                found.deaths += 1
            case WorkerExit() if found is not None and event.worker in last:
                item, since = last.pop(event.worker)
                if event.exit_code == 0:
                    found.pauses[groups[event.worker]][item] = max(0, event.t_ns - since)
    return None if found is None else _spaced_out(found, groups)


def _spaced_out(found: Recording, groups: Mapping[str, str]) -> Recording:
    """With the pauses between due instants."""
    for worker, dues in found.dues.items():
        for (seq, due), (_, next_due) in pairwise(sorted(dues.items())):
            found.pauses[groups[worker]][f"{worker}:{seq}"] = max(0, next_due - due)
    return found


def _empty(start: RunStart) -> Recording:
    found = Recording(start)
    for name, group in start.groups.items():
        if group.role == PRODUCER:
            found.pauses[name] = {}
        else:
            found.services[name], found.taken[name], found.puts[name] = {}, {}, 0
    return found


def _enter_put(found: Recording, group: str, event: Put, last: dict[str, tuple[str, int]]) -> None:
    if group not in found.pauses:
        found.puts[group] += 1
        return
    pauses = found.pauses[group]
    pauses[event.id] = 0
    seq = int(event.id.rpartition(":")[2])
    found.seqs.setdefault(event.worker, []).append(seq)
    began = event.t_ns - event.wait_ns
    if event.late_ns is not None:
        found.open_groups.add(group)
        due = found.dues.setdefault(event.worker, {})[seq] = began - event.late_ns
        if not event.recovered:
            last[event.worker] = (event.id, due)
        return
    if event.recovered:
        last.pop(event.worker, None)
        return
    if event.worker in last:
        item, since = last[event.worker]
        pauses[item] = max(0, began - since)
    last[event.worker] = (event.id, event.t_ns)
