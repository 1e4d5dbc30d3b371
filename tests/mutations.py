"""Ways to falsify one thing in a log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from logs import text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from lines import Record

KEYS: dict[str, dict[str, type]] = {
    "run.start": {"schema": int, "queues": dict, "groups": dict},
    "worker.start": {"worker": str},
    "worker.died": {"worker": str},
    "worker.exit": {"worker": str},
    "put": {"worker": str, "queue": str, "id": str, "wait_ns": int},
    "get": {"worker": str, "queue": str, "id": str, "wait_ns": int, "latency_ns": int},
    "done": {"worker": str, "queue": str, "id": str, "service_ns": int},
    "redelivery": {"queue": str, "id": str, "delivery": int},
    "left": {"queue": str, "id": str},
    "failed": {"queue": str, "id": str},
    "lost": {"queue": str, "id": str},
    "run.end": {"status": str},
}
"""What each event must have."""

TEXT, NUMBER = (str, type(None)), (int, type(None))
FATE = {"delivery": (int,), "worker": TEXT, "why": TEXT}
OPTIONAL: dict[str, dict[str, tuple[type, ...]]] = {
    "run.start": {"seed": NUMBER, "warmup_ns": (int,)} | dict.fromkeys(
        ("run", "name", "engine", "start_method", "config_digest", "plan_digest"), TEXT
    ),
    "worker.start": {
        "group": TEXT, "role": TEXT, "incarnation": NUMBER, "pid": NUMBER,
        "node": TEXT, "clock_offset_ns": NUMBER, "clock_uncertainty_ns": NUMBER,
    },
    "worker.died": {"incarnation": NUMBER, "why": TEXT},
    "worker.exit": {"exit_code": NUMBER, "signal": (int, str, type(None))},
    "put": {"late_ns": NUMBER, "delivery": (int,), "recovered": (bool,)},
    "get": {"delivery": (int,)},
    "done": {"planned_ns": NUMBER, "delivery": (int,)},
    "redelivery": {"wait_ns": (int,), "from": TEXT},
    "left": FATE,
    "failed": FATE,
    "lost": FATE,
    "run.end": {"reason": TEXT, "totals": (dict,)},
}  # fmt: skip
"""What it may have; where that is there, it has its type. More keys have none."""


def parsed(text: str) -> list[Record] | None:
    """The records of a text, or None where some line is no event or the first no run.start."""
    records: list[Record] = []
    for line in text.splitlines():
        try:
            record = json.loads(line, object_pairs_hook=_Pairs)
        except ValueError:
            return None
        if not isinstance(record, _Pairs) or not _is_event(record):
            return None
        records.append(record)
    return records if records and records[0]["event"] == "run.start" and records[0]["schema"] == 1 else None


class _Pairs(dict[str, Any]):
    """An object that knows its keys with all their values, where one comes twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def _is_event(record: _Pairs) -> bool:
    if type(record.get("t_ns")) is not int or not isinstance(record.get("event"), str):
        return False
    needed = KEYS.get(record["event"])
    if needed is None:
        return True
    if len({value for key, value in record.pairs if key == "event"}) > 1:
        return False
    kinds = OPTIONAL[record["event"]] | {key: (kind,) for key, kind in needed.items()}
    pairs = [*record.pairs, *((key, record.get(key)) for key in needed)]
    return all((dict if isinstance(value, dict) else type(value)) in kinds[key] for key, value in pairs if key in kinds)


def drop(log: list[Record], k: int, random: Random) -> str:
    """Leave a line out."""
    return text_of(log[:k] + log[k + 1 :])


def duplicate(log: list[Record], k: int, random: Random) -> str:
    """Repeat a line, there or at another place."""
    at = random.choice((k, random.randrange(len(log) + 1)))
    return text_of([*log[:at], log[k], *log[at:]])


def swap(log: list[Record], k: int, random: Random) -> str:
    """Exchange two lines, or what two lines say, each staying at its time."""
    other = random.choice((min(k + 1, len(log) - 1), random.randrange(len(log))))
    one, two = log[k], log[other]
    if random.random() < 0.7:
        one, two = one | {"t_ns": two["t_ns"]}, two | {"t_ns": one["t_ns"]}
    changed = list(log)
    changed[k], changed[other] = two, one
    return text_of(changed)


def retype(log: list[Record], k: int, random: Random) -> str:
    """Make a line say that something else happened, or give a value another type."""
    record = dict(log[k])
    if random.random() < 0.7:
        record["event"] = random.choice([event for event in (*KEYS, "checkpoint") if event != record["event"]])
    else:
        key = random.choice(list(record))
        record[key] = random.choice(
            [value for value in (None, 1, "1", [1], True) if type(value) is not type(record[key])]
        )
    return text_of([*log[:k], record, *log[k + 1 :]])


def renumber(log: list[Record], k: int, random: Random) -> str:
    """Change one number of a line: an instant, a duration, a delivery, an incarnation, the seq of an id, a total."""
    record = dict(log[k])
    numbers = [
        key for key, value in record.items() if type(value) is int and key not in ("schema", "item", "pid", "seed")
    ]
    key = random.choice([*numbers, *(["id"] if "id" in record else []), *(["totals"] if "totals" in record else [])])
    if key == "id":
        stem, _, seq = record["id"].partition(":")
        record["id"] = f"{stem}:{random.choice([seq + '.0', str(random.randrange(9))])}"
    elif key == "totals":
        word = random.choice(list(record["totals"]))
        record["totals"] = record["totals"] | {word: record["totals"][word] + random.choice((-1, 1))}
    else:
        record[key] += random.choice((-1000, -3, -1, 1, 1, 2, 7, 1000))
    return text_of([*log[:k], record, *log[k + 1 :]])


def give_away(log: list[Record], k: int, random: Random) -> str:
    """Give a line another worker, queue or dead worker."""
    start = log[0]
    workers = [f"{name}-{n}" for name, group in start["groups"].items() for n in range(group["count"] + 1)]
    others: dict[str, list[Any]] = {
        "worker": [*workers, None], "queue": [*start["queues"], "elsewhere"], "from": [*workers, None]
    }  # fmt: skip
    record = dict(log[k])
    keys = [key for key in others if key in record]
    if not keys:
        return drop(log, k, random)
    key = random.choice(keys)
    record[key] = random.choice([value for value in others[key] if value != record[key]])
    return text_of([*log[:k], record, *log[k + 1 :]])


def merge(log: list[Record], k: int, random: Random) -> str:
    """Let two lines run into each other, or one be cut and go on as another."""
    lines = text_of(log).splitlines(keepends=True)
    first, second = lines[k], lines[min(k + 1, len(lines) - 1)]
    if random.random() < 0.5:
        joined = first.rstrip("\n") + second
    else:
        joined = first[: random.randrange(len(first))] + second[random.randrange(len(second)) :]
    return "".join([*lines[:k], joined, *lines[k + 2 :]])


MUTATIONS: tuple[Callable[[list[Record], int, Random], str], ...] = (
    drop, duplicate, swap, retype, renumber, give_away, merge,
)  # fmt: skip
