"""How worker processes are started: with what, and without what.

    Job (plan, connectors, pipes) --start method--> process: main(job) --ready byte--> supervisor --gate--> steps

Every worker holds one end of three pipes: `readiness` takes a byte when it is ready, the `gate` ends when it opens, and
the `lifeline` ends when the supervisor dies. A forked worker closes what it inherits and is not its own; no worker
imports the caller's main module.
"""

from __future__ import annotations

import contextlib
import multiprocessing.process
import os
import signal
import sys
import types
from time import monotonic_ns
from typing import TYPE_CHECKING, Final

from runner.engines.member import Member
from runner.engines.process_worker import FOR_THE_SUPERVISOR, Job, Post, main

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

    from runner.engines.contract import LiveRun
    from runner.engines.resume import Resume
    from runner.planning.plan import WorkerPlan
    from runner.queues.contract import SharedQueue

_READY_AT_ONCE: Final = 4096


class Launch:
    """Starts the workers of a run, and holds the pipes they have in common until it is closed.

    Args:
        live: The run.
        context: Of its start method.
        queues: Of the run.
    """

    def __init__(self, live: LiveRun, context: BaseContext, queues: Mapping[str, SharedQueue]) -> None:
        self._live = live
        self._context = context
        self._queues = queues
        self._gate = os.pipe()
        self._lifeline = os.pipe()
        self._readiness = os.pipe()
        self._open = {*self._gate, *self._lifeline, *self._readiness}

    @property
    def readiness(self) -> int:
        """Readable when workers have become ready."""
        return self._readiness[0]

    def heed_readiness(self) -> None:
        """Take note that workers have become ready; which, the board tells."""
        os.read(self._readiness[0], _READY_AT_ONCE)

    def open_gate(self) -> None:
        """Let the workers begin, and whoever is started from now on."""
        self._open.remove(self._gate[1])
        os.close(self._gate[1])

    def close(self) -> None:
        """Close what is open; the workers are gone."""
        while self._open:
            os.close(self._open.pop())

    def start(
        self, worker: WorkerPlan, incarnation: int, resume: Resume, inherited: Iterable[int]
    ) -> tuple[Member, int]:
        """Start an incarnation; returns it, and an instant before its first event (ns of the monotonic clock).

        Args:
            worker: Who it is.
            incarnation: From 1.
            resume: Where the one before it stopped.
            inherited: What a forked process gets beside the pipes and queues, and must not keep.

        Raises OSError where the system makes no process.
        """
        plan, group = self._live.plan, worker.group
        source = group.source and self._queues[group.source].connector(worker.index, incarnation, writes=False)
        target = group.target and self._queues[group.target].connector(worker.index, incarnation, writes=True)
        batch = plan.queue(group.target).batch if group.target else 1
        foreign: tuple[int, ...] = ()
        if plan.start_method == "fork":
            kept = {fd for end in (source, target) if end for fd in end.descriptors}
            foreign = tuple(fd for fd in (*self._descriptors(), *inherited) if fd not in kept)
        job = Job(
            worker, incarnation, resume, plan.size, str(self._live.folder), batch, source or None, target or None,
            Post(self._readiness[1]), Post(self._gate[0]), Post(self._lifeline[0]), plan.pythonpath, foreign,
        )  # fmt: skip
        slot, began = self._live.board.slot(worker.index), monotonic_ns()
        before = (slot.puts, slot.gets)  # it may have put and got before `start` returns
        process = self._context.Process(target=main, args=(job,), name=worker.name)  # type: ignore[attr-defined]
        with empty_main(), held(FOR_THE_SUPERVISOR if plan.start_method != "forkserver" else ()):
            process.start()
        _forget(process)
        death, own = process.sentinel, False
        if hasattr(os, "pidfd_open"):
            # A sentinel stays silent while a grandchild lives that inherited its other end, and tells of a death that
            # was not one when it is the fork server that died.
            with contextlib.suppress(OSError):  # no such process any more, or no descriptor
                death, own = os.pidfd_open(process.pid or 0), True
        return Member(worker, incarnation, slot, process, death, own, before), began

    def _descriptors(self) -> Iterator[int]:
        for queue in self._queues.values():
            yield from queue.descriptors()
        yield from (self._lifeline[1], self._readiness[0])
        if self._gate[1] in self._open:
            yield self._gate[1]


def _forget(process: BaseProcess) -> None:
    """Take a process off multiprocessing's list: it asks all on it whether they live whenever it starts another.

    Of a thousand workers that is half a million questions. Their ends are the supervisor's business anyhow.
    """
    getattr(multiprocessing.process, "_children", set()).discard(process)


@contextlib.contextmanager
def held(signals: Collection[signal.Signals]) -> Iterator[None]:
    """Let a new process begin with these signals blocked, lest one strikes before it ignores them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def empty_main() -> Iterator[None]:
    """Put an empty main module in place, so that no worker imports the caller's: unguarded, it would start again."""
    main_module = sys.modules.get("__main__")
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        if main_module is None:
            del sys.modules["__main__"]
        else:
            sys.modules["__main__"] = main_module
