"""Logs of clusters: what clocks explain is no violation, what they do not explain is one."""

from __future__ import annotations

import contextlib
import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from clusters import DRIVER, Node, spread
from lines import again, born, died, done, end, fate, get, leave, put, start
from logs import Topology, events_of, legal_log, text_of
from mishaps import log_of, mishap
from mutations import MUTATIONS
from test_audit import (
    TWO_READERS,
    A,
    B,
    drop,
    duplicate,
    give_to_another,
    redeliver,
    rename,
    requeue,
    retime,
    whole,
)
from test_linearizability import swapped

from runner import audit as audited
from runner.analysis.analyse import analyse
from runner.analysis.audit import audit
from runner.analysis.clocks import Clocks
from runner.analysis.closing import close
from runner.analysis.course import Course
from runner.analysis.ledger import Ledger
from runner.analysis.linearizability import FifoCheck
from runner.analysis.possible_order import PossibleOrder
from runner.analysis.spread import spread as spread_of
from runner.analysis.summary import ClockFigures, figures, summarise
from runner.analysis.violations import Kind, Verdict
from runner.cli.tables import closing
from runner.errors import LogError
from runner.reports.report import report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lines import Record

    from runner.log.events import RunStart

FAR_AWAY = Node("far", uncertainty=5)
ELSEWHERE = Node("elsewhere", uncertainty=2)
APART = {"p": FAR_AWAY, "s": ELSEWHERE, "c": ELSEWHERE}
"""Nodes by role: instants of who puts and who gets are exact to 7 ns."""
TOGETHER = {"p": FAR_AWAY, "s": FAR_AWAY, "c": FAR_AWAY}
BESIDE_THE_DRIVER = {"p": DRIVER, "s": DRIVER, "c": Node("far", uncertainty=7)}


def located(log: Sequence[Record], nodes: dict[str, Node]) -> list[Record]:
    """The same lines, where each worker says on which node it is."""
    return [
        record | _said(nodes[record["worker"][0]]) if record["event"] == "worker.start" else record for record in log
    ]


def _said(node: Node) -> Record:
    return {"node": node.name, "clock_offset_ns": 9, "clock_uncertainty_ns": node.uncertainty}


def judged(*records: Record, nodes: dict[str, Node] | None = None, fifo: bool = True, **head: Any) -> Verdict:
    log = [*start(**head), *records, end(900)]
    return audit(events_of(log if nodes is None else located(log, nodes)), fifo=fifo)


def kinds(*records: Record, nodes: dict[str, Node] | None = None, **head: Any) -> set[Kind]:
    verdict = judged(*records, nodes=nodes, **head)
    assert verdict.valid is not bool(verdict.count)
    return {violation.kind for violation in verdict.violations}


# --- what clocks explain, and what they do not


def held_to(records: Callable[[int], list[Record]], kind: Kind, most: int = 7, **head: Any) -> None:
    """A contradiction of `n` ns is one by exact clocks and on one node, and between nodes from beyond `most` ns."""
    assert kinds(*records(1), **head) == {kind}
    assert kinds(*records(1), nodes=TOGETHER, **head) == {kind}
    assert kinds(*records(most), nodes=APART, **head) == set()
    assert kinds(*records(most + 1), nodes=APART, **head) == {kind}


def test_a_get_before_its_put_began_is_held_to_what_clocks_explain() -> None:
    held_to(lambda n: [get(20 - n, A, -n), done(20, A), put(21, A, 1)], Kind.CAUSALITY)


def test_a_get_after_its_put_returned_that_began_after_it_is_held_to_what_clocks_explain() -> None:
    """The put is logged first where it is of another clock, too: its wait ends before it began, by the get's clock."""
    log = [get(12, A, -6), put(19, A, 1), done(20, A)]
    assert kinds(*log, nodes=APART) == set()
    assert kinds(*log, nodes=BESIDE_THE_DRIVER) == set()


