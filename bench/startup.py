"""How long commands take that do next to nothing: starting Python, importing, starting workers.

    python bench/startup.py [--rounds N]

Each command is a process of its own, the commands take turns, and the first round is not counted. Printed are the
least and the median of wall time, and the bar the project has set itself for a quiet machine. The least says most: what
else the machine does only ever adds.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = Path(__file__).parent.parent / "configs" / "default.yaml"
MPRUN = str(Path(sys.executable).with_name("mprun"))
COMMANDS: dict[str, tuple[list[str], float | None]] = {
    "python -c pass": ([sys.executable, "-c", "pass"], None),
    "mprun --version": ([MPRUN, "--version"], 0.1),
    "mprun --help": ([MPRUN, "--help"], 0.3),
    "mprun validate": ([MPRUN, "validate", str(CONFIG)], 0.4),
    "mprun simulate": ([MPRUN, "simulate", str(CONFIG)], 0.5),
    "mprun, 20 items": ([MPRUN, str(CONFIG), "--time-scale", "0"], 0.8),
}


def seconds(command: list[str], folder: str) -> float:
    """Wall time of one execution; its output goes nowhere."""
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Start-up times of mprun.")
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            for name, (command, _) in COMMANDS.items():
                took = seconds(command, folder)
                if number:
                    times[name].append(took)
    print(f"Python {platform.python_version()}, {platform.system()} {platform.release()}, {os.cpu_count()} cores")
    print(f"{'':<18}{'least':>8}{'median':>8}{'bar':>8}")
    for name, (_, bar) in COMMANDS.items():
        shown = "" if bar is None else f"{bar * 1e3:.0f} ms"
        print(f"{name:<18}{min(times[name]) * 1e3:>5.0f} ms{statistics.median(times[name]) * 1e3:>5.0f} ms{shown:>8}")


if __name__ == "__main__":
    main()
