"""The engine `ray`: the same plan and the same worker loop on a Ray cluster.

    supervisor --starts--> brokers (an actor per queue) and workers (an actor each)
        |   ^                    ^   |
        |   +-- collects: records, words of the board, depths
        +-- deaths: the broker is told, what the dead had goes in again, a replacement is started

Ray places actors and tells who has died. The queue is a broker's (`runner.queues.broker`), its ends and the courier of
records are the worker's (`ray_ends`, `ray_worker`), and what becomes of the dead is the supervisor's here (`ray_crew`),
which writes all journals: from there on a run is like any other.

Queue kinds do not bind here: every queue is a FIFO of the same `maxsize`. User code does not run in the main thread.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.engines.board import Board
from runner.engines.contract import LiveRun
from runner.engines.limits import provide_descriptors
from runner.engines.opening import enter_start
from runner.engines.ray_cluster import connected

if TYPE_CHECKING:
    from pathlib import Path

    from runner.engines.contract import Outcome, Watch
    from runner.engines.signals import Signals
    from runner.log.chronicle import Chronicle
    from runner.planning.plan import Plan

_DESCRIPTORS_PER_WORKER = 2
_LAG_NS = 2_000_000_000
"""An event is on its way for some tenths of a second; what is older than this is in order."""


def run(plan: Plan, folder: Path, chronicle: Chronicle, signals: Signals, watch: Watch | None) -> Outcome:
    """Execute the plan on a Ray cluster; see `Engine`."""
    provide_descriptors(plan, _DESCRIPTORS_PER_WORKER)
    with connected(plan), contextlib.redirect_stdout(sys.stderr):
        from runner.engines.ray_crew import Crew  # imports Ray, which may not be installed

        queues = tuple(replace(queue, capacity=queue.maxsize or None) for queue in plan.queues)
        plan = replace(plan, queues=queues)  # nothing but the bound that is declared
        enter_start(chronicle, folder, plan)
        with contextlib.closing(Board(folder / "board", plan.size, create=True)) as board:
            return Crew(LiveRun(plan, folder, board, chronicle, lag_ns=_LAG_NS), signals, watch).run()
