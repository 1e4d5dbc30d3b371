"""Runs compared with the first of them: what they were, and by how much their figures differ beyond chance.

run directory --events--> reading --+
                                    +--> contrasts of all figures --Holm--> which differ
run directory --events--> reading --+
    config, manifest ------------------> where they are not alike
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from runner.analysis.batches import CONFIDENCE
from runner.analysis.comparison import draws, figures
from runner.analysis.contrast import decided
from runner.analysis.reading import Numbers, Reading
from runner.config.nodes import plain
from runner.config.yamlfile import parse
from runner.errors import ConfigError, LogError, UsageError
from runner.experiments.drifts import drifts, unlike
from runner.log import salvage, tolerant
from runner.log.events import Broken, Torn
from runner.log.rundir import CONFIG, EVENTS, RunDir, find
from runner.log.tolerant import Troubles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runner.analysis.comparison import Draws
    from runner.analysis.contrast import Contrast
    from runner.api import Result
    from runner.experiments.drifts import Drift
    from runner.log.events import Event

MOST_RUNS: Final = 100
_NAMED: Final = 5
"""Figures that a sentence names."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the runs.

    Attributes:
        name: Of its folder; as it was named where that is not unique, or where it is only a log.
        log: What was read.
        seed, engine: As its log says.
        plan_digest: Likewise.
        status: Of its `run.end`, or `incomplete`.
        counts: What became of items: put, done, left, failed, lost, redelivered.
        troubles: What is wrong with its log, with line numbers; it was read on.
    """

    name: str
    log: Path
    seed: int | None
    engine: str | None
    plan_digest: str | None
    status: str
    counts: Mapping[str, int]
    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run against the first one.

    Attributes:
        first, other: The two.
        draws: Whether items may be compared with themselves.
        figures: Every figure of the two.
        config: Where their resolved configs differ; of logs without one, where their `run.start` do.
        circumstances: Where their manifests differ: versions, host, start method, …; None where one is missing.
        notes: What is to be kept in mind.
    """

    first: Side
    other: Side
    draws: Draws
    figures: tuple[Contrast, ...]
    config: tuple[Drift, ...]
    circumstances: tuple[Drift, ...] | None
    notes: tuple[str, ...]

    @property
    def differing(self) -> tuple[Contrast, ...]:
        """The figures that differ by more than chance."""
        return tuple(each for each in self.figures if each.differs)

    @property
    def sentence(self) -> str:
        """What it comes to, in words."""
        tested = [each for each in self.figures if each.p is not None]
        names = f"{self.other.name} against {self.first.name}"
        if not tested:
            return f"{names}: the runs are too short to tell a difference from chance"
        found = self.differing
        if not found:
            return f"{names}: no difference that these runs can show{_sight(tested)}"
        told = [_told(each) for each in sorted(found, key=lambda each: not _is_main(each))[:_NAMED]]
        more = f" and {len(found) - len(told)} more" if len(found) > len(told) else ""
        what = f"{len(found)} of {len(tested)} figures {'differ' if len(found) > 1 else 'differs'} by more than chance"
        return f"{names}: {what}: {', '.join(told)}{more}"


