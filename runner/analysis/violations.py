"""What an audit finds: the classes of violations, the bounded list of them, the verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

KEPT: Final = 1_000
"""So many violations are kept in full; the rest is only counted."""


class Kind(StrEnum):
    """Classes of violations."""

    LOST = "lost"
    """Put, and neither done nor named left or failed."""
    DUPLICATED = "duplicated"
    """Put, got or done a second time without a redelivery."""
    UNEXPECTED = "unexpected"
    """Nobody put it, or somebody touched it who could not have it."""
    ORDER = "order"
    """Overtaken: within a producer, or between one writer and one reader of a queue."""
    FIFO = "fifo"
    """No order of the overlapping operations makes the queue first in, first out."""
    CAUSALITY = "causality"
    """Instants and durations that contradict each other."""
    DEPTH = "depth"
    """More items in a queue than its `maxsize`."""
    QUOTA = "quota"
    """More items than planned."""
    TOTALS = "totals"
    """`run.end` counts otherwise than the log."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One contradiction in a log.

    Attributes:
        kind: Its class.
        message: A sentence saying what contradicts what.
        lines: Numbers of the lines involved, from 1, the offending one last.
        ids: The items involved; empty where it is about none.
    """

    kind: Kind
    message: str
    lines: tuple[int, ...] = ()
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit concludes.

    Attributes:
        valid: True, False, or "unknown" where an incomplete log shows no violation.
        reason: Why the log is incomplete; None if it is complete.
        count: How many violations there are.
        violations: The first `KEPT` of them, in the order found.
    """

    valid: bool | Literal["unknown"]
    reason: str | None
    count: int
    violations: tuple[Violation, ...]


class Violations:
    """Collects violations: counts all, keeps the first `KEPT`."""

    __slots__ = ("counts", "duplicated_items", "kept")

    def __init__(self) -> None:
        self.kept: list[Violation] = []
        self.counts: Counter[Kind] = Counter()
        self.duplicated_items: set[tuple[str, str]] = set()

    def add(
        self, kind: Kind, message: str, *lines: int, item: str | None = None, queue: str = "", beside: str | None = None
    ) -> None:
        """Note one violation; `item` in `queue` is the one it is about, `beside` another one involved."""
        self.counts[kind] += 1
        if kind is Kind.DUPLICATED and item is not None:
            self.duplicated_items.add((queue, item))
        if len(self.kept) < KEPT:
            ids = tuple(each for each in (item, beside) if each is not None)
            self.kept.append(Violation(kind, message, lines, ids))

    def verdict(self, incomplete: str | None) -> Verdict:
        """Conclude; `incomplete` says why the log is not whole, or is None."""
        count = self.counts.total()
        valid: bool | Literal["unknown"] = "unknown" if incomplete and not count else not count
        return Verdict(valid, incomplete, count, tuple(self.kept))
