"""The plan is frozen data: workers in order, ids from indices, small however many items it stands for."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError

import pytest

from runner.config.load import loads
from runner.envelope import Envelope
from runner.planning.plan import Plan, Role
from runner.planning.resolve import plan

TEXT = """
queues: {a: {}, b: {}}
producers: {p: {count: 2, to: a, items: 3}, q: {to: b, items: 4}}
stages: {s: {count: 3, from: a, to: b}}
consumers: {c: {from: b}, d: {count: 2, from: b, items: 1}}
"""


@pytest.fixture
def planned() -> Plan:
    return plan(loads(TEXT))


def test_workers_stand_in_the_order_of_groups_with_ascending_indices(planned: Plan) -> None:
    names = ["p-0", "p-1", "q-0", "s-0", "s-1", "s-2", "c-0", "d-0", "d-1"]
    assert [worker.name for worker in planned.workers()] == names
    assert [worker.index for worker in planned.workers()] == list(range(9))
    assert planned.size == 9
    assert [group.role for group in planned.groups] == [
        Role.PRODUCER, Role.PRODUCER, Role.STAGE, Role.CONSUMER, Role.CONSUMER,
    ]  # fmt: skip


def test_an_id_follows_from_the_producers_index(planned: Plan) -> None:
    worker = next(planned.workers())
    ids = [worker.item_id(Envelope(producer=k, seq=5, item=None, suffix=".0")) for k in range(3)]
    assert ids == ["p-0:5.0", "p-1:5.0", "q-0:5.0"]
    assert planned.origins.prefix(2) == "q-0:"
    with pytest.raises(StopIteration):
        planned.origins.prefix(3)


def test_who_reads_and_who_writes_a_queue(planned: Plan) -> None:
    assert [group.name for group in planned.writers("b")] == ["q", "s"]
    assert [group.name for group in planned.readers("b")] == ["c", "d"]
    assert planned.queue("a").name == "a"
    with pytest.raises(KeyError):
        planned.queue("nowhere")


def test_a_plan_is_frozen_and_travels_to_any_process(planned: Plan) -> None:
    with pytest.raises(FrozenInstanceError):
        planned.seed = 1  # type: ignore[misc]
    worker = list(planned.workers())[3]
    again = pickle.loads(pickle.dumps(worker))  # noqa: S301 - our own
    assert (again.name, again.index, again.group.source) == (worker.name, worker.index, worker.group.source)


def test_a_billion_items_are_as_small_as_ten() -> None:
    sizes = [
        len(pickle.dumps(plan(loads(f"producers: {{p: {{items: {count}}}}}\nconsumers: {{c: {{}}}}")).groups))
        for count in (10, 1_000_000_000)
    ]
    assert abs(sizes[0] - sizes[1]) < 20
