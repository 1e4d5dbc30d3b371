"""A log made into a config: its pauses and services are the recorded ones, exactly or as distributions.

run directory: its stored config ---+
events.jsonl:  its run.start  ------+--> config, in which every time comes from --+--> traces, by item id
               its events --> recording                                           +--> empirical laws
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.analysis.accounts import CONSUMER, PRODUCER
from runner.analysis.recording import recording
from runner.config.load import load, loads, to_yaml
from runner.errors import LogError, UsageError
from runner.log import events, salvage
from runner.log.rundir import CONFIG, RunDir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runner.analysis.recording import Recording
    from runner.config.models import Config
    from runner.log.events import Event, GroupFacts

BINS: Final = 1_000
"""An empirical law of more values is made of so many means of neighbours."""
_NS: Final = 1e9
_SECTIONS: Final = {"producer": "producers", "stage": "stages", "consumer": "consumers"}


class How(StrEnum):
    """How the recorded times are written down."""

    TRACE = "trace"
    EMPIRICAL = "empirical"


@dataclass(slots=True)
class Fitted:
    """A fitted config.

    Attributes:
        path: Where it was written.
        files: The traces beside it.
        notes: What of the run it does not say, a sentence each.
    """

    path: Path
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def fit(run: str | Path, path: str | Path, how: str = How.TRACE) -> Fitted:
    """Write a config whose pauses and services are those a log recorded, in seconds, with `time_scale` 1.

    Args:
        run: A run directory, whose stored config is the frame; or an `events.jsonl`, whose `run.start` is.
        path: The config to write, which must not exist; traces are written beside it, `<stem>.<group>.jsonl`.
        how: `trace`: each item has the times it had; simulated, an undisturbed simulation comes out the same.
            `empirical`: the times are drawn from the recorded ones, each as likely; more than `BINS` are put together.

    Raises:
        LogError: There is no event log.
        UsageError: The file is there already, or `how` is none of the two.
        ConfigError: The stored config cannot be read any more.
    """
    if how not in list(How):
        raise UsageError(f"how: wanted trace or empirical, not {how!r}")
    source, target = Path(run), Path(path)
    found = recording(_events(source))
    if found is None:
        raise LogError(f"{source}: is no mprun event log: it does not begin with run.start")
    fitting = _Fitting(found, target, How(how))
    frame = load(source / CONFIG) if source.is_dir() else loads(fitting.frame())
    fitting.replace_times(frame)
    return fitting.written(frame)


def _events(source: Path) -> Iterator[Event]:
    log = RunDir(source).log if source.is_dir() else source
    for chunk in salvage.read_chunks(log) if log.is_dir() else events.read_chunks(log):
        yield from chunk


class _Fitting:
    """A config on its way from a recording."""

    def __init__(self, found: Recording, target: Path, how: How) -> None:
        self._found = found
        self._target = target
        self._how = how
        self._overrides: dict[str, Any] = {"time_scale": 1.0}
        self._traces: dict[str, Path] = {}
        self._fitted = Fitted(target)

    def frame(self) -> str:
        """A config from `run.start` alone: queues, groups, how many items; as text."""
        start = self._found.start
        if self._found.deaths:
            self._note("workers died: what was declared to kill them is not in a log, only in a run directory's config")
        data: dict[str, Any] = {"name": start.name or "fitted", "seed": start.seed or 0}
        if start.warmup_ns > 0:
            data["warmup"] = start.warmup_ns / _NS
        data["queues"] = {n: {"kind": q.kind, "maxsize": q.maxsize, "batch": q.batch} for n, q in start.queues.items()}
        for name, group in start.groups.items():
            section = data.setdefault(_SECTIONS[group.role], {})
            section[name] = self._group(name, group)
        return json.dumps(data).replace("$", "$$")

    def _group(self, name: str, group: GroupFacts) -> dict[str, Any]:
        wiring = {key: value for key, value in (("from", group.source), ("to", group.target)) if value}
        written: dict[str, Any] = {"count": group.count, **wiring}
        if group.role == PRODUCER:
            written["items"] = self._items(name, group.count)
            if name in self._found.open_groups:
                written["pacing"] = "open"
        elif group.role == CONSUMER and group.planned:
            written["items"] = group.planned // group.count
        return written

    def _items(self, name: str, count: int) -> Any:
        """How many items a group's producers put: the same each, or shared among them."""
        seqs = [self._found.seqs.get(f"{name}-{place}", []) for place in range(count)]
        most = max((each[-1] + 1 for each in seqs if each), default=0)
        if count > 1 and all(seq % count == place for place, each in enumerate(seqs) for seq in each):
            return {"start": 0, "stop": most, "share": "split"}
        if len({len(each) for each in seqs}) > 1:
            self._note(f"{name}: its workers put different numbers of items; here each puts {most:,}")
        return most

    def _note(self, sentence: str) -> None:
        self._fitted.notes.append(sentence)

    def replace_times(self, frame: Config) -> None:
        """Decide what stands for every pause and service, and for what only user code would know."""
        found = self._found
        for name, pauses in found.pauses.items():
            self._overrides[f"producers.{name}.sleep"] = self._law(name, pauses, pauses)
            self._bound_items(name, frame)
        for name, services in found.services.items():
            at = f"{_SECTIONS[found.start.groups[name].role]}.{name}"
            self._overrides[f"{at}.busy"] = self._overrides[f"{at}.call"] = None
            self._overrides[f"{at}.sleep"] = self._service(name, services)
        if frame.faults:
            self._overrides["faults"] = [*self._faults(frame)]

    def _faults(self, frame: Config) -> Iterator[dict[str, Any]]:
        """The faults, with their pauses at time scale 1; those of closed producers are among the recorded pauses."""
        for fault in frame.faults:
            group = fault.worker.rpartition("-")[0]
            if fault.act == "pause" and group in frame.producers and group not in self._found.open_groups:
                self._note(f"{fault.worker}: its pause on purpose is among the recorded ones")
                continue
            written = fault.model_dump(mode="json", by_alias=True, exclude_none=True)
            yield {**written, "for": fault.for_ * frame.time_scale} if fault.for_ is not None else written

    def _bound_items(self, name: str, frame: Config) -> None:
        """Count the items of producers that user code or the clock ended."""
        items = frame.producers[name].items
        if items is not None and getattr(items, "call", None) is None:
            return
        self._overrides[f"producers.{name}.items"] = self._items(name, frame.producers[name].count)
        self._note(f"{name}: puts as many items as were recorded, without its code and without end no longer")

    def _service(self, name: str, services: dict[str, int]) -> Any:
        """What stands for a group's work."""
        group, found = self._found.start.groups[name], self._found
        made = found.puts[name]
        if group.target and made != len(services):
            self._note(f"{name}: put {made:,} items of {len(services):,}; without its code it passes each on once")
        whole = dict(services)
        if any("." in item.rpartition(":")[2] for item in services):
            self._note(f"{name}: gets items that a stage made, which its trace could not name; empirical instead")
            return _empirical(list(services.values()))
        known = sum(services.values()) // len(services) if services else 0
        missing = 0
        for item in self._readable(group.source or ""):
            if item not in whole:
                recorded = found.service_of(group.source or "", item)
                missing += recorded is None
                whole[item] = known if recorded is None else recorded
        if missing and self._how is How.TRACE:
            self._note(f"{name}: {missing:,} items were never done; here they take as long as the others on average")
        return self._law(name, services, whole)

    def _readable(self, queue: str) -> Iterator[str]:
        """Ids that were put into a queue, as far as their producers or the stages before it tell."""
        for name, group in self._found.start.groups.items():
            if group.target == queue:
                yield from self._found.pauses.get(name) or self._found.services.get(name, {})

    def _law(self, name: str, seen: Mapping[str, int], whole: Mapping[str, int]) -> Any:
        """A constant where all are alike, else a trace by id or an empirical law."""
        if len(set(whole.values())) <= 1:
            return next(iter(whole.values()), 0) / _NS
        if self._how is How.EMPIRICAL:
            return _empirical(list(seen.values()))
        path = self._target.with_name(f"{self._target.stem}.{name}.jsonl")
        lines = (json.dumps({"id": item, "value": ns / _NS}, ensure_ascii=False) + "\n" for item, ns in whole.items())
        self._refuse_to_overwrite(path)
        path.write_text("".join(lines), encoding="utf-8")
        self._traces[str(path.resolve())] = path
        self._fitted.files.append(path)
        return {"distribution": "trace", "file": str(path.resolve())}

    def _refuse_to_overwrite(self, path: Path) -> None:
        if path.exists():
            raise UsageError(f"{path} is there already; name another file with -o")

    def written(self, frame: Config) -> Fitted:
        """The config, on disk."""
        self._refuse_to_overwrite(self._target)
        config = loads(to_yaml(frame), source=str(self._target), overrides=self._overrides)
        text = to_yaml(config, {absolute: path.name for absolute, path in self._traces.items()})
        head = "".join(f"# {note}\n" for note in self._fitted.notes)
        self._target.write_text(
            f"# fitted to {self._found.start.run or 'a log'}: {self._how}\n{head}{text}", encoding="utf-8"
        )
        return self._fitted


def _empirical(durations: Sequence[int]) -> Any:
    """The recorded durations, each as likely; of many the means of equally many neighbours."""
    ordered = sorted(durations)
    if not ordered or ordered[0] == ordered[-1]:
        return (ordered[0] if ordered else 0) / _NS
    if len(ordered) > BINS:
        edges = [place * len(ordered) // BINS for place in range(BINS + 1)]
        bins = [ordered[low:high] for low, high in pairwise(edges)]
        return {
            "distribution": "empirical",
            "values": [round(sum(each) / len(each)) / _NS for each in bins],
            "weights": [len(each) for each in bins],
        }
    counts: defaultdict[int, int] = defaultdict(int)
    for ns in ordered:
        counts[ns] += 1
    return {"distribution": "empirical", "values": [ns / _NS for ns in counts], "weights": list(counts.values())}
