"""The estimate of a clock's offset: the truth lies within it, whatever the network does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.log.clocks import Offset, offset_of

SPAN = 10**15
offsets = st.integers(-SPAN, SPAN)
delays = st.integers(0, 10**9)
trips = st.tuples(st.integers(0, SPAN), delays, delays)
"""When the driver asked; how long the way there, and the way back, took."""


def sample(offset: int, trip: tuple[int, int, int]) -> tuple[int, int, int]:
    sent, there, back = trip
    return sent, sent + there + offset, sent + there + back


def test_the_middle_of_the_round_trip_is_taken_and_half_of_it_is_the_uncertainty() -> None:
    assert offset_of([(100, 1150, 120)]) == Offset(1040, 10)


def test_an_odd_round_trip_is_rounded_up() -> None:
    assert offset_of([(100, 1150, 121)]) == Offset(1040, 11)


def test_the_shortest_round_trip_says_most() -> None:
    assert offset_of([(0, 500, 90), (100, 1150, 120), (200, 9, 280)]) == Offset(1040, 10)


def test_of_equally_short_ones_the_first_is_taken() -> None:
    assert offset_of([(0, 5, 10), (20, 45, 30)]) == Offset(0, 5)


@given(offsets, st.lists(trips, min_size=1, max_size=8))
def test_the_truth_lies_within_whatever_the_delays(offset: int, asked: list[tuple[int, int, int]]) -> None:
    found = offset_of(sample(offset, trip) for trip in asked)
    assert abs(found.offset_ns - offset) <= found.uncertainty_ns
    shortest = min(there + back for _, there, back in asked)
    assert found.uncertainty_ns == (shortest + 1) // 2


@given(offsets, trips, st.integers(-(10**6), 10**6), trips, st.floats(0, 1))
def test_a_widened_offset_holds_at_both_measurements_and_between(
    offset: int, first: tuple[int, int, int], drift: int, second: tuple[int, int, int], share: float
) -> None:
    before = offset_of([sample(offset, first)])
    widened = before.widened(offset_of([sample(offset + drift, second)]))
    assert widened.offset_ns == before.offset_ns
    for truth in (offset, offset + drift, offset + int(drift * share)):
        assert abs(widened.offset_ns - truth) <= widened.uncertainty_ns


@given(offsets, st.integers(0, SPAN), st.integers(0, SPAN))
def test_widening_by_the_same_offset_takes_the_worse_of_both(offset: int, first: int, later: int) -> None:
    assert Offset(offset, first).widened(Offset(offset, later)) == Offset(offset, max(first, later))


def test_an_instant_is_translated_into_the_drivers_clock() -> None:
    assert Offset(1040, 10).translated(1150) == 110


@pytest.mark.parametrize(
    ("samples", "why"), [([], "no sample"), ([(0, 0, 5), (10, 0, 7)], "3 ns before"), ([(1, 0, 0)], "1 ns before")]
)
def test_what_says_nothing_is_refused(samples: list[tuple[int, int, int]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        offset_of(samples)


def test_an_uncertainty_is_not_negative() -> None:
    with pytest.raises(ValueError, match="at least 0, not -1"):
        Offset(0, -1)
