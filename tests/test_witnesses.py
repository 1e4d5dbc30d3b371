"""A put that its dead writer did not come to log is known by who got the item."""

from __future__ import annotations

from typing import TYPE_CHECKING

from running import config

import runner
from runner.engines.witnesses import witnessed
from runner.envelope import Envelope
from runner.log.journal import GET, PUT, JournalWriter

if TYPE_CHECKING:
    from pathlib import Path

    from runner.planning.plan import WorkerPlan

TEXT = """
queues: {a: {kind: multiprocessing.SimpleQueue}, b: {kind: multiprocessing.SimpleQueue}}
producers: {p: {count: 2, items: 9, to: a}}
stages: {s: {count: 2, from: a, to: b}}
consumers: {c: {from: b}}
"""


def workers(folder: Path) -> dict[str, WorkerPlan]:
    return {worker.name: worker for worker in runner.plan(config(TEXT, folder)).workers()}


def journal(folder: Path, name: str, *entries: tuple[int, Envelope]) -> None:
    writer = JournalWriter(folder / f"{name}.1.journal")
    for kind, envelope in entries:
        writer.log(kind, envelope, 1000, 10, 400 if kind == GET else None)
    writer.close()


def test_a_producers(tmp_path: Path) -> None:
    """Its item, when its put began and how it is shown come from the get; what was logged, or is of the living, not."""
    crew = workers(tmp_path)
    first, second = Envelope(0, 0, 7), Envelope(0, 1, "text")
    journal(tmp_path, "p-0", (PUT, first))
    journal(tmp_path, "p-1")
    journal(tmp_path, "s-0", (GET, first), (GET, second), (GET, Envelope(1, 0, 7)))
    writers, readers = [crew["p-0"], crew["p-1"]], [crew["s-0"], crew["s-1"]]
    [(who, parcel)] = witnessed(tmp_path, writers, [crew["p-0"]], readers)
    assert (who.name, parcel.key, parcel.members, parcel.began) == ("p-0", (0, 1, ""), b'"item":"text"', 600)
    assert list(witnessed(tmp_path, writers, [], readers)) == []


def test_a_stages_is_the_stages_that_held_what_it_was_made_of(tmp_path: Path) -> None:
    crew = workers(tmp_path)
    journal(tmp_path, "s-0", (GET, Envelope(0, 0, 7)))
    journal(tmp_path, "s-1", (GET, Envelope(1, 0, 7)), (PUT, Envelope(1, 0, 7, suffix=".0")))
    gets = [Envelope(0, 0, 7), Envelope(1, 0, 7, suffix=".0"), Envelope(1, 0, 7, suffix=".1")]
    journal(tmp_path, "c-0", *((GET, envelope) for envelope in gets))
    stages = [crew["s-0"], crew["s-1"]]
    found = [(who.name, parcel.key) for who, parcel in witnessed(tmp_path, stages, stages, [crew["c-0"]])]
    assert found == [("s-0", (0, 0, "")), ("s-1", (1, 0, ".1"))]
