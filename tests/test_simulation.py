"""The engine `simulation`: exact, in virtual time, and the same everywhere."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from simulations import Gone, simulate

import runner
from runner.config.load import loads
from runner.engines import simulation_worker
from runner.engines.simulated import simulated

if TYPE_CHECKING:
    from pathlib import Path


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


class TestQueues:
    def test_a_bound_blocks_the_producer_until_a_get(self) -> None:
        gone = simulate(
            "queues: {main: {maxsize: 1}}\nproducers: {p: {items: 3, sleep: 1s}}\nconsumers: {c: {sleep: 3s}}"
        )
        assert gone.told() == lines("""
            0 put p-0 p-0:0
            0 get c-0 p-0:0
            1 put p-0 p-0:1
            3 done c-0 p-0:0
            3 get c-0 p-0:1
            3 put p-0 p-0:2
            6 done c-0 p-0:1
            6 get c-0 p-0:2
            9 done c-0 p-0:2""")
        assert [event["wait_ns"] for event in gone.of("put")] == [0, 0, 1_000_000_000]
        assert [event["latency_ns"] for event in gone.of("get")] == [0, 2_000_000_000, 4_000_000_000]
        assert gone.simulated.summary["queues"]["main"]["max_depth"] == 1

    def test_of_several_blocked_producers_the_one_that_waited_longest_goes_next(self) -> None:
        gone = simulate("""
            queues: {main: {maxsize: 1}}
            producers: {late: {items: 2, sleep: 5s}, soon: {items: 3, sleep: 1s}}
            consumers: {c: {sleep: 4s}}""")
        assert gone.told("put") == lines("""
            0 put late-0 late-0:0
            0 put soon-0 soon-0:0
            4 put soon-0 soon-0:1
            8 put late-0 late-0:1
            12 put soon-0 soon-0:2""")

    def test_of_several_waiting_consumers_the_one_that_waited_longest_goes_next(self) -> None:
        gone = simulate("""
            producers: {p: {items: 4, sleep: 3s}}
            consumers: {c: {count: 2, sleep: 1s}}""")
        assert gone.told("get") == lines("""
            0 get c-0 p-0:0
            3 get c-1 p-0:1
            6 get c-0 p-0:2
            9 get c-1 p-0:3""")

    def test_a_pipe_without_maxsize_holds_its_capacity(self) -> None:
        gone = simulate("producers: {p: {items: 32770}}\nconsumers: {c: {items: 1, sleep: 1s}}")
        puts = gone.of("put")
        assert [puts[32768]["t_ns"], len(puts)] == [0, 32769]  # one was got at once
        assert gone.end["totals"]["left"] == 32768

    def test_batches_are_written_when_full_and_before_a_wait(self) -> None:
        gone = simulate("""
            queues: {main: {batch: 2}}
            producers: {p: {items: 5}, q: {items: 3, sleep: 1s}}
            consumers: {c: {sleep: 2s}}""")
        assert gone.told("put", "get") == lines("""
            0 put p-0 p-0:0
            0 put p-0 p-0:1
            0 put p-0 p-0:2
            0 put p-0 p-0:3
            0 put p-0 p-0:4
            0 put q-0 q-0:0
            0 get c-0 p-0:0
            0 get c-0 p-0:1
            1 put q-0 q-0:1
            2 put q-0 q-0:2
            4 get c-0 p-0:2
            4 get c-0 p-0:3
            8 get c-0 p-0:4
            8 get c-0 q-0:0
            12 get c-0 q-0:1
            12 get c-0 q-0:2""")

    def test_a_quota_stops_who_still_puts_and_upstream_likewise(self) -> None:
        gone = simulate("""
            queues: {a: {maxsize: 1}, b: {maxsize: 1}}
            producers: {p: {items: 9, to: a}}
            stages: {s: {from: a, to: b}}
            consumers: {c: {from: b, items: 2, sleep: 1s}}""")
        assert gone.code == 0
        assert gone.told("worker.exit", "left") == lines("""
            2 worker.exit c-0
            2 worker.exit s-0
            2 worker.exit p-0
            2 left p-0:4
            2 left p-0:2
            2 left s-0 p-0:3""")


class TestTime:
    def test_busy_workers_share_the_processors(self) -> None:
        text = "producers: {p: {items: 4}}\nconsumers: {c: {count: 4, busy: 30ms}}"
        makespans = [simulate(text, cores=cores).simulated.summary["makespan_s"] for cores in (1, 2, 3, 4, 8)]
        assert makespans == [0.12, 0.06, 0.04, 0.03, 0.03]

    def test_who_comes_later_slows_down_who_is_there(self) -> None:
        """One alone for 10 ms, both at half speed for 40, the other alone for its last 10."""
        gone = simulate("cores: 1\nproducers: {p: {items: 2, sleep: 10ms}}\nconsumers: {c: {count: 2, busy: 30ms}}")
        assert gone.told("done") == ["0.05 done c-0 p-0:0", "0.06 done c-1 p-0:1"]
        assert [event["planned_ns"] for event in gone.of("done")] == [30_000_000] * 2
        assert [event["service_ns"] for event in gone.of("done")] == [50_000_000] * 2

    def test_a_call_lasts_what_its_model_says_and_passes_the_item_on(self) -> None:
        gone = simulate("""
            queues: {a: {}, b: {}}
            producers: {p: {items: {values: [x, {y: 1}]}, to: a}}
            stages: {s: {from: a, to: b, call: {target: "no:thing", model: 2s}}}
            consumers: {c: {from: b, call: {target: "no:thing", model: {distribution: uniform, low: 1, high: 2}}}}""")
        done = {(e["worker"], e["id"]): e for e in gone.of("done")}
        assert [e["item"] for e in gone.of("put") if e["queue"] == "b"] == ["x", {"y": 1}]
        assert done["s-0", "p-0:1"]["t_ns"] == 4_000_000_000
        assert all(e["service_ns"] == e["planned_ns"] for e in done.values())

    def test_a_model_draws_what_a_sleep_of_the_same_law_draws(self) -> None:
        law = "{distribution: gamma, shape: 2, mean: 1s}"
        text = "producers: {p: {items: 20}}\nconsumers: {c: {WORK}}"
        slept = simulate(text.replace("WORK", f"sleep: {law}"))
        called = simulate(text.replace("WORK", f"call: {{target: 'a:b', model: {law}}}"))
        assert slept.told() == called.told()

    def test_a_duration_ends_endless_producers(self) -> None:
        gone = simulate("duration: 1s\nproducers: {p: {sleep: 300ms}}\nconsumers: {c: {}}")
        assert gone.told("put", "worker.exit") == lines("""
            0 put p-0 p-0:0
            0.3 put p-0 p-0:1
            0.6 put p-0 p-0:2
            0.9 put p-0 p-0:3
            0.9 worker.exit c-0
            1 worker.exit p-0""")

    def test_time_that_stands_still_is_an_error_and_no_endless_loop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(simulation_worker, "_MOST_AT_ONCE", 1_000)
        gone = runner.simulate(loads("duration: 1s\nproducers: {p: {}}\nconsumers: {c: {}}"), store=False)
        assert gone.exit_code == 1
        assert gone.reason is not None
        assert "no time passed; give it a sleep" in gone.reason


class TestDeaths:
    KILLED = """
        producers: {p: {items: 4, sleep: 1s}}
        consumers: {c: {count: 2, sleep: 3s}}
        faults: [{kill: c-0, after: {gets: 1}}]
        """
    LIVES = ("fault", "worker.died", "worker.restart", "redelivery", "get", "done")

    def test_a_dead_worker_is_replaced_and_its_item_handed_out_again(self) -> None:
        gone = simulate(self.KILLED)
        assert gone.told(*self.LIVES) == lines("""
            0 get c-0 p-0:0
            0 fault c-0
            0 worker.died c-0
            0 worker.restart c-0
            0 redelivery p-0:0
            0 get c-0 p-0:0
            1 get c-1 p-0:1
            3 done c-0 p-0:0
            3 get c-0 p-0:2
            4 done c-1 p-0:1
            4 get c-1 p-0:3
            6 done c-0 p-0:2
            7 done c-1 p-0:3""")
        assert (gone.code, gone.audited().valid) == (0, True)
        assert [e["delivery"] for e in gone.of("done")] == [2, 1, 1, 1]

    def test_without_a_replacement_the_others_do_it(self) -> None:
        gone = simulate(self.KILLED + "on_death: {policy: continue}")
        assert gone.told("done", "worker.exit") == lines("""
            0 worker.exit c-0
            3 done c-1 p-0:0
            4 worker.exit p-0
            6 done c-1 p-0:1
            9 done c-1 p-0:2
            12 done c-1 p-0:3
            12 worker.exit c-1""")
        assert (gone.code, gone.audited().valid) == (0, True)

    def test_the_run_fails_with_the_worker_where_the_policy_says_so(self) -> None:
        gone = simulate(self.KILLED + "on_death: {policy: fail}")
        assert (gone.code, gone.end["status"], gone.end["reason"]) == (1, "failed", "c-0 was killed by a fault")
        assert gone.told("left") == ["0 left c-0 p-0:0"]
        assert gone.audited().valid is True

    def test_the_last_reader_is_missed(self) -> None:
        text = "producers: {p: {items: 4}}\nconsumers: {c: {}}\non_death: {policy: continue}"
        gone = simulate(text + "\nfaults: [{kill: c-0, after: {gets: 2}}]")
        assert gone.end["reason"] == "queue main has lost its last reader, c-0"
        assert (gone.code, gone.audited().valid) == (1, True)

    def test_a_producer_goes_on_where_it_was_killed(self) -> None:
        text = "queues: {main: {batch: 3}}\nproducers: {p: {items: 7}}\nconsumers: {c: {}}"
        gone = simulate(text + "\nfaults: [{kill: p-0, after: {puts: 2}}]")
        assert [event["id"] for event in gone.of("put")] == [f"p-0:{seq}" for seq in range(7)]
        assert (gone.code, gone.audited().valid) == (0, True)

    def test_a_stage_does_not_put_again_what_it_has_put(self) -> None:
        gone = simulate("""
            queues: {a: {}, b: {}}
            producers: {p: {items: 4, to: a}}
            stages: {s: {from: a, to: b, sleep: 1s}}
            consumers: {c: {from: b}}
            faults: [{kill: s-0, after: {puts: 2}}]""")
        assert [e["id"] for e in gone.of("put") if e["queue"] == "b"] == ["p-0:0", "p-0:1", "p-0:2", "p-0:3"]
        assert (gone.code, gone.audited().valid, gone.end["totals"]["redelivered"]) == (0, True, 1)

    def test_an_item_that_takes_too_long_kills_three_times_and_is_set_aside(self) -> None:
        text = "producers: {p: {items: 2}}\nconsumers: {c: {WORK: 2s, item_timeout: 1s}}\non_death: {max_restarts: 9}"
        for work in ("sleep", "busy"):
            gone = simulate(text.replace("WORK", work))
            assert gone.told("failed") == ["6 failed c-0 p-0:0", "6 failed c-0 p-0:1"]
            assert len(gone.of("worker.died")) == 6
            assert (gone.code, gone.audited().valid) == (1, True)

    def test_a_raise_is_answered_as_on_error_says(self) -> None:
        text = "producers: {p: {items: 3, sleep: 1s}}\nconsumers: {c: {sleep: 1s}}\n"
        text += "faults: [{raise: c-0, after: {gets: 2}}]\non_error: {policy: POLICY}"
        failed, skipped, retried = (simulate(text.replace("POLICY", p)) for p in ("fail", "skip", "retry"))
        assert (failed.code, failed.told("failed")) == (1, ["1 failed c-0 p-0:1"])
        assert failed.end["reason"] == "c-0 failed: c-0: a fault of the config: raise after 2 gets"
        assert (skipped.code, skipped.told("failed")) == (0, ["3 failed c-0 p-0:1"])
        assert (retried.code, retried.end["totals"]["done"]) == (0, 3)
        assert [gone.audited().valid for gone in (failed, skipped, retried)] == [True] * 3

    def test_a_pause_is_no_service(self) -> None:
        text = "producers: {p: {items: 2}}\nconsumers: {c: {sleep: 1s}}\n"
        gone = simulate(text + "faults: [{pause: c-0, after: {gets: 1}, for: 5s}]")
        assert gone.told("done") == ["6 done c-0 p-0:0", "7 done c-0 p-0:1"]
        assert [event["service_ns"] for event in gone.of("done")] == [1_000_000_000] * 2


class TestEnds:
    def test_who_waits_for_what_is_told_where_nothing_can_move(self) -> None:
        """No config leads there, so the plan is tied into a knot: the stage puts into the queue it reads."""
        plan = runner.plan(
            loads("""
            engine: simulation
            queues: {a: {maxsize: 1}, b: {maxsize: 1}}
            producers: {p: {items: 9, to: a}}
            stages: {s: {from: a, to: b}}
            consumers: {c: {from: b}}""")
        )
        knot = tuple(dataclasses.replace(g, target="a") if g.name == "s" else g for g in plan.groups)
        gone = simulated(dataclasses.replace(plan, groups=knot))
        (hang,) = [event for event in gone.events() if event["event"] == "hang"]
        waits = [(each["worker"], each["waits"]) for each in hang["workers"]]
        assert waits == [("p-0", "for room in a"), ("s-0", "for room in a")]
        assert (gone.exit_code, gone.reason) == (1, hang["why"])

    def test_a_timeout_is_of_the_wall_clock(self) -> None:
        text = "timeout: 50ms\nproducers: {p: {items: 1000000, sleep: 1s}}\nconsumers: {c: {}}"
        gone = runner.simulate(loads(text), store=False)
        assert (gone.exit_code, gone.summary["status"]) == (1, "timeout")
        assert (
            sum(1 for _ in gone.events())
            == sum(gone.summary["items"][key] for key in ("put", "got", "done", "left")) + 6
        )

    def test_a_signal_ends_it_in_good_order(self, tmp_path: Path) -> None:
        config = loads("producers: {p: {items: 100000000, sleep: 1s}}\nconsumers: {c: {}}")
        threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
        began = time.monotonic()
        result = runner.simulate(config, tmp_path)
        assert (result.exit_code, result.summary["status"]) == (130, "interrupted")
        assert time.monotonic() - began < 30
        assert runner.audit(result.run_dir).valid is True

    def test_a_trace_without_a_value_fails_the_run(self, tmp_path: Path) -> None:
        (tmp_path / "t.jsonl").write_text("1\n2\n")
        text = "producers: {p: {items: 3}}\nconsumers: {c: {sleep: {distribution: trace, file: t.jsonl}}}"
        gone = runner.simulate(loads(text, folder=tmp_path), store=False)
        assert (gone.exit_code, gone.summary["items"]["done"]) == (1, 2)
        assert gone.verdict.valid is True


class TestStore:
    TEXT = "producers: {p: {count: 2, items: 5, sleep: 1s}}\nconsumers: {c: {busy: 3s}}"

    def test_is_stored_like_any_run_and_can_be_run_again(self, tmp_path: Path) -> None:
        config = loads(self.TEXT)
        first = runner.simulate(config, tmp_path)
        again = runner.run(runner.load(first.run_dir / "config.yaml"), tmp_path)
        texts = [(r.run_dir / "events.jsonl").read_text().replace(r.run_dir.name, "") for r in (first, again)]
        assert texts[0] == texts[1]
        assert sorted(path.name for path in first.run_dir.iterdir()) == [
            "config.yaml", "events.jsonl", "manifest.json", "summary.json",
        ]  # fmt: skip
        manifest = json.loads((first.run_dir / "manifest.json").read_text())
        assert (manifest["status"], manifest["engine"]) == ("ok", "simulation")
        assert manifest["events_sha256"] == hashlib.sha256((first.run_dir / "events.jsonl").read_bytes()).hexdigest()
        assert "cores:" in (first.run_dir / "config.yaml").read_text()

    def test_what_is_not_stored_leaves_nothing_and_is_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        gone = simulate(self.TEXT)
        assert gone.simulated.run_dir is None
        assert list(tmp_path.iterdir()) == []
        stored = runner.simulate(loads(self.TEXT), tmp_path / "runs")
        first, *rest = stored.events()
        assert [{**first, "run": None}, *rest] == gone.events
        figures = [{**each.summary, "wall_s": 0, "run": None} for each in (gone.simulated, stored)]
        assert figures[0] == figures[1]

    def test_user_code_without_a_model_is_refused(self) -> None:
        config = loads("producers: {p: {items: 1}}\nconsumers: {c: {call: 'a:b'}}")
        with pytest.raises(runner.ConfigError, match=r"consumers\.c\.call: cannot be simulated.*add model"):
            runner.simulate(config, store=False)

    def test_cores_are_no_part_of_the_experiment(self) -> None:
        digests = {runner.plan(loads(self.TEXT, overrides={"cores": cores})).plan_digest for cores in (None, 1, 7)}
        assert len(digests) == 1


EVERYTHING = """
name: everything
seed: 7
cores: 2
duration: 900ms
queues: {raw: {maxsize: 3, batch: 2}, fine: {maxsize: 2}}
producers:
  p: {count: 2, to: raw, items: 40, sleep: {distribution: lognormal, mean: 10ms, cv: 0.8}}
  e: {to: raw, sleep: {distribution: hyperexponential, means: [5ms, 60ms], weights: [3, 1]}}
stages:
  s: {count: 2, from: raw, to: fine, busy: {distribution: gamma, shape: 2.5, mean: 12ms}}
consumers:
  c: {count: 2, from: fine, busy: {distribution: normal, mean: 11ms, sd: 4ms}}
  d: {from: fine, items: 9, call: {target: "a:b", model: {distribution: weibull, shape: 0.7, scale: 9ms}}}
faults:
  - {kill: s-1, after: {puts: 5}}
  - {pause: c-0, after: {gets: 3}, for: 70ms}
  - {raise: c-1, after: {gets: 4}}
on_error: {policy: retry, retries: 2}
"""


def digest(gone: Gone) -> str:
    text = "\n".join(json.dumps(event, sort_keys=True) for event in gone.events)
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_log_is_the_same_on_every_python_and_machine() -> None:
    gone = simulate(EVERYTHING)
    assert (gone.code, gone.audited().valid, len(gone.of("done"))) == (0, True, 182)
    assert digest(gone) == "2cab8ccde0fd2c6616b783fa633dd35f459ef16bcfd692a892cee6b35a501504"
