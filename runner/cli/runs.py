"""`mprun runs`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from runner.cli.options import AsJson, Out  # noqa: TC001 - typer reads annotations
from runner.cli.streams import console, put_out, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.experiments.stored import StoredRun

Where: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        show_default=False,
        help="Only runs like this: status=failed, 'name=back-*', 'latency.p99 < 500ms'. Repeatable: all must hold.",
    ),
]
_Sort: TypeAlias = Annotated[
    str | None,
    typer.Option("--sort", metavar="KEY", show_default=False, help="By a fact or metric, the smallest first."),
]
_Descending: TypeAlias = Annotated[bool, typer.Option("--descending", "-d", help="The largest first, or the newest.")]
_Show: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--metric", metavar="KEY", show_default=False, help="A column more, such as sojourn.p90. Repeatable."),
]
_Limit: TypeAlias = Annotated[
    int | None, typer.Option("--limit", min=1, metavar="N", show_default=False, help="No more than so many.")
]
_ALWAYS: Final = ("run", "status", "engine", "items.done", "throughput")


def runs(
    where: Where = None,
    sort: _Sort = None,
    descending: _Descending = False,
    metric: _Show = None,
    limit: _Limit = None,
    out: Out = "runs",
    as_json: AsJson = False,
) -> None:
    """List the stored runs, the oldest first, or by any figure of their summaries.

    A condition is a fact with a pattern (run, name, started, status, exit_code, engine, seed, plan_digest), or a metric
    of summary.json with a bound, as in expect.

      mprun runs --where status=failed
      mprun runs --where 'name=back-*' --where 'items.done >= 20' --sort latency.p99
      mprun runs --sort throughput --descending --limit 5 --metric sojourn.p90
      mprun runs --json | jq -r '.[] | select(.status == "failed") | .run'
    """
    from runner.experiments.stored import check_key, stored_runs

    extra = [check_key(key) for key in [*(metric or ()), *([sort] if sort else [])]]
    found = stored_runs(out, where=where or (), sort=sort or None, descending=descending)
    found = found[:limit]
    if as_json:
        put_out(json.dumps([_row(run, extra) for run in found], indent=2, ensure_ascii=False) + "\n")
    elif found:
        columns = list(dict.fromkeys([*_ALWAYS, *extra]))
        _show(found, columns)
    else:
        say(f"there is no such run in {out}" if where else f"there is no run in {out}")


def _show(found: Sequence[StoredRun], columns: Sequence[str]) -> None:
    from runner.cli.tables import drawn, table

    titles = {"items.done": "done", "throughput": "items/s"}
    cells = [[_cell(key, run.value(key)) for key in columns] for run in found]
    put_out(drawn([table([titles.get(key, key) for key in columns], cells, texts=3)], console()))


def _cell(key: str, value: Any) -> str:
    from runner.config.bounds import SECONDS, kind_of
    from runner.experiments.stored import FACTS
    from runner.figures import NONE, duration, number

    if key in FACTS:
        return NONE if value is None else str(value)
    return duration(value) if kind_of(key) == SECONDS else number(value)


def _row(run: StoredRun, extra: Sequence[str]) -> dict[str, Any]:
    return {
        **run.facts,
        "path": str(run.place.path),
        "done": run.value("items.done"),
        "throughput": run.value("throughput"),
        **{key: run.value(key) for key in extra},
    }
