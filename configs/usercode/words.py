"""User code of pipeline.yaml: what the stages and consumers call with each item."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def split(line: str) -> Iterator[str]:
    """One line becomes as many items as it has words."""
    yield from line.lower().split()


def keep_long(word: str, shortest: int) -> Iterator[str]:
    """Passes on words of at least `shortest` characters: what a generator does not yield is filtered out."""
    if len(word) >= shortest:
        yield word


class Count:
    """Counts words by their length; a class is instantiated once per worker: each consumer counts its own."""

    def __init__(self) -> None:
        self.lengths: Counter[int] = Counter()

    def __call__(self, word: str) -> None:
        """Takes one word; what user code prints goes to stderr."""
        length = len(word)
        self.lengths[length] += 1
        print(f"{word}: my number {self.lengths[length]} of length {length}", file=sys.stderr)  # noqa: T201
