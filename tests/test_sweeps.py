"""Sweep files: which cells there are, what stands in each, and where it is told what is wrong."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.combinations import MOST_CELLS
from runner.config.load import load
from runner.config.sweeps import MOST_UNASKED, load_sweep
from runner.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

BASE: dict[str, Any] = {
    "producers": {"p": {"items": 10, "sleep": "1ms"}},
    "consumers": {"c": {"sleep": "1ms"}},
}
EMPTY = "an empty range, or one of more than 100,000 numbers; wanted the smaller number first"
COUNT, SIZE, SEED = "consumers.c.count", "queues.main.maxsize", "seed"


def settings(**keys: Any) -> list[dict[str, Any]]:
    return [dict(cell.settings) for cell in load_sweep({"base": BASE, **keys}).cells]


def problems(source: Any, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_sweep(source, **options)
    return [str(each) for each in caught.value.problems]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A base config in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text("producers: {p: {items: 10}}\nconsumers: {c: {items: 5}}\n")
    return tmp_path


class TestCombinations:
    def test_a_matrix_is_every_combination_the_last_axis_changing_first(self) -> None:
        assert settings(matrix={COUNT: [2, 1], SIZE: [0, 5, 1]}) == [
            {COUNT: count, SIZE: size} for count, size in itertools.product([2, 1], [0, 5, 1])
        ]

    def test_a_range_holds_both_its_ends_and_may_stand_among_values(self) -> None:
        assert settings(matrix={COUNT: "3..5"}) == [{COUNT: n} for n in (3, 4, 5)]
        assert settings(matrix={COUNT: ["1..3", 8]}) == [{COUNT: n} for n in (1, 2, 3, 8)]
        assert settings(zip={COUNT: "1..3", SEED: "7..9"}) == [{COUNT: n, SEED: n + 6} for n in (1, 2, 3)]

    def test_lists_of_zip_go_together_and_with_each_of_the_matrix(self) -> None:
        assert settings(matrix={SEED: [1, 2]}, zip={COUNT: [1, 2], SIZE: [5, 6]}) == [
            {SEED: seed, COUNT: n, SIZE: n + 4} for seed in (1, 2) for n in (1, 2)
        ]

    def test_exclude_leaves_out_what_has_all_its_values(self) -> None:
        found = settings(matrix={COUNT: "1..3", SIZE: [0, 1]}, exclude=[{COUNT: 2}, {COUNT: 3, SIZE: 1}])
        assert found == [{COUNT: 1, SIZE: 0}, {COUNT: 1, SIZE: 1}, {COUNT: 3, SIZE: 0}]

    def test_a_range_in_exclude_is_any_of_it(self) -> None:
        assert settings(matrix={COUNT: "1..9"}, exclude=[{COUNT: "2..8"}]) == [{COUNT: 1}, {COUNT: 9}]

    def test_include_adds_to_what_it_fits_and_else_is_a_cell_of_its_own(self) -> None:
        """As CI matrices do: no value of the matrix is replaced; what an earlier entry has added may be."""
        include = [{SEED: 5}, {COUNT: 1, "time_scale": 2}, {COUNT: 2, SEED: 6}, {COUNT: 9}]
        assert settings(matrix={COUNT: [1, 2]}, include=include) == [
            {COUNT: 1, SEED: 5, "time_scale": 2},
            {COUNT: 2, SEED: 6},
            {COUNT: 9},
        ]

    def test_include_comes_after_exclude(self) -> None:
        assert settings(matrix={COUNT: [1, 2]}, exclude=[{COUNT: 1}], include=[{COUNT: 1}]) == [{COUNT: 2}, {COUNT: 1}]

    def test_include_alone_lists_the_cells(self) -> None:
        assert settings(include=[{COUNT: "1..2", SIZE: 4}, {SEED: 3}]) == [
            {COUNT: 1, SIZE: 4},
            {COUNT: 2, SIZE: 4},
            {SEED: 3},
        ]

    def test_no_cell_is_there_twice(self) -> None:
        assert settings(matrix={COUNT: [1]}, include=[{COUNT: 2}, {COUNT: 2}]) == [{COUNT: 1}, {COUNT: 2}]

    def test_where_nothing_varies_the_base_is_the_one_cell(self) -> None:
        assert settings(repeat=3) == [{}]

    @given(st.dictionaries(st.sampled_from([COUNT, SIZE, SEED]), st.sets(st.integers(1, 9), min_size=1, max_size=3)))
    def test_as_many_cells_as_the_product_and_every_one_its_own(self, axes: dict[str, set[int]]) -> None:
        found = settings(matrix={path: sorted(values) for path, values in axes.items()})
        size = 1
        for values in axes.values():
            size *= len(values)
        assert len(found) == len({tuple(sorted(cell.items())) for cell in found}) == size


class TestCells:
    def test_each_cell_is_the_base_with_its_settings(self, written: Path) -> None:
        (written / "s.yaml").write_text(
            "base: base.yaml\nmatrix: {consumers.c: [{count: 2, sleep: 2ms}, {}], seed: [3]}"
        )
        file = load_sweep("s.yaml")
        first, second = [cell.config for cell in file.cells]
        assert (first.consumers["c"].count, first.consumers["c"].sleep, first.seed) == (
            2,
            first.consumers["c"].sleep,
            3,
        )
        assert first.consumers["c"].sleep is not None
        assert (second.consumers["c"].count, second.consumers["c"].sleep) == (1, None)
        assert (first.name, file.name, file.repeat, file.order) == ("base", "s", 1, "shuffled")

    def test_a_whole_group_is_set_before_what_is_set_in_it(self) -> None:
        (cell,) = load_sweep({"base": BASE, "matrix": {COUNT: [3], "consumers.c": [{"sleep": 0}]}}).cells
        assert cell.config.consumers["c"].count == 3

    def test_engine_and_expectations_go_to_every_cell(self) -> None:
        base = {**BASE, "expect": {"items.lost": "== 0"}}
        keys = {"base": base, "engine": "threads", "expect": {"throughput": "> 1"}, "matrix": {COUNT: [1, 2]}}
        for cell in load_sweep(keys).cells:
            assert cell.config.engine == "threads"
            assert cell.config.expect == {"items.lost": "== 0", "throughput": "> 1"}

    def test_a_bound_may_vary(self) -> None:
        file = load_sweep({"base": BASE, "matrix": {"expect.latency.p99": ["< 1s", "< 2s"]}})
        assert [cell.config.expect for cell in file.cells] == [{"latency.p99": "< 1s"}, {"latency.p99": "< 2s"}]

    def test_overrides_are_of_the_base_and_axes_win(self) -> None:
        file = load_sweep(
            {"base": BASE, "engine": "threads", "matrix": {SEED: [1, 2]}},
            overrides={"engine": "simulation", "seed": 9, "time_scale": 3},
        )
        assert [(c.config.engine, c.config.seed, c.config.time_scale) for c in file.cells] == [
            ("simulation", n, 3) for n in (1, 2)
        ]

    def test_options_win_over_the_file(self) -> None:
        file = load_sweep({"base": BASE, "repeat": 2}, options={"repeat": 5, "order": "declared"})
        assert (file.repeat, file.order) == (5, "declared")

    def test_variables_are_filled_in_once(self) -> None:
        environ = {"N": "1..2", "HOME": "$$ome"}
        base = {**BASE, "description": "${HOME}"}
        file = load_sweep({"base": base, "matrix": {COUNT: "${N}", "name": ["$$${HOME}", "b"]}}, environ=environ)
        assert [c.settings[COUNT] for c in file.cells] == [1, 1, 2, 2]
        assert (file.cells[0].config.name, file.cells[0].config.description) == ("$$$ome", "$$ome")

    def test_paths_in_it_start_from_its_folder_and_notes_are_left_alone(self, written: Path) -> None:
        (written / "below").mkdir()
        (written / "below" / "s.yaml").write_text(
            "x-few: &few [1, 2]\nbase: {extends: ../base.yaml, x-note: 1}\nmatrix: {seed: *few}\n"
        )
        file = load_sweep("below/s.yaml")
        assert [cell.config for cell in file.cells] == [load("base.yaml", {"seed": n, "name": "s"}) for n in (1, 2)]


@pytest.mark.usefixtures("written")
class TestAdHoc:
    def test_a_config_and_what_varies(self) -> None:
        file = load_sweep("base.yaml", vary={COUNT: "1..2", "queues.main.kind": "pipe,multiprocessing.Queue"})
        kinds = ("pipe", "multiprocessing.Queue")
        assert [dict(c.settings) for c in file.cells] == [
            {COUNT: n, "queues.main.kind": kind} for n in (1, 2) for kind in kinds
        ]
        assert (file.name, file.cells[0].config.name) == ("base", "base")

    def test_values_are_yaml_or_python(self) -> None:
        vary = {"consumers.c.sleep": "1ms, {distribution: uniform, low: 0, high: 1ms}", SEED: [1, 2]}
        assert [c.settings["consumers.c.sleep"] for c in load_sweep("base.yaml", vary=vary).cells[::2]] == [
            "1ms",
            {"distribution": "uniform", "low": 0, "high": "1ms"},
        ]

    def test_problems_say_that_they_are_of_the_option(self) -> None:
        assert problems("base.yaml", vary={COUNT: "{", "seed": "5..1"}) == [
            "--vary: consumers.c.count: no YAML: a value is missing",
            f"--vary: matrix.seed: the text '5..1': {EMPTY}",
        ]
        assert problems("base.yaml", vary={"consumers.c.cuont": "1,2"})[0].startswith(
            "--vary: consumers.c.cuont: unknown key, did you mean count?"
        )


WRONG = """\
name: wrong
base: base.yaml
matrix:
  consumers.cc.count: [1, 2]
  consumers.c.cuont: [1, 2]
  consumers.c.sleep:
    - 1ms
    - {distribution: exponentia, mean: 1ms}
  queues.main.maxsize: [1, many]
  duration.x.y: [1]
