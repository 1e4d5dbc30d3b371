"""`mprun show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.cli.options import AsJson, Out, RunName  # noqa: TC001 - typer reads annotations
from runner.cli.streams import console, put_out

if TYPE_CHECKING:
    from collections.abc import Mapping


def show(run: RunName = None, out: Out = "runs", as_json: AsJson = False) -> None:
    """Show a stored run: what it was, and its figures.

    With --json, the run's summary.json.

      mprun show
      mprun show runs/20260101T120000Z-default-1a2b --json | jq .latency.p99
    """
    from runner.errors import LogError
    from runner.log.rundir import MANIFEST, find

    stored = find(run, Path(out))
    if as_json:
        put_out(json.dumps(stored.summary(), indent=2, ensure_ascii=False) + "\n")
        return
    manifest = stored.manifest()
    try:
        told = essentials(manifest)
    except KeyError as error:
        raise LogError(f"{stored.path / MANIFEST}: has no {error}; is it of another version of mprun?") from error
    put_out(told)
    if manifest["status"] == "running":
        put_out("It has no figures: it is still running, or was killed before its end.\n")
        return
    from runner.cli import tables

    put_out(tables.drawn(tables.closing(stored.summary()), console()))


def essentials(manifest: Mapping[str, Any]) -> str:
    """Lines with what ran, when and where."""
    cpu, git, versions = manifest["cpu"], manifest["git"], manifest["versions"]
    commit = f"{git['commit']}{' with changes' if git['dirty'] else ''}" if git else "no checkout"
    lines = {
        "run": manifest["run"],
        "started": manifest["started"],
        "status": f"{manifest['status']}{': ' + manifest['reason'] if manifest.get('reason') else ''}",
        "engine": f"{manifest['engine']} ({manifest['start_method']})",
        "command": " ".join(manifest["command_line"]),
        "overrides": json.dumps(manifest["overrides"], ensure_ascii=False) if manifest["overrides"] else "none",
        "plan": manifest["plan_digest"],
        "versions": f"mprun {versions['mprun']}, Python {versions['python']}, {manifest['kernel']}",
        "machine": f"{manifest['host']}, {cpu['model']}, {cpu['usable']} of {cpu['cores']} cores",
        "git": commit,
    }
    return "".join(f"{name:<10} {value}\n" for name, value in lines.items()) + "\n"
