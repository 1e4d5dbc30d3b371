"""What stands above all on a run's page: how it ended, what is wrong, and the figures one asks for first."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from runner.figures import NONE, duration, number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runner.reports.facts import Facts
    from runner.reports.reduction import Reduction

_NS: Final = 1e9


def lead(found: Reduction, known: Facts, complaints: list[str]) -> str:
    """What stands above all: how it ended, and what is wrong."""
    notes = []
    if found.end is None:
        half = ", and its last line is only half there" if found.torn else ""
        notes.append(
            f"This run is incomplete: its log has no run.end{half}. It goes on, or was killed. "
            "All that is there is shown."
        )
    notes += complaints
    said = "".join(f'<p class="note">{escape(note)}</p>' for note in notes)
    return said + _cards(found, known) + _sentence(known)


def _cards(found: Reduction, known: Facts) -> str:
    summary = known.summary or {}
    items = summary.get("items", {})
    status = summary.get("status", "unknown") if found.end is not None else "incomplete"
    cards = {
        "status": status,
        "audit": verdict(summary),
        "makespan": duration(summary.get("makespan_s", found.until / _NS)),
        "items done": number(items.get("done")),
        "throughput": f"{number(summary.get('throughput'))} items/s",
        "latency p50 / p99": " / ".join(duration(summary.get("latency", {}).get(key)) for key in ("p50", "p99")),
        "seed": str(found.start.seed if found.start else NONE),
        "engine": str((found.start.engine if found.start else None) or NONE),
    }
    valid = summary.get("audit", {}).get("valid")
    tone = {"status": status == "ok", "audit": valid if isinstance(valid, bool) else None}
    return f'<dl class="cards">{"".join(_card(name, value, tone.get(name)) for name, value in cards.items())}</dl>'


def _card(name: str, value: str, good: bool | None) -> str:
    tone = "" if good is None else f' class="{"good" if good else "bad"}"'
    return f"<div><dt>{escape(name)}</dt><dd{tone}>{escape(value)}</dd></div>"


def _sentence(known: Facts) -> str:
    """Which side limits, where the summary says it, and what a step there would bring."""
    said = [(known.summary or {}).get("bottleneck"), known.remedy]
    return "".join(f'<p class="sentence">{escape(each)}</p>' for each in said if isinstance(each, str))


def verdict(summary: Mapping[str, Any]) -> str:
    """The audit's result in a few words."""
    audit = summary.get("audit", {"valid": "unknown"})
    if audit["valid"] is True:
        return "valid"
    if audit["valid"] == "unknown":
        return "unknown"
    return f"not valid: {audit['violations']:,} violation{'' if audit['violations'] == 1 else 's'}"
