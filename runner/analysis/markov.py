"""Memoryless queues, computed so that neither ten thousand servers nor a queue of 10⁵ places overflow or cancel."""

from __future__ import annotations

from itertools import accumulate
from math import exp, fsum, inf, log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def erlang_b(servers: int, erlangs: float) -> float:
    """The probability that all servers of a loss system are busy.

    The recursion B(k) = a B(k-1) / (k + a B(k-1)) from B(0) = 1 adds positive numbers only, so no digit is lost
    (A. K. Erlang 1917; the recursion: Cooper, Introduction to Queueing Theory, 2nd edition 1981, chapter 3).

    Args:
        servers: c, at least 0.
        erlangs: The offered load a, at least 0.
    """
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked *= erlangs
        blocked /= k + blocked
    return blocked


def erlang_c(servers: int, erlangs: float) -> float:
    """The probability that who comes to an M/M/c queue has to wait; 1 from a load of 1 on.

    Args:
        servers: c, at least 1.
        erlangs: The offered load a, at least 0.
    """
    if erlangs >= servers:
        return 1.0
    lost = erlang_b(servers, erlangs)
    return servers * lost / (servers - erlangs * (1 - lost))


def stationary(births: Iterable[float], deaths: Iterable[float]) -> list[float]:
    """The stationary law of a birth-death chain (Kleinrock, Queueing Systems I, 1975, chapter 3).

    Args:
        births: Rates from state 0, 1, … to the next, at least 0.
        deaths: Rates from state 1, 2, … to the one before, above 0; as many.

    Returns:
        A probability for every state, one more than there are rates. They are added up as logarithms, and so are
        right to some 10⁻¹⁶ times the number of states.
    """
    ratios = (log(birth / death) if birth else -inf for birth, death in zip(births, deaths, strict=True))
    logs = list(accumulate(ratios, initial=0.0))
    highest = max(logs)
    weights = [exp(each - highest) for each in logs]
    total = fsum(weights)
    return [weight / total for weight in weights]
