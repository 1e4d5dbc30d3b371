"""Records that are already in the order of time, as one writer makes them, to log lines and to events.

    records --lines--> text of the event log        the very format of journals and chronicle, by the same renderer
            --events--> records for the analysis    what reading these lines again would give

Memory is that of the chunk of records; nothing here looks further back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

from msgspec.json import encode

from runner.envelope import Envelope
from runner.log.encode import LEVEL, LINES, encode_lines, verbatim
from runner.log.events import Done, Get, Put, decoded
from runner.log.journal import DONE, FIGURES, GET, PUT, RAW, Clock, item_members
from runner.log.prefixes import Prefixes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.log.events import Event

_SECOND: Final = 1_000_000_000
_EPOCH: Final = Clock(0, 0)
_ENDS: Final = {PUT: "target", GET: "source", DONE: "source"}
_WORKER: Final = "@@worker@@"

_Known: TypeAlias = tuple["type[Any] | None", str, "str | None", tuple[str, str]]
"""What the lines of a worker and kind are made of: the struct, if it may be encoded; worker, queue; templates."""


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

    As for journals (`log.encode`), most lines are structs that msgspec encodes, wherever that gives what the renderer
    gives, byte for byte; others are rendered.

    Args:
        prefix: Gives `produce-0:` for a producer's index in the plan.
    """

    def __init__(self, prefix: Callable[[int], str]) -> None:
        from runner.log.render import Renderer, json_processors  # structlog: slow to import, not needed by all

        self._renderer = Renderer(_EPOCH, prefix, json_processors())
        self._names = Prefixes(prefix)
        self._known: dict[Speaker, dict[int, _Known]] = {}

    def __call__(self, records: Sequence[Record]) -> bytes:
        """The text of one line each."""
        # Once an event, and a log has millions: one loop over local variables.
        lines: list[Any] = []
        met, names, add = self._known.get, self._names, lines.append
        instant, began, until, stamp, stamped = -1, 0, 0, "", ""
        for kind, at, speaker, what, first, second in records:
            if kind == RAW:
                add(verbatim(self._renderer.entry(at, what)))
                continue
            if at != instant:
                instant = at
                if not began <= at < until:
                    began = at - at % _SECOND
                    until = began + _SECOND
                    stamp = self._renderer.second(at // _SECOND)
                stamped = f"{stamp}.{(at - began) // 1000:06d}Z"
            line, name, queue, templates = (met(speaker) or self._met(speaker))[kind]
            item = what.item
            if line is None or item.__class__ is not int:
                add(verbatim(_filled(templates, stamped, at, names[what.producer], what, first, second)))
                continue
            item_id = f"{names[what.producer]}{what.seq}{what.suffix}"
            add(line(LEVEL, stamped, at, name, queue, item_id, item, first, second, what.delivery))
        return encode_lines(lines)

    def _met(self, speaker: Speaker) -> dict[int, _Known]:
        kinds = [kind for kind, end in _ENDS.items() if getattr(speaker, end) is not None]
        found = self._known[speaker] = {kind: self._learnt(speaker, kind) for kind in kinds}
        return found

    def _learnt(self, speaker: Speaker, kind: int) -> _Known:
        """How its lines are made: where a first one, made both ways, differs by a byte, they are all rendered."""
        name, queue = speaker.name, speaker.target if kind == PUT else speaker.source
        templates, line = self._templates(speaker, kind, queue), LINES[kind]
        agree = all(
            encode_lines([line(LEVEL, "", 1, name, queue, "2", 3, 4, second, 1)])
            == encode_lines([verbatim(_filled(templates, "", 1, "", Envelope(0, 2, 3), 4, second))])
            for second in (5, None)
        )
        return line if agree else None, name, queue, templates

    def _templates(self, speaker: Speaker, kind: int, queue: str | None) -> tuple[str, str]:
        """What to fill in with a second figure and without one."""
        event, figures = FIGURES[kind]
        line = self._renderer.marked(event, _WORKER, queue, figures)
        places = {
            "timestamp": "%s", "t_ns": "%d", "worker": speaker.name, "id": "%s%d%s", "item": '"item":%s',
            figures[0]: "%d", "delivery": "%d",
        }  # fmt: skip
        for key, place in places.items():
            line = line.replace(f"@@{key}@@", place)
        mark = f"@@{figures[1]}@@"
        return line.replace(mark, "%d"), line.replace(mark, "null%.0s")


def _filled(
    templates: tuple[str, str], stamp: str, at: int, prefix: str, what: Envelope, first: int, second: int | None
) -> str:
    item = what.item
    shown = item if item.__class__ is int else item_members(item).decode().removeprefix('"item":')
    return templates[second is None] % (
        stamp, at, prefix, what.seq, what.suffix, shown, first, second or 0, what.delivery,
    )  # fmt: skip


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