@dataclass(frozen=True, slots=True)
class Compared:
    """Several runs, each compared with the first.

    Attributes:
        comparisons: One for each run but the first.
    """

    comparisons: tuple[Comparison, ...]

    @property
    def family(self) -> int:
        """How many figures it was decided together of whether they differ."""
        return sum(figure.p is not None for each in self.comparisons for figure in each.figures)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, ready for JSON; times in seconds."""
        return {
            "confidence": CONFIDENCE,
            "family": self.family,
            "first": _side(self.comparisons[0].first),
            "comparisons": [
                {
                    "other": _side(each.other),
                    "sentence": each.sentence,
                    "draws": {**asdict(each.draws), "paired": each.draws.paired},
                    "notes": list(each.notes),
                    "config": [_drift(drift) for drift in each.config],
                    "circumstances": None
                    if each.circumstances is None
                    else [_drift(drift) for drift in each.circumstances],
                    "figures": [asdict(figure) for figure in each.figures],
                }
                for each in self.comparisons
            ],
        }


def compare(*runs: str | Path | Result, out: str | Path = "runs") -> Compared:
    """Compare runs, real or simulated, with the first of them.

    Args:
        runs: Two or more: run directories, names of such in `out`, files `events.jsonl`, or results of `run` or
            `simulate`. Every log is read once; some 90 bytes are kept of each item of each queue, and 170 of its id.
        out: Where run directories are looked for by name.

    Raises:
        UsageError: There are fewer than two, or more than 100.
        LogError: One of them is no run, or there is no event in its log.
    """
    if not 2 <= len(runs) <= MOST_RUNS:
        raise UsageError(f"compare: wanted 2 to {MOST_RUNS} runs, not {len(runs)}; name them")
    numbers = Numbers()
    logs = [_log(run, Path(out)) for run in runs]
    names = _names(runs, logs)
    # A run may end while others are read: where its log is now is asked again just before.
    (first, ours), *others = [_read(name, _log(run, Path(out)), numbers) for name, run in zip(names, runs, strict=True)]
    pairs = [(side, draws(ours, theirs), theirs) for side, theirs in others]
    found = [figures(ours, theirs, agreed) for _, agreed, theirs in pairs]
    judged = iter(decided([figure for each in found for figure in each]))
    return Compared(
        tuple(
            _comparison(first, side, agreed, [next(judged) for _ in each], (ours, theirs))
            for (side, agreed, theirs), each in zip(pairs, found, strict=True)
        )
    )


def _comparison(
    first: Side, other: Side, agreed: Draws, found: Sequence[Contrast], readings: tuple[Reading, Reading]
) -> Comparison:
    configs = [_config(side) for side in (first, other)]
    notes = [f"{side.name}: {trouble}" for side in (first, other) for trouble in side.troubles]
    if None in configs:
        lacking = [side.name for side, config in zip((first, other), configs, strict=True) if config is None]
        notes.append(f"no config is stored beside {' and '.join(lacking)}: what run.start says is compared")
        configs = [_declared(reading) for reading in readings]
    unalike = unlike(configs[0] or {}, configs[1] or {})
    manifests = [_manifest(side) for side in (first, other)]
    if None in manifests:
        notes.append("no manifest is stored beside both: versions, host and the like are not compared")
    around = drifts(manifests[0] or {}, manifests[1] or {})
    if agreed.different and first.plan_digest is not None and first.plan_digest == other.plan_digest:
        notes.append(f"planned_ns differs for {agreed.different:,} items though the plans are the same")
    notes += [_counted(first, other)] if first.counts != other.counts else []
    return Comparison(
        first,
        other,
        agreed,
        tuple(found),
        tuple(unalike),
        None if None in manifests else tuple(drift for drift in around if drift not in unalike),
        tuple(notes),
    )


def _log(run: str | Path | Result, out: Path) -> Path:
    """The event log, or the folder with the journals of a run that has none yet."""
    if not isinstance(run, str | Path):
        run = run.run_dir
    return Path(run) if Path(run).is_file() else find(str(run), out).log


def _names(runs: Sequence[object], logs: Sequence[Path]) -> list[str]:
    names = [log.parent.resolve().name if log.name == EVENTS or log.is_dir() else str(log) for log in logs]
    if len(set(names)) == len(names):
        return names
    given = [str(getattr(run, "run_dir", run)) for run in runs]
    return [f"{name} ({place})" if given.count(name) > 1 else name for place, name in enumerate(given, 1)]


def _read(name: str, log: Path, numbers: Numbers) -> tuple[Side, Reading]:
    troubles, reading = Troubles(), Reading(numbers)
    chunks: Iterable[list[Event]]
    if log.is_dir():
        troubles.add(salvage.INCOMPLETE)
        chunks = salvage.read_chunks(log)
    else:
        chunks = tolerant.read_chunks(log, troubles, headless=True)
    empty = True
    for chunk in chunks:
        empty = empty and all(isinstance(event, Broken | Torn) for event in chunk)
        reading.feed(chunk)
    if empty:
        raise LogError(f"{log}: is no mprun event log: there is no event in it")
    start = reading.start
    side = Side(
        name=name,
        log=log,
        seed=start.seed if start else None,
        engine=start.engine if start else None,
        plan_digest=start.plan_digest if start else None,
        status=reading.status or "incomplete",
        counts=dict(reading.counts),
        troubles=tuple(troubles.lines()),
    )
    return side, reading


def _config(side: Side) -> dict[str, Any] | None:
    path = side.log.parent / CONFIG
    try:
        found = plain(parse(path.read_text(encoding="utf-8"), str(path), path.parent).root)
    except (OSError, ValueError, ConfigError):
        return None
    return found if isinstance(found, dict) else None


def _declared(reading: Reading) -> dict[str, Any]:
    if reading.start is None:
        return {}
    told: dict[str, Any] = msgspec.to_builtins(reading.start)
    return {key: told[key] for key in ("name", "seed", "queues", "groups")}


def _manifest(side: Side) -> dict[str, Any] | None:
    try:
        return RunDir(side.log.parent).manifest()
    except LogError:
        return None


def _counted(first: Side, other: Side) -> str:
    told = [f"{key} {first.counts[key]:,} and {n:,}" for key, n in other.counts.items() if n != first.counts[key]]
    return f"not as many items: {', '.join(told)}"


def _side(side: Side) -> dict[str, Any]:
    return asdict(replace(side, log=str(side.log)))  # type: ignore[arg-type]


def _drift(drift: Drift) -> dict[str, Any]:
    return {"what": drift.what, "first": drift.then, "other": drift.now}


def _is_main(figure: Contrast) -> bool:
    return figure.metric in ("makespan_s", "throughput") or figure.metric.endswith((".mean", ".utilization"))


def _told(figure: Contrast) -> str:
    if figure.relative is None or figure.relative_low is None or figure.relative_high is None:
        return f"{figure.metric} {figure.difference:+.3g} {figure.unit}"
    ends = f"{100 * figure.relative_low:+.3g} to {100 * figure.relative_high:+.3g}"
    return f"{figure.metric} {100 * figure.relative:+.3g} % ({ends})"


def _sight(tested: Sequence[Contrast]) -> str:
    """How large a difference would have to be, for the chief figures, to be outside its interval."""
    known = {each.metric: each for each in tested}
    told = []
    for metric in ("throughput", "service.mean", "latency.mean"):
        figure = known.get(metric)
        if figure is not None and figure.relative_low is not None and figure.relative_high is not None:
            low, high = figure.relative_low, figure.relative_high
            told.append(f"{metric} within {100 * low:+.3g} to {100 * high:+.3g} %")
    return f"; with {100 * CONFIDENCE:.0f} % each, {', '.join(told)}" if told else ""
