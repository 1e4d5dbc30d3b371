"""A sweep that is killed at any moment and started again ends with the table of one that never was."""

from __future__ import annotations

import contextlib
import csv
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from running import ENDURANCE, started, trials, until

if TYPE_CHECKING:
    import random
    from collections import Counter
    from pathlib import Path

pytestmark = pytest.mark.process

COUNTS, SIZES, REPEAT = ("1..6", "[1, 5, 25, 0]", 5) if ENDURANCE else ("1..4", "[1, 0]", 3)
SIZE = trials(4 * 2 * 3, 6 * 4 * 5)
SWEEP = f"""
base:
  producers: {{p: {{items: 400, sleep: {{distribution: exponential, mean: 1ms}}}}}}
  consumers: {{c: {{sleep: {{distribution: gamma, shape: 2, mean: 2ms}}}}}}
engine: simulation
matrix:
  consumers.c.count: {COUNTS}
  queues.main.maxsize: {SIZES}
repeat: {REPEAT}
expect: {{latency.p99: "< 50ms"}}
"""


def started_sweep(folder: Path, out: str) -> subprocess.Popen[str]:
    return started("-m", "runner", "sweep", "s.yaml", "-q", "-o", out, cwd=folder)


def table(out: Path) -> list[dict[str, str]]:
    (file,) = out.glob("*/sweep.csv")
    with file.open(newline="") as lines:
        return [{k: v for k, v in row.items() if k not in ("started", "wall_s")} for row in csv.DictReader(lines)]


def rows(out: Path) -> int:
    with contextlib.suppress(ValueError, OSError):
        (file,) = out.glob("*/sweep.jsonl")
        return file.read_bytes().count(b"\n")
    return 0


def killed_sweep(folder: Path, out: Path, at: int, pause: float) -> bool:
    """Kill a sweep so long after it has so many rows; returns False where it had ended."""
    process = started_sweep(folder, out.name)
    try:
        until(lambda: rows(out) >= at or process.poll() is not None, 60)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(pause)
    finally:
        process.kill()
        process.communicate()
    return process.returncode == -signal.SIGKILL


def test_killed_at_random_and_resumed_it_ends_with_the_same_table(
    tmp_path: Path, chaos: random.Random, tally: Counter[str]
) -> None:
    """In full 24 cells with 5 repeats and 20 kills; each after some rows more, between two rows or within one."""
    (tmp_path / "s.yaml").write_text(SWEEP)
    whole, out = tmp_path / "whole", tmp_path / "killed"
    uninterrupted = started_sweep(tmp_path, whole.name)
    kills = trials(3, 20)
    for left in range(kills, 0, -1):
        room = max(0, SIZE - 5 - rows(out)) // left
        killed = killed_sweep(tmp_path, out, rows(out) + chaos.randrange(room + 1), chaos.random() * 0.02)
        tally["sweeps killed before their end"] += killed
    last = started_sweep(tmp_path, out.name)
    _, said = last.communicate(timeout=60)
    uninterrupted.communicate(timeout=60)
    assert (uninterrupted.returncode, last.returncode, said.count("changed by hand")) == (3, 3, 0)
    assert len(table(whole)) == SIZE
    assert {row["status"] for row in table(whole)} == {"ok", "unmet"}
    assert table(out) == table(whole)
    assert tally["sweeps killed before their end"]
