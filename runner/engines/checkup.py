"""What this machine gives a run, measured: each finding with what it means for runs here.

Nothing is changed, and nothing is left behind; it takes a second or two, most of it for starting processes.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import platform
import resource
import select
import shutil
import statistics
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.engines import tasks
from runner.engines.launch import empty_main
from runner.planning.resolve import usable_cores

if TYPE_CHECKING:
    from collections.abc import Iterator

METHODS: Final = ("fork", "forkserver", "spawn")
_SLEEPS: Final = 50
_SLEEP_S: Final = 0.001
_CLOCK_READS: Final = 20_000
_MIB: Final = 1 << 20
_BYTES_PER_WORKER: Final = 5 * _MIB
"""Proportional set size of a worker without user code, rounded up (`make scale` measures 3 to 4 MiB)."""
_PATIENCE_S: Final = 30.0


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What.
        level: `ok`; `note`: it will be noticed; `bad`: runs fail, or their figures are wrong.
        shown: What was found, in words.
        advice: What it means for runs, and what can be done.
        values: What was found, as JSON data; times in seconds, sizes in bytes.
    """

    name: str
    level: Level
    shown: str
    advice: str
    values: dict[str, Any]


def findings(folder: Path) -> Iterator[Finding]:
    """Look at everything, one after another; `folder` is where runs would be stored."""
    yield _python()
    yield _system()
    yield _cores()
    yield _load()
    for method in METHODS:
        yield _start_method(method)
    yield _open_files()
    yield _processes()
    yield _memory()
    yield _pipes()
    yield _clock()
    yield _oversleep()
    yield _disk(folder)
    yield _ray()


def _python() -> Finding:
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    values = {"version": platform.python_version(), "implementation": platform.python_implementation(), "gil": gil}
    advice = "threads share one core while they compute (busy, call); processes do not"
    return Finding("python", Level.OK, f"{values['implementation']} {values['version']}",
                   advice if gil else "no global lock: threads compute side by side", values)  # fmt: skip


def _system() -> Finding:
    wanted = {
        "pidfd_open": hasattr(os, "pidfd_open"),
        "/proc": Path("/proc/self/fd").exists(),
        "F_SETPIPE_SZ": hasattr(fcntl, "F_SETPIPE_SZ"),
    }
    lacking = [name for name, there in wanted.items() if not there]
    values = {"system": platform.system(), "release": platform.release(), "lacking": lacking}
    if lacking:
        advice = f"no {', '.join(lacking)}: deaths of workers are seen late or not at all, queues hold less; use Linux"
        return Finding("system", Level.BAD, f"{values['system']} {values['release']}", advice, values)
    return Finding(
        "system", Level.OK, f"{values['system']} {values['release']}", "all that mprun uses is there", values
    )


def _cores() -> Finding:
    usable, there = usable_cores(), os.cpu_count() or 1
    quota = _quota()
    values = {"usable": usable, "there": there, "quota": quota}
    if quota is not None and quota < usable:
        advice = f"the control group gets {quota:g} cores' time: above it workers stand still for tens of ms"
        return Finding("cores", Level.NOTE, f"{usable} of {there}, {quota:g} by quota", advice, values)
    advice = f"more than {usable} busy workers share them; sleeping ones need none"
    return Finding("cores", Level.OK, f"{usable} of {there}", advice, values)


def _quota() -> float | None:
    """Cores' time that the control group may use; None: all."""
    try:
        most, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return int(most) / int(period)
    except (OSError, ValueError):
        return None


def _load() -> Finding:
    load, cores = os.getloadavg()[0], usable_cores()
    values = {"load_1min": load}
    if load > 0.5 * cores:
        advice = "others compute here: times vary, makespans grow; compare runs in turns, or wait"
        return Finding("load", Level.NOTE, f"{load:.2f}", advice, values)
    return Finding("load", Level.OK, f"{load:.2f}", "little else is going on", values)


def _start_method(method: str) -> Finding:
    name = f"start by {method}"
    if method not in multiprocessing.get_all_start_methods():
        return Finding(name, Level.BAD, "not available", "choose another start_method", {"available": False})
    try:
        first, next_one = _start_time(method), _start_time(method)
    except (OSError, RuntimeError, EOFError) as error:
        return Finding(name, Level.BAD, f"fails: {error}", "choose another start_method", {"available": False})
    if next_one is None:
        advice = f"a process has not ended within {_PATIENCE_S:g} s; choose another start_method"
        return Finding(name, Level.BAD, "hangs", advice, {"available": False})
    meaning = {
        "fork": "quickest; a worker begins as a copy of mprun",
        "forkserver": "the default: clean and quick once its server runs",
        "spawn": "a new Python for each worker: many take long to be ready",
    }
    values = {"available": True, "first_s": first, "next_s": next_one}
    shown = f"{1000 * next_one:.1f} ms a process" + (f", the first {1000 * first:.0f} ms" if first else "")
    return Finding(name, Level.OK, shown, meaning[method], values)


