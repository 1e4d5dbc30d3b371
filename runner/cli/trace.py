"""`mprun trace`."""

from __future__ import annotations

from typing import Annotated

import typer

from runner.cli.options import Logged, Runs, logged
from runner.cli.streams import put_out, say


def trace(
    run: Logged = None,
    out: Runs = "runs",
    file: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--file",
            metavar="FILE",
            show_default=False,
            help="Where to write; trace.json.gz in the run's folder by default.",
        ),
    ] = None,
) -> None:
    """Write a stored run as a trace for ui.perfetto.dev or chrome://tracing: what every worker did when.

    A track per worker shows it blocked in put, blocked in get, working and pausing; an arrow leads each item from its
    put to its get; a counter per queue is its depth; faults, deaths and redeliveries are marked. Open the file as it
    is, packed. The path is printed on stdout.

    A run that goes on, or whose supervisor was killed, is traced as far as its journals tell.

      mprun trace
      mprun trace runs/20260101T120000Z-default-1a2b -o default.json.gz
    """
    from runner.reports.trace import trace as traced

    written = traced(logged(run, out), file, told=lambda said: say(f"warning: {said}"))
    put_out(f"{written}\n")
