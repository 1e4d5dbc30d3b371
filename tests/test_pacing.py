"""Open pacing: due instants are a function of the draws alone, and what keeps from them shows as lateness."""

from __future__ import annotations

import os
import signal
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lines import done, end, get, leave, put, start
from logs import events_of
from running import execute
from simulations import simulate
from test_course import course, replayed

import runner
from runner.analysis import theory
from runner.analysis.closing import close
from runner.analysis.gap import PARTS, gap
from runner.analysis.ledger import Ledger
from runner.config.load import loads
from runner.engines import launch, process_worker
from runner.log.journal import PUT, JournalWriter
from runner.planning.pacing import due_ns
from runner.planning.resolve import plan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from simulations import Gone

    from runner.analysis.violations import Verdict
    from runner.engines.process_worker import Job
    from runner.envelope import Envelope
    from runner.planning.plan import WorkerPlan

S = 1_000_000_000
LAW = "{distribution: exponential, mean: 3ms}"


def worker(keys: str, name: str = "p-0", more: str = "") -> WorkerPlan:
    config = loads(f"producers: {{p: {{{keys}}}}}\nconsumers: {{c: {{}}}}\n{more}")
    return next(one for one in plan(config).workers() if one.name == name)


def late(gone: Gone, name: str = "p-0") -> list[float]:
    """Seconds, of each put of a worker in the order of its log."""
    return [put["late_ns"] / S for put in gone.of("put") if put["worker"] == name]


def due(puts: list[dict[str, Any]], name: str) -> dict[int, int]:
    """When each item of a worker was due by its log, by seq."""
    own = [put for put in puts if put["worker"] == name]
    return {int(put["id"].split(":")[1]): put["t_ns"] - put["wait_ns"] - put["late_ns"] for put in own}


class TestDue:
    def test_the_first_item_is_due_at_0_and_each_other_a_pause_after_the_one_before(self) -> None:
        one = worker(f"items: 50, pacing: open, sleep: {LAW}")
        pauses = [one.group.pause(f"p-0:{seq}", seq) for seq in range(50)]
        assert [due_ns(one, seq) for seq in range(50)] == [0, *accumulate(pauses)][:50]

    def test_of_shared_items_only_its_own_count(self) -> None:
        one = worker(f"count: 3, items: {{stop: 20, share: split}}, pacing: open, sleep: {LAW}", "p-1")
        assert due_ns(one, 7) == sum(one.group.pause(f"p-1:{seq}", seq) for seq in (1, 4))

    def test_constant_pauses_and_the_time_scale(self) -> None:
        one = worker("count: 2, pacing: open, sleep: 2ms", "p-1", "duration: 1s\ntime_scale: 0.5")
        assert due_ns(one, 10**9) == 10**15


