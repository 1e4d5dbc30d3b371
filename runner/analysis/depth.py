"""How many items a queue held at most, by what its log cannot deny."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def depths(returned: Sequence[int], get_began: Iterable[int]) -> Iterable[int]:
    """Yield, after each put, the puts returned so far minus the gets begun so far.

    Args:
        returned: Instants at which puts returned, ascending.
        get_began: Instants at which gets began, in any order. One at the very instant of a put counts as begun, so
            that operations that overlap or touch never add to the depth.
    """
    begun = 0
    gets = sorted(get_began)
    gets.append(1 << 63)
    for count, instant in enumerate(returned, 1):
        while gets[begun] <= instant:
            begun += 1
        yield count - begun


def areas(ascending: Sequence[int], edges: Iterable[int]) -> list[int]:
    """For each edge, the area up to it under the number of instants that have passed; both ascend."""
    areas, place, passed = [], 0, 0
    for edge in edges:
        end = bisect_left(ascending, edge, place)
        passed += sum(ascending[place:end])
        place = end
        areas.append(place * edge - passed)
    return areas
