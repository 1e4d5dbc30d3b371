"""Student's t distribution, from the regularised incomplete beta function.

P(|T| > t) = I_x(f / 2, 1 / 2) with x = f / (f + t^2) for f degrees of freedom (Abramowitz and Stegun, Handbook of
Mathematical Functions, 1964, 26.7.1), and the incomplete beta function by its continued fraction, evaluated by Lentz's
method (Press et al., Numerical Recipes, 3rd edition, section 6.4).
"""

from __future__ import annotations

from math import exp, inf, lgamma, log

_TINY = 1e-300


def tails(t: float, freedom: float) -> float:
    """P(|T| > t): how probable it is that chance alone is farther from 0, on either side.

    Args:
        t: From 0 to infinity; of a negative one the size counts.
        freedom: Degrees of freedom, above 0; need not be whole.
    """
    if t == 0:
        return 1.0
    square = t * t
    return 0.0 if square == inf else _beta(freedom / 2, 0.5, freedom / (freedom + square), square / (freedom + square))


def quantile(confidence: float, freedom: float) -> float:
    """The t with P(|T| <= t) = confidence, for a confidence from 0 to below 1."""
    low, high = 0.0, 1.0
    while tails(high, freedom) > 1 - confidence:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if tails(middle, freedom) > 1 - confidence else (low, middle)
    return high


def _beta(a: float, b: float, x: float, rest: float) -> float:
    """I_x(a, b); `rest` is 1 - x, which is more exact where x is near 1."""
    if x == 0 or rest == 0:
        return 0.0 if x == 0 else 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(rest))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, rest) / b


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or _TINY)
    value, change, m = d, 0.0, 0
    while abs(change - 1) > 1e-15 and m < 10_000:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1 / (1 + even * d or _TINY), 1 + even / c or _TINY
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1 / (1 + odd * d or _TINY), 1 + odd / c or _TINY
        change = d * c
        value *= change
    return value
