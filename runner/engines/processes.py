"""The engine `processes`: a process per worker, watched by a supervisor that is one poll loop and no thread.

    supervisor --Job--> worker process --ready byte--> supervisor opens the gate --> steps run
        ^                   |      |
        |  pidfd/sentinel --+      +--> journal, board (files), queue (any kind)
        +-- signals, timeout, order to stop: board word + SIGTERM, after a grace SIGKILL

**The supervisor** (`supervisor`) starts all workers with an explicit start method, waits until each is ready, opens the
gate, and from then on waits: for deaths, signals, the timeout, the watch's tick, the ends of the queues.

**A worker** (`process_worker`) never imports the caller's main module: an empty `__main__` stands in its place while a
process starts.

**A death** (`recovery`, `estate`): what the worker had in hand is handed out again, and a replacement started.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from runner.engines.board import Board
from runner.engines.contract import LiveRun
from runner.engines.launch import empty_main, held
from runner.engines.limits import NO_ROOM, provide_descriptors, provide_tasks
from runner.engines.opening import enter_start
from runner.engines.process_worker import FOR_THE_SUPERVISOR
from runner.engines.servants import boot
from runner.engines.supervisor import Supervisor
from runner.errors import ConfigError, Problem
from runner.queues import kind_of

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext
    from pathlib import Path

    from runner.engines.contract import Outcome, Watch
    from runner.engines.signals import Signals
    from runner.log.chronicle import Chronicle
    from runner.planning.plan import Plan
    from runner.queues.contract import SharedQueue

_DESCRIPTORS_PER_WORKER: Final = 6
_SERVANTS: Final = 3
"""Processes beside the workers: the fork server, the resource tracker, and who reads the log while it is written."""


def run(plan: Plan, folder: Path, chronicle: Chronicle, signals: Signals, watch: Watch | None) -> Outcome:
    """Execute the plan in worker processes; see `Engine`."""
    provide_descriptors(plan, _DESCRIPTORS_PER_WORKER)
    provide_tasks(plan, _SERVANTS)
    boot(plan)
    with contextlib.ExitStack() as stack:
        board = stack.enter_context(contextlib.closing(Board(folder / "board", plan.size, create=True)))
        context = multiprocessing.get_context(plan.start_method)
        queues = _queues(plan, context, folder, stack)
        plan = _as_granted(plan, queues)
        enter_start(chronicle, folder, plan)
        live = LiveRun(plan, folder, board, chronicle, {name: queue.depth for name, queue in queues.items()})
        return Supervisor(live, context, queues, signals, watch).run()


def _queues(plan: Plan, context: BaseContext, folder: Path, stack: contextlib.ExitStack) -> dict[str, SharedQueue]:
    queues: dict[str, SharedQueue] = {}
    for queue in plan.queues:
        writers = sum(group.count for group in plan.writers(queue.name))
        try:
            with empty_main(), held(FOR_THE_SUPERVISOR):  # a kind may start a process of its own
                queues[queue.name] = kind_of(queue.kind)(queue, context, folder, writers)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise
            raise ConfigError(Problem(plan.name, None, None, f"queues.{queue.name}", str(error))) from error
        stack.callback(queues[queue.name].close)
    return queues


def _as_granted(plan: Plan, queues: dict[str, SharedQueue]) -> Plan:
    """The plan, with the capacities that the operating system has granted."""
    granted = []
    for queue in plan.queues:
        capacity = queues[queue.name].capacity
        known = [room for room in (queue.maxsize or None, capacity) if room is not None]
        granted.append(replace(queue, capacity=min(known, default=None)))
    return replace(plan, queues=tuple(granted))
