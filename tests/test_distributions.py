"""The laws of times: their samples, moments, limits and refusals."""

from __future__ import annotations

import pickle
import random
from dataclasses import FrozenInstanceError
from itertools import pairwise
from math import fsum, inf, sqrt
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runner.config.continuous import InvertibleContinuous
from runner.config.distributions import (
    CAP,
    LONGEST,
    Clamped,
    Constant,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Gamma,
    HyperExponential,
    Invertible,
    LogNormal,
    MissingValue,
    Normal,
    Pareto,
    RandInt,
    Trace,
    Triangular,
    Uniform,
    Weibull,
)
from runner.config.moments import clamp, values_moments

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST, MOST = 2.0**-53, 1 - 2.0**-53

# One of each, with a fourth moment, so that sampled variances settle.
EXAMPLES: list[Distribution] = [
    Constant(0.25),
    Uniform(1, 3),
    RandInt(1, 5, 0.001),
    Exponential(0.01),
    Normal(2, 0.5),
    Normal(0.5, 1),
    LogNormal(1, 0.5),
    Gamma(2.5, 1),
    Gamma(0.4, 1),
    Erlang(3, 1),
    HyperExponential((1, 5), (3, 1)),
    Weibull(1.5, 2),
    Pareto(9, 1),
    Triangular(0, 1, 4),
    Empirical((3, 1, 2), (0.5, 0.25, 0)),
    Trace((0.5, 0.25, 1)),
    Clamped(Exponential(1), 0.5, 2),
    Clamped(Gamma(0.4, 1), 0.1, None),
    Clamped(RandInt(1, 9), 2.5, 7),
]


class RandomDraw:
    """A draw whose uniforms are fixed by a number, and which notes what it was asked for."""

    def __init__(self, key: int, seq: int = 0, id: str = "p-0:0") -> None:  # noqa: A002 - as a Draw names it
        self.id = id
        self.seq = seq
        self.asked: list[int] = []
        self._key = key

    def uniform(self, k: int) -> float:
        self.asked.append(k)
        return clamp(random.Random(1000 * self._key + k).random(), LEAST, MOST)  # noqa: S311 - no secret


times = st.floats(0, LONGEST)
positive_times = st.floats(1e-9, LONGEST)
uniforms = st.floats(LEAST, MOST)
weights = st.lists(st.just(0.0) | st.floats(1e-15, 1e15), min_size=1, max_size=5).filter(any).map(tuple)
ascending = st.lists(times, min_size=3, max_size=3).map(sorted)
invertible_laws: st.SearchStrategy[Invertible] = st.one_of(
    ascending.map(lambda t: Uniform(t[0], t[1])),
    ascending.map(lambda t: Triangular(*t)),
    st.builds(lambda low, more, unit: RandInt(low, low + more, unit), *[st.integers(0, 10**6)] * 2, st.floats(1e-9, 1)),
    st.builds(Exponential, positive_times),
    st.builds(Normal, times, times),
    st.builds(LogNormal, positive_times, st.floats(0, 1000)),
    st.builds(Weibull, st.floats(0.1, 1000), positive_times),
    st.builds(Pareto, st.floats(0.1, 1e6), positive_times),
    weights.flatmap(lambda w: st.builds(Empirical, st.tuples(*[times] * len(w)), st.just(w))),
)
plain_laws: st.SearchStrategy[Distribution] = st.one_of(
    st.builds(Constant, times),
    invertible_laws,
    st.builds(Gamma, st.floats(1e-3, 1e5), positive_times),
    st.builds(Erlang, st.integers(1, 20), positive_times),
    weights.flatmap(lambda w: st.builds(HyperExponential, st.tuples(*[positive_times] * len(w)), st.just(w))),
)
bounds = st.tuples(times, times).map(sorted)


def support(law: Distribution) -> tuple[float, float]:
    match law:
        case Uniform(low=low, high=high) | Triangular(low=low, high=high):
            return low, high
        case RandInt(low=low, high=high, unit=unit):
            return low * unit, high * unit
        case Pareto(minimum=minimum):
            return minimum, CAP
        case Empirical(values=values) | Trace(values=tuple(values)):
            return min(values), max(values)
        case Constant(value=value):
            return value, value
    return 0, CAP


