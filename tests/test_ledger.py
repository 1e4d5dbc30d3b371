"""The books are the same however many events are fed at once, as where a get and its done are booked in one go."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from logs import events_of
from mishaps import log_of, mishap
from mutations import MUTATIONS, parsed

from runner.analysis.closing import close
from runner.analysis.ledger import Ledger
from runner.analysis.summary import figures

if TYPE_CHECKING:
    from lines import Record

    from runner.log.events import Event

LOGS = 600
PARTS = 6


def hastened(log: list[Record]) -> list[Record]:
    """A log whose consumers do each item as they get it, in no time; a stage takes the time it took."""
    gets = {(r["worker"], r["queue"], r["id"], r.get("delivery")): k for k, r in enumerate(log) if r["event"] == "get"}
    moved: dict[int, Record] = {}
    left = []
    for place, record in enumerate(log):
        key = tuple(record.get(name) for name in ("worker", "queue", "id", "delivery"))
        if record["event"] == "done" and record["worker"].startswith("c") and gets.get(key, place) < place:  # type: ignore[arg-type]
            moved[gets[key]] = {**record, "t_ns": log[gets[key]]["t_ns"], "service_ns": 0}  # type: ignore[index]
        else:
            left.append(place)
    return [each for place in left for each in (log[place], moved.get(place)) if each is not None]


def booked(events: list[Event], at_once: int) -> tuple[Any, ...]:
    ledger = Ledger()
    for place in range(0, len(events), at_once):
        ledger.feed(events[place : place + at_once])
    verdict = close(ledger)
    return verdict, figures(ledger, verdict).to_dict(), ledger.violations.verdict(None, verdict.counts)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_get_and_its_done_in_one_go_are_booked_as_one_after_the_other(part: int) -> None:
    """In good logs and in falsified ones: then what is wrong is found in the same place and the same words."""
    taken: Counter[bool] = Counter()
    quick = Ledger._get_done

    def counted(*arguments: Any) -> bool:
        booked_both = quick(*arguments)
        taken[booked_both] += 1
        return booked_both

    for seed in range(part, LOGS, PARTS):
        random = Random(seed)  # noqa: S311 - repeatable, not secret
        log: list[Record] | None = hastened(log_of(mishap(seed)))
        assert log is not None
        if seed % 3:
            log = parsed(MUTATIONS[seed % len(MUTATIONS)](log, random.randrange(len(log)), random))
        if log is None or log[0]["event"] != "run.start":
            continue
        events = events_of(log)
        with mock.patch.object(Ledger, "_get_done", counted):
            together = booked(events, len(events))
        assert together == booked(events, 1), seed
        assert together == booked(events, 1 + seed % 7), seed
    assert taken[True] > 100
    assert taken[False] > 10
