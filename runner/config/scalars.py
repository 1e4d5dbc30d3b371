"""Single values as the config language writes them."""

import os
from collections.abc import Iterator
from itertools import islice
from math import isfinite
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import AfterValidator, BeforeValidator, StringConstraints, ValidationInfo, WithJsonSchema

from runner.config import kinds
from runner.config.law import LONGEST
from runner.config.nodes import number, quoted
from runner.config.refusals import MOST_ALIKE, Wanted, at_most, refuse_below, refused, told, unknown_choice
from runner.config.units import DURATION, SIZE, parse_duration, parse_size

MOST_NAMES = 1_000
"""So many groups of one role, or queues."""
NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"
SUBSTITUTED = r"\$\{"
"""In JSON Schema patterns: the value of a variable, which nobody knows before it is filled in."""

DURATION_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": LONGEST},
        {"type": "string", "pattern": rf"^({DURATION.pattern})$|{SUBSTITUTED}"},
    ]
}
SIZE_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 1 << 30},
        {"type": "string", "pattern": rf"^({SIZE.pattern})$|{SUBSTITUTED}"},
    ]
}
_ABOVE_0_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST}, DURATION_SCHEMA["anyOf"][1]]
}
TARGET_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": rf"^[^\s:]+:[^\s:]+$|{SUBSTITUTED}",
    "examples": ["package.module:function"],
}

_TARGET = "package.module:function"


def _seconds(value: Any) -> Any:
    seconds = parse_duration(value) if isinstance(value, str) else value
    return value if seconds is None else seconds


def _above_0(seconds: float) -> float:
    if seconds * 1e9 < 1:
        raise refused(_ABOVE_0)
    return seconds


def _bytes(value: Any) -> Any:
    size = parse_size(value) if isinstance(value, str) else value
    return value if size is None else size


def _line(text: str) -> str:
    if not (text.strip() and text.isprintable()):
        raise refused(_LINE)
    return text


def _target(text: str) -> str:
    module, colon, attribute = text.partition(":")
    if not colon and "." in text and _dotted(text):
        raise told(f"wanted {_TARGET}, did you mean {':'.join(text.rsplit('.', 1))}?")
    if not (_dotted(module) and _dotted(attribute)):
        raise refused(_TARGET)
    if module.partition(".")[0] == "__main__":
        raise told("user code is never imported from __main__; wanted package.module:function, in a module of its own")
    return text


def _dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _kind(name: str) -> str:
    try:
        kinds.facts(name)
    except kinds.NoSuchKindError:
        raise unknown_choice("kind of queue", kinds.names()) from None
    except kinds.UnusableKindError as error:
        raise told(f"the kind {quoted(name)} {error}") from None
    return name


class _KindSchema:
    """Says in JSON Schema which kinds there are on this machine, found out only when asked."""

    def __get_pydantic_json_schema__(self, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {
            "anyOf": [
                {"enum": list(kinds.names()), "type": "string"},
                {"type": "string", "pattern": SUBSTITUTED, "description": "a value taken from the environment"},
            ]
        }


def _folder(path: str) -> str:
    if not path or "\0" in path:
        raise refused("the path of a folder")
    if not os.path.isdir(path):  # noqa: PTH112 - says no where Path raises
        raise told(f"no such folder: {path}")
    return path


def _rows(path: str, info: ValidationInfo) -> str:
    return _file(path, None if info.context is None else info.context.rows)


def _trace(path: str, info: ValidationInfo) -> str:
    return _file(path, None if info.context is None else info.context.trace)


def _file(path: str, read: Any) -> str:
    if not path or "\0" in path:
        raise refused("the path of a file")
    try:
        if read is not None:
            read(path)
    except ValueError as error:
        raise told(str(error)) from None
    return path


def _finite(value: Any) -> Any:
    found = list(islice(_infinities(value, ()), MOST_ALIKE + 1))
    more = " (and more like it)" if len(found) > MOST_ALIKE else ""
    found = found[:MOST_ALIKE]
    if found:
        wrong = [(at, told(f"wanted a finite number, not {number(odd)}")) for at, odd in found]
        *_, (at, odd) = found
        refuse_below(*wrong[:-1], (at, told(f"wanted a finite number, not {number(odd)}{more}")))
    return value


def _infinities(value: Any, at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], float]]:
    match value:
        case float() if not isfinite(value):
            yield at, value
        case list():
            for index, below in enumerate(value):
                yield from _infinities(below, (*at, index))
        case dict():
            for key, below in value.items():
                yield from _infinities(below, (*at, key))


_LINE = "a line of text of at most 100 characters"
_ABOVE_0 = "seconds from 1e-9 to 1e8, or such as 250us, 10ms, 1.5s, 2m, 1h"
DURATION_WANTED = "seconds from 0 to 1e8, or such as 250us, 10ms, 1.5s, 2m, 1h"

EngineName = Literal["processes", "threads", "simulation", "ray"]
Int64 = Annotated[int, Ge(-(1 << 63)), Le((1 << 63) - 1), Wanted("a whole number within 64 bits")]
Duration = Annotated[
    float,
    Ge(0),
    Le(LONGEST),
    BeforeValidator(_seconds),
    Wanted(DURATION_WANTED),
    WithJsonSchema(DURATION_SCHEMA),
]
DurationAbove0 = Annotated[
    float,
    Ge(0),
    Le(LONGEST),
    BeforeValidator(_seconds),
    AfterValidator(_above_0),
    Wanted(_ABOVE_0),
    WithJsonSchema(_ABOVE_0_SCHEMA),
]
Size = Annotated[
    int,
    Ge(0),
    Le(1 << 30),
    BeforeValidator(_bytes),
    Wanted("whole bytes up to 1GiB, as a number or such as 500B, 4KiB, 1MiB, 10KB"),
    WithJsonSchema(SIZE_SCHEMA),
]
Line = Annotated[str, MinLen(1), MaxLen(100), AfterValidator(_line), Wanted(_LINE)]
FEW_NAMES = at_most(MOST_NAMES, "names")
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=64)]
QueueName = Annotated[
    str, Wanted("the name of a queue"), WithJsonSchema({"type": "string", "pattern": f"{NAME}|{SUBSTITUTED}"})
]
QueueKind = Annotated[str, AfterValidator(_kind), Wanted("the name of a kind of queue"), _KindSchema()]
WorkerName = Annotated[
    str,
    Wanted("the name of a worker, such as consume-0"),
    WithJsonSchema({"type": "string", "pattern": rf"^[A-Za-z_][A-Za-z0-9_-]*-[0-9]+$|{SUBSTITUTED}"}),
]
Target = Annotated[
    str,
    AfterValidator(_target),
    Wanted(_TARGET),
    WithJsonSchema(TARGET_SCHEMA),
]
Folder = Annotated[str, AfterValidator(_folder), Wanted("the path of a folder")]
RowsFile = Annotated[str, AfterValidator(_rows), Wanted("the path of a file")]
TraceFile = Annotated[str, AfterValidator(_trace), Wanted("the path of a file")]
JsonList = Annotated[list[Any], AfterValidator(_finite), Wanted("a list of values")]
JsonMap = Annotated[dict[str, Any], AfterValidator(_finite), Wanted("a map of arguments")]
