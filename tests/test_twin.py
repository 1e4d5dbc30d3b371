"""A run beside its simulation: pairs, the split of the gap, and the command."""

from __future__ import annotations

import dataclasses
import json
from textwrap import dedent
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from running import config, within
from test_course import REAL, course, done, get, log, put, replayed

import runner
from runner.analysis.course import Course
from runner.analysis.gap import PARTS, gap
from runner.analysis.pairs import agreement, difference, pairs
from runner.cli.app import execute
from runner.errors import Interrupted, UsageError
from runner.experiments.twin import told
from runner.log import events

if TYPE_CHECKING:
    from pathlib import Path

    from runner.analysis.gap import Gap

TEXT = "producers: {p: {items: 3, sleep: 2s}, q: {items: 2, sleep: 3s}}\nconsumers: {c: {count: 2, sleep: 4s}}"
QUICK = "producers: {p: {count: 2, items: 5, sleep: 2ms}}\nconsumers: {c: {count: 2, sleep: 3ms}}"
S = 1_000_000_000


def parts(split: Gap) -> dict[str, int]:
    return {part: getattr(split, part) for part in PARTS}


def assert_adds_up(split: Gap) -> None:
    assert sum(parts(split).values()) == split.total == split.real - split.simulated


class TestGap:
    """Two simulations stand for the two sides: what differs between them is known to the nanosecond."""

    def test_against_itself_there_is_none(self) -> None:
        split = gap(course(TEXT), course(TEXT))
        assert (split.total, parts(split), split.moved, split.gets) == (0, dict.fromkeys(PARTS, 0), 0, 5)
        assert "there is nothing to explain" in told(split)

    def test_services_that_last_longer_are_oversleeping(self) -> None:
        longer = TEXT.replace("4s", "4.5s")
        split = gap(course(TEXT), course(longer))
        assert_adds_up(split)
        assert parts(split) == {**dict.fromkeys(PARTS, 0), "oversleeping": 3 * S // 2}
        assert split.dominant == "oversleeping"
        assert "oversleeping dominates: +1500.000 ms" in told(split)

    def test_pauses_that_last_longer_are_oversleeping(self) -> None:
        text = "producers: {p: {items: 4, sleep: 2s}}\nconsumers: {c: {sleep: 1s}}"
        split = gap(course(text), course(text.replace("2s", "2.5s")))
        assert parts(split) == {**dict.fromkeys(PARTS, 0), "oversleeping": 3 * S // 2}

    def test_other_takers_are_ties(self) -> None:
        """The only item goes to the group that stands first; its draw is its own."""
        text = "producers: {p: {items: 1}}\nconsumers: {%s, %s}"
        slow, quick = "slow: {sleep: 9s}", "quick: {sleep: 1s}"
        split = gap(course(text % (slow, quick)), course(text % (quick, slow)))
        assert_adds_up(split)
        assert parts(split) == {**dict.fromkeys(PARTS, 0), "ties": -8 * S}
        assert (split.moved, split.gets, split.dominant) == (1, 1, "ties")

    def test_what_operations_take_themselves_the_start_and_the_rest(self) -> None:
        """By hand: 10 to the first put, then 2 and 5 for the get, 2 more than the service, 3 + 4 to the second item."""
        ours = log(
            put(0, "p-0:0", 0), get(0, "p-0:0", 0), done(20, "p-0:0", 20),
            put(20, "p-0:1", 0), get(20, "p-0:1", 0), done(40, "p-0:1", 20),
        )  # fmt: skip
        split = gap(ours, log(*REAL))
        assert_adds_up(split)
        assert (split.simulated, split.real) == (40, 64)
        assert parts(split) == {"ties": 0, "oversleeping": 0, "operations": 9, "start_up": 10, "rest": 5}

    def test_items_of_one_side_only_explain_nothing(self) -> None:
        split = gap(course(TEXT), course(TEXT.replace("items: 2", "items: 4")))
        assert_adds_up(split)
        assert (split.oversleeping, split.operations, split.start_up, split.rest) == (0, 0, 0, 0)


class TestPairs:
    def test_each_item_of_each_queue_is_paired_by_its_id(self) -> None:
        ours, theirs = course(TEXT), course(TEXT.replace("4s", "5s").replace("items: 2", "items: 3"))
        found = pairs(ours, theirs)
        assert [pair.id for pair in found] == ["p-0:0", "q-0:0", "p-0:1", "q-0:1", "p-0:2", "q-0:2"]
        assert found[0].simulated is not None
        assert found[0].simulated.planned == 4 * S
        assert found[-1].simulated is None
        assert dataclasses.astuple(difference(found, "service")) == (5, 4 * S, 5 * S, S, "p-0:0")

    def test_draws_that_differ_are_named(self) -> None:
        ours, theirs = course(TEXT), course(TEXT.replace("4s", "5s"))
        assert agreement(pairs(ours, ours)).same == 5
        told = agreement(pairs(ours, theirs))
        assert (told.same, len(told.different)) == (0, 5)

    def test_another_group_draws_its_own(self) -> None:
        text = "producers: {p: {items: 1}}\nconsumers: {%s: {sleep: 1s}, other: {sleep: 2s}}"
        told = agreement(pairs(course(text % "a"), course(text % "b")))
        assert dataclasses.astuple(told) == (0, (), 1, 0, 0)


@pytest.mark.process
class TestTwin:
    """With a real run nothing is said about times, but that they add up."""

    @pytest.mark.parametrize("engine", ["threads", "processes"])
    def test_it_pairs_all_items_and_the_split_adds_up(self, engine: str, tmp_path: Path) -> None:
        with within(60):
            found = runner.twin(config(QUICK, tmp_path, engine=engine), out=tmp_path / "runs")
        assert_adds_up(found.gap)
        assert found.exit_code == 0
        assert (found.planned.same, found.planned.different, len(found.items)) == (10, (), 10)
        assert found.gap.real == round(found.real.summary["makespan_s"] * S)
        assert found.gap.simulated == round(found.simulated.summary["makespan_s"] * S)
        assert found.run_dir.is_dir()
        assert set(found.workers) == {"p-0", "p-1", "c-0", "c-1"}

    def test_stages_and_bounds_add_up_too(self, tmp_path: Path) -> None:
        text = """
            queues: {a: {maxsize: 1}, b: {maxsize: 2, batch: 2}}
            producers: {p: {count: 2, items: 6, to: a, sleep: 1ms}}
            stages: {s: {count: 2, from: a, to: b, sleep: 1ms}}
            consumers: {c: {from: b, sleep: 1ms}}"""
        with within(60):
            found = runner.twin(config(dedent(text), tmp_path), out=tmp_path / "runs")
        assert_adds_up(found.gap)
        assert (found.planned.same, len(found.items)) == (24, 24)
        real = Course(events.read(found.run_dir / "events.jsonl"))
        assert replayed(real) == real.makespan  # the graph of a real log gives that log again

    def test_the_command_tells_it_as_text_and_as_json(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "quick.yaml").write_text(QUICK)
        assert execute(["twin", "quick.yaml", "--set", "engine=threads"]) == 0
        out, err = capfd.readouterr()
        assert "planned_ns is the same for all 10 items" in out
        assert all(text in out for text in PARTS.values())
        assert "/runs/" in err
        assert execute(["twin", "quick.yaml", "--set", "engine=threads", "--json"]) == 0
        document = json.loads(capfd.readouterr().out)
        assert sum(document["split_ns"].values()) == document["makespan_ns"]["gap"]
        assert len(document["items"]) == 10

    def test_a_run_that_fails_is_compared_and_its_exit_code_kept(self, tmp_path: Path) -> None:
        text = f"{QUICK}\non_death: {{policy: fail}}\nfaults: [{{kill: c-0, after: {{gets: 2}}}}]"
        with within(60):
            found = runner.twin(config(text, tmp_path), out=tmp_path / "runs")
        assert_adds_up(found.gap)
        assert found.exit_code == 1


def test_a_simulation_has_no_real_twin(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no real twin"):
        runner.twin(config(QUICK, tmp_path, engine="simulation"))
    assert not list(tmp_path.iterdir())


def test_a_signal_during_the_simulation_leaves_the_real_run_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = SimpleNamespace(exit_code=130, reason="interrupted by SIGINT", summary={})
    monkeypatch.setattr("runner.api.simulate", lambda *_, **__: ended)
    with pytest.raises(Interrupted, match="interrupted by SIGINT") as caught:
        runner.twin(config(QUICK, tmp_path), out=tmp_path / "runs")
    assert caught.value.exit_code == 130
    assert not list(tmp_path.iterdir())


def test_user_code_without_a_model_has_no_simulated_twin(tmp_path: Path) -> None:
    with pytest.raises(runner.ConfigError, match="cannot be simulated"):
        runner.twin(config("producers: {p: {items: 1}}\nconsumers: {c: {call: 'a:b'}}", tmp_path))
