"""Kinds of queue as the config has to know them: what there is, and what each promises.

Four are mprun's own. Others come from installed packages, each registered as an entry point of the group
`mprun.queue_kinds`; such a class is imported when a config names its kind, and not before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "mprun.queue_kinds"
"""The group of entry points under which packages register kinds: its name in the config = the class."""

REPAIRS: Final = ("begun", "hand", "again", "offer", "drain")
"""What a queue that can be repaired has beside what every queue has (`runner.queues.contract.Repairable`)."""


class NoSuchKindError(LookupError):
    """No kind bears this name."""


class UnusableKindError(Exception):
    """A kind is registered, and cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class KindFacts:
    """What a kind promises.

    Attributes:
        fifo: Whether items leave in the order in which they came, whoever put them; else it is per producer.
        repairable: Whether it can tell what the dead had, so that workers may be restarted.
        largest_maxsize: The largest `maxsize` it can keep; 0: none; None: any.
    """

    fifo: bool
    repairable: bool
    largest_maxsize: int | None = None


BUILT_IN: Final = {
    "pipe": KindFacts(fifo=True, repairable=True, largest_maxsize=32_768),
    "multiprocessing.Queue": KindFacts(fifo=False, repairable=False),
    "multiprocessing.SimpleQueue": KindFacts(fifo=True, repairable=False),
    "multiprocessing.Manager": KindFacts(fifo=True, repairable=False),
}
"""mprun's own kinds; what each class says of itself agrees."""

LOCK_BASED: Final = tuple(name for name, facts in BUILT_IN.items() if not facts.repairable)
"""Kinds whose workers share locks: who dies holding one leaves it locked, and nothing can be repaired."""

_loaded: dict[str, Any] = {}


def names() -> tuple[str, ...]:
    """All kinds there are: mprun's own, then those of installed packages."""
    return (*BUILT_IN, *(name for name in sorted({point.name for point in _points()}) if name not in BUILT_IN))


def facts(name: str) -> KindFacts:
    """What a kind promises; raises `NoSuchKindError` or `UnusableKindError`."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    kind = registered(name)
    return KindFacts(kind.fifo, kind.repairable, getattr(kind, "largest_maxsize", None))


def registered(name: str) -> Any:
    """The class that a package has registered under a name; imports it.

    Raises:
        NoSuchKindError: No package has.
        UnusableKindError: Several have, or it cannot be imported or is no kind.
    """
    if name not in _loaded:
        _loaded[name] = _load(name)
    return _loaded[name]


def _load(name: str) -> Any:
    points = {point.value: point for point in _points() if point.name == name}
    if not points:
        raise NoSuchKindError(name)
    if len(points) > 1:
        raise UnusableKindError(f"is registered more than once: {', '.join(map(_origin, points.values()))}")
    [point] = points.values()
    try:
        kind = point.load()
    except Exception as error:
        raise UnusableKindError(f"cannot be imported: {_origin(point)}: {type(error).__name__}: {error}") from error
    if wrong := what_is_wrong(kind):
        raise UnusableKindError(f"is no kind of queue: {_origin(point)}: {wrong}")
    return kind


def _points() -> list[EntryPoint]:
    from importlib.metadata import entry_points  # takes milliseconds; mprun's own kinds need none of it

    return list(entry_points(group=GROUP))


def _origin(point: EntryPoint) -> str:
    package = f" of {point.dist.name}" if point.dist is not None else ""
    return f"{point.value}{package}"


def what_is_wrong(kind: Any) -> str | None:
    """What keeps a registered object from being a kind."""
    if not callable(kind):
        return "it cannot be called"
    for attribute in ("fifo", "repairable"):
        if not isinstance(getattr(kind, attribute, None), bool):
            return f"its attribute {attribute} is to be True or False"
    largest = getattr(kind, "largest_maxsize", None)
    if largest is not None and (not isinstance(largest, int) or isinstance(largest, bool) or largest < 0):
        return "its attribute largest_maxsize is to be None or a whole number of 0 or more"
    missing = [name for name in REPAIRS if not callable(getattr(kind, name, None))]
    if kind.repairable and missing:
        return f"it says that it is repairable, and has no {', '.join(missing)}"
    if not kind.repairable and not missing:
        return "it says that it is not repairable, and can be repaired"
    return None
