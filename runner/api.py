"""The straight line from a config to a stored, audited run; what `import runner` offers."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from runner.analysis.ahead import Ahead
from runner.analysis.analyse import analyse
from runner.config.simulable import SIMULATION, simulable
from runner.engines import engine
from runner.engines.closing import settle, write_log
from runner.engines.contract import SimulationWatch
from runner.engines.signals import Signals
from runner.errors import ConfigError, ExitCode, LogError, StoreError
from runner.log import depths, rundir
from runner.log.chronicle import Chronicle
from runner.log.events import records
from runner.log.manifest import manifest
from runner.planning.resolve import plan as resolved
from runner.standard import open_standard_streams

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runner.analysis.summary import Summary
    from runner.analysis.violations import Verdict
    from runner.config.models import Config
    from runner.engines.contract import Outcome, Watch
    from runner.engines.simulated import Simulated
    from runner.log.rundir import RunDir
    from runner.planning.plan import Plan

_WORTH_A_PROCESS: Final = 1 << 20
"""Bytes of journals, from which on their log is analysed while it is written."""


@dataclass(frozen=True, slots=True)
class Result:
    """A run that has ended.

    Attributes:
        run_dir: Its folder.
        summary: The content of its summary.json.
        exit_code: What the command line exits with: 0 ok, 1 failed, 3 an expectation not met, 128 + n by signal n.
        verdict: Whether its log is consistent, with every violation found.
        reason: Why it did not complete; None where it did.
    """

    run_dir: Path
    summary: Mapping[str, Any]
    exit_code: int
    verdict: Verdict
    reason: str | None = None

    def events(self) -> Iterator[dict[str, Any]]:
        """The events of the log, one after another, in the order of time."""
        return records(self.run_dir / rundir.EVENTS)


def plan(config: Config) -> Plan:
    """What a config resolves to; starts nothing, imports no user code."""
    return resolved(config)


def run(
    config: Config,
    out: str | Path = "runs",
    *,
    watch: Watch | None = None,
    command_line: list[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Result:
    """Run a config for real, store everything, check it.

    Args:
        config: From `load`.
        out: Parent of run directories; made where it is missing.
        watch: Looks at the run while it goes on.
        command_line: For the manifest; by default this program's.
        overrides: For the manifest: what was set beside the config file.

    Raises:
        ConfigError: The run cannot be started; nothing was.
        StoreError: The log could not be written; the journals are kept.
    """
    started = monotonic()
    open_standard_streams()
    planned = resolved(config)
    with Signals() as signals:
        store = rundir.create(Path(out), planned.name)
        try:
            facts = _prepare(store, planned, command_line or sys.argv, overrides or {})
            if planned.engine == SIMULATION:
                return _simulate(store, planned, signals, facts, started, watch)
            with contextlib.closing(Chronicle(store.journals)) as chronicle:
                outcome = engine(planned.engine)(planned, store.journals, chronicle, signals, watch)
                return _conclude(store, planned, chronicle, outcome, facts, started)
        except ConfigError:
            store.discard()
            raise
        except OSError as error:
            raise _unstored(store, error) from error


@overload
def simulate(config: Config, out: str | Path = "runs", *, store: Literal[True] = True) -> Result: ...


@overload
def simulate(config: Config, out: str | Path = "runs", *, store: Literal[False]) -> Simulated: ...


def simulate(config: Config, out: str | Path = "runs", *, store: bool = True) -> Result | Simulated:
    """Run a config in virtual time, whatever its engine is.

    Args:
        config: From `load`.
        out: Parent of run directories, where the simulation is stored as any run is.
        store: Whether it is; otherwise nothing is left on disk, and `run_dir` is None.

    Raises:
        ConfigError: It cannot be simulated: nobody knows how long user code takes or what it gives.
        StoreError: The log could not be written.
    """
    if not store:
        from runner.engines.simulated import simulated  # a dozen modules that no real run needs

        with Signals() as signals:
            return simulated(resolved(simulable(config)), signals)
    return run(simulable(config), out)


def audit(run: str | Path, *, fifo: bool = True) -> Verdict:
    """Check a stored log again, from the log alone.

    Args:
        run: A run directory or an `events.jsonl`. Where the run goes on, or its supervisor was killed, the journals
            are read; what they hold is never complete.
        fifo: Whether the queues that promise to be FIFO are checked for it, which takes as long as all else; the
            check at a run's end leaves that out.

    Raises:
        LogError: There is no event log.
    """
    path = Path(run)
    return analyse(rundir.RunDir(path).log if path.is_dir() else path, fifo=fifo)[1]


def _prepare(store: RunDir, planned: Plan, command_line: list[str], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Store what is known before the start; the manifest says `running` from now on."""
    store.copy_inputs(planned.files)
    store.write(rundir.CONFIG, planned.stored_config)
    facts = {
        **manifest(store.name, planned.start_method, list(command_line), dict(overrides)),
        "name": planned.name,
        "seed": planned.seed,
        "engine": planned.engine,
        "config_digest": planned.config_digest,
        "plan_digest": planned.plan_digest,
    }
    store.write_json(rundir.MANIFEST, facts)
    return facts


