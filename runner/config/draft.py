"""A first config for somebody: from a few numbers, with comments that say what may be changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Draft:
    """What is asked for; texts are YAML values.

    Attributes:
        file: What the file is called, for the commands named in it.
        producers: Number of producers.
        stages: Number of stage workers; with one or more there are two queues.
        consumers: Number of consumers.
        items: Items each producer puts; None: endless, for `duration`.
        duration: How long the producers produce.
        pause: A producer's pause after each put.
        service: Time of a consumer's work on one item.
        busy: Whether that work burns CPU.
        call: User code that does the work instead, `module:function`.
        kind: Of the queues.
        maxsize: Items a queue holds at most; 0: no bound.
        batch: Items in one write or read.
        seed: Of all draws.
        engine: What executes it.
        start_method: How processes are started.
    """

    file: str
    producers: int = 2
    stages: int = 0
    consumers: int = 2
    items: int | None = 100
    duration: str | None = None
    pause: str = "10ms"
    service: str = "10ms"
    busy: bool = False
    call: str | None = None
    kind: str = "pipe"
    maxsize: int = 0
    batch: int = 1
    seed: int = 0
    engine: str = "processes"
    start_method: str = "forkserver"


def text(draft: Draft) -> str:
    """The config; whether it is right, loading it tells. A line `# key: …` at its margin may be brought to life."""
    return "\n".join([*_head(draft), *_run(draft), *_queues(draft), *_groups(draft), *_more(draft)]) + "\n"


def _head(draft: Draft) -> Iterator[str]:
    stages = f", through {_several(draft.stages, 'stage worker')}" if draft.stages else ""
    ends = (_several(draft.producers, "producer"), _several(draft.consumers, "consumer"))
    yield f"# {ends[0]} and {ends[1]}{stages}."
    yield "#"
    for command, meaning in (
        ("validate", "every mistake, with its line"),
        ("plan", "what will run, and how long it will take"),
        ("simulate", "the same in virtual time, at once"),
        ("run", "for real: events on stdout, figures at the end, all of it stored under runs/"),
    ):
        yield f"#   {f'mprun {command} {draft.file}':40} {meaning}"
    yield "#"
    yield "# Times are written 250us, 10ms, 1.5s, 2m, or as a law: {distribution: exponential, mean: 10ms}."
    yield ""


def _several(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _run(draft: Draft) -> Iterator[str]:
    yield "# Decides every draw: the same seed is the same experiment, whatever executes it."
    yield f"seed: {draft.seed}"
    yield "# processes, threads (one core for all who compute), simulation (virtual time) or ray (a cluster)."
    yield f"engine: {draft.engine}"
    yield "# How a process is started: fork (quickest), forkserver (clean and quick) or spawn."
    yield f"start_method: {draft.start_method}"
    if draft.duration is None:
        yield "# Producers stop after this long:"
        yield "# duration: 30s"
    else:
        yield "# Producers stop after this long."
        yield f"duration: {draft.duration}"
    yield "# The whole run is stopped after this long, and has failed then:"
    yield "# timeout: 10m"
    yield ""


def _queues(draft: Draft) -> Iterator[str]:
    yield "# maxsize 0: no declared bound. A producer that finds the queue full waits: that is back-pressure."
    yield "# With a batch, a write takes what is ready up to so many and waits for none; a read takes up to so many."
    yield "# kind pipe survives the death of any worker; the multiprocessing kinds are there to be compared with."
    yield "queues:"
    for name in ("raw", "cooked") if draft.stages else ("main",):
        yield f"  {name}: {{kind: {draft.kind}, maxsize: {draft.maxsize}, batch: {draft.batch}}}"
    yield ""


def _groups(draft: Draft) -> Iterator[str]:
    first, last = ("raw", "cooked") if draft.stages else ("main", "main")
    yield "# Each producer walks all the items (share: split deals them out) and pauses after each put (sleep)."
    items = "" if draft.items is None else f"items: {draft.items}, "
    yield "producers:"
    yield f"  produce: {{count: {draft.producers}, to: {first}, {items}sleep: {draft.pause}}}"
    yield ""
    if draft.stages:
        yield "# A stage gets an item, works on it, and puts the result into the next queue."
        yield "stages:"
        yield f"  work: {{count: {draft.stages}, from: {first}, to: {last}, {_work(draft)}}}"
        yield ""
    yield "# Work on an item: sleep idles, busy burns CPU, call is a function of yours (pythonpath says where it is)."
    yield "consumers:"
    work = "" if draft.stages and draft.call else f", {_work(draft)}"
    yield f"  consume: {{count: {draft.consumers}, from: {last}{work}}}"
    if draft.call is not None:
        yield 'pythonpath: ["."]'


def _work(draft: Draft) -> str:
    if draft.call is not None:
        return f'call: {{target: "{draft.call}", model: {draft.service}}}'
    return f"{'busy' if draft.busy else 'sleep'}: {draft.service}"


def _more(draft: Draft) -> Iterator[str]:
    yield ""
    if draft.kind == "pipe":
        yield "# A worker that dies: restart (so often for each), fail, or continue without it:"
        yield "# on_death: {policy: restart, max_restarts: 3}"
    yield "# An exception in your code: fail, skip the item, or retry it:"
    yield "# on_error: {policy: retry, retries: 3}"
    yield "# Things that go wrong on purpose, once each:"
    yield "# faults: [{kill: consume-0, after: {gets: 3}}]"
