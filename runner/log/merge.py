"""Journals and chronicle to one log in the order of time; while the run goes on, or after it.

    journal of worker 0 --read, render--> lines --+
    journal of worker 1 --read, render--> lines --+--up to a common instant, sorted--> batches of lines
    chronicle ------------------ render--> lines --+

A journal is in order by itself. A batch ends at the earliest instant up to which every journal has been read, so what
comes later is never earlier; memory is bounded by the batch, not by the run.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from runner.log.journal import DONE, GET, GET_DONE, PUT, JournalReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from runner.log.chronicle import Chronicle
    from runner.log.journal import Record

Line = TypeVar("Line")

_INSTANT: Final = itemgetter(0)
_KIND: Final = itemgetter(8)
_SLOTS_IN_ALL: Final = 1 << 12  # more would not fit the processor's caches, and take twice the time
_FEWEST_SLOTS: Final = 256


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose journal it is.

    Attributes:
        worker: Name of the worker.
        source: The queue it gets from.
        target: The queue it puts into.
        journal: Path of the journal; it may not exist yet.
    """

    worker: str
    source: str | None
    target: str | None
    journal: Path

    def queue_of(self, kind: int) -> str | None:
        """The queue that its records of this kind are about."""
        return self.target if kind == PUT else self.source

    def at(self, incarnation: int) -> Owner:
        """The same worker in another incarnation, with a journal of its own."""
        return replace(self, journal=self.journal.with_name(f"{self.worker}.{incarnation}.journal"))


class LineMaker(Protocol[Line]):
    """Makes lines of what was logged: as text (`render`) or as what soon becomes text (`encode`)."""

    def entry(self, instant: int, entry: Mapping[str, Any], /) -> Line:
        """The line of an event of the supervisor."""

    def lines(self, owner: Owner, /) -> Callable[[Sequence[Record]], list[tuple[int, Line]]]:
        """What makes (instant, line) of the records of one journal, some of which may be GET_DONE."""


class _Journal(Generic[Line]):
    """One journal being merged: what has been rendered and not yet given out."""

    def __init__(self, owner: Owner, renderer: LineMaker[Line], slots: int, *, grows: bool) -> None:
        self._owner = owner
        self._render = renderer.lines(owner)
        self._slots = slots
        self._grows = grows
        self._reader: JournalReader | None = None
        self.lines: list[tuple[int, Line]] = []
        self.may_have_more = True
        self.counts = dict.fromkeys((PUT, GET, DONE), 0)

    def fill(self) -> None:
        """Read on where nothing is left to give out."""
        if self.lines or not (self.may_have_more or self._grows):
            return
        self.may_have_more = False
        if self._reader is None:
            try:
                self._reader = JournalReader(self._owner.journal)
            except FileNotFoundError:
                return
        records = self._reader.read_joined(self._slots)
        self.may_have_more = bool(records)
        kinds = bytes(map(_KIND, records))
        both = kinds.count(GET_DONE)
        for kind in self.counts:
            self.counts[kind] += kinds.count(kind) + (0 if kind == PUT else both)
        self.lines = self._render(records)

    def take(self, until: int) -> list[tuple[int, Line]]:
        """The lines up to an instant, which are from now on given out."""
        count = bisect_right(self.lines, until, key=_INSTANT)
        taken = self.lines[:count]
        del self.lines[:count]
        return taken

    def close(self) -> None:
        """Close the journal."""
        if self._reader is not None:
            self._reader.close()


class Merge(Generic[Line]):
    """Gives out the lines of a run in batches, in the order of time.

    Args:
        owners: Whose journals; those of replacements come in by their `worker.start`.
        chronicle: The supervisor's own events.
        renderer: Makes lines of them.
        slots: How many slots of all journals together are read at once, as far as one a journal is fewer: with it
            go the lines of a batch and the time it takes.
        grow: Whether the journals may still grow: of a thousand that do not, each is read to its end once only.
    """

    def __init__(
        self, owners: Sequence[Owner], chronicle: Chronicle, renderer: LineMaker[Line], *, slots: int | None = None,
        grow: bool = True,
    ) -> None:  # fmt: skip
        workers = max(len(owners), 1)
        self._slots = max(_FEWEST_SLOTS, _SLOTS_IN_ALL // workers) if slots is None else max(1, slots // workers)
        self._grow = grow
        self._owners = {owner.worker: owner for owner in owners}
        self._known = {owner.journal for owner in owners}
        self._journals = [_Journal(owner, renderer, self._slots, grows=grow) for owner in owners]
        self._chronicle = chronicle
        self._renderer = renderer
        self._entries_given = 0
        self._entries_seen = 0

    def batch(self, until: int) -> list[tuple[int, Line]]:
        """(instant, line) of the next events not later than `until` (ns of the monotonic clock); empty: no more.

        While workers write, `until` must lie a little in the past: an event is journalled after its instant.
        """
        bound = until
        self._welcome()
        for journal in self._journals:
            journal.fill()
            if journal.may_have_more:
                bound = min(bound, journal.lines[-1][0])
        lines = [line for journal in self._journals for line in journal.take(bound)]
        lines += self._entries(bound)
        lines.sort(key=_INSTANT)
        return lines

    def _welcome(self) -> None:
        """Take in the journals of replacements that have been started meanwhile."""
        entries = self._chronicle.entries
        for _, entry in entries[self._entries_seen :]:
            if entry["event"] == "worker.start" and entry["worker"] in self._owners:
                owner = self._owners[entry["worker"]].at(entry["incarnation"])
                if owner.journal not in self._known:
                    self._known.add(owner.journal)
                    self._journals.append(_Journal(owner, self._renderer, self._slots, grows=self._grow))
        self._entries_seen = len(entries)

    def _entries(self, until: int) -> Iterator[tuple[int, Line]]:
        entries = self._chronicle.entries
        while self._entries_given < len(entries) and entries[self._entries_given][0] <= until:
            instant, entry = entries[self._entries_given]
            self._entries_given += 1
            yield instant, self._renderer.entry(instant, entry)

    @property
    def totals(self) -> dict[str, int]:
        """How many items all workers put, got and did, so far."""
        names = {"put": PUT, "got": GET, "done": DONE}
        return {name: sum(journal.counts[kind] for journal in self._journals) for name, kind in names.items()}

    def close(self) -> None:
        """Close all journals."""
        for journal in self._journals:
            journal.close()
