"""The course of a run as a graph: what each put, get and done had to wait for, and how long it took beyond that.

    worker's operation before --work, time between--> begin --+
    the instant at which a put is due (open pacing) ----------+
    put of the item got / get that made room for the put -----+--> latest of all --operation itself--> end

Played with its own times the graph gives the log again, instant by instant. Played with others it says when all would
have happened, had the same workers taken the same items in the same order: what is not on the way to the end costs
nothing there. Such a graph is the activity network of the critical path method (Kelley and Walker, "Critical-Path
Planning and Scheduling", 1959).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct

from runner.log.events import Done, Get, Put, Redelivery, RunStart

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runner.log.events import Event

Key: TypeAlias = tuple[str, str]
"""Names a piece of work: (queue, id) of an item's service; ("", id) of the pause before a producer's put."""
_NONE: Final = -1
_EVER: Final = -1
"""The due instant of what may begin at any time."""


class Operation(Struct, gc=False):
    """A put, get or done.

    Attributes:
        kind: `put`, `get` or `done`.
        worker, queue, item: Whose, where, of what.
        began, ended: Instants.
        wait: How long it took by its own account.
        figure: latency of a get, service of a done, else 0.
        planned: Of a done, and of the operation that the work is before.
        before: Place of the worker's operation before this one.
        together: Whether it is of the same write or read as the one before, with which it begins.
        enabler: Place of the put whose item it got, or of the get that made room.
        key: Of the work before it.
        work: How long that took; before a put with a due instant, by how much it began later than it could have.
        due: When it was to begin, with open pacing; of a write, its last put.
        slept: Whether its worker had time to sleep until then.
    """

    kind: str
    worker: str
    queue: str
    item: str
    began: int
    ended: int
    wait: int = 0
    figure: int = 0
    planned: int | None = None
    delivery: int = 1
    before: int = _NONE
    together: bool = False
    enabler: int = _NONE
    key: Key | None = None
    work: int = 0
    due: int = _EVER
    slept: bool = False

    @property
    def group(self) -> str:
        """Of its worker."""
        return self.worker.rpartition("-")[0]


class Course:
    """The operations of one run, in the order of its log.

    Attributes:
        operations: All of them.
        makespan: Instant of the last.
        between: For each, the time since the worker's operation before it that was no work.
        itself: For each, how long it took beyond what it had to wait for.

    Args:
        events: Of a complete log.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        self.operations: list[Operation] = []
        self._rooms = _Rooms()
        self._last: dict[str, int] = {}
        self._open: dict[str, dict[Key, int]] = defaultdict(dict)
        self._puts: dict[Key, int] = {}
        for event in events:
            self._enter(event)
        for place, operation in enumerate(self.operations):
            if operation.kind == "get" and operation.delivery == 1:
                operation.enabler = self._puts.get((operation.queue, operation.item), _NONE)
            elif operation.kind == "put":
                operation.enabler = self._rooms.maker(operation.queue, place)
        self.makespan = max((operation.ended for operation in self.operations), default=0)
        self.between = [self._gap(operation) - operation.work for operation in self.operations]
        began = [operation.began for operation in self.operations]
        ended = [operation.ended for operation in self.operations]
        self.itself = [
            operation.ended - self._ready(place, began, ended) for place, operation in enumerate(self.operations)
        ]

    def _enter(self, event: Event) -> None:
        match event:
            case RunStart(queues=queues):
                self._rooms.bounds = {name: facts.maxsize or facts.capacity for name, facts in queues.items()}
            case Redelivery(queue=queue):
                self._rooms.put(queue, _NONE)
            case Put():
                self._put(event)
            case Get():
                self._get(event)
            case Done():
                self._done(event)

    def _put(self, event: Put) -> None:
        operation = Operation("put", event.worker, event.queue, event.id, event.t_ns - event.wait_ns, event.t_ns)
        operation.wait = event.wait_ns
        place = self._add(operation)
        self._puts[event.queue, event.id] = place
        self._rooms.put(event.queue, place)
        if event.worker in self._open:
            root = _root(event.id, self._open[event.worker])
            if root is not None and self._open[event.worker][root] == _NONE:
                self._open[event.worker][root] = place
        elif event.late_ns is not None:
            self._schedule(operation, operation.ended - event.wait_ns - event.late_ns)
        elif operation.before != _NONE:
            operation.key = ("", event.id)
            operation.work = self._gap(operation)

    def _schedule(self, operation: Operation, due: int) -> None:
        """Note when a put was due; what is written together waits for the last."""
        head = operation
        while head.together:
            head = self.operations[head.before]
        head.due = due
        before = self._ended_before(head)
        if head.before != _NONE:
            head.slept = due > before
            head.key = ("", head.item)
            head.work = head.began - max(before, due)

    def _get(self, event: Get) -> None:
        operation = Operation("get", event.worker, event.queue, event.id, event.t_ns - event.wait_ns, event.t_ns)
        operation.wait, operation.figure, operation.delivery = event.wait_ns, event.latency_ns, event.delivery
        self._open[event.worker][event.queue, event.id] = _NONE
        self._rooms.got(event.queue, self._add(operation))

    def _done(self, event: Done) -> None:
        operation = Operation("done", event.worker, event.queue, event.id, event.t_ns, event.t_ns)
        operation.figure, operation.planned, operation.delivery = event.service_ns, event.planned_ns, event.delivery
        place = self._add(operation)
        key = (event.queue, event.id)
        first = self._open[event.worker].pop(key, _NONE)
        worked = self.operations[place if first == _NONE else first]
        worked.key, worked.work, worked.planned = key, event.service_ns, event.planned_ns

    def _add(self, operation: Operation) -> int:
        place = len(self.operations)
        operation.before = self._last.get(operation.worker, _NONE)
        if operation.before != _NONE:
            before = self.operations[operation.before]
            operation.together = _mark(operation) == _mark(before)
            if not operation.together:
                operation.began = max(operation.began, before.ended)
        self.operations.append(operation)
        self._last[operation.worker] = place
        return place

    def _gap(self, operation: Operation) -> int:
        """Time since the worker's operation before; of its first since the start gate opened."""
        if operation.together:
            return 0
        return operation.began - max(operation.due, self._ended_before(operation))

    def _ended_before(self, operation: Operation) -> int:
        return 0 if operation.before == _NONE else self.operations[operation.before].ended

    def _ready(self, place: int, began: Sequence[int], ended: Sequence[int]) -> int:
        """When an operation has all it had to wait for, by these instants of those before it."""
        operation = self.operations[place]
        enabler = operation.enabler
        if enabler == _NONE:
            return began[place]
        if operation.kind == "put":
            return max(began[place], ended[enabler]) if enabler < place else began[place]
        # A get may return before its put has: it has to wait for its beginning, and for the room it needed.
        room = self.operations[enabler].enabler
        instant = max(began[place], began[enabler])
        return max(instant, ended[room]) if _NONE < room < place else instant

    def played(
        self, work: Sequence[int], between: Sequence[int], itself: Sequence[int], start: Mapping[str, int]
    ) -> int:
        """The makespan with these times.

        Args:
            work: Before each operation.
            between: Before each operation, besides work.
            itself: Of each operation, beyond what it has to wait for.
            start: When each worker begins its first operation; 0 where it is not named.
        """
        operations, following = self.operations, self._following()
        began, ended = [0] * len(operations), [0] * len(operations)

        def begin(place: int, instant: int) -> None:
            began[place] = instant
            while (place := following[place]) != _NONE and operations[place].together:
                began[place] = instant

        for place in self._firsts():
            begin(place, start.get(operations[place].worker, 0))
        for place, operation in enumerate(operations):
            ended[place] = self._ready(place, began, ended) + itself[place]
            if operation.together:
                ended[place] = max(ended[place], ended[operation.before])
            after = following[place]
            if after != _NONE and not operations[after].together:
                begin(after, max(operations[after].due, ended[place]) + work[after] + between[after])
        return max(ended, default=0)

    def _firsts(self) -> list[int]:
        return [place for place, operation in enumerate(self.operations) if operation.before == _NONE]

    def _following(self) -> list[int]:
        following = [_NONE] * len(self.operations)
        for place, operation in enumerate(self.operations):
            if operation.before != _NONE:
                following[operation.before] = place
        return following

    @property
    def starts(self) -> dict[str, int]:
        """When each worker began its first operation."""
        return {self.operations[place].worker: self.operations[place].began for place in self._firsts()}

    def simultaneous(self) -> tuple[int, int]:
        """Events that come by themselves at an instant at which another worker's does, and such instants.

        By itself comes what follows a pause or a service, and a worker's first operation; what only answers another
        event at the same instant does not count.
        """
        by_instant: dict[int, list[str]] = defaultdict(list)
        for operation in self.operations:
            if operation.work or operation.slept or operation.before == _NONE:
                by_instant[operation.began].append(operation.worker)
        tied = [workers for workers in by_instant.values() if len(set(workers)) > 1]
        return sum(map(len, tied)), len(tied)


