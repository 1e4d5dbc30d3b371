"""An event log taken apart: by line, by item, by worker; for rules over all its lines."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lines import Record

FATES = ("left", "failed", "lost")


@dataclass
class Row:
    """One line and its number."""

    line: int
    event: str
    t: int
    keys: Record

    def __getattr__(self, key: str) -> Any:
        return self.keys.get(key)

    @property
    def began(self) -> int:
        return self.t - int(self.keys.get("wait_ns", 0))

    @property
    def number(self) -> int:
        return int(self.keys.get("delivery", 1))


@dataclass
class Log:
    """A log by line, by item and by worker."""

    rows: list[Row]
    complete: bool
    groups: dict[str, Any] = field(default_factory=dict)
    queues: dict[str, Any] = field(default_factory=dict)
    items: dict[tuple[str, str], list[Row]] = field(default_factory=lambda: defaultdict(list))

    def of(self, *events: str) -> list[Row]:
        return [row for row in self.rows if row.event in events]

    def group_of(self, worker: object) -> dict[str, Any]:
        """The declaration of a worker's group; empty for a stranger."""
        name, _, index = str(worker).rpartition("-")
        group = self.groups.get(name, {})
        known = index.isdigit() and str(int(index)) == index and int(index) < group.get("count", 0)
        return dict(group) if known else {}

    def lives_of(self, worker: object) -> list[Row]:
        return [row for row in self.of("worker.start", "worker.died", "worker.exit") if row.worker == worker]

    def first_put(self, key: tuple[str, str]) -> Row | None:
        return next((row for row in self.items[key] if row.event == "put"), None)

    def redeliveries(self, key: tuple[str, str], before: int) -> int:
        """The delivery an item is at, by the redeliveries before a line."""
        again = [row.number for row in self.items[key] if row.event == "redelivery" and row.line < before]
        return max([1, *again])

    def holder(self, key: tuple[str, str], before: int) -> Row | None:
        """The get by which somebody has the item in hand, before a line."""
        last = None
        for row in self.items[key]:
            if row.line >= before:
                break
            if row.event == "get":
                last = row
            elif row.event in ("done", *FATES) or (
                row.event == "redelivery" and not (last is not None and last.number == row.number)
            ):
                last = None
        return last

    def is_over(self, key: tuple[str, str], before: int) -> bool:
        """Whether the item is done, or its fate told, before a line."""
        return any(row.event in ("done", *FATES) and row.line < before for row in self.items[key])


def log_from(records: list[Record]) -> Log:
    """Take a log apart; it begins with its run.start."""
    rows = [Row(k, record["event"], record["t_ns"], record) for k, record in enumerate(records, 1)]
    log = Log(rows, complete=any(row.event == "run.end" for row in rows))
    log.groups, log.queues = records[0]["groups"], records[0]["queues"]
    for row in rows:
        if row.id is not None and row.event in ("put", "get", "done", "redelivery", *FATES):
            log.items[row.queue, row.id].append(row)
    return log
