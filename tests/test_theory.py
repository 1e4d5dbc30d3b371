"""The formulas against printed values, other ways to compute them, and the limits in which they meet."""

from __future__ import annotations

from itertools import product
from math import inf
from statistics import NormalDist

import pytest
from chains import gth
from hypothesis import given
from hypothesis import strategies as st

from runner.analysis import theory
from runner.analysis.theory import Figures

LOADS = st.floats(0.01, 0.98)
SERVICES = st.floats(1e-6, 1e3)
SCVS = st.floats(0, 20)


def values(figures: Figures) -> tuple[float | None, ...]:
    return (
        figures.throughput, figures.utilization, figures.in_queue, figures.in_system, figures.wait_s,
        figures.latency_s, figures.sojourn_s,
    )  # fmt: skip


@pytest.mark.parametrize(("load", "in_system"), [(0.5, 1), (0.8, 4), (0.9, 9)])
def test_mm1(load: float, in_system: float) -> None:
    """Rho / (1 - rho) items in the system."""
    assert theory.mm1(load, 1.0).in_system == pytest.approx(in_system)


@pytest.mark.parametrize(
    ("servers", "load", "in_queue"), [(2, 0.5, 0.3333), (2, 0.9, 7.6737), (3, 0.8, 2.5888), (5, 0.9, 6.8624)]
)
def test_mmc_agrees_with_printed_tables(servers: int, load: float, in_queue: float) -> None:
    assert theory.mmc(servers * load, servers, 1.0).in_queue == pytest.approx(in_queue, abs=5e-5)


def test_md1_waits_half_as_long_as_mm1() -> None:
    assert theory.mg1(0.8, 1.0, 0.0).wait_s == pytest.approx(2.0)
    assert theory.mm1(0.8, 1.0).wait_s == pytest.approx(4.0)


@given(LOADS, SERVICES)
def test_one_server_makes_mmc_mm1(load: float, service_s: float) -> None:
    rate = load / service_s
    assert values(theory.mmc(rate, 1, service_s)) == pytest.approx(values(theory.mm1(rate, service_s)))


@given(LOADS, SERVICES)
def test_exponential_work_makes_pollaczek_khinchine_mm1(load: float, service_s: float) -> None:
    rate = load / service_s
    assert values(theory.mg1(rate, service_s, 1.0)) == pytest.approx(values(theory.mm1(rate, service_s)))


@given(LOADS, SERVICES, SCVS, st.integers(1, 50))
def test_allen_cunneen_is_exact_where_it_should_be(load: float, service_s: float, scv: float, servers: int) -> None:
    one, many = load / service_s, servers * load / service_s
    ours = theory.ggc(one, 1.0, 1, service_s, scv)
    assert values(ours) == pytest.approx(values(theory.mg1(one, service_s, scv)))
    assert values(theory.ggc(many, 1.0, servers, service_s, 1.0)) == pytest.approx(
        values(theory.mmc(many, servers, service_s))
    )


@given(st.floats(0.01, 0.9), st.integers(1, 20), st.integers(1, 10))
def test_a_large_queue_makes_the_blocking_chain_mmc(load: float, servers: int, producers: int) -> None:
    rate = servers * load
    bounded = theory.mmck(producers, producers / rate, servers, 1.0, 2_000)
    assert values(bounded) == pytest.approx(values(theory.mmc(rate, servers, 1.0)), rel=1e-6)


@given(st.integers(1, 100), LOADS, st.floats(1.001, 2))
def test_more_load_is_more_of_everything(servers: int, load: float, more: float) -> None:
    higher = min(0.99, load * more)
    for below, above in (
        [values(theory.mmc(servers * each, servers, 1.0)) for each in (load, higher)],
        [values(theory.ggc(each, 0.5, 1, 1.0, 3.0)) for each in (load, higher)],
    ):
        assert all(a is not None and b is not None and a <= b for a, b in zip(below, above, strict=True))


@given(st.integers(1, 6), st.floats(0.1, 5), st.integers(1, 6), st.integers(0, 20))
def test_a_longer_queue_lets_more_through(producers: int, pause_s: float, servers: int, room: int) -> None:
    found = [theory.mmck(producers, pause_s, servers, 1.0, length) for length in (room, room + 1)]
    assert found[0].throughput <= found[1].throughput * (1 + 1e-12)
    assert found[1].throughput <= min(producers / pause_s, servers) * (1 + 1e-12)


