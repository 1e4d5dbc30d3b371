"""What was put and not done is found, with who had it, and what workers reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.envelope import Envelope
from runner.log.journal import DONE, GET, PUT, JournalWriter
from runner.log.leftovers import Leftover, leavings
from runner.log.merge import Owner

if TYPE_CHECKING:
    from pathlib import Path


def owner(folder: Path, name: str, source: str | None, target: str | None) -> Owner:
    return Owner(name, source, target, folder / name)


def write(one: Owner, *records: tuple[int, Envelope]) -> None:
    writer = JournalWriter(one.journal)
    for instant, (kind, envelope) in enumerate(records):
        writer.log(kind, envelope, instant, 0, 0)
    writer.close()


def item(seq: int, suffix: str = "", delivery: int = 1) -> Envelope:
    return Envelope(producer=0, seq=seq, item=seq, suffix=suffix, delivery=delivery)


def test_items_in_a_queue_and_in_hand_are_left_and_done_ones_are_not(tmp_path: Path) -> None:
    producer, consumer = owner(tmp_path, "p-0", None, "q"), owner(tmp_path, "c-0", "q", None)
    write(producer, *((PUT, item(seq)) for seq in range(4)))
    write(consumer, (GET, item(0)), (DONE, item(0)), (GET, item(1, delivery=2)))
    found = leavings([producer, consumer], "p-{}:".format)
    assert sorted(found.items, key=lambda one: one.id) == [
        Leftover("q", "p-0:1", 2, "c-0"),
        Leftover("q", "p-0:2", 1, None),
        Leftover("q", "p-0:3", 1, None),
    ]
    assert found.errors == []


def test_the_order_in_which_journals_are_read_does_not_matter(tmp_path: Path) -> None:
    producer, consumer = owner(tmp_path, "p-0", None, "q"), owner(tmp_path, "c-0", "q", None)
    write(producer, *((PUT, item(seq)) for seq in range(3)))
    write(consumer, *((kind, item(seq)) for seq in range(2) for kind in (GET, DONE)))
    both = [leavings(owners, "p-{}:".format).items for owners in ([producer, consumer], [consumer, producer])]
    assert both == [[Leftover("q", "p-0:2", 1, None)]] * 2


def test_an_item_is_told_apart_by_queue_and_suffix(tmp_path: Path) -> None:
    producer, stage = owner(tmp_path, "p-0", None, "a"), owner(tmp_path, "s-0", "a", "b")
    consumer = owner(tmp_path, "c-0", "b", None)
    write(producer, (PUT, item(0)))
    write(stage, (GET, item(0)), (PUT, item(0, ".0")), (PUT, item(0, ".1")), (DONE, item(0)))
    write(consumer, (GET, item(0, ".0")), (DONE, item(0, ".0")))
    assert leavings([producer, stage, consumer], "p-{}:".format).items == [Leftover("b", "p-0:0.1", 1, None)]


def test_reports_come_in_the_order_of_time_and_a_missing_journal_is_empty(tmp_path: Path) -> None:
    owners = [owner(tmp_path, f"c-{k}", "q", None) for k in range(3)]
    for instant, one in ((20, owners[0]), (10, owners[1])):
        writer = JournalWriter(one.journal)
        writer.raw(instant, {"event": "error", "why": one.worker})
        writer.close()
    found = leavings(owners, "p-{}:".format)
    assert found.errors == [(10, {"event": "error", "why": "c-1"}), (20, {"event": "error", "why": "c-0"})]
