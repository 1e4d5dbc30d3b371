"""How evenly work is shared out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


def fairness(shares: Collection[float]) -> float | None:
    """Jain's index: (sum of shares)^2 / (n * sum of squares), from 1/n, one has all, to 1, all have the same.

    Where k of n have the same and the others nothing it is k/n (R. Jain, D. Chiu and W. Hawe, "A Quantitative Measure
    of Fairness and Discrimination for Resource Allocation in Shared Computer Systems", DEC TR-301, 1984).

    Args:
        shares: One for each who could have some, at least 0.

    Returns:
        None where nobody has any.
    """
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else None
