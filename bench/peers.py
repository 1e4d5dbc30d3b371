"""mprun beside its peers: what else moves items between Python processes, doing the same 2x2 job, and losing a worker.

    python bench/peers.py --python PYTHON [--rounds N] [--items N] [--kills N] [--page FILE]

**Speed.** All programs take turns within every round, in an order that rotates, without any work on the items.
`makespan` is from the moment at which all workers are there to the last item's end, `wall` the whole command. Medians,
and in brackets the extremes.

**A worker is killed** (SIGKILL) by whoever watches, in two situations: while it works on an item, and while it waits
for one. A program that has not ended some seconds after its work could be done `hangs`, and is killed.

The peers need an environment of their own, dependency group `peers`: `make bench-peers` makes it, and puts the result
into docs/explanation/peers.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from main_job import Measurement, Topology, machine, run_mprun, spread

BENCH = Path(__file__).parent
JOBS = BENCH / "peer_jobs.py"
MPRUN = {"mprun": 1, "mprun, batch: 64": 64}
NEEDS = {"faster-fifo": "faster_fifo", "mpire": "mpire", "joblib": "joblib"}
PEERS = (
    "plain script", "faster-fifo", "faster-fifo, 64 at once", "ProcessPoolExecutor",
    "ProcessPoolExecutor, chunks of 64", "mpire, chunks of 1", "mpire, chunks of 64", "joblib", "joblib, batches of 64",
)  # fmt: skip
KILLED = ("plain script", "faster-fifo", "ProcessPoolExecutor", "mpire, chunks of 1", "joblib", "mprun")
LOGS = {
    "plain script": "nothing",
    "faster-fifo": "nothing",
    "ProcessPoolExecutor": "nothing",
    "mpire": "nothing per item; on request a progress bar, and per worker how long it started, waited and worked",
    "joblib": "nothing per item; on request (`verbose`) a line now and then with the number done and the time left",
    "mprun": "three JSON lines per item (put, get, done) with instants, waits and latency; every start, death and exit",
}
KILL_ITEMS = 320
WORK_S = 0.005
PATIENCE_S = 10.0
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a program whose worker was killed: how it ended, items done, the exception that ended it."""

    how: str
    done: int
    raised: str


def missing(python: str) -> dict[str, str]:
    """Why peers cannot be run, by the beginning of their names."""
    found = {}
    for name, module in NEEDS.items():
        tried = subprocess.run([python, "-c", f"import {module}"], capture_output=True, text=True, check=False)
        if tried.returncode:
            found[name] = tried.stderr.strip().splitlines()[-1]
    return found


def measure(python: str, program: str, items: int) -> Measurement:
    """One program's job, once."""
    with tempfile.TemporaryDirectory(prefix="mprun-bench-") as folder:
        if program in MPRUN:
            return run_mprun(MPRUN[program], Topology(2, 2), items, Path(folder))
        began = time.perf_counter()
        done = subprocess.run([python, str(JOBS), program, str(items)], check=True, capture_output=True, cwd=folder)
        wall = time.perf_counter() - began
        return Measurement(json.loads(done.stdout)["makespan_s"], wall)


def speeds(python: str, programs: list[str], items: int, rounds: int) -> str:
    """A table of all programs."""
    results: dict[str, list[Measurement]] = {program: [] for program in programs}
    for turn in range(rounds):
        first = turn % len(programs)
        for program in programs[first:] + programs[:first]:
            results[program].append(measure(python, program, items))
    lines = ["| program | makespan / s | wall / s | items/s by makespan |", "|---|---|---|---|"]
    for program, measured in results.items():
        makespans, walls = [each.makespan for each in measured], [each.wall for each in measured]
        rate = items / statistics.median(makespans)
        lines.append(f"| {program} | {spread(makespans, 3)} | {spread(walls, 3)} | {rate:,.0f} |")
    return "\n".join(lines)


