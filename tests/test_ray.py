"""The engine `ray` does what the others do: the same items, work and ends, on a cluster of three nodes."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from running import USER_CODE, Ran, execute, until, within
from sharedray import NEEDS_RAY
from test_configs import EXAMPLES, FAILING, name

import runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sharedray import SharedCluster

    from runner.engines.contract import LiveRun

pytestmark = [pytest.mark.ray, pytest.mark.process, NEEDS_RAY]


@pytest.fixture(autouse=True)
def nobody_is_left(cluster: SharedCluster) -> Iterator[None]:
    """However a run ends, nothing of it stays on the cluster."""
    yield
    until(lambda: not cluster.actors(), 10)


def ran(text: str, folder: Path, **overrides: Any) -> Ran:
    """A run on the cluster to which this process is connected; its log is valid, also as to the order of items."""
    found = execute(f"engine: ray\n{text}", folder, seconds=90, **overrides)
    assert found.events[0]["engine"] == "ray"
    assert runner.audit(found.result.run_dir).valid is True, found.result.verdict
    found.assert_accounted()
    return found


def planned(events: Iterator[dict[str, Any]]) -> dict[tuple[str, str], int]:
    return {(e["queue"], e["id"]): e["planned_ns"] for e in events if e["event"] == "done"}


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_the_examples_run_as_in_processes(path: Path, tmp_path: Path) -> None:
    """Every file runs unchanged, with the same work for every item."""
    changes = {"time_scale": 0.01}
    with within(120):
        result = runner.run(runner.load(path, {**changes, "engine": "ray"}), out=tmp_path)
        other = runner.run(runner.load(path, changes), out=tmp_path)
    assert result.exit_code == other.exit_code == (1 if path.stem in FAILING else 0), result.reason
    assert runner.audit(result.run_dir).valid is True
    assert planned(result.events()) == planned(other.events())
    for fate in ("planned", "put", "done", "lost", "duplicated", "left", "failed"):
        assert result.summary["items"][fate] == other.summary["items"][fate], fate
    if path.stem == "poison-item":
        assert_poisoned(result)


def assert_poisoned(result: runner.Result) -> None:
    """As docs/lessons/poison-item.md tells it: three deaths, and the rest is done."""
    items = result.summary["items"]
    assert (items["done"], items["failed"], items["lost"], items["left"]) == (19, 1, 0, 0)
    told = Counter(event["event"] for event in result.events())
    assert [told[event] for event in ("worker.died", "worker.restart", "redelivery")] == [3, 3, 2]
    [failed] = [event for event in result.events() if event["event"] == "failed"]
    assert (failed["id"], failed["delivery"], failed["why"]) == ("cook-0:7", 3, "killed its worker 3 times")


MANY_SORTS = """
queues: {a: {maxsize: 3, batch: 2}, b: {}}
producers:
  file: {items: {file: rows.jsonl}, to: a}
  values: {items: {values: [null, 1.5, "é", [1, {a: 2}], 1180591620717411303424]}, to: a}
  call: {items: {call: "actions:values"}, to: a}
  big: {items: {call: {target: "actions:big", kwargs: {size: 1048576}}}, to: a}
  padded: {items: {start: -9223372036854775808, stop: -9223372036854775800, step: 3}, payload: 1MiB, to: a}
  nothing: {items: {start: 5, stop: 5}, to: a}
  shared: {count: 3, items: {start: 0, stop: 10, share: split}, to: a}
stages: {s: {from: a, to: b, count: 2}}
consumers: {c: {from: b, count: 2}}
"""


def test_items_of_all_sorts_travel(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"x": 1}\n"two"\nnull\n')
    found = ran(MANY_SORTS, tmp_path)
    found.assert_ok()
    other = execute(f"engine: threads\n{MANY_SORTS}", tmp_path)
    for queue in "ab":
        found.assert_delivered(queue)
        assert found.moved("done", queue) == other.moved("done", queue)
    assert not [event for event in found.of("put") if event["worker"].startswith("nothing")]


def test_what_cannot_travel_fails_or_is_skipped(tmp_path: Path) -> None:
    text = 'producers: {p: {items: {call: "actions:unpicklable"}}}\nconsumers: {c: {}}'
    found = ran(text, tmp_path)
    assert (found.result.exit_code, found.end["status"], found.ids("done")) == (1, "failed", ["p-0:0"])
    [error] = found.of("error")
    assert (error["id"], error["place"]) == ("p-0:1", "put")
    assert "the item cannot be pickled" in error["why"]
    skipping = """
