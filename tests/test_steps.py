"""What a worker does, step by step: whole sequences, driven by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runner.config.load import loads
from runner.envelope import Envelope
from runner.planning.resolve import plan
from runner.planning.steps import (
    EXHAUSTED,
    Busy,
    Call,
    Close,
    Done,
    Get,
    Next,
    Put,
    Sleep,
    Step,
    Steps,
    steps,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.planning.plan import WorkerPlan

END = object()


def worker(name: str, producer: str = "items: 3", middle: str = "", consumer: str = "", more: str = "") -> WorkerPlan:
    """A worker of producer `p`, stage `s` or consumer `c`, in the plan of a config with these keys."""
    config = loads(f"""
{more}
queues: {{a: {{}}, b: {{}}}}
producers: {{p: {{count: 2, to: a, {producer}}}}}
stages: {{s: {{from: a, to: b, {middle}}}}}
consumers: {{c: {{from: b, {consumer}}}}}
""")
    return next(one for one in plan(config).workers() if one.name == name)


def told(step: Step) -> tuple[Any, ...]:
    """A step in short: its name, the item's seq, suffix and value, the time."""
    match step:
        case Put(envelope):
            return ("put", f"{envelope.seq}{envelope.suffix}", envelope.item)
        case Get(limit):
            return ("get", limit)
        case Call(envelope):
            return ("call", envelope.item)
        case Done(envelope, planned):
            return ("done", f"{envelope.seq}{envelope.suffix}", planned)
        case Sleep(ns) | Busy(ns):
            return (type(step).__name__.lower(), ns)
        case Next() | Close():
            return (type(step).__name__.lower(),)
    raise AssertionError(step)


def drive(driven: Steps, *replies: Any) -> list[tuple[Any, ...]]:
    """All steps, each answered with the next reply (None where they have run out)."""
    waiting = iter(replies)
    taken: list[tuple[Any, ...]] = []
    reply: Any = None
    while True:
        try:
            step = driven.send(reply)
        except StopIteration:
            return taken
        taken.append(told(step))
        reply = next(waiting, 0 if isinstance(step, Put) else None)


def numbered(count: int) -> Iterator[tuple[int, Any]]:
    return ((seq, f"item {seq}") for seq in range(count))


def produced(count: int, *replies: int, **keys: str) -> list[tuple[Any, ...]]:
    return drive(steps(worker("p-0", **keys), numbered(count)), *replies)


def test_a_producer_closes_before_its_last_pause() -> None:
    assert produced(3, producer="items: 3, sleep: 0.001") == [
        ("put", "0", "item 0"), ("sleep", 1_000_000),
        ("put", "1", "item 1"), ("sleep", 1_000_000),
        ("put", "2", "item 2"), ("close",), ("sleep", 1_000_000),
    ]  # fmt: skip


def test_a_pause_of_no_length_is_no_step() -> None:
    assert produced(2) == [("put", "0", "item 0"), ("put", "1", "item 1"), ("close",)]


def test_a_producer_without_items_closes() -> None:
    assert produced(0) == [("close",)]


def test_a_producers_pauses_are_the_draws_of_its_items() -> None:
    one = worker("p-1", producer="items: 3, sleep: {distribution: exponential, mean: 0.01}", more="seed: 5")
    drawn = [one.group.pause(f"p-1:{seq}", seq) for seq in range(3)]
    assert len(set(drawn)) == 3
    assert [step[1] for step in drive(steps(one, numbered(3))) if step[0] == "sleep"] == drawn


def test_a_producers_envelope_says_who_it_is_and_carries_the_payload() -> None:
    one = worker("p-1", producer="items: 3, payload: 7")
    put = steps(one, numbered(1)).send(None)
    assert put == Put(Envelope(producer=one.index, seq=0, item="item 0", padding=bytes(7)))
    assert one.item_id(put.envelope) == "p-1:0"


ENDLESS = {"producer": "sleep: 0.4", "more": "duration: 1"}
SECOND = 10**9


