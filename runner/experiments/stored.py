"""The runs that are stored: each in short, chosen by what it says, ordered by any figure."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.config.bounds import BoundError, kind_of, measured, parse
from runner.config.nodes import unknown
from runner.errors import LogError, UsageError
from runner.log.rundir import all_runs, point_latest_back

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runner.config.bounds import Bound
    from runner.log.rundir import RunDir

FACTS: Final = ("run", "name", "started", "status", "exit_code", "engine", "seed", "plan_digest")
"""What a manifest says of a run, by which runs are chosen and ordered."""
UNREADABLE: Final = "unreadable"


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run in short.

    Attributes:
        place: Its folder.
        facts: See `FACTS`; None for what it does not say, `unreadable` as the status of one that says nothing.
        summary: Its summary.json; empty where the run has not ended.
    """

    place: RunDir
    facts: dict[str, Any]
    summary: dict[str, Any] = field(repr=False)

    def value(self, key: str) -> Any:
        """A fact, or a metric of the summary by its path; None where there is none."""
        return self.facts[key] if key in FACTS else measured(key, self.summary)


@dataclass(frozen=True, slots=True)
class Fact:
    """A condition on a fact: `status=failed`, `name=back-*`."""

    key: str
    pattern: str

    def met_by(self, run: StoredRun) -> bool:
        """Whether the run's fact matches the pattern, in which `*` and `?` stand for anything."""
        value = run.facts[self.key]
        return value is not None and fnmatchcase(str(value), self.pattern)


@dataclass(frozen=True, slots=True)
class Metric:
    """A condition on a metric: `latency.p99 < 500ms`."""

    bound: Bound

    def met_by(self, run: StoredRun) -> bool:
        """Whether the run's metric keeps the bound; one without samples does not."""
        return self.bound.met_by(self.bound.measured(run.summary))


def stored_runs(
    out: str | Path = "runs", *, where: Iterable[str] = (), sort: str | None = None, descending: bool = False
) -> list[StoredRun]:
    """The runs in a folder, the oldest first.

    Args:
        out: The folder.
        where: Conditions that all must hold, such as `status=failed` or `latency.p99 < 500ms`.
        sort: A fact or metric by which they are ordered, the smallest first; those without it come last.
        descending: The largest first; without `sort` the newest.

    Raises:
        UsageError: A condition is none, or there is no such fact or metric.
    """
    conditions = [condition(text) for text in where]
    key = None if sort is None else check_key(sort)
    found = chosen([_in_short(run) for run in all_runs(Path(out))], conditions)
    if key is not None:
        return ordered(found, key, descending=descending)
    return found[::-1] if descending else found


def condition(text: str) -> Fact | Metric:
    """Read `status=failed` or `latency.p99 < 500ms`.

    Raises:
        UsageError: It is neither.
    """
    key, equals, pattern = (part.strip() for part in text.partition("="))
    if equals and key in FACTS and not pattern.startswith("="):
        return Fact(key, pattern)
    try:
        return Metric(parse(text))
    except BoundError as error:
        raise UsageError(f"--where: {error}; or a fact such as status=failed: {', '.join(FACTS)}") from None


def chosen(runs: Iterable[StoredRun], conditions: Sequence[Fact | Metric]) -> list[StoredRun]:
    """The runs that meet every condition."""
    return [run for run in runs if all(each.met_by(run) for each in conditions)]


def ordered(runs: Iterable[StoredRun], key: str, *, descending: bool = False) -> list[StoredRun]:
    """The runs by a fact or metric; those that have none come last either way."""
    known = [run for run in runs if run.value(key) is not None]
    rest = [run for run in runs if run.value(key) is None]
    return [*sorted(known, key=lambda run: run.value(key), reverse=descending), *rest]


def may_go(run: StoredRun, *, asked: bool) -> bool:
    """Whether a run may be removed: not while it goes on; one whose supervisor was killed only where that is asked for.

    A run that says it goes on is taken at its word where its process lives, and on another host.
    """
    if run.facts["status"] != "running":
        return True
    manifest = run.place.manifest()
    return asked and manifest.get("host") == platform.node() and not _lives(manifest.get("pid"))


def _lives(pid: object) -> bool:
    try:
        os.kill(int(str(pid)), 0)
    except (ProcessLookupError, ValueError):
        return False
    except OSError:  # not ours
        return True
    return True


def remove(runs: Iterable[StoredRun], out: Path) -> None:
    """Remove runs with all their files; `latest` names the newest of the others."""
    for run in runs:
        shutil.rmtree(run.place.path)
    point_latest_back(out)


def check_key(key: str) -> str:
    """A fact's or metric's name, where it is one.

    Raises:
        UsageError: It is neither.
    """
    if key in FACTS:
        return key
    try:
        kind_of(key)
    except BoundError as error:
        near = unknown(f"no such fact: {key}", key, FACTS) if "." not in key else str(error)
        raise UsageError(f"{near}; or a metric of summary.json such as latency.p99") from None
    return key


def _in_short(run: RunDir) -> StoredRun:
    try:
        manifest = {"status": UNREADABLE, **run.manifest(), "run": run.name}
    except LogError:
        manifest = {"status": UNREADABLE, "run": run.name}
    summary: dict[str, Any] = {}
    if manifest["status"] not in ("running", UNREADABLE):
        try:
            summary = run.summary()
        except LogError:
            summary = {}
    return StoredRun(run, {key: manifest.get(key) for key in FACTS}, summary)
