"""The bound language: `latency.p99 < 500ms`, a metric of summary.json against a number or a duration.

    bound    = path op value
    path     = keys of summary.json down to a number, with dots between: queues.main.max_depth, workers.c-0.utilization
    op       = == | < | <= | > | >=
    value    = a number, or for times a duration such as 250us, 10ms, 1.5s, 2m, 1h (a number is in seconds)

It stands on the config's floor, because configs are checked before anything runs.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.config.nodes import choices, unknown
from runner.config.units import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SECONDS: Final = "s"
NUMBER: Final = "1"
ANY: Final = "*"
"""Stands for the name of a queue or of a worker."""

_SPREAD: Final = {"count": NUMBER, **dict.fromkeys(("mean", "p50", "p90", "p95", "p99", "max"), SECONDS)}
_TIMES: Final = ("latency", "wait_put", "wait_get", "service", "lateness", "sojourn")
_ITEMS: Final = ("planned", "put", "got", "done", "lost", "duplicated", "left", "redelivered", "failed")
_WORKER: Final = {
    **dict.fromkeys(("puts", "gets", "done"), NUMBER),
    **dict.fromkeys(("busy_s", "wait_s", "wait_put_s", "wait_get_s", "sleep_s"), SECONDS),
    **dict.fromkeys(("utilization", "incarnations", "exit_code"), NUMBER),
}
METRICS: Final[Mapping[str, Any]] = {
    "wall_s": SECONDS,
    "makespan_s": SECONDS,
    "items": dict.fromkeys(_ITEMS, NUMBER),
    "throughput": NUMBER,
    **dict.fromkeys(_TIMES, _SPREAD),
    "queues": {
        ANY: {
            **dict.fromkeys(("max_depth", "mean_depth", "capacity", "fairness"), NUMBER),
            "latency": _SPREAD,
        }
    },
    "workers": {ANY: _WORKER},
    "audit": {"violations": NUMBER},
}
"""Every metric that can be bounded, as a tree; its leaves say what is measured."""

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "==": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_COMPARISON: Final = re.compile(r"\s*([<>=!]+)\s*(\S+)\s*")
_WHOLE: Final = re.compile(r"\s*([^\s<>=!]+)(.*)", re.DOTALL)
_A_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_WANTED: Final = "wanted a metric, a comparison and a value, such as latency.p99 < 500ms"


class BoundError(ValueError):
    """A text is no bound; the message says in one line what is allowed."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound on a metric.

    Attributes:
        path: Of the metric in summary.json.
        op: `==`, `<`, `<=`, `>` or `>=`.
        value: In the metric's unit, times in seconds.
        written: The value as it was written.
    """

    path: str
    op: str
    value: float
    written: str

    def __str__(self) -> str:
        return f"{self.path} {self.op} {self.written}"

    @property
    def is_time(self) -> bool:
        """Whether the metric is in seconds."""
        return kind_of(self.path) == SECONDS

    def met_by(self, value: float | None) -> bool:
        """Whether a value keeps the bound; a metric without samples does not."""
        return value is not None and _OPERATORS[self.op](value, self.value)

    def measured(self, summary: Mapping[str, Any]) -> float | None:
        """The metric in a summary; see `measured`."""
        return measured(self.path, summary)


def measured(path: str, summary: Mapping[str, Any]) -> float | None:
    """A metric of a summary by its path; None where it has no sample, or the name is of nobody in this run."""
    found: Any = summary
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, int | float) else None


def parse(text: str, names: Mapping[str, Iterable[str]] | None = None) -> Bound:
    """Read `latency.p99 < 500ms`.

    Args:
        text: The whole bound.
        names: Names of the queues and workers there are, by `queues` and `workers`; by default any name is right.

    Raises:
        BoundError: It is none; the message says what is allowed, in one line.
    """
    found = _WHOLE.fullmatch(text)
    if found is None:
        raise BoundError(f"{_WANTED}, not {text!r}")
    path, comparison = found.groups()
    kind_of(path, names)
    return parse_comparison(path, comparison)


def parse_comparison(path: str, comparison: str) -> Bound:
    """Read `< 500ms` as a bound on a metric whose path is right; raises BoundError."""
    found = _COMPARISON.fullmatch(comparison)
    if found is None:
        raise BoundError(f"{path}: {_WANTED}, not {f'{path}{comparison}'!r}")
    op, written = found.groups()
    if op not in _OPERATORS:
        raise BoundError(f"{path}: no such comparison: {op}; {choices(_OPERATORS)}")
    return Bound(path, op, _value(path, written), written)


def _value(path: str, written: str) -> float:
    if _A_NUMBER.fullmatch(written):
        return float(written)
    seconds = parse_duration(written)
    if kind_of(path) == SECONDS:
        if seconds is None:
            raise BoundError(f"{path}: wanted seconds, or a duration such as 250us, 10ms, 1.5s, 2m, not {written!r}")
        return seconds
    remedy = "; it is no time" if seconds is not None else ""
    raise BoundError(f"{path}: wanted a number, not {written!r}{remedy}")


def kind_of(path: str, names: Mapping[str, Iterable[str]] | None = None) -> str:
    """What a metric measures: SECONDS, or NUMBER; raises BoundError where there is no such metric."""
    here: Any = METRICS
    walked: list[str] = []
    for key in path.split("."):
        here = _below(here, key, walked, names)
        walked.append(key)
    if not isinstance(here, str):
        raise BoundError(
            f"{path} is no single figure; {choices(f'{path}.{key}' for key in _options(here, walked, names))}"
        )
    return here


def _below(here: Any, key: str, walked: list[str], names: Mapping[str, Iterable[str]] | None) -> Any:
    at = ".".join([*walked, key])
    if isinstance(here, str):
        raise BoundError(f"no such metric: {at}; {'.'.join(walked)} is a figure already")
    options = _options(here, walked, names)
    if ANY in here and (key in options or options == ["<name>"]):
        return here[ANY]
    if key not in here or key == ANY:
        raise BoundError(unknown(f"no such metric: {at}", key, options))
    return here[key]


def _options(here: Mapping[str, Any], walked: list[str], names: Mapping[str, Iterable[str]] | None) -> list[str]:
    if ANY not in here:
        return list(here)
    return list(names[walked[-1]]) if names is not None else ["<name>"]
