"""Records that are already in the order of time, as one writer makes them, to log lines and to events.

    records --lines--> text of the event log        the very format of journals and chronicle, by the same renderer
            --events--> records for the analysis    what reading these lines again would give

Memory is that of the chunk of records; nothing here looks further back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

from msgspec.json import encode

from runner.log.events import Done, Get, Put, decoded
from runner.log.journal import DONE, GET, PUT, RAW, Clock, item_members
from runner.log.prefixes import Prefixes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.log.events import Event

_SECOND: Final = 1_000_000_000
_EPOCH: Final = Clock(0, 0)
_NAMES: Final = {PUT: "put", GET: "get", DONE: "done"}
_FIGURES: Final = {
    PUT: ("wait_ns", "late_ns"),
    GET: ("wait_ns", "latency_ns"),
    DONE: ("service_ns", "planned_ns"),
}
_WORKER: Final = "@@worker@@"


class Speaker(Protocol):
    """Who put, got or did an item."""

    name: str
    group: str
    source: str | None
    target: str | None


class Told(NamedTuple):
    """A record.

    Attributes:
        kind: PUT, GET, DONE; or RAW for any other event.
        instant: In ns since the start gate opened.
        speaker: Whose it is; None for RAW.
        what: The item; for RAW the event with its level, without its time.
        first: wait_ns of a put or get, service_ns of a done.
        second: late_ns, latency_ns or planned_ns.
    """

    kind: int
    instant: int
    speaker: Any
    what: Any
    first: int
    second: int | None


Record: TypeAlias = Told | tuple[int, int, Any, Any, int, "int | None"]


def raw(instant: int, event: str, level: str = "info", **keys: Any) -> Record:
    """A record of any event that is no put, get or done."""
    return RAW, instant, None, {"event": event, "level": level, **keys}, 0, None


class SequenceLines:
    """Renders records as JSON lines; time counts from 1970-01-01.

    Args:
        prefix: Gives `produce-0:` for a producer's index in the plan.
    """

    def __init__(self, prefix: Callable[[int], str]) -> None:
        from runner.log.render import Renderer, json_processors  # structlog: slow to import, not needed by all

        self._renderer = Renderer(_EPOCH, prefix, json_processors())
        self._names = Prefixes(prefix)
        self._templates: dict[tuple[str, int], tuple[str, str]] = {}
        self._second = -1
        self._stamp = ""

    def __call__(self, records: Sequence[Record]) -> list[str]:
        """One line each."""
        return [self._line(record) for record in records]

    def _line(self, record: Record) -> str:
        kind, instant, speaker, what, first, second = record
        if kind == RAW:
            return self._renderer.entry(instant, what)
        at, nano = divmod(instant, _SECOND)
        if at != self._second:
            self._second, self._stamp = at, self._renderer.second(at)
        known = self._templates.get((speaker.group, kind))
        if known is None:
            known = self._templates[speaker.group, kind] = self._template(speaker, kind)
        item = what.item
        return known[second is None] % (
            self._stamp, nano // 1000, instant, speaker.name, self._names[what.producer], what.seq, what.suffix,
            f'"item":{item}' if item.__class__ is int else item_members(item).decode(), first,
            second or 0, what.delivery,
        )  # fmt: skip

    def _template(self, speaker: Speaker, kind: int) -> tuple[str, str]:
        """What to fill in with a second figure and without one."""
        queue = speaker.target if kind == PUT else speaker.source
        line = self._renderer.marked(_NAMES[kind], _WORKER, queue, _FIGURES[kind])
        places = {
            "timestamp": "%s.%06dZ", "t_ns": "%d", "worker": "%s", "id": "%s%d%s", "item": "%s",
            _FIGURES[kind][0]: "%d", "delivery": "%d",
        }  # fmt: skip
        for key, place in places.items():
            line = line.replace(f"@@{key}@@", place)
        mark = f"@@{_FIGURES[kind][1]}@@"
        return line.replace(mark, "%d"), line.replace(mark, "null%.0s")


class SequenceEvents:
    """Turns records into the events that the analysis reads.

    Args:
        prefix: Gives `produce-0:` for a producer's index in the plan.
    """

    def __init__(self, prefix: Callable[[int], str]) -> None:
        self._names = Prefixes(prefix)

    def __call__(self, records: Sequence[Record]) -> list[Event]:
        """One event each."""
        names, found = self._names, []
        event: Event
        for kind, at, who, what, first, second in records:
            if kind == RAW:
                event = decoded(encode({**what, "t_ns": at}))
            else:
                item = f"{names[what.producer]}{what.seq}{what.suffix}"
                if kind == PUT:
                    event = Put(t_ns=at, worker=who.name, queue=who.target, id=item, wait_ns=first, late_ns=second)
                elif kind == GET:
                    event = Get(
                        t_ns=at, worker=who.name, queue=who.source, id=item, wait_ns=first, latency_ns=second or 0,
                        delivery=what.delivery,
                    )  # fmt: skip
                else:
                    event = Done(
                        t_ns=at, worker=who.name, queue=who.source, id=item, service_ns=first, planned_ns=second,
                        delivery=what.delivery,
                    )  # fmt: skip
            found.append(event)
        return found
