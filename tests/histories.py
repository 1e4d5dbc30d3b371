"""All small histories of a queue, and by brute force whether each is one of a FIFO queue; no code is the audit's.

A history is a set of values. A value has the interval of its put and that of its get; or it stays in the queue; or it
may have been got, nobody knows. Intervals are pairs (left, right) of small numbers; one is over before another begins
where its right is below the other's left, so that intervals that touch overlap.

Every finite order of intervals has one smallest representation, in which each number is the left of some interval and
the right of some (Greenough, "Representation and enumeration of interval orders and semiorders", 1976); so going
through these goes through all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement, permutations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Interval = tuple[int, int]


@dataclass(frozen=True)
class History:
    """(put, get) of what was got; the puts of what stays; the puts of what may have been got."""

    got: tuple[tuple[Interval, Interval], ...]
    stays: tuple[Interval, ...] = ()
    maybe: tuple[Interval, ...] = ()


@cache
def orders(size: int) -> list[tuple[Interval, ...]]:
    """All interval orders of so many elements, without names for these, each as its sorted intervals."""
    found = []
    for most in range(1, size + 1):
        cells = [(left, right) for left in range(most) for right in range(left, most)]
        for chosen in combinations_with_replacement(cells, size):
            lefts, rights = {cell[0] for cell in chosen}, {cell[1] for cell in chosen}
            if len(lefts) == len(rights) == most:
                found.append(chosen)
    return found


def histories(got: int, stays: int, maybe: int = 0) -> Iterator[History]:
    """All histories of so many values of each sort; those that differ in names only come once."""
    for order in orders(2 * got + stays + maybe):
        seen = set()
        for named in permutations(order):
            pairs = tuple(zip(named[: 2 * got : 2], named[1 : 2 * got : 2], strict=True))
            rest, last = named[2 * got : 2 * got + stays], named[2 * got + stays :]
            if sorted(pairs) == list(pairs) and sorted(rest) == list(rest) and sorted(last) == list(last):
                seen.add(History(pairs, rest, last))
        yield from seen


def is_fifo(history: History) -> bool:
    """Whether some order of all operations, one after the other, is that of a FIFO queue and keeps the precedences.

    What may have been got is got at any time after its put began, or never.
    """
    puts = [pair[0] for pair in history.got] + list(history.stays) + list(history.maybe)
    gets = {value: pair[1] for value, pair in enumerate(history.got)}
    operations: list[tuple[str, int, Interval]] = [("put", value, put) for value, put in enumerate(puts)]
    operations += [("get", value, get) for value, get in gets.items()]
    first_maybe = len(puts) - len(history.maybe)
    dead_ends = set()

    def goes_on(left: frozenset[int], queue: tuple[int, ...]) -> bool:
        if not left:
            return True
        if (left, queue) in dead_ends:
            return False
        earliest_end = min(operations[k][2][1] for k in left)
        if queue and queue[0] >= first_maybe and goes_on(left, queue[1:]):
            return True
        for k in left:
            what, value, (begin, _) = operations[k]
            if begin > earliest_end:
                continue
            if what == "put" and goes_on(left - {k}, (*queue, value)):
                return True
            if what == "get" and queue[:1] == (value,) and goes_on(left - {k}, queue[1:]):
                return True
        dead_ends.add((left, queue))
        return False

    return goes_on(frozenset(range(len(operations))), ())
