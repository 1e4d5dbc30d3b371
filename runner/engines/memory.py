"""Whether the kernel killed for lack of memory: the control group counts it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

_GROUPS: Final = Path("/proc/self/cgroup")
_ROOT: Final = Path("/sys/fs/cgroup")


class OutOfMemoryKills:
    """Counts this control group's out-of-memory kills since it was made; none where the system does not tell."""

    def __init__(self) -> None:
        self._file = _events_file()
        self._seen = self._count()

    def fresh(self) -> bool:
        """Whether there was one since the last call."""
        count = self._count()
        more, self._seen = count > self._seen, count
        return more

    def _count(self) -> int:
        if self._file is not None:
            with contextlib.suppress(OSError, ValueError):
                for line in self._file.read_text().splitlines():
                    key, _, value = line.partition(" ")
                    if key == "oom_kill":
                        return int(value)
        return 0


def _events_file() -> Path | None:
    """`memory.events` of version 2 of control groups, `memory.oom_control` of version 1."""
    with contextlib.suppress(OSError):
        for line in _GROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            found = _ROOT / path.lstrip("/") / "memory.events"
            if "memory" in controllers.split(","):
                found = _ROOT / "memory" / path.lstrip("/") / "memory.oom_control"
            if (not controllers or "memory" in controllers) and found.is_file():
                return found
    return None
