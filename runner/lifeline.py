"""How a process ends with the one it works for, whatever either of them is doing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal


def die_with(lifeline: int) -> None:
    """Have the kernel kill this process when the last write end of the pipe `lifeline`, the supervisor's, is gone.

    That strikes a process that is stuck in a loop or stopped, too. A description of its own is needed: owner and signal
    belong to the description, not to the descriptor. Where the system knows no such signals nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        own = os.open(f"/proc/self/fd/{lifeline}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(own, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(own, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
        if os.read(own, 1) == b"":
            os.kill(os.getpid(), signal.SIGKILL)
