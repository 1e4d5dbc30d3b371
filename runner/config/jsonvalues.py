"""Values that pass through unread: items and arguments, any JSON."""

# ruff: noqa: D102 - what a method of a kind does, `Kind` says

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Any

from runner.config.kinds import MOST_ALIKE, Kind, capped
from runner.config.nodes import ListNode, MapNode, Scalar, Spot, number, plain
from runner.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.errors import Problem


class Json(Kind):
    """Any JSON value: no infinities."""

    wanted = "a JSON value"

    def read(self, spot: Spot) -> Any:
        problems = list(islice(self._problems(spot), MOST_ALIKE + 1))
        if problems:
            raise ConfigError(*capped(problems))
        return plain(spot.node)

    def _problems(self, spot: Spot) -> Iterator[Problem]:
        match spot.node:
            case Scalar(value=float(value)) if not math.isfinite(value):
                yield spot.problem(f"wanted a finite number, not {number(value)}")
            case ListNode(items=items):
                for index, item in enumerate(items):
                    yield from self._problems(spot.element(index, item))
            case MapNode(entries=entries):
                for key, (_, below) in entries.items():
                    yield from self._problems(spot.child(key, below))

    def schema(self) -> dict[str, Any]:
        return {}


class JsonList(Json):
    """A list of JSON values."""

    wanted = "a list of values"

    def read(self, spot: Spot) -> list[Any]:
        if not isinstance(spot.node, ListNode):
            raise self.refused(spot)
        values: list[Any] = super().read(spot)
        return values

    def schema(self) -> dict[str, Any]:
        return {"type": "array"}


class JsonMap(Json):
    """A map from names to JSON values."""

    wanted = "a map of arguments"

    def read(self, spot: Spot) -> dict[str, Any]:
        if not isinstance(spot.node, MapNode):
            raise self.refused(spot)
        values: dict[str, Any] = super().read(spot)
        return values

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}