class _Rooms:
    """Which get made room for which put: of a queue of m the k-th for the (k + m)-th, in the order of the log."""

    def __init__(self) -> None:
        self.bounds: dict[str, int | None] = {}
        self._numbers: dict[str, int] = defaultdict(int)
        self._number_of: dict[int, int] = {}
        self._gets: dict[str, list[int]] = defaultdict(list)

    def put(self, queue: str, place: int) -> None:
        self._number_of[place] = self._numbers[queue]
        self._numbers[queue] += 1

    def got(self, queue: str, place: int) -> None:
        self._gets[queue].append(place)

    def maker(self, queue: str, place: int) -> int:
        bound = self.bounds.get(queue)
        if not bound or self._number_of[place] < bound:
            return _NONE
        number = self._number_of[place] - bound
        gets = self._gets[queue]
        return gets[number] if number < len(gets) else _NONE


def _mark(operation: Operation) -> tuple[str, str, int, int]:
    """What operations of one write or read have in common."""
    return operation.kind, operation.queue, operation.began, operation.ended


def _root(item: str, among: Mapping[Key, int]) -> Key | None:
    """Which of the items in hand an item was made of: itself, or the one whose id its own goes on from."""
    ids = {key[1]: key for key in among}
    while item not in ids:
        item, dot, _ = item.rpartition(".")
        if not dot:
            return None
    return ids[item]


def works(course: Course) -> dict[Key, tuple[str, int, int]]:
    """Every piece of work: whose group's it was, how long it took, what else lay between the operations around it."""
    pairs = zip(course.operations, course.between, strict=True)
    return {o.key: (o.group, o.work, between) for o, between in pairs if o.key is not None}
