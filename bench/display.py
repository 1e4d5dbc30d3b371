"""What the live display costs the supervisor: its share of a core with the display and with --quiet, in turns.

    python bench/display.py [--seconds S] [--pairs N] [--workers W...]

Each run lasts S seconds, on a pseudo-terminal of 200 x 50 that is read, half of its workers producing an item every
200 ms. The supervisor's CPU time is read from /proc/PID/stat over the middle of the run, so that neither the start of
the workers nor the writing of the log counts. Printed are the medians and, in brackets, the extremes; the display's
part is the difference.
"""

from __future__ import annotations

import argparse
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

from main_job import machine

CONFIG = """
duration: {seconds}
queues: {{raw: {{maxsize: 50}}, cooked: {{}}}}
producers: {{produce: {{count: {half}, sleep: 200ms, to: raw}}}}
stages: {{work: {{count: {quarter}, from: raw, to: cooked, sleep: 50ms}}}}
consumers: {{consume: {{count: {quarter}, from: cooked, sleep: 50ms}}}}
"""
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def drained(master: int) -> None:
    """Read a terminal until nobody has it any more."""
    try:
        while os.read(master, 65536):
            pass
    except OSError:
        pass


def share(workers: int, seconds: float, options: list[str]) -> float:
    """The supervisor's share of a core in the middle of one run, in percent."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (50, 200))
    reader = threading.Thread(target=drained, args=(master,))
    with tempfile.TemporaryDirectory(prefix="mprun-bench-") as folder:
        config = Path(folder) / "bench.yaml"
        config.write_text(CONFIG.format(seconds=seconds, half=workers // 2, quarter=workers // 4))
        command = [str(Path(sys.executable).with_name("mprun")), str(config), "--log", "none", "-o", folder, *options]
        process = subprocess.Popen(command, stderr=slave, env={**os.environ, "TERM": "xterm-256color"})
        os.close(slave)
        reader.start()
        clock = Path(folder) / "latest" / "journals" / "clock.json"
        while not clock.exists():
            time.sleep(0.05)
        time.sleep(0.1 * seconds)
        before, began = cpu_seconds(process.pid), time.monotonic()
        time.sleep(0.8 * seconds)
        used = (cpu_seconds(process.pid) - before) / (time.monotonic() - began)
        process.wait()
        reader.join()
        os.close(master)
    return 100 * used


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="What the live display costs")
    parser.add_argument("--seconds", type=float, default=10, help="length of a run (default 10)")
    parser.add_argument("--pairs", type=int, default=3, help="runs with and without (default 3)")
    parser.add_argument("--workers", type=int, nargs="+", default=[4, 200], help="multiples of 4 (default 4 200)")
    arguments = parser.parse_args()
    print(machine(), flush=True)
    for workers in arguments.workers:
        shown, quiet = [], []
        for _ in range(arguments.pairs):
            shown.append(share(workers, arguments.seconds, []))
            quiet.append(share(workers, arguments.seconds, ["--quiet"]))
        for name, values in (("display", shown), ("--quiet", quiet)):
            spread = f"[{min(values):.2f}, {max(values):.2f}]"
            print(f"{workers:4} workers, {name}: {statistics.median(values):.2f} % of a core {spread}", flush=True)
        print(
            f"{workers:4} workers, difference: {statistics.median(shown) - statistics.median(quiet):.2f} %", flush=True
        )


if __name__ == "__main__":
    main()
