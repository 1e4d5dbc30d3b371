"""What theory says of a plan, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from runner.analysis.network import Theory
    from runner.planning.plan import Plan


def theory(plan: Plan) -> list[Theory]:
    """What theory says of each queue of a plan, in plan order."""
    from runner.analysis.network import theories
    from runner.planning.stations import stations

    return theories(stations(plan))


def document(found: Sequence[Theory]) -> dict[str, Any]:
    """By queue, plain JSON; null is unknown, or grows for ever."""
    return {each.queue: _plain({key: value for key, value in asdict(each).items() if key != "queue"}) for each in found}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            plain[key] = _plain(value)
        else:
            plain[key] = None if isinstance(value, float) and not isfinite(value) else value
    return plain


def parts(found: Sequence[Theory]) -> list[Table | str]:
    """A table of the queues of which there is a model, and a line for all there is to know besides."""
    told = [each for each in found if each.figures is not None]
    lines = [line for each in found for line in _lines(each)]
    shown: list[Table | str] = [_table(told)] if told else []
    return [*shown, "\n".join(lines)] if lines else shown


def _table(told: Sequence[Theory]) -> Table:
    from runner.cli.tables import table
    from runner.figures import duration, number, share

    rows = [
        [each.queue, each.model or "", number(f.throughput), share(f.utilization),
         _grows(f.in_queue) or number(f.in_queue),
         *(_grows(time) or duration(time) for time in (f.wait_s, f.latency_s, f.sojourn_s))]
        for each in told if (f := each.figures) is not None
    ]  # fmt: skip
    columns = ["queue", "in theory", "items/s", "util.", "mean depth", "wait in queue", "latency", "sojourn"]
    return table(columns, rows, texts=2)


def _grows(value: float | None) -> str | None:
    return "grows" if value is not None and not isfinite(value) else None


def _lines(each: Theory) -> list[str]:
    """The reasons: where the model is from, what it takes as given that is not, what to beware of."""
    lines = [f"{each.queue}: warning: {warning}" for warning in each.warnings]
    if each.model is None:
        return [*lines, f"{each.queue}: no theory: {'; '.join(each.why)}"]
    holds = "holds exactly in the steady state" if each.exact else f"approximately: {'; '.join(each.why)}"
    return [*lines, f"{each.queue}: {each.model} ({each.source}); {holds}"]
