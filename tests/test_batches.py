"""Errors of figures from batches: of processes whose errors are known."""

from __future__ import annotations

from itertools import accumulate
from math import log, sqrt
from random import Random
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.analysis.batches import CONFIDENCE, Sample, batches, cuts, error, is_concentrated
from runner.analysis.student import quantile

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 2000
MEAN = 1_000_000


def dice(seed: object) -> Random:
    return Random(str(seed))  # noqa: S311 - repeatable, not secret


def independent(random: Random) -> list[int]:
    return [round(random.expovariate(1 / MEAN)) for _ in range(COUNT)]


def correlated(random: Random) -> list[int]:
    """Autoregressive of order 1, with 0.9 at lag 1: as a queue's waits."""
    noise = (random.gauss(0, MEAN / 5) for _ in range(COUNT))
    return [MEAN + round(x) for x in accumulate(noise, lambda x, e: 0.9 * x + e)]


def growing(random: Random) -> list[int]:
    """A sum of steps that have a mean of 1,000: as the waits in an overloaded queue."""
    return [round(x) for x in accumulate(random.gauss(1000, 5000) for _ in range(COUNT))]


PROCESSES: dict[Callable[[Random], list[int]], float] = {
    independent: MEAN, correlated: MEAN, growing: 1000 * (COUNT + 1) / 2
}  # fmt: skip


def covers(ns: list[int], truth: float) -> bool:
    found = Sample(ns)
    of = error(found.of_mean())
    mean = found.mean()
    assert mean is not None
    return abs(mean - truth) <= quantile(CONFIDENCE, of.freedom) * sqrt(of.variance)


def naively_covers(ns: list[int], truth: float) -> bool:
    """As if all samples were independent: the control."""
    return abs(fmean(ns) - truth) <= 1.96 * stdev(ns) / sqrt(len(ns))


@pytest.mark.parametrize("process", PROCESSES)
def test_intervals_cover_the_truth_where_samples_depend_on_each_other(process: Callable[[Random], list[int]]) -> None:
    """In at least 90 of 100 repetitions; as if they were independent, they would not."""
    runs = [process(dice(f"{process.__name__} {seed}")) for seed in range(100)]
    truth = PROCESSES[process]
    assert sum(covers(ns, truth) for ns in runs) >= 90
    naive = sum(naively_covers(ns, truth) for ns in runs)
    assert naive >= 90 if process is independent else naive < 60


def test_intervals_of_independent_samples_are_hardly_wider_than_need_be() -> None:
    runs = [independent(dice(seed)) for seed in range(100)]
    found = fmean(sqrt(error(Sample(ns).of_mean()).variance) for ns in runs)
    assert 1.0 < found / (MEAN / sqrt(COUNT)) < 1.4


def test_a_drift_is_known_as_one() -> None:
    drifting = {p: sum(error(Sample(p(dice(seed))).of_mean()).drifts for seed in range(50)) for p in PROCESSES}
    assert drifting[growing] == 50
    assert drifting[independent] <= 1
    assert drifting[correlated] <= 5


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99])
def test_percentiles_have_intervals_that_cover_the_truth(share: float) -> None:
    truth = -MEAN * log(1 - share)
    covered = known = 0
    for seed in range(100):
        sample = Sample(independent(dice(f"{share} {seed}")))
        if pulls := sample.of_percentile(share):
            known += 1
            of = error(pulls)
            value = sample.percentile(share)
            assert value is not None
            covered += abs(value - truth) <= quantile(CONFIDENCE, of.freedom) * sqrt(of.variance)
    assert known >= 90 if share < 0.99 else known >= 10
    assert covered >= 0.9 * known


def test_a_percentile_with_few_samples_beyond_it_has_no_error() -> None:
    ns = independent(dice(1))
    assert Sample(ns[:100]).of_percentile(0.99) == []
    assert Sample(ns[:100]).of_percentile(0.5) != []


@given(st.lists(st.integers(0, 10**12), min_size=50, max_size=400))
def test_batches_together_pull_the_mean_nowhere(ns: list[int]) -> None:
    assert sum(Sample(ns).of_mean()) == pytest.approx(0, abs=1e-6 * (1 + max(ns)))


@given(st.integers(0, 10_000))
def test_batches_are_all_the_samples_and_about_equally_long(count: int) -> None:
    into = batches(count)
    if not into:
        assert count < 50
        return
    found = cuts(count, into)
    assert [place for a, b in found for place in range(a, b)] == list(range(count))
    lengths = [b - a for a, b in found]
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) >= 5


def test_without_samples_there_is_nothing() -> None:
    empty = Sample([])
    assert (empty.mean(), empty.percentile(0.5), empty.of_mean(), empty.of_percentile(0.5)) == (None, None, [], [])


def test_what_happened_in_one_batch_only_is_told_from_what_goes_on() -> None:
    assert is_concentrated([19.0] + [-1.0] * 19)
    assert is_concentrated([18.0, 2.0, *[-20 / 18] * 18])
    assert not is_concentrated([1.0, -1.0] * 10)
    assert not is_concentrated([0.0] * 20)


def test_a_figure_that_never_changes_has_no_error() -> None:
    assert error(Sample([7] * 100).of_mean()).variance == 0
