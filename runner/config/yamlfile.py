"""YAML text to a tree of nodes with positions: YAML 1.2 core, one document, within bounds.

The walk follows the C parser's events and stops at the first bound crossed, so a small text that would unfold into
something huge (aliases of aliases, brackets in brackets) costs no more than the bounds allow. PyYAML's own resolver
is not used: it reads YAML 1.1, where `1e-3` is text, `010` is 8, `1:30` is 90 and `on` is true.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from runner.config.nodes import ENOUGH_PROBLEMS, ListNode, MapNode, Mark, Node, Scalar, Trail, below, problem, quoted
from runner.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_NODES = 100_000
MAX_CHARACTERS = 1 << 20
MAX_DIGITS = 100

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_INFINITY = re.compile(r"[-+]?\.(inf|Inf|INF)\Z")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}

# What libyaml says, and what it means to somebody who writes a config.
_REASONS = (
    ("that cannot start any token", "no value starts with {}; put the text in quotes"),
    ("mapping values are not allowed", "a ':' where no key can stand; check the indentation or quote the text"),
    ("could not find expected ':'", "a ':' and a space are missing after a key"),
    ("did not find expected ',' or ']'", "a list is not closed: a ',' or ']' is missing"),
    ("did not find expected ',' or '}'", "a map is not closed: a ',' or '}' is missing"),
    ("did not find expected key", "a key was expected; check the indentation"),
    ("did not find expected '-' indicator", "a '-' was expected; check the indentation"),
    ("did not find expected node content", "a value is missing"),
    ("found unexpected end of stream", "a quoted text is never closed"),
    ("found unexpected document indicator", "a quoted text is never closed"),
    ("found unknown escape character", "a backslash in double quotes starts an escape; write \\\\ or single quotes"),
    ("block sequence entries are not allowed", "a '-' where no list can start; check the indentation"),
    ("did not find expected <document start>", "the config ends before this; check the indentation"),
    ("found undefined tag handle", "tags (!…) are not allowed"),
)


class Parsed(NamedTuple):
    """A text's tree and what is wrong with the text (which may still be read on, to find all problems at once)."""

    root: Node
    problems: list[Problem]


def parse(text: str, source: str, folder: Path) -> Parsed:
    """Read one YAML document.

    Args:
        text: The whole text.
        source: What problems call it.
        folder: What relative paths in it start from.

    Raises:
        ConfigError: The text is no YAML, is empty, or is larger or deeper than allowed.
    """
    origin = Mark(source, folder)
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES:
        raise ConfigError(problem(origin, "", f"larger than {MAX_BYTES:,} bytes"))
    if (odd := _unprintable(text)) is not None:
        raise ConfigError(_no_text(origin, text, odd))
    reader = _Reader(text, origin)
    try:
        return Parsed(reader.document(), reader.problems)
    except YAMLError as error:
        raise ConfigError(*reader.problems, _syntax(origin, text, error)) from None


