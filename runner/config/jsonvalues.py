"""Values that pass through unread: items and arguments, any JSON."""

# ruff: noqa: D102 - what a method of a kind does, `Kind` says

from __future__ import annotations

import math
from typing import Any

from runner.config.kinds import MOST_PROBLEMS, Kind
from runner.config.nodes import ListNode, MapNode, Scalar, Spot, number, plain
from runner.errors import ConfigError, Problem


class Json(Kind):
    """Any JSON value: no infinities."""

    wanted = "a JSON value"

    def read(self, spot: Spot) -> Any:
        problems = list(self._problems(spot))
        if problems:
            raise ConfigError(*problems)
        return plain(spot.node)

    def _problems(self, spot: Spot) -> list[Problem]:
        match spot.node:
            case Scalar(value=float(value)) if not math.isfinite(value):
                return [spot.problem(f"wanted a finite number, not {number(value)}")]
            case ListNode(items=items):
                below = [spot.element(i, item) for i, item in enumerate(items)]
            case MapNode(entries=entries):
                below = [spot.child(key, value) for key, (_, value) in entries.items()]
            case _:
                return []
        return [problem for child in below for problem in self._problems(child)][:MOST_PROBLEMS]

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
