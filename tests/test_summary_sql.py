"""summary.json against an independent computation in SQL, by the definitions of docs/reference/summary.md.

The SQL knows neither the books nor the order of the log; what it shares with the summary is the log alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from running import execute

import runner
from runner.analysis import durations
from runner.analysis.analyse import analyse
from runner.config.load import loads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest.importorskip("duckdb")

CLOSED = """
producers: {p: {count: 2, items: 60, sleep: {distribution: exponential, mean: 2ms}}}
consumers: {c: {count: 2, sleep: {distribution: exponential, mean: 3ms}}}
"""
BOUNDED = """
queues: {main: {maxsize: 3}}
producers: {p: {count: 3, items: 40, sleep: 500us}}
consumers: {c: {count: 2, items: 45, sleep: {distribution: uniform, low: 1ms, high: 3ms}}}
"""
STAGES = """
queues: {a: {}, b: {maxsize: 4}, c: {}}
producers: {p: {count: 2, to: a, items: 40, sleep: 1ms}}
stages:
  s: {count: 2, from: a, to: b, sleep: {distribution: uniform, low: 1us, high: 2ms}}
  t: {from: b, to: c}
consumers: {d: {count: 2, from: c, sleep: {distribution: exponential, mean: 1ms}}}
"""
DEATHS = """
producers: {p: {count: 2, items: 30, sleep: 2ms}}
consumers: {c: {count: 2, sleep: 3ms}}
faults: [{kill: c-0, after: {gets: 5}}, {kill: c-1, after: {gets: 9}}, {kill: p-1, after: {puts: 7}}]
"""
BATCHES = """
queues: {main: {batch: 8, maxsize: 20}}
producers: {p: {count: 2, items: 100}}
consumers: {c: {count: 2, busy: {distribution: exponential, mean: 200us}}}
"""
LOGS: dict[str, Callable[[Path], runner.Result]] = {
    "closed": lambda folder: execute(CLOSED, folder).result,
    "bounded": lambda folder: runner.simulate(loads(BOUNDED), folder),
    "stages": lambda folder: execute(STAGES, folder).result,
    "deaths": lambda folder: execute(DEATHS, folder).result,
    "batches": lambda folder: execute(BATCHES, folder, engine="threads").result,
}

COUNTS = """
WITH roles AS (SELECT DISTINCT worker, role FROM events WHERE event = 'worker.start'),
     fates AS (SELECT DISTINCT queue, id FROM events WHERE event IN ('done', 'left', 'failed'))
SELECT
    (SELECT count(*) FROM events JOIN roles USING (worker) WHERE event = 'put' AND roles.role = 'producer') AS put,
    (SELECT count(*) FROM events JOIN roles USING (worker) WHERE event = 'get' AND roles.role = 'consumer') AS got,
    (SELECT count(*) FROM events JOIN roles USING (worker) WHERE event = 'done' AND roles.role = 'consumer') AS done,
    (SELECT count(*) FROM (SELECT DISTINCT queue, id FROM events WHERE event = 'put') ANTI JOIN fates USING (queue, id))
        AS lost,
    (SELECT count(*) FROM events WHERE event = 'left') AS "left",
    (SELECT count(*) FROM events WHERE event = 'redelivery') AS redelivered,
    (SELECT count(*) FROM events WHERE event = 'failed') AS failed,
    (SELECT max(t_ns) / 1e9 FROM events WHERE event IN ('put', 'get', 'done') AND recovered IS NULL) AS makespan_s
"""
SPREAD = """
SELECT count(ns), avg(ns) / 1e9, quantile_cont(ns, 0.5) / 1e9, quantile_cont(ns, 0.9) / 1e9,
       quantile_cont(ns, 0.95) / 1e9, quantile_cont(ns, 0.99) / 1e9, max(ns) / 1e9
