"""`mprun report`."""

from __future__ import annotations

from typing import Annotated

import typer

from runner.cli.options import Logged, Runs, logged
from runner.cli.streams import put_out, say


def report(
    run: Logged = None,
    out: Runs = "runs",
    file: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--file",
            metavar="FILE",
            show_default=False,
            help="Where to write; report.html in the run's folder by default.",
        ),
    ] = None,
) -> None:
    """Write a stored run as one HTML page that opens offline: what every worker did when, and which side is too slow.

    Topology, timeline of every worker (down to the single item), depth and latency over time, distributions, the
    audit's verdict, config and manifest; all charts as tables, too; dark and light. The path is printed on stdout.

    Needs plotly: pip install 'mprun[report]'. A run that goes on, or whose supervisor was killed, is shown as far as
    its journals tell.

      mprun report
      mprun report runs/20260101T120000Z-default-1a2b -o default.html
    """
    from runner.reports.report import report as reported

    written = reported(logged(run, out), file, told=lambda said: say(f"warning: {said}"))
    put_out(f"{written}\n")
