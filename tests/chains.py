"""Markov chains solved without knowing anything of them."""

from __future__ import annotations

from math import fsum


def gth(rates: list[list[float]]) -> list[float]:
    """The stationary law of any chain by the elimination of Grassmann, Taksar and Heyman (1985)."""
    a = [row[:] for row in rates]
    size = len(a)
    for n in range(size - 1, 0, -1):
        out = fsum(a[n][:n])
        for i in range(n):
            a[i][n] /= out
        for i in range(n):
            for j in range(n):
                if i != j:
                    a[i][j] += a[i][n] * a[n][j]
    weights = [1.0]
    for n in range(1, size):
        weights.append(fsum(weights[i] * a[i][n] for i in range(n)))
    total = fsum(weights)
    return [weight / total for weight in weights]