producers: {p: {items: 3, to: a}}
stages: {s: {from: a, to: b, call: "actions:to_unpicklable"}}
consumers: {c: {from: b}}
queues: {a: {}, b: {}}
on_error: {policy: skip}
"""
    found = ran(skipping, tmp_path)
    assert [event["id"] for event in found.of("done") if event["queue"] == "b"] == ["p-0:0", "p-0:2"]
    assert [event["id"] for event in found.of("failed")] == ["p-0:1"]


class TestUserCode:
    @pytest.mark.parametrize("policy", ["skip", "retry, retries: 2", "fail"])
    def test_that_raises(self, policy: str, tmp_path: Path) -> None:
        text = f"""
producers: {{p: {{items: 5}}}}
consumers: {{c: {{call: {{target: "actions:refuse", kwargs: {{at: 2}}}}}}}}
on_error: {{policy: {policy}}}
queues: {{main: {{maxsize: 1}}}}
"""
        other = execute(f"engine: threads\n{text}", tmp_path)
        found = ran(text, tmp_path)
        assert len(found.of("error")) == len(other.of("error"))
        assert (found.result.exit_code, found.end["reason"]) == (other.result.exit_code, other.end["reason"])
        for fate in ("done", "failed", "lost"):
            assert found.result.summary["items"][fate] == other.result.summary["items"][fate]

    def test_that_cannot_be_had(self, tmp_path: Path) -> None:
        """Nothing moves, and the reason is the one that processes give."""
        text = 'producers: {p: {items: 5}}\nconsumers: {c: {call: "nowhere:at_all"}}'
        found, other = ran(text, tmp_path), execute(text, tmp_path)
        assert (found.result.exit_code, found.end["status"], found.ids("put")) == (1, "failed", [])
        assert found.end["reason"] == other.end["reason"]
        assert [(e["place"], e["why"]) for e in found.of("error")] == [
            (e["place"], e["why"]) for e in other.of("error")
        ]

    def test_whose_import_is_the_end(self, tmp_path: Path) -> None:
        text = 'producers: {p: {items: 5}}\nconsumers: {c: {call: "exits_at_import:nothing"}}'
        found = ran(text, tmp_path)
        assert (found.result.exit_code, found.end["status"], found.ids("put")) == (1, "failed", [])
        assert len(found.of("worker.died")) == 4
        assert "while preparing, after 3 restarts (on_death.max_restarts)" in found.end["reason"]


FAULTY = """
queues: {main: {maxsize: 2}}
producers: {p: {count: 2, items: 20}}
consumers: {c: {count: 2, sleep: 1ms}}
"""


class TestDeaths:
    @pytest.mark.parametrize("who", ["c-0", "p-1"])
    def test_a_fault_kills_and_another_goes_on(self, who: str, tmp_path: Path) -> None:
        what = "gets" if who == "c-0" else "puts"
        found = ran(f"{FAULTY}faults: [{{kill: {who}, after: {{{what}: 3}}}}]", tmp_path)
        found.assert_ok()
        assert len(found.ids("done")) == len(set(found.ids("done"))) == 40
        assert [event["worker"] for event in found.of("worker.died", "worker.restart")] == [who, who]
        assert [event["signal"] for event in found.of("worker.exit") if "signal" in event] == ["SIGKILL"]
        again = found.of("redelivery")
        assert {event["delivery"] for event in again} <= {2}
        assert len(again) == (1 if who == "c-0" else 0)

    def test_fail_ends_the_run(self, tmp_path: Path) -> None:
        found = ran(f"{FAULTY}faults: [{{kill: c-0, after: {{gets: 3}}}}]\non_death: {{policy: fail}}", tmp_path)
        assert (found.result.exit_code, found.end["status"]) == (1, "failed")
        assert "c-0 was killed" in found.end["reason"]
        assert not found.of("redelivery", "worker.restart")

    def test_continue_goes_on_without_the_dead(self, tmp_path: Path) -> None:
        faults = "faults: [{kill: c-0, after: {gets: 3}}, {kill: p-0, after: {puts: 4}}]\non_death: {policy: continue}"
        found = ran(FAULTY + faults, tmp_path)
        assert found.result.exit_code == 0, found.end
        assert not found.of("worker.restart")
        assert [event["delivery"] for event in found.of("redelivery")] == [2]
        assert len(found.ids("done")) == len(found.ids("put"))
        assert found.result.summary["workers"]["p-1"]["puts"] == 20

    def test_a_dead_reader_is_not_missed_at_the_end_of_the_stream(self, tmp_path: Path) -> None:
        """What the broker told last is older than the end, and may be that items are waiting."""
        text = """
