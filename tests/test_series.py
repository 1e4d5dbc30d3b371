"""Figures reduced while they come: whatever is left out, minimum, maximum and sums are kept."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from runner.reports.details import Detail, Details
from runner.reports.series import Histogram, Series, Shares

values = st.lists(st.tuples(st.integers(-5, 10**7), st.integers(-(10**6), 10**6)), min_size=1, max_size=80).map(sorted)


@given(values)
def test_a_series_keeps_the_extremes_of_each_bin(points: list[tuple[int, int]]) -> None:
    """Each bin has the figures of just the points that fall into it."""
    series = Series(limit=4, bins=8)
    for point in points:
        series.add(*point)
    if len(points) <= 4:
        assert series.points == [(max(0, t), value) for t, value in points]
        assert not series.reduced
        return
    assert series.reduced
    assert len(series.count) == len(series.lowest) == len(series.highest) == len(series.last) == 8
    for place, count in enumerate(series.count):
        inside = [value for t, value in points if max(0, t) // series.width == place]
        assert count == len(inside)
        if inside:
            found = (series.lowest[place], series.highest[place], series.total[place], series.last[place])
            assert found == (min(inside), max(inside), sum(inside), inside[-1])


def test_a_series_uses_at_least_half_of_its_bins() -> None:
    series = Series(limit=10, bins=64)
    for t in range(100_000):
        series.add(1000 * t, t)
    assert sum(count > 0 for count in series.count) > 32


slices = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(-10, 10**8), st.integers(0, 10**7)), max_size=40
)


@given(slices)
def test_shares_add_up(told: list[tuple[int, int, int, int]]) -> None:
    """All bins of a worker and state together are the time it was in it, and no bin has more than its part."""
    shares = Shares(3, 2, cells=96)
    for worker, state, began, took in told:
        shares.add(worker, state, began, began + took)
    for worker, columns in enumerate(shares.spent):
        for state, column in enumerate(columns):
            spans = [(max(0, b), max(0, b + took)) for w, s, b, took in told if (w, s) == (worker, state)]
            assert sum(column) == sum(end - begin for begin, end in spans)
            for place, ns in enumerate(column):
                low, high = place * shares.width, (place + 1) * shares.width
                assert ns == sum(max(0, min(end, high) - max(begin, low)) for begin, end in spans)


@given(st.lists(st.integers(-3, 10**12), min_size=1))
def test_a_histogram_counts_all(durations: list[int]) -> None:
    histogram = Histogram()
    for ns in durations:
        histogram.add(ns)
    known = [max(0, ns) for ns in durations]
    assert (histogram.count, histogram.total) == (len(known), sum(known))
    assert (histogram.lowest, histogram.highest) == (min(known), max(known))
    for low, high, count in histogram.classes():
        assert count == sum(low * (1 - 1e-12) <= ns < high * (1 - 1e-12) for ns in known)
        assert high <= 1.1 * low or low < 1


def kept(count: int, limit: int, slowest: int | None = None) -> Details:
    details = Details(limit=limit)
    for n in range(count):
        details.add(Detail(0, 0, 10 * n, 10 * n + 10, f"p-0:{n}", 1))
        if n == slowest:
            details.slowest()
    return details


def test_a_short_run_is_kept_slice_by_slice() -> None:
    details = kept(640, limit=640, slowest=3)
    assert details.complete
    (window,) = details.windows()
    assert len(window.details) == details.count == 640


def test_of_a_long_run_windows_are_kept() -> None:
    """16 to 32 of them, evenly spread, each with every slice that ended in it, and one around the slowest item.

    That one takes the place of those that it overlaps.
    """
    for count in (6_401, 20_000, 123_456):
        details = kept(count, limit=6_400, slowest=4 * count // 7)
        assert not details.complete
        windows = details.windows()
        assert 13 <= len(windows) <= 33
        (slow,) = [window for window in windows if window.why]
        assert any(detail.item == f"p-0:{4 * count // 7}" for detail in slow.details)
        for window in windows:
            ends = [detail.ended for detail in window.details]
            assert ends == list(range(ends[0], ends[-1] + 10, 10))
            assert window.began <= ends[0] <= window.began + 10
            assert window.ended == ends[-1]
        even = [window.began for window in windows if not window.why]
        assert max(b - a for a, b in pairwise(even)) <= 10 * count / 4
        assert windows[-1].ended > 10 * count * 14 / 16
        for before, after in pairwise(windows):
            assert before.ended <= after.began + 10
