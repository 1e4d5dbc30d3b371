"""How many processes and threads the system lets this user have, which Linux counts as one: tasks.

Four limits bind, the lowest first: of the user (RLIMIT_NPROC, not for root), of each control group this process is in
(pids.max), of the whole system (kernel.threads-max), and the number of names (kernel.pid_max).
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SYSTEM: Final = Path("/")
_WORTH_COUNTING: Final = 4
"""To count a user's tasks means to look at every process: only where a run wants a good part of what is allowed."""


@dataclass(frozen=True, slots=True)
class TaskLimit:
    """One limit.

    Attributes:
        name: What it is called, for a message.
        most: Tasks there may be.
        used: Tasks there are.
        advice: How it is raised, with `{}` for the number it has to be raised to.
    """

    name: str
    most: int
    used: int
    advice: str

    @property
    def room(self) -> int:
        """Tasks there may be more."""
        return max(0, self.most - self.used)

    def remedy(self, more: int) -> str:
        """What to do where so many more are needed."""
        return self.advice.format(self.used + more)


def limits(needed: int, system: Path = _SYSTEM) -> Iterator[TaskLimit]:
    """All limits that are set here; that of the user only where `needed` tasks come near it.

    Args:
        needed: Tasks that are wanted.
        system: Root of the file system with proc and sys.
    """
    yield from _of_the_user(needed, system)
    yield from _of_control_groups(system)
    yield from _of_the_system(system)


def raise_soft_limit() -> None:
    """Raise this process's soft limit of tasks of the user to the hard one."""
    if hasattr(resource, "RLIMIT_NPROC"):
        soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard))


def _of_the_user(needed: int, system: Path) -> Iterator[TaskLimit]:
    if os.geteuid() == 0 or not hasattr(resource, "RLIMIT_NPROC"):
        return
    most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    if most != resource.RLIM_INFINITY and needed * _WORTH_COUNTING > most:
        advice = "raise it (ulimit -Hu {})"
        yield TaskLimit("this user's limit of processes", most, _tasks_of_the_user(system), advice)


def _tasks_of_the_user(system: Path) -> int:
    user, count = os.getuid(), 0
    for entry in os.scandir(system / "proc"):
        if entry.name.isdecimal():
            try:
                if entry.stat().st_uid == user:
                    count += len([*Path(entry.path, "task").iterdir()])
            except OSError:  # it has just ended
                continue
    return count


def _of_control_groups(system: Path) -> Iterator[TaskLimit]:
    for folder in _control_groups(system):
        most, used = _number(folder / "pids.max"), _number(folder / "pids.current")
        if most is not None and used is not None:
            name = f"pids.max of the control group /{folder.relative_to(system)}"
            yield TaskLimit(name, most, used, "raise it to {} (systemd: TasksMax, containers: --pids-limit)")


def _control_groups(system: Path) -> Iterator[Path]:
    """The folders of the groups this process is in, from its own up to the root."""
    try:
        lines = (system / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "pids"):
            root = system / "sys/fs/cgroup" / controllers
            group = root / path.lstrip("/")
            yield from (folder for folder in (group, *group.parents) if folder == root or root in folder.parents)


def _of_the_system(system: Path) -> Iterator[TaskLimit]:
    try:
        used = int((system / "proc/loadavg").read_text().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return
    for name in ("threads-max", "pid_max"):
        most = _number(system / "proc/sys/kernel" / name)
        if most is not None:
            yield TaskLimit(f"kernel.{name}", most, used, f"raise it (sysctl kernel.{name}={{}})")


def _number(path: Path) -> int | None:
    """The number in a file; None where there is no such file, or it says `max`."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
