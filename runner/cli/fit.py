"""`mprun fit`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.audit import Logged  # noqa: TC001 - typer reads annotations
from runner.cli.streams import put_out, say


class How(StrEnum):
    """How the recorded times are written down."""

    TRACE = "trace"
    EMPIRICAL = "empirical"


_As = Annotated[How, typer.Option("--as", help="Every item's own times, or distributions made of them.")]
_File = Annotated[
    str | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        show_default=False,
        help="The config to write; fitted-<run>.yaml by default. Traces are written beside it.",
    ),
]


def fit(run: Logged = None, how: _As = How.TRACE, out: _File = None) -> None:
    """Make a config of a log: its pauses and services are the recorded ones, to be edited and simulated.

    As a trace every item has exactly the times it had; as empirical they are drawn from the recorded ones, so that
    items can be added. Of a run directory the rest of the stored config is kept; of an events.jsonl it is what
    run.start says.

      mprun fit -o observed.yaml && mprun simulate observed.yaml
      mprun fit runs/latest --as empirical -o model.yaml
      mprun advise model.yaml --target 'latency.p99 < 500ms' --vary consumers.consume.count=1..16
    """
    from runner.experiments.fit import fit as fitted
    from runner.log.rundir import find

    source = Path(run) if run is not None and Path(run).is_file() else find(run, Path("runs")).path
    name = source.parent.name if source.is_file() else source.name
    found = fitted(source, Path(out) if out else Path(f"fitted-{name}.yaml"), how)
    for note in found.notes:
        say(f"note: {note}")
    put_out("".join(f"{path}\n" for path in (found.path, *found.files)))
