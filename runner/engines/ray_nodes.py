"""The nodes of a run and their clocks: by how much each differs from the supervisor's, and how well that is known."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

import ray
from ray.exceptions import RayError

from runner.engines.ray_worker import boot
from runner.log.clocks import Offset, offset_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runner.engines.ray_worker import About

_SAMPLES: Final = 12
_PATIENCE_S: Final = 30.0
_EXACT: Final = Offset(0, 0)


@dataclass(frozen=True, slots=True)
class Node:
    """One node.

    Attributes:
        host: Its address.
        boot: Tells its kernel.
        offset: Of its monotonic clock against the supervisor's, as first measured.
        later: The same, as last measured.
    """

    host: str
    boot: str
    offset: Offset
    later: Offset

    @property
    def about(self) -> dict[str, Any]:
        """What the manifest says of it."""
        widest = self.offset.widened(self.later)
        return {
            "host": self.host,
            "clock_offset_ns": self.offset.offset_ns,
            "clock_uncertainty_ns": self.offset.uncertainty_ns,
            "clock_drift_ns": self.later.offset_ns - self.offset.offset_ns,
            "clock_uncertainty_at_the_end_ns": widest.uncertainty_ns,
        }


class Nodes:
    """All nodes on which workers are or were."""

    def __init__(self) -> None:
        self._known: dict[str, Node] = {}
        self._here = boot()

    def offset(self, about: About, actor: Any) -> Offset:
        """The offset of the node on which this actor is; measured once."""
        node = self._known.get(about.node)
        if node is None:
            offset = self._measured(about.boot, actor)
            node = self._known[about.node] = Node(about.host, about.boot, offset, offset)
        return node.offset

    def look_again(self, actors: Mapping[str, Any]) -> None:
        """Measure once more, to see how clocks have drifted, wherever an actor still answers."""
        for name, node in self._known.items():
            if name in actors and node.offset != _EXACT:
                with contextlib.suppress(RayError):
                    self._known[name] = replace(node, later=self._measured(node.boot, actors[name]))

    def _measured(self, boot_id: str, actor: Any) -> Offset:
        """The offset by asking; where the same kernel answers and nothing speaks against it, the clock is the same."""
        samples = []
        for _ in range(_SAMPLES):
            sent = monotonic_ns()
            there = ray.get(actor.clock.remote(), timeout=_PATIENCE_S)
            samples.append((sent, there, monotonic_ns()))
        found = offset_of(samples)
        if boot_id and boot_id == self._here and abs(found.offset_ns) <= found.uncertainty_ns:
            return _EXACT
        return found

    def wider(self) -> Iterator[tuple[str, int]]:
        """Yield the nodes whose clocks have drifted, and the uncertainty in ns that covers both measurements."""
        for name, node in self._known.items():
            widest = node.offset.widened(node.later).uncertainty_ns
            if widest > node.offset.uncertainty_ns:
                yield name, widest

    @property
    def about(self) -> dict[str, Any]:
        """What the manifest says."""
        return {name: node.about for name, node in self._known.items()}
