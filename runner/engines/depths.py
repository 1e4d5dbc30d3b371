"""Looks at the depth of the queues while a run goes on, from the supervisor's loop and beside all logging.

A thread of its own would disturb: instead the loop waits in shorter slices. The gaps between looks vary about their
mean, so that what happens at a fixed pace is not always met at the same moment.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Final, TypeVar

from runner.log.depths import FEWEST, DepthTally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.log.depths import DepthSamples

_Found = TypeVar("_Found")

_MS: Final = 1_000_000
_INTERVAL_NS: Final = 10 * _MS
_QUEUES_AT_ONCE: Final = 4
"""Of more, the interval is longer, so that looking takes no more than a hundredth of a core."""
_STRIDE: Final = 0.6180339887498949
"""The golden ratio's fraction: its multiples, modulo 1, fill the interval evenly."""
_NEVER: Final = 1 << 62


class DepthSampler:
    """Samples every queue that can tell its depth, every 10 ms on average.

    Args:
        depths: For each queue, what tells its depth; None: it cannot, and is left out.
    """

    def __init__(self, depths: Mapping[str, Callable[[], int | None]]) -> None:
        self._depths = {name: depth for name, depth in depths.items() if depth() is not None}
        self._tallies = {name: DepthTally() for name in self._depths}
        self._interval_ns = _INTERVAL_NS * max(1.0, len(self._depths) / _QUEUES_AT_ONCE)
        self._zero_ns = 0
        self._due_ns = _NEVER
        self._phase = 0.0

    def begin(self, zero_ns: int) -> None:
        """The gate is open, since this instant of the monotonic clock: sample from now on."""
        self._zero_ns = zero_ns
        self._due_ns = zero_ns if self._depths else _NEVER

    def wait(self, wait: Callable[[int], _Found], patience_ms: int) -> _Found:
        """What `wait(patience_ms)` finds, which is called with less and again while it finds nothing."""
        end_ns = monotonic_ns() + patience_ms * _MS
        while True:
            now_ns = monotonic_ns()
            if now_ns >= self._due_ns:
                self._look(now_ns)
            slice_ns = max(0, min(end_ns, self._due_ns) - now_ns)
            found = wait(-(-slice_ns // _MS))
            if found or monotonic_ns() >= end_ns:
                return found

    def _look(self, now_ns: int) -> None:
        for name, depth in self._depths.items():
            self._tallies[name].add(monotonic_ns() - self._zero_ns, depth() or 0)
        self._phase = (self._phase + _STRIDE) % 1
        self._due_ns = now_ns + int(self._interval_ns * (0.5 + self._phase))

    @property
    def samples(self) -> dict[str, DepthSamples]:
        """What was seen so far, by queue, where that is enough to say anything."""
        seen = {name: tally.samples for name, tally in self._tallies.items()}
        return {name: samples for name, samples in seen.items() if samples.count >= FEWEST}
