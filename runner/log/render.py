"""Journal records and chronicle entries to log lines.

structlog is the logging front: it adds the level and renders, as JSON or for people. A put, get or done is rendered
through it once a worker with placeholders; from then on that template is filled in, some 20 times as fast.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from runner.log.journal import DONE, GET, NO_SECOND, PUT, RAW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from structlog.typing import EventDict, Processor, WrappedLogger

    from runner.log.journal import Clock, Record

_FIGURES: Final = {
    PUT: ("put", ("wait_ns", "late_ns")),
    GET: ("get", ("wait_ns", "latency_ns")),
    DONE: ("done", ("service_ns", "planned_ns")),
}
_ID: Final = "@@id@@"
_ITEM: Final = "@@item@@"


def _number(key: str) -> str:
    return f"@@{key}@@"


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

    Args:
        clock: Where the run's time begins.
        prefix: Gives `produce-0:` for a producer's index in the plan.
        processors: `json_processors()` or `pretty_processors(…)`.
    """

    def __init__(self, clock: Clock, prefix: Callable[[int], str], processors: Sequence[Processor]) -> None:
        self._zero = clock.zero_ns
        self._wall = clock.wall_ns - clock.zero_ns
        self._prefix = prefix
        self._json = isinstance(processors[-1], structlog.processors.JSONRenderer)
        self._logger = structlog.wrap_logger(structlog.ReturnLogger(), processors=list(processors))
        self._second = -1
        self._stamp = ""

    def entry(self, instant: int, entry: Mapping[str, Any]) -> str:
        """One line for an event of the supervisor, or for what a worker journalled as JSON.

        Args:
            instant: When it happened, in ns of the monotonic clock.
            entry: The event, with its level and without its time.
        """
        second, nano = divmod(self._wall + instant, 1_000_000_000)
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{nano // 1000:06d}Z"
        return self._line(entry, stamp, instant - self._zero)

    def _line(self, entry: Mapping[str, Any], timestamp: str, t_ns: object) -> str:
        rest = {key: value for key, value in entry.items() if key not in {"event", "level"}}
        # `msg` is the logger's own word for the event: it takes the place of the first key.
        line: str = self._logger.msg(entry["event"], level=entry["level"], timestamp=timestamp, t_ns=t_ns, **rest)
        return f"{line}\n"

    def templates(self, worker: str, source: str | None, target: str | None) -> dict[int, str]:
        """The lines of one worker's puts, gets and dones, to be filled in by `records`."""
        return {
            kind: self._template(name, worker, target if kind == PUT else source, figures)
            for kind, (name, figures) in _FIGURES.items()
        }

    def _template(self, event: str, worker: str, queue: str | None, figures: tuple[str, str]) -> str:
        numbers = {key: _number(key) for key in (*figures, "delivery")}
        entry = {"event": event, "level": "info", "worker": worker, "queue": queue, "id": _ID, "item": _ITEM}
        line = self._line({**entry, **numbers}, _number("timestamp"), _number("t_ns")).replace("%", "%%")
        for key in (_number("t_ns"), *numbers.values()):
            line = line.replace(self._shown(key), "%s" if key == _number(figures[1]) else "%d")
        line = line.replace(f'"item":{self._shown(_ITEM)}' if self._json else _ITEM, "%s")
        return line.replace(_ID, "%s%d%s").replace(_number("timestamp"), "%s.%06dZ")

    def _shown(self, placeholder: str) -> str:
        return json.dumps(placeholder) if self._json else placeholder

    def records(self, templates: Mapping[int, str], records: Sequence[Record], owner: str) -> list[tuple[int, str]]:
        """(instant, line) of records of one worker, in their order.

        Args:
            templates: That worker's.
            records: From its journal.
            owner: Its name.
        """
        lines: list[tuple[int, str]] = []
        zero, wall, prefix, member = self._zero, self._wall, self._prefix, '"item":' if self._json else ""
        for instant, first, second, seq, item, producer, delivery, flags, kind in records:
            if kind == RAW:
                lines.append((instant, self.entry(instant, {**msgspec.json.decode(item), "worker": owner})))
                continue
            if item.__class__ is int:
                suffix, shown = "", f"{member}{item}"
            else:
                suffix, shown = self._tail(item)
            seconds, nano = divmod(wall + instant, 1_000_000_000)
            if seconds != self._second:
                self._second = seconds
                self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
            lines.append((instant, templates[kind] % (
                self._stamp, nano // 1000, instant - zero, prefix(producer), seq, suffix, shown,
                first, "null" if flags & NO_SECOND else second, delivery,
            )))  # fmt: skip
        return lines

    def _tail(self, tail: bytes) -> tuple[str, str]:
        suffix, _, members = tail.partition(b"\0")
        shown = members.decode()
        if not self._json:
            shown = shown.removeprefix('"item":')
        return suffix.decode(), shown