producers: {p: {items: 300}}
consumers: {near: {sleep: 1ms}, far: {sleep: 2ms}}
faults: [{kill: far-0, after: {gets: 20}}]
on_death: {policy: continue}
"""
        found = ran(text, tmp_path)
        assert (found.result.exit_code, found.end["reason"]) == (0, None)
        assert len(found.ids("done")) == 300

    def test_the_last_reader_is_missed(self, tmp_path: Path) -> None:
        text = FAULTY.replace("c: {count: 2", "c: {count: 1")
        found = ran(f"{text}faults: [{{kill: c-0, after: {{gets: 3}}}}]\non_death: {{policy: continue}}", tmp_path)
        assert (found.result.exit_code, found.end["reason"]) == (1, "queue main has lost its last reader, c-0")

    def test_restarts_are_used_up(self, tmp_path: Path) -> None:
        faults = ", ".join(f"{{kill: c-0, after: {{gets: {count}}}}}" for count in (1, 3))
        text = FAULTY.replace("c: {count: 2", "c: {count: 1")
        found = ran(f"{text}faults: [{faults}]\non_death: {{max_restarts: 1}}", tmp_path)
        assert (found.result.exit_code, found.end["status"]) == (1, "failed")
        assert "c-0" in found.end["reason"]
        assert len(found.of("worker.died")) == 2


class TestLimits:
    def test_an_item_that_takes_too_long_costs_its_worker_the_life(self, tmp_path: Path) -> None:
        text = """
producers: {p: {items: 1}}
consumers: {c: {call: "actions:forever", item_timeout: 300ms}}
on_death: {policy: fail}
"""
        found = ran(text, tmp_path)
        assert found.result.exit_code == 1
        assert (
            "was killed for working on one item for longer than item_timeout, 0.3 s with p-0:0 in hand"
            in found.end["reason"]
        ), found.end

    def test_a_run_in_which_nothing_moves_is_ended(self, tmp_path: Path) -> None:
        text = 'producers: {p: {items: 2}}\nconsumers: {c: {call: "actions:forever"}}\nhang_after: 1s'
        found = ran(text, tmp_path)
        assert (found.result.exit_code, found.end["status"]) == (1, "failed")
        assert found.end["reason"].startswith("nothing has moved for 1 s")
        [hang] = found.of("hang")
        assert {each["worker"]: each["last"] for each in hang["workers"]}["c-0"] == "get p-0:0"

    def test_a_timeout_stops_whoever_waits_or_calls(self, tmp_path: Path) -> None:
        text = """
queues: {a: {maxsize: 1}, b: {}}
producers: {p: {items: 9, to: a}, q: {items: 9, to: a, sleep: 1000}}
stages: {s: {from: a, to: b, sleep: 1000}}
consumers: {c: {from: b}}
timeout: 6s
"""
        found = ran(text, tmp_path)
        assert (found.result.exit_code, found.end["status"]) == (1, "timeout")
        assert found.of("left")
        assert {event["exit_code"] for event in found.of("worker.exit")} == {0}

    def test_a_quota_leaves_the_rest(self, tmp_path: Path) -> None:
        text = """
queues: {main: {maxsize: 2, batch: 3}}
producers: {p: {count: 2, items: 1000}}
consumers: {c: {count: 2, items: 7}}
engine_options: {prefetch: 5}
"""
        found = ran(text, tmp_path)
        assert (found.result.exit_code, found.end["status"]) == (0, "completed")
        assert Counter(event["worker"] for event in found.of("done")) == {"c-0": 7, "c-1": 7}
        assert found.of("left")

    def test_endless_producers_end_with_the_duration(self, tmp_path: Path) -> None:
        """And pacing, warm-up, faults that pause, all at once."""
        text = """
producers: {p: {pacing: open, sleep: 10ms}, q: {sleep: 20ms}}
consumers: {c: {count: 2, busy: 0.1ms}}
duration: 1s
warmup: 200ms
faults: [{pause: c-0, after: {gets: 5}, for: 100ms}, {pause: p-0, after: {puts: 5}, for: 100ms}]
"""
        found = ran(text, tmp_path)
        found.assert_ok()
        assert {event["worker"] for event in found.of("fault")} == {"c-0", "p-0"}
        late = {event["worker"]: event["late_ns"] for event in found.of("put")}
        assert late["p-0"] is not None
        assert late["q-0"] is None
        assert 10 < len([event for event in found.of("put") if event["worker"] == "p-0"]) <= 101

    def test_a_replacement_after_the_steady_point_ends_too(self, tmp_path: Path) -> None:
        class Assassin:
            struck = False

            def tick(self, live: LiveRun) -> None:
                entries = [entry for _, entry in live.chronicle.entries]
                if not self.struck and any(entry["event"] == "steady" for entry in entries):
                    self.struck = True
                    starts = [entry for entry in entries if entry["event"] == "worker.start"]
                    os.kill(next(entry["pid"] for entry in starts if entry["worker"] == "q-0"), signal.SIGKILL)

        text = """
