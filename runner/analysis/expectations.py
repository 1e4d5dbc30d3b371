"""What was expected of a run's figures, beside what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runner.config.bounds import Bound


@dataclass(frozen=True, slots=True)
class Expectation:
    """One bound on a metric and what became of it.

    Attributes:
        metric: Its path in summary.json: `latency.p99`.
        bound: As it was written: `< 500ms`.
        measured: In the metric's unit, times in seconds; None: it has no sample.
        met: Whether what was measured keeps the bound; without a sample it does not.
    """

    metric: str
    bound: str
    measured: float | None
    met: bool


def compared(figures: Mapping[str, Any], bounds: Iterable[Bound]) -> list[Expectation]:
    """Every bound beside its figure, in the order of the bounds.

    Args:
        figures: A summary as plain data.
        bounds: What is expected of it.
    """
    return [_compared(bound, bound.measured(figures)) for bound in bounds]


def _compared(bound: Bound, measured: float | None) -> Expectation:
    return Expectation(bound.path, f"{bound.op} {bound.written}", measured, bound.met_by(measured))
