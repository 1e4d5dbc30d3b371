"""A stored run once more: the same experiment from its run directory, and what is no longer as it was then.

run directory --stored config--> load --> run --> another run directory
|                                                  |
+------- manifest: what drifted -------------------+
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import api
from runner.config.load import load
from runner.errors import ExitCode, LogError
from runner.experiments.compare import compare
from runner.experiments.drifts import drifts
from runner.log.rundir import CONFIG, EVENTS, RunDir, sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.api import Result
    from runner.engines.contract import Watch
    from runner.experiments.compare import Compared
    from runner.experiments.drifts import Drift


@dataclass(frozen=True, slots=True)
class Rerun:
    """A stored run and its repetition.

    Attributes:
        original: The stored run's folder.
        summary: Its summary.json; None where it never ended.
        result: The repetition.
        plan_digests: The stored one, and the repetition's.
        tampered: Which of the stored files are not as the run left them, a sentence each.
        drifts: What is not as it was.
    """

    original: Path
    summary: Mapping[str, Any] | None
    result: Result
    plan_digests: tuple[str, str]
    tampered: tuple[str, ...]
    drifts: tuple[Drift, ...]

    @property
    def same(self) -> bool:
        """Whether it was the same experiment: the same items, draws and queues."""
        return self.plan_digests[0] == self.plan_digests[1]

    @property
    def exit_code(self) -> int:
        """The repetition's, and 1 at least where it was another experiment."""
        code = self.result.exit_code
        return code if self.same or code not in (ExitCode.OK, ExitCode.UNMET) else ExitCode.FAILED

    def compared(self) -> Compared:
        """The repetition against the stored run, figure by figure; both logs are read for it.

        Raises:
            LogError: The stored run has no log.
        """
        return compare(self.original, self.result)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON; without what `compared` says."""
        return {
            "original": str(self.original),
            "run": str(self.result.run_dir),
            "same": self.same,
            "plan_digest": {"then": self.plan_digests[0], "now": self.plan_digests[1]},
            "tampered": list(self.tampered),
            "drifts": [{"what": each.what, "then": each.then, "now": each.now} for each in self.drifts],
            "summary": {"then": self.summary, "now": dict(self.result.summary)},
            "exit_code": self.exit_code,
        }


def rerun(
    run: str | Path,
    out: str | Path = "runs",
    *,
    overrides: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
    command_line: list[str] | None = None,
) -> Rerun:
    """Run a stored run's config again.

    Args:
        run: The run directory.
        out: Parent of the new one.
        overrides: What is to be different this time, dotted path → value; it makes another experiment of it, unless
            it is the engine, the start method or the like, which no plan digest counts.
        watch: Looks at the run while it goes on.
        command_line: For the manifest; by default this program's.

    Raises:
        LogError: It is no run directory.
        ConfigError: The stored config cannot be run here, or no longer.
        StoreError: The new log could not be written.
    """
    stored = RunDir(Path(run).resolve())
    then = stored.manifest()
    try:
        digest = str(then["plan_digest"])
    except KeyError:
        raise LogError(f"{stored.path}: its manifest names no plan_digest; is it of another version?") from None
    config = load(stored.path / CONFIG, overrides)
    tampered = tuple(changed(stored, then))
    summary = stored.summary() if stored.has_summary else None
    result = api.run(config, out, watch=watch, command_line=command_line, overrides=overrides)
    now = RunDir(result.run_dir).manifest()
    return Rerun(stored.path, summary, result, (digest, now["plan_digest"]), tampered, tuple(drifts(then, now)))


def changed(stored: RunDir, manifest: Mapping[str, Any]) -> list[str]:
    """Which files of a stored run are not as the run left them, by the digests in its manifest; a sentence each."""
    found = []
    for name, key in ((CONFIG, "config_digest"), (EVENTS, "events_sha256")):
        path, digest = stored.path / name, manifest.get(key)
        if digest is None:
            continue
        if not path.is_file():
            found.append(f"{name} is missing")
        elif sha256_of(path) != digest:
            found.append(f"{name} was changed after the run (its digest is not {key} of the manifest)")
    return found
