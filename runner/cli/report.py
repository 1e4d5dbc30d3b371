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
            help="Where to write; report.html in the folder of the run or sweep by default.",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="KEY",
            show_default=False,
            help="A metric of a sweep that has charts, such as sojourn.p90, instead of the chief ones. Repeatable.",
        ),
    ] = None,
) -> None:
    """Write a stored run, or a sweep, as one HTML page that opens offline.

    Of a run: what every worker did when, and which side is too slow. Topology, timeline of every worker (down to the
    single item), depth and latency over time, distributions, the audit's verdict, config and manifest.

    Of a sweep, named by its folder: each metric against each axis, medians with intervals over the repeats, changes
    seed by seed; speed-up and efficiency where an axis is a number of workers.

    All charts as tables, too; dark and light. The path is printed on stdout.

    Needs plotly: pip install 'mprun[report]'. A run that goes on, or whose supervisor was killed, is shown as far as
    its journals tell.

      mprun report
      mprun report runs/20260101T120000Z-default-1a2b -o default.html
      mprun report runs/queue-kinds-1a2b3c4d --metric throughput --metric latency.p99
    """
    from runner.reports.report import report as reported

    written = reported(logged(run, out), file, metrics=metric or (), told=lambda said: say(f"warning: {said}"))
    put_out(f"{written}\n")
