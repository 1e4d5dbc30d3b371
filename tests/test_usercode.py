"""User code is found by its name, called, and blamed with a traceback of its own frames."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runner.engines import usercode
from runner.engines.usercode import UserCodeError
from runner.planning.plan import UserCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = """
class Adder:
    made = 0

    def __init__(self, base=0):
        Adder.made += 1
        self.base = base

    def __call__(self, item):
        return self.base + item


class Picky:
    def __init__(self):
        raise LookupError("no instance")


class Mute:
    pass


class Loops:
    def __iter__(self):
        raise LookupError("no iterator")


class Inner:
    add = Adder(100)


def twice(item, times=2):
    return item * times


def fail(item):
    raise ValueError(item)


def leave(item):
    raise SystemExit(item)


def stop(item):
    raise StopIteration(item)


def three():
    yield from range(3)


numbers = [4, 5]
nothing = None
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path with user modules that no other test knows."""
    (tmp_path / "the_code.py").write_text(SOURCE)
    (tmp_path / "needs.py").write_text("import no_such_module_at_all\n")
    (tmp_path / "prefixed.py").write_text("import pref\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "exits.py").write_text("raise SystemExit('at import')\n")
    (tmp_path / "guarded.py").write_text("def __getattr__(name):\n    raise RuntimeError(name)\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    usercode.extend_path((str(tmp_path),))
    yield tmp_path
    for name in ("the_code", "needs", "prefixed", "broken", "exits", "guarded"):
        sys.modules.pop(name, None)


def code(target: str, **kwargs: Any) -> UserCode:
    return UserCode(target if ":" in target else f"the_code:{target}", kwargs)


def test_folders_come_before_all_others_once_and_in_order(folder: Path) -> None:
    usercode.extend_path(("/a", "/b"))
    usercode.extend_path(("/a", "/b"))
    assert sys.path[:3] == ["/a", "/b", str(folder)]


def test_a_function_is_called_with_the_item_and_its_kwargs() -> None:
    assert usercode.function(code("twice"))(4) == 8
    assert usercode.function(code("twice", times=3))(4) == 12


def test_a_class_is_made_once_with_its_kwargs() -> None:
    made = usercode.function(code("Adder", base=5))
    assert [made(1), made(2)] == [6, 7]
    assert type(made).made == 2  # type: ignore[attr-defined]  # one more stands in the module itself


def test_an_attribute_may_be_dotted() -> None:
    assert usercode.function(code("Inner.add"))(1) == 101


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "nowhere_at_all:f",
            r"cannot import nowhere_at_all:f: ModuleNotFoundError: .*is its folder listed under `pythonpath`",
        ),
        ("the_code.sub:f", r"ModuleNotFoundError: .*'the_code' is not a package"),
        ("missing", r"AttributeError: .*has no attribute 'missing'; looked in .*the_code\.py, see `pythonpath`"),
        ("broken:f", "SyntaxError"),
        ("exits:f", "SystemExit: at import"),
        ("guarded:f", "RuntimeError: f"),
        ("Picky", "LookupError: no instance"),
        ("Mute", "is no function and no class with __call__"),
        ("numbers", "is no function"),
    ],
)
def test_what_cannot_be_found_or_made_is_named_with_the_reason(target: str, message: str) -> None:
    with pytest.raises(UserCodeError, match=message):
        usercode.function(code(target))


@pytest.mark.parametrize("target", ["needs:f", "prefixed:f"])
def test_a_module_that_misses_another_is_not_told_to_be_missing_itself(target: str) -> None:
    with pytest.raises(UserCodeError) as caught:
        usercode.function(code(target))
    assert "is its folder listed" not in str(caught.value)
    assert "import " in caught.value.trace


def test_items_come_from_a_function_a_class_or_a_value() -> None:
    assert list(usercode.iterable(code("three"))) == [0, 1, 2]
    assert list(usercode.iterable(code("numbers"))) == [4, 5]
    for target in ("nothing", "Loops", "Mute"):
        with pytest.raises(UserCodeError, match="is not iterable") as caught:
            usercode.iterable(code(target))
        assert caught.value.place == "items"


@pytest.mark.parametrize(
    ("name", "why"), [("fail", "ValueError: 1"), ("leave", "SystemExit: 1"), ("stop", "StopIteration: 1")]
)
def test_whatever_a_call_raises_is_an_error_with_the_users_frames_only(name: str, why: str) -> None:
    with pytest.raises(UserCodeError) as caught:
        usercode.called(usercode.function(code(name)), 1, name="c-0")
    assert str(caught.value) == f"c-0: {why}"
    assert caught.value.place == "call"
    assert f"in {name}" in caught.value.trace
    assert "usercode.py" not in caught.value.trace


class Wordless(Exception):  # noqa: N818 - not an error of ours
    """An exception whose text fails."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("error", [Wordless(), ValueError("\udcff"), ValueError("a\nb")])
def test_any_exception_can_be_described_and_written(error: Exception) -> None:
    described = UserCodeError("call", usercode.described(error), error)
    assert type(error).__name__ in str(described)
    str(described).encode()
    described.trace.encode()


def test_what_user_code_has_to_say_is_cut_in_the_middle() -> None:
    error = UserCodeError("call", "begin" + "x" * 10**6 + "end")
    assert len(str(error)) < 3_000
    assert str(error).startswith("beginxxx")
    assert str(error).endswith("xxxend")
    assert " (998008 characters left out) " in str(error)


@pytest.mark.process
def test_a_process_that_user_code_forks_does_not_come_back_from_there() -> None:
    read_end, write_end = os.pipe()
    try:
        twins = [usercode.called(os.fork, name="c-0")]
        with usercode.without_twins():
            twins.append(os.fork())
        os.write(write_end, b".")
    finally:
        os.close(write_end)
    with open(read_end, "rb") as file:  # noqa: PTH123 - a descriptor
        assert file.read() == b"."
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in twins] == [1, 1]