@given(st.integers(1, 6), st.floats(0.1, 5), st.integers(1, 6), st.integers(1, 20))
def test_littles_law_holds_for_producers_too(producers: int, pause_s: float, servers: int, room: int) -> None:
    """Each producer pauses or is blocked: n = X (E[P] + time blocked)."""
    found = theory.mmck(producers, pause_s, servers, 1.0, room)
    assert found.latency_s is not None
    assert found.wait_s is not None
    blocked_s = found.latency_s - found.wait_s
    assert found.throughput * (pause_s + blocked_s) == pytest.approx(producers)


def test_one_blocked_producer_is_mm1n_with_two_places_more_than_the_queue() -> None:
    """Throughput of M/M/1/N, N = maxsize + 2: one item in service and one in the blocked producer's hands."""
    load, places = 1.2, 12
    empty = (1 - load) / (1 - load ** (places + 1))
    assert theory.mmck(1, 1.0, 1, load, 10).throughput == pytest.approx((1 - empty) / load)


@pytest.mark.parametrize(("producers", "servers", "room"), [(1, 1, 3), (2, 1, 2), (3, 2, 1), (2, 3, 0)])
def test_the_blocking_chain_is_that_of_each_worker_by_itself(producers: int, servers: int, room: int) -> None:
    """States say which producers are blocked; the chain is solved without any symmetry or detailed balance."""
    pause_s, service_s = 1.3, 0.9
    full = servers + room
    blockings = list(product((False, True), repeat=producers))
    states = [(n, b) for n in range(full + 1) for b in blockings if n == full or not any(b)]
    place = {state: k for k, state in enumerate(states)}
    rates = [[0.0] * len(states) for _ in states]
    for (n, blocked), k in place.items():
        for who in (who for who in range(producers) if not blocked[who]):
            then = (n + 1, blocked) if n < full else (n, (*blocked[:who], True, *blocked[who + 1 :]))
            rates[k][place[then]] += 1 / pause_s
        waiting = [who for who in range(producers) if blocked[who]]
        for who in waiting:
            then = (n, (*blocked[:who], False, *blocked[who + 1 :]))
            rates[k][place[then]] += min(n, servers) / service_s / len(waiting)
        if n and not waiting:
            rates[k][place[n - 1, blocked]] += min(n, servers) / service_s
    shares = gth(rates)
    busy = sum(share * min(n, servers) for share, (n, _) in zip(shares, states, strict=True))
    system = sum(share * (n + sum(b)) for share, (n, b) in zip(shares, states, strict=True))
    found = theory.mmck(producers, pause_s, servers, service_s, room)
    assert found.throughput == pytest.approx(busy / service_s)
    assert found.in_system == pytest.approx(system)
    assert found.in_queue == pytest.approx(
        sum(share * max(0, n - servers) for share, (n, _) in zip(shares, states, strict=True))
    )


def test_a_queue_that_is_always_full() -> None:
    """Four producers without pauses, two servers of 1/2 s, room for 10: 4 items a second; 16 in the system."""
    found = theory.saturated(4, 0.0, 2, 0.5, 10)
    assert values(found) == pytest.approx((4, 1, 10, 16, 2.5, 3.5, 4))
    assert theory.saturated(4, None, 2, 0.5, 10).latency_s is None


@given(st.integers(2, 8), st.integers(1, 5), st.integers(200, 400))
def test_the_chain_far_above_a_load_of_one_is_always_full(producers: int, servers: int, room: int) -> None:
    pause_s = producers / (2.0 * servers)
    found, limit = theory.mmck(producers, pause_s, servers, 1.0, room), theory.saturated(
        producers, pause_s, servers, 1.0, room
    )  # fmt: skip
    assert found.throughput == pytest.approx(limit.throughput)
    assert found.latency_s == pytest.approx(limit.latency_s, rel=0.05)


def test_extremes() -> None:
    assert theory.unstable(3, 0.5) == Figures(6, 1, inf, inf, inf, inf, inf)
    assert theory.unloaded(5.0) == Figures(5, 0, 0, 0, 0, 0, 0)
    assert theory.full_at(0.5, 2.0, 0) == 1
    assert theory.full_at(0.5, 0.0, 1) == 0
    assert theory.full_at(0.9, 2.0, 100) > 0.9**100
    assert theory.settling_items(0.99, 2.0) > 100 * theory.settling_items(0.5, 2.0)


def test_ten_thousand_servers_agree_with_the_limit_of_many() -> None:
    """S. Halfin and W. Whitt 1981: P(wait) = 1 / (1 + b Phi(b) / phi(b)), b = (1 - rho) sqrt(c) = 1/2."""
    half, normal = 0.5, NormalDist()
    waiting = 1 / (1 + half * normal.cdf(half) / normal.pdf(half))
    assert theory.mmc(9_950.0, 10_000, 1.0).wait_s == pytest.approx(waiting / 50, rel=2e-3)
