"""Log lines for people, made from the lines of the event log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from runner.log.render import pretty_processors

if TYPE_CHECKING:
    from collections.abc import Callable

_MARK = "@@%d@@"


class Pretty:
    """Renders lines; the n-th of one shape costs a tenth of the first.

    structlog renders one line of each shape (event, level, worker, keys) with marks in the place of values; from
    then on that template is filled in.
    """

    def __init__(self, *, colors: bool) -> None:
        self._logger = structlog.wrap_logger(structlog.ReturnLogger(), processors=pretty_processors(colors=colors))
        self._templates: dict[tuple[str, ...], str] = {}
        self._decode: Callable[[str], dict[str, Any]] = msgspec.json.Decoder(dict[str, Any]).decode

    def line(self, logged: str) -> str:
        """One line for people from one line of the event log."""
        event = self._decode(logged)
        event.pop("t_ns")
        shape = (event.pop("event"), event.pop("level"), *event)
        template = self._templates.get(shape)
        if template is None:
            template = self._templates[shape] = self._template(*shape)
        return template % tuple(map(_shown, event.values()))

    def _template(self, event: str, level: str, *keys: str) -> str:
        marks = {key: _MARK % place for place, key in enumerate(keys)}
        line: str = self._logger.msg(event, level=level, **marks)
        line = line.replace("%", "%%")
        for mark in marks.values():
            line = line.replace(mark, "%s")
        return f"{line}\n"


def _shown(value: object) -> object:
    """A value as JSON; plain texts without their quotes."""
    if value.__class__ is int:
        return value
    if value is None:
        return "null"
    if isinstance(value, str) and value.isprintable() and " " not in value and value:
        return value
    return json.dumps(value, ensure_ascii=False)
