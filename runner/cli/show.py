"""`mprun show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.cli.options import AsJson, Out, RunName  # noqa: TC001 - typer reads annotations
from runner.cli.streams import console, put_out, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.analysis.violations import Verdict
    from runner.log.rundir import RunDir

_DOUBTS: Final = 10
"""Violations that are told beside the figures."""


def show(run: RunName = None, out: Out = "runs", as_json: AsJson = False) -> None:
    """Show a stored run: what it was, and its figures. Of a sweep, named by its folder, the table of its cells.

    With --json, the run's summary.json. Of a run that goes on, or whose supervisor was killed, the figures are what its
    journals hold so far, with the status `running`. A log that is broken somewhere is read as far as it can be; what is
    wrong with it is said on stderr, line by line.

      mprun show
      mprun show runs/20260101T120000Z-default-1a2b --json | jq .latency.p99
      mprun show runs/queue-kinds-1a2b3c4d
    """
    from runner.errors import LogError
    from runner.log.rundir import CONFIG, MANIFEST, find, is_sweep

    stored = find(run, Path(out))
    if is_sweep(stored.path):
        _show_sweep(stored.path, as_json=as_json)
        return
    if as_json:
        put_out(json.dumps(figures(stored), indent=2, ensure_ascii=False) + "\n")
        return
    manifest = stored.manifest()
    try:
        told = essentials(manifest)
    except KeyError as error:
        raise LogError(f"{stored.path / MANIFEST}: has no {error}; is it of another version of mprun?") from error
    put_out(told)
    if manifest["status"] == "running":
        put_out("It is still running, or was killed before its end: these are the figures so far.\n\n")
    from runner.cli import tables
    from runner.remedy import sentence

    found = figures(stored)
    improvement = sentence(found, stored.path / CONFIG)
    put_out(tables.drawn([*tables.closing(found), *([improvement] if improvement else [])], console()))


def _show_sweep(folder: Path, *, as_json: bool) -> None:
    from runner.experiments.sweep_store import read_sweep

    found = read_sweep(folder)
    if as_json:
        put_out(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n")
    else:
        from runner.cli import tables
        from runner.cli.sweep_tables import ended

        told = f"{found.manifest['name']}: {len(found.rows):,} of {found.size:,} runs have ended"
        put_out(tables.drawn([told, *ended(found)], console()))
    for fault in found.faults:
        say(f"warning: {fault}")


def figures(stored: RunDir) -> Mapping[str, Any]:
    """The run's summary: the stored one, or what its log or its journals say so far."""
    if stored.has_summary:
        return stored.summary()
    from runner.analysis.analyse import analyse

    log = stored.log
    summary, verdict = analyse(log)
    if not log.is_file():
        return {**summary.to_dict(), "status": "running"}
    if verdict.valid is not True:
        say("\n".join(doubts(log, verdict)))
    return summary.to_dict()


def doubts(log: Path, verdict: Verdict) -> list[str]:
    """What is wrong with a log whose figures are shown all the same, in lines."""
    from runner.cli.audit import line

    lines = [f"{log}: {verdict.reason}"] if verdict.reason else []
    lines += [f"{log}: {line(violation)}" for violation in verdict.violations[:_DOUBTS]]
    if (more := verdict.count - _DOUBTS) > 0:
        lines.append(f"{log}: … and {more:,} more, which mprun audit tells")
    return lines


def _engine(manifest: Mapping[str, Any]) -> str:
    """The engine, and how it starts a worker where that is a choice."""
    engine = str(manifest["engine"])
    return f"{engine} ({manifest['start_method']})" if engine == "processes" else engine


def essentials(manifest: Mapping[str, Any]) -> str:
    """Lines with what ran, when and where."""
    cpu, git, versions = manifest["cpu"], manifest["git"], manifest["versions"]
    commit = f"{git['commit']}{' with changes' if git['dirty'] else ''}" if git else "no checkout"
    lines = {
        "run": manifest["run"],
        "started": manifest["started"],
        "status": f"{manifest['status']}{': ' + manifest['reason'] if manifest.get('reason') else ''}",
        "engine": _engine(manifest),
        "command": " ".join(manifest["command_line"]),
        "overrides": json.dumps(manifest["overrides"], ensure_ascii=False) if manifest["overrides"] else "none",
        "plan": manifest["plan_digest"],
        "versions": f"mprun {versions['mprun']}, Python {versions['python']}, {manifest['kernel']}",
        "machine": f"{manifest['host']}, {cpu['model']}, {cpu['usable']} of {cpu['cores']} cores",
        "git": commit,
    }
    return "".join(f"{name:<10} {value}\n" for name, value in lines.items()) + "\n"
