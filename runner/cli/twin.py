"""`mprun twin`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

from runner.cli.options import AsJson, ConfigFile, Out, Seed, Settings, TimeScale, load_config, overrides
from runner.cli.streams import console, put_out, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from runner.analysis.pairs import Pair
    from runner.experiments.twin import Twin

_MOST_ITEMS: Final = 24
_MOST_WORKERS: Final = 16


def twin(
    config: ConfigFile,
    settings: Settings = None,
    seed: Seed = None,
    time_scale: TimeScale = None,
    out: Out = "runs",
    as_json: AsJson = False,
) -> int:
    """Simulate a config, run it for real, and compare: item by item, worker by worker, and in all.

    The gap between the two makespans is split into ties decided otherwise, oversleeping, time in the queue operations,
    start-up and the rest. The real run is stored like any run; its exit code is this command's.

      mprun twin configs/default.yaml --time-scale 0.05
      mprun twin configs/default.yaml --time-scale 0.05 --set engine=threads
      mprun twin configs/back-pressure.yaml --json | jq .split_ns
    """
    chosen = overrides(settings, seed, time_scale, None)
    loaded = load_config(config, chosen)
    from runner.cli.live import Live
    from runner.cli.run import LogFormat
    from runner.experiments.twin import twin as compared
    from runner.log.rundir import EVENTS

    live = Live(LogFormat.NONE, quiet=False)
    found = compared(loaded, out, watch=live, command_line=sys.argv, overrides=chosen)
    live.finish(found.run_dir / EVENTS)
    if as_json:
        put_out(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n")
    else:
        from runner.cli import tables

        put_out(tables.drawn(_parts(found), console()))
    if found.real.exit_code:
        say(f"mprun: the real run ended {found.real.summary['status']}")
    say(str(found.run_dir))
    return found.exit_code


def _parts(found: Twin) -> Iterator[Table | str]:
    yield _items(found)
    yield _times(found)
    yield _workers(found)
    yield _split(found)
    yield f"{_planned(found)}\n{found.sentence}"


def _planned(found: Twin) -> str:
    planned = found.planned
    if planned.different:
        said = f"planned_ns differs for {len(planned.different)} items: {', '.join(planned.different[:5])}"
    else:
        said = f"planned_ns is the same for all {planned.same} items done by the same group on both sides"
    besides = [
        (planned.other_group, "done by another group, which draws its own"),
        (planned.only_simulated, "only simulated"),
        (planned.only_real, "only real"),
    ]
    return said + "".join(f"; {count} {what}" for count, what in besides if count)


def _split(found: Twin) -> Table:
    from runner.analysis.gap import PARTS
    from runner.cli.tables import table
    from runner.figures import duration, share

    gap = found.gap
    parts = [(text, getattr(gap, part)) for part, text in PARTS.items()]
    rows = [["simulated makespan", duration(gap.simulated / 1e9), ""]]
    rows += [[f"+ {text}", duration(ns / 1e9), share(ns / gap.total if gap.total else None)] for text, ns in parts]
    rows.append(["= real makespan", duration(gap.real / 1e9), ""])
    return table(["makespan", "time", "of the gap"], rows)


def _items(found: Twin) -> Table:
    """Every item; of many those whose latency differs most."""
    from runner.cli.tables import table

    shown = found.items
    title = "item"
    if len(shown) > _MOST_ITEMS:
        shown = tuple(sorted(shown, key=_distance, reverse=True)[:_MOST_ITEMS])
        title = f"item (the {_MOST_ITEMS} of {len(found.items):,} whose latency differs most)"
    columns = [title, "queue", "got by", "really by", "latency", "real", "service", "real", "wait of get", "real"]
    return table(columns, map(_row, shown), texts=4)


def _distance(pair: Pair) -> int:
    ours = 0 if pair.simulated is None else pair.simulated.latency or 0
    theirs = 0 if pair.real is None else pair.real.latency or 0
    return abs(theirs - ours)


def _row(pair: Pair) -> list[str]:
    from runner.figures import NONE, duration

    sides = (pair.simulated, pair.real)
    takers = [NONE if side is None or side.worker is None else side.worker for side in sides]
    times = [getattr(side, key, None) for key in ("latency", "service", "wait_get") for side in sides]
    return [pair.id, pair.queue, *takers, *(duration(None if ns is None else ns / 1e9) for ns in times)]


def _times(found: Twin) -> Table:
    from runner.cli.tables import table
    from runner.figures import NONE, duration, number

    rows = [
        [
            key,
            number(d.count),
            *(duration(None if ns is None else ns / 1e9) for ns in (d.simulated, d.real, d.largest)),
            d.at or NONE,
        ]
        for key, d in found.times.items()
    ]
    return table(["time", "items", "mean simulated", "mean real", "largest difference", "of"], rows)


def _workers(found: Twin) -> Table:
    from runner.cli.tables import table
    from runner.figures import NONE, duration, number, share

    rows = []
    for name, sides in found.workers.items():
        both = [sides["simulated"], sides["real"]]
        counts = [NONE if w is None else number(w["gets"] or w["puts"]) for w in both]
        times = [NONE if w is None else duration(w[key]) for key in ("busy_s", "wait_s", "sleep_s") for w in both]
        shares = [NONE if w is None else share(w["utilization"]) for w in both]
        rows.append([name, *counts, *times, *shares])
    columns = ["worker", "items", "real", "busy", "real", "wait", "real", "sleep", "real", "util.", "real"]
    more = len(rows) - _MOST_WORKERS
    return table(columns, rows if more <= 0 else [*rows[:_MOST_WORKERS], [f"and {more:,} more", *[""] * 10]])