def test_a_latency_that_is_not_the_time_between_is_one_whatever_the_clocks() -> None:
    assert kinds(put(10, A, 3), get(12, A, 2), done(12, A), nodes=APART) == {Kind.CAUSALITY}


def test_the_message_says_how_far_the_clocks_agree() -> None:
    verdict = judged(get(12, A, -8), done(20, A), put(21, A, 1), nodes=APART)
    message = "got at 12 ns, its put began at 20 ns, and their clocks agree to 7 ns"
    assert [violation.message for violation in verdict.violations] == [message]


def test_depth_is_held_to_what_clocks_explain() -> None:
    def full(n: int) -> list[Record]:
        return [put(10, A), put(20, B), get(20 + n, A, 10 + n), done(40, A), get(50, B, 30), done(50, B)]

    held_to(full, Kind.DEPTH, queues={"main": 1})


def test_max_depth_is_what_clocks_cannot_deny() -> None:
    log = [*start(), put(10, A), put(20, B), get(22, A, 12), done(40, A), get(50, B, 30), done(50, B), end(90)]
    assert summarise(events_of(log)).queues["main"].max_depth == 2
    assert summarise(events_of(located(log, APART))).queues["main"].max_depth == 1
    assert summarise(events_of(located(log, TOGETHER))).queues["main"].max_depth == 2


def test_first_in_first_out_is_held_to_what_clocks_explain() -> None:
    """Two writers on one node, whose puts are 2 x 5 ns apart at least, and two readers on another, 2 x 2 ns."""
    groups = {"p": ("producer", None, "main", 2, None), "c": ("consumer", "main", None, 2, None)}

    def overtaken(puts: int, gets: int) -> list[Record]:
        log = [put(10, "p-0:0"), put(10 + puts, "p-1:0", worker="p-1"), get(50, "p-1:0", 40 - puts), done(50, "p-1:0")]
        last = 50 + gets
        return [*log, get(last, "p-0:0", last - 10, worker="c-1"), done(last, "p-0:0", worker="c-1")]

    assert kinds(*overtaken(1, 1), groups=groups) == {Kind.FIFO}
    assert kinds(*overtaken(1, 1), groups=groups, nodes=TOGETHER) == {Kind.FIFO}
    assert kinds(*overtaken(10, 5), groups=groups, nodes=APART) == set()
    assert kinds(*overtaken(11, 4), groups=groups, nodes=APART) == set()
    assert kinds(*overtaken(11, 5), groups=groups, nodes=APART) == {Kind.FIFO}


def test_what_was_exact_on_one_node_is_so_no_longer_once_somebody_joins_from_another() -> None:
    log = [*located([*start(**TWO_READERS), *swapped()], TOGETHER)]
    assert audit(events_of([*log, end(900)]), fifo=True).valid is False
    far = {"node": "far", "clock_uncertainty_ns": 5}
    wide = [line | {"clock_uncertainty_ns": 50} if line["event"] == "worker.start" else line for line in log]
    moved = [*died(45, "c-1"), born(46, "c-1") | far | {"node": "elsewhere"}, end(900)]
    stayed = [*died(45, "c-1"), born(46, "c-1") | far, end(900)]
    assert audit(events_of([*wide, *stayed]), fifo=True).valid is False
    assert audit(events_of([*wide, *moved]), fifo=True).valid is True


def test_an_item_is_due_by_a_clock_too() -> None:
    def early(n: int) -> list[Record]:
        return [put(1, A, n + 1, late_ns=0), get(20, A, 20 + n), done(20, A)]

    assert kinds(*early(1)) == {Kind.CAUSALITY}
    assert kinds(*early(10), nodes=APART) == set()
    assert kinds(*early(11), nodes=APART) == {Kind.CAUSALITY}