class TestSimulated:
    def test_puts_are_due_at_fixed_instants_and_a_late_one_follows_at_once(self) -> None:
        gone = simulate("""
            queues: {main: {maxsize: 1}}
            producers: {p: {items: 4, pacing: open, sleep: 1s}}
            consumers: {c: {sleep: 3s}}""")
        assert gone.told("put") == ["0 put p-0 p-0:0", "1 put p-0 p-0:1", "3 put p-0 p-0:2", "6 put p-0 p-0:3"]
        assert [put["wait_ns"] / S for put in gone.of("put")] == [0, 0, 1, 3]
        assert late(gone) == [0, 0, 0, 0]
        assert gone.audited().valid is True

    def test_a_slower_consumer_makes_lateness_grow_and_the_schedule_stays(self) -> None:
        gone = simulate("""
            queues: {main: {maxsize: 1}}
            producers: {p: {items: 40, pacing: open, sleep: 1s}}
            consumers: {c: {sleep: 3s}}""")
        assert list(due(gone.of("put"), "p-0").values()) == [k * S for k in range(40)]
        growing = late(gone)[4:]
        assert {round(b - a, 9) for a, b in pairwise(growing)} == {2.0}
        summary = gone.simulated.summary["lateness"]
        assert (summary["count"], summary["max"]) == (40, max(growing))

    def test_without_a_bound_the_depth_grows_instead(self) -> None:
        gone = simulate("producers: {p: {items: 40, pacing: open, sleep: 1s}}\nconsumers: {c: {sleep: 3s}}")
        assert set(late(gone)) == {0}
        assert gone.simulated.summary["queues"]["main"]["max_depth"] == 26

    def test_closed_pacing_has_no_lateness(self) -> None:
        gone = simulate("producers: {p: {items: 3, sleep: 1s}}\nconsumers: {c: {}}")
        assert {put["late_ns"] for put in gone.of("put")} == {None}
        assert gone.simulated.summary["lateness"]["count"] == 0

    def test_the_last_pause_is_made_as_with_closed_pacing(self) -> None:
        for pacing in ("open", "closed"):
            text = f"producers: {{p: {{items: 3, pacing: {pacing}, sleep: 1s}}}}\nconsumers: {{c: {{}}}}"
            assert simulate(text).told("worker.exit") == ["2 worker.exit c-0", "3 worker.exit p-0"]

    def test_no_put_begins_after_the_duration_and_the_last_pause_is_cut(self) -> None:
        gone = simulate("duration: 2.5s\nproducers: {p: {pacing: open, sleep: 1s}}\nconsumers: {c: {}}")
        assert gone.told("put", "worker.exit")[-3:] == ["2 put p-0 p-0:2", "2 worker.exit c-0", "2.5 worker.exit p-0"]

    def test_what_is_due_and_late_after_the_duration_is_not_put(self) -> None:
        gone = simulate("""
            duration: 5s
            queues: {main: {maxsize: 1}}
            producers: {p: {pacing: open, sleep: 1s}}
            consumers: {c: {sleep: 3s}}""")
        assert [put["t_ns"] - put["wait_ns"] for put in gone.of("put")] == [0, S, 2 * S, 3 * S]

    def test_a_write_takes_what_is_due_up_to_a_batch_and_waits_for_nothing_else(self) -> None:
        gone = simulate("""
            queues: {main: {batch: 3}}
            producers: {p: {items: 4, pacing: open, sleep: 1s}}
            consumers: {c: {sleep: 2s}}""")
        assert gone.told("put") == ["0 put p-0 p-0:0", "1 put p-0 p-0:1", "2 put p-0 p-0:2", "3 put p-0 p-0:3"]
        at_once = simulate("""
            time_scale: 0
            queues: {main: {batch: 3}}
            producers: {p: {items: 7, pacing: open, sleep: 1s}}
            consumers: {c: {}}""")
        assert [put["late_ns"] for put in at_once.of("put")] == [0] * 7

    def test_late_items_share_a_write_and_each_has_a_lateness_of_its_own(self) -> None:
        gone = simulate("""
            queues: {main: {batch: 2, maxsize: 2}}
            producers: {p: {items: 9, pacing: open, sleep: 1s}}
            consumers: {c: {}}
            faults: [{pause: c-0, after: {gets: 1}, for: 6.5s}]""")
        assert gone.told("put")[3:] == [
            "6.5 put p-0 p-0:3", "6.5 put p-0 p-0:4", "6.5 put p-0 p-0:5", "6.5 put p-0 p-0:6", "7 put p-0 p-0:7",
            "8 put p-0 p-0:8",
        ]  # fmt: skip
        assert [put["wait_ns"] / S for put in gone.of("put")] == [0, 0, 0, 3.5, 0, 0, 0, 0, 0]
        assert late(gone) == [0, 0, 0, 0, 2.5, 1.5, 0.5, 0, 0]

    def test_a_pause_that_was_not_planned_makes_late_and_shifts_nothing(self) -> None:
        gone = simulate("""
            producers: {p: {items: 6, pacing: open, sleep: 1s}}
            consumers: {c: {}}
            faults: [{pause: p-0, after: {puts: 2}, for: 2.5s}]""")
        assert late(gone) == [0, 0, 1.5, 0.5, 0, 0]

    def test_who_takes_the_place_of_a_dead_producer_keeps_to_its_schedule(self) -> None:
        text = f"producers: {{p: {{count: 2, items: 30, pacing: open, sleep: {LAW}}}}}\nconsumers: {{c: {{}}}}\n"
        whole, broken = simulate(text), simulate(text + "faults: [{kill: p-1, after: {puts: 11}}]")
        assert len(broken.of("worker.restart")) == 1
        assert due(broken.of("put"), "p-1") == due(whole.of("put"), "p-1")
        assert set(late(broken, "p-1")) == {0}

    def test_items_whose_put_fails_are_due_all_the_same(self) -> None:
        gone = simulate("""
            on_error: {policy: skip}
            producers: {p: {items: 5, pacing: open, sleep: 1s}}
            consumers: {c: {}}
            faults: [{raise: p-0, after: {puts: 2}}]""")
        assert due(gone.of("put"), "p-0") == {0: 0, 1: S, 3: 3 * S, 4: 4 * S}


