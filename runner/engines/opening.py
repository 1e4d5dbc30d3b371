"""The first event of a run in real time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.log.events import SCHEMA
from runner.planning.resolve import summary_of

if TYPE_CHECKING:
    from pathlib import Path

    from runner.log.chronicle import Chronicle
    from runner.planning.plan import Plan


def enter_start(chronicle: Chronicle, folder: Path, plan: Plan) -> None:
    """Enter `run.start`, before any worker is started.

    Args:
        chronicle: Of the run.
        folder: The journals' in the run directory.
        plan: With the capacities that the system has granted.
    """
    chronicle.add(
        "run.start",
        run=folder.parent.name,
        name=plan.name,
        seed=plan.seed,
        engine=plan.engine,
        start_method=plan.start_method,
        config_digest=plan.config_digest,
        plan_digest=plan.plan_digest,
        schema=SCHEMA,
        **summary_of(plan),
    )
