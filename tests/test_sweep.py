"""Sweeps that run: a row for each run, in a fair order, stored as it ends; broken off and gone on with."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from running import finished

import runner
from runner.errors import ConfigError, LogError, StoreError, UsageError
from runner.experiments import sweep as sweeping
from runner.experiments.sweep_forecast import forecast
from runner.experiments.sweep_plan import Cell, Slot, SweepPlan, sweep_plan
from runner.experiments.sweep_store import SweepDir, read_sweep

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runner.experiments.sweep_rows import Row

COUNT, SIZE = "consumers.c.count", "queues.main.maxsize"
SWEEP: dict[str, Any] = {
    "name": "small",
    "base": {
        "engine": "simulation",
        "producers": {"p": {"items": 10, "sleep": {"distribution": "exponential", "mean": "1ms"}}},
        "consumers": {"c": {"sleep": "2ms"}},
    },
    "matrix": {COUNT: [1, 2], SIZE: [0, 1]},
    "repeat": 3,
}
TIMES = ("started", "wall_s")


def timeless(rows: tuple[Row, ...]) -> list[dict[str, Any]]:
    return [{key: value for key, value in asdict(row).items() if key not in TIMES} for row in rows]


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]


class Watch:
    """Notes what it is told, and does something at the n-th run."""

    def __init__(self, at: int = -1, act: Callable[[], None] = lambda: None) -> None:
        self.slots: list[Slot] = []
        self.rows: list[Row] = []
        self._at, self._act = at, act

    def begins(self, plan: SweepPlan, folder: SweepDir) -> None: ...

    def run_begins(self, _cell: Cell, slot: Slot) -> None:
        if len(self.slots) == self._at:
            self._act()
        self.slots.append(slot)

    def run_ended(self, row: Row) -> None:
        self.rows.append(row)


class TestRows:
    def test_there_is_one_for_each_cell_and_repeat(self, tmp_path: Path) -> None:
        found = runner.sweep(SWEEP, tmp_path)
        assert (found.size, found.new, found.finished, found.exit_code) == (12, 12, True, 0)
        assert [row.slot for row in found.rows] == [Slot(cell, repeat) for cell in range(4) for repeat in range(3)]
        assert [row.seed for row in found.rows] == [0, 1, 2] * 4
        assert found.axes == (COUNT, SIZE)
        assert [row.settings for row in found.rows[::3]] == list(found.cells)
        assert read_sweep(found.folder).rows != found.rows  # stored in the order of their ends
        assert sorted(read_sweep(found.folder).rows, key=lambda row: row.slot) == list(found.rows)
        assert found.folder.name == f"small-{found.digest[:8]}"
        assert sorted(path.name for path in found.folder.iterdir()) == [
            ".lock",
            "sweep.csv",
            "sweep.json",
            "sweep.jsonl",
        ]

    def test_a_row_holds_what_the_run_alone_would_have_said(self, tmp_path: Path) -> None:
        row = runner.sweep(SWEEP, tmp_path).rows[4]
        config = sweep_plan(SWEEP).cells[1].repeated(1)
        alone = runner.simulate(config, store=False).summary
        assert (row.seed, row.plan_digest, row.bottleneck) == (1, alone["plan_digest"], alone["bottleneck"])
        assert row.metrics["latency.p99"] == alone["latency"]["p99"]
        assert row.metrics["queues.main.max_depth"] == alone["queues"]["main"]["max_depth"]
        assert row.metrics["lateness.mean"] is None
        assert not any(path.startswith(("workers", "wall_s")) for path in row.metrics)

    def test_the_table_is_the_rows_by_cell_and_repeat(self, tmp_path: Path) -> None:
        found = runner.sweep(SWEEP, tmp_path)
        rows = table(found.folder)
        assert [(row["cell"], row["repeat"], row[COUNT], row[SIZE]) for row in rows] == [
            tuple(map(str, (row.cell, row.repeat, row.settings[COUNT], row.settings[SIZE]))) for row in found.rows
        ]
        assert [float(row["makespan_s"]) for row in rows] == [row.metrics["makespan_s"] for row in found.rows]
        assert {row["lateness.mean"] for row in rows} == {""}

    def test_every_cell_sees_the_same_draws(self, tmp_path: Path) -> None:
        rows = runner.sweep(SWEEP, tmp_path).rows
        assert len({row.metrics["service.mean"] for row in rows if row.repeat == 0}) == 1


class TestOrder:
    def test_shuffled_makes_one_repeat_of_every_cell_after_the_other(self, tmp_path: Path) -> None:
        """What drifts meanwhile meets all cells alike."""
        watch = Watch()
        runner.sweep({**SWEEP, "matrix": {COUNT: "1..8"}}, tmp_path, watch=watch)
        rounds = [watch.slots[start : start + 8] for start in (0, 8, 16)]
        assert [{slot.repeat for slot in each} for each in rounds] == [{0}, {1}, {2}]
        orders = [[slot.cell for slot in each] for each in rounds]
        assert all(sorted(order) == list(range(8)) for order in orders)
        assert list(range(8)) not in orders
        assert len({tuple(order) for order in orders}) == 3

    def test_it_is_the_same_each_time(self) -> None:
        assert sweep_plan(SWEEP).slots() == sweep_plan(SWEEP).slots()

    def test_declared_goes_cell_by_cell(self, tmp_path: Path) -> None:
        watch = Watch()
        found = runner.sweep({**SWEEP, "order": "declared"}, tmp_path, watch=watch)
        assert watch.slots == [row.slot for row in found.rows]


class TestDigest:
    def test_the_same_sweep_has_the_same_folder_whatever_its_order(self, tmp_path: Path) -> None:
        first = runner.sweep(SWEEP, tmp_path)
        again = runner.sweep({**SWEEP, "order": "declared", "description": "?"}, tmp_path)
        assert (again.folder, again.new, again.rows) == (first.folder, 0, first.rows)

    @pytest.mark.parametrize(
        "other",
        [
            {"repeat": 2},
            {"engine": "threads"},
            {"expect": {"items.lost": "== 0"}},
            {"matrix": {COUNT: [1, 2], SIZE: [0, 2]}},
            {"matrix": {SIZE: [0, 1], COUNT: [1, 2]}},
            {"base": {**SWEEP["base"], "seed": 1}},
            {"base": {**SWEEP["base"], "timeout": "1h"}},
        ],
    )
    def test_what_makes_other_rows_makes_another_folder(self, other: dict[str, Any]) -> None:
        assert sweep_plan({**SWEEP, **other}).digest != sweep_plan(SWEEP).digest

    def test_the_content_of_a_file_counts_and_not_its_folder(self, tmp_path: Path) -> None:
        digests = []
        for folder, times in (("a", "0.1\n"), ("b", "0.1\n"), ("c", "0.2\n")):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "times.jsonl").write_text(times)
            (tmp_path / folder / "base.yaml").write_text(
                "producers: {p: {items: 1, sleep: {distribution: trace, file: times.jsonl}}}\nconsumers: {c: {}}\n"
            )
            digests.append(sweep_plan(tmp_path / folder / "base.yaml", vary={COUNT: [1]}).digest)
        assert digests[0] == digests[1] != digests[2]


class TestGoingOn:
    def test_an_interrupt_ends_it_in_good_order_and_the_same_sweep_goes_on(self, tmp_path: Path) -> None:
        whole = runner.sweep(SWEEP, tmp_path / "whole")
        first = runner.sweep(SWEEP, tmp_path, watch=Watch(5, lambda: os.kill(os.getpid(), signal.SIGINT)))
        assert (first.exit_code, first.signal, first.finished) == (130, 130, False)
        assert 5 <= len(first.rows) <= 6
        rest = runner.sweep(SWEEP, tmp_path)
        assert (rest.exit_code, rest.new, rest.finished) == (0, 12 - len(first.rows), True)
        assert timeless(rest.rows) == timeless(whole.rows)
        assert table(rest.folder) == table(whole.folder)

    def test_sigterm_is_143(self, tmp_path: Path) -> None:
        found = runner.sweep(SWEEP, tmp_path, watch=Watch(2, lambda: os.kill(os.getpid(), signal.SIGTERM)))
        assert found.exit_code == 143

    @pytest.mark.parametrize("torn", [b"{", b'{"cell":0,"repe', b'{"cell":0,"repeat":0}'])
    def test_a_torn_last_line_is_cut(self, torn: bytes, tmp_path: Path) -> None:
        whole = runner.sweep(SWEEP, tmp_path / "whole")
        folder = self.half(tmp_path)
        with (folder / "sweep.jsonl").open("ab") as file:
            file.write(torn)
        (folder / "sweep.csv").write_bytes(b"cell,rep")
        found = runner.sweep(SWEEP, tmp_path)
        assert (found.faults, found.new) == ((), 7)
        assert timeless(found.rows) == timeless(whole.rows)
        assert table(folder) == table(whole.folder)
        assert read_sweep(folder).faults == ()

    def half(self, out: Path) -> Path:
        """A sweep of which five runs are made."""
        found = runner.sweep(SWEEP, out)
        lines = (found.folder / "sweep.jsonl").read_bytes().splitlines(keepends=True)
        (found.folder / "sweep.jsonl").write_bytes(b"".join(lines[:5]))
        return found.folder

    def test_fresh_starts_anew(self, tmp_path: Path) -> None:
        folder = self.half(tmp_path)
        (folder / "sweep.json").write_text("{")
        found = runner.sweep(SWEEP, tmp_path, fresh=True)
        assert (found.new, found.faults) == (12, ())

    def test_what_has_changed_meanwhile_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert runner.sweep(SWEEP, tmp_path).drifts == ()
        monkeypatch.setattr("platform.node", lambda: "elsewhere")
        (drift,) = runner.sweep(SWEEP, tmp_path).drifts
        assert (drift.what, drift.now) == ("host", "elsewhere")
        assert runner.sweep(SWEEP, tmp_path, fresh=True).drifts == ()

    def test_one_sweep_is_not_run_twice_at_once(self, tmp_path: Path) -> None:
        said: list[tuple[int, str, str]] = []
        script = "import json, runner, sys; runner.sweep(json.loads(sys.argv[1]), sys.argv[2])"
        watch = Watch(3, lambda: said.append(finished("-c", script, json.dumps(SWEEP), tmp_path)))
        found = runner.sweep(SWEEP, tmp_path, watch=watch)
        assert said[0][0] == 1
        assert "UsageError: " in said[0][2]
        assert "this sweep goes on in another process" in said[0][2]
        assert found.finished

    def test_it_works_outside_the_main_thread(self, tmp_path: Path) -> None:
        found: list[runner.Sweep] = []
        thread = threading.Thread(target=lambda: found.append(runner.sweep(SWEEP, tmp_path)))
        thread.start()
        thread.join(30)
        assert found[0].finished


class TestChangedByHand:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return runner.sweep(SWEEP, tmp_path).folder

    def said(self, folder: Path) -> tuple[str, ...]:
        found = runner.sweep(SWEEP, folder.parent)
        assert read_sweep(folder).faults[: len(found.faults)] == found.faults
        return found.faults

    def test_a_figure(self, folder: Path) -> None:
        rows = folder / "sweep.jsonl"
        lines = rows.read_text().splitlines(keepends=True)
        lines[3] = lines[3].replace('"items.done":10', '"items.done":11')
        rows.write_text("".join(lines))
        assert self.said(folder) == ("sweep.jsonl, line 4: this line or the one before was changed by hand",)

    def test_a_line_that_is_gone(self, folder: Path) -> None:
        rows = folder / "sweep.jsonl"
        lines = rows.read_text().splitlines(keepends=True)
        rows.write_text("".join([*lines[:3], *lines[4:]]))
        (said,) = self.said(folder)
        assert said.startswith("sweep.jsonl, line 4: ")

    def test_a_line_that_is_no_row(self, folder: Path) -> None:
        rows = folder / "sweep.jsonl"
        lines = rows.read_text().splitlines(keepends=True)
        rows.write_text("".join([*lines[:3], "hello\n", *lines[4:]]))
        found = runner.sweep(SWEEP, folder.parent)
        assert "line 4: was changed by hand: no row of this sweep; it is left out" in found.faults[0]
        assert (found.new, found.finished) == (1, True)

    def test_the_manifest(self, folder: Path) -> None:
        manifest = json.loads((folder / "sweep.json").read_text())
        (folder / "sweep.json").write_text(json.dumps({**manifest, "host": "elsewhere"}))
        assert self.said(folder) == ("sweep.json was changed by hand",)

    def test_a_folder_that_is_no_sweep_s(self, tmp_path: Path) -> None:
        with pytest.raises(LogError, match=r"has no sweep\.json"):
            read_sweep(tmp_path)
        (tmp_path / "sweep.json").write_text("[]")
        with pytest.raises(LogError, match="cannot be read"):
            read_sweep(tmp_path)


class TestFailures:
    DYING: dict[str, Any] = {  # noqa: RUF012 - nobody changes it
        **SWEEP,
        "base": {**SWEEP["base"], "on_death": {"policy": "fail"}},
        "include": [{COUNT: 2, SIZE: 0, "faults": [{"kill": "c-0", "after": {"gets": 2}}]}],
        "expect": {"queues.main.max_depth": "<= 3"},
        "repeat": 1,
    }

    def test_a_cell_that_fails_does_not_stop_the_others_and_the_strongest_code_wins(self, tmp_path: Path) -> None:
        found = runner.sweep(self.DYING, tmp_path)
        assert found.finished
        assert {(row.settings[COUNT], row.settings[SIZE]): (row.status, row.exit_code) for row in found.rows} == {
            (1, 0): ("unmet", 3),
            (1, 1): ("ok", 0),
            (2, 0): ("failed", 1),
            (2, 1): ("ok", 0),
        }
        assert found.exit_code == 1
        (failed,) = [row for row in found.rows if row.exit_code == 1]
        assert failed.reason is not None
        assert "c-0" in failed.reason
        assert failed.expectations[0]["metric"] == "queues.main.max_depth"

    def test_expectations_alone_are_3(self, tmp_path: Path) -> None:
        found = runner.sweep({**self.DYING, "include": []}, tmp_path)
        assert found.exit_code == 3
        assert table(found.folder)[0]["unmet"] == "queues.main.max_depth <= 3"

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (ConfigError(), "refused", 2),
            (StoreError("full"), "failed", 1),
            (ZeroDivisionError("of all things"), "error", 70),
        ],
    )
    def test_what_a_run_raises_is_its_row(
        self, error: Exception, status: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr("runner.api.simulate", broken)
        found = runner.sweep({**SWEEP, "repeat": 1}, tmp_path)
        assert {(row.status, row.exit_code) for row in found.rows} == {(status, code)}
        assert found.exit_code == max(code, 1) if code != 2 else 1
        assert str(error) in (found.rows[0].reason or "")

    def test_a_wrong_cell_is_told_before_anything_runs(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="did you mean count"):
            runner.sweep({**SWEEP, "matrix": {COUNT: [1], "consumers.c.cuont": [1]}}, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_made_is_told_before_anything_runs(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(UsageError, match="choose another folder with --out"):
            runner.sweep(SWEEP, tmp_path / "file")

    def test_a_full_disk_ends_it_and_keeps_the_rows(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        written = os.write

        def full(descriptor: int, data: bytes) -> int:
            return (
                written(descriptor, data[: len(data) // 2])
                if data.startswith(b'{"cell":')
                else written(descriptor, data)
            )

        runner.sweep(SWEEP, tmp_path, watch=Watch(3, lambda: os.kill(os.getpid(), signal.SIGTERM)))
        monkeypatch.setattr("os.write", full)
        with pytest.raises(StoreError, match="it goes on"):
            runner.sweep(SWEEP, tmp_path)
        monkeypatch.undo()
        found = runner.sweep(SWEEP, tmp_path)
        assert (found.finished, found.faults) == (True, ())


class TestRuns:
    def test_simulations_are_stored_where_asked(self, tmp_path: Path) -> None:
        found = runner.sweep({**SWEEP, "repeat": 1}, tmp_path, store=True)
        for row in found.rows:
            assert row.run is not None
            stored = json.loads((found.folder / row.run / "summary.json").read_text())
            assert stored["makespan_s"] == row.metrics["makespan_s"]

    @pytest.mark.process
    def test_a_real_run_is_a_run_directory_in_the_sweep_s_folder(self, tmp_path: Path) -> None:
        found = runner.sweep({**SWEEP, "engine": "processes", "matrix": {COUNT: [1, 2]}, "repeat": 1}, tmp_path)
        assert found.exit_code == 0
        for row in found.rows:
            assert row.run is not None
            folder = found.folder / row.run
            assert runner.audit(folder).valid is True
            again = runner.load(folder / "config.yaml")
            assert (again.consumers["c"].count, again.seed) == (row.settings[COUNT], row.seed)
            manifest = json.loads((folder / "manifest.json").read_text())
            assert manifest["overrides"] == {COUNT: row.settings[COUNT], "seed": row.seed}

    def test_threads_too(self, tmp_path: Path) -> None:
        found = runner.sweep({**SWEEP, "engine": "threads", "repeat": 1}, tmp_path)
        assert (found.exit_code, len(list((found.folder / "runs").glob("2*")))) == (0, 4)


class TestForecast:
    def test_real_runs_take_what_is_predicted_for_them_and_their_start(self) -> None:
        base = {"producers": {"p": {"items": 10, "sleep": "1s"}}, "consumers": {"c": {}}}
        found = forecast(sweep_plan({"base": base, "matrix": {"time_scale": [1, 2]}, "repeat": 3}))
        assert [found.cells[place].wall_s for place in (0, 1)] == [10.5, 20.5]
        assert found.total_s == 3 * 31

    def test_without_patience_the_first_stands_for_all(self) -> None:
        base = {"producers": {"p": {"items": 10, "sleep": "1s"}}, "consumers": {"c": {}}}
        found = forecast(sweep_plan({"base": base, "matrix": {SIZE: "1..9"}}), patience_s=0)
        assert (found.known, found.total_s) == (1, 9 * 10.5)

    def test_what_nobody_can_know(self) -> None:
        base = {"producers": {"p": {"items": 10}}, "consumers": {"c": {"call": "a:b"}}}
        found = forecast(sweep_plan({"base": base}))
        assert (found.known, found.total_s) == (0, None)
        assert "nobody knows how long user code takes" in (found.cells[0].why or "")


def test_all_of_it_is_plain_data(tmp_path: Path) -> None:
    found = runner.sweep(SWEEP, tmp_path)
    plain = found.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert (plain["finished"], plain["exit_code"], len(plain["rows"])) == (True, 0, 12)
    assert sweeping.Sweep is runner.Sweep
