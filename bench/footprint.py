"""How much memory the processes of a run on a Ray of its own need; used by bench/ray_queue.py."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

LOOKS_AFTER_S = 0.1


class Footprint(NamedTuple):
    """RssAnon in MiB, the largest that was seen.

    Attributes:
        mprun: Of the process `mprun` while the queue has its broker.
        broker: Of the broker.
        worker: Of the largest worker.
        afterwards: Of `mprun` when there is no broker: before the run, and while it merges, audits and stores.
    """

    mprun: float = 0.0
    broker: float = 0.0
    worker: float = 0.0
    afterwards: float = 0.0


def largest(text: str) -> Footprint:
    """Run this config by the command `mprun`, and look at its processes until it ends."""
    found = Footprint()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "job.yaml")
        config.write_text(text)
        command = [str(Path(sys.executable).with_name("mprun")), str(config), "--log", "none", "-q", "-o", folder]
        process = subprocess.Popen(command)
        while process.poll() is None:
            found = Footprint(*map(max, found, _seen(process.pid)))
            time.sleep(LOOKS_AFTER_S)
        if process.returncode:
            raise SystemExit(f"mprun: exit {process.returncode}")
    return found


def _seen(mprun: int) -> Footprint:
    """Of this instant."""
    names = {pid: _read(pid, "cmdline") for pid in _family(mprun)}
    brokers = [_anonymous(pid) for pid, name in names.items() if name.startswith("ray::RayBroker")]
    workers = [_anonymous(pid) for pid, name in names.items() if name.startswith("ray::RayWorker")]
    own = _anonymous(mprun)
    if not brokers:
        return Footprint(afterwards=own)
    return Footprint(own, max(brokers), max(workers, default=0.0))


def _family(ancestor: int) -> set[int]:
    """A process and its descendants."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _read(int(folder.name), "stat").rpartition(")")[2].split()
        if fields:
            parents[int(folder.name)] = int(fields[1])
    family = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def _anonymous(pid: int) -> float:
    """RssAnon of a process in MiB; 0 once it is gone."""
    lines = [line for line in _read(pid, "status").splitlines() if line.startswith("RssAnon:")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""
