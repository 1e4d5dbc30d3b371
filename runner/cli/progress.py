"""How far a run is, in a line on stderr now and then."""

from __future__ import annotations

from time import monotonic, monotonic_ns
from typing import TYPE_CHECKING, Final

from runner import figures
from runner.engines.board import State
from runner.planning.plan import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.cli.streams import Outlet
    from runner.engines.board import Board
    from runner.engines.contract import LiveRun
    from runner.planning.plan import GroupPlan, Plan

_PAUSE_S: Final = 2.0
_SHARE: Final = 1 / 30
"""Lines come the rarer the longer a run lasts: after a minute every 2 s, after an hour every 2 min."""


class Progress:
    """A line now and then, the first when a run has lasted as long as the pause between two.

    Args:
        outlet: stderr.
    """

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._pause = _PAUSE_S
        self._began = monotonic()
        self._next = self._began + self._pause

    def show(self, run: LiveRun) -> None:
        """Show where the run is, if it is time to and there is room."""
        now = monotonic()
        if now < self._next or not self._outlet.flush():
            return
        self._pause = max(self._pause, (now - self._began) * _SHARE)
        self._next = now + self._pause
        self._outlet.offer(f"{line(run.plan, run.board, monotonic_ns())}\n".encode())
        self._outlet.flush()

    def close(self) -> None:
        """Show no more."""
        self._outlet.close()


def line(plan: Plan, board: Board, now_ns: int) -> str:
    """`12.0 s: put 14/20, done 10/20, 0.83 done/s`; workers that are ready as long as they start.

    Args:
        plan: What is executed.
        board: What every worker has done so far.
        now_ns: On the monotonic clock.
    """
    if not board.zero:
        ready = sum(board.slot(index).state >= State.READY for index in range(plan.size))
        return f"starting: {ready} of {plan.size} workers are ready"
    seconds = (now_ns - board.zero) / 1e9
    counts = dict.fromkeys(Role, 0)
    for group in plan.groups:
        counts[group.role] += _count(group, board)
    return f"{figures.duration(seconds)}: {so_far(plan, counts, seconds)} done/s"


def so_far(plan: Plan, counts: Mapping[Role, int], seconds: float) -> str:
    """`put 14/20, done 10/20, 0.83`: the last is what was done in each of these seconds.

    Args:
        plan: What is executed.
        counts: What producers put, and what stages and consumers did.
        seconds: Since the start.
    """
    planned = _planned([group for group in plan.groups if group.role is Role.PRODUCER])
    stages = f", through stages {counts[Role.STAGE]:,}" if counts[Role.STAGE] else ""
    done = counts[Role.CONSUMER]
    aim = _planned([group for group in plan.groups if group.role is Role.CONSUMER])
    if aim is None and not any(group.role is Role.STAGE for group in plan.groups):
        aim = planned
    rate = figures.number(done / seconds) if seconds > 0 else figures.NONE
    return f"put {_of(counts[Role.PRODUCER], planned)}{stages}, done {_of(done, aim)}, {rate}"


def _count(group: GroupPlan, board: Board) -> int:
    slots = (board.slot(index) for index in range(group.first, group.first + group.count))
    return sum(slot.puts if group.role is Role.PRODUCER else slot.dones for slot in slots)


def _planned(groups: list[GroupPlan]) -> int | None:
    known = [group.planned for group in groups if group.planned is not None]
    return sum(known) if len(known) == len(groups) else None


def _of(count: int, planned: int | None) -> str:
    return f"{count:,}" if planned is None else f"{count:,}/{planned:,}"
