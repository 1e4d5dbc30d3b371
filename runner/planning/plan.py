"""The plan: everything a run will do, decided before anything starts; frozen data that any process can be handed.

Ranges stay ranges and workers are made on demand, so a plan of 10⁹ items is as small as one of ten.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runner.config.bounds import Bound
    from runner.planning.draws import Sampler
    from runner.planning.placement import ClusterPlan


class Role(StrEnum):
    """What the workers of a group do."""

    PRODUCER = "producer"
    STAGE = "stage"
    CONSUMER = "consumer"


class Identified(Protocol):
    """Whatever stands for an item: its envelope, or what a queue makes of it."""

    @property
    def producer(self) -> int:
        """Index of the producer's worker in the plan."""

    @property
    def seq(self) -> int:
        """Position in that producer's range."""

    @property
    def suffix(self) -> str:
        """What stages added to the id."""


class OnDeath(StrEnum):
    """What becomes of a worker process that dies."""

    RESTART = "restart"
    FAIL = "fail"
    CONTINUE = "continue"


class OnError(StrEnum):
    """What becomes of an item whose user code raises."""

    FAIL = "fail"
    SKIP = "skip"
    RETRY = "retry"


class Act(StrEnum):
    """What a fault does to its worker."""

    KILL = "kill"
    PAUSE = "pause"
    RAISE = "raise"


@dataclass(frozen=True, slots=True)
class DeathPolicy:
    """What happens when a worker process dies; `max_restarts` counts per worker name."""

    policy: OnDeath = OnDeath.RESTART
    max_restarts: int = 3

    @property
    def used_up(self) -> str:
        """What is added to the reason of a run that ends as a worker has died too often."""
        return f", after {self.max_restarts} restarts (on_death.max_restarts)" if self.max_restarts else ""


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """What happens when user code raises: `retries` more calls of the same item where the policy is RETRY."""

    policy: OnError = OnError.FAIL
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong on purpose, once.

    Attributes:
        act: What happens.
        worker: To whom: the worker's name.
        counter: What is counted over all its incarnations: `gets` or `puts`.
        after: It happens as this many are reached, from 1.
        pause_ns: How long a PAUSE lasts; 0 for the others.
    """

    act: Act
    worker: str
    counter: str
    after: int
    pause_ns: int = 0


@dataclass(frozen=True, slots=True)
class UserCode:
    """A user's function, class or iterable: `package.module:attribute`, called with `kwargs` where there are any."""

    target: str
    kwargs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FileItems:
    """Items read from a JSON Lines file of `lines` lines."""

    path: str
    lines: int


ItemSource: TypeAlias = range | tuple[Any, ...] | FileItems | UserCode | None
"""Where a producer's items come from; None: 0, 1, 2, … for as long as the run lasts."""


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """One queue.

    Attributes:
        name: Its key in the config.
        kind: `pipe` or `multiprocessing.Queue`; binds the engine `processes` only.
        maxsize: Largest number of items it holds; 0 is no declared bound.
        batch: Largest number of items in one write or read.
        capacity: Items it can hold at most, whatever is declared; None: no such limit is known.
    """

    name: str
    kind: str
    maxsize: int
    batch: int
    capacity: int | None


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """Workers that share one declaration.

    Attributes:
        name: Key in the config; its workers are `<name>-<k>`.
        role: Producer, stage or consumer.
        first: Index of its first worker in the plan.
        count: Number of workers.
        source: Queue it gets from; None for producers.
        target: Queue it puts into; None for consumers.
        items: Where a producer's items come from.
        split: Whether the workers share the items (worker k of n takes every n-th) or each takes all.
        payload: Bytes added to every item on its way.
        pause: A producer's sleep after each put; with open pacing the time from one item's due instant to the next's.
        open: Whether pacing is open: a producer's puts are due at instants fixed beforehand (`pacing.due_ns`).
        service: Time of work on one item, of user code what its model says; None: no work, or user code without model.
        busy: Whether the service burns CPU instead of idling.
        call: User code that does the work.
        quota: Items each worker of a consumer group takes at most; None: all that come.
        duration_ns: Producers begin no put after it.
        dismissible: Whether producers may be told to begin no further item.
        on_error: What happens when user code raises.
        item_timeout_ns: Work on one item (a producer's: its user code giving one) may take so long; None: for ever.
        faults: What goes wrong on purpose in this group.
        planned: Items the whole group is planned to put (producers) or do; None: not known before the run.
    """

    name: str
    role: Role
    first: int
    count: int
    pause: Sampler
    open: bool = False
    source: str | None = None
    target: str | None = None
    items: ItemSource = None
    split: bool = False
    payload: int = 0
    service: Sampler | None = None
    busy: bool = False
    call: UserCode | None = None
    quota: int | None = None
    duration_ns: int | None = None
    dismissible: bool = False
    on_error: ErrorPolicy = ErrorPolicy()
    item_timeout_ns: int | None = None
    faults: tuple[Fault, ...] = ()
    planned: int | None = None


