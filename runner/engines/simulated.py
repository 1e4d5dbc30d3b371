"""A simulation gone through: its log written, its figures read, its events at hand.

Simulation --records--+--> lines --> events.jsonl, with its digest      where it is stored
                      +--> events --> ledger --> summary, verdict       as from any log
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from runner.analysis.closing import close
from runner.analysis.ledger import Ledger
from runner.analysis.summary import figures
from runner.engines.simulation import Simulation, run
from runner.log.sequence import SequenceEvents, SequenceLines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from runner.analysis.summary import Summary
    from runner.analysis.violations import Verdict
    from runner.engines.contract import Outcome
    from runner.engines.signals import Signals
    from runner.log.sequence import Record
    from runner.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Simulated:
    """A simulation that has ended and left nothing on disk; otherwise what a `Result` is.

    Attributes:
        summary: What its summary.json would hold.
        exit_code: What the command line would exit with.
        verdict: Whether its log is consistent, with every violation found.
        reason: Why it did not complete; None where it did.
        run_dir: None: there is no folder.
    """

    summary: Mapping[str, Any]
    exit_code: int
    verdict: Verdict
    reason: str | None
    _plan: Plan = field(repr=False)
    _simulation: Simulation = field(repr=False)
    run_dir: None = None

    def events(self) -> Iterator[dict[str, Any]]:
        """The events of the log, one after another: simulated once more, as keeping them would take memory."""
        lines = SequenceLines(self._plan.origins.prefix)
        for chunk in Simulation(self._plan, None, again=self._simulation).chunks():
            for line in lines(chunk):
                yield msgspec.json.decode(line, type=dict[str, Any])


def simulated(plan: Plan, signals: Signals | None = None) -> Simulated:
    """Simulate and keep nothing but the figures and the verdict."""
    began = monotonic()
    simulation = Simulation(plan, None, signals)
    books = Books(plan)
    outcome = run(simulation, books.enter)
    summary, verdict = books.closed(outcome, monotonic() - began)
    return Simulated(summary.to_dict(), summary.exit_code or 0, verdict, outcome.reason, plan, simulation)


def stored(plan: Plan, name: str, path: Path, signals: Signals, began: float) -> tuple[Outcome, Summary, Verdict, str]:
    """Simulate and write the event log; returns its SHA-256, too.

    Args:
        plan: What is simulated.
        name: The run's.
        path: Of the event log.
        signals: What may interrupt it.
        began: When the run began (`time.monotonic`).

    Raises:
        OSError: The disk is full.
    """
    books, lines, digest = Books(plan), SequenceLines(plan.origins.prefix), hashlib.sha256()
    with path.open("wb") as file:

        def take(records: list[Record]) -> None:
            text = "".join(lines(records)).encode()
            digest.update(text)
            file.write(text)
            books.enter(records)

        outcome = run(Simulation(plan, name, signals), take)
    return outcome, *books.closed(outcome, monotonic() - began), digest.hexdigest()


class Books:
    """The books of a simulation, kept while it goes on.

    Attributes:
        ledger: What has been booked.
    """

    def __init__(self, plan: Plan) -> None:
        self.ledger = Ledger()
        self._events = SequenceEvents(plan.origins.prefix)
        self._expected = plan.expected

    def enter(self, records: list[Record]) -> None:
        """Book further records."""
        self.ledger.feed(self._events(records))

    def closed(self, outcome: Outcome, wall_s: float) -> tuple[Summary, Verdict]:
        """The figures and the verdict."""
        verdict = close(self.ledger)
        summary = replace(figures(self.ledger, verdict), wall_s=wall_s).judged(self._expected)
        return replace(summary, exit_code=outcome.exit_code(summary.status)), verdict
