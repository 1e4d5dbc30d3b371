"""User code that a config names."""

# ruff: noqa: D102, RUF009 - what a method of a kind does, `Kind` says; `key` makes a dataclass field

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runner.config.jsonvalues import JsonMap
from runner.config.kinds import Kind, Target
from runner.config.nodes import MapNode, Scalar, Spot
from runner.config.records import Record, key


@dataclass(frozen=True, slots=True, kw_only=True)
class CallConfig:
    """User code: a function or class, imported in workers only.

    Attributes:
        target: `package.module:function`.
        kwargs: Keyword arguments, JSON values.
    """

    target: str = key(Target(), "package.module:function; imported in workers only")
    kwargs: dict[str, Any] = key(JsonMap(), "keyword arguments for the function or class", default={})


class Call(Kind):
    """`package.module:function`, or a map with `target` and `kwargs`."""

    record = Record(CallConfig, "target and kwargs")
    wanted = "package.module:function, or a map with target and kwargs"

    def read(self, spot: Spot) -> CallConfig:
        if isinstance(spot.node, MapNode):
            call: CallConfig = self.record.read(spot)
            return call
        if isinstance(spot.node, Scalar) and isinstance(spot.node.value, str):
            return CallConfig(target=Target().read(spot))
        raise self.refused(spot)

    def plain(self, value: Any) -> Any:
        return self.record.plain(value) if value.kwargs else value.target

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [Target().schema(), self.record.schema()]}
