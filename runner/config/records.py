"""Maps with known keys, read into frozen dataclasses: the field's metadata says what stands at its key.

@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    maxsize: int = key(Whole(0, 32_768), "items it may hold", default=0)
"""

# ruff: noqa: D102 - what a method of a kind does, `Kind` says

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from runner.config.kinds import MOST_ALIKE, NAME, Kind, capped, read_into
from runner.config.nodes import (
    ENOUGH_PROBLEMS,
    MapNode,
    Node,
    Scalar,
    Spot,
    choices,
    did_you_mean,
    is_nothing,
    join,
    problem,
    quoted,
)
from runner.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

REQUIRED: Final = object()
MOST_NAMES = 1_000
_LATER_TOP = ("address", "cores", "engine_options", "expect", "faults", "hang_after", "stop_when", "warmup")
LATER = frozenset([*_LATER_TOP, "item_timeout", "model", "on_death", "on_error", "pacing"])
"""Keys that a later version brings; until then they are refused like any other."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a record: its name, what may stand there, and what holds where it is left out."""

    name: str
    field: str
    kind: Kind
    about: str
    default: Any
    identity: bool


def key(kind: Kind, about: str, *, default: Any = REQUIRED, name: str | None = None, identity: bool = True) -> Any:
    """A dataclass field read from the key of its name.

    Args:
        kind: What may stand there.
        about: One line for the reference and for editors.
        default: What holds where the key is left out.
        name: The key, where it is no Python name (`from`).
        identity: Whether the value is part of what the experiment is, and so of the plan's digest.
    """
    metadata = {"kind": kind, "about": about, "name": name, "default": default, "identity": identity}
    if default is REQUIRED:
        return dataclasses.field(metadata=metadata)
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def keys_of(cls: type) -> tuple[Key, ...]:
    """The keys of a record's dataclass, in the language's order."""
    return tuple(
        Key(f.metadata["name"] or f.name, f.name, *(f.metadata[k] for k in ("kind", "about", "default", "identity")))
        for f in dataclasses.fields(cls)
        if f.metadata
    )


class Record(Kind):
    """A map with the keys of a dataclass. Where all have defaults it may be left empty.

    Args:
        cls: The dataclass; its fields are made by `key`.
        what: What the map describes, for messages: `a producer`.
        at_most_one: Keys that exclude each other.
        check: Yields what is wrong between the values of one map.
        besides: Keys that are dealt with before reading, for messages.
    """

    def __init__(
        self,
        cls: type,
        what: str,
        *,
        at_most_one: tuple[str, ...] = (),
        check: Callable[[Any, Spot], Iterable[Problem]] = lambda _value, _spot: (),
        besides: tuple[str, ...] = (),
    ) -> None:
        self.cls, self.at_most_one, self.check, self.besides = cls, at_most_one, check, besides
        self.wanted = f"{what} (a map)"

    @cached_property
    def keys(self) -> tuple[Key, ...]:
        """The keys, in the language's order."""
        return keys_of(self.cls)

    def read(self, spot: Spot) -> Any:
        node = MapNode(spot.node.mark, {}) if is_nothing(spot.node) else spot.node
        if not isinstance(node, MapNode):
            raise self.refused(spot)
        problems = [*self._unknown(spot, node), *self._together(spot, node)]
        values: dict[str, Any] = {}
        for known in self.keys:
            below = node.get(known.name)
            if below is not None and not (is_nothing(below) and known.default is not REQUIRED):
                values[known.field] = read_into(problems, known.kind, spot.child(known.name, below))
            elif known.default is REQUIRED:
                message = f"missing; wanted: {known.kind.wanted}"
                problems.append(problem(node.mark, join(spot.path, known.name), message))
        value = None if problems else self.cls(**values)
        problems += [] if problems else self.check(value, spot)
        if problems:
            raise ConfigError(*problems)
        return value

    def _unknown(self, spot: Spot, node: MapNode) -> list[Problem]:
        names = [known.name for known in self.keys]
        odd = [name for name in node.entries if name not in names]
        allowed = [*names, *self.besides]
        problems = []
        for name in odd[: MOST_ALIKE + 1]:
            if name in LATER:
                message = f"not available in this version; {choices(allowed)}"
            else:
                message = f"unknown key{did_you_mean(name, allowed) or ';'} {choices(allowed)}"
            problems.append(problem(node.entries[name][0], join(spot.path, name), message))
        return capped(problems)

    def _together(self, spot: Spot, node: MapNode) -> list[Problem]:
        there = [name for name in self.at_most_one if node.has(name)]
        if len(there) < 2:
            return []
        extra = sorted(there, key=list(node.entries).index)[1]
        message = f"{', '.join(there)} stand together; at most one of {', '.join(self.at_most_one)}"
        return [problem(node.entries[extra][0], join(spot.path, extra), message)]

    def plain(self, value: Any) -> dict[str, Any]:
        """Every key that has a value, defaults included."""
        pairs = ((known, getattr(value, known.field)) for known in self.keys)
        return {known.name: known.kind.plain(at) for known, at in pairs if at not in (None, (), {})}

    def identity(self, value: Any) -> dict[str, Any]:
        """What of it makes the experiment: without the keys at their default and those that do not belong to it."""
        pairs = ((known, getattr(value, known.field)) for known in self.keys if known.identity)
        return {known.name: known.kind.identity(at) for known, at in pairs if at != known.default}

    def schema(self) -> dict[str, Any]:
        properties = {known.name: _described(known) for known in self.keys}
        required = [known.name for known in self.keys if known.default is REQUIRED]
        schema: dict[str, Any] = {
            "type": ["object", "null"] if not required else "object",
            "properties": properties,
            "additionalProperties": False,
        }
        if required:
            schema["required"] = required
        if self.at_most_one:
            pairs = [(a, b) for a in self.at_most_one for b in self.at_most_one if a < b]
            schema["not"] = {"anyOf": [{"required": list(pair)} for pair in pairs]}
        return schema