def test_a_recovered_put_began_by_another_clock_than_it_returned() -> None:
    def recovered(n: int) -> list[Record]:
        log = [*died(20, "p-0"), put(21, A, -n, recovered=True), born(22, "p-0"), get(50, A, 29 - n), done(50, A)]
        return [line | _said(FAR_AWAY) if line["event"] == "worker.start" else line for line in log]

    assert kinds(*recovered(10), nodes=APART) == set()
    assert kinds(*recovered(11), nodes=APART) == {Kind.CAUSALITY}


def test_a_worker_may_seem_to_act_after_its_exit_and_before_its_start() -> None:
    def after(n: int) -> list[Record]:
        return [put(10, A), leave(20, "c-0"), get(20 + n, A, 10 + n), done(20 + n, A)]

    assert kinds(*after(7), nodes=APART) == set()
    assert kinds(*after(8), nodes=APART) == {Kind.CAUSALITY}

    def before(n: int) -> list[Record]:
        log = [*died(40, "p-0"), put(100 - n, A), born(100, "p-0") | _said(FAR_AWAY)]
        return [*log, get(200, A, 100 + n), done(200, A)]

    assert kinds(*before(10), nodes=APART) == set()
    assert kinds(*before(11), nodes=APART) == {Kind.CAUSALITY}


def test_a_worker_may_seem_to_act_before_all_have_started() -> None:
    """What the first one does then stands before any line that says how uncertain its clock is."""
    for seed in range(40):
        log, _ = shifted(seed, 60)
        ready = [line | {"t_ns": -1} if line["event"] == "worker.start" else line for line in log]
        ready[1:] = sorted(ready[1:], key=lambda line: int(line["t_ns"]))
        assert audit(events_of(ready), fifo=True).violations == ()
    head = start()
    for n, found in ((10, []), (11, ["p-0: put without a worker.start"])):
        log = [head[0], put(-500 - n, A), *head[1:], get(20, A, 520 + n), done(20, A), end(900)]
        verdict = audit(events_of(located(log, APART)), fifo=True)
        assert [each.message for each in verdict.violations if "start" in each.message][:1] == found


def test_a_worker_lives_as_long_as_the_clock_of_another_says() -> None:
    def lived(n: int) -> list[Record]:
        return [put(10, A, 510 + n), leave(10, "p-0"), fate("left", 20, A)]

    held = {n: kinds(*lived(n), nodes=APART) for n in (10, 11)}
    assert held == {10: set(), 11: {Kind.CAUSALITY}}


def test_a_redelivery_may_seem_to_come_before_the_get_of_the_delivery_before() -> None:
    def handed_out(n: int) -> list[Record]:
        log = [put(10, A), *died(50, "c-0"), again(51, A, "c-0"), get(50 + n, A, 40 + n)]
        return [*log, get(90, A, 80, worker="c-1", delivery=2), done(90, A, worker="c-1", delivery=2)]

    readers = {"p": FAR_AWAY, "c": ELSEWHERE}
    assert kinds(*handed_out(7), nodes=readers, **TWO_READERS) == set()
    assert Kind.CAUSALITY in kinds(*handed_out(8), nodes=readers, **TWO_READERS)


def test_all_of_a_second_delivery_may_seem_to_come_before_the_first() -> None:
    log = [put(10, A), get(52, A, 42, worker="c-1", delivery=2), done(52, A, worker="c-1", delivery=2)]
    log += [get(53, A, 43), *died(54, "c-0"), again(55, A, "c-0", wait=0)]
    nodes = {"p": DRIVER, "c": ELSEWHERE}
    assert Kind.DUPLICATED in kinds(*log, **TWO_READERS)
    apart = located([*start(**TWO_READERS), *log, end(900)], nodes)
    apart[3] |= {"node": "a third one"}
    assert audit(events_of(apart), fifo=True).violations == ()


