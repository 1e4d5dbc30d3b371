"""A program that makes many runs of all kinds, one after another, and tells what is left of them in its process.

python many_runs.py FOLDER COUNT    prints JSON: before, after, and how often each exit code was returned
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import threading
from collections import Counter
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import runner
from runner.config.load import loads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.engines.contract import LiveRun

USER_CODE = Path(__file__).parent / "usercode"
ENGINES = ("start_method: fork", "engine: threads", "start_method: forkserver", "start_method: spawn")
BASE = """
queues: {a: {maxsize: 3, batch: 2}, b: {}}
producers: {p: {count: 2, items: 8, to: a, payload: 50}}
stages: {s: {from: a, to: b}}
consumers: {c: {count: 2, from: b}}
"""
KINDS = {
    "ok": BASE,
    "a fault kills": f"{BASE}faults: [{{kill: c-0, after: {{gets: 2}}}}, {{kill: p-1, after: {{puts: 3}}}}]",
    "deaths beyond the policy": f"{BASE}on_death: {{policy: fail}}\nfaults: [{{kill: s-0, after: {{gets: 2}}}}]",
    "user code fails": BASE.replace("from: b", 'from: b, call: {target: "actions:refuse", kwargs: {at: 4}}'),
    "user code is skipped": "on_error: {policy: skip}" + BASE.replace("from: b", 'from: b, call: "failing:refuse_all"'),
    "nothing to import": 'producers: {p: {items: 3}}\nconsumers: {c: {call: "nowhere:f"}}',
    "timed out": f"timeout: 0.3\n{BASE.replace('from: b', 'from: b, sleep: 100')}",
    "quotas are met": BASE.replace("from: b", "from: b, items: 2"),
    "interrupted": BASE.replace("from: b", "from: b, sleep: 100"),
    "locks": f"queues: {{main: {{kind: multiprocessing.Queue}}}}{BASE.partition('b: {}}')[2].replace(', to: a', '')}"
    .replace("stages: {s: {from: a, to: b}}\n", "").replace("from: b", ""),
}  # fmt: skip


class CtrlC:
    """Interrupts a run once something has moved."""

    def __init__(self) -> None:
        self.sent = False

    def tick(self, run: LiveRun) -> None:
        if not self.sent and any(run.board.slot(worker.index).gets for worker in run.plan.workers()):
            self.sent = True
            os.kill(os.getpid(), signal.SIGINT)


def run(folder: Path, engine: str, kind: str) -> int:
    """The exit code of one."""
    config = loads(f"pythonpath: [{USER_CODE}]\n{engine}\n{KINDS[kind]}")
    watch = CtrlC() if kind == "interrupted" else None
    return runner.run(config, folder, watch=watch, command_line=["test"]).exit_code


def runs(folder: Path) -> Iterator[int]:
    """Exit codes of runs without end: the kinds in turn, each under another engine every time."""
    for number, kind in enumerate(cycle(KINDS)):
        yield run(folder, ENGINES[(number + number // len(KINDS)) % len(ENGINES)], kind)


def inventory() -> dict[str, Any]:
    """What a process may hold: descriptors, threads, children, shared memory, semaphores, mapped files."""
    gc.collect()
    tasks = [child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()]
    shared = Counter(path.name.partition("-")[0] for path in Path("/dev/shm").iterdir() if _is_ours(path))  # noqa: S108
    maps = Path("/proc/self/maps").read_text().splitlines()
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - nothing else is wanted of them
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "python threads": threading.active_count(),
        "children": len(tasks),
        "shared memory": dict(shared),
        "mapped files": sum("sem.mp-" in line or "/journals/" in line for line in maps),
        "signal handlers": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "wake-up descriptor": _wakeup_descriptor(),
        "path": len(sys.path),
    }


def _is_ours(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.stat().st_uid == os.getuid() and f"-{os.getpid()}-" in path.name
    return False


def _wakeup_descriptor() -> int:
    now = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(now)
    return now


def main(folder: Path, count: int) -> None:
    for engine in ENGINES:
        run(folder, engine, "locks")  # once and for all: multiprocessing's servants and its heap, lazy imports
    before = inventory()
    codes = Counter(islice(runs(folder), count))
    print(json.dumps({"before": before, "after": inventory(), "codes": codes}))  # noqa: T201 - for the test


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
