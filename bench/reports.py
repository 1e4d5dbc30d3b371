"""What a trace and a report of a large run cost: seconds, bytes, and the time that a browser takes to open the page.

    python bench/reports.py [--items N] [--rounds N]

Simulates N items (by default so many that the log has a million lines), then makes trace and report in turns. Processor
time says most on a machine that has other work. With Chromium installed the page is opened, too: until it is loaded,
words and tables, and until every chart is drawn.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
MPRUN = str(Path(sys.executable).with_name("mprun"))
CONFIG = """
queues: {{main: {{maxsize: 100}}}}
producers: {{p: {{count: 4, items: {items}, sleep: {{distribution: exponential, mean: 10us}}}}}}
consumers: {{c: {{count: 4, sleep: {{distribution: exponential, mean: 9us}}}}}}
"""
FILES = {"trace": "trace.json.gz", "report": "report.html"}


def made(command: str, folder: str) -> tuple[float, float]:
    """Seconds of wall and of processor time."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([MPRUN, command], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def opened(page: Path) -> tuple[float, float]:
    """Seconds until the page is loaded, and until every chart is drawn."""
    sys.path.insert(0, str(ROOT / "tests"))
    from browser import Page

    with Page() as browser:
        began = time.perf_counter()
        browser.open(page)
        loaded = time.perf_counter() - began
        browser.wait("document.documentElement.dataset.ready === 'yes'")
        return loaded, time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Costs of trace and report.")
    parser.add_argument("--items", type=int, default=333_336, help="a multiple of 4")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {command: [] for command in FILES}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "large.yaml").write_text(CONFIG.format(items=arguments.items // 4))
        subprocess.run([MPRUN, "simulate", "large.yaml", "-q"], cwd=folder, check=True)
        for _ in range(arguments.rounds):
            for command in FILES:
                times[command].append(made(command, folder))
        run = Path(folder, "runs", "latest").resolve()
        with (run / "events.jsonl").open("rb") as log:
            lines = sum(block.count(b"\n") for block in iter(lambda: log.read(1 << 20), b""))
        print(f"Python {platform.python_version()}, {platform.system()} {platform.release()}, {os.cpu_count()} cores")
        print(f"{lines:,} events; least and median of {arguments.rounds}")
        for command, file in FILES.items():
            wall, cpu = zip(*times[command], strict=True)
            size = (run / file).stat().st_size / 1e6
            print(f"{command:<8}{min(wall):>7.2f} s{statistics.median(wall):>7.2f} s   processor {min(cpu):.2f} s"
                  f"{statistics.median(cpu):>7.2f} s   {size:.1f} MB")  # fmt: skip
        if shutil.which("chromium"):
            loaded, drawn = zip(*(opened(run / FILES["report"]) for _ in range(arguments.rounds)), strict=True)
            print(f"{'loaded':<8}{min(loaded):>7.2f} s{statistics.median(loaded):>7.2f} s")
            print(f"{'drawn':<8}{min(drawn):>7.2f} s{statistics.median(drawn):>7.2f} s")


if __name__ == "__main__":
    main()
