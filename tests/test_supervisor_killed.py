"""The supervisor is killed at any instant: nobody outlives it for long, and what was written can be read and judged."""

from __future__ import annotations

import json
import os
import signal
import time
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import conftest
import pytest
from running import ENDURANCE, START_METHODS, USER_CODE, finished, started, trials, until

import runner
from runner.log.rundir import RunDir

if TYPE_CHECKING:
    import random
    from collections import Counter

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
WORK = ("sleep: 0.2ms", "busy: 0.2ms", 'call: "actions:forever"')


def company(supervisor: int) -> tuple[list[int], list[int]]:
    """Its workers, and multiprocessing's own servants, which may have to wake up before they end."""
    servants = [pid for pid in conftest.children(supervisor) if conftest.is_servant(pid)]
    return [left.pid for left in conftest.descendants(supervisor) if left.pid not in servants], servants


def has_begun(pid: int) -> bool:
    """Whether a worker is past its first line, where it ignores SIGHUP; with spawn Python has to start first."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return bool(int(status.partition("SigIgn:")[2].split()[0], 16) >> (signal.SIGHUP - 1) & 1)


def alive(known: list[int]) -> list[int]:
    return [pid for pid in known if conftest.is_running(pid)]


def killed_run(folder: Path, config: str, pause: float) -> Path | None:
    """Kill a run's supervisor so long after its directory is there; returns that, or None if the run ended first."""
    folder.mkdir()
    (folder / "config.yaml").write_text(config)
    process = started("-m", "runner", "config.yaml", "-q", "--log", "none", cwd=folder)
    latest = folder / "runs" / "latest"
    try:
        until(latest.exists)
        time.sleep(pause)
        os.kill(process.pid, signal.SIGSTOP)  # or it might start somebody whom we do not see
        workers, servants = company(process.pid)
        begun = [pid for pid in workers if has_begun(pid)]
        process.kill()
        until(lambda: not alive(begun), 2)
        until(lambda: not alive(workers) and not alive(servants) and not [*conftest.orphans()], 20)
        process.communicate()
    finally:
        process.kill()
        process.wait()
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
    store = killed_run(folder, config, 1.2)
    assert store is not None
    code, out, _ = finished("-m", "runner", "show", store, "--json")
    assert code == 0
    shown: dict[str, Any] = json.loads(out)
    assert shown["status"] == "running"
    assert list((store / "journals").glob("*.journal"))
