"""Queues in formulas: what is known without running anything, for a queue in its steady state.

Every function takes plain numbers (rates per second, times in seconds) and returns `Figures`; putting, getting and
handing over take no time. Which of them holds for what a plan describes, `network` decides.

`latency` is what mprun means by it, from put began to get returned, and so includes the time in which a producer is
blocked; `wait` begins when the put has returned.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, fsum, inf, sqrt

from runner.analysis.markov import erlang_c, stationary


@dataclass(frozen=True, slots=True)
class Figures:
    """A queue in its steady state; None is unknown, `inf` grows for ever.

    Attributes:
        throughput: Items per second that come, and go.
        utilization: Share of time that each server works.
        in_queue: L_q, mean number of items put and not got: what `mean_depth` measures.
        in_system: L, mean number of items whose put has begun and which are not done.
        wait_s: W_q, mean time from put returned to get returned.
        latency_s: Mean time from put began to get returned.
        sojourn_s: W, mean time from put began to done.
    """

    throughput: float
    utilization: float
    in_queue: float | None
    in_system: float | None
    wait_s: float | None
    latency_s: float | None
    sojourn_s: float | None


def mm1(rate: float, service_s: float) -> Figures:
    """M/M/1 below a load of 1, in closed form (Kleinrock, Queueing Systems I, 1975, chapter 3)."""
    load = rate * service_s
    return _unblocked(rate, 1, service_s, load * service_s / (1 - load))


def mmc(rate: float, servers: int, service_s: float) -> Figures:
    """M/M/c below a load of 1, by Erlang's C formula (A. K. Erlang 1917; Kleinrock 1975, chapter 3)."""
    erlangs = rate * service_s
    return _unblocked(rate, servers, service_s, erlang_c(servers, erlangs) * service_s / (servers - erlangs))


def mg1(rate: float, service_s: float, service_scv: float) -> Figures:
    """M/G/1 below a load of 1 (F. Pollaczek 1930, A. Khinchine 1932; Kleinrock 1975, chapter 5).

    Args:
        rate: Lambda.
        service_s: E[S].
        service_scv: Squared coefficient of variation of the service: its variance over its squared mean.
    """
    load = rate * service_s
    second_moment = service_s * service_s * (1 + service_scv)
    return _unblocked(rate, 1, service_s, rate * second_moment / (2 * (1 - load)))


def ggc(rate: float, arrival_scv: float, servers: int, service_s: float, service_scv: float) -> Figures:
    """G/G/c below a load of 1, by the approximation of Allen and Cunneen.

    The wait of M/M/c times the mean of both squared coefficients of variation (A. O. Allen, Probability, Statistics,
    and Queueing Theory, 2nd edition 1990, chapter 5). With Poisson arrivals and one server it is Pollaczek-Khinchine,
    with exponential service besides it is exact.
    """
    erlangs = rate * service_s
    wait = erlang_c(servers, erlangs) * service_s / (servers - erlangs)
    return _unblocked(rate, servers, service_s, wait * ((arrival_scv + service_scv) / 2 if wait else 0.0))


def mmck(producers: int, pause_s: float, servers: int, service_s: float, room: int) -> Figures:
    """M/M/c with a bounded queue that holds its producers back: no item is lost, who finds it full is blocked.

    A birth-death chain over the number of items in the system, of which the servers hold up to c, the queue up to
    `room`, and each blocked producer one: it pauses only after its put has returned, and so brings nothing meanwhile.
    For one producer this is M/M/c/K of a loss system, K = c + room + 1, whose lost arrivals are those that never
    happen; for more, the rate falls by one producer at a time, as with machines that are out of order (Kleinrock
    1975, chapter 3).

    Args:
        producers: n, all alike.
        pause_s: Mean of the exponential pause, above 0.
        servers: c.
        service_s: E[S], exponential, above 0.
        room: Items the queue holds, at least 0.
    """
    full = servers + room
    births = [producers / pause_s] * full + [left / pause_s for left in range(producers, 0, -1)]
    deaths = [min(state, servers) / service_s for state in range(1, full + producers + 1)]
    shares = stationary(births, deaths)
    busy = fsum(min(state, servers) * share for state, share in enumerate(shares))
    queued = fsum(min(state - servers, room) * share for state, share in enumerate(shares) if state > servers)
    blocked = fsum((state - full) * share for state, share in enumerate(shares) if state > full)
    return _by_little(busy / service_s, servers, busy, queued, blocked)


