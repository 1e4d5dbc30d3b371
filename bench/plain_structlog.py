"""The same script as plain.py, with a JSON line for each put and get by structlog as its docs configure it.

    python bench/plain_structlog.py PRODUCERS CONSUMERS ITEMS > LOG

The processors are those that its docs recommend for production; the logger is the default one, which prints
and flushes each line. Lines go to stdout, the result to stderr.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import structlog
from plain import measure

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.dict_tracebacks,
        structlog.processors.JSONRenderer(),
    ]
)
log = structlog.get_logger()


def produce(queue: Queue[int], name: str, items: int) -> None:
    """Puts 0 … items - 1 and logs each put."""
    for item in range(items):
        queue.put(item)
        log.info("put", worker=name, queue="main", item=item)


def consume(queue: Queue[int], name: str, items: int) -> None:
    """Gets that many items and logs each get."""
    for _ in range(items):
        item = queue.get()
        log.info("get", worker=name, queue="main", item=item)


if __name__ == "__main__":
    measure(produce, consume, sys.argv[1:])
