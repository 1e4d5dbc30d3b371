"""By how much the clock of another node differs from the driver's, and how well that is known.

    driver --sent--> node reads its clock: there --> driver: received

The node read its clock at some instant between the two, nobody knows which: so the offset lies between
there - received and there - sent. Its middle is taken, half the round trip is what it may be wrong by, and of several
round trips the shortest says most (F. Cristian, "Probabilistic clock synchronization", Distributed Computing 3, 1989).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Offset:
    """What a node's clock shows more than the driver's at the same instant; the truth is within ± the uncertainty.

    Attributes:
        offset_ns: The node's clock minus the driver's.
        uncertainty_ns: At least 0.
    """

    offset_ns: int
    uncertainty_ns: int = 0

    def __post_init__(self) -> None:
        if self.uncertainty_ns < 0:
            raise ValueError(f"an uncertainty is at least 0, not {self.uncertainty_ns} ns")

    def translated(self, there_ns: int) -> int:
        """An instant of the node's clock in the driver's; exact to ± the uncertainty."""
        return there_ns - self.offset_ns

    def widened(self, later: Offset) -> Offset:
        """The same offset, uncertain enough to hold until a later measurement too, the clocks having drifted.

        The offset itself stays, so that what was translated with it remains so. The uncertainty covers both
        measurements, and all between them as long as the drift goes one way.
        """
        moved = abs(later.offset_ns - self.offset_ns)
        return Offset(self.offset_ns, max(self.uncertainty_ns, moved + later.uncertainty_ns))


def offset_of(samples: Iterable[tuple[int, int, int]]) -> Offset:
    """The offset by the shortest of some round trips.

    Args:
        samples: (sent, there, received) of each, ns: when the driver asked, what the node's clock showed, when its
            answer was here; by monotonic clocks.

    Raises:
        ValueError: There is no sample, or one was received before it was sent.
    """
    best: tuple[int, int, int] | None = None
    for sample in samples:
        sent, _, received = sample
        if received < sent:
            raise ValueError(f"an answer was received {sent - received} ns before it was asked for")
        if best is None or received - sent < best[2] - best[0]:
            best = sample
    if best is None:
        raise ValueError("no sample says nothing of a clock")
    sent, there, received = best
    middle = (sent + received) // 2
    return Offset(there - middle, received - middle)
