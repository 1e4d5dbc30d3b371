"""User code of the tests: what stages and consumers call, and where producers get items from."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Parcel:
    """An item of a class only user code knows."""

    size: int


def tenfold(item: int) -> int:
    return 10 * item


def copies(item: int) -> Iterator[int]:
    """As many copies as the item's tens modulo 3: none, one or two."""
    for _ in range(item // 10 % 3):
        yield item


def values() -> list[Any]:
    plain = [None, True, -7, 2**70, -(2**63), 0.5, "a\u00e9", b"\0\xff", "x" * 300]
    return [*plain, [1, {"k": [None]}], (1, 2), Parcel(3)]


def big(size: int) -> Iterator[Any]:
    yield "s" * size
    yield b"b" * size
    yield [b"n" * (size // 2), {"deep": "d" * (size // 2)}]
    yield Parcel(size)


def unpicklable() -> Iterator[Any]:
    yield 1
    yield lambda: None


def to_unpicklable(item: int) -> Any:
    return (lambda: item) if item == 1 else item


class _Stuck:
    """A stream that is never flushed."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        time.sleep(1000)


def fails_and_sticks(item: int) -> int:
    """Fail, and let no exit come to its end that flushes what is printed."""
    sys.stdout = _Stuck()
    raise ValueError(item)


def exits_as_if_the_disk_were_full(item: int) -> int:
    if item == 1:
        os._exit(74)
    return item


class Equal:
    """Equal to everything, as some classes are by mistake."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Odd:
    """Neither equal nor unequal to anything, as arrays are."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]


def strange() -> list[Any]:
    return [Equal(), Odd(), Equal()]


def five_then_raise() -> Iterator[int]:
    yield from range(5)
    raise ValueError("no sixth")


def two_then_hang() -> Iterator[int]:
    yield from range(2)
    time.sleep(1000)
    yield 2


def refuse(item: int, at: int) -> int:
    if item == at:
        raise ValueError(f"refused {item} \udcff")
    return item


def partly(item: int) -> Iterator[int]:
    yield item
    if item == 1:
        raise ValueError("broke off")
    yield item


DEATHS: dict[str, Callable[[], Any]] = {
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGSEGV": lambda: ctypes.string_at(0),
    "exit 3": lambda: os._exit(3),
    "exit 0": lambda: os._exit(0),
    "sys.exit": sys.exit,
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
}


def die(item: int, how: str, at: int) -> int:
    if item == at:
        DEATHS[how]()
    return item


def die_among_items(how: str, at: int) -> Iterator[int]:
    for item in range(1000):
        yield die(item, how, at)


def forever(item: int) -> None:
    while True:
        time.sleep(0.01)


def stubborn(item: int, flag: str) -> None:
    """Says that it is there, and never returns."""
    Path(flag).touch()
    while True:
        time.sleep(0.01)


def touch(item: object, flag: str) -> object:
    Path(flag).touch()
    return item


def speak(item: object) -> None:
    print(f"user code says {item}")  # noqa: T201
    os.write(1, b"user code writes\n")


def surroundings(item: object, report: str) -> None:
    """What a worker process looks like from inside."""
    main = sys.modules["__main__"]
    heavy = sorted({"pydantic", "yaml", "structlog", "typer", "rich"} & set(sys.modules))
    Path(report).write_text(repr((getattr(main, "MARK", None), heavy, signal.set_wakeup_fd(-1))))


class Peak:
    """Writes down how much memory its process has ever used, in KiB."""

    def __init__(self, folder: str) -> None:
        self.report = Path(folder) / f"{os.getpid()}.peak"
        self.count = 0

    def __call__(self, _item: object) -> None:
        self.count += 1
        if self.count % 1000 == 0:
            status = Path("/proc/self/status").read_text()
            self.report.write_text(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def metered(count: int, folder: str) -> Iterator[int]:
    """Whole numbers from a process that writes down its peak of memory."""
    peak = Peak(folder)
    for item in range(count):
        peak(item)
        yield item


nothing = None
