"""The rows of a sweep: one for each run that has ended, as lines of JSON and as a table.

Each line ends with a check, made of its text and of the check of the line before, so that changes by hand show.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import asdict, dataclass, field
from io import StringIO
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from runner.config.bounds import ANY, METRICS, SECONDS, kind_of
from runner.experiments.sweep_plan import Slot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROWS: Final = "sweep.jsonl"

_CHECK: Final = ',"check":"'
_CHECK_DIGITS: Final = 16
_CHECK_LENGTH: Final = len(_CHECK) + _CHECK_DIGITS + len('"}')
_NO_METRICS: Final = ("wall_s", "workers")
"""What has a column of its own, and what another cell has others of."""


@dataclass(frozen=True, slots=True)
class Row:
    """One run of a sweep, in figures.

    Attributes:
        cell: Place of its cell among the sweep's, from 0.
        repeat: Which repeat of the cell it is, from 0.
        seed: Of its draws.
        settings: Dotted path → value, which makes the cell.
        status: As in a summary; `refused` where it could not be started, `error` where mprun itself failed.
        exit_code: What it would have exited with alone.
        reason: Why it is not ok; None where it is.
        started: When, in ISO 8601.
        wall_s: How long it took, starting and storing included.
        plan_digest: Of what it ran; None where it could not be started.
        run: Its run directory, from the sweep's folder; None where it was not stored.
        bottleneck: Which side limits, in a sentence.
        expectations: As in a summary.
        metrics: Path in summary.json → figure, those of workers left out; None where it has no sample. Besides,
            `groups.<name>.utilization`: the mean over the group's workers.
    """

    cell: int
    repeat: int
    seed: int
    settings: Mapping[str, Any]
    status: str
    exit_code: int
    reason: str | None
    started: str
    wall_s: float
    plan_digest: str | None = None
    run: str | None = None
    bottleneck: str | None = None
    expectations: tuple[Mapping[str, Any], ...] = ()
    metrics: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def slot(self) -> Slot:
        """Which run of the sweep it is."""
        return Slot(self.cell, self.repeat)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, ready for JSON."""
        return {**asdict(self), "expectations": [dict(each) for each in self.expectations]}


def metrics_of(summary: Mapping[str, Any]) -> dict[str, float | None]:
    """The figures of a summary that can be bounded, by their paths; of workers the mean utilization of each group."""
    bounded = {key: below for key, below in METRICS.items() if key not in _NO_METRICS}
    return {**dict(_leaves(bounded, summary, "")), **_utilizations(summary)}


def _utilizations(summary: Mapping[str, Any]) -> dict[str, float | None]:
    found: dict[str, list[float]] = {}
    for name, worker in summary.get("workers", {}).items():
        if worker.get("utilization") is not None:
            found.setdefault(name.rpartition("-")[0], []).append(worker["utilization"])
    return {f"groups.{name}.utilization": fmean(values) for name, values in found.items()}


def is_share(metric: str) -> bool:
    """Whether a metric of a row is a share of 1."""
    return metric.startswith("groups.")


def is_time(metric: str) -> bool:
    """Whether a metric of a row is in seconds; raises BoundError where there is no such metric."""
    return not is_share(metric) and kind_of(metric) == SECONDS


def _leaves(tree: Mapping[str, Any], figures: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, float | None]]:
    for key in figures if ANY in tree else tree:
        below, value = tree[ANY if ANY in tree else key], figures.get(key)
        if isinstance(below, str):
            yield f"{prefix}{key}", value
        elif isinstance(value, dict):
            yield from _leaves(below, value, f"{prefix}{key}.")


class Rows:
    """Rows as they are read, each against its check.

    Attributes:
        last: The check of the last row; of the first row the one before is the sweep's digest.
        rows: In the order in which they were written.
        faults: What is not as mprun left it, a sentence each.
        size: Bytes of whole lines; what comes behind is torn.
    """

    def __init__(self, digest: str, slots: Iterable[Slot]) -> None:
        self._slots = set(slots)
        self.last = digest[:_CHECK_DIGITS]
        self.rows: list[Row] = []
        self.faults: list[str] = []
        self.size = 0

    def take(self, data: bytes) -> None:
        """Read all whole lines."""
        self.size = data.rfind(b"\n") + 1
        for number, line in enumerate(data[: self.size].splitlines(), 1):
            row, check = _row(line)
            if row is None or row.slot not in self._slots:
                self.faults.append(f"{ROWS}, line {number}: was changed by hand: no row of this sweep; it is left out")
            elif check != _check(self.last, line[:-_CHECK_LENGTH]):
                self.faults.append(f"{ROWS}, line {number}: this line or the one before was changed by hand")
            if row is not None and row.slot in self._slots:
                self._slots.discard(row.slot)
                self.rows.append(row)
            self.last = check or self.last


def _row(line: bytes) -> tuple[Row | None, str | None]:
    try:
        data = json.loads(line)
        check = data.pop("check")
        row = Row(**{**data, "expectations": tuple(data["expectations"])})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None, None
    return row, str(check)


def _check(before: str, body: bytes) -> str:
    """The check of a row: of its text without it, and of the check of the row before."""
    return hashlib.sha256(before.encode() + body).hexdigest()[:_CHECK_DIGITS]


def line_of(row: Row, before: str) -> tuple[bytes, str]:
    """A row as it is stored, and its check.

    Args:
        row: What is stored.
        before: The check of the row before.
    """
    body = json.dumps(row.to_dict(), ensure_ascii=False, separators=(",", ":"))[:-1].encode(errors="backslashreplace")
    check = _check(before, body)
    return body + f'{_CHECK}{check}"}}\n'.encode(), check


def columns(axes: Iterable[str], rows: Iterable[Row]) -> list[str]:
    """The columns of a sweep's table."""
    metrics = dict.fromkeys(path for row in rows for path in row.metrics)
    facts = ("cell", "repeat", "seed", "status", "exit_code", "reason", "unmet", "started", "wall_s", "run")
    return [*facts[:3], *(path for path in axes if path not in facts), *facts[3:], *metrics]


def fields(row: Row, names: Iterable[str]) -> list[str]:
    """What a row holds in these columns."""
    unmet = "; ".join(f"{each['metric']} {each['bound']}" for each in row.expectations if not each["met"])
    known = {**row.settings, **row.metrics, **row.to_dict(), "unmet": unmet}
    return [_text(known.get(name)) for name in names]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_csv(lines: Iterable[Iterable[str]]) -> str:
    """Lines of fields as CSV."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
