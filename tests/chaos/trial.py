"""What a trial is: a config, what is to be done by it, and who is killed when; drawn from a seed and a number."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

USER_CODE: Final = Path(__file__).parent.parent / "usercode"
TOPOLOGIES: Final = {
    "3x3": (3, 0, 3),
    "1x4": (1, 0, 4),
    "4x1": (4, 0, 1),
    "1:1": (2, 2, 2),
    "1:n": (2, 2, 2),
    "chain": (1, 1, 1),
    "1x1": (1, 0, 1),
}
"""Producers, stages, consumers; where there are stages, what they make of an item (chain: as 1:n)."""
_DRAWN: Final = ("3x3", "1x4", "4x1", "1:1", "1:n")
METHODS: Final = ("fork", "forkserver", "spawn")
PHASES: Final = ("start", "run", "run", "run", "end")
_WITHIN_S: Final = {"start": 0.1, "run": 0.25, "end": 0.02}


@dataclass(frozen=True, slots=True)
class Kill:
    """Some workers die so long after the first start, after the gate opened or after the first worker's end."""

    phase: str
    after_s: float
    victims: int


class Act(StrEnum):
    """What happens in a trap."""

    KILL = "SIGKILL"
    STOP = "SIGSTOP"
    EXIT = "exit(0)"
    RAISE = "exception"


@dataclass(frozen=True, slots=True)
class Trap:
    """Goes off, once, as a worker comes to a place for the so-and-so-manieth time; see `traps`."""

    worker: str
    place: str
    hit: int
    act: Act


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial.

    Attributes:
        items: How many each producer puts.
        texts: Whether they need a payload file.
        slow: Whether workers pause now and then, so that there is a time in which to die.
        service: Of the consumers; None: short where it is slow, else none.
        item_timeout: Of those who get.
        more: Keys of the config.
        patch: What is changed about the host's runner: a key of `host.PATCHES`.
    """

    name: str
    topology: str = "3x3"
    method: str = "fork"
    kind: str = "pipe"
    policy: str = "restart"
    batch: int = 1
    maxsize: int = 0
    items: int = 60
    texts: bool = False
    payload: int = 0
    slow: bool = True
    quota: int | None = None
    service: Any = None
    item_timeout: float | None = None
    more: dict[str, Any] = field(default_factory=dict)
    kills: tuple[Kill, ...] = ()
    traps: tuple[Trap, ...] = ()
    patch: str | None = None

    @property
    def stages(self) -> bool:
        """Whether items pass a stage."""
        return TOPOLOGIES[self.topology][1] > 0

    @property
    def leaves_some(self) -> bool:
        """Whether quotas are below what is put."""
        producers, _, consumers = TOPOLOGIES[self.topology]
        return self.quota is not None and self.quota * consumers < producers * self.items

    def config(self) -> dict[str, Any]:
        """The config, as YAML would give it."""
        producers, stages, consumers = TOPOLOGIES[self.topology]
        queue = {"kind": self.kind, "maxsize": self.maxsize, "batch": self.batch}
        first, last = ("a", "b") if stages else ("main", "main")
        call = {"target": "chaotic:texts", "kwargs": {"count": self.items}}
        produce = {
            "count": producers, "to": first, "payload": self.payload,
            "items": {"call": call} if self.texts else self.items, "sleep": self._pause(0.001),
        }  # fmt: skip
        consume = {"count": consumers, "from": last, "sleep": self.service or self._pause(0.003)}
        if self.quota is not None:
            consume["items"] = self.quota
        config: dict[str, Any] = {
            "name": "chaos", "start_method": self.method, "pythonpath": [str(USER_CODE)], "hang_after": 30,
            "queues": {first: queue, last: queue}, "producers": {"p": produce}, "consumers": {"c": consume},
        }  # fmt: skip
        if stages:
            target = "chaotic:same" if self.topology == "1:1" else "chaotic:several"
            config["stages"] = {"s": {"count": stages, "from": first, "to": last, "call": target}}
        if self.item_timeout is not None:
            for group in (*config.get("stages", {}).values(), consume):
                group["item_timeout"] = self.item_timeout
        if self.kind == "pipe":
            config["on_death"] = {"policy": self.policy}
            if self.policy == "restart":
                config["on_death"]["max_restarts"] = 1000
        return config | self.more

    def _pause(self, most: float) -> Any:
        return {"distribution": "uniform", "low": 0, "high": most} if self.slow else 0

    def expected(self) -> dict[str, dict[str, Any]]:
        """Of every queue, the items that are put where all goes well: id → item."""
        producers = TOPOLOGIES[self.topology][0]
        numbers = range(self.items)
        first = {f"p-{k}:{n}": self._item(n) for k in range(producers) for n in numbers}
        if not self.stages:
            return {"main": first}
        if self.topology == "1:1":
            return {"a": first, "b": dict(first)}
        outputs = {
            f"{id_}.{k}": f"{item}.{k}" for id_, item in first.items() for k in range(int(id_.partition(":")[2]) % 3)
        }
        return {"a": first, "b": outputs}

    def _item(self, number: int) -> Any:
        return f"{number}:" + "abcdefg"[: number % 7] * (number % 5) if self.texts else number

    def order(self) -> dict[str, Any]:
        """What a host is told."""
        traps = [asdict(trap) for trap in self.traps]
        return {"name": self.name, "config": self.config(), "traps": traps, "patch": self.patch}

    def __str__(self) -> str:
        return str({key: value for key, value in asdict(self).items() if value})


def drawn(seed: int, number: int, kind: str = "pipe", policy: str = "restart") -> Trial:
    """Trial number so-and-so of a seed."""
    chance = random.Random(f"{seed} {number} {kind} {policy}")  # noqa: S311 - repeatable, not secret
    topology = chance.choice(_DRAWN)
    producers, stages, consumers = TOPOLOGIES[topology]
    slow = chance.random() < 0.6
    items = 60 if slow else chance.choice([300, 1200])
    quota = None
    if topology != "1:n" and chance.random() < 0.35:
        quota = producers * items // consumers
        if chance.random() < 0.3:
            quota -= chance.randint(1, quota // 2)
    workers = producers + stages + consumers
    maxsize = chance.choice([0, 1, 7])
    return Trial(
        f"{kind.rpartition('.')[2].lower()}-{policy}-{number}",
        topology,
        chance.choice(METHODS),
        kind,
        policy,
        chance.choice([1, 8, 64]),
        maxsize,
        items,
        texts=chance.random() < 0.4,
        payload=chance.choice([0, 0, 100]),
        slow=slow,
        quota=quota,
        kills=tuple(_kills(chance, workers)),
        patch="small pipe" if kind == "pipe" and not maxsize and chance.random() < 0.3 else None,
    )


def _kills(chance: random.Random, workers: int) -> list[Kill]:
    """One to as many kills as there are workers, now and then many more, one by one or several at an instant."""
    left = chance.randint(1, workers) if chance.random() < 0.9 else 3 * workers
    kills = []
    while left:
        victims = chance.randint(1, left) if chance.random() < 0.3 else 1
        phase = chance.choice(PHASES)
        kills.append(Kill(phase, chance.uniform(0, _WITHIN_S[phase]), victims))
        left -= victims
    return kills
