"""What is varied: one number of a config, over a range or a list of values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.config.layers import Overrides
from runner.config.load import loads, to_yaml
from runner.config.nodes import unknown
from runner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.config.bounds import Bound
    from runner.config.models import Config

_LARGEST: Final = 1_000_000_000
_RANGE: Final = re.compile(r"(\d{1,10})\.\.(\d{1,10})")
_NUMBER: Final = re.compile(r"\d{1,10}")
_WANTED: Final = "wanted PATH=VALUES, such as consumers.consume.count=1..64 or queues.main.maxsize=1,2,4"
_BETTER_WITH_MORE: Final = ("throughput",)
_BETTER_WITH_LESS: Final = ("makespan_s", "sojourn")
_OF_THE_QUEUE: Final = ("latency", "wait_put", "queues")
_SIZES: Final = {"producers": "count", "stages": "count", "consumers": "count", "queues": "maxsize"}


@dataclass(frozen=True, slots=True)
class Varying:
    """A number of a config and the values it is to take.

    Attributes:
        section: `producers`, `stages`, `consumers` or `queues`.
        name: Of the group or queue.
        values: From the smallest to the largest; a maxsize of 0, which is no bound, is the largest.
    """

    section: str
    name: str
    values: Sequence[int]

    @property
    def path(self) -> str:
        """Of the number, as `--set` takes it."""
        return f"{self.section}.{self.name}.{_SIZES[self.section]}"

    @property
    def group(self) -> str | None:
        """The group whose size it is; None for a queue's."""
        return None if self.section == "queues" else self.name

    def config(self, base: Config, value: int) -> Config:
        """The config with this value.

        Raises:
            ConfigError: It would be wrong, such as quotas above what is put.
        """
        return loads(to_yaml(base), source=base.name, overrides=Overrides({self.path: value}, "--vary"))

    def is_monotone(self, base: Config, bound: Bound) -> bool:
        """Whether a larger value can be taken never to break a bound that a smaller one keeps.

        That is so for workers that idle while they serve, without quotas, and metrics that get better with more of
        them: throughput, makespan and sojourn; with one queue, what its items and producers wait, and its largest
        depth. Of first come, first served with the same service times each item begins no later then (Kiefer and
        Wolfowitz 1955). More producers or more room have two sides.
        """
        if self.section not in ("stages", "consumers"):
            return False
        group = (base.stages if self.section == "stages" else base.consumers)[self.name]
        if group.busy is not None or getattr(group, "items", None) is not None:
            return False
        metric = bound.path.partition(".")[0]
        if bound.path.endswith((".count", ".mean_depth")) or metric not in (
            *_BETTER_WITH_MORE,
            *_BETTER_WITH_LESS,
            *_OF_THE_QUEUE,
        ):
            return False
        if metric in _OF_THE_QUEUE and len(base.queues) > 1:
            return False
        return bound.op in ((">", ">=") if metric in _BETTER_WITH_MORE else ("<", "<="))


def varying(text: str, config: Config) -> Varying:
    """Read `consumers.consume.count=1..64`.

    Raises:
        UsageError: It is no such thing, the config has no such group or queue, or there is no value.
    """
    path, equals, values = text.partition("=")
    keys = path.strip().split(".")
    if not equals or len(keys) != 3:
        raise UsageError(f"--vary: {_WANTED}, not {text!r}")
    section, name, size = keys
    if section not in _SIZES:
        raise UsageError(f"--vary: {unknown(f'no such section: {section}', section, list(_SIZES))}")
    there = list(getattr(config, section))
    if name not in there:
        raise UsageError(f"--vary: {unknown(f'no such key: {section}.{name}', name, there)}")
    if size != _SIZES[section]:
        allowed = f"{section}.{name}.{_SIZES[section]}"
        raise UsageError(f"--vary: {path.strip()} cannot be varied; of {section} it is {allowed}")
    return Varying(section, name, _values(values.strip(), unbounded=section == "queues"))


def _values(text: str, *, unbounded: bool) -> Sequence[int]:
    if (found := _RANGE.fullmatch(text)) is not None:
        low, high = int(found[1]), int(found[2])
        if low > high:
            raise UsageError(f"--vary: the range {text} is empty; wanted the smaller number first")
        values: Sequence[int] = range(low, high + 1)
    else:
        words = [word.strip() for word in text.split(",")]
        if not all(map(_NUMBER.fullmatch, words)):
            raise UsageError(f"--vary: wanted values such as 1..64 or 1,2,4, not {text!r}")
        values = sorted(set(map(int, words)))
    if values[-1] > _LARGEST:
        raise UsageError(f"--vary: {values[-1]:,} is larger than {_LARGEST:,}")
    return [*values[1:], 0] if unbounded and values[0] == 0 else values
