"""From files, overrides and the environment to one config, with positions in whatever was wrong."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from runner.config.faults import AfterConfig, FaultConfig
from runner.config.load import load, loads, parse_set
from runner.config.models import Config, ConsumerConfig, ProducerConfig, QueueConfig, RangeItems, StageConfig
from runner.config.policies import DeathConfig, ErrorConfig
from runner.config.written_laws import LAWS
from runner.errors import ConfigError, ExitCode

GOOD = "producers: {p: {items: 10}}\nconsumers: {c: {}}\n"


def told(source: str | Path, **keys: object) -> list[str]:
    """Every problem of loading a file."""
    with pytest.raises(ConfigError) as caught:
        load(source, **keys)  # type: ignore[arg-type]
    return [str(problem) for problem in caught.value.problems]


def warned(text: str) -> list[str]:
    return [str(problem) for problem in loads(text, source="c").warnings]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, text: str) -> str:
    """The path of a file with this text."""
    Path(path).parent.mkdir(exist_ok=True, parents=True)
    Path(path).write_text(text, "utf-8")
    return path


# Sources.


def test_a_config_is_named_after_its_file(folder: Path) -> None:
    assert load(write("sub/two.words.yaml", GOOD)).name == "two.words"
    assert load(Path(write("a.yaml", GOOD + "name: b"))).name == "b"


def test_a_dash_is_standard_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode())))
    assert load("-").name == "stdin"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"sed: 1\n" + GOOD.encode())))
    assert told("-")[0].startswith("<stdin>:1:1: sed: unknown key, did you mean seed?")


def test_what_cannot_be_read_as_a_config_is_told_in_one_line(folder: Path) -> None:
    (folder / "dir").mkdir()
    (folder / "binary").write_bytes(b"\x7fELF\x02\x01\x01\x00\xff")
    (folder / "latin").write_bytes(b"# caf\xe9\n")
    (folder / "big").write_bytes(b"#" * ((1 << 20) + 1))
    assert told("missing.yaml") == ["missing.yaml: no such file"]
    assert told("dir") == ["dir: a directory; wanted a config file"]
    assert told(write("empty", "")) == ["empty: empty: nothing but blanks and comments"]
    assert told("binary") == ["binary:1:9: the byte 0xFF is no UTF-8; is this a text file?"]
    assert told("latin") == ["latin:1:6: the byte 0xE9 is no UTF-8; is this a text file?"]
    assert told("big") == ["big: larger than 1,048,576 bytes"]
    assert told(write("list", "[1]")) == ["list:1:1: a list at the top; wanted keys such as producers: …"]
    assert told("nul\0") == ["'nul\\x00': embedded null byte"]
    assert told("x" * 5000)[0].endswith(": cannot be read: File name too long")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(folder: Path) -> None:
    Path(write("a", GOOD)).chmod(0)
    assert told("a") == ["a: cannot be read: permission denied"]


def test_a_wrong_config_exits_with_2_before_anything_starts() -> None:
    with pytest.raises(ConfigError) as caught:
        loads("")
    assert caught.value.exit_code is ExitCode.USAGE


def test_problems_of_one_config_end_somewhere() -> None:
    with pytest.raises(ConfigError) as caught:
        loads("producers: {" + "".join(f"p{i}: {{itms: 1, x: 2}}, " for i in range(500)) + "}")
    assert 200 <= len(caught.value.problems) <= 202
    assert caught.value.problems[-1].message == "and more problems"


# Bases.


def test_maps_merge_and_lists_replace(folder: Path) -> None:
    write("base.yaml", "seed: 1\nx-note: here\nname: base\npythonpath: [., sub]\n" + GOOD)
    write("sub/f", "")
    path = write("top.yaml", "extends: base.yaml\nseed: 2\npythonpath: [sub]\nproducers: {p: {count: 3}}\nx-a: 1\n")
    config = load(path)
    assert (config.seed, config.name, config.pythonpath) == (2, "base", (str(folder / "sub"),))
    assert config.producers["p"].count == 3
    assert config.producers["p"].items == RangeItems(stop=10)


def test_nothing_takes_a_key_of_the_base_back(folder: Path) -> None:
    write("base.yaml", "duration: 1s\n" + GOOD)
    assert load(write("top.yaml", "extends: base.yaml\nduration:\n")).duration is None


def test_bases_may_have_bases_and_paths_start_where_they_stand(folder: Path) -> None:
    write("a/rows.jsonl", "1\n2\n3\n")
    write("a/a.yaml", "pythonpath: [.]\nproducers: {p: {items: {file: rows.jsonl}}}\n")
    write("a/b.yaml", "extends: a.yaml\nconsumers: {c: {}}\n")
    config = load(write("c/c.yaml", "extends: ../a/b.yaml\n"))
    assert config.pythonpath == (str(folder / "a"),)
    assert config.files[str(folder / "a" / "rows.jsonl")].lines == 3


def test_problems_name_the_file_in_which_they_stand(folder: Path) -> None:
    write("sub/base.yaml", "sed: 1\n" + GOOD)
    path = write("top.yaml", "extends: sub/base.yaml\nproducers:\n  p: {cout: 1}\n")
    assert [line.split(" ")[0] for line in told(path)] == ["top.yaml:3:7:", "sub/base.yaml:1:1:"]


def test_cycles_of_bases_and_missing_bases_are_errors(folder: Path) -> None:
    write("a.yaml", "extends: b.yaml\n" + GOOD)
    write("b.yaml", "seed: 1\nextends: a.yaml\n")
    assert told("a.yaml") == ["b.yaml:2:10: extends: a config cannot extend itself: a.yaml -> b.yaml -> a.yaml"]
    path = write("c.yaml", "extends: c.yaml\n" + GOOD)
    assert told(path) == ["c.yaml:1:10: extends: a config cannot extend itself: c.yaml -> c.yaml"]
    path = write("d.yaml", "extends: none.yaml\n" + GOOD)
    assert told(path) == [f"d.yaml:1:10: extends: {folder}/none.yaml: no such file"]
    for i in range(20):
        write(f"n{i}.yaml", f"extends: n{i + 1}.yaml\n" + GOOD)
    assert told("n0.yaml") == ["n16.yaml:1:10: extends: more than 16 bases upon each other"]


# The environment.


def test_variables_are_filled_in_and_typed_anew() -> None:
    text = 'seed: "${SEED}"\ndescription: "${A}-${B:-b}-${C:-}-$$-$x"\nduration: ${T:-1.5s}\n' + GOOD
    config = loads(text, environ={"SEED": "7", "A": "a", "C": ""})
    assert (config.seed, config.description, config.duration) == (7, "a-b--$-$x", 1.5)


def test_an_empty_variable_takes_the_default() -> None:
    assert loads('seed: "${S:-3}"\n' + GOOD, environ={"S": ""}).seed == 3
    assert loads('seed: "${S}"\n' + GOOD, environ={"S": ""}).seed == 0


def test_a_variable_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="description: the variable D holds bytes that are no UTF-8"):
        loads('description: "${D}"\n' + GOOD, environ={"D": "\udcff"})


def test_variables_bring_no_structure() -> None:
    config = loads('description: "${D}"\n' + GOOD, environ={"D": "[1, {a: b}] # ${E}"})
    assert config.description == "[1, {a: b}] # ${E}"


def test_variables_work_in_extends_and_overrides_and_not_in_notes_and_keys(folder: Path) -> None:
    write("base.yaml", GOOD)
    path = write("top.yaml", 'extends: "${B}.yaml"\nx-note: "${UNSET}"\n')
    assert load(path, {"seed": "${S}"}, environ={"B": "base", "S": "5"}).seed == 5
    assert "${S}" in told(path, overrides={"${S}": 1}, environ={"B": "base", "S": "5"})[0]


# Overrides.


def test_overrides_win_over_file_and_base(folder: Path) -> None:
    write("base.yaml", "seed: 1\n" + GOOD)
    path = write("top.yaml", "extends: base.yaml\nseed: 2\n")
    config = load(path, {"seed": 3, "producers.p.count": 4, "producers.p.items": {"stop": 5}, "duration": 2.5})
    assert (config.seed, config.producers["p"].count, config.duration) == (3, 4, 2.5)
    assert config.producers["p"].items == RangeItems(stop=5)


def test_overrides_make_the_maps_on_their_way() -> None:
    config = loads(GOOD, overrides={"queues.main.maxsize": 5, "consumers.d": {"count": 2}, "consumers.d.items": 3})
    assert config.queues["main"].maxsize == 5
    assert (config.consumers["d"].count, config.consumers["d"].items) == (2, 3)


def test_an_override_does_not_touch_what_an_alias_shares() -> None:
    text = "x-a: &a {items: 10}\nproducers: {p: *a, q: *a}\nconsumers: {c: {}}"
    config = loads(text, overrides={"producers.p.items": 3})
    assert [group.items for group in config.producers.values()] == [RangeItems(stop=3), RangeItems(stop=10)]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sed", 1, "sed: unknown key, did you mean seed? allowed: "),
        ("seed", "x", "seed: wanted a whole number of 0 or more, not the text 'x'"),
        ("seed", 10**100, "seed: a number of 100 digits or more"),
        ("seed", b"x", "seed: wanted what YAML can hold, not a bytes"),
        ("description", "\ud800", "description: wanted text that UTF-8 can hold"),
        ("producers.p", {1: 2}, "producers.p: a key is text"),
        ("producers.q.count", 1, "producers.q: not there; allowed: p, or a new one set as a whole"),
        ("producers.p.cuont", 1, "producers.p.cuont: unknown key, did you mean count? allowed: "),
        ("seed.low", 1, "seed: holds no keys, so low cannot be set; set seed as a whole"),
        ("producers..count", 1, "producers..count: wanted a dotted path such as producers.produce.count"),
        ("extends", "a.yaml", "extends: cannot be overridden; write it in a file"),
    ],
)
def test_a_wrong_override_is_told_under_its_path(path: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads("seed: 1\n" + GOOD, overrides={path: value})
    assert str(caught.value.problems[0]).startswith(f"overrides: {message}")


def test_a_misspelt_group_of_an_override_gets_a_hint() -> None:
    with pytest.raises(ConfigError, match=r"producers\.prodce: not there, did you mean produce\?"):
        loads(GOOD.replace("p:", "produce:"), overrides={"producers.prodce.count": 2})


def test_endless_data_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(ConfigError, match="64 levels"):
        loads(GOOD, overrides={"producers.p.items": {"values": endless}})


def test_set_takes_yaml() -> None:
    values = parse_set(["seed=7", "a.b={x: [1, 1e-3, on]}", "name=a=b", "n=", "n=null", "t=10ms"])
    assert values == {"seed": 7, "a.b": {"x": [1, 0.001, "on"]}, "name": "a=b", "n": None, "t": "10ms"}


def test_problems_of_set_are_told_under_set() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_set(["seed", "=1", "a.b={", "c=!x 1"])
    assert [str(problem) for problem in caught.value.problems] == [
        "--set: wanted PATH=YAML, such as producers.produce.count=4, not 'seed'",
        "--set: wanted PATH=YAML, such as producers.produce.count=4, not '=1'",
        "--set: a.b: no YAML: a value is missing",
        "--set: c: tags (!…) are not allowed; remove it",
    ]
    with pytest.raises(ConfigError) as caught:
        loads(GOOD, overrides=parse_set(["seed=-1", "prodcers.p.count=2"]))
    assert [str(problem).split(",")[0] for problem in caught.value.problems] == [
        "--set: prodcers: unknown key",
        "--set: seed: wanted a whole number of 0 or more",
    ]


def test_relative_paths_of_overrides_start_in_the_working_directory(folder: Path) -> None:
    write("rows", "1\n")
    path = write("sub/c.yaml", GOOD)
    config = load(path, {"producers.p.items": {"file": "rows"}})
    assert list(config.files) == [str(folder / "rows")]


def test_a_base_is_a_regular_file_for_a_pipe_might_never_end(folder: Path) -> None:
    os.mkfifo("pipe")
    for base in ("pipe", "/dev/null"):
        message = f"c:1:10: extends: {folder / base}: no regular file; wanted a config file"
        assert told(write("c", f"extends: {base}\n{GOOD}")) == [message]


# Files.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n{\n", "line 2: no JSON value; wanted JSON Lines"),
        ("1\n\n2\n", "line 2: no JSON value; wanted JSON Lines"),
        ("NaN\n", "line 1: no JSON value; wanted JSON Lines"),
        ("\udcff", "line 1: no JSON value; wanted JSON Lines"),
        ("[" * 100_000, "line 1: no JSON value; wanted JSON Lines"),
    ],
)
def test_every_line_of_an_items_file_is_a_json_value(folder: Path, text: str, message: str) -> None:
    Path("rows").write_bytes(text.encode("utf-8", "surrogateescape"))
    path = write("c", "producers: {p: {items: {file: rows}}}\nconsumers: {c: {}}")
    assert told(path) == [f"c:1:31: producers.p.items.file: {folder}/rows, {message}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", " is empty; a trace holds at least one value"),
        ("1\n-1\n", ', line 2: wanted seconds (0 to 1e8), or {"id": …, "value": seconds} in every line'),
        ("1\ntrue\n", ', line 2: wanted seconds (0 to 1e8), or {"id": …, "value": seconds} in every line'),
        (
            '1\n{"id": "a", "value": 1}',
            ', line 2: wanted seconds (0 to 1e8), or {"id": …, "value": seconds} in every line',
        ),
        ('{"id": "a", "value": 1}\n{"id": "a", "value": 2}', ", line 2: a second value for a"),
    ],
)
def test_a_trace_holds_seconds(folder: Path, text: str, message: str) -> None:
    write("trace", text)
    path = write("c", "producers: {p: {items: 1}}\nconsumers: {c: {busy: {distribution: trace, file: trace}}}")
    assert told(path) == [f"c:2:51: consumers.c.busy.file: {folder}/trace{message}"]


# Warnings.


def test_quotas_below_what_is_put_leave_some_over() -> None:
    text = "producers: {p: {count: 2, items: 10}}\nconsumers: {c: {count: 3, items: 4}}"
    assert warned(text) == [
        "c:2:34: consumers.c.items: its workers take 3 x 4 = 12 items, but the plan puts 20 into main: 8 are left over"
    ]
    assert warned(text + "\nduration: 1s") == []


def test_quotas_are_not_judged_where_totals_are_unknown() -> None:
    queues = "queues: {a: {}, b: {}}\nproducers: {p: {items: 10, to: a}}\nconsumers: {c: {from: b, items: 99}"
    assert warned(queues + "}\nstages: {s: {from: a, to: b, call: 'a:b'}}") == []
    assert warned(queues + ", d: {from: a}}\nstages: {s: {from: a, to: b}}") == []
    assert warned("producers: {p: {items: {call: 'a:b'}}}\nconsumers: {c: {items: 99}}") == []
    assert warned("duration: 1\nproducers: {p: {}}\nconsumers: {c: {items: 99}}") == []


def test_an_endless_run_whose_load_reaches_one_is_doubtful() -> None:
    text = "duration: 1s\nproducers: {p: {count: 2, sleep: 10ms}}\nconsumers: {c: {count: %d, sleep: 5ms}}"
    tail = ": more arrives than its readers can do, so the queue only grows, or blocks and puts come too late"
    assert warned(text % 1) == ["c:1:1: queues.main: the load is 1" + tail]
    assert warned(text % 2) == []
    assert warned((text % 1).replace("10ms", "0")) == ["c:1:1: queues.main: the load is without bound" + tail]
    assert warned((text % 1).replace("{count: 2,", "{items: 5,")) == []
    assert warned((text % 1).replace("sleep: 5ms", "call: 'a:b'")) == []
    assert warned("duration: 1s\nproducers: {p: {}}\nconsumers: {c: {}}") == []


def test_the_load_behind_a_stage_is_what_the_stage_lets_through() -> None:
    text = (
        "duration: 1s\nqueues: {a: {}, b: {}}\nproducers: {p: {to: a, sleep: 1ms}}\n"
        "stages: {s: {from: a, to: b, busy: 10ms}}\nconsumers: {c: {from: b, sleep: 9ms}}"
    )
    assert [line.split(":")[4] for line in warned(text)] == [" the load is 10"]


def test_several_readers_leave_the_rates_below_unknown() -> None:
    text = (
        "duration: 1s\nqueues: {a: {}, b: {}}\nproducers: {p: {to: a, sleep: 10ms}}\n"
        "stages: {s: {from: a, to: b}}\nconsumers: {c: {from: b, sleep: 1s}, d: {from: a}}"
    )
    assert warned(text) == []


def test_positions_of_warnings_are_those_of_the_override() -> None:
    config = loads(GOOD, overrides={"consumers.c.items": 3})
    assert [str(problem).split(":")[0] for problem in config.warnings] == ["overrides"]


def test_of_many_faults_that_strike_nobody_the_first_are_told() -> None:
    def faults(count: int) -> list[str]:
        fault = {"kill": "d-0", "after": {"gets": 1}}
        with pytest.raises(ConfigError) as caught:
            loads(GOOD, overrides={"faults": [fault] * count})
        return [problem.message for problem in caught.value.problems]

    nobody = "no such worker: the text 'd-0'; allowed: p-0, c-0"
    assert faults(20) == [nobody] * 20
    assert faults(21) == faults(1000) == [nobody] * 19 + [f"{nobody} (and more like it)"]
    assert faults(1001) == ["1,001 faults; at most 1,000"]


def test_a_count_beside_another_policy_is_doubtful() -> None:
    text = "on_death: {policy: fail, max_restarts: 3}\non_error: {retries: 2}\n" + GOOD
    assert warned(text) == [
        "c:1:40: on_death.max_restarts: means nothing beside policy fail; it counts for restart alone",
        "c:2:21: on_error.retries: means nothing beside policy fail; it counts for retry alone",
    ]
    lock_based = "on_death: {max_restarts: 3}\nqueues: {main: {kind: multiprocessing.Queue}}\n" + GOOD
    assert [line.split(": ")[0] for line in warned(lock_based)] == ["c:1:26"]
    assert warned("on_death: {max_restarts: 3}\non_error: {policy: retry, retries: 2}\n" + GOOD) == []


# The reference page.

PAGE = (Path(__file__).parents[1] / "docs" / "reference" / "config.md").read_text("utf-8")


def test_every_config_of_the_reference_page_loads() -> None:
    blocks = [part.partition("```")[0] for part in PAGE.split("```yaml\n")[1:]]
    assert len(blocks) >= 6
    for block in blocks:
        assert loads(block, environ={}).warnings == ()


def test_the_reference_page_names_every_key_and_distribution() -> None:
    parts = (DeathConfig, ErrorConfig, FaultConfig, AfterConfig)
    groups = (Config, QueueConfig, ProducerConfig, StageConfig, ConsumerConfig, RangeItems, *parts)
    names = {key for group in groups for key in group.names()} | set(LAWS)
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE and f"{name}:" not in PAGE] == []
