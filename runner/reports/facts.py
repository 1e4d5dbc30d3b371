"""What is known of a run beside its events: figures, verdict, config, manifest; as much of it as there is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.errors import LogError
from runner.log.rundir import CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.reports.source import Source

_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class Facts:
    """Of a run, each None where there is none.

    Attributes:
        summary: The content of `summary.json`, or what it would be.
        violations: (kind, message, ids) of the first hundred, where the audit found any.
        manifest, config: The content of the files.
        remedy: What a simulation predicts with one step more at the bottleneck, in a sentence.
        complaints: Why something is missing, and what was wrong with the log.
    """

    summary: dict[str, Any] | None
    violations: Sequence[tuple[str, str, str]]
    manifest: dict[str, Any] | None
    config: str | None
    remedy: str | None
    complaints: list[str]


def facts(source: Source) -> Facts:
    """What is known of a run."""
    complaints: list[str] = []

    def attempt(what: Callable[[], Any]) -> Any:
        try:
            return what()
        except (LogError, OSError, ValueError) as error:
            complaints.append(str(error))
            return None

    stored = source.stored
    summary = attempt(stored.summary) if stored is not None and stored.has_summary else None
    violations: Sequence[tuple[str, str, str]] = ()
    if summary is None or summary.get("audit", {}).get("valid") is not True:
        judged = attempt(lambda: _judged(source))
        if judged is not None:
            summary, violations = summary or judged[0], judged[1]
    manifest = attempt(stored.manifest) if stored is not None else None
    config = attempt((stored.path / CONFIG).read_text) if stored is not None else None
    remedy = None
    if stored is not None and summary is not None:
        from runner.remedy import sentence

        remedy = sentence(summary, stored.path / CONFIG)
    return Facts(summary, violations, manifest, config, remedy, complaints)


def _judged(source: Source) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    from runner.analysis.analyse import analyse

    summary, verdict = analyse(source.log)
    violations = [(str(each.kind), each.message, ", ".join(each.ids)) for each in verdict.violations[:_SHOWN]]
    return summary.to_dict(), violations


def plain(value: object) -> str:
    """A value of a manifest in a line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
