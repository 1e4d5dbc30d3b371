"""`mprun compare`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli.options import AsJson  # noqa: TC001 - typer reads annotations
from runner.cli.options import Runs as Parent  # noqa: TC001 - typer reads annotations
from runner.cli.streams import console, put_out
from runner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table

    from runner.experiments.compare import Compared, Comparison
    from runner.experiments.drifts import Drift

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN",
        show_default=False,
        help="Two or more: run directories, their names, or files events.jsonl.",
    ),
]
Html = Annotated[bool, typer.Option("--html", help="Write an HTML page that opens offline, and print its path.")]
File = Annotated[
    str | None,
    typer.Option("-o", "--file", metavar="FILE", show_default=False, help="Where the page goes; compare.html here."),
]


def compare(
    runs: Runs,
    out: Parent = "runs",
    as_json: AsJson = False,
    html: Html = False,
    file: File = None,
) -> None:
    """Compare runs, real or simulated, with the first of them: figure by figure, with what chance may have in it.

    Every figure has the difference, in its unit and in percent, and an interval that contains the true one with 95 %. A
    figure is said to differ where more than chance is behind it, all figures considered together. Items that were
    drawn the same, as with one seed, are compared with themselves, which shows much smaller differences. What is not
    alike in configs, versions and machines is said first; logs with a broken line or without an end are read as far
    as they can be, and that is said, too.

    With --html a page: the same tables, and the relative differences with their intervals as a chart; dark and light.
    It needs plotly: pip install 'mprun[report]'.

      mprun compare runs/latest runs/20260101T120000Z-default-1a2b
      mprun compare before after --html -o difference.html
      mprun compare before after --json | jq '.comparisons[].figures[] | select(.differs)'
    """
    from runner.experiments.compare import compare as compared

    if as_json and html:
        raise UsageError("compare: --json and --html are two documents; choose one")
    if file is not None and not html:
        raise UsageError("compare: -o is where the page of --html goes; for the parent of run directories say --out")
    found = compared(*runs, out=out)
    if html:
        from runner.reports.comparison import FILE, write_comparison

        put_out(f"{write_comparison(found, file or FILE)}\n")
        return
    if as_json:
        put_out(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n")
        return
    from runner.cli import tables

    put_out(tables.drawn(_parts(found), console()))


def _parts(found: Compared) -> Iterator[Table | str]:
    from runner.cli.tables import table
    from runner.experiments.comparison_words import RUNS, basis, run_rows

    for comparison in found.comparisons:
        yield table(RUNS, run_rows(comparison), texts=4)
        if comparison.notes:
            yield "\n".join(f"note: {note}" for note in comparison.notes)
        yield from _unlike("config", comparison.config)
        if comparison.circumstances is not None:
            yield from _unlike("circumstances", comparison.circumstances)
        yield _figures(comparison)
        yield f"{basis(comparison, found.family)}\n{comparison.sentence}"


def _unlike(what: str, drifts: Sequence[Drift]) -> Iterator[Table | str]:
    from runner.cli.tables import table
    from runner.experiments.comparison_words import short

    if drifts:
        yield table([what, "A", "B"], [[each.what, short(each.then), short(each.now)] for each in drifts], texts=3)
    else:
        yield f"{what}: alike"


def _figures(comparison: Comparison) -> Table:
    from runner.cli.tables import table
    from runner.experiments.comparison_words import FIGURES, figure_rows

    return table(FIGURES, figure_rows(comparison), remarks=1)
