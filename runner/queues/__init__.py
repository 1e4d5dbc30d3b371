"""The kinds of queue between processes: a registry of one dict, and what packages add to it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from runner.config.kinds import registered

if TYPE_CHECKING:
    from runner.queues.contract import Kind

KINDS: Final = {
    "pipe": ("runner.queues.pipe", "PipeQueue"),
    "multiprocessing.Queue": ("runner.queues.mp_queue", "MpQueue"),
    "multiprocessing.SimpleQueue": ("runner.queues.simple_queue", "SimpleQueue"),
    "multiprocessing.Manager": ("runner.queues.manager", "ManagerQueue"),
}
"""Name in the config → module and name of what makes such a queue. Each is imported when a run uses it."""


def kind_of(name: str) -> Kind:
    """What makes queues of a kind; raises `NoSuchKindError` or `UnusableKindError` where a package's is meant."""
    if name not in KINDS:
        return registered(name)  # type: ignore[no-any-return]  # looked over when it was loaded
    module, attribute = KINDS[name]
    return getattr(import_module(module), attribute)  # type: ignore[no-any-return]
