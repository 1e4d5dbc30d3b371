"""What the events of a worker's start and exit say of it, whatever the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from runner.engines.board import Slot
    from runner.log.chronicle import Chronicle
    from runner.planning.plan import WorkerPlan


class Known(Protocol):
    """An incarnation of a worker as its supervisor knows it."""

    slot: Slot
    before: tuple[int, int]

    @property
    def about(self) -> dict[str, Any]:
        """Who it is."""


def about(worker: WorkerPlan, incarnation: int, pid: int | None) -> dict[str, Any]:
    """The keys of `worker.start` and `worker.exit` that say who it is; without a process of its own `pid` is None."""
    group = worker.group
    return {
        "worker": worker.name, "group": group.name, "role": group.role, "incarnation": incarnation, "pid": pid,
    }  # fmt: skip


def enter_exit(chronicle: Chronicle, known: Known, **how: Any) -> None:
    """Enter `worker.exit`, with what this incarnation alone has put and got."""
    puts, gets = known.before
    chronicle.add(
        "worker.exit", "info" if how.get("exit_code") == 0 else "warning",
        **known.about, **how, puts=known.slot.puts - puts, gets=known.slot.gets - gets,
    )  # fmt: skip
