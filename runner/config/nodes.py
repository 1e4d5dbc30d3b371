"""A config as a tree that knows where it was written.

Text, base files, overrides and substitution all work on this tree. The models validate the plain data in it, and
`problems` leads what they find wrong back to file, line and column.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from runner.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

ENOUGH_PROBLEMS = 200
"""So many problems are told of one config; looking for more would only take time."""
MOST_CHOICES = 30
"""So many are listed where a word is none of what may stand there; all keys of a config fit."""

_LONGEST_SHOWN = 60


class Mark(NamedTuple):
    """Where something was written.

    Attributes:
        source: The file as the user named it, or `<stdin>`, `--set`, …
        folder: What relative paths written there start from.
        line: From 1; None where there is no text to point at.
        column: From 1; None likewise.
    """

    source: str
    folder: Path
    line: int | None = None
    column: int | None = None


class Scalar(NamedTuple):
    """A text, number, truth value or nothing."""

    mark: Mark
    value: str | int | float | bool | None


class ListNode(NamedTuple):
    """A list."""

    mark: Mark
    items: tuple[Node, ...]


class MapNode(NamedTuple):
    """A map; each key with the mark of the key itself."""

    mark: Mark
    entries: dict[str, tuple[Mark, Node]]

    def get(self, key: str) -> Node | None:
        """The value under `key`; None if the key is not there."""
        entry = self.entries.get(key)
        return None if entry is None else entry[1]

    def has(self, key: str) -> bool:
        """Whether `key` is there with a value other than nothing."""
        node = self.get(key)
        return node is not None and not is_nothing(node)

    def replaced(self, key: str, mark: Mark, node: Node) -> MapNode:
        """This map with `key` set; the map itself stays, for an alias may share it."""
        return MapNode(self.mark, {**self.entries, key: (mark, node)})


Node: TypeAlias = Scalar | ListNode | MapNode


def is_nothing(node: Node) -> bool:
    """Whether the node is YAML's null."""
    return isinstance(node, Scalar) and node.value is None


def problem(mark: Mark, path: str, message: str) -> Problem:
    """A problem at a mark."""
    return Problem(mark.source, mark.line, mark.column, path, message)


def join(path: str, key: str) -> str:
    """The dotted path of `key` below `path`; odd keys are quoted and cut, for a problem is one line."""
    shown = key if key.isprintable() and key and len(key) <= _LONGEST_SHOWN else quoted(key)
    return f"{path}.{shown}" if path else shown


Trail: TypeAlias = "tuple[Trail, str | int] | None"
"""A path that costs nothing until somebody asks for its text: the way above, and the key or index below it."""


def below(path: str, trail: Trail) -> str:
    """The dotted path of a trail that starts at `path`."""
    keys: list[str | int] = []
    while trail is not None:
        trail, key = trail
        keys.append(key)
    for key in reversed(keys):
        path = f"{path}[{key}]" if isinstance(key, int) else join(path, key)
    return path


def quoted(text: str) -> str:
    """The text in quotes, on one line, cut where it is long."""
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")


def describe(node: Node) -> str:
    """What stands there, for a message: `the text 'abc'`, `true`, `a list`."""
    match node:
        case MapNode():
            return "a map"
        case ListNode(items=items):
            return "a list" if items else "an empty list"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=bool(value)):
            return "true" if value else "false"
        case Scalar(value=str(value)):
            return f"the text {quoted(value)}"
        case Scalar(value=int(value) | float(value)):
            return number(value)
    raise AssertionError(node)


def number(value: float) -> str:
    """A number for a message, cut where it is long."""
    text = str(value)
    if text.removeprefix("-") in ("inf", "nan"):
        return text.replace("inf", ".inf").replace("nan", ".nan")
    return text if len(text) <= _LONGEST_SHOWN else f"a number of {len(text)} digits"


def nearest(word: str, options: Iterable[str]) -> str | None:
    """The option that may be meant; None where none is near."""
    if len(word) > _LONGEST_SHOWN:
        return None
    import difflib

    by_lower = {option.lower(): option for option in options}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """`, did you mean count?` where an option is near; else nothing."""
    near = nearest(word, options)
    return "" if near is None else f", did you mean {near}?"


def choices(options: Iterable[str]) -> str:
    """`allowed: a, b, c`."""
    shown = list(options)
    more = f" and {len(shown) - MOST_CHOICES} more" if len(shown) > MOST_CHOICES else ""
    return f"allowed: {', '.join(shown[:MOST_CHOICES])}{more}"


def unknown(what: str, word: str, options: Sequence[str]) -> str:
    """The message for a word that is none of the options."""
    hint = did_you_mean(word, options)
    return f"{what}{hint or ';'} {choices(options)}"


def plain(node: Node) -> Any:
    """The tree as Python data, without its marks."""
    match node:
        case Scalar(value=value):
            return value
        case ListNode(items=items):
            return [plain(item) for item in items]
        case MapNode(entries=entries):
            return {key: plain(value) for key, (_, value) in entries.items()}


def locate(root: Node, path: str) -> Mark:
    """The mark of the value at a dotted path, or of the nearest one above it that was written."""
    node = root
    for key in re.split(r"\.", path) if path else ():
        below = node.get(key) if isinstance(node, MapNode) else None
        if below is None:
            break
        node = below
    return node.mark
