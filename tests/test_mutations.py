"""The audit against 1,000 good logs of all kinds, their beginnings, and logs in which one thing was falsified.

`rules` gives the second opinion on what is still legal and of which class the rest is. MPRUN_MUTATIONS says how many
falsified logs are judged.
"""

from __future__ import annotations

import os
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest
from lines import line
from logs import events_of, text_of
from mishaps import log_of, mishap
from mutations import MUTATIONS, parsed
from rules import broken

import runner
from runner.analysis.closing import close
from runner.analysis.ledger import Ledger
from runner.analysis.linearizability import FifoCheck
from runner.errors import LogError

if TYPE_CHECKING:
    from pathlib import Path

    from lines import Record

    from runner.analysis.violations import Verdict

GOOD_LOGS = 1_000
COUNT = int(os.environ.get("MPRUN_MUTATIONS") or 1_000)
BATCHES = 20


def verdict_of(text: str, path: Path) -> Verdict | None:
    """The verdict on a log; None where it is refused as no event log."""
    path.write_text(text)
    try:
        return runner.audit(path)
    except LogError:
        return None


@pytest.mark.parametrize("batch", range(BATCHES))
def test_good_logs_raise_no_alarm(batch: int, tmp_path: Path) -> None:
    for seed in range(batch, GOOD_LOGS, BATCHES):
        log = log_of(mishap(seed))
        assert broken(log) == set(), mishap(seed)
        verdict = verdict_of(text_of(log), tmp_path / "log")
        assert verdict is not None
        assert (verdict.valid, verdict.violations) == (True, ()), mishap(seed)


def test_good_logs_are_of_all_kinds() -> None:
    """Whatever may go wrong does, often enough."""
    seen: Counter[str] = Counter()
    for seed in range(GOOD_LOGS // 4):
        log = log_of(mishap(seed))
        seen.update(record["event"] for record in log)
        seen.update(f"delivery {record['delivery']}" for record in log if record["event"] == "redelivery")
        seen[f"ended {log[-1]['status']}"] += 1
        seen["recovered"] += sum("recovered" in record for record in log)
        seen["of nobody"] += sum(record["event"] == "redelivery" and record["from"] is None for record in log)
        gets = {(record["id"], record["delivery"]): k for k, record in enumerate(log) if record["event"] == "get"}
        again = [(k, record) for k, record in enumerate(log) if record["event"] == "redelivery"]
        seen["overtaken"] += sum(gets.get((record["id"], record["delivery"]), k) < k for k, record in again)
        seen["slipped"] += sum((record["id"], record["delivery"] - 1) not in gets for _, record in again)
    expected = {
        *("redelivery", "recovered", "of nobody", "overtaken", "slipped", "delivery 2", "delivery 3", "left", "failed"),
        *("worker.died", "worker.restart", "error", "ended completed", "ended failed", "ended interrupted"),
        "ended timeout",
    }
    assert {name for name, count in seen.items() if count >= 3} >= expected


@pytest.mark.parametrize("seed", range(COUNT // 100))
def test_a_good_log_cut_at_any_byte_of_its_last_records_is_not_called_invalid(seed: int, tmp_path: Path) -> None:
    text = text_of(log_of(mishap(seed)))
    whole = text.rindex("\n", 0, text.rindex("\n", 0, text.rindex("\n", 0, -1)))
    for cut in range(whole, len(text)):
        verdict = verdict_of(text[:cut], tmp_path / "log")
        assert verdict is not None
        assert (verdict.valid, verdict.violations) == ("unknown", ()), (seed, cut)


@pytest.mark.parametrize("seed", range(BATCHES))
def test_a_good_log_cut_after_any_record_is_unknown(seed: int, tmp_path: Path) -> None:
    log = log_of(mishap(seed))
    for kept in range(1, len(log)):
        verdict = verdict_of(text_of(log[:kept]), tmp_path / "log")
        assert verdict is not None
        assert (verdict.valid, verdict.violations) == ("unknown", ()), (seed, kept)


def cut_everywhere(log: list[Record], random: Random) -> list[Record]:
    """Return what journals hold when the supervisor is killed: all of the dead, and of the living not the last."""
    kept = log[: random.randrange(1, len(log))]
    lost: set[int] = set()
    for worker in {record["worker"] for record in kept if record["event"] == "worker.start"}:
        own = [(k, record["event"]) for k, record in enumerate(kept) if record.get("worker") == worker]
        last, event = [(k, event) for k, event in own if event.startswith("worker.")][-1]
        if event == "worker.start":
            acts = [k for k, event in own if k > last and event in ("put", "get", "done")]
            lost.update(acts[len(acts) - min(len(acts), random.randrange(3)) :])
    return [record for k, record in enumerate(kept) if k not in lost]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_journals_cut_at_any_instant_are_not_called_invalid(batch: int) -> None:
    for seed in range(batch, COUNT // 2, BATCHES):
        log = cut_everywhere(log_of(mishap(seed)), Random(seed))  # noqa: S311
        ledger, check = Ledger(), FifoCheck()
        ledger.feed(events_of(log))
        check.feed(events_of(log))
        verdict = close(ledger, "incomplete", check)
        assert (verdict.valid, verdict.violations) == ("unknown", ()), seed


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_falsified_log_is_caught_with_its_class_or_still_legal(batch: int, tmp_path: Path) -> None:
    for seed in range(batch, COUNT, BATCHES):
        random = Random(seed)  # noqa: S311
        log = log_of(mishap(seed % GOOD_LOGS))
        mutate = MUTATIONS[seed % len(MUTATIONS)]
        text = mutate(log, random.randrange(len(log)), random)
        verdict, records = verdict_of(text, tmp_path / "log"), parsed(text)
        if records is None:
            assert verdict is None or verdict.valid is not True, (seed, mutate.__name__)
            continue
        assert verdict is not None, (seed, mutate.__name__)
        classes = broken(records)
        complete = any(record["event"] == "run.end" for record in records)
        assert verdict.valid == (not classes if classes or complete else "unknown"), (seed, mutate.__name__, classes)
        assert not classes or classes & {each.kind for each in verdict.violations}, (seed, mutate.__name__, classes)


# --- the second opinion is one


@pytest.mark.parametrize(
    ("event", "changes", "kind"),
    [
        ("put", {"id": "p-9:0"}, "unexpected"),
        ("put", {"delivery": 2}, "duplicated"),
        ("get", {"latency_ns": 10**6}, "causality"),
        ("done", {"worker": "c-9"}, "unexpected"),
        ("done", {"event": "error"}, "lost"),
        ("run.end", {"totals": {"put": 0}}, "totals"),
    ],
)
def test_the_rules_know_what_is_wrong(event: str, changes: Record, kind: str) -> None:
    log = log_of(mishap(4))
    at = next(k for k, record in enumerate(log) if record["event"] == event)
    log[at] = log[at] | changes
    assert kind in broken(log)


def test_what_the_audit_does_not_know_is_legal() -> None:
    log = log_of(mishap(4))
    log.insert(-1, line("checkpoint", log[-1]["t_ns"], worker="c-0"))
    assert broken(log) == set()
