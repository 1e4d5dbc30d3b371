"""Journal records and chronicle entries to log lines.

structlog is the logging front: it adds the level and renders, as JSON or for people. A put, get or done is rendered
through it once a worker with placeholders; from then on that template is filled in, some 20 times as fast.
"""

from __future__ import annotations

import functools
import json
import time
from bisect import bisect_left
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import structlog

from runner.log.journal import FIGURES, GET_DONE, NO_SECOND, RAW, apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from structlog.typing import EventDict, Processor, WrappedLogger

    from runner.log.journal import Clock, Record
    from runner.log.merge import Owner

_SECOND: Final = 1_000_000_000
_HOT: Final = frozenset(FIGURES)
_WHOLE: Final = frozenset((0, NO_SECOND))
"""Flags of a record whose item is a whole number."""


def json_processors() -> list[Processor]:
    """Structlog's processors for the event log: one JSON object a line, keys in the order they were given."""
    return [_plain, structlog.processors.JSONRenderer(serializer=_compact)]


def pretty_processors(*, colors: bool) -> list[Processor]:
    """Structlog's processors for people."""
    return [structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False, pad_event_to=12)]


def _plain(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Put the keys every line has first."""
    first = {key: event_dict.pop(key) for key in ("event", "level", "timestamp", "t_ns")}
    return {**first, **event_dict}


def _compact(event_dict: EventDict, **_options: Any) -> str:
    return json.dumps(event_dict, ensure_ascii=False, separators=(",", ":"))


class Renderer:
    """Renders what one run logged.

    Attributes:
        zero: The instant the start gate opened, in ns of the monotonic clock.
        wall: What the wall clock is ahead of the monotonic clock, in ns.
        json: Whether lines are JSON; otherwise they are for people.
        null: How a line shows that there is no value.

    Args:
        clock: Where the run's time begins.
        prefix: Gives `produce-0:` for a producer's index in the plan.
        processors: `json_processors()` or `pretty_processors(…)`.
    """

    def __init__(self, clock: Clock, prefix: Callable[[int], str], processors: Sequence[Processor]) -> None:
        self.zero = clock.zero_ns
        self.wall = clock.wall_ns - clock.zero_ns
        self.prefix = prefix
        self.json = isinstance(processors[-1], structlog.processors.JSONRenderer)
        self.null = "null" if self.json else "None"
        self._logger = structlog.wrap_logger(structlog.ReturnLogger(), processors=list(processors))

    def entry(self, instant: int, entry: Mapping[str, Any]) -> str:
        """One line for an event of the supervisor, or for what a worker journalled as JSON.

        Args:
            instant: When it happened, in ns of the monotonic clock.
            entry: The event, with its level and without its time.
        """
        second, nano = divmod(instant + self.wall, _SECOND)
        return self._line(entry, f"{_stamp(second)}.{nano // 1000:06d}Z", instant - self.zero)

    def second(self, second: int) -> str:
        """The time stamp of a whole second of the wall clock, without fraction and zone."""
        return _stamp(second)

    def _line(self, entry: Mapping[str, Any], timestamp: str, t_ns: object) -> str:
        rest = {key: value for key, value in entry.items() if key not in {"event", "level"}}
        # `msg` is the logger's own word for the event: it takes the place of the first key.
        line: str = self._logger.msg(entry["event"], level=entry["level"], timestamp=timestamp, t_ns=t_ns, **rest)
        return f"{line}\n"

    def marked(self, event: str, worker: str, queue: str | None, figures: tuple[str, str]) -> str:
        """One line of a put, get or done with a mark where each value belongs."""
        marks = {key: _mark(key) for key in ("id", "item", *figures, "delivery")}
        entry = {"event": event, "level": "info", "worker": worker, "queue": queue, **marks}
        line = self._line(entry, _mark("timestamp"), _mark("t_ns")).replace("%", "%%")
        if self.json:
            for key in ("t_ns", *figures, "delivery"):
                line = line.replace(f'"{_mark(key)}"', _mark(key))
            line = line.replace(f'"item":"{_mark("item")}"', _mark("item"))
        return line

    def lines(self, owner: Owner) -> WorkerLines:
        """The renderer of one worker's journal."""
        return WorkerLines(self, owner)


def _mark(key: str) -> str:
    return f"@@{key}@@"


class WorkerLines:
    """Renders the journal of one worker, made by `Renderer.lines`."""

    def __init__(self, renderer: Renderer, owner: Owner) -> None:
        self._renderer = renderer
        self._worker = owner.worker
        self._marked = {
            kind: (renderer.marked(event, owner.worker, owner.queue_of(kind), figures), figures)
            for kind, (event, figures) in FIGURES.items()
        }
        self._any = {kind: self._filled(kind, "%s.%06dZ", "%s%d%s", "%s", "%s") for kind in FIGURES}
        self._second = -1
        self._hot: dict[tuple[int, int], str] = {}

    def _filled(self, kind: int, timestamp: str, item_id: str, item: str, second: str) -> str:
        line, (first_figure, second_figure) = self._marked[kind]
        values = {"timestamp": timestamp, "t_ns": "%d", "id": item_id, "item": item, first_figure: "%d"}
        for key, value in {**values, second_figure: second, "delivery": "%d"}.items():
            line = line.replace(_mark(key), value)
        return line

    def __call__(self, records: Sequence[Record]) -> list[tuple[int, str]]:
        """(instant, line) of records, in their order."""
        if any(record[8] == GET_DONE for record in records):
            records = apart(records)
        lines: list[tuple[int, str]] = []
        wall, start = self._renderer.wall, 0
        while start < len(records):
            second = (records[start][0] + wall) // _SECOND
            stop = bisect_left(records, (second + 1) * _SECOND - wall, start, key=itemgetter(0))
            lines += self._within(second, records[start:stop])
            start = stop
        return lines

    def _within(self, second: int, records: Sequence[Record]) -> Iterable[tuple[int, str]]:
        """The lines of records of one second: all at once where every item is a whole number."""
        instants, first, others, seqs, items, producers, deliveries, flags, kinds = zip(*records, strict=True)
        if not (set(kinds) <= _HOT and set(flags) <= _WHOLE):
            return [(record[0], self._line(record)) for record in records]
        templates, prefix, zero = self._hot_templates(second), self._renderer.prefix, self._renderer.zero
        names = {producer: prefix(producer) for producer in set(producers)}
        since = self._renderer.wall - second * _SECOND
        rows = zip(
            [(instant + since) // 1000 for instant in instants], [instant - zero for instant in instants],
            [names[producer] for producer in producers], seqs, items, first, others, deliveries,
            strict=True,
        )  # fmt: skip
        chosen = [templates[key] for key in zip(kinds, flags, strict=True)]
        return zip(instants, map(str.__mod__, chosen, rows), strict=True)

    def _hot_templates(self, second: int) -> dict[tuple[int, int], str]:
        """Templates for whole numbers as items, with one second's time stamp in them, by kind and flags."""
        if second != self._second:
            timestamp, item = f"{_stamp(second)}.%06dZ", '"item":%d' if self._renderer.json else "%d"
            self._hot = {
                (kind, flags): self._filled(kind, timestamp, "%s%d", item, shown)
                for kind in FIGURES
                for flags, shown in ((0, "%d"), (NO_SECOND, self._renderer.null + "%.0s"))
            }
            self._second = second
        return self._hot

    def _line(self, record: Record) -> str:
        instant, first, second, seq, item, producer, delivery, flags, kind = record
        renderer = self._renderer
        if kind == RAW:
            return renderer.entry(instant, {**json.loads(item), "worker": self._worker})
        suffix, shown = b"", b'"item":%d' % item if item.__class__ is int else item
        if item.__class__ is not int:
            suffix, _, shown = item.partition(b"\0")
        if not renderer.json:
            shown = shown.removeprefix(b'"item":')
        at, nano = divmod(instant + renderer.wall, _SECOND)
        return self._any[kind] % (
            _stamp(at), nano // 1000, instant - renderer.zero, renderer.prefix(producer), seq, suffix.decode(),
            shown.decode(), first, renderer.null if flags & NO_SECOND else second, delivery,
        )  # fmt: skip


@functools.lru_cache(maxsize=4)
def _stamp(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
