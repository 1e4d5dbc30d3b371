"""The machine's limits: what a run needs is asked for before anything is started."""

from __future__ import annotations

import errno
import resource
from typing import TYPE_CHECKING, Final

from runner.engines import tasks
from runner.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from runner.planning.plan import Plan

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
"""What a full or failing disk says."""

_SPARE: Final = 64
_PER_QUEUE: Final = 8


def unwritten(who: str, folder: Path) -> str:
    """What is said of a worker that has met one of `NO_ROOM`."""
    return f"{who} could not write to {folder}: is the disk full?"


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
        raise _refusal(plan, f"{needed} open files, the limit is {hard}: raise it (ulimit -Hn {needed})")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def provide_tasks(plan: Plan, others: int) -> None:
    """See to it that the system makes as many processes or threads as the run needs; raises the soft limit.

    Args:
        plan: Of the run.
        others: Processes beside the workers.

    Raises:
        ConfigError: One of the limits is lower.
    """
    needed = plan.size + others
    for limit in tasks.limits(needed):
        if limit.room < needed:
            there = f"{limit.name} is {limit.most} and {limit.used} are taken"
            raise _refusal(plan, f"{needed} processes or threads more, {there}: {limit.remedy(needed)}")
    tasks.raise_soft_limit()


def _refusal(plan: Plan, needs: str) -> ConfigError:
    return ConfigError(Problem(plan.name, None, None, "", f"{plan.size} workers need {needs}"))
