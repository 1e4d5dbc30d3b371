"""The config as data: what every key is called, may hold and stands for where it is left out.

Frozen dataclasses instead of pydantic models: importing pydantic and building one model takes 0.3 s, more than all
else `mprun validate` does, and every message here names what is allowed at that very key anyway.
"""

# ruff: noqa: RUF009 - `key` makes the field, as dataclasses.field does

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from runner.config.calls import Call, CallConfig
from runner.config.items import CallItems, FileItems, Items, ItemsConfig, RangeItems, Share, ValuesItems
from runner.config.kinds import NAME, Choice, Duration, Kind, ListOf, Natural, Number, PathTo, Size, Text, Whole
from runner.config.nodes import Scalar, Spot
from runner.config.records import Named, Record, key
from runner.config.written_laws import DistributionConfig, Law, constant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runner.config.files import FileFacts
    from runner.errors import Problem

__all__ = [
    "CONFIG",
    "CallConfig",
    "CallItems",
    "Config",
    "ConsumerConfig",
    "DistributionConfig",
    "FileItems",
    "Found",
    "ItemsConfig",
    "ProducerConfig",
    "QueueConfig",
    "RangeItems",
    "Share",
    "StageConfig",
    "ValuesItems",
]

MOST_WORKERS = 100_000
SEMAPHORE_MAX = 2_147_483_647
MOST_TICKETS = 32_768
MOST_BATCHED_TICKETS = 16_384
WORK = ("sleep", "busy", "call")


