"""The kinds of queue between processes: a registry of one dict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.queues.mp_queue import MpQueue
from runner.queues.pipe import PipeQueue

if TYPE_CHECKING:
    from runner.queues.contract import Kind

KINDS: Final[dict[str, Kind]] = {"pipe": PipeQueue, "multiprocessing.Queue": MpQueue}
"""Name in the config → what makes such a queue."""
