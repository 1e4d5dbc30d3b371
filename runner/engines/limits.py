"""The machine's limits: what a run needs is asked for before anything is started."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Final

from runner.errors import ConfigError, Problem

if TYPE_CHECKING:
    from runner.planning.plan import Plan

_SPARE: Final = 64
_PER_QUEUE: Final = 8


def provide_descriptors(plan: Plan, per_worker: int) -> None:
    """Raise the soft limit of open files to what the run needs.

    Args:
        plan: Of the run.
        per_worker: Descriptors this process needs for each worker.

    Raises:
        ConfigError: The hard limit is lower.
    """
    needed = _SPARE + per_worker * plan.size + _PER_QUEUE * len(plan.queues)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        message = f"{plan.size} workers need {needed} open files, the limit is {hard}: raise it (ulimit -Hn {needed})"
        raise ConfigError(Problem(plan.name, None, None, "", message))
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
