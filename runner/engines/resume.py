"""Where a replacement takes up what the incarnation before it left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from runner.planning.plan import Fault


@dataclass(frozen=True, slots=True)
class Resume:
    """What a worker must know of its former incarnations beside its slot on the board.

    Attributes:
        seq: Last seq a producer has begun to put; -1: none.
        taken: Items a reader has taken into work.
    """

    seq: int = -1
    taken: int = 0

    def has_fired(self, fault: Fault, puts: int) -> bool:
        """Whether a fault is behind it, which has put so many."""
        return fault.after <= (puts if fault.counter == "puts" else self.taken)


FROM_THE_START: Final = Resume()
