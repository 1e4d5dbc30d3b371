"""A run and its twin: the same config in virtual time and for real, compared item by item.

config --+--> simulation --> events --> course --+--> pairs: the same item on both sides
+--> real run ----> events --> course --+--> gap: why they do not end at the same instant
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from runner import api
from runner.analysis.course import Course
from runner.analysis.gap import PARTS, gap
from runner.analysis.pairs import agreement, difference, pairs
from runner.config.simulable import SIMULATION, foretold
from runner.errors import Interrupted, UsageError, strongest
from runner.log import events, rundir
from runner.log.events import Done, Get, Put, Redelivery, RunStart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from runner.analysis.gap import Gap
    from runner.analysis.pairs import Agreement, Difference, Pair
    from runner.api import Result
    from runner.config.models import Config
    from runner.engines.contract import Watch
    from runner.engines.simulated import Simulated
    from runner.log.events import Event

TIMES: Final = ("latency", "service", "wait_put", "wait_get")
_WORKER: Final = ("role", "puts", "gets", "done", "busy_s", "wait_s", "sleep_s", "utilization")
_SIGNALS: Final = 128
_COUNTED: Final = {"run.start", "put", "get", "done", "redelivery"}


@dataclass(frozen=True, slots=True)
class Twin:
    """A real run beside its simulation.

    Attributes:
        simulated: The simulation.
        real: The real run, stored as any run is.
        items: Every item of every queue, on both sides.
        planned: Whether the draws of both sides are the same.
        gap: What makes the real makespan another.
    """

    simulated: Simulated
    real: Result
    items: tuple[Pair, ...]
    planned: Agreement
    gap: Gap

    @property
    def run_dir(self) -> Path:
        """The folder of the real run."""
        return self.real.run_dir

    @property
    def exit_code(self) -> int:
        """That of the real run; at least 1 where the two were not planned alike."""
        return strongest((self.real.exit_code, int(bool(self.planned.different))))

    @property
    def times(self) -> dict[str, Difference]:
        """Latency, service and waits over all items."""
        return {key: difference(self.items, key) for key in TIMES}

    @property
    def workers(self) -> dict[str, dict[str, Mapping[str, Any] | None]]:
        """The figures of every worker on both sides, as in a summary."""
        sides = {"simulated": self.simulated.summary["workers"], "real": self.real.summary["workers"]}
        names = dict.fromkeys(name for workers in sides.values() for name in workers)
        return {name: {side: _figures(workers.get(name)) for side, workers in sides.items()} for name in names}

    @property
    def sentence(self) -> str:
        """What dominates the gap, in words."""
        return told(self.gap)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, ready for JSON; times in ns, except in the workers' figures."""
        split = self.gap
        return {
            "run": str(self.run_dir),
            "seed": self.real.summary["seed"],
            "engine": self.real.summary["engine"],
            "exit_code": self.exit_code,
            "makespan_ns": {"simulated": split.simulated, "real": split.real, "gap": split.total},
            "split_ns": {part: getattr(split, part) for part in PARTS},
            "dominates": split.dominant,
            "sentence": self.sentence,
            "simultaneous": {"events": split.simultaneous, "instants": split.instants},
            "moved": {"gets": split.moved, "of": split.gets},
            "planned": asdict(self.planned),
            "times_ns": {key: asdict(value) for key, value in self.times.items()},
            "workers": self.workers,
            "items": [asdict(pair) for pair in self.items],
        }


def twin(
    config: Config,
    out: str | Path = "runs",
    *,
    watch: Watch | None = None,
    command_line: list[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Twin:
    """Simulate a config, run it for real, and compare.

    Args:
        config: From `load`; its engine is the real one.
        out: Parent of run directories, where the real run is stored.
        watch: Looks at the real run while it goes on.
        command_line: For its manifest, as of `run`.
        overrides: For its manifest, too.

    Raises:
        ConfigError: It cannot be simulated, or not be run.
        UsageError: Its engine is the simulation.
        Interrupted: A signal ended the simulation; the real run was not begun.
        StoreError: The log could not be written.
    """
    if config.engine == SIMULATION:
        raise UsageError(
            "engine: simulation has no real twin; choose processes or threads, such as --set engine=threads"
        )
    simulated = api.simulate(foretold(config), store=False)
    if simulated.exit_code > _SIGNALS:
        raise Interrupted(simulated.exit_code, simulated.reason or "interrupted")
    real = api.run(config, out, watch=watch, command_line=command_line, overrides=overrides)
    ours, theirs = Course(typed(simulated.events())), Course(events.read(real.run_dir / rundir.EVENTS))
    found = pairs(ours, theirs)
    return Twin(simulated, real, found, agreement(found), gap(ours, theirs))


def typed(found: Iterator[dict[str, Any]]) -> Iterator[Event]:
    """The events that a `Course` is made of, as records."""
    for event in found:
        if event["event"] in _COUNTED:
            yield msgspec.convert(event, RunStart | Put | Get | Done | Redelivery)


def _figures(worker: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if worker is None else {key: worker[key] for key in _WORKER}


def told(split: Gap) -> str:
    """What dominates a gap, and how many events were simultaneous, in words."""
    percent = f" ({100 * split.total / split.simulated:+.2f} %)" if split.simulated else ""
    ms = {part: getattr(split, part) / 1e6 for part in PARTS}
    main = split.dominant
    what = f"{PARTS[main]} dominates: {ms[main]:+.3f} ms" if split.total or ms[main] else "there is nothing to explain"
    return (
        f"The real makespan is {split.total / 1e6:+.3f} ms{percent} from the simulated one; {what}; "
        f"{split.simultaneous} simulated events were simultaneous (instants: {split.instants}), "
        f"and another worker made {split.moved} of {split.gets} gets"
    )
