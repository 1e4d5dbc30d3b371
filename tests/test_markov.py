"""Memoryless queues against tables, exact fractions and chains solved another way."""

from __future__ import annotations

from fractions import Fraction
from math import exp, factorial, fsum, lgamma, log

import pytest
from chains import gth
from hypothesis import given
from hypothesis import strategies as st

from runner.analysis.markov import erlang_b, erlang_c, stationary


def fraction_b(servers: int, erlangs: Fraction) -> Fraction:
    """Erlang's loss formula as he wrote it."""
    terms = [erlangs**k / factorial(k) for k in range(servers + 1)]
    return terms[-1] / sum(terms)


@pytest.mark.parametrize(
    ("servers", "erlangs", "blocked"),
    [(1, 1.0, 0.5), (5, 3.0, 0.1101), (10, 5.0, 0.0184), (20, 12.0, 0.0098), (100, 100.0, 0.0757)],
)
def test_erlang_b_agrees_with_printed_tables(servers: int, erlangs: float, blocked: float) -> None:
    assert erlang_b(servers, erlangs) == pytest.approx(blocked, abs=5e-5)


@given(st.integers(0, 60), st.fractions(Fraction(1, 100), 100, max_denominator=100))
def test_erlang_b_is_erlangs_own_sum(servers: int, erlangs: Fraction) -> None:
    assert erlang_b(servers, float(erlangs)) == pytest.approx(float(fraction_b(servers, erlangs)), rel=1e-12)


def test_the_recursion_is_stable_for_ten_thousand_servers() -> None:
    servers, erlangs = 10_000, 9_950.0
    terms = [exp(k * log(erlangs) - lgamma(k + 1) - erlangs) for k in range(servers + 1)]
    assert erlang_b(servers, erlangs) == pytest.approx(terms[-1] / fsum(terms), rel=1e-9)
    assert erlang_b(servers, 1.0) == 0
    assert 0 < erlang_c(servers, 9_999.999) < 1


@given(st.integers(1, 300), st.floats(0.01, 0.999))
def test_who_comes_waits_more_often_than_items_would_be_lost(servers: int, load: float) -> None:
    """And B < C <= 1; one server is waited for as often as it is busy."""
    erlangs = servers * load
    assert erlang_b(servers, erlangs) <= erlang_c(servers, erlangs) <= 1
    assert erlang_c(1, load) == pytest.approx(load)


def test_from_a_load_of_one_on_everybody_waits() -> None:
    assert [erlang_c(3, erlangs) for erlangs in (3.0, 4.0, 1e9)] == [1, 1, 1]


@given(st.lists(st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3)), min_size=1, max_size=12))
def test_a_birth_death_chain_is_solved_as_any_chain(rates: list[tuple[float, float]]) -> None:
    size = len(rates) + 1
    generator = [[0.0] * size for _ in range(size)]
    for state, (birth, death) in enumerate(rates):
        generator[state][state + 1] = birth
        generator[state + 1][state] = death
    births, deaths = zip(*rates, strict=True)
    assert stationary(births, deaths) == pytest.approx(gth(generator), rel=1e-9)


def test_a_chain_of_a_hundred_thousand_states_neither_overflows_nor_vanishes() -> None:
    shares = stationary([2.0] * 100_000, [1.0] * 100_000)
    assert shares[-1] == pytest.approx(0.5)
    assert fsum(shares) == pytest.approx(1)


def test_a_state_without_births_ends_the_chain() -> None:
    assert stationary([1.0, 0.0], [1.0, 1.0]) == [0.5, 0.5, 0.0]
