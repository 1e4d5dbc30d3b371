"""`mprun audit`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from runner.cli.options import AsJson, Logged, Out, logged
from runner.cli.streams import put_out
from runner.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from runner.analysis.violations import Verdict, Violation


def audit(run: Logged = None, out: Out = "runs", as_json: AsJson = False) -> int:
    """Check a stored log again, from the log alone: every item accounted for, none twice, none out of order.

    Queues that promise first in, first out are held to it over their whole history. Of a run that goes on, or whose
    supervisor was killed, the journals are read. A line that is no event is named, and the rest is audited.

    Exit codes:
      0    valid
      1    not valid, or unknown because the log is incomplete
      2    no event log

      mprun audit
      mprun audit runs/20260101T120000Z-default-1a2b/events.jsonl
    """
    from runner import api

    path = logged(run, out)
    verdict = api.audit(path)
    put_out(json.dumps(asdict(verdict), indent=2, ensure_ascii=False) + "\n" if as_json else told(path, verdict))
    return ExitCode.OK if verdict.valid is True else ExitCode.FAILED


def told(path: Path, verdict: Verdict) -> str:
    """The verdict in lines: each violation, what became of the items, the result."""
    lines = [*map(line, verdict.violations)]
    if (more := verdict.count - len(verdict.violations)) > 0:
        lines.append(f"… and {more:,} more")
    word = {True: "valid", False: "not valid", "unknown": "unknown"}[verdict.valid]
    found = "" if verdict.valid is True else f", {verdict.count:,} violation{'' if verdict.count == 1 else 's'}"
    incomplete = f" ({verdict.reason})" if verdict.reason else ""
    lines.append(" · ".join(f"{name} {count:,}" for name, count in asdict(verdict.counts).items()))
    return "\n".join([*lines, f"{path}: {word}{found}{incomplete}", ""])


def line(violation: Violation) -> str:
    """`lost: produce-0:3 …  [produce-0:3; line 17]`."""
    numbers = f"line{'s' if len(violation.lines) > 1 else ''} {', '.join(map(str, violation.lines))}"
    where = "; ".join(filter(None, [", ".join(violation.ids), numbers if violation.lines else ""]))
    return f"{violation.kind}: {violation.message}{f' [{where}]' if where else ''}"
