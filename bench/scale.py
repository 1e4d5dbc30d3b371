"""A thousand workers: 500 producers of 10 items each and 500 consumers, under fork and forkserver.

    python bench/scale.py [--workers N] [--start-methods M...]

Printed for each start method: the wall time of the whole command, how long it took until the start gate opened, the
memory of all its processes together then (proportional set sizes: what several share counts once), and how many
processes it left behind. The exit code is 1 where a run fails, takes longer than 60 s, needs more than 8 GiB or leaves
anybody behind.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from main_job import machine

CONFIG = """
start_method: {method}
producers: {{produce: {{count: {half}, items: 10, sleep: 300ms}}}}
consumers: {{consume: {{count: {half}}}}}
"""
LONGEST_S = 60
MOST_BYTES = 8 << 30


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run: seconds until its end and until its gate opened, bytes, processes left behind, and its summary."""

    wall_s: float
    gate_s: float
    memory: int
    left: int
    status: str
    done: int

    @property
    def holds(self) -> bool:
        """Whether it is within the bounds."""
        return self.status == "ok" and self.wall_s <= LONGEST_S and self.memory <= MOST_BYTES and not self.left


def session(leader: int) -> list[Path]:
    """The processes of a session, as folders of /proc."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if folder.name.isdecimal() and int(fields[3]) == leader and fields[0] != "Z":
            found.append(folder)
    return found


def memory(processes: list[Path]) -> int:
    """Bytes they have together."""
    total = 0
    for folder in processes:
        try:
            lines = (folder / "smaps_rollup").read_text().splitlines()
        except OSError:  # it has just ended
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total


def measure(method: str, workers: int) -> Measurement:
    """Runs the command once."""
    with tempfile.TemporaryDirectory(prefix="mprun-bench-") as folder:
        config = Path(folder) / "scale.yaml"
        config.write_text(CONFIG.format(method=method, half=workers // 2))
        command = [str(Path(sys.executable).with_name("mprun")), str(config), "--log", "none", "-q", "-o", folder]
        began = time.monotonic()
        process = subprocess.Popen(command, start_new_session=True)
        clock = Path(folder) / "latest" / "journals" / "clock.json"
        while not clock.exists() and process.poll() is None:
            time.sleep(0.05)
        gate = time.monotonic() - began
        used = memory(session(process.pid))
        process.wait()
        wall = time.monotonic() - began
        time.sleep(1)
        summary = json.loads((Path(folder) / "latest" / "summary.json").read_text())
        return Measurement(wall, gate, used, len(session(process.pid)), summary["status"], summary["items"]["done"])


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="A thousand workers")
    parser.add_argument("--workers", type=int, default=1000, help="half of them producers (default 1000)")
    parser.add_argument("--start-methods", nargs="+", default=["fork", "forkserver"])
    arguments = parser.parse_args()
    print(machine(), flush=True)
    holds = True
    for method in arguments.start_methods:
        one = measure(method, arguments.workers)
        holds &= one.holds
        print(
            f"{method}: {one.status}, {one.done:,} items done, {one.wall_s:.1f} s in all, {one.gate_s:.1f} s until the"
            f" gate opened, {one.memory / (1 << 30):.2f} GiB, {one.left} processes left behind",
            flush=True,
        )
    sys.exit(not holds)


if __name__ == "__main__":
    main()
