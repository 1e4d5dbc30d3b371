"""`mprun run`, and what `mprun CONFIG` means."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli import junit as xml
from runner.cli.options import (
    AsJson,
    ConfigFile,
    EngineOption,
    JunitFile,
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
    junit: JunitFile = None,
) -> int:
    """Run a config and store the run: every event is a line on stdout, progress and figures go to stderr.

    With --json, stdout carries the summary (summary.json) instead of events. On a terminal that shows no log, a live
    display takes the place of the lines of progress. Ctrl-C stops the run in good order; a
    second one kills at once. The store is complete either way.

      mprun configs/default.yaml                       the same as mprun run …
      mprun configs/default.yaml --seed 7 --log pretty
      mprun configs/default.yaml > events.jsonl        the live display on the terminal
      mprun configs/default.yaml --set consumers.consume.count=4 --json | jq .throughput
      mprun configs/default.yaml --set 'expect.latency.p99="< 5s"' --junit junit.xml
    """
    chosen = overrides(settings, seed, time_scale, engine)
    loaded = load_config(config, chosen, quiet=quiet)
    xml.check(junit)
    from runner import api
    from runner.cli.live import Live
    from runner.log.rundir import EVENTS, RunDir

    live = Live(LogFormat.NONE if as_json else log, quiet=quiet)
    try:
        result = api.run(loaded, out, watch=live, command_line=sys.argv, overrides=chosen)
    except BaseException:
        live.clear()
        raise
    live.finish(result.run_dir / EVENTS)
    if as_json:
        put_out(json.dumps(result.summary, indent=2, ensure_ascii=False) + "\n")
    reason = why(result)
    if junit is not None:
        xml.write(junit, loaded.name, [_suite(result, RunDir(result.run_dir).manifest()["started"], reason)])
    _report(result, reason, quiet=quiet)
    return result.exit_code


def why(result: Result) -> str | None:
    """Why a run is not ok, in a line; None where it is."""
    if not result.exit_code or result.reason:
        return result.reason
    if result.summary["status"] != "unmet":
        return result.verdict.violations[0].message
    from runner.cli.tables import missed

    return missed(result.summary["expectations"])


def _suite(result: Result, started: str, reason: str | None) -> xml.Suite:
    summary = result.summary
    return xml.Suite(
        name=summary["run"],
        status=summary["status"],
        reason=reason,
        wall_s=summary["wall_s"],
        started=started,
        expectations=summary["expectations"],
        properties={key: summary[key] for key in ("seed", "engine", "config_digest", "plan_digest", "exit_code")},
    )


def _report(result: Result, reason: str | None, *, quiet: bool) -> None:
    """What there is to say at the end, on stderr."""
    if not quiet:
        from runner.cli import tables

        say(tables.drawn(tables.closing(result.summary), console(stderr=True)).removesuffix("\n"))
    if result.exit_code:
        say(f"mprun: {result.summary['status']}: {reason}")
    if not quiet:
        say(str(result.run_dir))
