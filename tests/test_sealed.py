"""What a broker holds of an item: bytes that give back all of it, and let the supervisor address it anew."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.envelope import Batch, Envelope
from runner.log.buffer import JournalBuffer
from runner.log.journal import PUT, JournalReader
from runner.queues.contract import UnreadableItem, UnsendableItem
from runner.queues.sealed import opened, parcel, readdressed, sealed

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class UserParcel:
    """An item of a class only user code knows."""

    size: int


class Unreadable:
    """Can be pickled, and not be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (int, ("no number",))

    def __repr__(self) -> str:
        return "<unreadable>"


items = st.one_of(
    st.integers(), st.integers(-(2**64), 2**64), st.booleans(), st.none(), st.floats(allow_nan=False), st.text(),
    st.binary(), st.lists(st.integers()), st.tuples(st.text()), st.dictionaries(st.text(), st.integers()),
    st.builds(UserParcel, st.integers()),
)  # fmt: skip
envelopes = st.builds(
    Envelope, producer=st.integers(0, 2**31), seq=st.integers(0, 2**40), item=items, delivery=st.integers(1, 2**15),
    began=st.integers(-(2**62), 2**62), suffix=st.sampled_from(["", ".0", ".12.3"]), padding=st.binary(max_size=100),
    skip=st.just(0),
)  # fmt: skip


def carried(envelope: Envelope) -> tuple[Any, ...]:
    e = envelope
    return e.producer, e.seq, e.delivery, e.began, e.suffix, e.padding, e.skip, type(e.item), e.item


@given(envelope=envelopes, here=st.integers(-(2**40), 2**40), there=st.integers(-(2**40), 2**40))
def test_it_arrives_whole_and_its_instant_is_of_the_clock_that_is_there(
    envelope: Envelope, here: int, there: int
) -> None:
    wanted = carried(envelope)
    [found] = opened(sealed([envelope], here), there)
    moved = (*wanted[:3], wanted[3] + here - there, *wanted[4:])
    assert carried(found) == moved


@given(envelope=envelopes, shift=st.integers(-(2**40), 2**40))
def test_the_supervisor_knows_who_it_is_and_how_the_log_shows_it(envelope: Envelope, shift: int) -> None:
    began = envelope.began
    [content] = sealed([envelope], shift)
    found = parcel(content)
    assert found.key == (envelope.producer, envelope.seq, envelope.suffix)
    assert (found.delivery, found.began, found.skip) == (envelope.delivery, began + shift, 0)
    shown = json.loads(b"{%b}" % found.members)["item"]
    if isinstance(envelope.item, int | str) and len(str(envelope.item)) < 40:
        assert shown == envelope.item
    assert found.content == content


@given(envelope=envelopes, delivery=st.integers(1, 2**15), skip=st.integers(0, 2**15))
def test_addressed_anew_it_is_the_same_for_one_more_delivery(envelope: Envelope, delivery: int, skip: int) -> None:
    began = envelope.began
    before = parcel(sealed([envelope], 5)[0])
    again = readdressed(before, delivery, skip)
    assert (again.delivery, again.skip) == (delivery, skip)
    assert (again.key, again.began, again.members) == (before.key, before.began, before.members)
    [found] = opened([again.content], 5)
    assert (found.delivery, found.skip, found.began) == (delivery, skip, began)
    assert carried(found)[4:6] == carried(envelope)[4:6]
    assert (type(found.item), found.item) == (type(envelope.item), envelope.item)


@pytest.mark.parametrize("item", [2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 2**70, True, False, 0, -1])
def test_whole_numbers_of_any_size_stay_what_they_are(item: int) -> None:
    [found] = [each.item for each in opened(sealed([Envelope(0, 0, item)], 0), 0)]
    assert (type(found), found) == (type(item), item)


def test_what_cannot_be_pickled_is_said_of_the_item() -> None:
    envelope = Envelope(1, 2, lambda: None)
    with pytest.raises(UnsendableItem, match="cannot be pickled") as caught:
        sealed([Envelope(0, 0, 1), envelope], 0)
    assert caught.value.envelope is envelope


def test_what_cannot_be_unpickled_arrives_as_such_and_may_be_handed_out_again() -> None:
    content = readdressed(parcel(sealed([Envelope(1, 2, Unreadable())], 0)[0]), 2, 0).content
    [found] = opened([content], 0)
    assert isinstance(found.item, UnreadableItem)
    assert isinstance(found.item.cause, ValueError)
    assert (found.producer, found.seq, found.delivery) == (1, 2, 2)
    assert json.loads(b"{%b}" % parcel(content).members)["item"] == "<unreadable>"


def test_the_log_shows_it_after_the_way_as_before(tmp_path: Path) -> None:
    """A reader logs what it cannot read, or renders otherwise, as its writer did."""
    journal = JournalBuffer()
    for item in (Unreadable(), "é" * 300, (1, 2), UserParcel(3), 2**70):
        before = Envelope(0, 1, item, suffix=".1")
        [after] = opened(sealed([before], 0), 0)
        journal.log(PUT, before, 1, 2, 3)
        journal.log(PUT, after, 1, 2, 3)
    (tmp_path / "journal").write_bytes(journal.take())
    records = JournalReader(tmp_path / "journal").read(10_000)
    assert records[::2] == records[1::2]
    assert len(records) == 10


def test_a_large_payload_is_carried_once() -> None:
    [content] = sealed([Envelope(0, 0, "small", padding=b"\1" * (1 << 20))], 0)
    assert len(content) < (1 << 20) + 200
    assert opened([content], 0)[0].padding == b"\1" * (1 << 20)
    assert pickle.loads(pickle.dumps(content)) == content  # noqa: S301 - our own


@given(many=st.lists(envelopes, max_size=8), here=st.integers(-(2**40), 2**40))
def test_many_travel_as_each_would_alone(many: list[Envelope], here: int) -> None:
    wanted = [carried(envelope) for envelope in many]
    tickets = sealed(many, here)
    assert len(tickets) == len(many)
    assert [carried(found) for found in opened(tickets, here)] == wanted


@pytest.mark.parametrize("length", range(60))
def test_what_is_as_long_as_a_packed_number_is_not_taken_for_one(length: int) -> None:
    envelope = Envelope(1, 2, 3, padding=b"x" * length, suffix=".4")
    again = readdressed(parcel(sealed([envelope], 0)[0]), 2, 1)
    [found] = opened([again.content], 0)
    assert (found.suffix, found.padding, found.item, found.delivery, found.skip) == (".4", b"x" * length, 3, 2, 1)


def test_numbers_of_one_write_say_how_they_are_packed() -> None:
    """A worker's journal takes them whole, by the supervisor's clock, as it takes those of one read."""
    batch = Batch([Envelope(1, seq, -seq, began=100) for seq in range(3)])
    tickets = sealed(batch, 1000)
    assert batch.packed == b"".join(tickets)
    found = opened(tickets, 50)
    assert isinstance(found, Batch)
    assert found.packed == batch.packed
    assert [envelope.began for envelope in found] == [1050] * 3
