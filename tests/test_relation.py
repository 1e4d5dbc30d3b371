"""A log as a DuckDB relation, and the queries of the docs: their figures are the summary's."""

from __future__ import annotations

import re
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest
from running import ROOT, execute, started, until

import runner
from runner.config.load import loads
from runner.errors import LogError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

duckdb = pytest.importorskip("duckdb")

PAGE = ROOT / "docs" / "how-to" / "query-a-log.md"
QUERIES = dict(re.findall(r"^```sql\n-- (\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))
TEXT = """
producers: {p: {count: 2, items: 40, sleep: {distribution: exponential, mean: 2ms}}}
consumers: {c: {count: 2, sleep: {distribution: exponential, mean: 3ms}}}
"""
STAGES = """
queues: {a: {}, b: {maxsize: 4}}
producers: {p: {count: 2, to: a, items: 40, sleep: {distribution: exponential, mean: 2ms}}}
stages: {s: {from: a, to: b, sleep: {distribution: uniform, low: 1us, high: 1ms}}}
consumers: {c: {count: 2, from: b, sleep: {distribution: exponential, mean: 3ms}}}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, runner.Result]:
    """A real run, a simulated one, and one with a stage."""
    folder = tmp_path_factory.mktemp("relation")
    return {
        "real": execute(TEXT, folder).result,
        "simulated": runner.simulate(loads(TEXT), folder / "runs"),
        "stages": runner.simulate(loads(STAGES), folder / "runs"),
    }


def asked(result: runner.Result, query: str) -> list[tuple[Any, ...]]:
    found = runner.events(result.run_dir).query("events", query)
    assert found is not None
    rows: list[tuple[Any, ...]] = found.fetchall()
    return rows


def near(value: object) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-12)


def workers(rows: list[tuple[Any, ...]], summary: dict[str, Any]) -> None:
    found = {name: (w["done"], w["busy_s"], w["utilization"]) for name, w in summary["workers"].items() if w["done"]}
    assert {row[0]: row[1:] for row in rows} == {name: near(figures) for name, figures in found.items()}


def latency(rows: list[tuple[Any, ...]], summary: dict[str, Any]) -> None:
    keys = ("count", "mean", "p50", "p99", "max")
    found = {name: tuple(queue["latency"][key] for key in keys) for name, queue in summary["queues"].items()}
    assert {row[0]: row[1:] for row in rows} == {name: near(figures) for name, figures in found.items()}


def longest(rows: list[tuple[Any, ...]], summary: dict[str, Any]) -> None:
    assert len(rows) == 5
    assert rows[0][2] / 1e3 == near(summary["latency"]["max"])


def life(rows: list[tuple[Any, ...]], summary: dict[str, Any]) -> None:
    stages = len(summary["queues"])
    assert sorted(row[1] for row in rows) == sorted(["put", "get", "done"] * stages)


def throughput(rows: list[tuple[Any, ...]], summary: dict[str, Any]) -> None:
    assert sum(row[1] for row in rows) == summary["items"]["done"]
    assert sum(row[2] for row in rows) / 20 == near(summary["throughput"])


def depth(rows: list[tuple[Any, ...]], summary: dict[str, Any]) -> None:
    assert dict(rows) == near({name: queue["mean_depth"] for name, queue in summary["queues"].items()})


def blocked(rows: list[tuple[Any, ...]], summary: dict[str, Any]) -> None:
    found = {(row[0], row[1]): row[2] for row in rows}
    for name, worker in summary["workers"].items():
        for event, key in (("put", "wait_put_s"), ("get", "wait_get_s")):
            assert found.get((name, event), 0) == near(worker[key])


def oversleeping(rows: list[tuple[Any, ...]], summary: dict[str, Any]) -> None:
    done = sum(worker["done"] for worker in summary["workers"].values())
    assert sum(row[1] for row in rows) == done
    assert all(row[2] == 0 for row in rows) == (summary["engine"] == "simulation")


def sojourn(rows: list[tuple[Any, ...]], summary: dict[str, Any]) -> None:
    assert rows[0] == near(tuple(summary["sojourn"][key] for key in ("count", "mean", "p90")))


def ends(rows: list[tuple[Any, ...]], summary: dict[str, Any]) -> None:
    assert rows == [(name, "done", 80) for name in summary["queues"]]


CHECKS: list[Callable[[list[tuple[Any, ...]], dict[str, Any]], None]] = [
    workers, latency, longest, life, throughput, depth, blocked, oversleeping, sojourn, ends
]  # fmt: skip


def test_the_page_has_ten_queries_and_each_is_checked() -> None:
    assert list(QUERIES) == [check.__name__ for check in CHECKS]


@pytest.mark.process
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", ["real", "simulated", "stages"])
def test_the_queries_of_the_page_give_the_summarys_figures(
    runs: dict[str, runner.Result], kind: str, check: Callable[[list[tuple[Any, ...]], dict[str, Any]], None]
) -> None:
    rows = asked(runs[kind], QUERIES[check.__name__])
    assert rows
    check(rows, dict(runs[kind].summary))


@pytest.mark.process
def test_every_key_of_every_event_is_a_column(runs: dict[str, runner.Result]) -> None:
    for result in runs.values():
        columns = set(runner.events(result.run_dir).columns)
        assert {key for event in result.events() for key in event} <= columns


@pytest.mark.process
def test_rows_are_the_events_in_their_order(runs: dict[str, runner.Result]) -> None:
    for result in runs.values():
        rows = asked(result, "SELECT event, t_ns, worker, id FROM events")
        assert rows == [(e["event"], e["t_ns"], e.get("worker"), e.get("id")) for e in result.events()]


def test_a_log_that_was_cut_off_or_has_a_broken_line_is_read_all_the_same(
    runs: dict[str, runner.Result], tmp_path: Path
) -> None:
    lines = (runs["simulated"].run_dir / "events.jsonl").read_bytes().splitlines(keepends=True)
    log = tmp_path / "[odd]*.jsonl"
    log.write_bytes(b"".join([*lines[:50], b"{broken\n", *lines[50:100], lines[100][:20]]))
    with pytest.warns(UserWarning, match=r"line 51: is no event(.|\n)*line 102: torn(.|\n)*incomplete"):
        events = runner.events(log)
    assert events.aggregate("count(*)").fetchall() == [(100,)]


def test_a_run_is_named_as_elsewhere(runs: dict[str, runner.Result]) -> None:
    last = runs["stages"].run_dir
    for name in (None, last.name, "latest", last, last / "events.jsonl"):
        found = runner.events(name, out=last.parent).filter("event = 'run.start'").project("run").fetchall()
        assert found == [(last.name,)]
    with pytest.raises(LogError, match="no such run directory"):
        runner.events("none")


@pytest.mark.process
def test_the_journals_of_a_run_that_goes_on_are_read(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_text("duration: 1m\nproducers: {p: {sleep: 1ms}}\nconsumers: {c: {sleep: 1ms}}")
    process = started("-m", "runner", "long.yaml", "--log", "none", cwd=tmp_path)

    def counted() -> dict[str, int]:
        if not any(tmp_path.glob("runs/latest/journals/*.journal")):
            return {}
        with pytest.warns(UserWarning, match="incomplete: read from the journals"):
            return dict(runner.events(out=tmp_path / "runs").aggregate("event, count(*)").fetchall())

    try:
        until(lambda: counted().get("done", 0) > 10)
        assert counted()["run.start"] == 1
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_without_duckdb_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ImportError, match=r"pip install 'mprun\[analysis\]'"):
        runner.events(tmp_path)


def test_events_of_a_result_come_one_by_one(runs: dict[str, runner.Result], tmp_path: Path) -> None:
    """Not a list: the first is there before the rest of the file is read."""
    moved = tmp_path / "run"
    shutil.copytree(runs["simulated"].run_dir, moved)
    with (moved / "events.jsonl").open("a") as file:
        file.write("no event\n" * 100_000)
    events = runner.Result(moved, {}, 0, runs["simulated"].verdict).events()
    assert next(events)["event"] == "run.start"
    with pytest.raises(LogError, match=r"events.jsonl:\d+: is no event"):
        list(events)
