"""Lines of event logs written by hand, with all their keys."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]


def line(event: str, t_ns: int, **keys: Any) -> Record:
    stamp = {"level": "info", "timestamp": "2026-01-01T00:00:00.000000Z", "t_ns": t_ns}
    return {"event": event, **stamp, **keys}


def start(
    *, queues: dict[str, int] | None = None, groups: dict[str, tuple[Any, ...]] | None = None, **keys: Any
) -> list[Record]:
    """Return run.start and a worker.start for every worker.

    Args:
        queues: Name to maxsize; one unbounded queue `main` if left out.
        groups: Name to (role, from, to, count, planned); one producer `p` and one consumer `c` if left out.
        keys: Further keys of run.start, or other values for its own.
    """
    groups = groups or {"p": ("producer", None, "main", 1, None), "c": ("consumer", "main", None, 1, None)}
    facts = {
        name: dict(zip(("role", "from", "to", "count", "planned"), group, strict=True))
        for name, group in groups.items()
    }
    sizes = {
        name: {"kind": "pipe", "maxsize": size, "batch": 1, "capacity": 99}
        for name, size in (queues or {"main": 0}).items()
    }
    known = {"run": "r", "name": "n", "seed": 7, "engine": "processes", "start_method": "spawn", "schema": 1}
    known |= {"config_digest": "cd", "plan_digest": "pd", "queues": sizes, "groups": facts}
    lines = [line("run.start", -1000, **known | keys)]
    for name, (role, _, _, count, _) in groups.items():
        lines += [
            line("worker.start", -500, worker=f"{name}-{k}", group=name, role=role, incarnation=1, pid=k)
            for k in range(count)
        ]
    return lines


def put(t_ns: int, item: str, wait: int = 0, worker: str = "p-0", queue: str = "main", **keys: Any) -> Record:
    known = {"worker": worker, "queue": queue, "id": item, "item": 1, "wait_ns": wait, "late_ns": None}
    return line("put", t_ns, **known | {"delivery": 1} | keys)


def get(
    t_ns: int, item: str, latency: int, wait: int = 0, worker: str = "c-0", queue: str = "main", **keys: Any
) -> Record:
    known = {"worker": worker, "queue": queue, "id": item, "item": 1, "wait_ns": wait, "latency_ns": latency}
    return line("get", t_ns, **known | {"delivery": 1} | keys)


def done(t_ns: int, item: str, service: int = 0, worker: str = "c-0", queue: str = "main", **keys: Any) -> Record:
    known = {"worker": worker, "queue": queue, "id": item, "item": 1, "service_ns": service, "planned_ns": 0}
    return line("done", t_ns, **known | {"delivery": 1} | keys)


def fate(event: str, t_ns: int, item: str, queue: str = "main", **keys: Any) -> Record:
    return line(event, t_ns, **{"queue": queue, "id": item, "delivery": 1, "worker": None, "why": "why"} | keys)


def leave(t_ns: int, worker: str, **keys: Any) -> Record:
    return line("worker.exit", t_ns, **{"worker": worker, "exit_code": 0, "puts": 0, "gets": 0} | keys)


def died(t_ns: int, worker: str, incarnation: int = 1) -> list[Record]:
    """Return worker.died and worker.exit of one killed by SIGKILL."""
    known = {"worker": worker, "incarnation": incarnation, "signal": 9}
    return [line("worker.died", t_ns, why="killed by SIGKILL", **known), line("worker.exit", t_ns, **known)]


def born(t_ns: int, worker: str, incarnation: int = 2) -> Record:
    """Return the worker.start of a replacement."""
    role = {"p": "producer", "s": "stage", "c": "consumer"}[worker[0]]
    known = {"worker": worker, "group": worker[0], "role": role, "incarnation": incarnation, "pid": 9}
    return line("worker.start", t_ns, **known)


def again(t_ns: int, item: str, dead: str | None, delivery: int = 2, wait: int = 0, queue: str = "main") -> Record:
    """Return a redelivery."""
    known = {"queue": queue, "id": item, "item": 1, "delivery": delivery, "from": dead, "wait_ns": wait}
    return line("redelivery", t_ns, **known)


def end(t_ns: int, status: str = "completed", **totals: int) -> Record:
    return line("run.end", t_ns, status=status, reason=None, totals=totals)