@settings(max_examples=30, deadline=None)
@given(
    producers=st.integers(1, 3),
    maxsize=st.integers(0, 3),
    batch=st.integers(1, 3),
    work=st.integers(0, 9),
    seed=st.integers(0, 1000),
)
def test_dues_are_prefix_sums_whatever_the_queue_does(
    producers: int, maxsize: int, batch: int, work: int, seed: int
) -> None:
    text = (
        f"queues: {{main: {{maxsize: {maxsize}, batch: {batch}}}}}\n"
        f"producers: {{p: {{count: {producers}, items: 9, pacing: open, sleep: {LAW}}}}}\n"
        f"consumers: {{c: {{sleep: {work}ms}}}}"
    )
    gone = simulate(text, seed=seed)
    for one in plan(loads(text, overrides={"seed": seed})).workers():
        if one.group.target is not None:
            assert due(gone.of("put"), one.name) == {seq: due_ns(one, seq) for seq in range(9)}
    assert min(put["late_ns"] for put in gone.of("put")) >= 0
    assert gone.audited().valid is True


SLOW = f"""
queues: {{main: {{maxsize: 2, batch: 2}}}}
producers: {{p: {{count: 2, items: 20, pacing: open, sleep: {LAW}}}, q: {{items: 9, sleep: 4ms}}}}
consumers: {{c: {{sleep: {{distribution: uniform, low: 0, high: 6ms}}}}}}"""


class TestCourse:
    @pytest.mark.parametrize("text", [SLOW, SLOW.replace("batch: 2", "batch: 1"), SLOW.replace("maxsize: 2, ", "")])
    def test_played_with_its_own_times_it_is_the_log_again(self, text: str) -> None:
        found = course(text)
        assert (any(found.itself), any(found.between), replayed(found)) == (False, False, found.makespan)

    def test_longer_work_makes_later_and_does_not_shift_the_schedule(self) -> None:
        text = "producers: {p: {items: 5, pacing: open, sleep: 2s}}\nconsumers: {c: {sleep: 1s}}"
        split = gap(course(text), course(text.replace("1s", "1.5s")))
        assert {part: getattr(split, part) for part in PARTS} == {
            **dict.fromkeys(PARTS, 0), "oversleeping": S // 2,
        }  # fmt: skip


class TestAudit:
    """What a log says of lateness must agree with itself."""

    def verdict(self, *puts: dict[str, Any]) -> Verdict:
        rest = [line for each in puts for line in (get(100, each["id"], 100 - each["t_ns"] + each["wait_ns"]),)]
        dones = [done(101, each["id"]) for each in puts]
        log = [*start(), *puts, *rest, *dones, leave(110, "p-0"), leave(110, "c-0"), end(120)]
        ledger = Ledger()
        ledger.feed(events_of(log))
        return close(ledger)

    @pytest.mark.parametrize(
        ("figures", "message"),
        [
            (((10, 2, 3), (20, 0, 0)), None),
            (((10, 2, 9), (20, 0, 0)), "due at -1 ns, before the run's start"),
            (((10, 2, -1), (20, 0, 0)), "late_ns -1 is negative"),
            (((10, 2, 3), (20, 0, 16)), "due at 4 ns, before 5 ns"),
            (((10, 2, 3), (20, 0, None)), "1 of its 2 puts have a late_ns"),
        ],
    )
    def test_lateness(self, figures: tuple[tuple[int, int, int | None], ...], message: str | None) -> None:
        puts = [put(t, f"p-0:{seq}", wait, late_ns=late) for seq, (t, wait, late) in enumerate(figures)]
        found = self.verdict(*puts)
        assert [v.kind for v in found.violations] == (["causality"] if message else [])
        assert not message or message in found.violations[0].message