producers: {p: {sleep: 2ms}, q: {sleep: 2s}}
consumers: {c: {}}
stop_when: {metric: throughput, within: 30%, over: 200ms}
timeout: 60s
"""
        found = ran(text, tmp_path, watch=Assassin())
        assert (found.result.exit_code, found.end["reason"]) == (0, None)
        assert len(found.of("worker.restart")) == 1

    def test_a_stage_that_is_stopped_alone_keeps_nobody_waiting(self, tmp_path: Path) -> None:
        """Its item is left; the other reader of its queue comes to the end of the stream."""
        text = """
queues: {a: {}, b: {}}
producers: {p: {items: 60, to: a, sleep: 5ms}}
stages: {s: {from: a, to: b, sleep: 15ms}}
consumers: {c1: {from: b, items: 3}, c2: {from: a, sleep: 8ms}}
hang_after: 15s
"""
        found = ran(text, tmp_path)
        assert (found.result.exit_code, found.end["reason"]) == (0, None)

    def test_a_steady_run_ends_its_producers(self, tmp_path: Path) -> None:
        text = """
producers: {p: {sleep: 2ms}}
consumers: {c: {}}
stop_when: {metric: throughput, within: 20%, over: 200ms}
timeout: 30s
"""
        found = ran(text, tmp_path)
        found.assert_ok()
        assert len(found.of("steady")) == 1

    def test_a_fault_raises(self, tmp_path: Path) -> None:
        found = ran(f"{FAULTY}faults: [{{raise: c-1, after: {{gets: 2}}}}]\non_error: {{policy: skip}}", tmp_path)
        assert (found.result.exit_code, len(found.of("failed")), len(found.ids("done"))) == (0, 1, 39)


@pytest.mark.parametrize("prefetch", [0, 5])
def test_a_bound_is_kept_whatever_is_asked_for_ahead(prefetch: int, tmp_path: Path) -> None:
    """The audit counts the depth by the log; the largest is the bound."""
    text = """
queues: {main: {maxsize: 3, batch: 2}}
producers: {p: {count: 2, items: 60}}
consumers: {c: {count: 2, sleep: 1ms}}
"""
    found = ran(text, tmp_path, engine_options={"prefetch": prefetch})
    found.assert_ok()
    found.assert_delivered()
    assert 1 <= found.result.summary["queues"]["main"]["max_depth"] <= 3


def test_sixteen_workers_share_four_queues(tmp_path: Path) -> None:
    text = """
queues: {a: {maxsize: 4}, b: {batch: 8}, c: {maxsize: 1}, d: {}}
producers: {p: {count: 4, items: 25, to: a}}
stages:
  s: {count: 3, from: a, to: b, call: "actions:tenfold"}
  t: {count: 2, from: b, to: c, call: "actions:copies"}
  u: {count: 3, from: c, to: d}
consumers: {e: {count: 4, from: d}}
"""
    found = ran(text, tmp_path)
    found.assert_ok()
    assert len(found.of("worker.start")) == 16
    assert len(found.ids("put")) == 4 * 25 * 2 + 2 * 4 * sum(item % 3 for item in range(25))


def test_workers_are_where_they_are_told_to_be(cluster: SharedCluster, tmp_path: Path) -> None:
    """And the manifest tells of their nodes, the log of their clocks."""
    found = ran(
        "producers: {p: {items: 3}}\nconsumers: {c: {count: 2}}", tmp_path,
        engine_options={"groups": {"p": {"resources": {"left": 1}}, "c": {"resources": {"right": 1}, "num_cpus": 1}}},
    )  # fmt: skip
    found.assert_ok()
    nodes = {event["worker"]: event["node"] for event in found.of("worker.start")}
    assert nodes["c-0"] == nodes["c-1"] != nodes["p-0"]
    manifest = runner.log.rundir.RunDir(found.result.run_dir).manifest()
    assert set(manifest["nodes"]) == set(nodes.values())
    assert {node["clock_offset_ns"] for node in manifest["nodes"].values()} == {0}


def test_it_uses_the_ray_of_whoever_calls_and_leaves_it_running(tmp_path: Path) -> None:
    import ray

    ran("producers: {p: {items: 1}}\nconsumers: {c: {}}\naddress: local", tmp_path).assert_ok()
    assert ray.is_initialized()
    assert USER_CODE.is_dir()
