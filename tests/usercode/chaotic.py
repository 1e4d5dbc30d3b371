"""User code of the chaos trials: items that fit no ticket, and stages that give one item or several."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def text(number: int) -> str:
    return f"{number}:" + "abcdefg"[: number % 7] * (number % 5)


def texts(count: int) -> Iterator[str]:
    """Items that need a payload file."""
    return map(text, range(count))


def value(item: int | str) -> int:
    return item if isinstance(item, int) else int(item.partition(":")[0])


def same(item: int | str) -> int | str:
    return item


def several(item: int | str) -> Iterator[str]:
    """None, one or two of each."""
    for number in range(value(item) % 3):
        yield f"{item}.{number}"
