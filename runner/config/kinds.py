"""Kinds of single values: how each is read from a node, written back, and described to an editor.

A kind's `read` returns the value or raises a `ConfigError` that names the place, what stands there and what is wanted.
"""

# ruff: noqa: D102 - what a method of a kind does, `Kind` says

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.config.law import LONGEST
from runner.config.nodes import ListNode, Scalar, Spot, describe, unknown
from runner.config.units import DURATION, SIZE, parse_duration, parse_size
from runner.errors import ConfigError, Problem

NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
SUBSTITUTED = {"type": "string", "pattern": r"\$\{", "description": "a value taken from the environment"}
MOST_ALIKE = 20
"""So many problems are told of one list, or of one map's unknown keys."""


class Kind:
    """What may stand at a key; `wanted` finishes the sentence `wanted …`."""

    wanted = "a value"

    def read(self, spot: Spot) -> Any:
        """The value that stands there.

        Raises:
            ConfigError: Something else stands there; every problem below this node.
        """
        raise NotImplementedError

    def plain(self, value: Any) -> Any:
        """The value as JSON data, in its one normal form."""
        return value

    def identity(self, value: Any) -> Any:
        """What of the value makes the experiment, as JSON data."""
        return self.plain(value)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of what may stand there."""
        raise NotImplementedError

    def refused(self, spot: Spot) -> ConfigError:
        """The error to raise when something else stands there."""
        return spot.wrong(f"wanted {self.wanted}, not {describe(spot.node)}")


class Whole(Kind):
    """A whole number from `low` to `high`."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high
        within = "within 64 bits" if low == -high - 1 else f"from {low:,} to {high:,}"
        self.wanted = f"a whole number {within}"

    def read(self, spot: Spot) -> int:
        match spot.node:
            case Scalar(value=bool()):
                pass
            case Scalar(value=int(value)) if self.low <= value <= self.high:
                return value
        raise self.refused(spot)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": self.low, "maximum": self.high}, SUBSTITUTED]}


class Natural(Kind):
    """A whole number without an upper bound."""

    wanted = "a whole number of 0 or more"

    def read(self, spot: Spot) -> int:
        match spot.node:
            case Scalar(value=bool()):
                pass
            case Scalar(value=int(value)) if value >= 0:
                return value
        raise self.refused(spot)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "integer", "minimum": 0}, SUBSTITUTED]}


