"""The bound language: what it reads, what it refuses, and that it knows every figure of a summary."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from runner.analysis.summary import Summary
from runner.config.bounds import ANY, METRICS, NUMBER, SECONDS, BoundError, parse

NAMES = {"queues": ["main"], "workers": ["produce-0", "consume-0"]}


@pytest.mark.parametrize(
    ("text", "path", "op", "value"),
    [
        ("latency.p99 < 500ms", "latency.p99", "<", 0.5),
        ("  latency.p99<0.5 ", "latency.p99", "<", 0.5),
        ("throughput >= 100", "throughput", ">=", 100.0),
        ("items.lost == 0", "items.lost", "==", 0.0),
        ("queues.main.max_depth <= 1e3", "queues.main.max_depth", "<=", 1000.0),
        ("workers.consume-0.utilization > .5", "workers.consume-0.utilization", ">", 0.5),
        ("makespan_s < 2m", "makespan_s", "<", 120.0),
    ],
)
def test_a_bound_is_a_path_an_operator_and_a_value(text: str, path: str, op: str, value: float) -> None:
    bound = parse(text, NAMES)
    assert (bound.path, bound.op, bound.value) == (path, op, value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "wanted a metric, a comparison and a value, such as latency.p99 < 500ms, not ''"),
        ("< 5", "wanted a metric, a comparison and a value, such as latency.p99 < 500ms, not '< 5'"),
        ("latency.p99", "latency.p99: wanted a metric, a comparison and a value, such as latency.p99 < 500ms, not"),
        ("latency.p99 < 5 6", "latency.p99: wanted a metric, a comparison"),
        ("latency.p98 < 5", "no such metric: latency.p98, did you mean p9"),
        ("latncy.p99 < 5", "no such metric: latncy, did you mean latency?"),
        ("latency < 5", "latency is no single figure; allowed: latency.count, latency.mean"),
        ("latency.p99.x < 5", "no such metric: latency.p99.x; latency.p99 is a figure already"),
        ("latency.p99 = 5", "latency.p99: no such comparison: =; allowed: ==, <, <=, >, >="),
        ("latency.p99 != 5", "latency.p99: no such comparison: !=;"),
        ("latency.p99 < soon", "latency.p99: wanted seconds, or a duration such as 250us"),
        ("latency.p99 < nan", "latency.p99: wanted seconds"),
        ("throughput > 5ms", "throughput: wanted a number, not '5ms'; it is no time"),
        ("throughput > 1_000", "throughput: wanted a number, not '1_000'"),
        ("queues.mian.max_depth < 5", "no such metric: queues.mian, did you mean main?"),
        ("queues.*.max_depth < 5", "no such metric: queues.*"),
        ("workers.consume-7.busy_s < 5", "no such metric: workers.consume-7, did you mean consume-0?"),
        ("status == ok", "no such metric: status"),
    ],
)
def test_what_is_no_bound_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(BoundError) as caught:
        parse(text, NAMES)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_without_names_any_queue_is_right() -> None:
    assert parse("queues.anything.max_depth < 5").path == "queues.anything.max_depth"


def test_a_metric_without_samples_fails() -> None:
    bound = parse("latency.p99 < 1s")
    assert not bound.met_by(None)
    assert bound.met_by(0.999)
    assert not bound.met_by(1.0)
    assert bound.measured({"latency": {"p99": None}}) is None
    assert bound.measured({"latency": {"p99": 0.25}}) == 0.25
    assert parse("queues.a.max_depth < 1").measured({"queues": {}}) is None


def _tree(kind: typing.Any) -> typing.Any:
    """What can be bounded in a part of the summary, as `METRICS` has it."""
    if typing.get_origin(kind) is dict:
        return {ANY: _tree(typing.get_args(kind)[1])}
    if dataclasses.is_dataclass(kind):
        below = {name: _tree(type_) for name, type_ in typing.get_type_hints(kind).items()}
        return {name: tree for name, tree in below.items() if tree}
    members = set(typing.get_args(kind)) or {kind}
    return "number" if members & {int, float} and not members & {str, bool} else None


def test_it_knows_every_number_of_a_summary() -> None:
    def plain(tree: typing.Any) -> typing.Any:
        if isinstance(tree, str):
            assert tree in (NUMBER, SECONDS)
            return "number"
        return {key: plain(below) for key, below in tree.items()}

    every = _tree(Summary)
    for not_measured in ("seed", "exit_code"):
        del every[not_measured]
    assert plain(METRICS) == every
