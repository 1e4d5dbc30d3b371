"""YAML text to nodes: what scalars mean, where they stand, what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.nodes import MapNode, plain
from runner.config.yamlfile import MAX_BYTES, MAX_DEPTH, MAX_NODES, parse, resolve
from runner.errors import ConfigError


def read(text: str) -> Any:
    parsed = parse(text, "t", Path())
    assert parsed.problems == []
    return plain(parsed.root)


def told(text: str) -> list[str]:
    """Every problem of a text, whether it could be read on or not."""
    try:
        return [str(problem) for problem in parse(text, "t", Path()).problems]
    except ConfigError as error:
        return [str(problem) for problem in error.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1.5", -1.5),
        ("010", 10),
        ("+7", 7),
        ("-7", -7),
        ("0o10", 8),
        ("0x1F", 31),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("+.Inf", math.inf),
        ("inf", "inf"),
        ("1e400", math.inf),
        ("10ms", "10ms"),
        ("-", "-"),
        (".", "."),
        ("<<", "<<"),
    ],
)
def test_plain_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    resolved = resolve(text)
    assert resolved == value
    assert type(resolved) is type(value)


def test_nan_is_a_float() -> None:
    assert all(math.isnan(float(str(resolve(text)))) for text in (".nan", ".NaN", ".NAN"))


def test_quoted_scalars_are_text() -> None:
    assert read("""["1", '2', 'true', "", '~']""") == ["1", "2", "true", "", "~"]
    assert read("a: |\n  1\nb: >\n  x\n  y\n") == {"a": "1\n", "b": "x y\n"}


def test_values_and_keys_know_where_they_stand() -> None:
    root = parse("a: 1\nb:\n  - x\n  - {c: 2}\n", "file.yaml", Path("/f")).root
    assert isinstance(root, MapNode)
    key, value = root.entries["b"]
    assert (key.line, key.column) == (2, 1)
    assert (value.mark.source, value.mark.folder, value.mark.line, value.mark.column) == ("file.yaml", Path("/f"), 3, 3)


def test_an_alias_stands_for_its_anchor_and_keeps_its_position() -> None:
    root = parse("a: &x 1\nb: *x\n", "t", Path()).root
    assert plain(root) == {"a": 1, "b": 1}
    assert isinstance(root, MapNode)
    assert root.entries["b"][1].mark.line == 1


def test_merge_keys_fill_in_what_a_map_does_not_say() -> None:
    assert read("a: &a {x: 1, y: 1}\nb: {<<: *a, x: 2}\n")["b"] == {"x": 2, "y": 1}
    assert read("a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}\n")["c"] == {"x": 1, "y": 2}
    assert read('a: {"<<": {x: 1}}') == {"a": {"<<": {"x": 1}}}


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert read("\ufeffa: 1") == {"a": 1}


def test_several_problems_are_told_at_once() -> None:
    assert told("a: !x 1\na: 2\n3: 4\n") == [
        "t:1:4: a: tags (!…) are not allowed; remove it",
        "t:2:1: a: stands here a second time, first in line 1; remove one",
        "t:3:1: a key is text; put '3' in quotes",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t: empty: nothing but blanks and comments"),
        ("# only a comment\n", "t: empty: nothing but blanks and comments"),
        ("a: \0", "t:1:4: the character U+0000 is not allowed; is this a text file?"),
        ("a: 1\nb: \x07", "t:2:4: the character U+0007 is not allowed; is this a text file?"),
        ("a: \ud800", "t:1:4: the character U+D800 is not allowed; is this a text file?"),
        ("a: *b", "t:1:4: a: the anchor &b is not defined before this"),
        ("a: &a [*a]", "t:1:8: a[0]: the anchor &a contains itself"),
        ("a: 1\n---\nb: 1", "t:2:1: a second document starts here; a config is one document"),
        ("a: " + "9" * 101, "t:1:4: a: a number of 101 characters; at most 100, or put it in quotes"),
        ("a: {b: [1}", "t:1:10: no YAML: a list is not closed: a ',' or ']' is missing"),
        ("a:\n\t- b", "t:2:1: no YAML: a tab cannot indent; use spaces"),
        ("a: @b", "t:1:4: no YAML: no value starts with '@'; put the text in quotes"),
        (
            'a: "\\d"',
            "t:1:5: no YAML: a backslash in double quotes starts an escape; write \\\\ or single quotes",
        ),
    ],
)
def test_what_is_no_config_is_told_in_one_line(text: str, message: str) -> None:
    assert told(text) == [message]


def test_size_depth_and_number_of_values_are_bounded() -> None:
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None
    assert "nested deeper" in told("[" * (MAX_DEPTH + 1))[0]
    assert "larger than" in told("a" * (MAX_BYTES + 1))[0]
    assert len(read("[" + "1," * (MAX_NODES - 1) + "]")) == MAX_NODES - 1
    assert "more than 100,000 values" in told("[" + "1," * MAX_NODES + "]")[0]


def test_aliases_count_as_what_they_stand_for() -> None:
    tens = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    tens += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 60)]
    assert "more than 100,000 values" in told("\n".join(tens))[0]
    assert "more than 1,048,576 characters" in told('a: &a "' + "x" * 300_000 + '"\nb: [*a, *a, *a, *a]')[0]


@given(st.recursive(st.none() | st.booleans() | st.integers(-(10**18), 10**18), lambda s: st.lists(s, max_size=4)))
def test_flow_json_is_yaml(value: object) -> None:
    """JSON without odd strings is read as itself."""
    assert read(json.dumps({"v": value})) == {"v": value}


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but a ConfigError comes out of the parser."""
    told(text)
