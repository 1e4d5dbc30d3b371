"""Whether a bounded queue keeps its bound while workers die, and is soon as large again as it was: from the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chaos.fates import Fault, Wrong
from chaos.oracle import read
from chaos.trial import Kill, Trial

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

REGAINED_WITHIN_NS: Final = 1_000_000_000


def trial(maxsize: int, kills: int, chance: random.Random, method: str = "fork") -> Trial:
    """Producers that always wait for room, slow consumers, and a death every now and then."""
    every = 0.2 if method == "fork" else 0.4
    instants = [every * (number + chance.random()) for number in range(kills)]
    consumer = {"distribution": "uniform", "low": 0.002, "high": 0.004}
    seconds = every * kills + 1.5
    return Trial(
        f"maxsize-{maxsize}-{method}",
        method=method,
        maxsize=maxsize,
        items=int(seconds / 0.003),
        slow=False,
        texts=chance.random() < 0.5,
        service=consumer,
        kills=tuple(Kill("run", instant, 1) for instant in instants),
    )


def judge(maxsize: int, path: Path) -> Iterator[Fault]:
    """Judge a log with one queue."""
    events = read(path)
    depths = _depths(events)
    deepest = max(depth for _, depth in depths)
    if deepest > maxsize:
        yield Fault(Wrong.RECORD, f"{deepest} items in a queue of {maxsize}")
    full = [instant for instant, depth in depths if depth == maxsize]
    last_put = max(event["t_ns"] for event in events if event["event"] == "put")
    for event in events:
        died = event["t_ns"]
        if event["event"] != "worker.died" or died + REGAINED_WITHIN_NS > last_put:
            continue
        if not any(died < instant <= died + REGAINED_WITHIN_NS for instant in full):
            yield Fault(Wrong.RECORD, f"not {maxsize} items within 1 s of the death at {died}: {event['why']}")


def deaths(path: Path) -> int:
    """After how many deaths the queue has to be as large again."""
    events = read(path)
    last_put = max(event["t_ns"] for event in events if event["event"] == "put")
    died = [event["t_ns"] for event in events if event["event"] == "worker.died"]
    return sum(instant + REGAINED_WITHIN_NS <= last_put for instant in died)


def _depths(events: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """(instant, items that were then in the queue for certain): puts returned minus gets begun.

    What a dead reader got and could not log, and what a dead writer put and could not log, left or entered at an
    instant that nobody knows: such a delivery is not counted at all.
    """
    got = {(e["id"], e["delivery"]): e["t_ns"] - e["wait_ns"] for e in events if e["event"] == "get"}
    changes: list[tuple[int, int]] = []
    for event in events:
        if event["event"] in {"put", "redelivery"} and not event.get("recovered"):
            key = (event["id"], event["delivery"])
            if key in got:
                changes += [(event["t_ns"], 1), (got[key], -1)]
    depth, depths = 0, []
    for instant, change in sorted(changes):  # of two at the same instant the get comes first
        depth += change
        depths.append((instant, depth))
    return depths