class Named(Kind):
    """A map from names to records of one kind; `least` of them."""

    def __init__(self, record: Record, what: str, least: int = 0) -> None:
        self.record, self.least = record, least
        self.wanted = f"a map from names to {what}"

    def read(self, spot: Spot) -> dict[str, Any]:
        node = spot.node
        if not isinstance(node, MapNode) or len(node.entries) < self.least:
            raise self.refused(spot) if not isinstance(node, MapNode) else spot.wrong(f"empty; wanted {self.wanted}")
        if len(node.entries) > MOST_NAMES:
            raise spot.wrong(f"{len(node.entries):,} names; at most {MOST_NAMES:,}")
        problems: list[Problem] = []
        values: dict[str, Any] = {}
        for name, (mark, below) in node.entries.items():
            if not re.fullmatch(NAME, name) or len(name) > 64:
                rule = "a letter or _, then letters, digits, _ and -; at most 64 characters"
                problems.append(problem(mark, join(spot.path, name), f"{quoted(name)} is no name; allowed: {rule}"))
            values[name] = read_into(problems, self.record, spot.child(name, below))
            if len(problems) > ENOUGH_PROBLEMS:
                break
        if problems:
            raise ConfigError(*problems)
        return values

    def plain(self, value: Any) -> Any:
        return {name: self.record.plain(below) for name, below in value.items()}

    def identity(self, value: Any) -> dict[str, Any]:
        return {name: self.record.identity(below) for name, below in value.items()}

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {
            "type": "object",
            "patternProperties": {f"^{NAME}$": self.record.schema()},
            "additionalProperties": False,
        }
        return {**schema, "minProperties": self.least} if self.least else schema


def _described(known: Key) -> dict[str, Any]:
    schema = {**known.kind.schema(), "description": known.about}
    if known.default is not REQUIRED and known.default is not None:
        schema["default"] = known.kind.plain(known.default)
    return schema


def empty_map(node: Node | None) -> bool:
    """Whether nothing, or a map without keys, stands there."""
    match node:
        case None | Scalar(value=None):
            return True
        case MapNode(entries=entries):
            return not entries
        case _:
            return False