@dataclass(frozen=True, slots=True)
class Origins:
    """Tells an item's id from the index of its producer: (first index, count, group) of every producer group."""

    groups: tuple[tuple[int, int, str], ...]
    _prefixes: dict[int, str] = field(default_factory=dict, repr=False, compare=False)

    def prefix(self, producer: int) -> str:
        """`produce-0:`, for the worker with this index in the plan."""
        known = self._prefixes.get(producer)
        if known is None:
            first, _, name = next(g for g in self.groups if g[0] <= producer < g[0] + g[1])
            known = self._prefixes[producer] = f"{name}-{producer - first}:"
        return known


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """One worker: its place in its group, and all it needs to know."""

    index: int
    position: int
    group: GroupPlan
    origins: Origins

    @property
    def name(self) -> str:
        """`<group>-<position>`."""
        return f"{self.group.name}-{self.position}"

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What goes wrong on purpose in this worker."""
        return tuple(fault for fault in self.group.faults if fault.worker == self.name)

    def item_id(self, item: Identified) -> str:
        """The id of an item: `<producer>:<seq>`, with the suffix stages gave it."""
        return f"{self.origins.prefix(item.producer)}{item.seq}{item.suffix}"


@dataclass(frozen=True, slots=True)
class SteadyRule:
    """When a run is steady: over `over_ns`, its throughput differed by the share `within` at most from what it is."""

    within: float
    over_ns: int

    @property
    def words(self) -> str:
        """The rule as it is told."""
        return f"throughput within {100 * self.within:g} % over {self.over_ns / 1e9:g} s"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a config resolves to.

    Attributes:
        name: Of the run directory.
        seed: Of all draws.
        engine: What executes it.
        start_method: How the engine `processes` starts a worker.
        address: The cluster of the engine `ray`: `auto`, `local`, `ray://host:port` or `host:port`.
        cluster: Where the engine `ray` places workers and queues.
        duration_ns: Producers stop after it; None: when their items end.
        steady: Producers stop once it holds.
        timeout_ns: The run is stopped after it.
        warmup_ns: What returns before it is left out of the statistics.
        pythonpath: Folders from which user code may be imported.
        on_death: What happens when a worker process dies.
        cores: Processors that `busy` shares in a simulation.
        hang_after_ns: With no progress for so long, that nothing planned explains, the run is hung.
        queues: In the order of the config.
        groups: Producers, stages, consumers, each in the order of the config.
        stored_config: The resolved config as the run directory keeps it.
        files: File named by the config → where the run directory keeps its copy (`inputs/…`).
        config_digest: SHA-256 of `stored_config`.
        plan_digest: SHA-256 of what makes the experiment (INTERFACE: run directory).
        expected: Bounds on figures of its summary.
    """

    name: str
    seed: int
    time_scale: float
    engine: str
    start_method: str
    address: str
    cluster: ClusterPlan
    duration_ns: int | None
    steady: SteadyRule | None
    timeout_ns: int | None
    warmup_ns: int
    pythonpath: tuple[str, ...]
    on_death: DeathPolicy
    hang_after_ns: int
    cores: int
    queues: tuple[QueuePlan, ...]
    groups: tuple[GroupPlan, ...]
    stored_config: str
    files: Mapping[str, str]
    config_digest: str
    plan_digest: str
    expected: tuple[Bound, ...] = ()

    @property
    def size(self) -> int:
        """Number of workers."""
        return sum(group.count for group in self.groups)

    @property
    def origins(self) -> Origins:
        """Who an item's producer is."""
        return Origins(tuple((g.first, g.count, g.name) for g in self.groups if g.role is Role.PRODUCER))

    def workers(self) -> Iterator[WorkerPlan]:
        """All workers, in plan order: groups as they stand, positions ascending."""
        origins = self.origins
        for group in self.groups:
            for position in range(group.count):
                yield WorkerPlan(group.first + position, position, group, origins)

    def queue(self, name: str) -> QueuePlan:
        """The queue of this name; raises KeyError."""
        for queue in self.queues:
            if queue.name == name:
                return queue
        raise KeyError(name)

    def readers(self, queue: str) -> list[GroupPlan]:
        """The groups that get from a queue."""
        return [group for group in self.groups if group.source == queue]

    def writers(self, queue: str) -> list[GroupPlan]:
        """The groups that put into a queue."""
        return [group for group in self.groups if group.target == queue]
