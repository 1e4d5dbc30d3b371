"""What the ids of a producer's items begin with, asked for once a producer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Prefixes(dict[int, str]):
    """The prefix of every producer met so far.

    Args:
        prefix: Gives `produce-0:` for a producer's index in the plan.
    """

    def __init__(self, prefix: Callable[[int], str]) -> None:
        super().__init__()
        self._prefix = prefix

    def __missing__(self, producer: int) -> str:
        self[producer] = found = self._prefix(producer)
        return found