def test_no_put_begins_after_the_duration_and_the_last_pause_is_cut() -> None:
    replies = [0, None, 4 * SECOND // 10, None, 8 * SECOND // 10]
    assert produced(100, *replies, **ENDLESS) == [  # type: ignore[arg-type]  # a reply to a Sleep is None
        ("put", "0", "item 0"), ("sleep", 400_000_000),
        ("put", "1", "item 1"), ("sleep", 400_000_000),
        ("put", "2", "item 2"), ("close",), ("sleep", 200_000_000),
    ]  # fmt: skip


def test_a_put_that_returns_after_the_duration_is_the_last_and_has_no_pause() -> None:
    assert produced(100, 2 * SECOND, **ENDLESS) == [("put", "0", "item 0"), ("close",)]


def item(seq: int, value: Any = None, suffix: str = "") -> Envelope:
    return Envelope(producer=0, seq=seq, item=seq if value is None else value, suffix=suffix)


def consumed(*replies: Any, keys: str = "") -> list[tuple[Any, ...]]:
    return drive(steps(worker("c-0", consumer=keys), iter(())), *replies)


def test_a_consumer_without_work_gets_until_the_end() -> None:
    assert consumed(item(0), None, item(1)) == [("get", 0), ("done", "0", 0), ("get", 0), ("done", "1", 0), ("get", 0)]


@pytest.mark.parametrize("kind", ["sleep", "busy"])
def test_a_consumer_sleeps_or_is_busy_before_done(kind: str) -> None:
    assert consumed(item(0), keys=f"{kind}: 2ms") == [
        ("get", 0),
        (kind, 2 * 10**6),
        ("done", "0", 2 * 10**6),
        ("get", 0),
    ]


def test_a_consumers_service_is_the_draw_of_the_item_not_of_the_worker() -> None:
    group = worker("c-0", consumer="sleep: {distribution: uniform, low: 0.1, high: 0.2}").group
    assert group.service is not None
    drawn = group.service("p-0:3.1", 3)
    taken = consumed(item(3, suffix=".1"), keys="sleep: {distribution: uniform, low: 0.1, high: 0.2}")
    assert taken == [("get", 0), ("sleep", drawn), ("done", "3.1", drawn), ("get", 0)]


def test_a_quota_ends_a_consumer_and_limits_each_get_to_what_is_left() -> None:
    assert consumed(item(0), None, item(1), keys="items: 2") == [
        ("get", 2), ("done", "0", 0), ("get", 1), ("done", "1", 0),
    ]  # fmt: skip


def test_a_consumer_calls_user_code_whose_time_nobody_planned() -> None:
    assert consumed(item(0), "ignored", keys='call: "m:f"') == [
        ("get", 0),
        ("call", 0),
        ("done", "0", None),
        ("get", 0),
    ]


def transformed(*replies: Any, keys: str = "") -> list[tuple[Any, ...]]:
    return drive(steps(worker("s-0", middle=keys), iter(())), *replies)


def test_a_stage_without_work_passes_on_and_closes_at_the_end() -> None:
    assert transformed(item(4, "x")) == [("get", 0), ("put", "4", "x"), ("done", "4", 0), ("get", 0), ("close",)]


def test_a_stage_that_sleeps_passes_on_the_same_item() -> None:
    assert transformed(item(4, "x", ".1"), None, keys="sleep: 1ms") == [
        ("get", 0), ("sleep", 10**6), ("put", "4.1", "x"), ("done", "4.1", 10**6), ("get", 0), ("close",),
    ]  # fmt: skip


@pytest.mark.parametrize("result", ["text", None, [1, 2], (), iter([1])])
def test_a_plain_result_keeps_the_id(result: object) -> None:
    """Also None, and lists, which are items."""
    assert transformed(item(4), result, keys='call: "m:f"') == [
        ("get", 0), ("call", 4), ("put", "4", result), ("done", "4", None), ("get", 0), ("close",),
    ]  # fmt: skip


def generated(*values: Any) -> Iterator[Any]:
    yield from values


def test_a_generators_values_are_numbered() -> None:
    replies = [item(4, suffix=".1"), generated(), "x", 0, None, 0, EXHAUSTED]
    assert transformed(*replies, keys='call: "m:f"') == [
        ("get", 0), ("call", 4), ("next",), ("put", "4.1.0", "x"), ("next",), ("put", "4.1.1", None), ("next",),
        ("done", "4.1", None), ("get", 0), ("close",),
    ]  # fmt: skip


def test_an_empty_generator_filters_the_item_out() -> None:
    assert transformed(item(4), generated(), EXHAUSTED, keys='call: "m:f"') == [
        ("get", 0), ("call", 4), ("next",), ("done", "4", None), ("get", 0), ("close",),
    ]  # fmt: skip


def test_a_stages_output_is_a_first_delivery_with_the_same_producer_and_payload() -> None:
    driven = steps(worker("s-0"), iter(()))
    driven.send(None)
    envelope = Envelope(producer=1, seq=2, item="x", delivery=3, began=99, padding=b"12")
    assert driven.send(envelope) == Put(Envelope(producer=1, seq=2, item="x", delivery=1, began=0, padding=b"12"))
