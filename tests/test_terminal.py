"""Ctrl-C on a terminal, once and twice, at any instant; and a terminal that is closed."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from itertools import cycle
from typing import TYPE_CHECKING

import conftest
import pytest
from running import ROOT, START_METHODS, USER_CODE, Ran, trials, until

import runner

if TYPE_CHECKING:
    import random
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

ENGINES = [*START_METHODS, "threads"]
LONG = """
producers: {p: {count: 2, items: 1000, sleep: 2ms, to: a}, q: {items: 9, sleep: 1000, to: a}}
stages: {s: {from: a, to: b, sleep: 1ms}}
consumers: {c: {count: 2, from: b, busy: 1ms}}
"""
"""Never ends by itself."""
STUCK = LONG.replace("busy: 1ms", 'call: {target: "actions:forever"}')
"""Nor when it is told to, before the grace is over."""
QUICK = """
producers: {p: {count: 2, items: 50, to: a}}
stages: {s: {from: a, to: b}}
consumers: {c: {count: 2, from: b, sleep: 1ms}}
"""
"""May have ended before anybody strikes."""


class Terminal:
    """A command in the foreground of a terminal of its own; what it writes there is kept."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        self.text = b""
        with (folder / "stdout").open("wb") as stdout:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "runner", *arguments], cwd=folder, stdin=slave, stdout=stdout, stderr=slave,
                env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
                preexec_fn=lambda: os.login_tty(os.dup(0)),
            )  # fmt: skip
        os.close(slave)
        self.reading = threading.Thread(target=self._read)
        self.reading.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 4096):
                self.text += data

    def press_ctrl_c(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self.master, b"\x03")

    def hang_up(self) -> None:
        os.close(self.master)
        self.master = -1

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reading.join()
        if self.master >= 0:
            os.close(self.master)


@contextlib.contextmanager
def run_in_a_terminal(folder: Path, config: str, engine: str, *options: str) -> Iterator[Terminal]:
    """A run, from the moment on at which its directory is there."""
    key = "engine: threads" if engine == "threads" else f"start_method: {engine}"
    (folder / "config.yaml").write_text(f"{key}\npythonpath: [{USER_CODE}]\nqueues: {{a: {{}}, b: {{}}}}\n{config}")
    terminal = Terminal(folder, "config.yaml", *options)
    try:
        until(lambda: (folder / "runs" / "latest").exists() or terminal.process.poll() is not None)
        yield terminal
    finally:
        terminal.close()


def stored(folder: Path) -> Ran:
    """The run's log; its store is complete, and the log is valid."""
    store = (folder / "runs" / "latest").resolve()
    assert not (store / "journals").exists()
    assert runner.audit(store).valid is True
    log = (store / "events.jsonl").read_text().splitlines()
    ran = Ran(None, [json.loads(line) for line in log])  # type: ignore[arg-type]  # the result was another process's
    ran.assert_accounted()
    return ran


def assert_nobody_is_left() -> None:
    until(lambda: not [*conftest.orphans()], 2)


def interrupt(folder: Path, config: str, engine: str, *pauses: float) -> None:
    """Press Ctrl-C after each pause, and look at what comes of it."""
    folder.mkdir()
    with run_in_a_terminal(folder, config, engine, "--log", "none") as terminal:
        for pause in pauses:
            time.sleep(pause)
            terminal.press_ctrl_c()
        code = terminal.process.wait(30)
    text = terminal.text.decode()
    assert "Traceback" not in text, text
    assert "Exception" not in text, text
    ran = stored(folder)
    told = (code, ran.end["status"])
    # A run that was over may still have been writing it down, or saying so.
    allowed = [(130, "interrupted")] + ([(0, "completed"), (130, "completed")] if config is QUICK else [])
    assert told in allowed, text
    assert_nobody_is_left()


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_at_any_instant_ends_a_run_in_good_order(
    presses: int, tmp_path: Path, chaos: random.Random, tally: Counter[str]
) -> None:
    engines = cycle(ENGINES)
    for trial in range(trials(3, 100)):
        config = chaos.choice([LONG, LONG, QUICK, STUCK if presses == 2 else LONG])
        pauses = [chaos.uniform(0, 0.8), *(chaos.uniform(0, 0.3) for _ in range(presses - 1))]
        interrupt(tmp_path / str(trial), config, next(engines), *pauses)
        tally[f"runs interrupted on a terminal, Ctrl-C {presses} times"] += 1


@pytest.mark.parametrize(("engine", "who"), [*((engine, "shell") for engine in ENGINES), ("fork", "kernel")])
def test_a_terminal_that_is_closed_ends_a_run_in_good_order(engine: str, who: str, tmp_path: Path) -> None:
    """A shell tells every process of the command: also the fork server, which has to see the workers die."""
    with run_in_a_terminal(tmp_path, LONG, engine, "--log", "none") as terminal:
        until((tmp_path / "runs" / "latest" / "journals" / "clock.json").exists)
        if who == "shell":
            os.killpg(terminal.process.pid, signal.SIGHUP)
        else:
            terminal.hang_up()
        assert terminal.process.wait(30) == 129
    ran = stored(tmp_path)
    assert (ran.end["status"], ran.end["reason"]) == ("interrupted", "interrupted by SIGHUP")
    assert not ran.of("worker.died")
    assert {event.get("exit_code") for event in ran.of("worker.exit")} == {0}
    assert_nobody_is_left()
