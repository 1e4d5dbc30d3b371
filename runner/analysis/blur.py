"""When puts may have returned at the latest and gets begun at the earliest, by clocks that are uncertain."""

from __future__ import annotations

from itertools import chain
from operator import add, sub
from typing import TYPE_CHECKING

from runner.analysis.accounts import RECOVERED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.analysis.accounts import QueueAccount
    from runner.analysis.clocks import Clocks


class Blur:
    """Instants of one queue, each moved as far as its clock may be wrong; in ns.

    Those of workers that are all on one node are exact to each other and stay, and the others' are moved farther.

    Attributes:
        get_began: When each get began, at the earliest.
        item_ns: By how much the time that all items together were in the queue may be wrong, by the driver's clock.
    """

    def __init__(self, clocks: Clocks, queue: QueueAccount) -> None:
        numbers = {number for number in {*queue.writers, *queue.readers} if number < RECOVERED}
        names = {number: clocks.names[number] for number in numbers}
        together = clocks.together(names.values())
        moved = {number: 0 if together else clocks.of(name) for number, name in names.items()}
        self._others = clocks.largest_ns * (2 if together else 1)
        puts = [moved.get(number, self._others) for number in queue.writers]
        exact = len(queue.get_began) - len(queue.readers)
        gets = [0] * exact + [moved[number] for number in queue.readers]
        self._puts = zip(map(add, queue.returned, puts), queue.lines, strict=True)
        self._again = [(instant + self._others, line) for instant, line in queue.redelivered]
        self.get_began = [*map(sub, queue.get_began, gets)]
        of = {number: clocks.of(name) for number, name in names.items()}
        self.item_ns = sum(of.get(number, clocks.largest_ns) for number in queue.writers)
        self.item_ns += sum(of[number] for number in queue.readers)

    def puts(self) -> tuple[list[int], list[int]]:
        """When puts and redeliveries returned, at the latest, ascending; and their lines."""
        both = sorted(chain(self._puts, self._again))
        return [instant for instant, _ in both], [line for _, line in both]

    def before(self, instants: Iterable[int]) -> list[int]:
        """When gets that a death hid may have begun, at the earliest."""
        return [instant - 2 * self._others for instant in instants]
