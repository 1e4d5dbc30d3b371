"""Config to plan: pure, and the only place where the one becomes the other."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from runner.config import kinds
from runner.config.bounds import parse_comparison
from runner.config.distributions import Constant
from runner.config.load import canonical, to_yaml
from runner.config.models import CallConfig, CallItems, FileItems, RangeItems, ValuesItems
from runner.config.simulable import SIMULATION
from runner.planning import plan as planned
from runner.planning.draws import sampler
from runner.planning.placement import cluster_plan
from runner.planning.plan import (
    Act,
    DeathPolicy,
    ErrorPolicy,
    Fault,
    GroupPlan,
    ItemSource,
    OnDeath,
    OnError,
    Plan,
    QueuePlan,
    Role,
    UserCode,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runner.config.models import Config, ConsumerConfig, ItemsConfig, ProducerConfig, StageConfig

PIPE_CAPACITY: Final = (1 << 20) // 32
"""Tickets of 32 bytes in the largest pipe an ordinary process gets, 1 MiB."""
_LEAST_PIPE_CAPACITY: Final = (1 << 16) // 32
"""In the pipe that everybody gets without asking, 64 KiB."""
_LARGEST_PIPES: Final = 32
"""Half of those that Linux grants an ordinary user (16,384 pages, 64 MiB): the other half is for other runs."""


def plan(config: Config) -> Plan:
    """Resolve a config into the plan every engine executes; equal configs give equal plans.

    Never reads a file or imports user code: what must be known of files, `load` has found out.
    """
    files = _copies(config)
    config = _with_cores(config)
    stored = to_yaml(config, files)
    return Plan(
        name=config.name,
        seed=config.seed,
        time_scale=config.time_scale,
        engine=config.engine,
        start_method=config.start_method,
        address=config.address,
        cluster=cluster_plan(config),
        duration_ns=config.duration_ns,
        steady=_steady(config),
        timeout_ns=config.timeout_ns,
        warmup_ns=config.warmup_ns,
        pythonpath=tuple(config.pythonpath),
        on_death=_on_death(config),
        hang_after_ns=config.hang_after_ns,
        cores=config.cores or usable_cores(),
        queues=tuple(_queues(config)),
        groups=tuple(_groups(config)),
        stored_config=stored,
        files=files,
        config_digest=hashlib.sha256(stored.encode()).hexdigest(),
        plan_digest=digest(canonical(config)),
        expected=tuple(parse_comparison(path, bound) for path, bound in config.expect.items()),
    )


def _steady(config: Config) -> planned.SteadyRule | None:
    rule = config.stop_when
    return None if rule is None else planned.SteadyRule(rule.within, round(rule.over * 1e9))


def usable_cores() -> int:
    """Processors of this machine that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _with_cores(config: Config) -> Config:
    """The config as it is stored: where a simulation depends on the number of processors, it is written down."""
    stages, consumers = config.stages.values(), config.consumers.values()
    busy = any(stage.busy for stage in stages) or any(consumer.busy for consumer in consumers)
    if config.engine != SIMULATION or config.cores or not busy:
        return config
    return config.model_copy(update={"cores": usable_cores()})


def digest(data: object) -> str:
    """SHA-256 of the canonical JSON of `data`: sorted keys, no spaces, UTF-8."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _copies(config: Config) -> dict[str, str]:
    """Where the run directory keeps each file the config names; the copies' own names, planned again, stay."""
    copies: dict[str, str] = {}
    for path in sorted(config.files):
        names = (f"{number}-{PurePath(path).name}" for number in itertools.count(2))
        copy = f"inputs/{PurePath(path).name}"
        while copy in copies.values():
            copy = f"inputs/{next(names)}"
        copies[path] = copy
    return copies


def _queues(config: Config) -> Iterator[QueuePlan]:
    unbounded = sum(queue.kind == "pipe" and not queue.maxsize for queue in config.queues.values())
    for name, queue in config.queues.items():
        capacity = pipe_capacity(unbounded) if queue.kind == "pipe" else None
        if queue.maxsize:
            capacity = queue.maxsize
        yield QueuePlan(name, queue.kind, queue.maxsize, queue.batch, capacity)


def pipe_capacity(pipes: int) -> int:
    """Tickets that each of so many pipes without declared bound holds: the largest there are, or a share of 32 MiB."""
    share = PIPE_CAPACITY * _LARGEST_PIPES // max(1, pipes)
    return max(_LEAST_PIPE_CAPACITY, min(PIPE_CAPACITY, 1 << share.bit_length() - 1))


def _groups(config: Config) -> Iterator[GroupPlan]:
    """All groups in plan order, each knowing how many items it is planned to put or do."""
    first = 0
    for name, producer in config.producers.items():
        yield _producer(config, name, producer, first)
        first += producer.count
    for name, stage in config.stages.items():
        yield _worker_group(config, name, stage, Role.STAGE, first, stage.to)
        first += stage.count
    for name, consumer in config.consumers.items():
        yield _worker_group(config, name, consumer, Role.CONSUMER, first, None)
        first += consumer.count


