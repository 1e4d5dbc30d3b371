"""The config as data: defaults, normal forms, what is the same experiment."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from runner.config.distributions import Clamped, Exponential, RandInt
from runner.config.load import canonical, loads, schema, to_yaml
from runner.config.models import CallItems, Config, FileItems, RangeItems, ValuesItems
from runner.config.written_laws import LAWS

if TYPE_CHECKING:
    from pathlib import Path

TAIL = "producers: {p: {items: 10}}\nconsumers: {c: {}}\n"


def producer(text: str, **keys: Any) -> Any:
    """The one producer of a config, declared by flow YAML."""
    return loads(f"duration: 1h\nproducers: {{p: {text}}}\nconsumers: {{c: {{}}}}", **keys).producers["p"]


def written(law: str) -> Any:
    """How the resolved config writes a distribution."""
    return canonical(loads(f"producers: {{p: {{items: 1, sleep: {law}}}}}\nconsumers: {{c: {{}}}}"))["producers"]["p"][
        "sleep"
    ]


def test_everything_but_producers_and_consumers_has_a_default() -> None:
    config = loads("duration: 1\nproducers: {p: {}}\nconsumers: {c: {}}")
    assert (config.name, config.description, config.seed, config.time_scale) == ("text", None, 0, 1.0)
    assert (config.duration_ns, config.timeout_ns) == (1_000_000_000, None)
    assert (config.engine, config.start_method, config.pythonpath) == ("processes", "forkserver", ())
    queue, source, sink = config.queues["main"], config.producers["p"], config.consumers["c"]
    assert (queue.kind, queue.maxsize, queue.batch) == ("pipe", 0, 1)
    assert (source.count, source.to, source.items, source.payload) == (1, "main", None, 0)
    assert source.sleep.law().mean() == 0
    assert (sink.count, sink.from_, sink.items, sink.sleep, sink.busy, sink.call) == (1, "main", None, None, None, None)
    assert config.stages == {}
    assert (config.on_death.policy, config.on_death.max_restarts) == ("restart", 3)
    assert (config.on_error.policy, config.hang_after_ns, config.faults) == ("fail", 60_000_000_000, ())
    assert (source.item_timeout, sink.item_timeout) == (None, None)


def test_items_have_five_forms(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('1\n{"a": 2}\n')
    assert producer("{items: 3}").items == RangeItems(start=0, stop=3, step=1, share="each")
    assert producer("{items: {start: 9, stop: 0, step: -2, share: split}}").items == RangeItems(
        start=9, stop=0, step=-2, share="split"
    )
    assert producer("{items: {values: [1, two, {three: null}]}}").items == ValuesItems(
        values=[1, "two", {"three": None}], share="each"
    )
    from_file = producer("{items: {file: rows.jsonl}}", folder=tmp_path).items
    assert from_file == FileItems(file=str(tmp_path / "rows.jsonl"), share="each")
    called = producer('{items: {call: {target: "a.b:c", kwargs: {n: 1}}, share: split}}').items
    assert isinstance(called, CallItems)
    assert (called.target, called.kwargs, called.share) == ("a.b:c", {"n": 1}, "split")


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-7, 7).filter(bool))
def test_a_range_is_as_long_as_pythons(start: int, stop: int, step: int) -> None:
    assert RangeItems(start=start, stop=stop, step=step).length == len(range(start, stop, step))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("17", 17),
        ("500B", 500),
        ("4KiB", 4096),
        ("1.5KiB", 1536),
        ("10KB", 10000),
        ("1MiB", 1 << 20),
        ("2MB", 2000000),
        ("1GiB", 1 << 30),
        ("1GB", 10**9),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert producer(f"{{payload: {text}}}").payload == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("2", 2.0),
        ("0.5", 0.5),
        ("250us", 0.00025),
        ("0.1ms", 0.0001),
        ("10ms", 0.01),
        ("1.5s", 1.5),
        ("2m", 120.0),
        ("0.7m", 42.0),
        ("1h", 3600.0),
        (".5s", 0.5),
        ("100000000", 100000000.0),
    ],
)
def test_durations_are_the_nearest_float(text: str, seconds: float) -> None:
    assert loads(f"duration: {text}\n{TAIL}").duration == seconds


def test_a_number_or_duration_is_a_constant() -> None:
    assert written("10ms") == written("0.01") == written("{distribution: constant, value: 0.01}") == 0.01


@pytest.mark.parametrize(
    ("law", "normal"),
    [
        ("{distribution: uniform, high: 2ms, low: 1ms}", {"low": 0.001, "high": 0.002}),
        ("{distribution: randint, low: 1, high: 5}", {"low": 1, "high": 5}),
        ("{distribution: randint, low: 0, high: 5ms}", {"low": "0ms", "high": "5ms"}),
        ("{distribution: exponential, rate: 100}", {"mean": 0.01}),
        ("{distribution: normal, mean: 1, sd: 100ms, max: 2}", {"mean": 1.0, "sd": 0.1, "max": 2.0}),
        ("{distribution: lognormal, mean: 1, cv: 2}", {"mean": 1.0, "cv": 2.0}),
        ("{distribution: gamma, shape: 2, mean: 1}", {"shape": 2.0, "mean": 1.0}),
        ("{distribution: erlang, k: 3, mean: 1}", {"k": 3, "mean": 1.0}),
        (
            "{distribution: hyperexponential, means: [1, 2ms], weights: [1, 3]}",
            {"means": [1.0, 0.002], "weights": [1, 3]},
        ),
        ("{distribution: weibull, shape: 2, scale: 1m}", {"shape": 2.0, "scale": 60.0}),
        ("{distribution: pareto, alpha: 3, minimum: 1}", {"alpha": 3.0, "minimum": 1.0}),
        ("{distribution: triangular, low: 1, mode: 2, high: 4}", {"low": 1.0, "mode": 2.0, "high": 4.0}),
        ("{distribution: empirical, values: [1ms, 2ms]}", {"values": [0.001, 0.002]}),
        (
            "{distribution: empirical, values: [1, 2], weights: [0, 1], min: 1}",
            {"values": [1, 2], "weights": [0, 1], "min": 1},
        ),
    ],
)
def test_every_distribution_has_one_normal_form(law: str, normal: dict[str, object]) -> None:
    form = written(law)
    assert {key: value for key, value in form.items() if key != "distribution"} == normal
    assert written(json.dumps(form)) == form


def test_laws_are_built_from_what_is_written() -> None:
    law = producer("{sleep: {distribution: randint, low: 2ms, high: 8ms}}").sleep.law()
    assert law == RandInt(2, 8, 0.001)
    law = producer("{sleep: {distribution: exponential, mean: 1, min: 1ms, max: 2}}").sleep.law()
    assert law == Clamped(Exponential(1.0), 0.001, 2.0)


def test_traces_are_read_when_loaded(tmp_path: Path) -> None:
    (tmp_path / "seq.jsonl").write_text("0.5\n1\n")
    (tmp_path / "ids.jsonl").write_text('{"id": "p-0:0", "value": 0.25}\n{"id": "p-0:1", "value": 0.75}\n')
    by_seq = producer("{sleep: {distribution: trace, file: seq.jsonl}}", folder=tmp_path).sleep.law()
    by_id = producer("{sleep: {distribution: trace, file: ids.jsonl}}", folder=tmp_path).sleep.law()
    assert (by_seq.values, by_id.by_id) == ((0.5, 1.0), {"p-0:0": 0.25, "p-0:1": 0.75})


def test_a_config_is_frozen_compares_by_content_and_can_be_pickled() -> None:
    config = loads(TAIL)
    with pytest.raises(ValidationError):
        config.seed = 3  # type: ignore[misc]
    assert config == loads("consumers: {c: {items: }}\nproducers: {p: {count: 1, items: {stop: 10}}}")
    assert config != loads(TAIL, overrides={"seed": 1})
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - our own


def test_the_resolved_yaml_is_complete_and_in_order() -> None:
    text = to_yaml(loads("producers: {p: {items: 2, sleep: 1ms}}\nconsumers: {c: {call: 'a:b'}}", source="x"))
    assert text == (
        "name: text\nseed: 0\ntime_scale: 1.0\nwarmup: 0.0\nengine: processes\nstart_method: forkserver\n"
        "address: auto\nqueues:\n  main:\n    kind: pipe\n    maxsize: 0\n    batch: 1\n"
        "producers:\n  p:\n    count: 1\n    to: main\n    items: {start: 0, stop: 2, step: 1, share: each}\n"
        "    payload: 0\n    sleep: 0.001\n    pacing: closed\n"
        "consumers:\n  c:\n    count: 1\n    from: main\n    call: a:b\n"
        "on_death:\n  policy: restart\n  max_restarts: 3\non_error:\n  policy: fail\nhang_after: 60.0\n"
    )


def test_the_digest_leaves_out_what_does_not_make_the_experiment() -> None:
    plain = canonical(loads("producers: {p: {items: 1}}\nconsumers: {c: {}}"))
    assert plain == {"producers": {"p": {"items": {"stop": 1}}}, "consumers": {"c": {}}}
    same = (
        "name: other\ndescription: words\nengine: threads\nstart_method: spawn\ntimeout: 5\npythonpath: [.]\nx-y: 1\n"
        "on_death: {policy: restart}\non_error: {policy: fail, retries: 9}\nhang_after: 1\nfaults: []\n"
        "seed: 0\ntime_scale: 1\nqueues: {main: {kind: pipe}}\n"
        "producers: {p: {items: {start: 0, stop: 1}, to: main, payload: 0B, sleep: 0s}}\nconsumers: {c: {from: main}}"
    )
    assert canonical(loads(same)) == plain
    for key in ("seed: 1", "time_scale: 2", "duration: 1", "queues: {main: {maxsize: 1}}", "queues: {q: {}}"):
        assert canonical(loads(f"{key}\nproducers: {{p: {{items: 1}}}}\nconsumers: {{c: {{}}}}")) != plain


def test_a_file_counts_by_its_content(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("1\n2\n")
    text = "producers: {p: {items: {file: %s}, sleep: {distribution: trace, file: %s}}}\nconsumers: {c: {}}"
    first, second = loads(text % ("a", "b"), folder=tmp_path), loads(text % ("b", "a"), folder=tmp_path)
    assert canonical(first) == canonical(second)
    (tmp_path / "b").write_text("1\n3\n")
    assert canonical(first) != canonical(loads(text % ("b", "a"), folder=tmp_path))
    kept = to_yaml(first, {str(tmp_path / "a"): "inputs/a"})
    assert "file: inputs/a," in kept
    assert f"file: {tmp_path}/b" in kept


durations = st.one_of(
    st.integers(0, 10**6).map(lambda n: (f"{n}us", f"{n / 1000}ms")),
    st.integers(0, 10**5).map(lambda n: (f"{n}ms", n / 1000)),
    st.integers(0, 10**4).map(lambda n: (f"{n}s", n)),
    st.integers(0, 10**3).map(lambda n: (f"{n}m", f"{n * 60}s")),
    st.integers(0, 10**2).map(lambda n: (f"{n}h", f"{n * 60}m")),
)


@given(durations)
def test_the_spelling_of_a_duration_makes_no_difference(spelt: tuple[Any, Any]) -> None:
    text = "time_scale: 1\nproducers: {{p: {{items: 1, sleep: {0}}}}}\nconsumers: {{c: {{busy: {0}}}}}\nduration: {0}"
    one, other = (loads(text.format(duration)) for duration in spelt)
    assert canonical(one) == canonical(other)
    assert to_yaml(one) == to_yaml(other)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    # What no file can hold cannot be written into one: surrogates.
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), below, max_size=3)
    ),
    max_leaves=8,
)
laws = st.sampled_from(
    [
        0,
        1.5,
        "7ms",
        {"distribution": "randint", "low": "1ms", "high": "3ms"},
        {"distribution": "exponential", "rate": 3, "max": "1s"},
        {"distribution": "empirical", "values": [1, "2ms"]},
    ]
)
configs = st.fixed_dictionaries(
    {
        "producers": st.fixed_dictionaries(
            {
                "p": st.fixed_dictionaries(
                    {
                        "items": st.integers(0, 99)
                        | st.fixed_dictionaries({"values": st.lists(json_values, max_size=3)})
                    },
                    optional={
                        "count": st.integers(1, 9),
                        "payload": st.sampled_from([0, "4KiB"]),
                        "sleep": laws,
                        "item_timeout": st.sampled_from([1, "5s"]),
                    },
                )
            }
        ),
        "consumers": st.fixed_dictionaries(
            {
                "c": st.one_of(
                    st.fixed_dictionaries({}, optional={"count": st.integers(1, 9), "busy": laws}),
                    st.fixed_dictionaries(
                        {
                            "call": st.fixed_dictionaries(
                                {"target": st.just("a:b")},
                                optional={
                                    "kwargs": st.dictionaries(
                                        st.text(st.characters(codec="utf-8"), max_size=5), json_values, max_size=3
                                    )
                                },
                            )
                        }
                    ),
                )
            }
        ),
    },
    optional={
        "name": st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
            lambda name: name.isprintable() and bool(name.strip())
        ),
        "description": st.text(st.characters(codec="utf-8"), max_size=30),
        "seed": st.integers(0, 10**40),
        "duration": st.sampled_from(["1h", 3.25]),
        "queues": st.sampled_from(
            [{}, {"main": {}}, {"q-1": {"maxsize": 3, "batch": 2}}, {"q": {"kind": "multiprocessing.Queue"}}]
        ),
        "on_death": st.sampled_from(
            [{}, {"policy": "fail"}, {"max_restarts": 0}, {"policy": "fail", "max_restarts": 9}]
        ),
        "on_error": st.fixed_dictionaries(
            {}, optional={"policy": st.sampled_from(["fail", "skip", "retry"]), "retries": st.integers(1, 9)}
        ),
        "hang_after": st.sampled_from([1, "5s"]),
        "faults": st.lists(
            st.one_of(
                st.fixed_dictionaries({"kill": st.just("p-0"), "after": st.just({"puts": 3})}),
                st.fixed_dictionaries({"raise": st.just("c-0"), "after": st.just({"gets": 3})}),
                st.fixed_dictionaries(
                    {"pause": st.just("c-0"), "after": st.just({"gets": 1}), "for": st.sampled_from([0, "7ms", 1.5])}
                ),
            ),
            max_size=3,
        ),
    },
)


def resolved(data: dict[str, Any]) -> Config:
    return loads("{}", overrides={key: escaped(value) for key, value in data.items()})


def escaped(value: Any) -> Any:
    """The value with every dollar doubled, for `$` starts a variable."""
    match value:
        case str():
            return value.replace("$", "$$")
        case list():
            return [escaped(item) for item in value]
        case dict():
            return {key: escaped(item) for key, item in value.items()}
    return value


@given(configs)
def test_the_resolved_yaml_is_the_same_config(data: dict[str, Any]) -> None:
    config = resolved(data)
    text = to_yaml(config)
    again = loads(text, environ={})
    assert again == config
    assert to_yaml(again) == text
    assert json.dumps(canonical(again)) == json.dumps(canonical(config))


@given(configs, st.randoms(use_true_random=False))
def test_the_order_of_keys_makes_no_difference(data: dict[str, Any], rng: Any) -> None:
    def shuffled(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        keys = list(value)
        rng.shuffle(keys)
        return {key: shuffled(value[key]) for key in keys}

    one, other = (json.dumps(canonical(resolved(d)), sort_keys=True) for d in (data, shuffled(data)))
    assert one == other


def test_the_schema_describes_every_key() -> None:
    described = schema()
    assert described["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "$id" not in described
    assert set(described["patternProperties"]) == {"^x-"}

    def undescribed(node: Any, path: str) -> list[str]:
        if not isinstance(node, dict):
            return []
        node = described["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        below = {**node.get("properties", {}), **node.get("patternProperties", {})}
        missing = [f"{path}.{key}" for key, value in below.items() if "description" not in value and "^" not in key]
        variants = [*node.get("anyOf", []), *node.get("oneOf", [])]
        deeper = [(value, f"{path}.{key}") for key, value in below.items()] + [(value, path) for value in variants]
        return missing + [found for value, at in deeper for found in undescribed(value, at)]

    assert undescribed(described, "") == []
    sleep = described["$defs"]["ConsumerConfig"]["properties"]["sleep"]
    assert [v["properties"]["distribution"]["const"] for v in sleep["anyOf"][1]["oneOf"]] == list(LAWS)
    assert described["properties"]["producers"]["minProperties"] == 1
    json.dumps(described, allow_nan=False)


def test_long_lists_are_written_a_line_each_and_very_long_ones_densely() -> None:
    text = "producers: {p: {items: {values: [%s]}}}\nconsumers: {c: {}}"
    words = loads(text % ", ".join(["some words"] * 20))
    assert "      values:\n      - some words\n      - some words\n" in to_yaml(words)
    many = loads(text % ", ".join(["'a: b'"] * 90_000))
    assert loads(to_yaml(many)) == many


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1e3",
        "0x1F",
        "0o7",
        ".5",
        "-.inf",
        ".nan",
        "true",
        "Null",
        "~",
        "- a",
        "a: b",
        "a #b",
        "${X}",
        "$",
        " a ",
    ],
)
def test_texts_stay_texts(text: str) -> None:
    """What YAML 1.2 would read as anything else is quoted."""
    config = loads(TAIL, overrides={"producers.p.items": {"values": [text.replace("$", "$$")]}})
    assert loads(to_yaml(config), environ={}).producers["p"].items == ValuesItems(values=[text])


def test_what_only_yaml_1_1_would_read_as_no_text_is_not_quoted() -> None:
    config = loads(TAIL, overrides={"producers.p.items": {"values": ["on", "1_000", "a: b"]}})
    assert "values: [on, 1_000, 'a: b']" in to_yaml(config)


def test_the_schema_takes_a_group_without_a_value() -> None:
    assert schema()["$defs"]["ConsumerConfig"]["type"] == ["object", "null"]
    assert schema()["$defs"]["ConsumerConfig"]["not"]["type"] == "object"


def test_the_schema_knows_what_excludes_each_other_in_a_fault() -> None:
    fault, after = (schema()["$defs"][name] for name in ("FaultConfig", "AfterConfig"))
    assert fault["oneOf"] == [{"required": ["kill"]}, {"required": ["pause"]}, {"required": ["raise"]}]
    assert fault["dependentRequired"] == {"pause": ["for"], "for": ["pause"]}
    assert after["oneOf"] == [{"required": ["gets"]}, {"required": ["puts"]}]
