"""Planned times: pure, keyed, uniform, the same on every Python."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter
from hashlib import blake2b, sha256
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.distributions import (
    Clamped,
    Constant,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Gamma,
    HyperExponential,
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
from runner.planning.draws import Block, KeyedDraw, Sampler, sampler

if TYPE_CHECKING:
    from runner.planning.draws import Purpose

# SHA-256 over the planned ns of items produce-0:0 to produce-0:999, a line each. A digest that changes is a change of
# every experiment ever run with that law.
GOLDEN: list[tuple[Distribution, str]] = [
    (Constant(0.0123), "41a636737cbbd8823a68b5877d29a0e672b430aff5b370a045a3822ec80ab092"),
    (Uniform(0.001, 0.005), "5e7201c7fe970babfebd4eac1e3239c1e1b9ab029a9980417a85761d1e888ff6"),
    (RandInt(1, 5), "186c698c271cef40b857832c9dc807b5916b274a5b1a6f0579d3840686a24cea"),
    (RandInt(10, 250, 1e-6), "a004f1c07d655b602e7edcfdc93067fbcb9ab0eaea0579db4646c97d36aac690"),
    (Exponential(0.004), "b6dfc513235b8d96a726a55d859e0d27e74acc835c696587e24bd0e404d6575a"),
    (Normal(0.01, 0.02), "7e708452ad09566683c6a096f451db7214a865899b540f7f3bbe493216f3d484"),
    (LogNormal(0.01, 2), "7c3e8831ebf00fa4843d8c1decfdefc6587e2a891d1749d0313782323571a7e0"),
    (Gamma(0.3, 0.01), "a94943799ec193315d4ee1e0776139303778733d4a9adac27fff0ddd8ac6aeae"),
    (Gamma(4.2, 0.01), "e2badc2e995b33edbe0d45471bcacf67e2ab50d4451ee47cf28371652d449bee"),
    (Erlang(3, 0.01), "cfadf4b7ac134b0ca31b8607ff3601bcb5021b0b3294548c96a1bae1c6dc8d07"),
    (Erlang(20, 0.01), "55512960ec770f97b070d77f60ef25c9d56984499b6ab6e9460a554ea068e902"),
    (HyperExponential((0.001, 0.1), (9, 1)), "2aa769644179845503ddefa7153b8a65270c40e0762bf167ab695ebd1b2ba702"),
    (Weibull(0.7, 0.01), "196c2ff4a83e9176ad43440137a248119466d6766727b38c2eb930f09425c51b"),
    (Pareto(1.5, 0.001), "3ca50b6d612fc48762db50cf5ddedf0fa97486920084149d412991336740ec21"),
    (Triangular(0.001, 0.002, 0.01), "348bbdd4f8b25a041e9bce00694941b3dd6e8d63e898ce0bb8229d5a3d880661"),
    (Empirical((0.001, 0.01, 0.002), (1, 0.5, 3)), "a802e7f3714ee1ba8d69c0da0c8e010d89d31cb9952f211479cf61ce4c8bd28c"),
    (Trace(tuple(i / 1000 for i in range(1000))), "875fe5b710f97d7d7f506c8830fed138d2596528d103114971484fc9c9c66a32"),
    (Clamped(LogNormal(0.01, 2), 0.001, 0.05), "38493d65840ac2b93d8a2184b9b81ce972659899bdfa356cfdc9c22056578c9e"),
]


def planned(law: Distribution, *, seed: int = 42, purpose: Purpose = "service", scale: float = 1.0) -> list[int]:
    plan = sampler(seed, "consume", purpose, law, scale)
    return [plan(f"produce-0:{seq}", seq) for seq in range(1000)]


@pytest.mark.parametrize("scale", [1.0, 0.37, 0.0])
@pytest.mark.parametrize("law", [law for law, _ in GOLDEN], ids=str)
def test_a_block_of_draws_is_as_many_draws(law: Distribution, scale: float) -> None:
    plan = sampler(42, "consume", "service", law, scale)
    for seqs in (range(1000), range(7, 900, 13), range(0)):
        assert plan.block(Block("produce-0:", seqs)) == [plan(f"produce-0:{seq}", seq) for seq in seqs]


def test_only_a_trace_that_is_asked_may_miss_a_value() -> None:
    trace = Trace((1.0, 2.0))
    asked = [sampler(1, "c", "service", law, 1.0) for law in (trace, Clamped(trace, 1.0), Clamped(Uniform(0, 1), 0.5))]
    assert [each.is_total for each in asked] == [False, False, True]
    assert sampler(1, "c", "service", trace, 0.0).is_total
    with pytest.raises(MissingValue):
        asked[0].block(Block("p-0:", range(3)))


def unit_draws(seed: int = 0, group: str = "consume", purpose: Purpose = "service") -> Sampler:
    """A sampler whose planned ns are the first uniform in billionths."""
    return sampler(seed, group, purpose, Uniform(0, 1), 1.0)


def a_draw(item: str = "p-0:0") -> KeyedDraw:
    return KeyedDraw(blake2b(b"stream"), item, 0)


@pytest.mark.parametrize(("law", "digest"), GOLDEN, ids=str)
def test_planned_times_are_the_same_everywhere_and_for_ever(law: Distribution, digest: str) -> None:
    assert sha256("\n".join(map(str, planned(law))).encode()).hexdigest() == digest


def test_a_uniform_is_the_hash_the_documentation_describes() -> None:
    named = b"".join(len(part).to_bytes(8, "little") + part for part in (b"2a", b"consume", b"pause"))
    stream = blake2b(named, digest_size=32, person=b"mprun draws 1").digest()
    words = blake2b(stream + b"produce-0:3" + bytes(4)).digest()
    uniform = (int.from_bytes(words[:8], "little") // 2**12 + 0.5) / 2**52
    plan = sampler(42, "consume", "pause", Uniform(0, 1), 1.0)
    assert plan("produce-0:3", 3) == round(uniform * 1e9)


def test_the_ninth_uniform_comes_from_the_next_block() -> None:
    words = blake2b(b"stream" + b"p-0:0" + b"\1\0\0\0").digest()
    assert a_draw().uniform(9) == (int.from_bytes(words[8:16], "little") // 2**12 + 0.5) / 2**52


@given(st.lists(st.integers(0, 40), max_size=30))
def test_uniforms_do_not_depend_on_the_order_in_which_they_are_asked_for(ks: list[int]) -> None:
    draw = a_draw()
    assert [draw.uniform(k) for k in ks] == [a_draw().uniform(k) for k in ks]


@pytest.mark.parametrize(("word", "uniform"), [(b"\0", 2.0**-53), (b"\xff", 1 - 2.0**-53)])
def test_the_outermost_uniforms_are_inside_the_open_interval(word: bytes, uniform: float) -> None:
    draw = a_draw()
    draw._block, draw._words = 0, word * 64
    assert draw.uniform(0) == uniform
    assert 0 < uniform < 1


@given(st.permutations(range(8)))
def test_a_draw_does_not_depend_on_what_was_drawn_before(order: list[int]) -> None:
    law = Gamma(0.7, 1)
    straight = [sampler(1, "g", "pause", law, 1.0)(f"p-0:{seq}", seq) for seq in range(8)]
    mixed = sampler(1, "g", "pause", law, 1.0)
    assert {seq: mixed(f"p-0:{seq}", seq) for seq in order} == dict(enumerate(straight))


def test_every_part_of_the_key_matters() -> None:
    item = "produce-0:3"
    drawn = [
        unit_draws()(item, 3),
        unit_draws(seed=1)(item, 3),
        unit_draws(seed=2**64)(item, 3),
        unit_draws(group="other")(item, 3),
        unit_draws(purpose="pause")(item, 3),
        unit_draws()("produce-0:4", 4),
        unit_draws()("produce-1:3", 3),
        unit_draws()("produce-0:3.0", 3),
    ]
    assert len(set(drawn)) == len(drawn)


def test_the_position_is_no_part_of_the_key() -> None:
    assert unit_draws()("produce-0:3.1", 3) == unit_draws()("produce-0:3.1", 99)


def test_keys_that_read_the_same_run_together_draw_differently() -> None:
    drawn = [
        unit_draws(group=group)(item, 0) for group, item in [("a", "b:1"), ("ab", ":1"), ("ab:", "1"), ("", "ab:1")]
    ]
    drawn += [unit_draws(seed=1, group="2a")("x", 0), unit_draws(seed=0x12, group="a")("x", 0)]
    assert len(set(drawn)) == 6


def test_an_id_that_ends_like_a_block_number_is_not_another_items_next_block() -> None:
    assert a_draw("p\1\0\0\0").uniform(0) != a_draw("p").uniform(8)


@given(st.integers(0, 2**70), st.text("ab:0", max_size=4), st.text("ab:0", max_size=4), st.text("ab:0", max_size=4))
def test_two_groups_never_share_a_draw(seed: int, group: str, other: str, item: str) -> None:
    same = unit_draws(seed, group)(item, 0) == unit_draws(seed, other)(item, 0)
    assert same == (group == other)


def test_a_seed_of_any_length_is_taken() -> None:
    assert unit_draws(seed=10**6000)("p-0:0", 0) != unit_draws(seed=10**6000 + 1)("p-0:0", 0)


@pytest.mark.parametrize("law", [Exponential(0.01), RandInt(1, 5), Empirical((1, 2, 3)), Normal(1, 1), Pareto(2, 1)])
def test_the_shortcut_for_invertible_laws_is_sample_itself(law: Distribution) -> None:
    plan = sampler(42, "consume", "service", law, 1.0)
    assert [plan(f"p-0:{seq}", seq) for seq in range(50)] == [
        round(law.sample(KeyedDraw(plan._stream, f"p-0:{seq}", seq)) * 1e9) for seq in range(50)
    ]


@pytest.mark.parametrize("law", [Exponential(0.01), Gamma(2, 0.01), Clamped(Exponential(1), 0.1), Trace((0.5,) * 1000)])
@pytest.mark.parametrize("scale", [0.5, 1 / 3, 10.0])
def test_the_time_scale_multiplies_whole_nanoseconds(law: Distribution, scale: float) -> None:
    assert planned(law, scale=scale) == [round(ns * scale) for ns in planned(law)]


def test_planned_times_are_whole_and_not_negative() -> None:
    drawn = planned(Normal(0.1, 1))
    assert all(type(ns) is int and ns >= 0 for ns in drawn)
    assert 0 in drawn


@pytest.mark.parametrize(
    ("law", "scale", "constant"),
    [
        (Constant(0.0015), 1.0, 1_500_000),
        (Constant(0), 1.0, 0),
        (Constant(1e-9), 0.4, 0),
        (Constant(3), 0.5, 1_500_000_000),
        (Clamped(Constant(3), max=2), 1.0, 2_000_000_000),
        (Exponential(1), 0.0, 0),
        (Trace((1.0,)), 0.0, 0),
        (Exponential(1), 1.0, None),
        (Clamped(Exponential(1), 1, 1.5), 1.0, None),
    ],
)
def test_a_law_with_one_value_is_known_as_constant(law: Distribution, scale: float, constant: int | None) -> None:
    plan = sampler(42, "consume", "service", law, scale)
    assert plan.constant == constant
    if constant is not None:
        assert plan("produce-0:99", 99) == constant


def test_a_trace_that_has_no_value_says_so_when_the_item_comes() -> None:
    plan = sampler(42, "consume", "service", Trace(by_id={"p-0:0": 0.5}), 1.0)
    assert plan("p-0:0", 0) == 500_000_000
    with pytest.raises(MissingValue, match="'p-0:1'"):
        plan("p-0:1", 1)


@pytest.mark.parametrize("law", [law for law, _ in GOLDEN], ids=str)
def test_a_sampler_survives_pickling(law: Distribution) -> None:
    plan = sampler(7, "consume", "pause", law, 0.3)
    copy = pickle.loads(pickle.dumps(plan))  # noqa: S301 - our own bytes
    items = [(f"p-0:{seq}", seq) for seq in range(20)]
    assert [copy(*item) for item in items] == [plan(*item) for item in items]
    assert copy.constant == plan.constant


@pytest.mark.parametrize("scale", [-1.0, float("inf"), float("nan")])
def test_a_time_scale_that_scales_nothing_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="time_scale is"):
        sampler(0, "g", "pause", Constant(1), scale)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="seed is -1"):
        sampler(-1, "g", "pause", Constant(1), 1.0)


def chi_squared(cells: Counter[int], count: int) -> float:
    """Pearson's statistic against equal shares of `count` cells."""
    expected = cells.total() / count
    return sum((cells[cell] - expected) ** 2 / expected for cell in range(count))