class TestTheory:
    """An open producer's rate is not slowed by a bound: the system of M/M/c, part of it outside the queue."""

    TEXT = """
        seed: 2
        queues: {{main: {{maxsize: {room}}}}}
        producers: {{p: {{count: {count}, items: {items}, pacing: open,
                        sleep: {{distribution: exponential, mean: {pause}ms}}}}}}
        consumers: {{c: {{count: 2, sleep: {{distribution: exponential, mean: 14ms}}}}}}"""

    def figures(self, count: int, room: int) -> Mapping[str, Any]:
        text = self.TEXT.format(count=count, room=room, items=20_000 // count, pause=10 * count)
        return runner.simulate(loads(text), store=False).summary

    @pytest.mark.parametrize(("count", "room"), [(1, 2), (3, 3)])
    def test_the_queues_share_and_the_rate_are_those_of_the_formula(self, count: int, room: int) -> None:
        seen, told = self.figures(count, room), theory.overflowing(count, 100.0, 2, 0.014, room)
        assert seen["queues"]["main"]["mean_depth"] == pytest.approx(told.in_queue, rel=0.06)
        assert seen["throughput"] == pytest.approx(100, rel=0.02)
        assert seen["workers"]["c-0"]["utilization"] == pytest.approx(0.7, rel=0.02)
        if count == 1:
            assert seen["latency"]["mean"] == pytest.approx(told.latency_s, rel=0.03)
            # A single producer's items take as long from due to got as if there were room for all.
            free = self.figures(1, 0)["latency"]["mean"]
            assert seen["latency"]["mean"] + seen["lateness"]["mean"] == pytest.approx(free)
        else:
            assert told.latency_s is None

    def test_with_room_enough_it_is_mmc(self) -> None:
        full, free = theory.overflowing(1, 100.0, 2, 0.014, 10_000), theory.mmc(100.0, 2, 0.014)
        assert full.latency_s == pytest.approx(free.latency_s)
        assert full.in_system == pytest.approx(free.in_system)


class TestWarning:
    def warnings(self, pacing: str, work: str) -> list[str]:
        text = f"producers: {{p: {{items: 9, pacing: {pacing}, sleep: 2ms}}}}\nconsumers: {{c: {{sleep: {work}}}}}"
        return [problem.message for problem in loads(text).warnings]

    def test_a_load_of_1_or_more(self) -> None:
        assert self.warnings("open", "1.9ms") == []
        assert self.warnings("closed", "3ms") == []
        [message] = self.warnings("open", "2ms")
        assert "the load is 1" in message


@pytest.mark.process
class TestReal:
    @pytest.mark.parametrize("engine", ["processes", "threads"])
    @pytest.mark.parametrize("batch", [1, 4])
    def test_dues_in_the_log_are_those_of_the_plan_and_nothing_is_early(
        self, engine: str, batch: int, tmp_path: Path
    ) -> None:
        text = (
            f"engine: {engine}\nqueues: {{main: {{maxsize: 4, batch: {batch}}}}}\n"
            f"producers: {{p: {{count: 2, items: 20, pacing: open, sleep: {LAW}}}}}\nconsumers: {{c: {{sleep: 2ms}}}}"
        )
        ran = execute(text, tmp_path)
        assert (ran.result.exit_code, ran.result.summary["lateness"]["count"]) == (0, 40)
        for one in plan(loads(text)).workers():
            if one.group.target is not None:
                assert due(ran.of("put"), one.name) == {seq: due_ns(one, seq) for seq in range(20)}
        assert min(put["late_ns"] for put in ran.of("put")) >= 0

    @pytest.mark.parametrize("engine", ["processes", "threads"])
    def test_a_replacement_resumes_the_schedule(self, engine: str, tmp_path: Path) -> None:
        text = (
            f"engine: {engine}\nproducers: {{p: {{items: 30, pacing: open, sleep: {LAW}}}}}\nconsumers: {{c: {{}}}}\n"
            "faults: [{kill: p-0, after: {puts: 9}}, {pause: p-0, after: {puts: 20}, for: 30ms}]"
        )
        ran = execute(text, tmp_path)
        [one] = [each for each in plan(loads(text)).workers() if each.group.target is not None]
        assert (ran.result.exit_code, len(ran.of("worker.restart"))) == (0, 1)
        assert due(ran.of("put"), "p-0") == {seq: due_ns(one, seq) for seq in range(30)}
        assert max(put["late_ns"] for put in ran.of("put") if int(put["id"][4:]) >= 20) > 20_000_000

    def test_a_put_that_is_made_good_for_the_dead_tells_its_lateness(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first incarnation dies between a put and its line in the journal, which the supervisor then writes."""

        def main(job: Job) -> None:
            log = JournalWriter.log

            def last_words(self: JournalWriter, kind: int, envelope: Envelope, *figures: Any) -> None:
                if kind == PUT and envelope.seq == 7:
                    os.kill(os.getpid(), signal.SIGKILL)
                log(self, kind, envelope, *figures)

            if job.incarnation == 1 and job.worker.group.target is not None:
                monkeypatch.setattr(JournalWriter, "log", last_words)
            process_worker.main(job)

        monkeypatch.setattr(launch, "main", main)
        text = f"producers: {{p: {{items: 15, pacing: open, sleep: {LAW}}}}}\nconsumers: {{c: {{}}}}"
        ran = execute(text, tmp_path, start_method="fork")
        [made_good] = [put for put in ran.of("put") if put.get("recovered")]
        assert (ran.result.exit_code, made_good["id"]) == (0, "p-0:7")
        [one] = [each for each in plan(loads(text)).workers() if each.group.target is not None]
        assert due(ran.of("put"), "p-0") == {seq: due_ns(one, seq) for seq in range(15)}
