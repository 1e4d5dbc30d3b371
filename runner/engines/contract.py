"""What an engine is to the rest: a function that executes a plan and says how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from runner.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from runner.engines.board import Board
    from runner.engines.signals import Signals
    from runner.log.chronicle import Chronicle
    from runner.log.depths import DepthSamples
    from runner.log.journal import Clock
    from runner.planning.plan import Plan, Role


class Status(StrEnum):
    """How a run ended, as `run.end` says it."""

    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: In one word.
        reason: In a sentence; None for a completed run.
        signal: The signal that interrupted it.
        clock: Where its time began: when the start gate opened, or when the run ended if it never did.
        balanced: Whether every item that was put is done, by the board's account.
        aside: Items (queue, id) that are not handed out any more, and why.
        recovered: Puts that dead writers began and the supervisor logged: queue, and producer, seq, suffix of the item.
        depths: What was seen of the depth of the queues that can tell it.
        fates: Number of items `left`, `failed` and `lost`, once they are named.
        nodes: Where workers were, and how the clocks there differed, where that was not one machine.
        gone: Queues that are gone with all that was in them, and why.
    """

    status: Status
    reason: str | None
    signal: int | None
    clock: Clock
    balanced: bool
    aside: dict[tuple[str, str], str] = field(default_factory=dict)
    recovered: tuple[tuple[str, tuple[int, int, str]], ...] = ()
    depths: dict[str, DepthSamples] = field(default_factory=dict)
    fates: dict[str, int] = field(default_factory=dict)
    nodes: Mapping[str, Any] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)

    def exit_code(self, status: str) -> int:
        """What the command line exits with, where the summary has this status."""
        if self.status is Status.INTERRUPTED and self.signal is not None:
            return 128 + self.signal
        return {"ok": ExitCode.OK, "unmet": ExitCode.UNMET}.get(status, ExitCode.FAILED)


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run that is going on, for whoever watches it.

    Attributes:
        plan: What it executes.
        folder: Where the journals are.
        board: What every worker is doing.
        chronicle: What the supervisor has written so far.
        depths: For each queue, what tells its depth now, or None where its kind cannot.
        lag_ns: An event is journalled a little after its instant; what is older than this is in order.
    """

    plan: Plan
    folder: Path
    board: Board
    chronicle: Chronicle
    depths: Mapping[str, Callable[[], int | None]] = field(default_factory=dict)
    lag_ns: int = 50_000_000


class Watch(Protocol):
    """Looks at a run from the supervisor's loop, and so must be quick: 10 ms at most, and never block."""

    def tick(self, run: LiveRun) -> None:
        """Called some ten times a second, first before any worker is started; that one call may take its time."""


class LiveSimulation(Protocol):
    """A simulation that is going on, for whoever watches it."""

    @property
    def plan(self) -> Plan:
        """What it executes."""

    @property
    def now_ns(self) -> int:
        """The virtual instant."""

    def counts(self) -> Mapping[Role, int]:
        """What producers have put, and what stages and consumers have done."""


@runtime_checkable
class SimulationWatch(Protocol):
    """Looks at a simulation between two rounds of turns."""

    def look(self, run: LiveSimulation) -> None:
        """Called some fifty times a second."""


class Engine(Protocol):
    """Executes a plan."""

    def __call__(
        self, plan: Plan, folder: Path, chronicle: Chronicle, signals: Signals, watch: Watch | None, /
    ) -> Outcome:
        """Run to the end; `folder` holds the journals afterwards.

        Raises ConfigError where the machine's limits do not allow the run, before any worker is started.
        """
