"""`mprun plan`."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli import cluster, theory
from runner.cli.options import AsJson, ConfigFile, EngineOption, Seed, Settings, TimeScale, load_config, overrides
from runner.cli.streams import console, put_out
from runner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from runner.engines.prediction import Prediction
    from runner.planning.forecast import Load
    from runner.planning.plan import GroupPlan, Plan

Graph = Annotated[bool, typer.Option("--graph", help="Print the topology as a Mermaid flowchart and nothing else.")]


def plan(
    config: ConfigFile,
    settings: Settings = None,
    seed: Seed = None,
    time_scale: TimeScale = None,
    engine: EngineOption = None,
    as_json: AsJson = False,
    graph: Graph = False,
) -> None:
    """Show what a config would run: workers, totals, loads, the shortest possible and the predicted duration, digests.

    Starts nothing and imports no user code; up to 100,000 items are simulated to predict how the run will go.

      mprun plan configs/pipeline.yaml
      mprun plan configs/pipeline.yaml --graph > pipeline.mmd
      mprun plan configs/default.yaml --set consumers.consume.count=4 --json | jq .prediction.duration_s
    """
    if as_json and graph:
        raise UsageError("--json and --graph are two outputs: choose one")
    loaded = load_config(config, overrides(settings, seed, time_scale, engine))
    from runner.planning.resolve import plan as resolved

    planned = resolved(loaded)
    if graph:
        from runner.cli.graph import mermaid

        put_out(mermaid(planned))
        return
    from runner.engines.prediction import predicted

    prediction = predicted(loaded)
    if as_json:
        put_out(json.dumps(document(planned, prediction), indent=2, ensure_ascii=False) + "\n")
    else:
        from runner.cli import tables

        put_out(tables.drawn(_tables(planned, prediction), console()))


def document(plan: Plan, prediction: Prediction) -> dict[str, Any]:
    """The plan as one JSON document; null is what is unknown or without limit."""
    from runner.planning.forecast import loads, shortest
    from runner.planning.resolve import summary_of

    shown = summary_of(plan)
    bound = shortest(plan)
    known = {load.queue: load for load in loads(plan)}
    return {
        "name": plan.name,
        "seed": plan.seed,
        "engine": plan.engine,
        "start_method": plan.start_method,
        "address": plan.address,
        "cluster": cluster.document(plan),
        "time_scale": plan.time_scale,
        "duration_s": None if plan.duration_ns is None else plan.duration_ns / 1e9,
        "timeout_s": None if plan.timeout_ns is None else plan.timeout_ns / 1e9,
        "workers": plan.size,
        "shortest_s": bound.seconds,
        "shortest_because": bound.reason,
        "shortest_is_exact": bound.exact,
        "prediction": asdict(prediction),
        "queues": {name: {**queue, **_json_load(known[name])} for name, queue in shown["queues"].items()},
        "groups": shown["groups"],
        "theory": theory.document(theory.theory(plan)),
        "plan_digest": plan.plan_digest,
        "config_digest": plan.config_digest,
    }


def _json_load(load: Load) -> dict[str, Any]:
    figures = {key: value for key, value in asdict(load).items() if key != "queue"}
    return {key: value if value is None or isfinite(value) else None for key, value in figures.items()}


def _tables(plan: Plan, prediction: Prediction) -> Iterable[Table | str]:
    from runner.figures import duration
    from runner.planning.forecast import shortest

    bound = shortest(plan)
    basis = "from the draws of this seed" if bound.exact else "from the means of the laws"
    yield f"{plan.name}: {plan.size} workers, seed {plan.seed}, {_engine(plan)}"
    yield _groups(plan, prediction)
    yield _queues(plan, prediction)
    if plan.engine == "ray":
        yield cluster.drawn(plan)
    yield from theory.parts(theory.theory(plan))
    yield (
        f"takes at least {duration(bound.seconds)}: {bound.reason} ({basis})\n{_told(prediction)}\n"
        f"plan_digest   {plan.plan_digest}\nconfig_digest {plan.config_digest}"
    )


def _engine(plan: Plan) -> str:
    how = {"processes": plan.start_method, "ray": plan.address}.get(plan.engine)
    return plan.engine if how is None else f"{plan.engine} ({how})"


def _told(prediction: Prediction) -> str:
    from runner.figures import duration, number

    if prediction.by is None:
        return f"not predicted: {prediction.why}"
    ends = "" if prediction.status in ("ok", None) else f", and ends {prediction.status}"
    return (
        f"predicted by {prediction.by}: takes {duration(prediction.duration_s)}{ends}, "
        f"{number(prediction.throughput)} items/s, mean latency {duration(prediction.latency_s)}"
    )


def _groups(plan: Plan, prediction: Prediction) -> Table:
    from runner.cli.tables import table
    from runner.figures import NONE, number, share

    rows = [
        [
            g.name,
            g.role,
            g.source or NONE,
            g.target or NONE,
            _work(g),
            number(g.count),
            number(g.planned),
            share(prediction.utilization.get(g.name)),
        ]
        for g in plan.groups
    ]
    columns = ["group", "role", "from", "to", "mean time", "workers", "items planned", "utilization"]
    return table(columns, rows, texts=5)


def _work(group: GroupPlan) -> str:
    """What a group's workers spend time on, per item."""
    from runner.figures import duration
    from runner.planning.plan import Role

    if group.call is not None:
        return f"calls {group.call.target}"
    if group.role is Role.PRODUCER:
        between = duration(group.pause.mean_ns / 1e9)
        return f"puts every {between} (open)" if group.open else f"pauses {between}"
    if group.service is None:
        return "no work"
    return f"{'busy' if group.busy else 'sleeps'} {duration(group.service.mean_ns / 1e9)}"


def _queues(plan: Plan, prediction: Prediction) -> Table:
    from runner.cli.tables import table
    from runner.figures import NONE, number
    from runner.planning.forecast import loads

    rows = [
        [queue.name, queue.kind, number(queue.maxsize) if queue.maxsize else NONE, number(queue.capacity),
         number(queue.batch), number(load.items), number(load.arrival_rate), number(load.erlangs),
         number(load.utilization), number(prediction.max_depth.get(queue.name))]
        for queue, load in zip(plan.queues, loads(plan), strict=True)
    ]  # fmt: skip
    columns = [
        "queue",
        "kind",
        "maxsize",
        "capacity",
        "batch",
        "items",
        "arrivals/s",
        "erlangs",
        "per worker",
        "max depth",
    ]
    return table(columns, rows, texts=2)