def _producer(config: Config, name: str, producer: ProducerConfig, first: int) -> GroupPlan:
    source, length = _items(producer.items, config)
    split = producer.items is not None and producer.items.share == "split"
    is_cut = config.duration_ns is not None or config.stop_when is not None
    return GroupPlan(
        name=name,
        role=Role.PRODUCER,
        first=first,
        count=producer.count,
        pause=sampler(config.seed, name, "pause", producer.sleep.law(), config.time_scale),
        open=producer.pacing == "open",
        target=producer.to,
        items=source,
        split=split,
        payload=producer.payload,
        duration_ns=config.duration_ns,
        dismissible=config.stop_when is not None,
        on_error=_on_error(config),
        item_timeout_ns=_ns(producer.item_timeout),
        faults=_faults(config, name),
        planned=None if length is None or is_cut else length * (1 if split else producer.count),
    )


def _items(items: ItemsConfig | None, config: Config) -> tuple[ItemSource, int | None]:
    """Where the items come from, and how many there are; None: nobody knows before the run."""
    match items:
        case None:
            return None, None
        case RangeItems():
            return range(items.start, items.stop, items.step), items.length
        case ValuesItems():
            return tuple(items.values), len(items.values)
        case FileItems():
            lines = config.files[items.file].lines
            return planned.FileItems(items.file, lines), lines
        case CallItems():
            return _user_code(items), None


def _user_code(call: CallConfig | CallItems) -> UserCode:
    return UserCode(call.target, call.kwargs)


def _worker_group(
    config: Config, name: str, group: StageConfig | ConsumerConfig, role: Role, first: int, target: str | None
) -> GroupPlan:
    law = group.sleep or group.busy or (None if group.call is None else group.call.model)
    quota: int | None = getattr(group, "items", None)
    return GroupPlan(
        name=name,
        role=role,
        first=first,
        count=group.count,
        pause=sampler(config.seed, name, "pause", Constant(0.0), config.time_scale),
        source=group.from_,
        target=target,
        service=None if law is None else sampler(config.seed, name, "service", law.law(), config.time_scale),
        busy=group.busy is not None,
        call=None if group.call is None else _user_code(group.call),
        quota=quota,
        on_error=_on_error(config),
        item_timeout_ns=_ns(group.item_timeout),
        faults=_faults(config, name),
        planned=None if quota is None else quota * group.count,
    )


def _on_death(config: Config) -> DeathPolicy:
    policy = OnDeath(config.on_death.policy)
    return DeathPolicy(policy, config.on_death.max_restarts if policy is OnDeath.RESTART else 0)


def _on_error(config: Config) -> ErrorPolicy:
    policy = OnError(config.on_error.policy)
    return ErrorPolicy(policy, config.on_error.retries if policy is OnError.RETRY else 0)


def _faults(config: Config, group: str) -> tuple[Fault, ...]:
    """The faults that strike workers of the group, in the order of the config."""
    return tuple(
        Fault(
            act=Act(fault.act),
            worker=fault.worker,
            counter=fault.after.counter,
            after=fault.after.count,
            pause_ns=_scaled(round((fault.for_ or 0) * 1e9), config.time_scale),
        )
        for fault in config.faults
        if fault.worker.rpartition("-")[0] == group
    )


def _scaled(ns: int, time_scale: float) -> int:
    return ns if time_scale == 1 else round(ns * time_scale)


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e9)


def summary_of(plan: Plan) -> Mapping[str, Any]:
    """The plan's queues and groups, and its warm-up where there is one, as `run.start` shows them."""
    return {
        **({"warmup_ns": plan.warmup_ns} if plan.warmup_ns else {}),
        "queues": {
            q.name: {
                "kind": q.kind,
                "maxsize": q.maxsize,
                "batch": q.batch,
                "capacity": q.capacity,
                **_promise(plan, q),
            }
            for q in plan.queues
        },
        "groups": {
            g.name: {"role": g.role, "from": g.source, "to": g.target, "count": g.count, "planned": g.planned}
            for g in plan.groups
        },
    }


def _promise(plan: Plan, queue: QueuePlan) -> dict[str, bool]:
    """Whether FIFO is promised, where that is not told by one of mprun's own kinds.

    Who audits the log later may not have the package of another kind. On a cluster it depends on whether readers ask
    ahead: what one of them has waiting, others overtake.
    """
    if plan.engine == "ray":
        return {"fifo": not any(plan.cluster.prefetch(group.name) for group in plan.readers(queue.name))}
    return {} if queue.kind in kinds.BUILT_IN else {"fifo": kinds.facts(queue.kind).fifo}
