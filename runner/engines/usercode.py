"""User code: found by its name in a worker, called, and blamed when it fails."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from runner.planning.plan import UserCode

_LONGEST_MESSAGE: Final = 2_000
_LONGEST_TRACE: Final = 20_000
"""Characters that the log takes of what user code has to say."""

_generation = 0
"""How many forks lie between this process and the one that imported this module."""


def _count_generation() -> None:
    global _generation
    _generation += 1


os.register_at_fork(after_in_child=_count_generation)


class UserCodeError(Exception):
    """User code raised, could not be imported, or is not what its place needs.

    Attributes:
        place: What was being done: `import`, `call`, `items`, `put`.
        trace: The traceback of user code, empty where there is none.
    """

    def __init__(self, place: str, message: str, cause: BaseException | None = None) -> None:
        super().__init__(_writable(message, _LONGEST_MESSAGE))
        self.place = place
        self.trace = "" if cause is None else _writable(_trace(cause), _LONGEST_TRACE)


def _writable(text: str, longest: int) -> str:
    """A text as the log takes it: cut in the middle, and without the lone surrogates that names of files may hold."""
    if len(text) > longest:
        half = longest // 2
        text = f"{text[:half]} … ({len(text) - 2 * half} characters left out) … {text[-half:]}"
    return text.encode(errors="backslashreplace").decode()


def _trace(error: BaseException) -> str:
    """The traceback from the frame below the runner's own on."""
    frames = error.__traceback__
    return "".join(traceback.format_exception(type(error), error, frames and frames.tb_next))


def described(error: BaseException) -> str:
    """`ValueError: text`, in one line, also for exceptions whose own text fails."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error}"  # else four lines, with the source
    return " ".join("".join(traceback.format_exception_only(type(error), error)).split("\n")).strip()


def extend_path(folders: tuple[str, ...]) -> None:
    """Let user code be imported from these folders, before all others."""
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]


@contextlib.contextmanager
def extended_path(folders: tuple[str, ...]) -> Iterator[None]:
    """Do so for a while."""
    before = list(sys.path)
    extend_path(folders)
    try:
        yield
    finally:
        sys.path[:] = before


def function(code: UserCode) -> Callable[[Any], Any]:
    """What a `call` calls with each item: a function, or the one instance of a class; raises UserCodeError."""
    found = _found(code)
    if inspect.isclass(found):
        found = _made(code, found)
    elif code.kwargs:
        found = functools.partial(found, **code.kwargs)
    if not callable(found):
        raise UserCodeError("import", f"{code.target} is no function and no class with __call__")
    return found  # type: ignore[no-any-return]  # callable() narrows Any to nothing mypy keeps


def iterable(code: UserCode) -> Iterable[Any]:
    """The items a producer takes from user code: what the target gives when called, or the target itself."""
    found = _found(code)
    made = _made(code, found) if callable(found) else found
    try:
        iter(made)
    except BaseException as error:
        message = f"{code.target} gives {type(made).__name__}, which is not iterable: {described(error)}"
        raise UserCodeError("items", message, error) from error
    return made  # type: ignore[no-any-return]


def _made(code: UserCode, target: Callable[..., Any]) -> Any:
    try:
        return target(**code.kwargs)
    except BaseException as error:
        raise UserCodeError("call", f"{code.target}: {described(error)}", error) from error


def _found(code: UserCode) -> Any:
    module, _, attributes = code.target.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except BaseException as error:
        remedy = "; is its folder listed under `pythonpath`?" if _missing(error, module) else ""
        raise UserCodeError("import", f"cannot import {code.target}: {described(error)}{remedy}", error) from error
    for name in attributes.split("."):
        try:
            found = getattr(found, name)
        except Exception as error:
            where = getattr(found, "__file__", None) or getattr(found, "__name__", module)
            message = f"cannot import {code.target}: {described(error)}; looked in {where}, see `pythonpath`"
            raise UserCodeError("import", message) from error
    return found


def _missing(error: BaseException, module: str) -> bool:
    """Whether it is the user's module itself that is not found, not something it imports."""
    return (
        isinstance(error, ModuleNotFoundError) and error.name is not None and f"{module}.".startswith(f"{error.name}.")
    )


def called(what: Callable[..., Any], *arguments: Any, name: str) -> Any:
    """Call user code of this name; what it raises comes out as UserCodeError, `StopIteration` and `SystemExit` too."""
    generation = _generation
    try:
        return what(*arguments)
    except BaseException as error:
        raise UserCodeError("call", f"{name}: {described(error)}", error) from error
    finally:
        if _generation != generation:
            _end_twin()


@contextlib.contextmanager
def without_twins() -> Iterator[None]:
    """Let nobody out but the process that came in, where user code runs otherwise than by `called`."""
    generation = _generation
    try:
        yield
    finally:
        if _generation != generation:
            _end_twin()


def _end_twin() -> None:
    """End a process that user code forked, and that came back from there: it would go on as a second worker."""
    os._exit(1)
