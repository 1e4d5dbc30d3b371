"""`mprun prune`."""

from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from runner.cli.options import Out  # noqa: TC001 - typer reads annotations
from runner.cli.runs import Where  # noqa: TC001 - typer reads annotations
from runner.cli.streams import put_out, say
from runner.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from runner.experiments.stored import StoredRun

_LONGEST_S: Final = 1e10
_Keep = Annotated[
    int | None,
    typer.Option("--keep", min=0, metavar="N", show_default=False, help="Spare the newest N of them."),
]
_OlderThan = Annotated[
    str | None,
    typer.Option(
        "--older-than", metavar="DURATION", show_default=False, help="Only runs started longer ago: 30d, 12h."
    ),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")]


def prune(
    where: Where = None,
    keep: _Keep = None,
    older_than: _OlderThan = None,
    dry_run: _DryRun = False,
    yes: _Yes = False,
    out: Out = "runs",
) -> int:
    """Remove stored runs; says which and how large they are, and asks first.

    Which runs must be said: by conditions as in mprun runs, by age, or by how many to keep. Runs that go on are never
    removed, and those whose supervisor was killed only with --where status=running.

      mprun prune --keep 20
      mprun prune --older-than 30d --where status=ok
      mprun prune --where 'name=try-*' --keep 0 --dry-run
    """
    from runner.experiments.stored import chosen, condition, may_go, remove, stored_runs

    if not where and keep is None and older_than is None:
        raise UsageError("say which runs: --keep N, --older-than 30d, or --where CONDITION as in mprun runs")
    conditions = [condition(text) for text in where or ()]
    age = None if older_than is None else _age(older_than)
    now = datetime.now(UTC)
    found = [
        run
        for run in chosen(stored_runs(Path(out)), conditions)
        if may_go(run, asked="status=running" in (where or ()))
    ]
    found = found[: max(0, len(found) - keep)] if keep else found
    found = [run for run in found if age is None or _started(run) < now - age]
    if not found:
        say(f"there is no such run in {out}")
        return ExitCode.OK
    sizes = [run.place.size for run in found]
    lines = [f"{run.place.name}  {run.facts['status']}  {_size(size)}" for run, size in zip(found, sizes, strict=True)]
    put_out("".join(f"{line}\n" for line in lines))
    total = f"{len(found):,} run{'s' if len(found) != 1 else ''} in {out}, {_size(sum(sizes))}"
    if dry_run:
        say(f"{total}: nothing is removed")
        return ExitCode.OK
    if not yes and not _agreed(total):
        say("nothing is removed")
        return ExitCode.FAILED
    remove(found, Path(out))
    say(f"removed {total}")
    return ExitCode.OK


def _age(text: str) -> timedelta:
    from runner.config.units import parse_duration

    days = text.removesuffix("d")
    seconds = int(days) * 86_400 if days != text and days.isdecimal() else parse_duration(text)
    if seconds is None or seconds > _LONGEST_S:
        raise UsageError(f"--older-than: wanted a duration such as 30d, 12h or 90m, not {text!r}")
    return timedelta(seconds=seconds)


def _started(run: StoredRun) -> datetime:
    """When it was started; of one that does not say, when its folder was changed last."""
    with contextlib.suppress(TypeError, ValueError):
        return datetime.fromisoformat(run.facts["started"])
    return datetime.fromtimestamp(run.place.path.stat().st_mtime, UTC)


def _agreed(total: str) -> bool:
    """Ask; only a yes is one."""
    if not sys.stdin.isatty():
        raise UsageError(f"{total}: there is no terminal to ask on; say --yes, or look with --dry-run")
    say(f"remove {total}? [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _size(size: int) -> str:
    value, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
