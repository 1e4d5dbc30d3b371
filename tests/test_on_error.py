"""`on_error`: what becomes of an item at which user code raises, in both engines, with and without batches."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
from running import Ran, execute

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

FAIL, SKIP, RETRY = "{policy: fail}", "{policy: skip}", "{policy: retry, retries: 2}"
everywhere = pytest.mark.parametrize(("engine", "batch"), list(product(("processes", "threads"), (1, 8))))


class Shop:
    """Runs a topology under an engine, with a batch and a policy."""

    def __init__(self, folder: Path, engine: str, batch: int) -> None:
        self.folder = folder
        self.engine = engine
        self.batch = batch

    def run(self, on_error: str, groups: str) -> Ran:
        queues = "" if "{from: b" not in groups else f", b: {{batch: {self.batch}}}"
        return execute(
            f"engine: {self.engine}\nstart_method: fork\non_error: {on_error}\n"
            f"queues: {{a: {{batch: {self.batch}}}{queues}}}\n{groups}",
            self.folder,
        )

    def consuming(self, on_error: str, code: str, times: int, *, items: str = "20", quota: str = "") -> Ran:
        """A consumer whose code fails at item 4 so many times."""
        call = f'{{target: "failing:{code}", kwargs: {{at: 4, times: {times}}}}}'
        return self.run(
            on_error, f"producers: {{p: {{items: {items}, to: a}}}}\nconsumers: {{c: {{from: a, {quota}call: {call}}}}}"
        )

    def through_a_stage(self, on_error: str, code: str, times: int) -> Ran:
        """A stage whose code fails so, before a consumer that does nothing."""
        call = f'{{target: "failing:{code}", kwargs: {{at: 4, times: {times}}}}}'
        return self.run(
            on_error,
            f"producers: {{p: {{items: 20, to: a}}}}\nstages: {{s: {{from: a, to: b, call: {call}}}}}\n"
            "consumers: {c: {from: b}}",
        )


@pytest.fixture
def shop(tmp_path: Path, engine: str, batch: int) -> Shop:
    return Shop(tmp_path, engine, batch)


def assert_told(ran: Ran, worker: str, *then: str, place: str = "call") -> None:
    """Every attempt is an `error` event: whose, at which item, in which line, and what came of it."""
    errors = ran.of("error")
    assert [error["then"] for error in errors] == list(then)
    for error in errors:
        assert (error["worker"], error["id"], error["place"]) == (worker, "p-0:4", place)
        assert "refused 4" in error["traceback"]
        assert "failing.py" in error["traceback"]


def assert_failed(ran: Ran, worker: str) -> None:
    """The run ended over it, and item and end say why."""
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert f"{worker} failed at p-0:4: " in ran.end["reason"]
    assert [(event["queue"], event["id"], event["worker"]) for event in ran.of("failed")] == [("a", "p-0:4", worker)]
    ran.assert_accounted()
    ran.assert_adds_up()
    assert ran.result.verdict.valid is True, ran.result.verdict


@everywhere
def test_fail_ends_the_run_at_the_first_error(shop: Shop) -> None:
    ran = shop.consuming(FAIL, "Flaky", 1)
    assert_told(ran, "c-0", "fail")
    assert_failed(ran, "c-0")


@everywhere
def test_skip_sets_the_item_aside_and_goes_on(shop: Shop) -> None:
    ran = shop.consuming(SKIP, "Flaky", 1)
    ran.assert_ok()
    assert_told(ran, "c-0", "skip")
    assert [(event["id"], event["worker"]) for event in ran.of("failed")] == [("p-0:4", "c-0")]
    assert ran.result.summary["items"]["failed"] == 1
    assert len(ran.of("done")) == 19
    ran.assert_accounted()
    ran.assert_adds_up()


@everywhere
def test_retry_calls_again_until_it_works(shop: Shop) -> None:
    ran = shop.consuming(RETRY, "Flaky", 2)
    ran.assert_ok()
    assert_told(ran, "c-0", "retry", "retry")
    assert len(ran.of("done")) == 20
    assert not ran.of("failed")
    ran.assert_adds_up()


@everywhere
def test_retries_that_are_used_up_end_the_run(shop: Shop) -> None:
    ran = shop.consuming(RETRY, "Flaky", 3)
    assert_told(ran, "c-0", "retry", "retry", "fail")
    assert_failed(ran, "c-0")


@everywhere
def test_a_quota_counts_what_is_done_not_what_is_skipped(shop: Shop) -> None:
    ran = shop.consuming(SKIP, "Flaky", 1, quota="items: 10, ")
    ran.assert_ok()
    assert len(ran.of("done")) == 10
    assert ran.ids("failed") == ["p-0:4"]
    assert ran.result.summary["items"]["left"] == len(ran.of("put")) - 11
    ran.assert_accounted()
    ran.assert_adds_up()


@everywhere
def test_a_quota_that_a_skipped_item_leaves_unmet_ends_with_the_stream(shop: Shop) -> None:
    ran = shop.consuming(SKIP, "Flaky", 1, items="10", quota="items: 10, ")
    ran.assert_ok()
    assert len(ran.of("done")) == 9


@pytest.mark.parametrize(
    ("engine", "batch", "code", "place"),
    [
        *((engine, batch, "Flaky", "call") for engine, batch in product(("processes", "threads"), (1, 8))),
        *(("processes", batch, "Unsendable", "put") for batch in (1, 8)),
    ],
)
def test_a_stage_skips_and_retries_likewise(shop: Shop, code: str, place: str) -> None:
    """Whether its code raises or gives what no pickle takes, which threads have no need of."""
    skipped = shop.through_a_stage(SKIP, code, 1)
    skipped.assert_ok()
    assert [(event["queue"], event["id"]) for event in skipped.of("failed")] == [("a", "p-0:4")]
    assert len(skipped.moved("done", "b")) == 19
    skipped.assert_accounted()
    skipped.assert_adds_up()
    retried = shop.through_a_stage(RETRY, code, 2)
    retried.assert_ok()
    assert [(error["then"], error["place"]) for error in retried.of("error")] == [("retry", place)] * 2
    retried.assert_delivered("b")
    assert len(retried.moved("done", "b")) == 20
    assert_failed(shop.through_a_stage(FAIL, code, 1), "s-0")
    assert_failed_after_retries(shop.through_a_stage(RETRY, code, 3))


def assert_failed_after_retries(ran: Ran) -> None:
    assert [error["then"] for error in ran.of("error")] == ["retry", "retry", "fail"]
    assert_failed(ran, "s-0")


def children(ran: Ran) -> list[str]:
    """What became of item 4, in order."""
    return [event["id"] for event in ran.of("put") if event["queue"] == "b" and event["id"].startswith("p-0:4.")]


@everywhere
def test_outputs_that_were_put_are_not_put_again_when_a_generator_is_retried(shop: Shop) -> None:
    ran = shop.through_a_stage(RETRY, "Torn", 2)
    ran.assert_ok()
    assert_told(ran, "s-0", "retry", "retry")
    assert children(ran) == ["p-0:4.0", "p-0:4.1", "p-0:4.2"]
    assert [item for name, item in ran.moved("done", "b") if name.startswith("p-0:4.")] == ["4", "104", "204"]
    ran.assert_delivered("b")
    assert len(ran.moved("done", "b")) == 60


@everywhere
def test_outputs_of_a_generator_that_is_skipped_stay(shop: Shop) -> None:
    ran = shop.through_a_stage(SKIP, "Torn", 1)
    ran.assert_ok()
    assert children(ran) == ["p-0:4.0", "p-0:4.1"]
    assert ran.ids("failed") == ["p-0:4"]
    assert len(ran.moved("done", "b")) == 59
    ran.assert_accounted()


@everywhere
def test_a_generator_that_fails_ends_the_run_and_what_it_gave_is_accounted_for(shop: Shop) -> None:
    ran = shop.through_a_stage(FAIL, "Torn", 1)
    assert ran.result.exit_code == 1
    assert children(ran) == ["p-0:4.0", "p-0:4.1"]
    assert ran.ids("failed") == ["p-0:4"]
    ran.assert_accounted()
    assert ran.result.verdict.valid is True


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize(
    ("policy", "times", "then", "put"),
    [
        (FAIL, 1, ["fail"], ["p-0:0"]),
        (SKIP, 1, ["skip"], ["p-0:0", "p-0:2"]),
        (RETRY, 2, ["retry", "retry"], ["p-0:0", "p-0:1", "p-0:2"]),
        (RETRY, 3, ["retry", "retry", "fail"], ["p-0:0"]),
    ],
)
def test_an_item_that_cannot_be_pickled_was_never_put(
    tmp_path: Path, batch: int, policy: str, times: int, then: list[str], put: list[str]
) -> None:
    ran = Shop(tmp_path, "processes", batch).run(
        policy,
        f'producers: {{p: {{to: a, items: {{call: {{target: "failing:locked", kwargs: {{times: {times}}}}}}}}}}}\n'
        "consumers: {c: {from: a}}",
    )
    assert ran.result.exit_code == (1 if "fail" in then else 0)
    assert [(error["id"], error["place"], error["then"]) for error in ran.of("error")] == [
        ("p-0:1", "put", each) for each in then
    ]
    assert all("RefusalError: locked" in error["traceback"] for error in ran.of("error"))
    assert sorted(ran.ids("put")) == put
    assert not ran.of("failed")
    ran.assert_accounted()
    ran.assert_adds_up()
    assert ran.result.verdict.valid is True, ran.result.verdict


@pytest.mark.parametrize("engine", ["processes", "threads"])
@pytest.mark.parametrize("policy", [FAIL, SKIP, RETRY])
def test_items_of_user_code_that_break_off_end_the_run_whatever_the_policy(
    engine: str, policy: str, tmp_path: Path
) -> None:
    """There is no item to skip, and an iterator that has raised gives no more."""
    ran = Shop(tmp_path, engine, 1).run(
        policy, 'producers: {p: {to: a, items: {call: "actions:five_then_raise"}}}\nconsumers: {c: {from: a}}'
    )
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert "no sixth" in ran.end["reason"]
    assert len(ran.of("put")) == 5
    ran.assert_accounted()
    ran.assert_adds_up()


@pytest.mark.parametrize("engine", ["processes", "threads"])
def test_every_item_may_be_skipped(engine: str, tmp_path: Path) -> None:
    ran = Shop(tmp_path, engine, 8).run(
        SKIP, 'producers: {p: {items: 20, to: a}}\nconsumers: {c: {count: 2, from: a, call: "failing:refuse_all"}}'
    )
    ran.assert_ok()
    assert len(ran.of("failed")) == 20
    ran.assert_accounted()
    ran.assert_adds_up()
