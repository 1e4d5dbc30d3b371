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
_ENDS: Final = {PUT: "target", GET: "source", DONE: "source"}
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
        self._templates: dict[Speaker, dict[int, tuple[str, str]]] = {}
        self._second = -1
        self._stamp = ""

    def __call__(self, records: Sequence[Record]) -> list[str]:
        """One line each."""
        lines = []
        instant, stamp, templates, names = -1, "", self._templates, self._names
        for kind, at, speaker, what, first, second in records:
            if kind == RAW:
                lines.append(self._renderer.entry(at, what))
                continue
            if at != instant:
                instant, stamp = at, self._timestamp(at)
            known = templates.get(speaker) or self._met(speaker)
            item = what.item
            shown = item if item.__class__ is int else item_members(item).decode().removeprefix('"item":')
            line = known[kind][second is None] % (
                stamp, at, names[what.producer], what.seq, what.suffix, shown, first, second or 0, what.delivery,
            )  # fmt: skip
            lines.append(line)
        return lines

    def _timestamp(self, instant: int) -> str:
        at, nano = divmod(instant, _SECOND)
        if at != self._second:
            self._second, self._stamp = at, self._renderer.second(at)
        return f"{self._stamp}.{nano // 1000:06d}Z"

    def _met(self, speaker: Speaker) -> dict[int, tuple[str, str]]:
        kinds = [kind for kind, end in _ENDS.items() if getattr(speaker, end) is not None]
        found = self._templates[speaker] = {kind: self._template(speaker, kind) for kind in kinds}
        return found

    def _template(self, speaker: Speaker, kind: int) -> tuple[str, str]:
        """What to fill in with a second figure and without one."""
        queue = speaker.target if kind == PUT else speaker.source
        line = self._renderer.marked(_NAMES[kind], _WORKER, queue, _FIGURES[kind])
        places = {
            "timestamp": "%s", "t_ns": "%d", "worker": speaker.name, "id": "%s%d%s", "item": '"item":%s',
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
