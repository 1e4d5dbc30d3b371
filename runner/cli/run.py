"""`mprun run`, and what `mprun CONFIG` means."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli.options import (
    AsJson,
    ConfigFile,
    EngineOption,
    Out,
    Seed,
    Settings,
    TimeScale,
    load_config,
    overrides,
)
from runner.cli.streams import console, put_out, say

if TYPE_CHECKING:
    from runner.api import Result


class LogFormat(StrEnum):
    """What stdout carries while a run goes on."""

    JSON = "json"
    PRETTY = "pretty"
    NONE = "none"


LogOption = Annotated[
    LogFormat, typer.Option("--log", help="What stdout carries: events as JSON Lines, for people, or nothing.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but errors on stderr.")]


def run(
    config: ConfigFile,
    settings: Settings = None,
    seed: Seed = None,
    time_scale: TimeScale = None,
    engine: EngineOption = None,
    out: Out = "runs",
    log: LogOption = LogFormat.JSON,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Run a config and store the run: every event is a line on stdout, progress and figures go to stderr.

    With --json, stdout carries the summary (summary.json) instead of events. On a terminal that shows no log, a live
    display takes the place of the lines of progress. Ctrl-C stops the run in good order; a
    second one kills at once. The store is complete either way.

      mprun configs/default.yaml                       the same as mprun run …
      mprun configs/default.yaml --seed 7 --log pretty
      mprun configs/default.yaml > events.jsonl        the live display on the terminal
      mprun configs/default.yaml --set consumers.consume.count=4 --json | jq .throughput
    """
    chosen = overrides(settings, seed, time_scale, engine)
    loaded = load_config(config, chosen, quiet=quiet)
    from runner import api
    from runner.cli.live import Live
    from runner.log.rundir import EVENTS

    live = Live(LogFormat.NONE if as_json else log, quiet=quiet)
    try:
        result = api.run(loaded, out, watch=live, command_line=sys.argv, overrides=chosen)
    except BaseException:
        live.clear()
        raise
    live.finish(result.run_dir / EVENTS)
    if as_json:
        put_out(json.dumps(result.summary, indent=2, ensure_ascii=False) + "\n")
    _report(result, quiet=quiet)
    return result.exit_code


def _report(result: Result, *, quiet: bool) -> None:
    """What there is to say at the end, on stderr."""
    from runner.log.rundir import RunDir

    reason = RunDir(result.run_dir).manifest().get("reason")
    if not quiet:
        from runner.cli import tables

        say(tables.drawn(tables.closing(result.summary), console(stderr=True)).removesuffix("\n"))
    if result.exit_code:
        say(f"mprun: {result.summary['status']}: {reason or result.verdict.violations[0].message}")
    if not quiet:
        say(str(result.run_dir))
