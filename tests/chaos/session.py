"""A program in a session of its own, by which all its descendants are known and can be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Final

TESTS: Final = Path(__file__).parent.parent
_SERVANTS: Final = (b"multiprocessing.forkserver", b"multiprocessing.resource_tracker")
_GRACE_S: Final = 2.0


class Session:
    """A module of this package, run as a program."""

    def __init__(self, module: str, *arguments: str | Path, errors: IO[bytes]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)], cwd=TESTS, start_new_session=True,
            env={**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
        )  # fmt: skip

    @property
    def number(self) -> int:
        """What names it."""
        return self.process.pid

    def left(self) -> list[int]:
        """Processes that should be gone, after a moment for those that are just ending."""
        deadline = time.monotonic() + _GRACE_S
        while left := [pid for pid in self._others() if not _is_servant(pid)]:
            if time.monotonic() > deadline:
                break
            time.sleep(0.005)
        return left

    def _others(self) -> list[int]:
        pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
        return [pid for pid in pids if pid != self.number and session_of(pid) == self.number]

    def kill(self) -> None:
        """Kill all of it."""
        for pid in [self.number, *self._others()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()


def session_of(pid: int) -> int | None:
    """The session of a process that is neither gone nor a zombie."""
    try:
        state, _, _, session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
    except OSError:
        return None
    return None if state in "ZX" else int(session)


def _is_servant(pid: int) -> bool:
    """Whether it is one of multiprocessing's own, which live as long as the program."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return any(servant in command.replace(b"\0", b" ") for servant in _SERVANTS)
