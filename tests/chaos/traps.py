"""Failpoints: a trap on a line of the package, that goes off once in a worker which comes upon it.

A worker is traced line by line, so there is a trap before and after each step of everything it does, under whatever
name that is done, and no code for it in the package. Workers inherit their traps by fork.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import runner
from chaos.trial import Act
from runner.engines import launch, process_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType

    from chaos.trial import Trap
    from runner.engines.process_worker import Job

_PACKAGE: Final = str(Path(runner.__file__).parent)


class TrapError(Exception):
    """Raised by a trap."""


def place(code: CodeType, line: int) -> str:
    """A line's name, which does not change with what stands above its function."""
    return f"{Path(code.co_filename).stem}.{code.co_qualname}+{line - code.co_firstlineno}"


@contextlib.contextmanager
def laid(traps: list[Trap], folder: Path) -> Iterator[None]:
    """Have all workers that are forked in here meet these traps; each goes off once."""

    def coming(job: Job) -> Callable[[CodeType, int], None]:
        mine = {
            (trap.place, trap.hit): (number, trap)
            for number, trap in enumerate(traps)
            if trap.worker == job.worker.name
        }
        places = {where for where, _ in mine}
        hits: Counter[str] = Counter()

        def come(code: CodeType, line: int) -> None:
            where = place(code, line)
            if where in places:
                hits[where] += 1
                found = mine.get((where, hits[where]))
                if found is not None and _first(folder / f"trap-{found[0]}"):
                    _go_off(found[1].act)

        return come

    with _watched(coming):
        yield


@contextlib.contextmanager
def surveyed(folder: Path) -> Iterator[None]:
    """Have all workers that are forked in here write down where they come, and how often."""

    def coming(job: Job) -> Callable[[CodeType, int], None]:
        hits: Counter[str] = Counter()
        path = folder / f"{job.worker.name}.{job.incarnation}.survey"

        def come(code: CodeType, line: int) -> None:
            where = place(code, line)
            hits[where] += 1
            if where.startswith("process_worker.main+"):  # the last of all that is traced
                path.write_text(json.dumps(hits))

        return come

    with _watched(coming):
        yield


@contextlib.contextmanager
def _watched(coming: Callable[[Job], Callable[[CodeType, int], None]]) -> Iterator[None]:
    def watched(job: Job) -> None:
        come = coming(job)

        def global_trace(frame: FrameType, _event: str, _argument: Any) -> Any:
            ours = frame.f_code.co_filename.startswith(_PACKAGE) and frame.f_code.co_name != "<module>"
            return local_trace if ours else None

        def local_trace(frame: FrameType, event: str, _argument: Any) -> Any:
            if event == "line":
                come(frame.f_code, frame.f_lineno)
            return local_trace

        sys.settrace(global_trace)
        process_worker.main(job)

    with mock.patch.object(launch, "main", watched):
        yield


def _first(flag: Path) -> bool:
    """Whether nobody was here before."""
    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _go_off(act: str) -> None:
    match act:
        case Act.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        case Act.STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
        case Act.EXIT:
            os._exit(0)
        case Act.RAISE:
            raise TrapError("a trap")