def test_a_get_may_come_before_its_redelivery_by_what_clocks_explain() -> None:
    def ahead(n: int) -> list[Record]:
        log = [put(10, A), get(20, A, 10), *died(30, "c-0")]
        log += [get(40 - n, A, 30 - n, worker="c-1", delivery=2), again(40, A, "c-0")]
        return [*log, done(60, A, worker="c-1", delivery=2)]

    assert kinds(*ahead(1), **TWO_READERS) == {Kind.CAUSALITY}
    assert kinds(*ahead(7), nodes=APART, **TWO_READERS) == set()
    assert kinds(*ahead(8), nodes=APART, **TWO_READERS) == {Kind.CAUSALITY}


def test_the_log_is_ordered_by_time_whatever_the_clocks() -> None:
    verdict = judged(*whole(B, 20), leave(19, "c-0"), nodes=APART)
    assert [(each.message, each.lines) for each in verdict.violations] == [("t_ns 19 follows 23", (6, 7))]


def test_an_uncertain_replacement_makes_a_log_uncertain_from_there_on() -> None:
    def replaced(n: int) -> list[Record]:
        log = [*whole(A), *died(30, "c-0"), born(31, "c-0") | _said(Node("far", uncertainty=7))]
        return [*log, get(60 - n, B, -n), put(60, B), done(61, B)]

    assert kinds(*replaced(7)) == set()
    assert kinds(*replaced(8)) == {Kind.CAUSALITY}


@pytest.mark.parametrize("key", ["node", "clock_offset_ns", "clock_uncertainty_ns"])
def test_a_key_may_be_null(key: str) -> None:
    log = located([*start(), *whole(A), end(900)], {"p": DRIVER, "c": DRIVER})
    nulled = [line | {key: None} if line["event"] == "worker.start" else line for line in log]
    assert audit(events_of(nulled), fifo=True).valid is True


def test_a_negative_uncertainty_is_no_event() -> None:
    log = located([*start(), *whole(A), end(900)], {"p": Node("far", uncertainty=-1), "c": DRIVER})
    with pytest.raises(AssertionError, match="Expected `int` >= 0"):
        events_of(log)


# --- laws


def soonest(log: Sequence[Record]) -> int:
    """How soon after a death its replacement acts, at the least."""
    deaths: dict[str, int] = {}
    least = 1 << 60
    for record in log:
        if record["event"] == "worker.died":
            deaths[record["worker"]] = record["t_ns"]
        elif record["event"] in ("put", "get", "done") and not record.get("recovered") and record["worker"] in deaths:
            least = min(least, record["t_ns"] - deaths.pop(record["worker"]))
    return least


def cluster(seed: int) -> list[Record] | None:
    """A run in which things went wrong, on nodes no more wrong than they say; None if it restarts too fast."""
    log, random = log_of(mishap(seed)), Random(seed)  # noqa: S311
    sizes = [random.choice((0, 1, 3, 10, 40)) for _ in range(3)]
    if soonest(log) <= 3 * max(sizes):
        return None
    nodes = [
        Node(f"n{k}", random.choice((-size, size, random.randint(-size, size))), size) for k, size in enumerate(sizes)
    ]
    moves = random.random() < 0.5
    places: dict[tuple[str, int], Node] = {}
    return spread(log, lambda name, life: places.setdefault((name, life if moves else 0), random.choice(nodes)))


@pytest.mark.parametrize("batch", range(10))
def test_clocks_as_wrong_as_they_say_raise_no_alarm(batch: int) -> None:
    judged_logs = 0
    for seed in range(batch, 400, 10):
        log = cluster(seed)
        if log is not None:
            judged_logs += 1
            verdict = audit(events_of(log), fifo=True)
            assert (verdict.valid, verdict.violations) == (True, ()), seed
    assert judged_logs > 20


def test_the_log_of_a_cluster_cut_short_is_unknown() -> None:
    """Even where the line that explains the last ones is among those that are missing."""
    for seed in range(150):
        log = cluster(seed)
        for kept in Random(seed).sample(range(1, len(log or [])), 3) if log else ():  # noqa: S311
            verdict = audit(events_of((log or [])[:kept]), fifo=True)
            assert (verdict.valid, verdict.violations) == ("unknown", ()), (seed, kept)


