"""`mprun doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from runner.cli.options import AsJson, Out  # noqa: TC001 - typer reads the annotations
from runner.cli.streams import console, put_out
from runner.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.engines.checkup import Finding


def doctor(out: Out = "runs", as_json: AsJson = False) -> int:
    """Look at this machine: what it gives a run, measured, and what will bite.

    Cores and their load, what starting a process costs by each start method, limits of files, processes, memory and
    pipes, how fine the clock is and how much longer than asked for a sleep lasts, room on the disk. Each line says ok,
    note (it will be noticed) or bad (runs fail, or their figures are wrong), what was found, and what that means. Takes
    a second or two, changes nothing. Exits with 1 where something is bad.

      mprun doctor
      mprun doctor --json | jq '.findings[] | select(.level != "ok")'
    """
    from pathlib import Path

    from runner.engines.checkup import Level, findings

    folder = Path(out).absolute()
    while not folder.exists():
        folder = folder.parent
    found = list(findings(folder))
    healthy = all(finding.level is not Level.BAD for finding in found)
    if as_json:
        document = {"healthy": healthy, "findings": [asdict(finding) for finding in found]}
        put_out(json.dumps(document, indent=2) + "\n")
    else:
        put_out(_drawn(found))
    return ExitCode.OK if healthy else ExitCode.FAILED


def _drawn(found: Sequence[Finding]) -> str:
    from runner.cli import tables

    rows = [[finding.level, finding.name, finding.shown, finding.advice] for finding in found]
    drawn = tables.drawn([tables.table(["", "what", "found", "means"], rows, texts=4)], console())
    return "".join(f"{line.rstrip()}\n" for line in drawn.splitlines())