def _unstored(store: RunDir, error: OSError) -> StoreError:
    """What is said of a run whose store cannot be written; its manifest does not go on saying that it runs."""
    why = error.strerror or str(error)
    with contextlib.suppress(OSError, LogError):
        ended = {"status": "failed", "exit_code": int(ExitCode.FAILED), "reason": f"the log was not written: {why}"}
        store.write_in_place(rundir.MANIFEST, {**store.manifest(), **ended})
    kept = "; the journals are kept there" if store.journals_size else ""
    remedy = "make room there, or choose another folder with --out"
    return StoreError(f"{store.path}: {why}{kept}; {remedy}")


def _conclude(
    store: RunDir, planned: Plan, chronicle: Chronicle, outcome: Outcome, facts: dict[str, Any], started: float
) -> Result:
    """From journals to log, from log to figures and verdict; then the store is complete."""
    outcome = settle(planned, store.journals, chronicle, outcome)
    if outcome.depths:
        store.write_json(rundir.DEPTHS, depths.document(outcome.depths))
    store.events.touch()
    with Ahead(store.events, outcome.depths, worth_it=store.journals_size > _WORTH_A_PROCESS) as ahead:
        events_digest = write_log(planned, store.journals, chronicle, outcome, store.events)
        summary, verdict = ahead.result()
    summary = replace(summary, wall_s=monotonic() - started).judged(planned.expected)
    summary = replace(summary, exit_code=outcome.exit_code(summary.status))
    facts |= {"reason": outcome.reason, "events_sha256": events_digest}
    if outcome.nodes:
        facts["nodes"] = outcome.nodes
    return _complete(store, summary, verdict, facts)


def _simulate(
    store: RunDir, planned: Plan, signals: Signals, facts: dict[str, Any], started: float, watch: object
) -> Result:
    """A simulation tells what happens in order: it is written and judged at once, without journals."""
    from runner.engines.simulated import stored  # as in `simulate`

    looks = watch if isinstance(watch, SimulationWatch) else None
    outcome, summary, verdict, events_digest = stored(planned, store.name, store.events, signals, started, looks)
    facts |= {"reason": outcome.reason, "events_sha256": events_digest}
    return _complete(store, summary, verdict, facts)


def _complete(store: RunDir, summary: Summary, verdict: Verdict, facts: dict[str, Any]) -> Result:
    """Store the figures and how it ended."""
    code = summary.exit_code or 0
    store.write_json(rundir.SUMMARY, summary.to_dict())
    store.write_json(rundir.MANIFEST, {**facts, "status": summary.status, "exit_code": code})
    store.drop_journals()
    return Result(store.path, summary.to_dict(), code, verdict, facts["reason"])
