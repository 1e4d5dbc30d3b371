"""`mprun runs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.cli.options import AsJson, Out  # noqa: TC001 - typer reads annotations
from runner.cli.streams import console, put_out, say
from runner.errors import LogError

if TYPE_CHECKING:
    from runner.log.rundir import RunDir


def runs(out: Out = "runs", as_json: AsJson = False) -> None:
    """List the stored runs, the oldest first.

    mprun runs
    mprun runs --json | jq -r '.[] | select(.status == "failed") | .run'
    """
    from runner.log.rundir import all_runs

    rows = [row(run) for run in all_runs(Path(out))]
    if as_json:
        put_out(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
        return
    if not rows:
        say(f"there is no run in {out}")
        return
    from runner.cli.tables import drawn, table
    from runner.figures import NONE, number

    cells = [
        [row["run"], row["status"], row["engine"] or NONE, number(row["done"]), number(row["throughput"])]
        for row in rows
    ]
    columns = ["run", "status", "engine", "done", "items/s"]
    put_out(drawn([table(columns, cells, texts=3)], console()))


def row(run: RunDir) -> dict[str, Any]:
    """One run in short; None for what it does not say, `unreadable` as the status of one that says nothing."""
    figures: dict[str, Any] = {}
    try:
        manifest = {"status": "unreadable", **run.manifest()}
    except LogError:
        manifest = {"status": "unreadable"}
    if manifest["status"] not in ("running", "unreadable"):
        try:
            figures = run.summary()
        except LogError:
            figures = {}
    return {
        "run": run.name,
        "path": str(run.path),
        **{key: manifest.get(key) for key in ("name", "started", "status", "exit_code", "engine", "seed")},
        "done": figures.get("items", {}).get("done"),
        "throughput": figures.get("throughput"),
    }
