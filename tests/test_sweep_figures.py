"""What a sweep's rows say: medians, changes seed by seed, speed-up; against figures computed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.experiments.sweep_figures import Estimate, SweepFigures, estimate
from runner.experiments.sweep_rows import Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COUNT, SIZE = "consumers.c.count", "queues.main.maxsize"


def figures(
    axes: Sequence[str], cells: Sequence[Mapping[str, Any]], values: Sequence[Sequence[float | None]], **changes: Any
) -> SweepFigures:
    """A sweep whose throughputs are given, by cell and repeat."""
    rows = [
        Row(place, repeat, 7 + repeat, cells[place], **{
            "status": "ok", "exit_code": 0, "reason": None, "started": "", "wall_s": 1.0,
            "metrics": {"throughput": value}, **changes,
        })
        for place, repeats in enumerate(values) for repeat, value in enumerate(repeats)
    ]  # fmt: skip
    return SweepFigures(axes, cells, rows)


def counts(*numbers: int) -> list[dict[str, Any]]:
    return [{COUNT: number} for number in numbers]


def test_a_figure_of_one_run_has_no_interval() -> None:
    assert estimate([]) == Estimate(0, None)
    assert estimate([3.0]) == Estimate(1, 3.0)
    assert estimate([3.0]).coverage == 0


def test_the_interval_lies_between_order_statistics_and_says_what_it_covers() -> None:
    assert estimate([5.0, 1.0, 3.0]) == Estimate(3, 3.0, 1.0, 5.0)
    assert [round(estimate([1.0] * n).coverage, 3) for n in (2, 3, 5, 6)] == [0.5, 0.75, 0.938, 0.969]


@settings(max_examples=30)
@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=9), st.floats(1.5, 4))
def test_what_the_seeds_have_in_common_cancels(base: list[float], factor: float) -> None:
    """However much the seeds differ: where each is `factor` times as fast, that is known without a doubt."""
    found = figures([COUNT], counts(1, 2), [base, [factor * value for value in base]]).ratio("throughput", 1, 0)
    assert found.samples == len(base)
    assert [found.low, found.median, found.high] == pytest.approx([factor] * 3)


def test_only_seeds_that_both_cells_have_are_compared() -> None:
    found = figures([COUNT], counts(1, 2), [[1.0, 2.0, 0.0], [3.0, None, 5.0]])
    assert found.ratio("throughput", 1, 0) == Estimate(1, 3.0)
    assert found.estimate("throughput", 1) == Estimate(2, 4.0, 3.0, 5.0)


def test_speed_up_is_against_the_fewest_workers_of_the_line() -> None:
    cells = [{COUNT: n, SIZE: size} for n in (4, 2, 1) for size in (0, 1)][:-1]  # (1, 1) is left out
    found = figures([COUNT, SIZE], cells, [[8.0, 8.0], [6.0, 3.0], [4.0, 4.0], [3.0, 2.0], [2.0, 4.0]])
    zero = [each for each in found.speed_ups(COUNT) if each.others == {SIZE: 0}]
    assert [(each.workers, each.base, each.speed_up.median) for each in zero] == [(1, 1, 1.0), (2, 1, 1.5), (4, 1, 3.0)]
    assert zero[1].speed_up == Estimate(2, 1.5, 1.0, 2.0)
    assert zero[2].efficiency == Estimate(2, 0.75, 0.5, 1.0)
    one = [each for each in found.speed_ups(COUNT) if each.others == {SIZE: 1}]
    assert [(each.workers, each.base, each.speed_up.median, each.efficiency.median) for each in one] == [
        (2, 2, 1.0, 1.0), (4, 2, 1.75, 0.875),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("axis", "value", "is_one"),
    [
        (COUNT, 1, True),
        ("producers.a.b.count", 3, True),
        ("stages.s.count", 1, True),
        (COUNT, "1..4", False),
        (SIZE, 1, False),
        ("consumers.c", {"count": 2}, False),
        ("consumers.c.sleep", 1, False),
    ],
)
def test_which_axes_count_workers(axis: str, value: Any, is_one: bool) -> None:
    assert SweepFigures([axis], [{axis: value}], []).is_worker_count(axis) is is_one


def test_runs_that_did_not_complete_are_in_no_figure() -> None:
    found = figures([COUNT], counts(1), [[1.0, 2.0]], status="failed", exit_code=1)
    assert (found.rows, len(found.left_out), found.metrics) == ((), 2, ())
    assert found.estimate("throughput", 0) == Estimate(0, None)
    assert figures([COUNT], counts(1), [[1.0]], status="unmet", exit_code=3).estimate("throughput", 0).samples == 1


def test_axes_that_go_together_make_one_line() -> None:
    cells = [{COUNT: n, SIZE: 5 * n, "seed": seed} for n in (1, 2) for seed in (1, 2)]
    found = figures([COUNT, SIZE, "seed"], cells, [[1.0]] * 4)
    assert found.tied(COUNT) == (SIZE,)
    assert found.varied == (COUNT, "seed")
    assert [(line.others, line.points) for line in found.lines(COUNT)] == [
        ({"seed": 1}, ((1, 0), (2, 2))),
        ({"seed": 2}, ((1, 1), (2, 3))),
    ]


def test_a_cell_that_does_not_name_an_axis_is_on_none_of_its_lines() -> None:
    found = figures([COUNT, "seed"], [{COUNT: 1}, {COUNT: 2}, {COUNT: 1, "seed": 9}], [[1.0]] * 3)
    assert found.varied == (COUNT,)
    assert [line.points for line in found.lines("seed")] == [((9, 2),)]
    assert [line.others for line in found.lines(COUNT)] == [{}, {"seed": 9}]


def test_values_that_are_lists_or_maps_are_told_apart() -> None:
    cells = [{"consumers.c.sleep": law} for law in ({"distribution": "exponential", "mean": 1}, "1ms", "2ms")]
    (line,) = figures(["consumers.c.sleep"], cells, [[1.0]] * 3).lines("consumers.c.sleep")
    assert len(line.points) == 3


def test_the_best_cell_is_by_its_median() -> None:
    found = figures([COUNT], counts(1, 2, 3), [[1.0, 9.0, 1.0], [2.0, 2.0, 2.0], []])
    assert found.best("throughput", largest=True) == (1, Estimate(3, 2.0, 2.0, 2.0))
    assert found.best("throughput", largest=False) == (0, Estimate(3, 1.0, 1.0, 9.0))
    assert found.best("makespan_s", largest=True) is None
