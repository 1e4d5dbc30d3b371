"""A producer's items: every form, walked by each or split among all, numbered by the place in the whole."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.load import loads
from runner.engines.items import items
from runner.engines.usercode import UserCodeError
from runner.planning.resolve import plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runner.planning.plan import UserCode


def called(code: UserCode) -> Iterator[Any]:
    """In place of user code: letters."""
    assert code.target == "m:f"
    return iter("abcde")


def taken(form: str, count: int = 1, folder: Path | None = None, more: str = "") -> list[list[tuple[int, Any]]]:
    """What each worker of a group puts, at most ten of it."""
    producers = (
        f"producers: {{p: {{count: {count}, items: {form}}}}}" if form else f"producers: {{p: {{count: {count}}}}}"
    )
    workers = plan(loads(f"{more}\n{producers}\nconsumers: {{c: {{}}}}", folder=folder)).workers()
    return [list(itertools.islice(items(worker, called), 10)) for worker in workers if worker.group.name == "p"]


def test_a_number_is_a_range_every_worker_walks() -> None:
    assert taken("3", count=2) == [[(0, 0), (1, 1), (2, 2)]] * 2


def test_a_range_counts_positions_from_0() -> None:
    assert taken("{start: 10, stop: 4, step: -3}") == [[(0, 10), (1, 7)]]


def test_values_may_be_anything() -> None:
    assert taken("{values: [null, x, {a: 1}]}") == [[(0, None), (1, "x"), (2, {"a": 1})]]


@pytest.mark.parametrize("form", ["{stop: 5, share: split}", "{values: [0, 1, 2, 3, 4], share: split}"])
def test_split_gives_worker_k_of_n_every_nth_with_its_place_in_the_whole(form: str) -> None:
    assert taken(form, count=3) == [[(0, 0), (3, 3)], [(1, 1), (4, 4)], [(2, 2)]]


def test_the_lines_of_a_file_are_items_and_can_be_split(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('1\n"x"\nnull\n{"a": []}\n')
    assert taken("{file: rows.jsonl}", folder=tmp_path) == [[(0, 1), (1, "x"), (2, None), (3, {"a": []})]]
    assert taken("{file: rows.jsonl, share: split}", 2, tmp_path) == [[(0, 1), (2, None)], [(1, "x"), (3, {"a": []})]]


def test_a_file_that_has_changed_since_is_blamed_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("1\n2\n")
    planned = plan(loads("producers: {p: {items: {file: rows.jsonl}}}\nconsumers: {c: {}}", folder=tmp_path))
    (tmp_path / "rows.jsonl").write_text("1\nnothing\n")
    walked = items(next(planned.workers()), called)
    assert next(walked) == (0, 1)
    with pytest.raises(UserCodeError, match=r"rows\.jsonl:2: no JSON"):
        next(walked)


def test_user_codes_items_can_be_split() -> None:
    assert taken('{call: "m:f"}') == [list(enumerate("abcde"))]
    assert taken('{call: {target: "m:f"}, share: split}', 2) == [[(0, "a"), (2, "c"), (4, "e")], [(1, "b"), (3, "d")]]


def test_an_endless_producer_counts() -> None:
    assert taken("", 2, more="duration: 1") == [[(n, n) for n in range(10)]] * 2


def test_who_is_no_producer_has_no_items() -> None:
    *_, consumer = plan(loads("producers: {p: {items: 3}}\nconsumers: {c: {}}")).workers()
    assert list(items(consumer, called)) == []


@given(length=st.integers(0, 200), count=st.integers(1, 9))
def test_a_split_is_a_partition(length: int, count: int) -> None:
    config = loads(
        f"producers: {{p: {{count: {count}, items: {{stop: {length}, share: split}}}}}}\nconsumers: {{c: {{}}}}"
    )
    shares = [list(items(worker, called)) for worker in plan(config).workers()][:count]
    assert sorted(itertools.chain.from_iterable(shares)) == [(n, n) for n in range(length)]
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
