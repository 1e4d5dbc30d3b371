"""`mprun sweep`."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli.options import AsJson, EngineOption, JunitFile, Out, Seed, Settings, TimeScale, overrides
from runner.cli.run import Quiet  # noqa: TC001 - typer reads annotations
from runner.cli.streams import console, put_out, say
from runner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.cli.junit import Suite
    from runner.experiments.sweep import Sweep
    from runner.experiments.sweep_plan import SweepPlan
    from runner.experiments.sweep_rows import Row


class OrderName(StrEnum):
    """The order of a sweep's runs."""

    SHUFFLED = "shuffled"
    DECLARED = "declared"


SweepArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="A sweep file, or with --vary a config; - is standard input.")
]
Vary = Annotated[
    list[str] | None,
    typer.Option(
        "--vary", metavar="PATH=VALUES", show_default=False,
        help="A key of the config, and a list 1,2,4 or a range 1..64. Repeatable: every combination.",
    ),
]  # fmt: skip
Repeat = Annotated[
    int | None,
    typer.Option("--repeat", min=1, metavar="N", show_default=False, help="Runs of each cell, each with its seed."),
]
Order = Annotated[OrderName | None, typer.Option("--order", show_default=False, help="The order of the runs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the cells and how long it would take; run nothing.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Throw away what is stored of this sweep and start anew.")]
Yes = Annotated[bool, typer.Option("--yes", help="More than 10,000 cells are meant.")]
Store = Annotated[bool, typer.Option("--store", help="Store simulations as runs, too; else only their rows.")]


def sweep(
    file: SweepArgument,
    vary: Vary = None,
    repeat: Repeat = None,
    order: Order = None,
    settings: Settings = None,
    seed: Seed = None,
    time_scale: TimeScale = None,
    engine: EngineOption = None,
    out: Out = "runs",
    dry_run: DryRun = False,
    fresh: Fresh = False,
    store: Store = False,
    yes: Yes = False,
    junit: JunitFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Run one config many times, with other values: a row for each run, in sweep.jsonl and sweep.csv.

    A sweep file names a base config and what varies in it; with --vary any config will do. Every cell is checked
    before the first runs. The same command goes on where it was broken off, by Ctrl-C or otherwise; a run that fails
    does not stop the others. Exits with the strongest code of its runs.

      mprun sweep configs/sweeps/queue-kinds.yaml --dry-run
      mprun sweep configs/sweeps/queue-kinds.yaml
      mprun sweep configs/back-pressure.yaml --vary consumers.slow.count=1..4 --vary seed=1,2 --repeat 5
    """
    from runner.experiments.sweep_plan import sweep_plan

    options = {key: value for key, value in (("repeat", repeat), ("order", order and order.value)) if value is not None}
    chosen = overrides(settings, seed, time_scale, engine)
    plan = sweep_plan(file, vary=_varied(vary), options=options, overrides=chosen, many=yes)
    for warning in () if quiet else plan.warnings[:20]:
        say(f"warning: {warning}")
    if dry_run:
        _foretell(plan, out, as_json=as_json)
        return 0
    from runner.cli import junit as xml
    from runner.cli.sweep_progress import SweepProgress
    from runner.experiments.sweep import execute

    xml.check(junit)
    progress = SweepProgress(quiet=quiet)
    try:
        found = execute(plan, out, fresh=fresh, store=store, watch=progress, command_line=sys.argv)
    finally:
        progress.close()
    if junit is not None:
        xml.write(junit, plan.name, [_suite(plan, row) for row in found.rows])
    _report(found, as_json=as_json, quiet=quiet)
    return found.exit_code


def _varied(texts: Sequence[str] | None) -> dict[str, str] | None:
    """Path → values, as the options say; None where there are none. Raises UsageError."""
    if not texts:
        return None
    varied: dict[str, str] = {}
    for text in texts:
        path, equals, values = text.partition("=")
        if not equals or not path.strip() or not values.strip():
            wanted = "wanted PATH=VALUES, such as consumers.consume.count=1..64 or queues.main.maxsize=1,2,4"
            raise UsageError(f"--vary: {wanted}, not {text!r}")
        if path.strip() in varied:
            raise UsageError(f"--vary: {path.strip()} stands twice; name all its values at once")
        varied[path.strip()] = values
    return varied


def _foretell(plan: SweepPlan, out: str, *, as_json: bool) -> None:
    from runner.cli import tables
    from runner.cli.sweep_tables import planned
    from runner.experiments.sweep_forecast import forecast
    from runner.experiments.sweep_store import folder_name, read_sweep

    expected = forecast(plan)
    folder = Path(out) / folder_name(plan)
    stored = len(read_sweep(folder).rows) if folder.is_dir() else 0
    if as_json:
        put_out(json.dumps(_forecast_document(plan, expected.cells, expected.total_s, folder, stored), indent=2) + "\n")
        return
    parts = planned(plan, expected)
    if stored:
        parts.append(f"{stored:,} of {plan.size:,} runs are stored already, in {folder}")
    put_out(tables.drawn(parts, console()))


def _forecast_document(
    plan: SweepPlan, expected: Mapping[int, Any], total_s: float | None, folder: Path, stored: int
) -> dict[str, Any]:
    cells = [
        {"settings": dict(cell.settings), "wall_s": expected[place].wall_s if place in expected else None}
        for place, cell in enumerate(plan.cells)
    ]
    return {
        "name": plan.name,
        "digest": plan.digest,
        "folder": str(folder),
        "axes": list(plan.axes),
        "repeat": plan.repeat,
        "order": plan.order,
        "size": plan.size,
        "stored": stored,
        "total_s": total_s,
        "cells": cells,
    }


def _report(found: Sweep, *, as_json: bool, quiet: bool) -> None:
    """The result on stdout; on stderr how it ended, and where it is."""
    if as_json:
        put_out(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n")
    elif found.rows:
        from runner.cli import tables
        from runner.cli.sweep_tables import ended

        put_out(tables.drawn(ended(found), console()))
    if found.signal is not None:
        say(f"mprun: interrupted: {len(found.rows):,} of {found.size:,} runs are stored; the same command goes on")
    bad = sum(row.exit_code != 0 for row in found.rows)
    if bad:
        say(f"mprun: {bad:,} of {len(found.rows):,} runs are not ok")
    if not quiet:
        say(str(found.folder))


def _suite(plan: SweepPlan, row: Row) -> Suite:
    from runner.cli.junit import Suite
    from runner.experiments.sweep_figures import cell_name

    return Suite(
        name=f"{plan.name}: {cell_name(row.settings)}, repeat {row.repeat}",
        status=row.status,
        reason=row.reason,
        wall_s=row.wall_s,
        started=row.started,
        expectations=row.expectations,
        properties={"seed": row.seed, "plan_digest": row.plan_digest, "exit_code": row.exit_code, "run": row.run},
    )
