"""User code of the tests that misbehaves, once: its next call finds a flag and does its work."""

from __future__ import annotations

import ctypes
import gc
import itertools
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_DESCRIPTORS = 4096
SLEEP_S = 1000

programs: list[subprocess.Popen[bytes]] = []

left_running: Path | None = None
"""Takes the pid of every process that outlives its worker, so that the test can end it."""


def leave_running(pid: int | None) -> None:
    if left_running is not None:
        with left_running.open("a") as file:
            file.write(f"{pid}\n")


def endless_recursion() -> int:
    return 1 + endless_recursion()


def recursion_beyond_the_stack() -> None:
    """Where C recurses, the limit is all that keeps it from running out of stack."""
    sys.setrecursionlimit(10**9)
    nested: Any = []
    for _ in range(300_000):
        nested = [nested]
    repr(nested)


def itimer_storm() -> None:
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)


def raising_storm() -> None:
    """Interrupts whatever this process does, in user code or not."""

    def strike(*_: object) -> None:
        raise RuntimeError("alarm")

    signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)


def ignore(*numbers: signal.Signals) -> Callable[[], None]:
    def deed() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    return deed


def own_handlers() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGUSR1, signal.SIGALRM, signal.SIGPIPE):
        signal.signal(number, lambda *_: None)


def all_signals_blocked() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def forked_child() -> None:
    if (pid := os.fork()) == 0:
        time.sleep(SLEEP_S)
        os._exit(0)
    leave_running(pid)


def forked_twin() -> None:
    """Both processes return, as when somebody forgets which one is the child."""
    os.fork()


def daemonized() -> None:
    if (middle := os.fork()) == 0:
        os.setsid()
        if (pid := os.fork()) == 0:
            time.sleep(SLEEP_S)
        leave_running(pid)
        os._exit(0)
    os.waitpid(middle, 0)


def program() -> None:
    programs.append(subprocess.Popen(["/bin/sleep", str(SLEEP_S)], close_fds=False))
    leave_running(programs[-1].pid)


def child_process() -> None:
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(SLEEP_S,))
    process.start()
    leave_running(process.pid)


def lasting_thread() -> None:
    threading.Thread(target=time.sleep, args=(SLEEP_S,)).start()


def busy_thread() -> None:
    def spin() -> None:
        while True:
            pass

    threading.Thread(target=spin, daemon=True).start()


def no_more_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def other_start_method() -> None:
    multiprocessing.set_start_method("spawn", force=True)


def start_over() -> None:
    """Another program in the place of this process."""
    os.execv("/bin/true", ["true"])  # noqa: S606 - no shell is the point


def loop() -> None:
    while True:
        pass


def wait() -> None:
    """Until the test lets it go, which it need not do where it is a process that waits."""
    while left_running is None or not left_running.with_name("release").exists():
        time.sleep(0.01)


def default_sigusr1_and_wait() -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    wait()


class Trap:
    """Can be pickled, and not be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _spring, ()


def _spring() -> None:
    raise LookupError("a trap was sprung")


class Odd(Exception):  # noqa: N818 - what is wrong with it is not its name
    """An exception that cannot even be shown."""

    def __str__(self) -> str:
        raise TypeError("no text")

    __repr__ = __str__


def raise_odd() -> None:
    raise Odd


def raise_long() -> None:
    raise ValueError("x" * 50_000_000)


DEEDS: dict[str, Callable[[], object]] = {
    "exit 0": lambda: os._exit(0),
    "exit 3": lambda: os._exit(3),
    "abort": os.abort,
    "segfault": lambda: ctypes.string_at(0),
    "SIGSEGV": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "recursion beyond the stack": recursion_beyond_the_stack,
    "start over": start_over,
    "close all": lambda: os.closerange(0, MOST_DESCRIPTORS),
    "close all but the standard streams": lambda: os.closerange(3, MOST_DESCRIPTORS),
    "no more descriptors": no_more_descriptors,
    "raising storm": raising_storm,
    "endless recursion": endless_recursion,
    "sys.exit": sys.exit,
    "unshowable exception": raise_odd,
    "long exception": raise_long,
    "ignore SIGTERM": ignore(signal.SIGTERM),
    "ignore SIGCHLD": ignore(signal.SIGCHLD),
    "default SIGINT": lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    "own handlers": own_handlers,
    "block all signals": all_signals_blocked,
    "itimer storm": itimer_storm,
    "forked child": forked_child,
    "forked twin": forked_twin,
    "daemonized": daemonized,
    "program": program,
    "child process": child_process,
    "lasting thread": lasting_thread,
    "busy thread": busy_thread,
    "chdir": lambda: os.chdir("/"),
    "close sys.stdout": lambda: sys.stdout.close(),
    "close sys.stderr": lambda: sys.stderr.close(),
    "no sys.stdout": lambda: setattr(sys, "stdout", None),
    "gc.disable": gc.disable,
    "other start method": other_start_method,
    "loop": loop,
    "wait": wait,
    "default SIGUSR1 and wait": default_sigusr1_and_wait,
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
}


class Misbehave:
    """Passes items on, but for one deed at one of them; the flag says that it is done, so it is done once."""

    def __init__(self, deed: str, at: int, left: str, flag: str = "") -> None:
        global left_running
        left_running = Path(left)
        self.deed = deed
        self.at = at
        self.flag = Path(flag) if flag else None

    def __call__(self, item: int) -> Any:
        if item == self.at and (self.flag is None or not self.flag.exists()):
            if self.flag is not None:
                self.flag.touch()
            DEEDS[self.deed]()
        return item


def huge(item: int, size: int) -> str:
    return chr(ord("a") + item) * size


def measure(item: str, report: str) -> None:
    with Path(report).open("a") as file:
        file.write(f"{item[0]}{item[-1]} {len(item)}\n")


def trapped(item: int, at: int) -> object:
    return Trap() if item == at else item


def use(item: object) -> None:
    """What any user code does with its item."""


def slow(item: object, flag: str) -> None:
    """Says that it is there, and takes a while."""
    Path(flag).touch()
    time.sleep(0.3)


def endless(item: object) -> Iterator[int]:
    for number in itertools.count():
        time.sleep(0.001)
        yield number
