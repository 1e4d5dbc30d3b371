"""The tables at a run's end."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

from rich.console import Console

from runner.cli.tables import closing, drawn, table, verdict


def spread(count: int, seconds: float | None) -> dict[str, Any]:
    return {"count": count, **dict.fromkeys(("mean", "p50", "p90", "p95", "p99", "max"), seconds)}


def worker(role: str, **changes: Any) -> dict[str, Any]:
    return {
        "role": role, "puts": 0, "gets": 0, "done": 0, "busy_s": 0.0, "wait_s": 0.0, "sleep_s": 0.0,
        "utilization": None, "incarnations": 1, "exit_code": 0, **changes,
    }  # fmt: skip


def summary(workers: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": "ok", "exit_code": 0, "seed": 1, "makespan_s": 2.0, "throughput": 5.0,
        "items": {"planned": None, "put": 10, "got": 10, "done": 9, "lost": 0, "duplicated": 0, "left": 1,
                  "redelivered": 0, "failed": 0},
        "latency": spread(10, 0.001), "wait_put": spread(10, 0.0001), "wait_get": spread(0, None),
        "service": spread(9, 1.5), "lateness": spread(0, None), "sojourn": spread(9, 2.0),
        "queues": {"main": {"max_depth": 3, "mean_depth": 0.5, "latency": spread(10, 0.001)}},
        "workers": workers, "audit": {"valid": True, "violations": 0}, "bottleneck": "limited by c: busy 98 %",
    }  # fmt: skip


def lines_of(content: dict[str, Any], width: int = 140) -> list[str]:
    text = drawn(closing(content), Console(file=StringIO(), width=width))
    return [line.rstrip() for line in text.splitlines()]


def test_only_what_happened_is_shown() -> None:
    lines = lines_of(
        summary({"make-0": worker("producer", puts=10), "take-0": worker("consumer", done=9, utilization=0.5)})
    )
    assert lines[0] == "ok (exit 0), audit valid, seed 1, makespan 2.00 s, 5.00 items/s"
    text = "\n".join(lines)
    assert [line.split() for line in lines if "left" in line] == [["items", "planned", "put", "got", "done", "left"]]
    assert [line.split() for line in lines if line.startswith("       ")] == [["-", "10", "10", "9", "1"]]
    assert "lateness" not in text
    assert "wait of gets" not in text
    assert any(line.split()[:2] == ["take-0", "consumer"] and "50 %" in line for line in lines)


def test_lives_are_counted_where_somebody_had_several() -> None:
    workers = {"make-0": worker("producer", puts=10), "take-0": worker("consumer", done=9, exit_code=-9)}
    assert not any("lives" in line for line in lines_of(summary(workers)))
    workers["take-0"]["incarnations"] = 3
    rows = [line.split() for line in lines_of(summary(workers)) if line.startswith(("worker", "make", "take"))]
    assert [row[-2:] for row in rows] == [["exit", "lives"], ["0", "1"], ["-9", "3"]]


def test_many_workers_are_shown_by_group() -> None:
    workers = {f"make-{k}": worker("producer", puts=2) for k in range(10)}
    workers |= {f"take-{k}": worker("consumer", done=2, utilization=k / 10, exit_code=int(k == 0)) for k in range(10)}
    lines = lines_of(summary(workers))
    assert not any(line.startswith("make-0") for line in lines)
    rows = {line.split()[0]: line.split() for line in lines if line.startswith(("make", "take"))}
    assert rows["make"][:4] == ["make", "producer", "10", "20"]
    assert rows["take"][-3:] == ["45", "%", "1"]


def test_fairness_is_shown_where_a_queue_has_several_readers() -> None:
    workers = {"make-0": worker("producer", puts=10), "take-0": worker("consumer", done=9)}
    assert not any("fairness" in line for line in lines_of(summary(workers)))
    content = summary(workers | {"take-1": worker("consumer", done=1)})
    content["queues"]["main"]["fairness"] = 100 / 164
    rows = [line.split() for line in lines_of(content) if line.startswith(("queue", "main"))]
    assert [row[-1] for row in rows] == ["fairness", "0.61"]
    del content["queues"]["main"]["fairness"]  # stored by an earlier version
    assert [line.split()[-1] for line in lines_of(content) if line.startswith("main")] == ["-"]


def test_the_tables_fit_a_terminal_of_80_columns() -> None:
    workers = {"produce-12": worker("producer", puts=1000, sleep_s=123.0, wait_s=0.123)}
    workers |= {"consume-12": worker("consumer", gets=1000, done=1000, busy_s=0.123, utilization=1.0, exit_code=-9)}
    lines = lines_of(summary(workers), 80)
    assert max(map(len, lines)) <= 80
    assert lines == lines_of(summary(workers))


def test_a_table_that_does_not_fit_is_broader_rather_than_cut() -> None:
    columns = ["queue", "kind", "per worker", "p99", *(f"figure {k}" for k in range(9))]
    row = ["a-long-name-of-a-queue", "multiprocessing.Queue", "1", "12.3 ms", *("1,000,000" for _ in range(9))]
    text = drawn([table(columns, [row], texts=2)], Console(file=StringIO(), width=40))
    head, _, body = text.splitlines()
    assert re.split(r"\s{2,}", head) == columns
    assert re.split(r"\s{2,}", body) == row


def test_verdicts_in_words() -> None:
    told = [
        verdict({"valid": valid, "violations": n}) for valid, n in ((True, 0), (False, 1), (False, 2), ("unknown", 0))
    ]
    assert told == [
        "audit valid",
        "audit not valid: 1 violation",
        "audit not valid: 2 violations",
        "audit unknown: the log is incomplete",
    ]
