"""The control: producers and consumers around a plain `multiprocessing.Queue`, as everybody writes them.

It tells of its workers in the manner of mprun's supervisor, so that the same killer can kill them. It is a fair
script: once the producers are gone, dead or alive, each consumer is sent a sentinel.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chaos.killer import Killer
from chaos.session import Session
from chaos.trial import TOPOLOGIES

if TYPE_CHECKING:
    from chaos.trial import Trial

PATIENCE_S: Final = 5.0
"""Such a trial takes some 0.3 s, or for ever."""


def hangs(trial: Trial, folder: Path) -> bool:
    """Whether the script is still there long after a trial should have been over."""
    (folder / trial.name).mkdir()
    with (folder / "stderr").open("ab") as errors:
        session = Session("chaos.plain_queue", folder / trial.name, json.dumps(asdict(trial)), errors=errors)
    killer = Killer(trial, folder, session.number)
    deadline = time.monotonic() + PATIENCE_S
    while session.process.poll() is None and time.monotonic() < deadline:
        killer.look()
        time.sleep(0.0005)
    hung = session.process.poll() is None
    session.kill()
    return hung


def produce(queue: multiprocessing.Queue[int | None], count: int, pause_s: float) -> None:
    """Put numbers."""
    for number in range(count):
        queue.put(number)
        time.sleep(pause_s)


def consume(queue: multiprocessing.Queue[int | None], pause_s: float) -> None:
    """Get until told to end."""
    while queue.get() is not None:
        time.sleep(pause_s)


def main(folder: Path, trial: dict[str, Any]) -> None:
    """Be the script."""
    journals = folder / "0-plain" / "journals"
    journals.mkdir(parents=True)
    context = multiprocessing.get_context(trial["method"])
    producers, _, consumers = TOPOLOGIES[trial["topology"]]
    queue: multiprocessing.Queue[int | None] = context.Queue(trial["maxsize"])
    putting = [
        context.Process(target=produce, args=(queue, trial["items"], 0.0005 * trial["slow"])) for _ in range(producers)
    ]
    getting = [context.Process(target=consume, args=(queue, 0.0015 * trial["slow"])) for _ in range(consumers)]
    with (journals / "supervisor.jsonl").open("w", buffering=1) as file:
        for process in putting + getting:
            process.start()
            file.write(json.dumps({"event": "worker.start", "pid": process.pid, "worker": process.name}) + "\n")
        (journals / "clock.json").write_text("{}")
        for process in putting + getting:
            process.join()
            gone = {"event": "worker.exit", "pid": process.pid, "exit_code": process.exitcode}
            file.write(json.dumps(gone) + "\n")
            if process is putting[-1]:
                for _ in getting:
                    queue.put(None)
    os._exit(0)  # its own feeder thread may have sentinels for the dead, and would wait for their readers


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
