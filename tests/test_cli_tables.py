"""The tables at a run's end."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from runner.cli.tables import closing, show, verdict


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
        "workers": workers, "audit": {"valid": True, "violations": 0},
    }  # fmt: skip


def drawn(content: dict[str, Any]) -> list[str]:
    console = Console(file=StringIO(), width=140)
    show(closing(content), console)
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_only_what_happened_is_shown() -> None:
    lines = drawn(
        summary({"make-0": worker("producer", puts=10), "take-0": worker("consumer", done=9, utilization=0.5)})
    )
    assert lines[0] == "ok (exit 0), audit valid, seed 1, makespan 2.00 s, 5.00 items/s"
    text = "\n".join(lines)
    assert [line.split() for line in lines if "left" in line] == [["items", "planned", "put", "got", "done", "left"]]
    assert [line.split() for line in lines if line.startswith("       ")] == [["-", "10", "10", "9", "1"]]
    assert "lateness" not in text
    assert "wait of gets" not in text
    assert any(line.split()[:2] == ["take-0", "consumer"] and "50 %" in line for line in lines)


def test_many_workers_are_shown_by_group() -> None:
    workers = {f"make-{k}": worker("producer", puts=2) for k in range(10)}
    workers |= {f"take-{k}": worker("consumer", done=2, utilization=k / 10, exit_code=int(k == 0)) for k in range(10)}
    lines = drawn(summary(workers))
    assert not any(line.startswith("make-0") for line in lines)
    rows = {line.split()[0]: line.split() for line in lines if line.startswith(("make", "take"))}
    assert rows["make"][:4] == ["make", "producer", "10", "20"]
    assert rows["take"][-3:] == ["45", "%", "1"]


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
