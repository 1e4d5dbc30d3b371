"""The supervisor is killed at any instant: nobody outlives it for long, and what was written can be read and judged."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from itertools import cycle
from typing import TYPE_CHECKING, Any

import conftest
import pytest
from running import ENDURANCE, START_METHODS, USER_CODE, finished, started, trials, until

import runner
from runner.engines.board import Board, State
from runner.log.rundir import RunDir

if TYPE_CHECKING:
    import random
    from collections import Counter
    from pathlib import Path

pytestmark = pytest.mark.process

CONFIG = """
pythonpath: [{user_code}]
start_method: {method}
queues: {{a: {{maxsize: {maxsize}, batch: {batch}}}, b: {{}}}}
producers: {{p: {{count: 2, items: 1000, to: a, payload: 100}}}}
stages: {{s: {{count: 2, from: a, to: b, sleep: 0.1ms}}}}
consumers: {{c: {{count: 2, from: b, {work}}}}}
faults: [{{kill: c-0, after: {{gets: 100}}}}]
"""
WORKERS = ("p-0", "p-1", "s-0", "s-1", "c-0", "c-1")
WORK = ("sleep: 0.2ms", "busy: 0.2ms", 'call: "actions:forever"')


def begun(store: Path) -> list[int]:
    """The workers that have come to their first lines, by what they and their supervisor have written."""
    try:
        with contextlib.closing(Board(store / "journals" / "board", len(WORKERS))) as board:
            states = {name: board.slot(index).state for index, name in enumerate(WORKERS)}
        lines = (store / "journals" / "supervisor.jsonl").read_text().splitlines()
    except (OSError, ValueError):
        return []
    events = [json.loads(line) for line in lines]
    pids = {event["worker"]: event["pid"] for event in events if event["event"] == "worker.start"}
    return [pid for name, pid in pids.items() if states[name] > State.STARTING]


def alive(known: list[int]) -> list[int]:
    return [pid for pid in known if conftest.is_running(pid)]


def killed_run(folder: Path, config: str, pause: float, after: str = "") -> Path | None:
    """Kill a supervisor so long after a file of its run is there; returns the directory, or None if it had ended."""
    folder.mkdir()
    (folder / "config.yaml").write_text(config)
    process = started("-m", "runner", "config.yaml", "-q", "--log", "none", cwd=folder)
    latest = folder / "runs" / "latest"
    try:
        until((latest / after).exists)
        time.sleep(pause)
        os.kill(process.pid, signal.SIGSTOP)  # or it might start somebody whom we do not see
        workers, others = begun(latest), [left.pid for left in conftest.descendants(process.pid)]
        process.kill()
        until(lambda: not alive(workers), 2)
        # With spawn Python may still be starting; the fork server has to wake up, or to start as well.
        until(lambda: not alive(others) and not [*conftest.orphans()], 60)
    finally:
        process.kill()
        process.communicate()
    return latest.resolve() if process.returncode == -signal.SIGKILL else None


def assert_judged(store: Path, *, by_command: bool) -> bool:
    """Audit and show say what they can; returns whether the log was whole already."""
    whole = not RunDir(store).journals.exists() or RunDir(store).log != RunDir(store).journals
    verdict = runner.audit(store)
    assert verdict.valid is (True if whole else "unknown"), verdict
    assert not verdict.violations
    if not by_command:
        return whole
    code, out, err = finished("-m", "runner", "audit", store)
    assert (code, err) == (0 if whole else 1, "")
    assert ("incomplete" in out) is not whole
    code, out, err = finished("-m", "runner", "show", store)
    assert "Traceback" not in err
    if (store / "manifest.json").exists():
        assert code == 0, err
    else:  # it was killed while it was finding out what to write there
        assert (code, err.count("\n")) == (2, 1), err
    return whole


def test_nobody_outlives_a_supervisor_that_is_killed_at_any_instant(
    tmp_path: Path, chaos: random.Random, tally: Counter[str]
) -> None:
    methods = cycle(START_METHODS)
    for trial in range(trials(6, 200)):
        method = next(methods)
        config = CONFIG.format(
            user_code=USER_CODE, method=method, maxsize=chaos.choice([0, 3]), batch=chaos.choice([1, 8]),
            work=chaos.choice(WORK),
        )  # fmt: skip
        store = killed_run(tmp_path / str(trial), config, chaos.uniform(0, 1.2))
        tally[f"supervisors killed, start method {method}"] += 1
        if store is not None and assert_judged(store, by_command=ENDURANCE or trial < 2):
            tally["supervisors killed when the log was written"] += 1


def test_the_journals_of_a_killed_run_tell_what_was_done(tmp_path: Path) -> None:
    """A control: it is not that nothing was written."""
    config = CONFIG.format(user_code=USER_CODE, method="fork", maxsize=0, batch=1, work="sleep: 5ms")
    folder = tmp_path / "run"
    store = killed_run(folder, config, 0.2, "journals/clock.json")
    assert store is not None
    code, out, _ = finished("-m", "runner", "show", store, "--json")
    assert code == 0
    shown: dict[str, Any] = json.loads(out)
    assert shown["status"] == "running"
    assert list((store / "journals").glob("*.journal"))