FROM (
"""
DURATIONS = {
    "latency": "SELECT latency_ns AS ns FROM events WHERE event = 'get'",
    "wait_put": "SELECT wait_ns AS ns FROM events WHERE event = 'put' AND recovered IS NULL",
    "wait_get": "SELECT wait_ns AS ns FROM events WHERE event = 'get'",
    "service": "SELECT service_ns AS ns FROM events WHERE event = 'done'",
    "lateness": "SELECT late_ns AS ns FROM events WHERE event = 'put' AND late_ns IS NOT NULL",
    "sojourn": """
        SELECT done.t_ns - born.t_ns AS ns
        FROM (FROM events WHERE event = 'done') done
        JOIN (SELECT DISTINCT worker FROM events WHERE event = 'worker.start' AND role = 'consumer') USING (worker)
        JOIN (SELECT id, t_ns - wait_ns AS t_ns FROM events
              WHERE event = 'put' AND worker = regexp_replace(id, ':.*', '')) born
          ON born.id = regexp_replace(done.id, '\\..*', '')
    """,
}
QUEUES = """
WITH run AS (SELECT max(t_ns) AS ns FROM events WHERE event IN ('put', 'get', 'done') AND recovered IS NULL),
     came AS (SELECT queue, id, delivery, t_ns FROM events WHERE event IN ('put', 'redelivery')),
     got AS (SELECT queue, id, delivery, t_ns FROM events WHERE event = 'get'),
     stays AS (SELECT queue, greatest(0, coalesce(got.t_ns, run.ns) - came.t_ns) AS ns
               FROM run, came LEFT JOIN got USING (queue, id, delivery)),
     steps AS (
         SELECT queue, t_ns AS instant, 1 AS step FROM came
         UNION ALL SELECT queue, t_ns - wait_ns, -1 FROM events WHERE event = 'get'
     ),
     held AS (SELECT queue, step, sum(step) OVER (PARTITION BY queue ORDER BY instant, step) AS depth FROM steps)
SELECT queue, (SELECT max(depth) FROM held WHERE held.queue = stays.queue AND step = 1) AS max_depth,
       sum(stays.ns) / any_value(run.ns) AS mean_depth
FROM stays, run
GROUP BY queue
"""
WORKERS = """
WITH run AS (SELECT max(t_ns) AS ns FROM events WHERE event IN ('put', 'get', 'done') AND recovered IS NULL),
     lives AS (SELECT worker, max(role) AS role, max(incarnation) AS incarnations FROM events
               WHERE event = 'worker.start' GROUP BY worker),
     waits AS (SELECT worker, sum(wait_ns) FILTER (event = 'put') AS puts_ns,
                      sum(wait_ns) FILTER (event = 'get') AS gets_ns
               FROM (SELECT DISTINCT worker, event, t_ns, wait_ns FROM events
                     WHERE event IN ('put', 'get') AND recovered IS NULL) GROUP BY worker)
SELECT lives.worker, lives.role,
       count(*) FILTER (event = 'put') AS puts, count(*) FILTER (event = 'get') AS gets,
       count(*) FILTER (event = 'done') AS done,
       coalesce(sum(service_ns), 0) / 1e9 AS busy_s,
       coalesce(any_value(waits.puts_ns), 0) / 1e9 AS wait_put_s,
       coalesce(any_value(waits.gets_ns), 0) / 1e9 AS wait_get_s,
       CASE WHEN lives.role != 'producer' THEN coalesce(sum(service_ns), 0) / any_value(run.ns) END AS utilization,
       lives.incarnations
FROM run, lives LEFT JOIN (FROM events WHERE event IN ('put', 'get', 'done')) e USING (worker)
LEFT JOIN waits USING (worker)
GROUP BY lives.worker, lives.role, lives.incarnations
"""


FAIRNESS = """
WITH readers AS (SELECT DISTINCT worker, regexp_replace(worker, '-[0-9]+$', '') AS reads FROM events
                 WHERE event = 'worker.start' AND role != 'producer'),
     places AS (SELECT DISTINCT regexp_replace(worker, '-[0-9]+$', '') AS reads, queue FROM events
                WHERE event = 'done'),
     did AS (SELECT worker, count(*) AS done FROM events WHERE event = 'done' GROUP BY worker)
SELECT queue, sum(coalesce(done, 0)) ** 2 / (count(*) * sum(coalesce(done, 0) ** 2))
FROM readers JOIN places USING (reads) LEFT JOIN did USING (worker)
GROUP BY queue
"""


@pytest.fixture(scope="module", params=LOGS)
def result(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> runner.Result:
    found = LOGS[request.param](tmp_path_factory.mktemp("sql"))
    assert found.exit_code == 0
    return found


def asked(result: runner.Result, query: str) -> list[tuple[Any, ...]]:
    found = runner.events(result.run_dir).query("events", query)
    assert found is not None
    rows: list[tuple[Any, ...]] = found.fetchall()
    return rows


def near(spread: dict[str, Any]) -> Any:
    """What a row must be to hold a spread of the summary; without samples everything but the count is None."""
    values = tuple(spread.values())
    return pytest.approx(values, rel=1e-9) if spread["count"] else values


@pytest.mark.process
def test_counts_are_exact(result: runner.Result) -> None:
    summary = result.summary
    (row,) = asked(result, COUNTS)
    keys = ("put", "got", "done", "lost", "left", "redelivered", "failed")
    assert row[:-1] == tuple(summary["items"][key] for key in keys)
    assert row[-1] == pytest.approx(summary["makespan_s"], rel=1e-12)
    assert summary["items"]["done"] / row[-1] == pytest.approx(summary["throughput"], rel=1e-12)


@pytest.mark.process
@pytest.mark.parametrize("figure", DURATIONS)
def test_durations_are_exact(result: runner.Result, figure: str) -> None:
    (row,) = asked(result, f"{SPREAD} {DURATIONS[figure]})")
    assert row == near(result.summary[figure])


@pytest.mark.process
def test_durations_beyond_those_that_are_kept_are_within_one_percent(
    result: runner.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durations, "EXACT", 10)
    sketched = analyse(result.run_dir / "events.jsonl")[0].to_dict()
    for figure, query in DURATIONS.items():
        (row,) = asked(result, f"{SPREAD} {query})")
        values = tuple(sketched[figure].values())
        assert row == (pytest.approx(values, rel=0.01) if row[0] else values)
        assert (row[0], row[-1]) == (values[0], values[-1])


@pytest.mark.process
def test_queues(result: runner.Result) -> None:
    rows = {row[0]: row[1:] for row in asked(result, QUEUES)}
    found = {name: (q["max_depth"], q["mean_depth"]) for name, q in result.summary["queues"].items()}
    assert rows == {name: pytest.approx(figures, rel=1e-9) for name, figures in found.items()}
    for name, queue in result.summary["queues"].items():
        latency = f"{DURATIONS['latency']} AND queue = '{name}'"
        (row,) = asked(result, f"{SPREAD} {latency})")
        assert row == near(queue["latency"])


@pytest.mark.process
def test_fairness(result: runner.Result) -> None:
    found = {name: queue["fairness"] for name, queue in result.summary["queues"].items()}
    assert dict(asked(result, FAIRNESS)) == pytest.approx(found, rel=1e-12)


@pytest.mark.process
def test_workers(result: runner.Result) -> None:
    keys = ("role", "puts", "gets", "done", "busy_s", "wait_put_s", "wait_get_s", "utilization", "incarnations")
    rows = {row[0]: row[1:] for row in asked(result, WORKERS)}
    assert rows.keys() == result.summary["workers"].keys()
    for name, worker in result.summary["workers"].items():
        for key, value in zip(keys, rows[name], strict=True):
            assert value == (pytest.approx(worker[key], rel=1e-9) if isinstance(value, float) else worker[key]), (
                name,
                key,
            )