class Number(Kind):
    """A finite number from `low` to `high`."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.wanted = f"a number from {low:,.0f} to {high:,.0f}"

    def read(self, spot: Spot) -> float:
        match spot.node:
            case Scalar(value=bool()):
                pass
            case Scalar(value=int(value) | float(value)) if self.low <= value <= self.high:
                return float(value)
        raise self.refused(spot)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "number", "minimum": self.low, "maximum": self.high}, SUBSTITUTED]}


class Duration(Kind):
    """A time in seconds, from 0 to some three years."""

    wanted = "seconds from 0 to 1e8, or such as 250us, 10ms, 1.5s, 2m, 1h"

    def read(self, spot: Spot) -> float:
        value = spot.node.value if isinstance(spot.node, Scalar) else None
        seconds = parse_duration(value) if isinstance(value, str) else value
        if seconds is None or isinstance(seconds, bool) or not 0 <= seconds <= LONGEST:
            raise self.refused(spot)
        return float(seconds)

    def schema(self) -> dict[str, Any]:
        text = {"type": "string", "pattern": rf"^({DURATION.pattern})$|\$\{{"}
        return {"anyOf": [{"type": "number", "minimum": 0, "maximum": LONGEST}, text]}


class Size(Kind):
    """A number of bytes up to `high`."""

    def __init__(self, high: int) -> None:
        self.high = high
        self.wanted = f"whole bytes up to {_binary(high)}, as a number or such as 500B, 4KiB, 1MiB, 10KB"

    def read(self, spot: Spot) -> int:
        value = spot.node.value if isinstance(spot.node, Scalar) else None
        size = parse_size(value) if isinstance(value, str) else value
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= self.high:
            raise self.refused(spot)
        return size

    def schema(self) -> dict[str, Any]:
        text = {"type": "string", "pattern": rf"^({SIZE.pattern})$|\$\{{"}
        return {"anyOf": [{"type": "integer", "minimum": 0, "maximum": self.high}, text]}


class Choice(Kind):
    """One of some words; `later` holds those that a later version brings."""

    def __init__(self, *options: str, later: tuple[str, ...] = ()) -> None:
        self.options, self.later = options, later
        self.wanted = f"one of {', '.join(options)}"

    def read(self, spot: Spot) -> str:
        if not isinstance(spot.node, Scalar) or not isinstance(spot.node.value, str):
            raise self.refused(spot)
        word = spot.node.value
        if word in self.later:
            raise spot.wrong(f"{word} is not available in this version; allowed: {', '.join(self.options)}")
        if word not in self.options:
            raise spot.wrong(unknown(f"no such choice: {describe(spot.node)}", word, self.options))
        return word

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(self.options)}, SUBSTITUTED]}


class Text(Kind):
    """A text of at most `longest` characters; `line`: not empty and without line breaks."""

    def __init__(self, longest: int, *, line: bool) -> None:
        self.longest, self.line = longest, line
        self.wanted = f"{'a line of ' if line else ''}text of at most {longest:,} characters"

    def read(self, spot: Spot) -> str:
        if not isinstance(spot.node, Scalar) or not isinstance(spot.node.value, str):
            raise self.refused(spot)
        text = spot.node.value
        if len(text) > self.longest:
            raise spot.wrong(f"wanted {self.wanted}, not {len(text):,}")
        if self.line and not (text.strip() and text.isprintable()):
            raise self.refused(spot)
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.longest, **({"minLength": 1} if self.line else {})}


class Target(Kind):
    """A function or class of the user's: `package.module:function`."""

    wanted = "package.module:function"

    def read(self, spot: Spot) -> str:
        if not isinstance(spot.node, Scalar) or not isinstance(spot.node.value, str):
            raise self.refused(spot)
        text = spot.node.value
        module, colon, attribute = text.partition(":")
        if not colon and "." in text and _dotted(text):
            raise spot.wrong(f"wanted {self.wanted}, did you mean {':'.join(text.rsplit('.', 1))}?")
        if not (_dotted(module) and _dotted(attribute)):
            raise self.refused(spot)
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^[^\s:]+:[^\s:]+$|\$\{", "examples": ["package.module:function"]}


class ListOf(Kind):
    """A list of at least one value of a kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.wanted = f"a list, each {kind.wanted}"

    def read(self, spot: Spot) -> tuple[Any, ...]:
        if not isinstance(spot.node, ListNode) or not spot.node.items:
            raise self.refused(spot)
        problems: list[Problem] = []
        values: list[Any] = []
        for index, item in enumerate(spot.node.items):
            values.append(read_into(problems, self.kind, spot.element(index, item)))
            if len(problems) > MOST_ALIKE:
                break
        if problems:
            raise ConfigError(*capped(problems))
        return tuple(values)

    def plain(self, value: Any) -> Any:
        return [self.kind.plain(item) for item in value]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.kind.schema(), "minItems": 1}


class PathTo(Kind):
    """A file or a folder, absolute, or relative to the file in which it stands; read as an absolute path."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.wanted = f"the path of a {what}"

    def read(self, spot: Spot) -> str:
        if not isinstance(spot.node, Scalar) or not isinstance(spot.node.value, str) or not spot.node.value:
            raise self.refused(spot)
        text = spot.node.value
        if "\0" in text:
            raise self.refused(spot)
        path = os.path.normpath(spot.node.mark.folder / Path(text))
        if self.what == "folder" and not os.path.isdir(path):  # noqa: PTH112 - says no where Path raises
            raise spot.wrong(f"no such folder: {path}")
        return path

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


def read_into(problems: list[Problem], kind: Kind, spot: Spot) -> Any:
    """What the kind reads there; None, and its problems added to `problems`, where it cannot."""
    try:
        return kind.read(spot)
    except ConfigError as error:
        problems.extend(error.problems)
        return None


def capped(problems: list[Problem]) -> list[Problem]:
    """At most `MOST_ALIKE` of the problems, the last one saying that there are more."""
    if len(problems) <= MOST_ALIKE:
        return problems
    last = problems[MOST_ALIKE - 1]
    return [*problems[: MOST_ALIKE - 1], replace(last, message=f"{last.message} (and more like it)")]


def _binary(size: int) -> str:
    return f"{size >> 20}MiB" if size < 1 << 30 else f"{size >> 30}GiB"


def _dotted(text: str) -> bool:
    return bool(text) and all(part.isidentifier() for part in text.split("."))
