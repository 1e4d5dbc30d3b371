"""Journals and chronicle come out as one log, in the order of time, complete, in bounded batches."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from running import within

from runner.envelope import Envelope, head
from runner.log import merge as merging
from runner.log.chronicle import Chronicle
from runner.log.journal import DONE, GET, GET_DONE, PUT, Clock, JournalWriter, mark
from runner.log.merge import Merge, Owner
from runner.log.render import Renderer, json_processors

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

ALL = 1 << 62


@pytest.fixture
def chronicle(tmp_path: Path) -> Iterator[Chronicle]:
    made = Chronicle(tmp_path)
    yield made
    made.close()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads of a few records, so that every journal is read in many pieces."""
    monkeypatch.setattr(merging, "_SLOTS_IN_ALL", 4)
    monkeypatch.setattr(merging, "_FEWEST_SLOTS", 3)


def owner(folder: Path, name: str) -> Owner:
    return Owner(name, "in", "out", folder / f"{name}.journal")


def merge(owners: list[Owner], chronicle: Chronicle) -> Merge[str]:
    return Merge(owners, chronicle, Renderer(Clock(0, 0), "p-{}:".format, json_processors()))


def write(target: Owner, instants: list[int], item: Any = 1) -> None:
    writer = JournalWriter(target.journal)
    for seq, instant in enumerate(instants):
        writer.log(PUT, Envelope(producer=0, seq=seq, item=item), instant, 0, None)
    writer.close()


def drained(merged: Merge[str], until: int = ALL) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with within(30):
        while lines := merged.batch(until):
            assert [instant for instant, _ in lines] == sorted(instant for instant, _ in lines)
            found += [json.loads(line) for _, line in lines]
    return found


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("spread", [5, 300, 10**9])
def test_many_journals_come_out_complete_and_in_order(
    spread: int, tmp_path: Path, chronicle: Chronicle, chaos: random.Random
) -> None:
    """With many ties (few instants) and with hardly any."""
    owners = [owner(tmp_path, f"w-{k}") for k in range(4)]
    for k, one in enumerate(owners):
        write(one, sorted(chaos.randrange(spread) for _ in range(chaos.randrange(200))), "text" * k if k % 2 else k)
    merged = merge(owners, chronicle)
    found = drained(merged)
    merged.close()
    instants = [line["t_ns"] for line in found]
    assert instants == sorted(instants)
    for one in owners:
        seqs = [int(line["id"].partition(":")[2]) for line in found if line["worker"] == one.worker]
        assert seqs == list(range(len(seqs)))
    assert merged.totals == {"put": len(found), "got": 0, "done": 0}


def test_a_get_and_its_done_in_one_record_are_two_lines_and_count_as_two(tmp_path: Path, chronicle: Chronicle) -> None:
    one, other = owner(tmp_path, "a"), owner(tmp_path, "b")
    writer = JournalWriter(one.journal)
    for seq, instant in enumerate([10, 30]):
        writer.log_number(mark(GET_DONE, head(0, 1)), instant, 0, 5, seq, seq)
    writer.log(GET, Envelope(0, 2, 2), 40, 0, 0)
    writer.close()
    write(other, [20])
    merged = merge([one, other], chronicle)
    found = [(line["t_ns"], line["event"], line["id"]) for line in drained(merged)]
    merged.close()
    assert found == [
        (10, "get", "p-0:0"), (10, "done", "p-0:0"), (20, "put", "p-0:0"), (30, "get", "p-0:1"),
        (30, "done", "p-0:1"), (40, "get", "p-0:2"),
    ]  # fmt: skip
    assert merged.totals == {"put": 1, "got": 3, "done": 2}


def test_batches_are_bounded_by_what_was_read(tmp_path: Path, chronicle: Chronicle, tiny: None) -> None:
    one, other = owner(tmp_path, "a"), owner(tmp_path, "b")
    write(one, list(range(100)))
    write(other, [1000] * 50)
    merged = merge([one, other], chronicle)
    sizes = []
    while lines := merged.batch(ALL):
        sizes.append(len(lines))
    merged.close()
    assert sum(sizes) == 150
    assert max(sizes) <= 8


def test_the_supervisors_entries_stand_where_they_happened(tmp_path: Path, chronicle: Chronicle) -> None:
    one = owner(tmp_path, "a")
    write(one, [10, 20, 30])
    chronicle.entries += [(5, {"event": "first", "level": "info"}), (20, {"event": "tie", "level": "info"})]
    chronicle.entries.append((99, {"event": "last", "level": "info"}))
    merged = merge([one], chronicle)
    assert [line["event"] for line in drained(merged, 50)] == ["first", "put", "put", "tie", "put"]
    assert [line["event"] for line in drained(merged)] == ["last"]
    merged.close()


def test_a_chronicle_is_on_disk_at_once(tmp_path: Path, chronicle: Chronicle) -> None:
    chronicle.add("worker.died", "error", worker="ä-0")
    [(instant, entry)] = chronicle.entries
    stored = json.loads((tmp_path / "supervisor.jsonl").read_text())
    assert stored == {"instant": instant, **entry}
    assert entry == {"event": "worker.died", "level": "error", "worker": "ä-0"}


def test_no_journal_is_no_lines_until_it_comes(tmp_path: Path, chronicle: Chronicle) -> None:
    one = owner(tmp_path, "late")
    merged = merge([one], chronicle)
    assert merged.batch(ALL) == []
    write(one, [1])
    assert len(merged.batch(ALL)) == 1
    merged.close()


@pytest.mark.usefixtures("tiny")
def test_it_follows_writers_while_they_write(tmp_path: Path, chronicle: Chronicle) -> None:
    owners = [owner(tmp_path, f"w-{k}") for k in range(3)]
    total = 2000
    written = [0, 0, 0]

    def work(k: int) -> None:
        writer = JournalWriter(owners[k].journal)
        for seq in range(total):
            envelope = Envelope(producer=k, seq=seq, item=seq)
            for kind in (PUT, GET, DONE):
                writer.log(kind, envelope, 3 * seq + k, 0, 0)
            written[k] = 3 * seq + k
        writer.close()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    merged = merge(owners, chronicle)
    found: list[tuple[int, str]] = []
    with within(60):
        while len(found) < 9 * total:
            done = not any(thread.is_alive() for thread in threads)
            found += merged.batch(ALL if done else min(written) - 1)
    for thread in threads:
        thread.join()
    assert [instant for instant, _ in found] == sorted(instant for instant, _ in found)
    assert merged.totals == {"put": 3 * total, "got": 3 * total, "done": 3 * total}
    merged.close()
