"""`mprun compare`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from runner.cli.options import AsJson, Out  # noqa: TC001 - typer reads annotations
from runner.cli.streams import console, put_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table

    from runner.analysis.contrast import Contrast
    from runner.experiments.compare import Compared, Comparison
    from runner.experiments.drifts import Drift

_LONGEST: Final = 60

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN",
        show_default=False,
        help="Two or more: run directories, their names, or files events.jsonl.",
    ),
]


def compare(runs: Runs, out: Out = "runs", as_json: AsJson = False) -> None:
    """Compare runs, real or simulated, with the first of them: figure by figure, with what chance may have in it.

    Every figure has the difference, in its unit and in percent, and an interval that contains the true one with 95 %. A
    figure is said to differ where more than chance is behind it, all figures considered together. Items that were
    drawn the same, as with one seed, are compared with themselves, which shows much smaller differences. What is not
    alike in configs, versions and machines is said first; logs with a broken line or without an end are read as far
    as they can be, and that is said, too.

      mprun compare runs/latest runs/20260101T120000Z-default-1a2b
      mprun compare before after --json | jq '.comparisons[].figures[] | select(.differs)'
    """
    from runner.experiments.compare import compare as compared

    found = compared(*runs, out=out)
    if as_json:
        put_out(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n")
        return
    from runner.cli import tables

    put_out(tables.drawn(_parts(found), console()))


def _parts(found: Compared) -> Iterator[Table | str]:
    for comparison in found.comparisons:
        yield _runs(comparison)
        if comparison.notes:
            yield "\n".join(f"note: {note}" for note in comparison.notes)
        yield from _unlike("config", comparison.config)
        if comparison.circumstances is not None:
            yield from _unlike("circumstances", comparison.circumstances)
        yield _figures(comparison)
        yield f"{_basis(comparison, found.family)}\n{comparison.sentence}"


def _runs(comparison: Comparison) -> Table:
    from runner.cli.tables import table
    from runner.figures import NONE, number

    rows = [
        [letter, side.name, side.status, side.engine or NONE, NONE if side.seed is None else str(side.seed),
         *(number(side.counts[key]) for key in ("put", "done"))]
        for letter, side in (("A", comparison.first), ("B", comparison.other))
    ]  # fmt: skip
    return table(["", "run", "status", "engine", "seed", "put", "done"], rows, texts=4)


def _unlike(what: str, drifts: Sequence[Drift]) -> Iterator[Table | str]:
    from runner.cli.tables import table

    if drifts:
        yield table([what, "A", "B"], [[each.what, _short(each.then), _short(each.now)] for each in drifts], texts=3)
    else:
        yield f"{what}: alike"


def _short(value: Any) -> str:
    from runner.figures import NONE

    text = NONE if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _figures(comparison: Comparison) -> Table:
    """All figures that are not 0 on both sides."""
    from runner.cli.tables import table

    shown = [each for each in comparison.figures if each.first or each.other]
    rows = [
        [each.metric, _value(each, each.first), _value(each, each.other),
         *(_value(each, value, sign=True) for value in (each.difference, each.low, each.high)),
         *map(_percent, (each.relative, each.relative_low, each.relative_high)), _verdict(each)]
        for each in shown
    ]  # fmt: skip
    columns = ["figure", "A", "B", "B - A", "from", "to", "in %", "from", "to", "differs"]
    return table(columns, rows, remarks=1)


def _value(figure: Contrast, value: float | None, *, sign: bool = False) -> str:
    from runner.figures import NONE, duration, number

    if value is None:
        return NONE
    plus = "+" if sign and value > 0 else ""
    if figure.unit == "share":
        return f"{plus}{100 * value:.1f} %"
    return f"{plus}{duration(value) if figure.unit == 's' else number(value)}"


def _percent(share: float | None) -> str:
    from runner.figures import NONE

    if share is None:
        return NONE
    percent = 100 * share
    digits = 0 if abs(percent) >= 99.95 else 1 if abs(percent) >= 9.995 else 2
    return f"{percent:+,.{digits}f}"


def _verdict(figure: Contrast) -> str:
    if figure.differs:
        return "yes"
    return f"? {figure.why}" if figure.why else "not shown, it drifts" if figure.drifts else "not shown"


def _basis(comparison: Comparison, family: int) -> str:
    draws = comparison.draws
    if draws.seeds:
        how = "the same items were drawn the same (one seed) and are compared with themselves"
    elif draws.paired:
        how = f"planned_ns is the same for {draws.same:,} items, which are compared with themselves"
    else:
        how = "the draws are not the same: the runs are compared as wholes"
    return (
        f"{how}; from and to: where the difference lies with 95 %, figure by figure; "
        f"differs: at most 5 % that any of the {family} figures with an interval is called so by chance (Holm)"
    )
