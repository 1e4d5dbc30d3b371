"""Jain's index."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.analysis.fairness import fairness


def test_by_hand() -> None:
    """The paper's own reading: k of n have the same and the others nothing, which is fair to k/n."""
    assert fairness([5, 5, 5, 5]) == 1
    assert fairness([20, 0, 0, 0]) == 0.25
    assert fairness([7, 7, 7, 0]) == 0.75
    assert fairness([1, 3]) == pytest.approx(16 / 20)
    assert fairness([3]) == 1


def test_where_nobody_has_any_there_is_none() -> None:
    assert fairness([]) is None
    assert fairness([0, 0]) is None


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20).filter(any), st.integers(1, 1000))
def test_between_one_has_all_and_all_have_the_same_whatever_the_unit(shares: list[int], unit: int) -> None:
    found = fairness(shares)
    assert found is not None
    assert 1 / len(shares) <= found * (1 + 1e-12)
    assert found <= 1
    assert fairness([share * unit for share in shares]) == pytest.approx(found)
    assert (found == 1) == (len(set(shares)) == 1)
