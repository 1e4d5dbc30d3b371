"""Figures as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NONE = "-"


def duration(seconds: float | None) -> str:
    """Three digits and the unit that fits: `250 us`, `1.50 ms`, `12.3 s`, `4 min 10 s`; a dash for None."""
    if seconds is None:
        return NONE
    for factor, unit, limit in ((1e6, "us", 999.5), (1e3, "ms", 999.5), (1.0, "s", 599.5)):
        if abs(seconds * factor) < limit:
            return f"{_three_digits(seconds * factor)} {unit}"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def number(value: float | None) -> str:
    """Three digits, thousands in groups; whole numbers in full; a dash for None."""
    if value is None:
        return NONE
    return f"{value:,}" if isinstance(value, int) else _three_digits(value)


def share(value: float | None) -> str:
    """A share of 1 in percent; a dash for None."""
    return NONE if value is None else f"{100 * value:.0f} %"


def uncertainty(summary: Mapping[str, Any]) -> str | None:
    """How many latencies say less than the clocks of the nodes, in a sentence; None where the clocks are exact.

    Args:
        summary: The content of summary.json.
    """
    clocks = summary.get("clocks")
    if not clocks:
        return None
    below, all_of_them = number(clocks["latencies_below"]), number(summary["latency"]["count"])
    within = duration(clocks["uncertainty_s"])
    return f"{below} of {all_of_them} latencies are below the uncertainty of the nodes' clocks, up to ± {within}"


def _three_digits(value: float) -> str:
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"
