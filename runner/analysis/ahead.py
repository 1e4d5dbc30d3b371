"""Analysing a log while it is still being written, in a process of its own: on two cores that saves a third of the end.

    this process --writes--> events.jsonl --read as it grows--> forked process: ledger
         |                                                          |
         +--- "complete" (a byte) ------> [ pipe ] ----------------->|
         <----------------- [ pipe ] <---- summary and verdict, pickled

The forked process computes what `analyse` would, from the same file, and nothing else; whatever goes wrong in it, this
one analyses by itself. It ends with this one, whose death ends the pipe.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import select
import signal
import threading
from typing import TYPE_CHECKING, Final, Self

from runner.analysis.analyse import analyse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from runner.analysis.summary import Summary
    from runner.analysis.violations import Verdict
    from runner.log.depths import DepthSamples

_LOOK_AGAIN_MS: Final = 5


class Ahead:
    """An analysis that begins with the log; a context that ends with it.

    Args:
        path: The log, which exists already.
        depths: As for `analyse`.
        worth_it: Whether the log will be long enough; where it is not, or this process has threads, which do not
            survive a fork, or only one core, nothing is started and `result` computes.
    """

    def __init__(self, path: Path, depths: Mapping[str, DepthSamples] | None = None, *, worth_it: bool) -> None:
        self._path = path
        self._depths = depths
        self._child = 0
        self._complete = self._answer = -1
        if worth_it and threading.active_count() == 1 and _cores() > 1 and hasattr(os, "fork"):
            self._start()

    def _start(self) -> None:
        theirs, self._complete = os.pipe()
        self._answer, answer = os.pipe()
        self._child = os.fork()
        if not self._child:
            try:
                os.close(self._complete)
                self._analyse_in_child(theirs, answer)
            finally:
                os._exit(0)
        os.close(theirs)
        os.close(answer)

    def _analyse_in_child(self, complete: int, answer: int) -> None:
        signal.set_wakeup_fd(-1)
        gc.disable()  # as the writer does: millions of small objects, and no cycle
        poll = select.poll()
        poll.register(complete, select.POLLIN)
        ended = False

        def grows() -> bool:
            nonlocal ended
            if ended:
                return False
            if poll.poll(_LOOK_AGAIN_MS):
                if os.read(complete, 1) == b"":
                    os._exit(1)  # nobody waits for an answer
                ended = True
            return True

        found = analyse(self._path, grows, depths=self._depths)
        with open(answer, "wb") as file:
            pickle.dump(found, file)

    def __enter__(self) -> Self:
        return self

    def result(self) -> tuple[Summary, Verdict]:
        """The figures and the verdict, once the log is complete; as `analyse`."""
        if self._child:
            with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
                os.write(self._complete, b"\0")
                with open(self._answer, "rb", closefd=False) as answer:
                    found: tuple[Summary, Verdict] = pickle.load(answer)  # noqa: S301 - from our own child
                return found
        return analyse(self._path, depths=self._depths)

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._child:
            os.close(self._complete)
            os.close(self._answer)
            os.kill(self._child, signal.SIGKILL)  # not reaped yet, so the number is still its own
            os.waitpid(self._child, 0)
            self._child = 0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