class _QueueName(Kind):
    """The name of a queue; that there is one of this name is checked where the queues are known."""

    wanted = "the name of a queue"

    def read(self, spot: Spot) -> str:
        if not isinstance(spot.node, Scalar) or not isinstance(spot.node.value, str):
            raise self.refused(spot)
        return spot.node.value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": rf"^{NAME}$|\$\{{"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """What items travel through; `maxsize` 0 is no declared bound."""

    kind: Literal["pipe", "multiprocessing.Queue"] = key(
        Choice(
            "pipe",
            "multiprocessing.Queue",
            later=("multiprocessing.SimpleQueue", "multiprocessing.Manager"),
        ),
        "pipe: arbitrated by the kernel, no locks; multiprocessing.Queue: the standard library's",
        default="pipe",
    )
    maxsize: int = key(
        Whole(0, SEMAPHORE_MAX),
        "so many items it may hold; 0: no declared bound. pipe: at most 32,768, with batch at most 16,384",
        default=0,
    )
    batch: int = key(Whole(1, 128), "so many items one write or read may carry", default=1)


def _bounded(queue: QueueConfig, spot: Spot) -> Iterator[Problem]:
    most = MOST_TICKETS if queue.batch == 1 else MOST_BATCHED_TICKETS
    if queue.kind == "pipe" and queue.maxsize > most:
        batched = " with batch" if queue.batch > 1 else ""
        rule = f"at most {most:,} for kind pipe{batched}, or kind multiprocessing.Queue"
        yield spot.below("maxsize").problem(f"{queue.maxsize:,} is too large; {rule}")


def _work(kind: Kind, about: str) -> Any:
    return key(kind, f"{about}; at most one of sleep, busy, call; none: no work", default=None)


_COUNT = Whole(1, MOST_WORKERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerConfig:
    """A group of workers that put items; `items` None is endless."""

    count: int = key(_COUNT, "so many workers", default=1)
    to: str = key(_QueueName(), "the queue it puts into; may be left out where there is one", default="main")
    items: ItemsConfig | None = key(Items(), "what it puts; left out: endless, for `duration`", default=None)
    payload: int = key(Size(1 << 30), "bytes added to every item on its way", default=0)
    sleep: DistributionConfig = key(Law(), "pause after each put", default=constant(0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class StageConfig:
    """A group of workers that get items, work, and put the results."""

    count: int = key(_COUNT, "so many workers", default=1)
    from_: str = key(_QueueName(), "the queue it gets from", default="main", name="from")
    to: str = key(_QueueName(), "the queue it puts into", default="main")
    sleep: DistributionConfig | None = _work(Law(), "idle for so long with each item")
    busy: DistributionConfig | None = _work(Law(), "burn so much CPU time with each item")
    call: CallConfig | None = _work(Call(), "user code, called with each item")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerConfig:
    """A group of workers that get items and work; `items` is a quota per worker."""

    count: int = key(_COUNT, "so many workers", default=1)
    from_: str = key(
        _QueueName(), "the queue it gets from; may be left out where there is one", default="main", name="from"
    )
    items: int | None = key(
        Whole(1, 1_000_000_000), "each worker stops after so many items; left out: at the end", default=None
    )
    sleep: DistributionConfig | None = _work(Law(), "idle for so long with each item")
    busy: DistributionConfig | None = _work(Law(), "burn so much CPU time with each item")
    call: CallConfig | None = _work(Call(), "user code, called with each item")


@dataclass(frozen=True, slots=True)
class Found:
    """What loading found besides the values; two equal configs may differ in it."""

    warnings: tuple[Problem, ...] = field(default=(), compare=False)
    files: Mapping[str, FileFacts] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole experiment, resolved: nothing left to look up, files and folders absolute, `to` and `from` filled in.

    Times are seconds. Made by `runner.config.load`; equal when every key is equal.
    """

    name: str = key(Text(100, line=True), "default: the file's stem", default="config", identity=False)
    description: str | None = key(Text(10_000, line=False), "what this shows", default=None, identity=False)
    seed: int = key(Natural(), "every random number follows from it", default=0)
    time_scale: float = key(Number(0, 1e6), "multiplies sleep and busy; never timeouts", default=1.0)
    duration: float | None = key(Duration(), "producers stop after this long", default=None)
    timeout: float | None = key(
        Duration(), "wall clock of the whole run; past it: stopped, exit 1", default=None, identity=False
    )
    engine: Literal["processes", "threads"] = key(
        Choice("processes", "threads", later=("simulation", "ray")),
        "what executes the plan",
        default="processes",
        identity=False,
    )
    start_method: Literal["fork", "forkserver", "spawn"] = key(
        Choice("forkserver", "fork", "spawn"), "how processes are started", default="forkserver", identity=False
    )
    pythonpath: tuple[str, ...] = key(
        ListOf(PathTo("folder")),
        "folders, relative to the config, from which call may import",
        default=(),
        identity=False,
    )
    queues: dict[str, QueueConfig] = key(
        Named(Record(QueueConfig, "a queue", check=_bounded), "queues"), "default: one, main", default={}
    )
    producers: dict[str, ProducerConfig] = key(
        Named(Record(ProducerConfig, "a group of producers"), "producers, at least one", least=1),
        "groups that put items",
    )
    stages: dict[str, StageConfig] = key(
        Named(Record(StageConfig, "a group of stages", at_most_one=WORK), "stages"),
        "groups between two queues",
        default={},
    )
    consumers: dict[str, ConsumerConfig] = key(
        Named(Record(ConsumerConfig, "a group of consumers", at_most_one=WORK), "consumers, at least one", least=1),
        "groups that get items",
    )
    found: Found = field(default_factory=Found, repr=False)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is allowed and probably not meant."""
        return self.found.warnings

    @property
    def files(self) -> Mapping[str, FileFacts]:
        """Digest and number of lines of every file it names, by absolute path."""
        return self.found.files

    @property
    def duration_ns(self) -> int | None:
        """`duration` in nanoseconds."""
        return None if self.duration is None else round(self.duration * 1e9)

    @property
    def timeout_ns(self) -> int | None:
        """`timeout` in nanoseconds."""
        return None if self.timeout is None else round(self.timeout * 1e9)


CONFIG = Record(Config, "a config", besides=("extends", "x-…"))
