"""Little's law, L = lambda W, as a check of the measuring: L by looking at the queue, lambda W by its log.

What the log says is added up over the very time in which the queue was looked at: the area under the number of items
between put returned and get returned, which is the sum of their times in the queue, that is lambda W times the time
(J. D. C. Little, Operations Research 9, 1961; for a single run: S. Stidham, Operations Research 22, 1974). Both figures
may differ by

- the error of sampling. Samples in a row resemble each other, so it is found from batches (Law, Simulation Modeling and
  Analysis, 5th edition 2015, chapter 9): the log itself is sampled in the same way, batch by batch, and the errors
  this makes give the width of the confidence interval by Student's law. Sampling the log instead of taking the
  samples' own scatter asks what a sampler that works would have found. Where that meets hardly any item, Bernstein's
  inequality is taken: a queue that is seldom occupied may never be seen so;
- what the log leaves open. An item comes into the queue while its put lasts, not when it returns, and leaves it while
  its get lasts; and the clocks of a cluster are uncertain.

A difference beyond both is a fault of measuring: the log, its clock or the samples are wrong.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from math import log, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from runner.analysis.depth import areas
from runner.log.depths import FEWEST

if TYPE_CHECKING:
    from runner.analysis.accounts import QueueAccount
    from runner.log.depths import DepthSamples

_FALSE_ALARMS: Final = 1e-4
"""How often a difference by chance alone is called a fault."""
_SEEN: Final = 10
"""Looks at an occupied queue, below which their errors say nothing."""
_MOST_LOOKS: Final = 1000
"""At the log, for each batch; of more samples the error is overestimated."""
_STRIDE: Final = 0.6180339887498949
"""The golden ratio's fraction: moves each look within its gap, as the sampler does."""


@dataclass(frozen=True, slots=True)
class LittlesLaw:
    """Both sides of L = lambda W for one queue, in items.

    Attributes:
        samples: How often the queue was looked at.
        sampled: L, what it held on average by these looks.
        by_log: Lambda W over the same time.
        half_width: By how much the two may differ because of sampling.
        open_below: By how much L may be less because items leave the queue before their gets return.
        open_above: By how much it may be more because they come into it before their puts return.
        fault: Whether they differ by more.
    """

    samples: int
    sampled: float
    by_log: float
    half_width: float
    open_below: float
    open_above: float
    fault: bool


def littles_law(queue: QueueAccount, samples: DepthSamples) -> LittlesLaw | None:
    """Compare what was seen of a queue with its log; None where that says nothing.

    That is, where it was looked at too seldom, or where its log is not that of one put and one get for each item.
    """
    if samples.count < FEWEST or queue.redelivered or queue.recovered or queue.slipped:
        return None
    puts, gets = sorted(queue.returned), sorted(queue.get_returned)
    edges = [samples.batches[0].began_ns, *(batch.ended_ns for batch in samples.batches)]
    by_log = [b - a for a, b in pairwise(map(int.__sub__, areas(puts, edges), areas(gets, edges)))]
    total = edges[-1] - edges[0]
    sampled, expected = sum(batch.item_ns for batch in samples.batches) / total, sum(by_log) / total
    errors, occupied = _errors(samples, by_log, puts, gets)
    half_width = _half_width(errors, [b - a for a, b in pairwise(edges)])
    if occupied < _SEEN:
        half_width = max(half_width, _bernstein(max(0.0, expected), queue.max_depth + 1, samples.count))
    below = (queue.open_below_ns + queue.blur_ns) / total
    above = (sum(queue.returned) - sum(queue.began) + queue.blur_ns) / total
    fault = not expected - below - half_width <= sampled <= expected + above + half_width
    return LittlesLaw(samples.count, sampled, expected, half_width, below, above, fault)


def _errors(samples: DepthSamples, by_log: list[int], puts: list[int], gets: list[int]) -> tuple[list[float], int]:
    """What sampling the log makes of each batch's area, minus that area; and how often it meets an item."""
    looks = min(_MOST_LOOKS, max(1, samples.count // len(samples.batches)))
    errors, occupied = [], 0
    for batch, area in zip(samples.batches, by_log, strict=True):
        length = batch.ended_ns - batch.began_ns
        instants = [batch.began_ns + length * (k + k * _STRIDE % 1) / looks for k in range(looks)]
        depths = [bisect_right(puts, instant) - bisect_right(gets, instant) for instant in instants]
        errors.append(sum(depths) * length / looks - area)
        occupied += sum(depth > 0 for depth in depths)
    return errors, occupied


def _half_width(errors: list[float], lengths: list[int]) -> float:
    """Half the width of the confidence interval of errors that belong to batches: a ratio, as their lengths vary."""
    count, total = len(errors), sum(lengths)
    ratio = sum(errors) / total
    squares = sum((error - ratio * length) ** 2 for error, length in zip(errors, lengths, strict=True))
    return _quantile(count - 1) * sqrt(squares * count / (count - 1)) / total


def _bernstein(mean: float, highest: int, count: int) -> float:
    """How far the mean of independent depths up to `highest` strays (S. Bernstein 1924)."""
    rarity = log(2 / _FALSE_ALARMS)
    return sqrt(2 * mean * highest * rarity / count) + highest * rarity / (3 * count)


def _quantile(freedom: int) -> float:
    """Student's quantile for both tails (Abramowitz and Stegun, Handbook of Mathematical Functions, 1964, 26.7.5)."""
    z = NormalDist().inv_cdf(1 - _FALSE_ALARMS / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2
