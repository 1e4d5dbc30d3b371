"""`mprun rerun`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.options import AsJson, EngineOption, Out, RunName, Seed, Settings, TimeScale, overrides
from runner.cli.run import Quiet  # noqa: TC001 - typer reads annotations
from runner.cli.streams import console, put_out, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from runner.experiments.compare import Compared
    from runner.experiments.rerun import Rerun


def rerun(
    run: RunName = None,
    settings: Settings = None,
    seed: Seed = None,
    time_scale: TimeScale = None,
    engine: EngineOption = None,
    out: Out = "runs",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Run a stored run again, from its run directory alone: the same items, the same draws.

    Says what is no longer as it was (versions, host, start method) and whether it was the same experiment: exit 1 where
    the plan digest differs, as it does with another seed. Engine and start method may differ. Then every figure beside
    the stored run's, as `mprun compare` shows it: what differs by more than chance. The new run is stored like any run.

      mprun rerun                                the latest run
      mprun rerun runs/20260101T120000Z-default-1a2b --engine simulation
      mprun rerun --json | jq .same
    """
    from runner.cli.live import Live
    from runner.cli.run import LogFormat
    from runner.experiments.rerun import rerun as repeated
    from runner.log.rundir import EVENTS, find

    stored = find(run, Path(out))
    chosen = overrides(settings, seed, time_scale, engine)
    live = Live(LogFormat.NONE, quiet=quiet)
    found = repeated(stored.path, out, overrides=chosen, watch=live, command_line=sys.argv)
    live.finish(found.result.run_dir / EVENTS)
    compared, why = _compared(found)
    if as_json:
        told = {**found.to_dict(), "compared": compared and compared.to_dict()["comparisons"][0]}
        put_out(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    else:
        from runner.cli import tables

        put_out(tables.drawn(_parts(found, compared, why), console()))
    for sentence in found.tampered:
        say(f"mprun: {found.original}: {sentence}")
    if not found.same:
        say(f"mprun: not the same experiment: plan digest {found.plan_digests[1]}, was {found.plan_digests[0]}")
    if found.result.exit_code:
        say(f"mprun: the run ended {found.result.summary['status']}")
    if not quiet:
        say(str(found.result.run_dir))
    return found.exit_code


def _compared(found: Rerun) -> tuple[Compared | None, str]:
    """The repetition against the stored run; or why there is nothing to compare with."""
    from runner.errors import LogError

    try:
        return found.compared(), ""
    except LogError as error:
        return None, f"there is nothing to compare with: {error}"


def _parts(found: Rerun, compared: Compared | None, why: str) -> Iterator[Table | str]:
    from runner.cli.tables import table
    from runner.experiments.comparison_words import FIGURES, basis, figure_rows
    from runner.figures import NONE

    if found.same:
        yield f"the same experiment: plan digest {found.plan_digests[0]}"
    else:
        then, now = found.plan_digests
        yield f"not the same experiment\nplan digest now  {now}\nplan digest then {then}"
    if found.drifts:
        rows = [[d.what, *(NONE if v is None else str(v) for v in (d.then, d.now))] for d in found.drifts]
        yield table(["drifted", "then", "now"], rows, texts=3)
    else:
        yield "nothing drifted: versions, host and start method are as they were"
    if compared is None:
        yield why
        return
    (comparison,) = compared.comparisons
    if comparison.notes:
        yield "\n".join(f"note: {note}" for note in comparison.notes)
    yield "A is the stored run, B its repetition"
    yield table(FIGURES, figure_rows(comparison), remarks=1)
    yield f"{basis(comparison, compared.family)}\n{comparison.sentence}"
