"""`mprun advise`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli.options import AsJson, ConfigFile, Seed, Settings, TimeScale, load_config, overrides
from runner.cli.streams import console, put_out, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.table import Table

    from runner.analysis.limits import Share
    from runner.experiments.advise import Advice, Point

Target = Annotated[
    str, typer.Option("--target", metavar="BOUND", help="What is to be met, such as 'latency.p99 < 500ms'.")
]
Vary = Annotated[
    str,
    typer.Option(
        "--vary", metavar="PATH=VALUES", help="A group's count or a queue's maxsize, as a range 1..64 or a list 1,2,4."
    ),
]
Repeat = Annotated[int, typer.Option("--repeat", metavar="N", help="Simulations of each value, each with its seed.")]


def advise(
    config: ConfigFile,
    target: Target,
    vary: Vary,
    settings: Settings = None,
    seed: Seed = None,
    time_scale: TimeScale = None,
    repeat: Repeat = 5,
    as_json: AsJson = False,
) -> int:
    """Find the smallest number of workers, or the smallest queue, that meets a target; by simulation.

    Every value is simulated with the same draws, once for each of --repeat seeds; it meets the target when the whole
    confidence interval of the median does. Exits with 1 where no value does, and says which side limits.

      mprun advise configs/back-pressure.yaml --target "makespan_s < 1.5s" --vary consumers.slow.count=1..8
      mprun advise configs/back-pressure.yaml --target "wait_put.p90 < 50ms" --vary queues.main.maxsize=1,5,25,0
    """
    loaded = load_config(config, overrides(settings, seed, time_scale, None))
    from runner.experiments.advise import advise as advised

    found = advised(loaded, target, vary, repeat=repeat, watch=lambda point: say(_told(point, vary)))
    if as_json:
        put_out(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n")
    else:
        from runner.cli import tables

        put_out(tables.drawn([_curve(found), f"{_basis(found)}\n{found.sentence}"], console()))
    return found.exit_code


def _told(point: Point, vary: str) -> str:
    verdict = "meets" if point.met else "does not meet"
    return f"{vary.partition('=')[0]} = {point.value} {verdict} the target"


def _curve(found: Advice) -> Table:
    from runner.cli.tables import table
    from runner.figures import NONE, duration, number, share

    shown: Callable[[float | None], str] = duration if found.target.is_time else number
    rows = [
        [
            str(point.value),
            *(shown(value) for value in (point.median, point.low, point.high)),
            share(_busiest(point.shares).utilization),
            share(max((s.waiting for s in point.shares.values() if s.role == "producer"), default=None)),
            "yes" if point.met else "no",
            number(point.failed) if point.failed else NONE,
        ]
        for point in found.points
    ]
    columns = [found.path, f"{found.target.path}", "low", "high", "busiest", "producers blocked", "met", "failed"]
    return table(columns, rows, texts=0)


def _busiest(shares: Mapping[str, Share]) -> Share:
    return max(shares.values(), key=lambda share: share.utilization)


def _basis(found: Advice) -> str:
    from runner.analysis.intervals import rank

    place = rank(found.repeat)
    search = "bisected, as more workers never make it worse" if found.bisected else "all values"
    ends = "the smallest to the largest" if place == 1 else f"number {place} from below to number {place} from above"
    return (
        f"medians of {found.repeat} seeds; low to high is from {ends} sample, where the median lies with "
        f"{100 * found.confidence:.1f} % whatever the distribution; "
        f"{found.simulations} simulations of at most {found.most} ({search})"
    )
