"""The config as data: what every key is called, may hold and stands for where it is left out.

The descriptions are what `mprun schema` tells an editor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import ConfigDict, Field, PrivateAttr, Strict, model_validator

from runner.config import kinds
from runner.config.calls import CallConfig, Work, WorkConfig
from runner.config.cluster import Address, Options
from runner.config.endings import SteadyConfig
from runner.config.faults import MOST_FAULTS, FaultConfig
from runner.config.files import FileFacts
from runner.config.items import MOST_ITEMS, CallItems, FileItems, Items, ItemsConfig, RangeItems, Share, ValuesItems
from runner.config.keys import Keys
from runner.config.policies import DeathConfig, ErrorConfig
from runner.config.refusals import Wanted, at_most, refuse_below, told
from runner.config.scalars import (
    FEW_NAMES,
    Duration,
    DurationAbove0,
    EngineName,
    Folder,
    Line,
    Name,
    QueueKind,
    QueueName,
    Size,
)
from runner.config.times import Time, constant
from runner.config.written_laws import DistributionConfig
from runner.errors import Problem

__all__ = [
    "CallConfig",
    "CallItems",
    "Config",
    "ConsumerConfig",
    "DeathConfig",
    "DistributionConfig",
    "ErrorConfig",
    "FaultConfig",
    "FileItems",
    "Found",
    "ItemsConfig",
    "ProducerConfig",
    "QueueConfig",
    "RangeItems",
    "Share",
    "StageConfig",
    "ValuesItems",
    "WorkConfig",
]

MOST_WORKERS = 100_000
MOST_CORES = 100_000
MOST_EXPECTED = 1_000
SEMAPHORE_MAX = 2_147_483_647
MOST_TICKETS = 32_768
MOST_BATCHED_TICKETS = 16_384
WORK = ("sleep", "busy", "call")


_WORK_SCHEMA: dict[str, Any] = {
    "not": {"type": "object", "anyOf": [{"required": list(pair)} for pair in combinations(WORK, 2)]}
}
_NO_WORK = "at most one of sleep, busy, call; none: no work"
_TOO_LONG = "work on one item may take so long; past it the worker is killed, and then dead"


class QueueConfig(Keys):
    """What items travel through; `maxsize` 0 is no declared bound."""

    what: ClassVar[str] = "a queue"

    kind: QueueKind = Field(
        "pipe",
        description="pipe: arbitrated by the kernel, no locks; multiprocessing.…: the standard library's, with locks",
    )
    maxsize: int = Field(
        0,
        ge=0,
        le=SEMAPHORE_MAX,
        description="so many items it may hold; 0: no declared bound. pipe: at most 32,768, with batch at most 16,384",
    )
    batch: int = Field(
        1, ge=1, le=4_096, description="so many items one write or read may carry; engine processes: at most 128"
    )

    @model_validator(mode="after")
    def _holds_what_it_declares(self) -> "QueueConfig":
        most = MOST_TICKETS if self.batch == 1 else MOST_BATCHED_TICKETS
        if self.kind == "pipe" and self.maxsize > most:
            batched = " with batch" if self.batch > 1 else ""
            rule = f"at most {most:,} for kind pipe{batched}, or kind multiprocessing.Queue"
            refuse_below((("maxsize",), told(f"{self.maxsize:,} is too large; {rule}")))
        largest = kinds.facts(self.kind).largest_maxsize
        if self.kind != "pipe" and largest is not None and self.maxsize > largest:
            rule = f"at most {largest:,} for kind {self.kind}" if largest else f"kind {self.kind} keeps no bound"
            refuse_below((("maxsize",), told(f"{self.maxsize:,} is too large; {rule}")))
        return self


class ProducerConfig(Keys):
    """A group of workers that put items; without `items` it is endless."""

    what: ClassVar[str] = "a group of producers"

    count: int = Field(1, ge=1, le=MOST_WORKERS, description="so many workers")
    to: QueueName = Field("main", description="the queue it puts into; may be left out where there is one")
    items: Items | None = Field(None, description="what it puts; left out: endless, until `duration` or `stop_when`")
    payload: Size = Field(0, description="bytes added to every item on its way")
    sleep: Time = Field(
        constant(0.0), description="pause after each put; with open pacing from due instant to due instant"
    )
    pacing: Literal["closed", "open"] = Field(
        "closed",
        description="closed: a pause begins when its put has returned; "
        "open: puts are due at fixed instants, a late one follows at once",
    )
    item_timeout: DurationAbove0 | None = Field(
        None, description="user code may take so long to give an item; past it the worker is killed, and then dead"
    )


class StageConfig(Keys):
    """A group of workers that get items, work, and put the results."""

    model_config = ConfigDict(json_schema_extra=_WORK_SCHEMA)
    what: ClassVar[str] = "a group of stages"

    count: int = Field(1, ge=1, le=MOST_WORKERS, description="so many workers")
    from_: QueueName = Field("main", alias="from", description="the queue it gets from")
    to: QueueName = Field("main", description="the queue it puts into")
    sleep: Time | None = Field(None, description=f"idle for so long with each item; {_NO_WORK}")
    busy: Time | None = Field(None, description=f"burn so much CPU time with each item; {_NO_WORK}")
    call: Work | None = Field(None, description=f"user code, called with each item; {_NO_WORK}")
    item_timeout: DurationAbove0 | None = Field(None, description=_TOO_LONG)


class ConsumerConfig(Keys):
    """A group of workers that get items and work; `items` is a quota per worker."""

    model_config = ConfigDict(json_schema_extra=_WORK_SCHEMA)
    what: ClassVar[str] = "a group of consumers"

    count: int = Field(1, ge=1, le=MOST_WORKERS, description="so many workers")
    from_: QueueName = Field(
        "main", alias="from", description="the queue it gets from; may be left out where there is one"
    )
    items: Annotated[int, Ge(1), Le(MOST_ITEMS)] | None = Field(
        None, description="each worker stops after so many items; left out: at the end"
    )
    sleep: Time | None = Field(None, description=f"idle for so long with each item; {_NO_WORK}")
    busy: Time | None = Field(None, description=f"burn so much CPU time with each item; {_NO_WORK}")
    call: Work | None = Field(None, description=f"user code, called with each item; {_NO_WORK}")
    item_timeout: DurationAbove0 | None = Field(None, description=_TOO_LONG)


@dataclass(frozen=True, slots=True)
class Found:
    """What loading found besides the values; two equal configs may differ in it."""

    warnings: tuple[Problem, ...] = field(default=(), compare=False)
    files: Mapping[str, FileFacts] = field(default_factory=dict, compare=False)


class Config(Keys):
    """A whole experiment, resolved: nothing left to look up, files and folders absolute, `to` and `from` filled in.

    Times are seconds. Made by `runner.config.load`; equal when every key is equal.
    """

    what: ClassVar[str] = "a config"
    besides: ClassVar[tuple[str, ...]] = ("extends", "x-…")

    name: Line = Field("config", description="default: the file's stem")
    description: Annotated[str, MaxLen(10_000)] | None = Field(None, description="what this shows")
    seed: int = Field(0, ge=0, description="every random number follows from it")
    time_scale: float = Field(
        1.0, ge=0, le=1e6, description="multiplies sleep, busy and the pauses of faults; never timeouts"
    )
    duration: Duration | None = Field(None, description="producers stop after this long")
    stop_when: Annotated[SteadyConfig, Wanted("a map: {metric: throughput, within: 1%, over: 10s}")] | None = Field(
        None, description="producers stop once the run is steady, which ends an endless one"
    )
    timeout: Duration | None = Field(None, description="wall clock of the whole run; past it: stopped, exit 1")
    warmup: Duration = Field(0.0, description="left out of the statistics, never of log or audit; not scaled")
    engine: EngineName = Field("processes", description="what executes the plan")
    start_method: Literal["forkserver", "fork", "spawn"] = Field("forkserver", description="how processes are started")
    address: Address = Field(
        "auto",
        description="ray: the cluster. auto: the one this machine belongs to, else a local Ray, stopped after; local: "
        "always that",
    )
    engine_options: Options | None = Field(
        None, description="ray: where actors are placed, what they need, what they prefetch"
    )
    pythonpath: Annotated[tuple[Folder, ...], Strict(False), MinLen(1)] = Field(
        (), description="folders, relative to the config, from which call may import"
    )
    cores: Annotated[int, Ge(1), Le(MOST_CORES)] | None = Field(
        None, description="so many processors busy shares in a simulation; default: those this machine lets mprun use"
    )
    queues: Annotated[dict[Name, QueueConfig], FEW_NAMES, Wanted("a map from names to queues")] = Field(
        {}, description="default: one, main"
    )
    producers: Annotated[
        dict[Name, ProducerConfig],
        MinLen(1),
        FEW_NAMES,
        Wanted("a map from names to producers, at least one"),
    ] = Field(description="groups that put items")
    stages: Annotated[dict[Name, StageConfig], FEW_NAMES, Wanted("a map from names to stages")] = Field(
        {}, description="groups between two queues"
    )
    consumers: Annotated[
        dict[Name, ConsumerConfig],
        MinLen(1),
        FEW_NAMES,
        Wanted("a map from names to consumers, at least one"),
    ] = Field(description="groups that get items")
    on_death: Annotated[DeathConfig, Wanted("a map such as {policy: restart, max_restarts: 3}")] = Field(
        DeathConfig.model_construct(), description="what happens when a worker process dies"
    )
    on_error: Annotated[ErrorConfig, Wanted("a map such as {policy: retry, retries: 3}")] = Field(
        ErrorConfig.model_construct(), description="what happens to an item whose user code raises"
    )
    hang_after: DurationAbove0 = Field(
        60.0, description="with no progress for so long, that nothing planned explains, the run is hung: exit 1"
    )
    faults: Annotated[
        tuple[Annotated[FaultConfig, Wanted("a map such as {kill: consume-0, after: {gets: 3}}")], ...],
        Strict(False),
        at_most(MOST_FAULTS, "faults"),
    ] = Field((), description="what goes wrong on purpose")
    expect: Annotated[
        dict[str, Annotated[str, Wanted('a comparison and a value in quotes, such as "< 500ms"')]],
        at_most(MOST_EXPECTED, "bounds"),
        Wanted('a map from metrics to bounds, such as {latency.p99: "< 500ms"}'),
    ] = Field({}, description="bounds on figures of summary.json; one that is not met: exit 3")

    _found: Found = PrivateAttr(default_factory=Found)

    def with_found(self, found: Found) -> "Config":
        """The same config, knowing what loading it found."""
        config = self.model_copy()
        config._found = found  # noqa: SLF001 - its own, in a copy
        return config

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is allowed and probably not meant."""
        return self._found.warnings

    @property
    def files(self) -> Mapping[str, FileFacts]:
        """Digest and number of lines of every file it names, by absolute path."""
        return self._found.files

    @property
    def duration_ns(self) -> int | None:
        """`duration` in nanoseconds."""
        return None if self.duration is None else round(self.duration * 1e9)

    @property
    def warmup_ns(self) -> int:
        """`warmup` in nanoseconds."""
        return round(self.warmup * 1e9)

    @property
    def timeout_ns(self) -> int | None:
        """`timeout` in nanoseconds."""
        return None if self.timeout is None else round(self.timeout * 1e9)

    @property
    def hang_after_ns(self) -> int:
        """`hang_after` in nanoseconds."""
        return round(self.hang_after * 1e9)