@given(plain_laws, st.integers(0, 10**9))
def test_a_sample_is_finite_and_within_the_support(law: Distribution, key: int) -> None:
    low, high = support(law)
    assert low <= law.sample(RandomDraw(key)) <= high


@given(plain_laws, st.integers(0, 10**9), bounds)
def test_a_clamped_sample_is_the_plain_one_or_the_bound_it_lies_beyond(
    law: Distribution, key: int, cut: list[float]
) -> None:
    low, high = cut
    expected = min(max(law.sample(RandomDraw(key)), low), high)
    assert Clamped(law, low, high).sample(RandomDraw(key)) == expected


@given(invertible_laws, uniforms, uniforms)
def test_a_quantile_never_decreases(law: Invertible, p: float, q: float) -> None:
    assert law.quantile(min(p, q)) <= law.quantile(max(p, q))


@given(invertible_laws, st.sampled_from([LEAST, 0.5, MOST]))
def test_the_outermost_uniforms_stay_within_the_support(law: Invertible, p: float) -> None:
    low, high = support(law)
    assert low <= law.quantile(p) <= high


@given(st.sampled_from([law for law in EXAMPLES if isinstance(law, InvertibleContinuous)]), uniforms)
def test_the_quantile_is_the_inverse_of_the_distribution_function(law: InvertibleContinuous, p: float) -> None:
    x = law.quantile(p)
    assume(x > 0)
    assert law.tails(x) == pytest.approx((p, 1 - p), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("law", EXAMPLES, ids=str)
def test_samples_have_the_mean_and_variance_the_law_says(law: Distribution) -> None:
    """Within five standard errors of 6,000 samples with fixed keys; a trace by position, walked evenly."""
    samples = [law.sample(RandomDraw(key, seq=key % 3)) for key in range(6_000)]
    count, (mean, variance) = len(samples), values_moments(samples)
    fourth = fsum((x - mean) ** 4 for x in samples) / count
    assert mean == pytest.approx(law.mean(), abs=5 * sqrt(variance / count) + 1e-12)
    assert variance == pytest.approx(law.variance(), abs=5 * sqrt(max(0, fourth - variance**2) / count) + 1e-12)


@given(plain_laws, bounds)
def test_clamped_moments_obey_their_bounds(law: Distribution, cut: list[float]) -> None:
    """The mean lies between the bounds, and the variance below (mean - low)(high - mean) (Bhatia and Davis, 2000)."""
    low, high = cut
    assume(low < high and not (isinstance(law, Gamma) and law.shape > 50))
    mean, variance = law.clamped(low, high)
    slack = 1e-8 * high
    assert low - slack <= mean <= high + slack
    assert 0 <= variance <= (mean - low + slack) * (high - mean + slack) * (1 + 1e-8)


@given(st.sampled_from(EXAMPLES), st.tuples(*[st.floats(0, 10)] * 4))
def test_nested_clamps_are_one_clamp(law: Distribution, numbers: tuple[float, float, float, float]) -> None:
    low, lower, upper, high = sorted(numbers)
    nested = Clamped(Clamped(law, low, high), lower, upper)
    single = Clamped(law, lower, upper)
    assert (nested.mean(), nested.variance()) == (single.mean(), single.variance())


@pytest.mark.parametrize("law", EXAMPLES, ids=str)
def test_a_clamp_without_bounds_is_the_law_itself(law: Distribution) -> None:
    assert Clamped(law).mean() == law.mean()
    assert Clamped(law).variance() == law.variance()


@given(st.integers(0, 30), st.integers(0, 30), st.sampled_from([1.0, 0.001, 1e-6, 60.0]), bounds, st.booleans())
def test_a_clamped_randint_has_the_moments_of_its_listed_values(
    low: int, more: int, unit: float, cut: list[float], near: bool
) -> None:
    lower, upper = [x / LONGEST * 70 * unit for x in cut] if near else cut
    listed = values_moments([clamp(n * unit, lower, upper) for n in range(low, low + more + 1)])
    found = RandInt(low, low + more, unit).clamped(lower, upper)
    assert found == pytest.approx(listed, rel=1e-9, abs=1e-12 * upper * upper)


def test_randint_draws_both_ends_and_nothing_between_its_units() -> None:
    drawn = {RandInt(2, 4, 0.001).sample(RandomDraw(key)) for key in range(100)}
    assert drawn == {2 * 0.001, 3 * 0.001, 4 * 0.001}


def test_empirical_follows_its_weights() -> None:
    law = Empirical((5, 3, 4, 1), (1, 2, 0, 1))
    quantiles = [law.quantile((i + 0.5) / 8) for i in range(8)]
    assert quantiles == [1, 1, 3, 3, 3, 3, 5, 5]
    assert (law.mean(), law.variance()) == (3, 2)


def test_empirical_without_weights_takes_all_values_alike() -> None:
    assert Empirical((1, 2)).weights == (1, 1)


def test_hyperexponential_chooses_the_phase_by_its_weight() -> None:
    law = HyperExponential((1e-6, 1, 1e-6), (0, 1, 0))
    assert all(law.sample(RandomDraw(key)) > 1e-4 for key in range(200))


@pytest.mark.parametrize("law", [Gamma(0.5, 1), Gamma(1, 1), Gamma(7, 1), Erlang(12, 1), HyperExponential((1,), (1,))])
def test_uniforms_are_taken_in_order_and_each_once(law: Distribution) -> None:
    for key in range(500):
        draw = RandomDraw(key)
        law.sample(draw)
        assert draw.asked == list(range(len(draw.asked)))


def test_a_rejected_gamma_trial_takes_the_next_two_uniforms() -> None:
    counts = set()
    for key in range(500):
        draw = RandomDraw(key)
        Gamma(1, 1).sample(draw)
        counts.add(len(draw.asked))
    assert {2, 4} <= counts
    assert all(count % 2 == 0 for count in counts)


@pytest.mark.parametrize(
    ("law", "mean", "variance"),
    [
        (Pareto(1, 1), inf, inf),
        (Pareto(1.5, 1), 3, inf),
        (Pareto(2, 1), 2, inf),
        (Pareto(3, 1), 1.5, 0.75),
        (Clamped(Pareto(1, 1), min=2), inf, inf),
        (Clamped(Pareto(1.5, 1), min=4), 4 * 7 / 8 + 12 / 8, inf),
    ],
)
def test_infinite_moments_are_called_infinite(law: Distribution, mean: float, variance: float) -> None:
    assert (law.mean(), law.variance()) == pytest.approx((mean, variance))


def test_a_maximum_makes_an_infinite_mean_finite() -> None:
    assert Clamped(Pareto(1, 1), max=10).mean() == pytest.approx(1 + 2.302585092994046)


def test_samples_stop_at_the_cap_where_a_law_goes_beyond() -> None:
    assert Pareto(0.1, 1).quantile(MOST) == Weibull(0.1, LONGEST).quantile(MOST) == CAP


def test_a_trace_gives_each_position_its_value() -> None:
    law = Trace(values=(3, 1, 2))
    assert [law.sample(RandomDraw(0, seq=seq)) for seq in range(3)] == [3, 1, 2]
    assert (law.mean(), law.variance()) == pytest.approx((2, 2 / 3))


def test_a_trace_by_id_looks_at_the_id_alone() -> None:
    law = Trace(by_id={"p-0:7": 0.5, "p-0:7.1": 0.25})
    assert law.sample(RandomDraw(0, id="p-0:7.1", seq=7)) == 0.25
    assert law.mean() == 0.375


@pytest.mark.parametrize("law", [Trace(values=(1.0,)), Trace(by_id={"other": 1.0}), Clamped(Trace((1.0,)), min=2)])
def test_a_value_missing_from_a_trace_names_the_item(law: Distribution) -> None:
    with pytest.raises(MissingValue, match=r"'p-0:1' \(seq 1\)"):
        law.sample(RandomDraw(0, id="p-0:1", seq=1))


def test_a_trace_keeps_its_own_copy_of_a_mapping() -> None:
    given_values = {"p-0:0": 1.0}
    law = Trace(by_id=MappingProxyType(given_values))
    given_values["p-0:0"] = 2.0
    assert pickle.loads(pickle.dumps(law)).sample(RandomDraw(0)) == 1.0  # noqa: S301 - our own bytes


@pytest.mark.parametrize("law", EXAMPLES, ids=str)
def test_a_law_survives_pickling(law: Distribution) -> None:
    copy = pickle.loads(pickle.dumps(law))  # noqa: S301 - our own bytes
    assert copy == law
    assert copy.sample(RandomDraw(3)) == law.sample(RandomDraw(3))


def test_parameters_go_by_the_names_of_the_config() -> None:
    assert Exponential(mean=1) == Exponential(1) != Exponential(2)
    assert Normal(mean=1, sd=2) == Normal(1, 2)
    assert LogNormal(mean=1, cv=2) == LogNormal(1, 2)
    assert Gamma(shape=1, mean=2) == Gamma(1, 2)
    assert Erlang(k=1, mean=2) == Erlang(1, 2)


def test_a_law_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Exponential(1).average = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Constant(-1), "value is -1, must be at least 0"),
        (lambda: Constant(inf), "value is inf, must be at least 0 and at most"),
        (lambda: Constant(float("nan")), "value is nan"),
        (lambda: Uniform(3, 2), "low is 3, must not be above high, 2"),
        (lambda: Uniform(-1, 2), "low is -1"),
        (lambda: RandInt(1, 2, 0), "unit is 0, must be above 0"),
        (lambda: RandInt(2, 1), "low is 2, must not be above high, 1"),
        (lambda: RandInt(1, 10**9), "high is 1000000000"),
        (lambda: RandInt(1, 2.5), "high is 2.5, must be a whole number"),  # type: ignore[arg-type]
        (lambda: Exponential(0), "mean is 0, must be above 0"),
        (lambda: Normal(1, -1), "sd is -1"),
        (lambda: Normal(-1, 1), "mean is -1"),
        (lambda: LogNormal(1, 1001), "cv is 1001, must be at least 0 and at most 1000"),
        (lambda: LogNormal(0, 1), "mean is 0"),
        (lambda: Gamma(0, 1), "shape is 0"),
        (lambda: Gamma(1, 0), "mean is 0"),
        (lambda: Erlang(1001, 1), "k is 1001, must be at least 1 and at most 1000"),
        (lambda: Erlang(1.5, 1), "k is 1.5, must be a whole number"),  # type: ignore[arg-type]
        (lambda: Erlang(1, 0), "mean is 0"),
        (lambda: HyperExponential((), ()), "weights are all 0"),
        (lambda: HyperExponential((1, 2), (1,)), "weights has 1 entries, must have as many as means: 2"),
        (lambda: HyperExponential((1, 0), (1, 1)), r"means\[1\] is 0, must be above 0"),
        (lambda: HyperExponential((1, 2), (1, -1)), r"weights\[1\] is -1"),
        (lambda: HyperExponential((1, 2), (1, 1e-16)), r"weights\[1\] is 1e-16, must be 0 or between 1e-15"),
        (lambda: Weibull(0, 1), "shape is 0"),
        (lambda: Weibull(1, 0), "scale is 0"),
        (lambda: Pareto(0, 1), "alpha is 0"),
        (lambda: Pareto(1, 0), "minimum is 0"),
        (lambda: Triangular(1, 0, 2), "low is 1, must not be above mode, 0"),
        (lambda: Triangular(0, 3, 2), "mode is 3, must not be above high, 2"),
        (lambda: Empirical(()), "values is empty"),
        (lambda: Empirical((1, -1)), r"values\[1\] is -1"),
        (lambda: Empirical((1, 2), (0, 0)), "weights are all 0"),
        (lambda: Trace(), "either values or by_id"),
        (lambda: Trace((1.0,), {"a": 1.0}), "either values or by_id"),
        (lambda: Trace(()), "the trace is empty"),
        (lambda: Trace(by_id={"a": -1.0}), "value for 'a' is -1"),
        (lambda: Clamped(Constant(1), -1), "min is -1"),
        (lambda: Clamped(Constant(1), None, inf), "max is inf"),
        (lambda: Clamped(Constant(1), 2, 1), "min is 2, must not be above max, 1"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_normal_above_the_clamp_is_the_plain_law() -> None:
    """The moments of the clamped law pass into the plain ones without a step where the clamp ceases to matter."""
    assert (Normal(50, 1).mean(), Normal(50, 1).variance()) == (50, 1)
    means = [Normal(mean, 1).mean() - mean for mean in (0, 1, 2, 5, 39.9, 40.1)]
    assert means[0] == pytest.approx(0.3989422804014327)
    assert all(former >= latter >= 0 for former, latter in pairwise(means))
