"""Mean and variance of clamped laws against integrals taken with 30 digits (mpmath), and the functions they rest on."""

from __future__ import annotations

from math import exp, inf
from typing import TYPE_CHECKING

import pytest

from runner.config.distributions import (
    Distribution,
    Erlang,
    Exponential,
    Gamma,
    HyperExponential,
    LogNormal,
    Normal,
    Pareto,
    Triangular,
    Uniform,
    Weibull,
)
from runner.config.moments import Moments, atom, clamp, gamma_tails, mixture, normal_tails, values_moments

if TYPE_CHECKING:
    from runner.config.continuous import Continuous

REFERENCES = [
    (Uniform(2, 5), 3, 4.5, 3.625, 0.359375),
    (Triangular(0, 1, 4), 0.5, 2, 1.454861111111111, 0.2800805362654321),
    (Exponential(3), 1, inf, 3.149593931721368, 8.276809519034878),
    (Exponential(0.01), 0, 0.02, 0.008646647167633873, 4.403432281648151e-5),
    (Normal(1, 1), 0, inf, 1.083315470587686, 0.751087807841609),
    (Normal(1, 1e-6), 1, 1e8, 1.00000039894228, 3.408450569081046e-13),
    (Normal(0.001, 5), 2, 3, 2.30890085217333, 0.201753229742342),
    (LogNormal(1, 0.5), 0.5, inf, 1.01033229559298, 0.2380358221217863),
    (LogNormal(2, 100), 0, 1e8, 1.999993951094198, 36979.90443494067),
    (Gamma(0.01, 1), 0, 1e8, 1.0, 100.0),
    (Gamma(2.5, 1), 0.5, 2, 1.000746554231387, 0.2378811417104572),
    (Gamma(1000, 1), 1, inf, 1.012614611348721, 0.0003492809476892127),
    (Erlang(3, 1), 0.9, 0.901, 0.9004932571402534, 2.498320994615826e-7),
    (HyperExponential((1e-5, 10), (9, 1)), 0, 1e-4, 1.899954140079881e-5, 8.189208680567359e-10),
    (Weibull(0.5, 1), 0.1, inf, 2.018779500236847, 19.92675396360102),
    (Weibull(50, 1), 0, 0.99, 0.979832741730173, 0.0003118902340906224),
    (Pareto(0.5, 1), 0, 1000, 62.24555320336759, 38288.85990865179),
    (Pareto(1, 1), 2, 1e8, 19.72753356339242, 199999610.8244195),
    (Pareto(3, 0.01), 0.02, inf, 0.02125, 4.84375e-5),
]


@pytest.mark.parametrize(("law", "low", "high", "mean", "variance"), REFERENCES, ids=str)
def test_clamped_moments_agree_with_integrals_of_30_digits(
    law: Distribution, low: float, high: float, mean: float, variance: float
) -> None:
    found = law.clamped(low, high)
    assert found.mean == pytest.approx(mean, rel=1e-8)
    assert found.variance == pytest.approx(variance, rel=1e-8)


@pytest.mark.parametrize("law", [Uniform(1, 3), Triangular(1, 2, 3)])
def test_a_law_beyond_a_bound_is_that_bound(law: Continuous) -> None:
    assert law.clamped(4, 5) == atom(4)
    assert law.clamped(0.5, 0.75) == atom(0.75)


@pytest.mark.parametrize("law", [Uniform(2, 2), Triangular(2, 2, 2), Normal(2, 0), LogNormal(2, 0)])
def test_a_law_without_spread_is_clamped_as_its_value(law: Continuous) -> None:
    assert law.clamped(0, 1) == atom(1)
    assert law.clamped(1, 3) == pytest.approx((2, 0))
    assert law.clamped(3, inf) == atom(3)


def test_bounds_outside_the_support_change_nothing() -> None:
    law = Uniform(1, 3)
    assert law.clamped(0.5, 4) == Moments(law.mean(), law.variance())


@pytest.mark.parametrize(
    ("shape", "x", "lower"),
    [
        (1, 0.5, 1 - exp(-0.5)),
        (2, 3, 1 - exp(-3) * 4),
        (3, 20, 1 - exp(-20) * 221),
        (0.5, 0.5, 0.6826894921370859),  # chi-squared with one degree of freedom at 1
        (1e5, 1e5, 0.5004205220),
    ],
)
def test_gamma_tails_agree_with_known_values(shape: float, x: float, lower: float) -> None:
    assert gamma_tails(shape, x) == pytest.approx((lower, 1 - lower), rel=1e-9)


def test_far_tails_keep_their_digits() -> None:
    assert gamma_tails(1, 100)[1] == pytest.approx(exp(-100), rel=1e-12)
    assert gamma_tails(1, 1e-20)[0] == pytest.approx(1e-20, rel=1e-12)
    assert normal_tails(-10)[0] == normal_tails(10)[1] == pytest.approx(7.619853024160526e-24, rel=1e-12)


def test_a_mixture_adds_the_spread_between_its_parts() -> None:
    assert mixture([(3, Moments(1, 2)), (1, Moments(5, 6)), (0, Moments(99, 99))]) == pytest.approx((2, 6))


def test_a_mixture_with_an_infinite_part_is_infinite_only_where_the_part_has_weight() -> None:
    assert mixture([(1, atom(1)), (1, Moments(inf, inf))]) == (inf, inf)
    assert mixture([(1, atom(1)), (1, Moments(3, inf))]) == (2, inf)
    assert mixture([(1, atom(1)), (0, Moments(inf, inf))]) == (1, 0)


def test_values_are_equally_likely_unless_weighted() -> None:
    assert values_moments([1, 2, 6]) == pytest.approx((3, 14 / 3))
    assert values_moments([1, 2, 6], [2, 0, 3]) == pytest.approx((4, 6))


def test_clamp_gives_the_bound_a_value_lies_beyond() -> None:
    assert [clamp(x, 1, 2) for x in (0, 1, 1.5, 2, 3)] == [1, 1, 1.5, 2, 2]
