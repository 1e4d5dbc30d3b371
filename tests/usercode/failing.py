"""User code of the tests that raises: once, some times, or for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class RefusalError(Exception):
    """What this module raises."""


class Flaky:
    """Fails at one item, so many times."""

    def __init__(self, at: int, times: int) -> None:
        self.at = at
        self.left = times

    def __call__(self, item: int) -> Any:
        self.check(item)
        return item

    def check(self, item: int) -> None:
        if item == self.at and self.left:
            self.left -= 1
            raise RefusalError(f"refused {item}")


class Torn(Flaky):
    """Yields each item three times, and fails at one of them before the third."""

    def __call__(self, item: int) -> Iterator[int]:
        yield item
        yield item + 100
        self.check(item)
        yield item + 200


class Unsendable(Flaky):
    """Fails by a result that no pickle takes."""

    def __call__(self, item: int) -> Any:
        try:
            self.check(item)
        except RefusalError:
            return lambda: item
        return item


class Lock:
    """Cannot be pickled until it was asked so many times."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        if self.left:
            self.left -= 1
            raise RefusalError("locked")
        return int, (3,)


def locked(times: int) -> Iterator[Any]:
    yield 0
    yield Lock(times)
    yield 2


def refuse_all(item: int) -> None:
    raise RefusalError(f"refused {item}")
