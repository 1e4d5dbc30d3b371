"""The lines of a log whose clocks are uncertain, in an order in which they may have happened.

    log, by t_ns ──> buffer, as long as two clocks may differ ──> what a line presupposes, then the line itself

A log is ordered by instants, and where those of two nodes differ by more than they really did, a redelivery stands
before the get of the delivery before, a stage's get after that of what it made, a worker's last events after its exit.
So each line draws forward what it presupposes, if that stands later by no more than the clocks explain: the get of the
delivery before, the get of what an item was made of, the start of who acts, all that a worker did before it exited.
What stands later than that stays where it is, for the books to object to. Lines of one worker, and those of the
supervisor, keep their order. That a get may stand before its put is nothing new to the books: a put may return later.

Lines do not say of which incarnation they are. So a replacement that acts sooner after a death than the clocks can tell
is taken for the dead.
"""

from __future__ import annotations

from collections import defaultdict, deque
from functools import partial
from itertools import takewhile
from operator import is_not
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from runner.log.events import (
    Done,
    Failed,
    Get,
    Left,
    Lost,
    Put,
    Redelivery,
    RunStart,
    WorkerDied,
    WorkerExit,
    WorkerStart,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runner.analysis.clocks import Clocks
    from runner.log.events import Event, GroupFacts

_Key: TypeAlias = tuple[str | int, ...]


class _Line(Struct, gc=False):
    """A line in the buffer; `worker` is None where it is the supervisor's, `key` what others find it under."""

    number: int
    event: Event
    worker: str | None
    key: _Key | None
    asked: bool = False
    gone: bool = False


class PossibleOrder:
    """Takes the events of a log in its order, and gives them back in another, each with the number of its line.

    Args:
        clocks: By how much instants may differ; they may turn out worse meanwhile.
        groups: As in `run.start`, if that is not among the events.
        living: Workers that are between their start and their exit before the first event.
    """

    def __init__(
        self, clocks: Clocks, groups: Mapping[str, GroupFacts] | None = None, living: Iterable[str] = ()
    ) -> None:
        self._clocks = clocks
        self._upstream: dict[str, list[str]] = {}
        self._link(groups or {})
        self._living: set[str | None] = {None, *living}
        self._buffer: deque[_Line] = deque()
        self._own: dict[str | None, deque[_Line]] = defaultdict(deque)
        self._found: dict[_Key, _Line] = {}

    def _link(self, groups: Mapping[str, GroupFacts]) -> None:
        for group in groups.values():
            if group.source is not None and group.target is not None:
                self._upstream.setdefault(group.target, []).append(group.source)

    def take(self, events: Iterable[Event], first: int) -> list[tuple[int, Event]]:
        """Take further events, the first of which is in line `first`; return what nothing to come can precede."""
        line = None
        buffer, own, found = self._buffer, self._own, self._found
        for number, event in enumerate(events, first):
            line = _Line(number, event, *self._told(event))
            buffer.append(line)
            own[line.worker].append(line)
            if line.key is not None:
                found[line.key] = line
        return self._given(-1 << 62 if line is None else line.event.t_ns - 2 * self._clocks.largest_ns)

    def rest(self) -> list[tuple[int, Event]]:
        """Return what is left at the log's end."""
        return self._given(1 << 62)

    def _told(self, event: Event) -> tuple[str | None, _Key | None]:
        """Whose line it is, and what others find it under."""
        match event:
            case Get():
                return event.worker, ("get", event.queue, event.id, event.delivery)
            case Done():
                return event.worker, None
            case Put() | Redelivery():
                worker = None if isinstance(event, Redelivery) or event.recovered else event.worker
                return worker, ("put", event.queue, event.id, event.delivery)
            case WorkerStart():
                self._clocks.enter(event)
                return None, ("start", event.worker)
            case RunStart():
                self._link(event.groups)
        return None, None

    def _given(self, before_ns: int) -> list[tuple[int, Event]]:
        given: list[tuple[int, Event]] = []
        buffer, own, found, living, upstream = self._buffer, self._own, self._found, self._living, self._upstream
        while buffer and (buffer[0].gone or buffer[0].event.t_ns < before_ns):
            line = buffer.popleft()
            if line.gone:
                continue
            event, worker, mine = line.event, line.worker, own[line.worker]
            # Most lines presuppose nothing that could stand later, and need not be asked.
            if isinstance(event, Get):
                plain = event.delivery == 1 and event.queue not in upstream
            else:
                plain = isinstance(event, (Put, Done))
            if plain and worker in living and mine[0] is line:
                mine.popleft()
                if line.key is not None:
                    found.pop(line.key, None)
                given.append((line.number, event))
                continue
            for each in self._drawn(line):
                given += self._out(each)
        return given

    def _drawn(self, first: _Line) -> Iterator[_Line]:
        """Yield what a line presupposes, what that does, and so on, each when all before it is out; the line last."""
        waiting = [first]
        while waiting:
            line = waiting[-1]
            if line.gone or line.asked:
                waiting.pop()
                if not line.gone:
                    yield line
                continue
            line.asked = True
            own = self._own[line.worker]
            before = [] if own[0] is line else [*takewhile(partial(is_not, line), own)]
            waiting += [each for each in (*self._presupposed(line), *reversed(before)) if not each.asked]

    def _out(self, line: _Line) -> Iterator[tuple[int, Event]]:
        """Yield a line; before it what its worker did before, if that has to wait for it, which contradicts itself."""
        own = self._own[line.worker]
        while not line.gone:
            each = own.popleft()
            each.gone = True
            if each.key is not None and self._found.get(each.key) is each:
                del self._found[each.key]
            if isinstance(each.event, WorkerStart):
                self._living.add(each.event.worker)
            elif isinstance(each.event, WorkerDied | WorkerExit):
                self._living.discard(each.event.worker)
            yield each.number, each.event

    def _presupposed(self, line: _Line) -> Iterator[_Line]:
        event = line.event
        if line.worker is not None and line.worker not in self._living:
            yield from self._near(line, ("start", line.worker))
        if isinstance(event, Get):
            for source in self._upstream.get(event.queue, ()):
                for item in (event.id, event.id.rpartition(".")[0]):
                    yield from self._near(line, ("get", source, item, 1))
        if isinstance(event, Get | Redelivery | Left | Failed | Lost):
            before = event.delivery - isinstance(event, Get | Redelivery)
            yield from self._near(line, ("put", event.queue, event.id, before))
            yield from self._near(line, ("get", event.queue, event.id, before))
        elif isinstance(event, WorkerExit | WorkerDied):
            until = event.t_ns + self._clocks.between(event.worker, None)
            yield from reversed([*takewhile(lambda each: each.event.t_ns <= until, self._own[event.worker])])

    def _near(self, line: _Line, key: _Key) -> Iterator[_Line]:
        """Yield the line of that key, if it stands later by no more than the clocks explain."""
        found = self._found.get(key)
        if found is not None and found.event.t_ns - line.event.t_ns <= self._clocks.between(line.worker, found.worker):
            yield found
