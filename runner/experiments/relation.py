"""A log as a table: a DuckDB relation over the event log, to be asked in SQL."""

from __future__ import annotations

import re
import warnings
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import msgspec

from runner.log import salvage, tolerant
from runner.log.events import SCHEMA
from runner.log.rundir import find

if TYPE_CHECKING:
    import duckdb

COLUMNS: Final = {
    "event": "VARCHAR", "level": "VARCHAR", "timestamp": "TIMESTAMP", "t_ns": "BIGINT",
    "worker": "VARCHAR", "queue": "VARCHAR", "id": "VARCHAR", "item": "JSON", "item_bytes": "BIGINT",
    "wait_ns": "BIGINT", "late_ns": "BIGINT", "latency_ns": "BIGINT", "service_ns": "BIGINT", "planned_ns": "BIGINT",
    "delivery": "INTEGER", "recovered": "BOOLEAN", "from": "VARCHAR", "why": "VARCHAR",
    "group": "VARCHAR", "role": "VARCHAR", "incarnation": "INTEGER", "pid": "BIGINT", "exit_code": "INTEGER",
    "signal": "VARCHAR", "puts": "BIGINT", "gets": "BIGINT",
    "act": "VARCHAR", "after": "JSON", "for_ns": "BIGINT", "workers": "JSON",
    "metric": "VARCHAR", "value": "DOUBLE", "within": "DOUBLE", "over_s": "DOUBLE",
    "run": "VARCHAR", "name": "VARCHAR", "seed": "HUGEINT", "engine": "VARCHAR", "start_method": "VARCHAR",
    "config_digest": "VARCHAR", "plan_digest": "VARCHAR", "schema": "INTEGER",
    "warmup_ns": "BIGINT", "queues": "JSON", "groups": "JSON",
    "status": "VARCHAR", "reason": "VARCHAR", "totals": "JSON",
}  # fmt: skip
"""Of the table, with DuckDB's types; a key that an event does not have is NULL."""
_WHOLE: Final = "event IS NOT NULL AND t_ns IS NOT NULL"


def events(run: str | Path | None = None, out: str | Path = "runs") -> duckdb.DuckDBPyRelation:
    """A run's events as a DuckDB relation, in DuckDB's default connection: a row for each, in the order of the log.

    The log is read when the relation is asked, not kept. Of a run that goes on, or whose supervisor was killed, the
    journals are read, once and now, into a temporary table; there `item`, `level` and `timestamp` are NULL.

    Args:
        run: A run directory, its name in `out`, or an `events.jsonl`; the latest run by default.
        out: Where run directories are looked for by name.

    Returns:
        With the columns of `docs/reference/events.md`: instants and durations are BIGINT nanoseconds, `timestamp` is
        UTC, nested values are JSON. A line that is no event is left out, with a warning that names it.

    Raises:
        ImportError: DuckDB is not installed.
        LogError: There is no event log.
    """
    if not _is_installed():
        raise ImportError("runner.events needs DuckDB; pip install 'mprun[analysis]'", name="duckdb")
    named = None if run is None else str(run)
    log = Path(named) if named is not None and Path(named).is_file() else find(named, Path(out)).log
    if log.is_dir():
        warnings.warn(f"{log}: {salvage.INCOMPLETE}", stacklevel=2)
        return _salvaged(log)
    found = _relation(log)
    if _is_doubtful(found):
        troubles = tolerant.Troubles()
        for _ in tolerant.read_chunks(log, troubles, headless=True):
            pass
        warnings.warn("\n".join(f"{log}: {trouble}" for trouble in troubles.lines()), stacklevel=2)
    return found.filter(_WHOLE)


def _relation(log: Path) -> duckdb.DuckDBPyRelation:
    import duckdb

    # In a path DuckDB takes these for patterns.
    literal = re.sub(r"[*?\[]", r"[\g<0>]", str(log))
    return duckdb.read_json(literal, format="newline_delimited", ignore_errors=True, columns=COLUMNS)


def _is_doubtful(found: duckdb.DuckDBPyRelation) -> bool:
    """Whether there is a line that is no event, another schema, or no end."""
    doubts = f"""
        count(*) FILTER (NOT ({_WHOLE})) > 0
        OR count(*) FILTER (event = 'run.start' AND schema = {SCHEMA}) = 0
        OR count(*) FILTER (event = 'run.end') = 0
    """
    return bool(found.aggregate(doubts).fetchall()[0][0])


def _salvaged(folder: Path) -> duckdb.DuckDBPyRelation:
    """What the journals hold, as a table of its own."""
    import duckdb

    name = f"mprun_{uuid4().hex}"
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "events.jsonl"
        encoder = msgspec.json.Encoder()
        with path.open("wb") as file:
            for chunk in salvage.read_chunks(folder):
                file.writelines(encoder.encode(event) + b"\n" for event in chunk)
        _relation(path).filter(_WHOLE).create(name)
    return duckdb.table(name)


def _is_installed() -> bool:
    try:
        return find_spec("duckdb") is not None
    except ValueError:  # it was kept from being imported
        return False