@pytest.mark.parametrize("k", [0, 7, 8])
def test_uniforms_fill_the_interval_evenly(k: int) -> None:
    """100 cells: the statistic has mean 99 and standard deviation 14; it lies within five of them, on both sides."""
    cells = Counter(int(a_draw(f"produce-0:{seq}").uniform(k) * 100) for seq in range(5000))
    assert 29 < chi_squared(cells, 100) < 169


def test_neighbouring_items_are_independent() -> None:
    """100 cells of pairs, judged likewise."""
    draws = [int(a_draw(f"produce-0:{seq}").uniform(0) * 10) for seq in range(5001)]
    assert 29 < chi_squared(Counter(10 * a + b for a, b in pairwise(draws)), 100) < 169


def test_a_pause_and_a_service_of_one_item_are_independent() -> None:
    pairs = zip(planned(Uniform(0, 1), purpose="pause"), planned(Uniform(0, 1)), strict=True)
    cells = Counter(a // 200_000_000 * 5 + b // 200_000_000 for a, b in pairs)
    assert chi_squared(cells, 25) < 24 + 5 * 7


def test_slow_imports_happen_when_a_sampler_is_made_and_only_where_its_law_needs_them() -> None:
    """The first item of a run must not pay for an import."""
    program = """
import sys
from runner.config.distributions import Exponential, Normal
from runner.planning.draws import sampler
sampler(0, "g", "pause", Exponential(1), 1.0)("p-0:0", 0)
assert "statistics" not in sys.modules
sampler(0, "g", "pause", Normal(1, 1), 1.0)
assert "statistics" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
