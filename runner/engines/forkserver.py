"""The fork server: the small process from which worker processes are forked under the start method `forkserver`."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from multiprocessing import forkserver
from typing import Final

PRELOAD: Final = [
    "runner.engines.process_worker",
    "runner.queues",
    "runner.planning.draws",
    "multiprocessing.popen_forkserver",
]
"""What it imports once, for all workers: what a worker needs and, unpickling its job, would import by itself."""


def boot() -> None:
    """Start the fork server unless it runs; it takes a tenth of a second to be ready, so call this ahead of need.

    A Ctrl-C reaches every process of the terminal: until the fork server ignores it by itself, it has inherited that.
    """
    multiprocessing.set_forkserver_preload(PRELOAD)
    if threading.current_thread() is not threading.main_thread():
        forkserver.ensure_running()
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, previous)