def _start_time(method: str) -> float | None:
    """Seconds from the start to the end of a process that does nothing; None: it does not end."""
    process = multiprocessing.get_context(method).Process(target=int)  # type: ignore[attr-defined]
    began = time.perf_counter()
    with empty_main():
        process.start()
    process.join(_PATIENCE_S)
    if process.is_alive():
        process.kill()
        process.join()
        return None
    taken = time.perf_counter() - began
    code = process.exitcode
    process.close()
    if code:
        raise RuntimeError(f"the process exits with {code}")
    return taken


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = None if hard == resource.RLIM_INFINITY else max(0, (hard - 64) // 6)
    values = {"soft": soft, "hard": hard, "workers": most}
    enough = most is None or most >= 1000
    shown = f"{_limit(soft)}, raised to {_limit(hard)} at most"
    advice = "enough for thousands of workers" if enough else f"enough for some {most:,} worker processes (ulimit -Hn)"
    return Finding("open files", Level.OK if enough else Level.NOTE, shown, advice, values)


def _limit(value: int) -> str:
    return "unlimited" if value == resource.RLIM_INFINITY else f"{value:,}"


def _processes() -> Finding:
    found = list(tasks.limits(1 << 40))
    if not found:
        return Finding("processes", Level.OK, "no limit found", "as many workers as memory allows", {"room": None})
    lowest = min(found, key=lambda limit: limit.room)
    values = {"room": lowest.room, "limit": lowest.name, "most": lowest.most, "used": lowest.used}
    shown = f"room for {lowest.room:,} more"
    advice = f"{lowest.name} is {lowest.most:,}, {lowest.used:,} are taken"
    return Finding("processes", Level.OK if lowest.room >= 1000 else Level.NOTE, shown, advice, values)


def _memory() -> Finding:
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        available = int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return Finding("memory", Level.OK, "not known", "a worker takes some 4 MiB", {"available": None})
    workers = available // _BYTES_PER_WORKER
    level = Level.OK if workers >= 100 else Level.NOTE
    advice = f"some {workers:,} workers without user code"
    return Finding("memory", level, f"{available / (1 << 30):.1f} GiB free", advice, {"available": available})


def _pipes() -> Finding:
    read_end, write_end = os.pipe()
    try:
        size = _enlarged(write_end)
    finally:
        os.close(read_end)
        os.close(write_end)
    pages = _number("/proc/sys/fs/pipe-user-pages-soft")
    values = {"granted": size, "user_pages_soft": pages, "pipe_buf": select.PIPE_BUF}
    shown = f"{size >> 10:,} KiB granted"
    if size >= _MIB:
        return Finding("pipes", Level.OK, shown, f"a queue of kind pipe holds {size // 32:,} items", values)
    advice = (
        f"a queue of kind pipe holds {size // 32:,} items: this user's other pipes have used up the allowance"
        f" ({pages or 0:,} pages, /proc/sys/fs/pipe-user-pages-soft)"
    )
    return Finding("pipes", Level.NOTE, shown, advice, values)


def _enlarged(end: int) -> int:
    """Bytes that a pipe gets, of 1 MiB asked for."""
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        return 65536
    size, wanted = fcntl.fcntl(end, fcntl.F_GETPIPE_SZ), _MIB
    while wanted > size:
        try:
            size = fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, wanted)
        except PermissionError:
            wanted //= 2
    return size


def _clock() -> Finding:
    read = time.monotonic_ns
    began = time.perf_counter_ns()
    instants = [read() for _ in range(_CLOCK_READS)]
    cost = (time.perf_counter_ns() - began) / _CLOCK_READS
    steps = [after - before for before, after in pairwise(instants) if after > before]
    step = min(steps, default=0)
    source = _text("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    values = {"resolution_s": step / 1e9, "read_s": cost / 1e9, "source": source}
    shown = f"steps of {step:,} ns, {cost:.0f} ns a reading"
    if cost > 500 or step > 10_000:
        advice = (
            f"clock source {source or 'unknown'} is slow or coarse: each event is stamped twice, so runs are slower"
        )
        return Finding("clock", Level.NOTE, shown, advice, values)
    return Finding("clock", Level.OK, shown, "far below the time of a put", values)


def _oversleep() -> Finding:
    over = []
    for _ in range(_SLEEPS):
        began = time.perf_counter()
        time.sleep(_SLEEP_S)
        over.append(time.perf_counter() - began - _SLEEP_S)
    median, worst = statistics.median(over), statistics.quantiles(over, n=20)[-1]
    values = {"median_s": median, "p95_s": worst}
    shown = f"{1e6 * median:.0f} us, 95 % below {1e6 * worst:,.0f} us"
    if worst > _SLEEP_S:
        advice = "pauses last longer than planned by this much: use longer ones, or a quieter machine"
        return Finding("oversleep", Level.NOTE, shown, advice, values)
    return Finding("oversleep", Level.OK, shown, "every sleep lasts longer by this: mind it below 1 ms", values)


def _disk(folder: Path) -> Finding:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("disk", Level.BAD, str(error), "runs are stored here", {"free": None})
    values = {"free": free, "writable": os.access(folder, os.W_OK)}
    shown = f"{free / (1 << 30):.1f} GiB free"
    if not values["writable"]:
        return Finding("disk", Level.BAD, "not writable", f"choose another folder than {folder} with --out", values)
    events = free // 1000
    level = Level.OK if free >= 1 << 30 else Level.NOTE
    return Finding("disk", level, shown, f"for some {events:,} items, at 1 kB of log and journal each", values)


def _ray() -> Finding:
    try:
        version = metadata.version("ray")  # it is found, and not imported: that alone takes a second
    except metadata.PackageNotFoundError:
        advice = "engine ray needs it (pip install 'mprun[ray]'); all others do not"
        return Finding("ray", Level.OK, "not installed", advice, {"version": None})
    return Finding("ray", Level.OK, version, "for the engine ray: actors on this machine or on a cluster",
                   {"version": version})  # fmt: skip


def _number(path: str) -> int | None:
    text = _text(path)
    return int(text) if text and text.isdecimal() else None


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
