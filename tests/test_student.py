"""Student's t against printed tables, and against itself."""

from __future__ import annotations

from math import atan, inf, pi
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.analysis.student import quantile, tails

# Abramowitz and Stegun, Handbook of Mathematical Functions (1964), table 26.10: A(t | f) = 0.95 and 0.999.
TABLE = {1: (12.706, 636.619), 2: (4.303, 31.598), 4: (2.776, 8.610), 9: (2.262, 4.781), 19: (2.093, 3.883),
         30: (2.042, 3.646), 120: (1.980, 3.373)}  # fmt: skip


@pytest.mark.parametrize("freedom", TABLE)
def test_quantiles_are_those_of_the_tables(freedom: int) -> None:
    assert (round(quantile(0.95, freedom), 3), round(quantile(0.999, freedom), 3)) == pytest.approx(
        TABLE[freedom], abs=1.5e-3
    )


@given(st.floats(1e-3, 1e3))
def test_with_one_degree_of_freedom_it_is_cauchys(t: float) -> None:
    assert tails(t, 1) == pytest.approx(1 - 2 * atan(t) / pi, abs=1e-12)


@given(st.floats(0.01, 8))
def test_with_many_it_is_the_normal_law(t: float) -> None:
    assert tails(t, 1e7) == pytest.approx(2 * NormalDist().cdf(-t), rel=1e-4)


@given(st.floats(0, 0.9999), st.floats(0.5, 200))
def test_the_quantile_is_the_inverse(confidence: float, freedom: float) -> None:
    assert tails(quantile(confidence, freedom), freedom) == pytest.approx(1 - confidence, abs=1e-9)


def test_the_ends() -> None:
    assert tails(0, 5) == 1
    assert tails(inf, 5) == tails(1e300, 5) == 0
    assert tails(-2, 7) == tails(2, 7)
