"""User code of poison-item.yaml: one item is more than a process can bear."""

from __future__ import annotations

import os
import signal


def taste(item: int, poison: int) -> None:
    """Be killed, as by the kernel for lack of memory, where the item is the poisonous one."""
    if item == poison:
        os.kill(os.getpid(), signal.SIGKILL)
