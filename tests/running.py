"""Runs for tests: a config as text, run to its end under a watchdog, and its log at hand."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import runner
from runner.config.load import loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from runner.config.models import Config
    from runner.engines.contract import Watch

USER_CODE = Path(__file__).parent / "usercode"
ROOT = Path(__file__).parent.parent
START_METHODS = ("fork", "forkserver", "spawn")
KINDS = ("pipe", "multiprocessing.Queue", "multiprocessing.SimpleQueue", "multiprocessing.Manager")
ENDURANCE = os.environ.get("MPRUN_ENDURANCE", "") not in ("", "0")
"""Whether the counts of `make endurance` are wanted, which take hours, or the short ones of `make test`."""


def trials(short: int, full: int) -> int:
    """How many of a kind are made: in `make test`, in `make endurance`."""
    return full if ENDURANCE else short


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what takes longer; a run that is broken off so kills its workers."""

    def bark(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"not within {seconds} s")

    before = signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for a condition, at most so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that has ended, with its log."""

    result: runner.Result
    events: list[dict[str, Any]]

    @property
    def end(self) -> dict[str, Any]:
        return self.events[-1]

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] in kinds]

    def moved(self, kind: str, queue: str = "main") -> Counter[tuple[str, str]]:
        """How often each (id, item) occurs in events of a kind about a queue."""
        return Counter((e["id"], repr(e["item"])) for e in self.of(kind) if e["queue"] == queue)

    def ids(self, kind: str) -> list[str]:
        return [event["id"] for event in self.of(kind)]

    def planned(self) -> dict[str, int]:
        """planned_ns of every item that was done."""
        return {event["id"]: event["planned_ns"] for event in self.of("done")}

    def assert_delivered(self, queue: str = "main") -> None:
        """Every put was got and done, once, as the same item."""
        assert self.moved("put", queue) == self.moved("get", queue) == self.moved("done", queue)
        assert set(self.moved("put", queue).values()) <= {1}

    def assert_ok(self) -> None:
        assert (self.result.exit_code, self.end["status"]) == (0, "completed"), self.end
        assert self.result.verdict.valid is True, self.result.verdict

    def assert_accounted(self) -> None:
        """Whatever was put is done, or its fate is told."""
        for queue in self.events[0]["queues"]:
            told = Counter(e["id"] for e in self.of("done", "left", "failed", "lost") if e["queue"] == queue)
            assert told == Counter(e["id"] for e in self.of("put") if e["queue"] == queue)

    def assert_adds_up(self) -> None:
        """The summary's items add up, where no stage multiplies or filters."""
        items = self.result.summary["items"]
        assert items["put"] == sum(items[fate] for fate in ("done", "failed", "left", "lost")), items


def config(text: str, folder: Path, **overrides: Any) -> Config:
    """A config from text, in which the tests' user code can be found."""
    return loads(f"pythonpath: [{USER_CODE}]\n{text}", folder=folder, overrides=overrides or None)


def execute(text: str, folder: Path, *, watch: Watch | None = None, seconds: float = 30, **overrides: Any) -> Ran:
    """Run a config, at most so long."""
    with within(seconds):
        result = runner.run(config(text, folder, **overrides), folder / "runs", watch=watch, command_line=["test"])
        return Ran(result, list(result.events()))


def started(*command: str | Path, **options: Any) -> subprocess.Popen[str]:
    """A Python program of its own, with this checkout's runner."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.Popen(
        [sys.executable, *map(str, command)], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def finished(*command: str | Path, seconds: float = 60, stdin: str = "", **options: Any) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a Python program that is given so long."""
    process = started(*command, **options)
    try:
        out, err = process.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err
