"""Waits until its standard input ends; if nobody said that all is well, it kills all that works in a folder of Ray's.

A program of its own, run by path, which needs nothing but the standard library: see `runner.engines.ray_own`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from typing import Final

_PAUSE_S: Final = 0.1
_AT_MOST_S: Final = 10.0


def at_work(folder: str) -> list[int]:
    """The processes whose command names the folder, or that have a file there open; none where there is no /proc.

    All of Ray's do, workers too: they log there. A mark in the environment would not do, as who gives itself another
    title in the list of processes writes over it.
    """
    found = []
    with contextlib.suppress(OSError):
        for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - a thousand names, no more of them
            with contextlib.suppress(OSError):
                if _works_in(folder, f"/proc/{name}"):
                    found.append(int(name))
    return [pid for pid in found if pid != os.getpid()]


def _works_in(folder: str, process: str) -> bool:
    with open(f"{process}/cmdline", "rb") as file:  # noqa: PTH123 - as above
        if folder.encode() in file.read():
            return True
    return any(_is_in(folder, f"{process}/fd/{name}") for name in os.listdir(f"{process}/fd"))  # noqa: PTH208


def _is_in(folder: str, link: str) -> bool:
    with contextlib.suppress(OSError):
        return os.readlink(link).startswith(f"{folder}/")  # noqa: PTH115
    return False


def reap(folder: str) -> None:
    """Kill them, and whom they are just starting."""
    until = time.monotonic() + _AT_MOST_S
    quiet = 0
    while quiet < 2 and time.monotonic() < until:
        found = at_work(folder)
        quiet = 0 if found else quiet + 1
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_S)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if not sys.stdin.buffer.read():
        reap(sys.argv[1])
    shutil.rmtree(sys.argv[1], ignore_errors=True)
