"""Two runs compared as far as their logs go: whether their draws are the same, their figures, what that comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.analysis.metrics import Series, contrasts, paired_up
from runner.analysis.reading import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.analysis.contrast import Contrast
    from runner.analysis.reading import Reading


@dataclass(frozen=True, slots=True)
class Draws:
    """Whether the same items were drawn the same in two runs.

    Attributes:
        seeds: Whether both have the same seed: the same random numbers stand behind an item's times, whatever the laws.
        same: Items whose `planned_ns` is the same on both sides, done by a group of the same name.
        different: Items of which it is another.
    """

    seeds: bool
    same: int
    different: int

    @property
    def paired(self) -> bool:
        """Whether an item of the one run may be compared with its like in the other."""
        return self.seeds or (self.same > 0 and not self.different)


def draws(first: Reading, other: Reading) -> Draws:
    """Compare what was planned for the items that both runs did."""
    seeds = [run.start and run.start.seed for run in (first, other)]
    names = dict.fromkeys([*first.dones.names, *other.dones.names])
    same = different = 0
    for name in names:
        ours, theirs = paired_up(_planned(first, name), _planned(other, name))
        agree = sum(a == b for a, b in zip(ours, theirs, strict=True))
        same, different = same + agree, different + len(ours) - agree
    return Draws(seeds[0] is not None and seeds[0] == seeds[1], same, different)


def _planned(run: Reading, group: str) -> Series:
    planned = zip(run.dones.of(group, run.dones.items), run.dones.of(group, run.dones.figures["planned"]), strict=True)
    known = [(item, ns) for item, ns in planned if ns != UNKNOWN]
    return Series([item for item, _ in known], [ns for _, ns in known])


def figures(first: Reading, other: Reading, found: Draws) -> Sequence[Contrast]:
    """All figures of two runs; which of them differ is not decided yet."""
    return [*contrasts(first, other, paired=found.paired)]
