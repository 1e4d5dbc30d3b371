"""Simulations for tests: a config as text, gone through without leaving anything on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import runner
from runner.analysis.audit import audit
from runner.config.load import loads
from runner.log.events import decoded

if TYPE_CHECKING:
    from runner.analysis.violations import Verdict
    from runner.engines.simulated import Simulated

_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Gone:
    """A simulation that has been gone through."""

    simulated: Simulated
    events: list[dict[str, Any]]

    @property
    def code(self) -> int:
        return self.simulated.exit_code

    @property
    def end(self) -> dict[str, Any]:
        return self.events[-1]

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] in kinds]

    def audited(self) -> Verdict:
        """What an audit of the log says, the order of queues included."""
        return audit([decoded(json.dumps(event).encode()) for event in self.events], fifo=True)

    def told(self, *kinds: str) -> list[str]:
        """Events of these kinds (put, get, done unless named) as `1.5 get c-0 p-0:3`, the instant in seconds."""
        found = self.of(*(kinds or ("put", "get", "done")))
        return [
            " ".join(str(word) for word in (f"{e['t_ns'] / _S:g}", e["event"], e.get("worker"), e.get("id")) if word)
            for e in found
        ]


def simulate(text: str, **overrides: Any) -> Gone:
    """Simulate a config."""
    simulated = runner.simulate(loads(text, overrides=overrides or None), store=False)
    return Gone(simulated, list(simulated.events()))
