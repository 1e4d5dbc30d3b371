"""How deep the queues of a run were when somebody looked: running sums, which need no more room in a long run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

FEWEST: Final = 50
"""Samples, below which they say nothing and are not kept."""
_MOST_BATCHES: Final = 32


class Batch(NamedTuple):
    """Samples that follow each other: from which instant to which, in ns since the gate, and the area under them."""

    began_ns: int
    ended_ns: int
    item_ns: int


@dataclass(frozen=True, slots=True)
class DepthSamples:
    """The depth of one queue as it was seen.

    Attributes:
        count: How often.
        batches: 16 to 32 of about equally many samples, one beginning where the other ends; fewer after fewer samples.
            Their areas are by the trapezoidal rule.
    """

    count: int
    batches: tuple[Batch, ...]


class DepthTally:
    """Adds up what is seen of one queue."""

    __slots__ = ("_batches", "_count", "_depth", "_gaps", "_gaps_each", "_last_ns")

    def __init__(self) -> None:
        self._count = 0
        self._batches: list[Batch] = []
        self._gaps = 0
        self._gaps_each = 1
        self._depth = 0
        self._last_ns = 0

    def add(self, t_ns: int, depth: int) -> None:
        """Note the depth at an instant later than the last."""
        if self._count:
            self._extend(Batch(self._last_ns, t_ns, (t_ns - self._last_ns) * (self._depth + depth) // 2))
        self._count += 1
        self._last_ns = t_ns
        self._depth = depth

    def _extend(self, gap: Batch) -> None:
        if self._gaps % self._gaps_each:
            self._batches[-1] = _joined(self._batches[-1], gap)
        else:
            if len(self._batches) == _MOST_BATCHES:
                self._batches = [_joined(*self._batches[k : k + 2]) for k in range(0, _MOST_BATCHES, 2)]
                self._gaps_each *= 2
            self._batches.append(gap)
        self._gaps += 1

    @property
    def samples(self) -> DepthSamples:
        """What was seen so far."""
        return DepthSamples(self._count, tuple(self._batches))


def _joined(one: Batch, other: Batch) -> Batch:
    return Batch(one.began_ns, other.ended_ns, one.item_ns + other.item_ns)


def document(depths: Mapping[str, DepthSamples]) -> dict[str, Any]:
    """The content of `depths.json`."""
    return {queue: asdict(samples) for queue, samples in depths.items()}
