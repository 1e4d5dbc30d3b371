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


_COUNTED_BY_ITEM: Final = (Kind.LOST, Kind.DUPLICATED, Kind.UNEXPECTED)


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
class Counts:
    """What became of the items, in the words of Jepsen's queue checkers and a few more; over all queues.

    Attributes:
        attempted: Puts begun, as far as the log knows.
        acknowledged: Of these, puts that returned and were logged by who put.
        recovered: The others: logged by the supervisor for a worker that died.
        redelivered: Deliveries after an item's first.
        early: Gets that returned before their put did; nothing is wrong with that.
        done: Items done.
        left: Items called left.
        failed: Items called failed.
        lost: Items put, and neither done, left nor failed.
        duplicated: Items put, got or done again without a redelivery.
        unexpected: Items that nobody put, or in hands that could not have them.
    """

    attempted: int = 0
    acknowledged: int = 0
    recovered: int = 0
    redelivered: int = 0
    early: int = 0
    done: int = 0
    left: int = 0
    failed: int = 0
    lost: int = 0
    duplicated: int = 0
    unexpected: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit concludes.

    Attributes:
        valid: True, False, or "unknown" where an incomplete log shows no violation.
        reason: Why the log is incomplete; None if it is complete.
        count: How many violations there are.
        violations: The first `KEPT` of them, in the order found.
        counts: What became of the items.
    """

    valid: bool | Literal["unknown"]
    reason: str | None
    count: int
    violations: tuple[Violation, ...]
    counts: Counts = Counts()


class Violations:
    """Collects violations: counts all, keeps the first `KEPT`."""

    __slots__ = ("counts", "items", "kept")

    def __init__(self) -> None:
        self.kept: list[Violation] = []
        self.counts: Counter[Kind] = Counter()
        self.items: dict[Kind, set[tuple[str, str]]] = {kind: set() for kind in _COUNTED_BY_ITEM}

    def add(
        self, kind: Kind, message: str, *lines: int, item: str | None = None, queue: str = "", beside: str | None = None
    ) -> None:
        """Note one violation; `item` in `queue` is the one it is about, `beside` another one involved."""
        self.counts[kind] += 1
        if item is not None and kind in self.items:
            self.items[kind].add((queue, item))
        if len(self.kept) < KEPT:
            ids = tuple(each for each in (item, beside) if each is not None)
            self.kept.append(Violation(kind, message, lines, ids))

    def verdict(self, incomplete: str | None, counts: Counts) -> Verdict:
        """Conclude; `incomplete` says why the log is not whole, or is None."""
        count = self.counts.total()
        valid: bool | Literal["unknown"] = "unknown" if incomplete and not count else not count
        return Verdict(valid, incomplete, count, tuple(self.kept), counts)