def test_what_no_missing_line_could_explain_is_a_violation_of_a_log_cut_short() -> None:
    log = located([*start(), get(12, A, -8), put(21, A, 1), *whole(B, 40)], APART)
    assert {each.kind for each in audit(events_of(log)).violations} == {Kind.CAUSALITY}


def shifted(seed: int, uncertainty: int) -> tuple[list[Record], dict[str, Node]]:
    """A run without deaths on three nodes, of which one is the driver's; the others may be worse than they say."""
    random = Random(seed)  # noqa: S311
    log = legal_log(Topology(producers=2, consumers=2, stages=seed % 3, stage_workers=2, items=8, seed=seed))
    nodes = [DRIVER, *(Node(name, random.randint(-60, 60), uncertainty) for name in "ab")]
    places: dict[str, Node] = {}
    return spread(log, lambda worker, _: places.setdefault(worker, random.choice(nodes))), places


@pytest.mark.parametrize("falsify", [drop, duplicate, rename, requeue, give_to_another, retime, redeliver])
def test_one_falsified_line_is_caught_with_its_class_whatever_the_clocks(falsify: Any) -> None:
    """All but instants is judged as strictly as ever."""
    for seed in range(40):
        log, _ = shifted(seed, 60)
        hot = [k for k, record in enumerate(log) if record["event"] in ("put", "get", "done")]
        random = Random(seed)  # noqa: S311
        expected = falsify(log, random.choice(hot), random)
        verdict = audit(events_of(log))
        assert verdict.valid is False, seed
        assert {each.kind for each in verdict.violations} & expected, seed


