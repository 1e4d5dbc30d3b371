"""A simulation gone through: its log written, its figures read, its events at hand.

Simulation --records--+--> lines --> events.jsonl, with its digest      where it is stored
                      +--> books --> summary, verdict                   what reading that log again would give
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from runner.analysis.closing import close
from runner.analysis.ledger import Ledger
from runner.analysis.ordered_books import OrderedBooks
from runner.analysis.summary import figures
from runner.engines.simulation import Simulation, run
from runner.log.sequence import SequenceEvents, SequenceLines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from runner.analysis.summary import Summary
    from runner.analysis.violations import Verdict
    from runner.engines.contract import Outcome, SimulationWatch
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
        lines, decoder = SequenceLines(self._plan.origins.prefix), msgspec.json.Decoder(dict[str, Any])
        for chunk in Simulation(self._plan, None, again=self._simulation).chunks():
            yield from decoder.decode_lines(lines(chunk))


def simulated(plan: Plan, signals: Signals | None = None, *, ties: int | None = None) -> Simulated:
    """Simulate and keep nothing but the figures and the verdict; `ties` as `Simulation` has it."""
    began = monotonic()
    simulation = Simulation(plan, None, signals, ties=ties)
    books = books_for(plan)
    outcome = run(simulation, books.enter)
    summary, verdict = _closed(books, plan, outcome, monotonic() - began)
    return Simulated(summary.to_dict(), summary.exit_code or 0, verdict, outcome.reason, plan, simulation)


def stored(
    plan: Plan, name: str, path: Path, signals: Signals, began: float, watch: SimulationWatch | None = None
) -> tuple[Outcome, Summary, Verdict, str]:
    """Simulate and write the event log; returns its SHA-256, too.

    Args:
        plan: What is simulated.
        name: The run's.
        path: Of the event log.
        signals: What may interrupt it.
        began: When the run began (`time.monotonic`).
        watch: Looks at it while it goes on.

    Raises:
        OSError: The disk is full.
    """
    books, lines, digest = books_for(plan), SequenceLines(plan.origins.prefix), hashlib.sha256()
    with path.open("wb") as file:

        def take(records: list[Record]) -> None:
            text = lines(records)
            digest.update(text)
            file.write(text)
            books.enter(records)

        outcome = run(Simulation(plan, name, signals, watch=watch), take)
    return outcome, *_closed(books, plan, outcome, monotonic() - began), digest.hexdigest()


class LedgerBooks:
    """The books of a simulation in which somebody may die, as of any log; what they hold of each item they keep."""

    def __init__(self, prefix: Callable[[int], str]) -> None:
        self.ledger = Ledger()
        self._events = SequenceEvents(prefix)

    @property
    def most_puts(self) -> int:
        """Into the queue that had the most."""
        return max((len(queue.began) for queue in self.ledger.queues.values()), default=0)

    def enter(self, records: Sequence[Record]) -> None:
        """Book further records."""
        self.ledger.feed(self._events(records))


def books_for(plan: Plan) -> OrderedBooks | LedgerBooks:
    """Books that forget what is done; those of any log where somebody may die, or a warm-up has to be left out."""
    prefix = plan.origins.prefix
    troubled = plan.warmup_ns or any(group.faults or group.item_timeout_ns is not None for group in plan.groups)
    return LedgerBooks(prefix) if troubled else OrderedBooks(prefix)


def closed(books: OrderedBooks | LedgerBooks) -> tuple[Summary, Verdict]:
    """The figures, without exit code and wall time, and the verdict; to be called once, at the end."""
    if isinstance(books, OrderedBooks):
        return figures(books, verdict := books.close()), verdict
    return figures(books.ledger, verdict := close(books.ledger)), verdict


def _closed(books: OrderedBooks | LedgerBooks, plan: Plan, outcome: Outcome, wall_s: float) -> tuple[Summary, Verdict]:
    summary, verdict = closed(books)
    summary = replace(summary, wall_s=wall_s).judged(plan.expected)
    return replace(summary, exit_code=outcome.exit_code(summary.status)), verdict