"""


@pytest.mark.usefixtures("written")
class TestWrong:
    def test_what_the_config_does_not_have_is_told_with_its_position_in_the_sweep_file(self, written: Path) -> None:
        (written / "s.yaml").write_text(WRONG)
        found = problems("s.yaml")
        assert found[0].startswith("s.yaml:4:3: consumers.cc: not there, did you mean c? allowed: c, or a new one")
        assert found[1].startswith("s.yaml:5:3: consumers.c.cuont: unknown key, did you mean count?")
        assert found[2].startswith(
            "s.yaml:8:22: consumers.c.sleep.distribution: no such distribution: the text 'exponentia'"
        )
        assert "did you mean exponential?" in found[2]
        assert found[3].startswith("s.yaml:9:28: queues.main.maxsize: wanted a whole number")
        assert found[4].startswith("s.yaml:10:3: duration: wanted seconds")

    def test_what_is_wrong_in_some_cells_only_is_told_with_the_first(self) -> None:
        at = "base.yaml:2:24: consumers.c.items: its workers take"
        assert problems("base.yaml", vary={COUNT: "1..4"}) == [
            f"{at} 3 x 5 = 15 items, but the plan puts 10 into main (with consumers.c.count=3)",
            f"{at} 4 x 5 = 20 items, but the plan puts 10 into main (with consumers.c.count=4)",
        ]

    def test_what_is_wrong_in_the_base_is_told_once_with_its_position(self, written: Path) -> None:
        (written / "base.yaml").write_text("producers: {p: {itmes: 10}}\nconsumers: {c: {}}\n")
        found = problems("base.yaml", vary={SEED: "1..9"})
        assert [each.partition(": ")[0] for each in found] == ["base.yaml:1:16", "base.yaml:1:17"]

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("matrix: {seed: [1]}", "1:1: base: missing; wanted: the path of a config, or a config"),
            ("base: [1]", "1:7: base: wanted the path of a config, or a config"),
            ("base: ${NO_SUCH}", "1:7: base: the variable NO_SUCH is not set"),
            ("base: nope.yaml", "1:7: base: {folder}/nope.yaml: no such file"),
            ("base: .", "1:7: base: {folder}: a directory; wanted a config file"),
            ("base: base.yaml\nmatrx: {seed: [1]}", "2:1: matrx: unknown key, did you mean matrix?"),
            ("base: base.yaml\nmatrix: [seed]", "2:9: matrix: wanted a map from paths to lists of values"),
            ("base: base.yaml\nmatrix: {seed: 5}", "2:16: matrix.seed: wanted a list of values, or a range"),
            ("base: base.yaml\nmatrix: {seed: []}", "2:16: matrix.seed: no values; wanted one at least"),
            ("base: base.yaml\nmatrix: {seed: [1, 2, 1]}", "2:23: matrix.seed: 1 stands there twice"),
            ("base: base.yaml\nmatrix: {seed: 5..1}", "2:16: matrix.seed: the text '5..1': an empty range"),
            ("base: base.yaml\nmatrix: {seed: 1..999999999}", "2:16: matrix.seed: the text '1..999999999': an empty"),
            ("base: base.yaml\nmatrix: {extends: [a]}", "2:10: extends: wanted the dotted path of a key"),
            ("base: base.yaml\nmatrix: {a..b: [a]}", "2:10: a..b: wanted the dotted path of a key"),
            ("base: base.yaml\nzip: {seed: [1, 2], time_scale: [1]}", "2:21: zip.time_scale: 1 values, and seed has 2"),
            ("base: base.yaml\nmatrix: {seed: [1]}\nzip: {seed: [1]}", "3:7: zip.seed: stands in matrix, too"),
            ("base: base.yaml\nmatrix: {seed: [1]}\nexclude: [{sede: 1}]", "3:12: exclude.sede: not in matrix or zip"),
            ("base: base.yaml\nmatrix: {seed: [1]}\nexclude: [{seed: 1}]", "1:1: exclude: leaves out every"),
            ("base: base.yaml\ninclude: [{}]", "2:11: include[0]: empty; wanted a map from paths to values"),
            ("base: base.yaml\ninclude: {seed: 1}", "2:10: include: wanted a list of maps from paths to values"),
            ("base: base.yaml\nrepeat: 0", "2:9: repeat: wanted a whole number from 1 to 10,000, not 0"),
            ("base: base.yaml\norder: random", "2:8: order: no such choice: the text 'random'"),
            ("base: base.yaml\nengine: simulate", "2:9: engine: no such choice: the text 'simulate'"),
            ("base: base.yaml\nexpect: {latncy.p99: < 1s}", "2:10: expect.latncy.p99: no such metric: latncy"),
            ("producers: {p: {}}", " a config, and no sweep file: say what varies with --vary, or write base: s.yaml"),
            ("- 1", "1:1: a list at the top"),
        ],
    )  # fmt: skip
    def test_problems_of_the_file(self, text: str, told: str, written: Path) -> None:
        (written / "s.yaml").write_text(text)
        assert problems("s.yaml")[0].startswith(f"s.yaml:{told.replace('{folder}', str(written))}")

    def test_a_sweep_file_is_no_config_to_vary(self, written: Path) -> None:
        (written / "s.yaml").write_text("base: base.yaml")
        assert problems("s.yaml", vary={SEED: [1]})[0].startswith("s.yaml: a sweep file already;")

    def test_what_leaves_nothing_out_is_warned_of(self) -> None:
        file = load_sweep({"base": BASE, "matrix": {SEED: [1, 2]}, "exclude": [{SEED: "1"}]})
        assert [each.message for each in file.warnings] == ["no combination is like this, so it leaves nothing out"]


class TestMany:
    def test_many_cells_are_not_looked_at_unless_they_are_meant(self) -> None:
        keys = {"base": BASE, "matrix": {SEED: f"0..{MOST_UNASKED}"}}
        with pytest.raises(UsageError, match="10,001 cells, more than 10,000; say --yes"):
            load_sweep(keys)

    def test_more_than_anybody_can_mean_are_not_even_put_together(self) -> None:
        keys = {"base": BASE, "matrix": {SEED: "1..3000", "time_scale": "1..3000", COUNT: "1..3000"}}
        assert problems(keys, many=True) == [f"<sweep>: matrix: 27,000,000,000 combinations; at most {MOST_CELLS:,}"]
