"""How long is too long: work on one item, by the counters that a worker keeps on the board."""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Final

from runner.engines.board import State

if TYPE_CHECKING:
    from runner.engines.board import Slot
    from runner.planning.plan import WorkerPlan

_AT_WORK: Final = {State.SLEEPING, State.BUSY, State.CALLING, State.RUNNING}
_ABSENCE_NS: Final = 1_000_000_000


class Absences:
    """Notices that the supervisor itself stood still, as after Ctrl-Z: nobody else may be blamed for that time.

    Args:
        limit_ns: How long those may take whom it watches.
    """

    def __init__(self, limit_ns: int) -> None:
        self._longest = max(limit_ns // 2, _ABSENCE_NS)
        self._looked = monotonic_ns()

    def ended(self, now: int) -> bool:
        """Whether one has just come to its end."""
        absent = now - self._looked > self._longest
        self._looked = now
        return absent


class ItemTimeout:
    """Tells when a worker has worked on one item for longer than its group may; a producer, on giving one.

    Attributes:
        words: The limit, for a message.

    Args:
        worker: Who it is.
        slot: Its slot.
    """

    def __init__(self, worker: WorkerPlan, slot: Slot) -> None:
        self._limit = worker.group.item_timeout_ns
        self._slot = slot
        self._produces = worker.group.source is None
        self._work: tuple[int, ...] = ()
        self._since = 0
        self._absences = Absences(self._limit or 0)
        self.words = f"item_timeout, {(self._limit or 0) / 1e9:g} s"

    def is_over(self) -> bool:
        """Whether it is, as of now; to be asked some ten times a second."""
        if self._limit is None:
            return False
        slot, now = self._slot, monotonic_ns()
        # What a stage puts while it works on an item is no end of that work.
        work = (slot.puts,) if self._produces else (slot.gets, slot.dones, slot.skipped, slot.taken)
        state = slot.state
        pausing = self._produces and state is not State.CALLING
        absent = self._absences.ended(now)
        if work != self._work or pausing or absent or state not in _AT_WORK:
            self._work, self._since = work, now
        return now - self._since > self._limit