def test_any_falsified_log_has_a_verdict(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for seed in range(25):
        log, random = cluster(seed), Random(seed)  # noqa: S311
        for change in MUTATIONS if log else ():
            path.write_text(change(log or [], random.randrange(len(log or [])), random))
            with contextlib.suppress(LogError):
                assert audited(path).valid in (True, False, "unknown")


def agreement(one: Node, other: Node) -> int:
    return 0 if one.name == other.name else one.uncertainty + other.uncertainty


@pytest.mark.parametrize("uncertainty", [0, 10, 30, 60])
def test_just_the_latencies_that_clocks_do_not_explain_are_objected_to(uncertainty: int) -> None:
    alarms = 0
    for seed in range(30):
        log, places = shifted(seed, uncertainty)
        writers = {(line["queue"], line["id"]): places[line["worker"]] for line in log if line["event"] == "put"}
        gets = [(line, agreement(places[line["worker"]], writers[line["queue"], line["id"]]))
                for line in log if line["event"] == "get"]  # fmt: skip
        wrong = {line["id"] for line, explained in gets if line["latency_ns"] < -explained}
        found = audit(events_of(log)).violations
        assert {each.ids[0] for each in found if each.kind == Kind.CAUSALITY and "got at" in each.message} == wrong
        summary = summarise(events_of(log))
        below = sum(line["latency_ns"] < explained for line, explained in gets)
        assert summary.clocks == (ClockFigures(uncertainty / 1e9, below) if uncertainty else None)
        alarms += bool(wrong)
    assert alarms > 10 if uncertainty < 60 else alarms == 0


def test_latencies_and_sojourns_are_what_the_log_says_and_never_clipped() -> None:
    for seed in range(30):
        log, _ = shifted(seed, 60)
        began = {
            line["id"]: line["t_ns"] - line["wait_ns"]
            for line in log
            if line["event"] == "put" and line["queue"] == "q0"
        }
        latencies = [line["latency_ns"] for line in log if line["event"] == "get"]
        sojourns = [line["t_ns"] - began[line["id"].partition(".")[0]]
                    for line in log if line["event"] == "done" and line["worker"].startswith("c")]  # fmt: skip
        summary = summarise(events_of(log))
        assert (summary.latency, summary.sojourn) == (spread_of(latencies), spread_of(sojourns))


def test_a_verdict_does_not_depend_on_how_the_log_is_read() -> None:
    for seed in range(0, 60, 3):
        log = cluster(seed) or shifted(seed, 10)[0]
        ledger, plain, fifo = Ledger(), Ledger(), FifoCheck()
        for event in events_of(log):
            ledger.feed([event])
            plain.feed([event])
            fifo.feed([event])
        assert close(ledger, fifo=fifo) == audit(events_of(log), fifo=True)
        assert figures(plain, close(plain)) == summarise(events_of(log))


def test_reordering_loses_nothing_and_keeps_the_order_of_each_worker() -> None:
    moved = 0
    for seed in range(0, 60, 3):
        events = events_of(cluster(seed) or shifted(seed, 30)[0])
        first = events[0]
        order = PossibleOrder(Clocks(), _start_of(first).groups)
        given = [pair for k, event in enumerate(events, 1) for pair in order.take([event], k)] + order.rest()
        assert sorted(number for number, _ in given) == [*range(1, len(events) + 1)]
        assert all(events[number - 1] is event for number, event in given)
        told = [
            (getattr(event, "worker", None), number) for number, event in given if type(event).__name__ in "PutGetDone"
        ]
        for worker in {name for name, _ in told}:
            numbers = [
                number for name, number in told if name == worker and not getattr(events[number - 1], "recovered", 0)
            ]
            assert numbers == sorted(numbers)
        moved += [number for number, _ in given] != sorted(number for number, _ in given)
    assert moved > 5


def _start_of(event: Any) -> RunStart:
    start_event: RunStart = event
    return start_event


def test_figures_after_a_warm_up_count_the_latencies_after_it() -> None:
    for seed in range(0, 30, 3):
        log, _ = shifted(seed, 30)
        log[0] |= {"warmup_ns": 100}
        summary = summarise(events_of(log))
        assert summary.clocks is not None
        assert summary.clocks.latencies_below <= summary.latency.count
    log = located([*start(warmup_ns=50), *whole(A), *whole(B, 60), end(900)], APART)
    assert summarise(events_of(log)).clocks == ClockFigures(5e-9, 1)


# --- what is told of it


def test_an_exact_log_says_nothing_of_clocks() -> None:
    log = [*start(), *whole(A), end(900)]
    exact, on_a_node = summarise(events_of(log)), summarise(events_of(located(log, {"p": DRIVER, "c": DRIVER})))
    assert exact == on_a_node
    assert "clocks" not in exact.to_dict()


def test_a_cluster_is_told_of_in_a_line_by_table_and_report(tmp_path: Path) -> None:
    log = located([*start(), *whole(A), put(100, B), get(150, B, 50), done(150, B), end(900)], APART)
    path = tmp_path / "events.jsonl"
    path.write_text(text_of(log))
    summary = analyse(path)[0].to_dict()
    assert summary["clocks"] == {"uncertainty_s": 5e-9, "latencies_below": 1}
    told = "1 of 2 latencies are below the uncertainty of the nodes' clocks, up to ± 0.01 us"
    assert told in closing(json.loads(json.dumps(summary)))
    page = report(path, tmp_path / "report.html").read_text()
    assert told.replace("'", "&#x27;") in page


def test_the_course_of_a_run_on_a_cluster_ends_when_its_log_does() -> None:
    for seed in range(6):
        log, _ = shifted(seed, 60)
        course = Course(events_of(log))
        work = [operation.work for operation in course.operations]
        played = course.played(work, course.between, course.itself, course.starts)
        assert course.makespan == max(line["t_ns"] for line in log if line["event"] in ("put", "get", "done"))
        assert abs(played - course.makespan) <= 2 * 60 * len(course.operations)