def resolve(text: str) -> str | int | float | bool | None:
    """The value of a plain scalar by the YAML 1.2 core schema.

    Raises:
        ValueError: A number with more than `MAX_DIGITS` characters.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INFINITY.match(text):
        return float("-inf") if text.startswith("-") else float("inf")
    kind = int if _INTEGER.match(text) else float if _FLOAT.match(text) else None
    based = kind is None and _BASED.match(text)
    if kind is None and not based:
        return text
    # A number in base 16 has a fifth more digits when it is written again, in base 10.
    most = MAX_DIGITS if kind is not None else MAX_DIGITS * 3 // 4
    if len(text) > most:
        raise ValueError(f"a number of {len(text):,} characters; at most {most}, or put it in quotes")
    return int(text, 0) if kind is None else kind(text)


def _unprintable(text: str) -> int | None:
    if (control := _CONTROL.search(text)) is not None:
        return control.start()
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return next((at for odd in "\ufffe\uffff" if (at := text.find(odd)) >= 0), None)


def _no_text(origin: Mark, text: str, at: int) -> Problem:
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    message = f"the character U+{ord(text[at]):04X} is not allowed; is this a text file?"
    return problem(origin._replace(line=line, column=column), "", message)


def _syntax(origin: Mark, text: str, error: YAMLError) -> Problem:
    if not isinstance(error, MarkedYAMLError):
        return problem(origin, "", f"no YAML: {' '.join(str(error).split())}")
    said = error.problem or "unreadable"
    reason = next((reason for words, reason in _REASONS if words in said), said)
    at = error.problem_mark or error.context_mark
    if at is None:
        return problem(origin, "", f"no YAML: {reason}")
    at_tab = text[at.index : at.index + 1] == "\t"
    reason = "a tab cannot indent; use spaces" if at_tab else reason.replace("{}", repr(text[at.index : at.index + 1]))
    opened = error.context_mark
    since = f" (began in line {opened.line + 1})" if opened is not None and opened.line != at.line else ""
    return problem(origin._replace(line=at.line + 1, column=at.column + 1), "", f"no YAML: {reason}{since}")


class _Anchored(NamedTuple):
    node: Node
    nodes: int
    characters: int


class _Key(NamedTuple):
    mark: Mark
    value: str


class _Reader:
    """One walk over a text's events."""

    def __init__(self, text: str, origin: Mark) -> None:
        self.problems: list[Problem] = []
        self._origin = origin
        self._source, self._folder = origin.source, origin.folder
        self._next: Callable[[], Any] = CParser(text).get_event
        self._anchors: dict[str, _Anchored | None] = {}
        self._nodes = 0
        self._characters = 0

    def document(self) -> Node:
        self._next()
        start = self._next()
        if not isinstance(start, DocumentStartEvent):
            raise ConfigError(problem(self._origin, "", "empty: nothing but blanks and comments"))
        root = self._node(self._next(), None, 0)
        self._next()
        following = self._next()
        if not isinstance(following, StreamEndEvent):
            self._wrong(following, None, "a second document starts here; a config is one document")
        return root

    def _node(self, event: Any, trail: Trail, depth: int) -> Node:
        if isinstance(event, AliasEvent):
            return self._alias(event, trail)
        self._count(event, 1, 0)
        if event.tag is not None:
            self._wrong(event, trail, "tags (!…) are not allowed; remove it")
        anchor: str | None = event.anchor
        if anchor is None:
            return self._value(event, trail, depth)
        nodes, characters = self._nodes, self._characters
        self._anchors[anchor] = None
        node = self._value(event, trail, depth)
        self._anchors[anchor] = _Anchored(node, self._nodes - nodes + 1, self._characters - characters)
        return node

    def _value(self, event: Event, trail: Trail, depth: int) -> Node:
        if isinstance(event, ScalarEvent):
            return self._scalar(event, trail)
        if depth >= MAX_DEPTH:
            raise ConfigError(*self.problems, self._problem(event, None, f"nested deeper than {MAX_DEPTH} levels"))
        if isinstance(event, SequenceStartEvent):
            return self._list(event, trail, depth + 1)
        return self._map(event, trail, depth + 1)

    def _alias(self, event: AliasEvent, trail: Trail) -> Node:
        name = event.anchor or ""
        anchored = self._anchors.get(name)
        if anchored is None:
            within = name in self._anchors
            reason = "contains itself" if within else "is not defined before this"
            raise ConfigError(*self.problems, self._problem(event, trail, f"the anchor &{quoted(name)[1:-1]} {reason}"))
        self._count(event, anchored.nodes, anchored.characters)
        return anchored.node

    def _scalar(self, event: ScalarEvent, trail: Trail) -> Scalar:
        text: str = event.value
        self._count(event, 0, len(text))
        try:
            return Scalar(self._mark(event), resolve(text) if event.implicit[0] else text)
        except ValueError as error:
            self._wrong(event, trail, str(error))
            return Scalar(self._mark(event), 0)

    def _list(self, start: Event, trail: Trail, depth: int) -> ListNode:
        items: list[Node] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            items.append(self._node(event, (trail, len(items)), depth))
        return ListNode(self._mark(start), tuple(items))

    def _map(self, start: Event, trail: Trail, depth: int) -> MapNode:
        entries: dict[str, tuple[Mark, Node]] = {}
        merged: list[MapNode] = []
        while not isinstance(event := self._next(), MappingEndEvent):
            if isinstance(event, ScalarEvent) and event.value == "<<" and event.implicit[0]:
                merged += self._merge(self._next(), (trail, "<<"), depth)
                continue
            key = self._key(event, trail, depth)
            value = self._node(self._next(), (trail, "" if key is None else key.value), depth)
            if key is None:
                continue
            if key.value in entries:
                first = entries[key.value][0].line
                message = f"stands here a second time, first in line {first}; remove one"
                self._wrong(event, (trail, key.value), message)
            else:
                entries[key.value] = (key.mark, value)
        for base in merged:
            for name, entry in base.entries.items():
                entries.setdefault(name, entry)
        return MapNode(self._mark(start), entries)

    def _merge(self, event: Event, trail: Trail, depth: int) -> list[MapNode]:
        value = self._node(event, trail, depth)
        bases = value.items if isinstance(value, ListNode) else (value,)
        maps = [base for base in bases if isinstance(base, MapNode)]
        if len(maps) < len(bases):
            self._wrong(event, trail, "<< merges maps: wanted a map or a list of maps")
        return maps

    def _key(self, event: Event, trail: Trail, depth: int) -> _Key | None:
        node = self._node(event, trail, depth)
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return _Key(node.mark, node.value)
        remedy = f"; put {quoted(event.value)} in quotes" if isinstance(event, ScalarEvent) else ", no list or map"
        self._wrong(event, trail, f"a key is text{remedy}")
        return None

    def _count(self, event: Event, nodes: int, characters: int) -> None:
        self._nodes += nodes
        self._characters += characters
        if self._nodes > MAX_NODES:
            message = f"more than {MAX_NODES:,} values (aliases count as what they stand for)"
        elif self._characters > MAX_CHARACTERS:
            message = f"more than {MAX_CHARACTERS:,} characters (aliases count as what they stand for)"
        else:
            return
        raise ConfigError(*self.problems, self._problem(event, None, message))

    def _mark(self, event: Event) -> Mark:
        at: Any = event.start_mark
        return Mark(self._source, self._folder, at.line + 1, at.column + 1)

    def _problem(self, event: Event, trail: Trail, message: str) -> Problem:
        return problem(self._mark(event), below("", trail), message)

    def _wrong(self, event: Event, trail: Trail, message: str) -> None:
        self.problems.append(self._problem(event, trail, message))
        if len(self.problems) > ENOUGH_PROBLEMS:
            raise ConfigError(*self.problems[:-1], self._problem(event, None, "and more problems"))
