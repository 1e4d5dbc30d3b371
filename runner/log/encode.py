"""Journal records to the bytes of the event log, by msgspec: what `render` gives, in less than half the time.

    put, get, done of a whole number --> a struct with the keys of its line --+
    everything else --render--> the line itself ------------------------------+--encode--> bytes

A log of a million items is three million lines, and to fill in a template costs twice as much as to encode a struct.
`render` still says what a line looks like: the first of each kind is made both ways, and where the two differ by a
byte, as for a name that only one of them escapes, the worker's lines are all rendered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from runner.log.journal import DONE, FIGURES, GET, GET_DONE, NO_SECOND
from runner.log.prefixes import Prefixes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runner.log.journal import Record
    from runner.log.merge import Owner
    from runner.log.render import Renderer

_MILLISECOND: Final = 1_000_000
_SECOND: Final = 1_000_000_000
_MICROSECONDS: Final = [f"{micro:03d}Z" for micro in range(1000)]
LEVEL: Final = "info"
_BEFORE: Final = ("level", "timestamp", "t_ns", "worker", "queue", "id", "item")
LINES: Final[dict[int, type[Any]]] = {
    kind: msgspec.defstruct(event, [*_BEFORE, *figures, "delivery"], tag_field="event", tag=event, gc=False)
    for kind, (event, figures) in FIGURES.items()
}
encode_lines: Final = msgspec.json.Encoder().encode_lines


def encoded(lines: Iterable[tuple[int, Any]]) -> bytes:
    """The text of lines that `Encoding` made."""
    return encode_lines([line for _, line in lines])


class Encoding:
    """Makes lines for `Merge` that `encoded` turns into text.

    Args:
        renderer: Says what they look like; its lines must be JSON.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def entry(self, instant: int, entry: Mapping[str, Any]) -> msgspec.Raw:
        """See `Renderer.entry`."""
        return verbatim(self._renderer.entry(instant, entry))

    def lines(self, owner: Owner) -> WorkerEncoding:
        """The lines of one worker's journal."""
        return WorkerEncoding(self._renderer, owner)


class WorkerEncoding:
    """Makes the lines of one worker's journal, for `Encoding`."""

    def __init__(self, renderer: Renderer, owner: Owner) -> None:
        self._zero = renderer.zero
        self._wall = renderer.wall
        self._second = renderer.second
        self._worker = owner.worker
        self._queues = {kind: owner.queue_of(kind) for kind in LINES}
        self._names = Prefixes(renderer.prefix)
        self._rendered = renderer.lines(owner)
        self._agrees = all(self._same(kind, flags) for kind in LINES for flags in (0, NO_SECOND))

    def _same(self, kind: int, flags: int) -> bool:
        probe = (self._zero, 1, 2, 3, 4, 0, 1, flags, kind)
        return encoded(self._encodable([probe])) == encoded(self._verbatim([probe]))

    def __call__(self, records: Sequence[Record]) -> list[tuple[int, Any]]:
        """(instant, line) of records, in their order."""
        return self._encodable(records) if self._agrees else self._verbatim(records)

    def _verbatim(self, records: Sequence[Record]) -> list[tuple[int, Any]]:
        return [(instant, verbatim(line)) for instant, line in self._rendered(records)]

    def _encodable(self, records: Sequence[Record]) -> list[tuple[int, Any]]:
        # Once an event, and a log has millions: one loop, and the time stamp is put together once a millisecond.
        lines: list[tuple[int, Any]] = []
        worker, zero, names, queues = self._worker, self._zero, self._names, self._queues
        micros, add, get, done, source = _MICROSECONDS, lines.append, LINES[GET], LINES[DONE], queues[GET]
        began = until = 0
        stamp = ""
        for record in records:
            instant, first, second, seq, item, producer, delivery, flags, kind = record
            if item.__class__ is not int:
                lines += self._verbatim([record])
                continue
            if not began <= instant < until:
                began = instant - (instant + self._wall) % _MILLISECOND
                until = began + _MILLISECOND
                stamp = self._millisecond(began + self._wall)
            timestamp, t_ns, name = stamp + micros[(instant - began) // 1000], instant - zero, f"{names[producer]}{seq}"
            if kind == GET_DONE:
                add((instant, get(LEVEL, timestamp, t_ns, worker, source, name, item, first, second, delivery)))
                add((instant, done(LEVEL, timestamp, t_ns, worker, source, name, item, 0, 0, delivery)))
                continue
            line = LINES[kind](
                LEVEL, timestamp, t_ns, worker, queues[kind], name, item, first, None if flags else second, delivery
            )  # fmt: skip
            add((instant, line))
        return lines

    def _millisecond(self, wall: int) -> str:
        """The time stamp of a whole millisecond of the wall clock, without the digits after it and the zone."""
        second, nano = divmod(wall, _SECOND)
        return f"{self._second(second)}.{nano // _MILLISECOND:03d}"


def verbatim(line: str) -> msgspec.Raw:
    """A line that is rendered, among structs that are to be encoded."""
    return msgspec.Raw(line.removesuffix("\n"))