class Job:
    """A program under way, one of whose workers is to be killed; `waiting` tells in which situation."""

    def __init__(self, python: str, program: str, folder: Path, *, waiting: bool) -> None:
        self._log = folder / "done"
        self._log.touch()
        self._mprun = program in MPRUN
        work, pause = (0.0001, 4 * WORK_S) if waiting else (WORK_S, 0.0)
        self._items = KILL_ITEMS if not waiting else KILL_ITEMS // 4
        if self._mprun:
            config = folder / "kill.yaml"
            config.write_text(
                f"producers: {{p: {{count: 2, items: {self._items // 2}, sleep: {2 * pause}}}}}\n"
                f"consumers: {{c: {{count: 2, sleep: {work}}}}}\n"
            )
            command = [str(Path(sys.executable).with_name("mprun")), str(config), "-o", str(folder), "-q"]
        else:
            command = [python, str(JOBS), program, str(self._items), "--work", str(work), "--pause", str(pause)]
            command += ["--log", str(self._log)]
        self._folder = folder
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            self._process = subprocess.Popen(command, stdout=out, stderr=err, start_new_session=True, cwd=folder)

    def fate(self, turn: int) -> Fate:
        """Kill a worker once some items are done, and see what comes of it.

        By turns it is the one that did the last item and the one that did not: of those who wait at a queue with a
        lock, one waits for an item and holds the lock, the other waits for the lock.
        """
        while not (victims := self._victims()) and self._process.poll() is None:
            time.sleep(0.01)
        others = [pid for pid in victims if pid != victims[-1]]
        if victims:
            os.kill(others[-1] if others and turn % 2 else victims[-1], signal.SIGKILL)
        try:
            code = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            return Fate("hangs", self._done(), "")
        raised = re.findall(r"^(?:\w+\.)*(\w+): ", (self._folder / "err").read_text(errors="replace"), re.MULTILINE)
        return Fate(f"exit {code}", self._done(), raised[-1] if raised and code else "")

    def _events(self, *kinds: str) -> list[dict[str, Any]]:
        lines = (self._folder / "out").read_text().splitlines(keepends=True)
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if event["event"] in kinds]

    def _victims(self) -> list[int]:
        """Workers that have done an item, once there are enough of those."""
        if not self._mprun:
            pids = [int(line.split()[1]) for line in self._log.read_text().splitlines()]
            return pids if len(pids) >= self._items // 5 else []
        if len(self._events("done")) < self._items // 5:
            return []
        return [event["pid"] for event in self._events("worker.start") if event["worker"].startswith("c-")]

    def _done(self) -> int:
        if self._mprun:
            return len({event["id"] for event in self._events("done")})
        return len({line.split()[0] for line in self._log.read_text().splitlines()})

    @property
    def items(self) -> int:
        """How many there are to be done."""
        return self._items


def killed(python: str, program: str, kills: int, *, waiting: bool) -> str:
    """What became of a program, over several trials."""
    fates: Counter[str] = Counter()
    lost: list[int] = []
    for turn in range(kills):
        with tempfile.TemporaryDirectory(prefix="mprun-bench-", ignore_cleanup_errors=True) as folder:
            job = Job(python, program, Path(folder), waiting=waiting)
            fate = job.fate(turn)
        gone = job.items - fate.done
        if fate.how == "exit 0":
            fates["all done, exit 0" if not gone else "loses items, exit 0"] += 1
        elif fate.how == "hangs":
            fates["hangs"] += 1
        else:
            fates[f"raises {fate.raised}" if fate.raised else f"ends, {fate.how}"] += 1
        lost.append(gone)
    told = "; ".join(f"{how} ({count} of {kills})" for how, count in fates.most_common())
    undone = f"{min(lost)} to {max(lost)}" if min(lost) < max(lost) else str(lost[0])
    return f"{told}; {undone} of {job.items} not done"


def page(python: str, chosen: argparse.Namespace) -> str:
    """All tables, with where they come from."""
    absent = missing(python)
    able = [name for name in PEERS if not any(name.startswith(each) for each in absent)]
    parts = ["```text", machine(), _versions(python), "```", ""]
    parts += [f"- {name} could not be run: {why}" for name, why in absent.items()]
    parts += ["", f"{chosen.items:,} items, {chosen.rounds} rounds:", ""]
    parts += [speeds(python, [*able, *MPRUN], chosen.items, chosen.rounds), ""]
    parts += ["| program | killed while it works on an item | killed while it waits for one |", "|---|---|---|"]
    for program in KILLED:
        if program in MPRUN or program in able:
            both = [killed(python, program, chosen.kills, waiting=waiting) for waiting in (False, True)]
            parts.append(f"| {program} | {both[0]} | {both[1]} |")
    parts += ["", "| program | what it logs by itself |", "|---|---|"]
    parts += [f"| {program} | {told} |" for program, told in LOGS.items()]
    return "\n".join(parts)


def _versions(python: str) -> str:
    listed = subprocess.run([python, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True)
    versions = {each["name"].lower(): each["version"] for each in json.loads(listed.stdout)}
    return "peers: " + ", ".join(f"{name} {versions[name]}" for name in NEEDS if name in versions)


def main() -> None:
    """Measure, print, and put it into the page that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="of the environment that has the peers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--items", type=int, default=40_000)
    parser.add_argument("--kills", type=int, default=6, help="trials for each program and situation")
    parser.add_argument("--page", type=Path, help="takes the result between its figures marks")
    chosen = parser.parse_args()
    found = page(str(Path(chosen.python).absolute()), chosen)
    print(found)
    if chosen.page:
        head, _, rest = chosen.page.read_text().partition(BEGIN)
        chosen.page.write_text(f"{head}{BEGIN}\n{found}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