def overflowing(producers: int, rate: float, servers: int, service_s: float, room: int) -> Figures:
    """M/M/c whose queue holds `room` items, while the rest waits at producers that do not slow down (open pacing).

    Items due and not done are the system of M/M/c: with more than c + k of them, of probability C rho^(k+1), all
    servers work and k wait in the queue, or `room` of them and the rest outside (A. K. Erlang 1917; Kleinrock 1975,
    chapter 3). Of those outside, a single producer puts one; how many of several are blocked depends on whose items
    they are. Latency begins with the put, not when the item is due.

    Args:
        producers: n, whose due instants together are Poisson.
        rate: Lambda, of all of them.
        servers: c.
        service_s: E[S], exponential, with lambda E[S] < c.
        room: Items the queue holds, at least 0.
    """
    erlangs = rate * service_s
    load, waits = erlangs / servers, erlang_c(servers, erlangs)
    queued = waits * load * (1 - load**room) / (1 - load)
    blocked = waits * load ** (room + 1) if producers == 1 else None
    return _by_little(rate, servers, erlangs, queued, blocked)


def saturated(producers: int, pause_s: float | None, servers: int, service_s: float, room: int) -> Figures:
    """A bounded queue that never has room nor an idle server: producers outrun the servers.

    Servers that always find work are renewal processes, so c / E[S] come through whatever the laws are; what producers
    spend blocked is what their pauses leave of the time, by Little's law (J. D. C. Little 1961). Exact without pauses,
    else as far as the queue is always full.

    Args:
        producers: n.
        pause_s: Their mean pause; None: they differ, and what they spend blocked is not known.
        servers: c.
        service_s: E[S], above 0.
        room: Items the queue holds.
    """
    throughput = servers / service_s
    blocked = None if pause_s is None else max(0.0, producers - throughput * pause_s)
    return _by_little(throughput, servers, servers, room, blocked)


def unstable(servers: int, service_s: float) -> Figures:
    """A queue without a bound at a load of 1 or more: its servers always work, and it grows for ever."""
    return Figures(servers / service_s, 1.0, inf, inf, inf, inf, inf)


def unloaded(rate: float) -> Figures:
    """A queue whose items are no work: whoever gets is ready at once."""
    return _unblocked(rate, 1, 0.0, 0.0)


def full_at(load: float, variability: float, room: int) -> float:
    """About how likely a queue without a bound holds `room` items or more, at a load below 1.

    The tail of the heavy-traffic limit, exp(-2 (1 - rho) / (c_a² + c_s²)) for each item (J. F. C. Kingman 1962), which
    for M/M/c lies above the true tail rho. At a load above 1, with its reciprocal: how likely so much room is left.

    Args:
        load: Rho, below 1.
        variability: c_a² + c_s², the sum of both squared coefficients of variation.
        room: Items.
    """
    return exp(-2 * (1 - load) / variability * room) if variability else 0.0


def settling_items(load: float, variability: float) -> float:
    """How many items come until a queue has forgotten that it began empty, at a load below 1.

    The relaxation time (c_a² + c_s²) / (2.8 mu (1 - sqrt(rho))²) of A. R. Odoni and E. Roth (An empirical investigation
    of the transient behavior of stationary queueing systems, Operations Research 31, 1983), times the rate.
    """
    return load * variability / (2.8 * (1 - sqrt(load)) ** 2)


def _unblocked(rate: float, servers: int, service_s: float, wait_s: float) -> Figures:
    """All figures from the mean wait, by Little's law; no producer is blocked."""
    in_queue = rate * wait_s
    erlangs = rate * service_s
    sojourn_s = wait_s + service_s
    return Figures(rate, erlangs / servers, in_queue, in_queue + erlangs, wait_s, wait_s, sojourn_s)


def _by_little(throughput: float, servers: int, busy: float, queued: float, blocked: float | None) -> Figures:
    """All figures from the mean numbers of items at each place."""
    outside = None if blocked is None else blocked + queued
    inside = None if outside is None else outside + busy
    return Figures(
        throughput=throughput,
        utilization=busy / servers,
        in_queue=queued,
        in_system=inside,
        wait_s=queued / throughput,
        latency_s=None if outside is None else outside / throughput,
        sojourn_s=None if inside is None else inside / throughput,
    )
