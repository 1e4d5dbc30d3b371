"""multiprocessing's own two processes: the fork server, which makes workers, and the resource tracker."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import threading
from multiprocessing import forkserver, resource_tracker
from typing import TYPE_CHECKING, Final

from runner.engines.process_worker import OURS, SAFE_PATH
from runner.queues import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runner.planning.plan import Plan

PRELOAD: Final = [
    "runner.engines.process_worker",
    "runner.planning.draws",
    "multiprocessing.popen_forkserver",
]
"""What the fork server imports once, for all workers: what a worker needs and, unpickling its job, would import."""

_OF_THE_TERMINAL: Final = (signal.SIGINT, signal.SIGHUP)


def boot(plan: Plan) -> None:
    """Start those that the run will need unless they run.

    The fork server takes a tenth of a second to be ready, so this comes ahead of need. The resource tracker is needed
    for semaphores, and with spawn for every process: started only then, it would unblock the signals that a worker is
    to begin with.
    """
    if plan.start_method == "forkserver":
        own = {KINDS[queue.kind][0] for queue in plan.queues if queue.kind in KINDS}
        multiprocessing.set_forkserver_preload([*PRELOAD, *sorted(own)])
        with _away_from_the_current_folder():
            _undisturbed(forkserver.ensure_running)
        _share_limits()
    elif plan.start_method == "spawn" or any(queue.kind != "pipe" for queue in plan.queues):
        _undisturbed(resource_tracker.ensure_running)


def _share_limits() -> None:
    """Let the fork server open as many files as this process, which may have started it for a smaller run before."""
    pid = getattr(getattr(forkserver, "_forkserver", None), "_forkserver_pid", None)
    if pid is not None and hasattr(resource, "prlimit"):
        with contextlib.suppress(OSError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))


@contextlib.contextmanager
def _away_from_the_current_folder() -> Iterator[None]:
    """Let the fork server take what it imports from where this process did, not from a folder `runner` that lies about.

    It is started by `python -c`, which looks into the current folder first unless this variable is set; workers then
    get this process's path, and take the variable away again.
    """
    if os.environ.get(SAFE_PATH):
        yield
        return
    os.environ[SAFE_PATH] = OURS
    try:
        yield
    finally:
        del os.environ[SAFE_PATH]  # empty is as good as unset


def _undisturbed(start: Callable[[], None]) -> None:
    """Start a process that inherits to ignore what a terminal sends to all: Ctrl-C, and that it was closed."""
    if threading.current_thread() is not threading.main_thread():
        start()
        return
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in _OF_THE_TERMINAL}
    try:
        start()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
