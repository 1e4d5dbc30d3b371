"""Where a cluster is and where in it a run's actors are placed, as the config says it; binds the engine `ray` only."""

import re
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le
from pydantic import AfterValidator, Field, WithJsonSchema

from runner.config.forms import Forms
from runner.config.keys import Keys
from runner.config.refusals import Wanted, at_most, refused, told, unknown_choice
from runner.config.scalars import FEW_NAMES, SUBSTITUTED, Name

MOST_RESOURCES = 100
MOST_PREFETCHED = 100_000
LEAST_AMOUNT = 0.0001
"""Ray counts resources in ten-thousandths."""
MOST_AMOUNT = 1e6
FORMS = ("auto", "local", "ray://host:port", "host:port")

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_ADDRESS = re.compile(rf"auto|local|(?:ray://)?{_HOST}:([0-9]{{1,5}})")
_LARGEST_PORT = 65_535
_CPUS = "a number of CPUs, 0 or from 0.0001 to 1,000,000"
_AMOUNT = "an amount from 0.0001 to 1,000,000"


def _address(text: str) -> str:
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise unknown_choice("address", FORMS)
    if match[1] is not None and not 1 <= int(match[1]) <= _LARGEST_PORT:
        raise told(f"no such port: {match[1]}; wanted a port from 1 to {_LARGEST_PORT:,}")
    return text


def _countable(cpus: float) -> float:
    if 0 < cpus < LEAST_AMOUNT:
        raise refused(_CPUS)
    return cpus


Address = Annotated[
    str,
    AfterValidator(_address),
    Wanted("auto, local, ray://host:port or host:port"),
    WithJsonSchema({"type": "string", "pattern": rf"^({_ADDRESS.pattern})$|{SUBSTITUTED}", "examples": list(FORMS)}),
]
Cpus = Annotated[float, Ge(0), Le(MOST_AMOUNT), AfterValidator(_countable), Wanted(_CPUS)]
Resources = Annotated[
    dict[str, Annotated[float, Ge(LEAST_AMOUNT), Le(MOST_AMOUNT), Wanted(_AMOUNT)]],
    at_most(MOST_RESOURCES, "resources"),
    Wanted("a map from resources to amounts, such as {big_disk: 1}"),
]
Placing = Literal["spread", "packed"]
Prefetch = Annotated[int, Ge(0), Le(MOST_PREFETCHED)]


class QueueOptions(Keys):
    """What the broker of one queue needs of its node; left out altogether: the node the run was started on."""

    what: ClassVar[str] = "where a queue's broker is placed"

    num_cpus: Cpus | None = Field(None, description="so many CPUs are set aside for the broker")
    resources: Resources | None = Field(None, description="so much of each of these the broker takes of its node")


class GroupOptions(Keys):
    """What the workers of one group need; what is left out is as for all groups."""

    what: ClassVar[str] = "where the workers of a group are placed"

    num_cpus: Cpus | None = Field(None, description="so many CPUs are set aside for each worker")
    resources: Resources | None = Field(None, description="so much of each of these every worker takes of its node")
    placement: Placing | None = Field(None, description="spread: over all nodes; packed: on as few as have room")
    prefetch: Prefetch | None = Field(None, description="so many items a worker asks for ahead; not of producers")


class EngineOptions(Keys):
    """What holds for all groups, and what for single groups and queues."""

    what: ClassVar[str] = "where on a cluster actors are placed"

    num_cpus: Cpus = Field(0.0, description="so many CPUs are set aside for each worker")
    resources: Resources = Field({}, description="so much of each of these every worker takes of its node")
    placement: Placing = Field("spread", description="spread: over all nodes; packed: on as few as have room")
    prefetch: Prefetch = Field(0, description="so many items each stage or consumer asks for ahead")
    groups: Annotated[dict[Name, GroupOptions], FEW_NAMES, Wanted("a map from names of groups to their options")] = (
        Field({}, description="what differs for single groups, key by key")
    )
    queues: Annotated[dict[Name, QueueOptions], FEW_NAMES, Wanted("a map from names of queues to their options")] = (
        Field({}, description="where the broker of a queue is placed; default: the node the run was started on")
    )


Options = Annotated[
    EngineOptions,
    Forms(
        wanted="a map such as {num_cpus: 1, placement: packed}",
        whole=lambda _: None,
        model=lambda _: EngineOptions,
        described=lambda schema: schema(EngineOptions),
    ),
]
"""A form of one model: it is built where a config has it, and no other config waits for that."""
