"""The parts of a run's page, in words, tables and places for charts."""

from __future__ import annotations

from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from runner.figures import NONE, duration, number, share, uncertainty
from runner.reports import charts as draw
from runner.reports.charts import NAMES
from runner.reports.facts import plain
from runner.reports.frame import Section, figure
from runner.reports.headline import verdict
from runner.reports.reduction import STATES
from runner.reports.tables import facts as listed
from runner.reports.tables import folded, table, text
from runner.reports.topology import picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runner.reports.facts import Facts
    from runner.reports.reduction import Reduction
    from runner.reports.series import Series

_NS: Final = 1e9
_QUEUES: Final = 24
"""Queues in a chart: more colours nobody tells apart."""
_ROWS: Final = 60
_TIMES: Final = {
    "latency": "latency: put began to get returned", "sojourn": "sojourn: producer's put began to last done",
    "wait_put": "blocked in put", "wait_get": "blocked in get", "service": "service", "lateness": "lateness",
}  # fmt: skip
_PERCENTILES: Final = ("mean", "p50", "p90", "p95", "p99", "max")
_BUTTONS: Final = {"all": "Whole run", "in": "Zoom in", "out": "Zoom out", "left": "Earlier", "right": "Later"}


def charts(found: Reduction) -> dict[str, Any]:
    """Every chart there is something to draw for, by name, in the order in which they are drawn."""
    made = {"timeline": draw.timeline(found), "bars": draw.bars(found)} if found.details.count else {}
    busiest = sorted(found.depths, key=lambda queue: -found.sizes[f"latency of {queue}"].count)[:_QUEUES]
    queues = [queue for queue in found.depths if queue in busiest]
    if any(_any(found.depths[queue]) for queue in queues):
        made["depth"] = draw.over_time(
            {queue: found.depths[queue] for queue in queues}, found.until, "items", steps=True
        )
    if any(_any(found.latencies[queue]) for queue in queues):
        latencies = {queue: found.latencies[queue] for queue in queues}
        made["latency"] = draw.over_time(latencies, found.until, "seconds of latency", steps=False)
    if any(sizes.count for sizes in found.sizes.values()):
        left_out = {f"latency of {queue}" for queue in found.depths if queue not in busiest}
        made["sizes"] = draw.distribution({name: sizes for name, sizes in found.sizes.items() if name not in left_out})
    if _any(found.lateness):
        made["late"] = draw.over_time({"lateness": found.lateness}, found.until, "seconds late", steps=False)
    return made


def _any(series: Series) -> bool:
    return series.reduced or bool(series.points)


def sections(found: Reduction, known: Facts, made: Mapping[str, Any]) -> list[Section]:
    """All parts, in their order."""
    parts = [
        ("topology", "Topology", _topology(found)),
        ("time", "Timeline", _timeline(found, made)),
        ("workers", "Workers", _workers(found, known, made)),
        ("queues", "Depth", _depth(found, known, made)),
        ("latencies", "Latency", _latency(found, known, made)),
        ("lateness", "Lateness", _lateness(found, made)),
        ("audit", "Audit and events", _audit(found, known)),
        ("config", "Config and manifest", _config(known)),
    ]
    return [Section(*part) for part in parts]


def _topology(found: Reduction) -> str:
    if found.start is None or not found.start.groups:
        return "<p>The log names no groups.</p>"
    groups = [
        [name, group.role, group.source or NONE, group.target or NONE, number(group.count), number(group.planned)]
        for name, group in found.start.groups.items()
    ]
    queues = [
        [
            name,
            queue.kind,
            number(queue.maxsize) if queue.maxsize else "no bound",
            number(queue.batch),
            number(queue.capacity),
        ]
        for name, queue in found.start.queues.items()
    ]
    tables = table("Groups", ["group", "role", "from", "to", "count", "planned items"], groups, texts=4)
    tables += table("Queues", ["queue", "kind", "maxsize", "batch", "capacity"], queues, texts=2)
    return picture(found.start) + folded("The same as tables", tables)


def _timeline(found: Reduction, made: Mapping[str, Any]) -> str:
    if "timeline" not in made:
        return "<p>No worker did anything.</p>"
    windows = found.details.windows()
    kept = sum(len(window.details) for window in windows)
    if found.details.complete:
        said = f"All {kept:,} slices are here."
    else:
        said = (
            f"The run has {found.details.count:,} slices. Of all of them the shares of time are here, for each worker "
            f"and every {duration(found.shares.width / _NS)}; one by one {kept:,} slices of {len(windows)} windows, "
            "spread over the run and around the item that took longest: every slice that ended in them. "
            "The list above goes there."
        )
    caption = (
        f"Drag to zoom in, double-click to see the whole run. {said} What is blank is in no line of the log: "
        "the workers' own steps, and a consumer's wait for the end of the stream."
    )
    options = "".join(
        f'<option value="{place}">{escape(_window(window.began, window.ended, window.why))}</option>'
        for place, window in enumerate(windows)
    )
    controls = "".join(f'<button type="button" id="timeline-{key}">{title}</button>' for key, title in _BUTTONS.items())
    choose = f'<option value="">choose…</option>{options}'
    controls += f'<label>Kept slice by slice: <select id="timeline-windows">{choose}</select></label>'
    lines = [
        [
            name,
            *(duration(ns / _NS) for ns in found.spent[place]),
            duration(max(0, found.until - sum(found.spent[place])) / _NS),
        ]
        for name, place in found.workers.items()
    ]
    columns = ["worker", *(NAMES[state] for state in STATES), "none of these"]
    return figure(
        "timeline", "Timeline: what every worker did when", caption, table("Time of each worker", columns, lines),
        f'<div class="controls">{controls}</div><p class="said" id="timeline-said" aria-live="polite"></p>',
    )  # fmt: skip


def _window(began: int, ended: int, why: str) -> str:
    told = f"from {began / _NS:.6f} s on, {duration((ended - began) / _NS)}"
    return f"{told} ({why})" if why else told


def _workers(found: Reduction, known: Facts, made: Mapping[str, Any]) -> str:
    figures = (known.summary or {}).get("workers", {})
    rows = []
    for name, place in found.workers.items():
        of = figures.get(name, {})
        moved = [number(count) for count in found.moved[place]]
        spent = [duration(ns / _NS) for ns in found.spent[place]]
        rows.append(
            [
                name,
                *moved,
                *spent,
                share(of.get("utilization")),
                number(of.get("incarnations")),
                number(of.get("exit_code")),
            ]
        )
    columns = [
        "worker",
        "puts",
        "gets",
        "done",
        *(NAMES[state] for state in STATES),
        "utilization",
        "incarnations",
        "exit code",
    ]
    told = table("Workers", columns, rows)
    if "bars" not in made:
        return told
    caption = "What each worker spent its time on. Of the rest of the run the log says nothing."
    if len(found.workers) > draw.MOST_BARS:
        caption += (
            " More workers than a screen can show: drawn are each group's mean, who was busiest (worked longest; of "
            "producers, was blocked longest) and who was least busy. The table has all."
        )
    return figure("bars", "Time of each worker by what it did", caption, told)


def _reduced(series: Mapping[str, Series], what: str) -> str:
    """What a caption says of a reduction."""
    reduced = [each for each in series.values() if each.reduced]
    if not reduced:
        return f"Every {what} is drawn."
    width = duration(max(each.width for each in reduced) / _NS)
    return f"More than a screen can show: drawn are minimum and maximum, for every {width}."


def _left_out(found: Reduction) -> str:
    more = len(found.depths) - _QUEUES
    return f" Drawn are the {_QUEUES} busiest queues; {more} more are in the table." if more > 0 else ""


def _depth(found: Reduction, known: Facts, made: Mapping[str, Any]) -> str:
    figures = (known.summary or {}).get("queues", {})
    rows = []
    for queue in found.depths:
        of = figures.get(queue, {})
        latency = of.get("latency", {})
        rows.append([queue, number(of.get("max_depth")), number(of.get("mean_depth")), number(latency.get("count")),
                     *(duration(latency.get(key)) for key in ("p50", "p99", "max")),
                     number(of.get("fairness"))])  # fmt: skip
    columns = ["queue", "max depth", "mean depth", "gets", "latency p50", "p99", "max", "fairness among readers"]
    told = table("Queues", columns, rows)
    told += "".join(_course(f"Depth of {queue}", series, 1) for queue, series in islice(found.depths.items(), _QUEUES))
    if "depth" not in made:
        return told
    caption = (
        f"Items in each queue, from put returned to get returned. {_reduced(found.depths, 'change')}{_left_out(found)}"
    )
    return figure("depth", "Depth of the queues over time", caption, told)


def _course(title: str, series: Series, scale: float) -> str:
    """Some sixty rows of a series, none of its extremes left out."""
    rows = []
    entries = list(_entries(series))
    step = max(1, -(-len(entries) // _ROWS))
    for place in range(0, len(entries), step):
        some = entries[place : place + step]
        low, high = min(low for _, low, _ in some), max(high for _, _, high in some)
        cells = [number(low), number(high)] if scale == 1 else [duration(low / scale), duration(high / scale)]
        rows.append([f"{some[0][0] / _NS:.6f}", *cells])
    return table(title, ["from second", "minimum", "maximum"], rows)


def _entries(series: Series) -> Iterator[tuple[int, int, int]]:
    yield from ((t, value, value) for t, value in series.points)
    for place, count in enumerate(series.count):
        if count:
            yield place * series.width, series.lowest[place], series.highest[place]


def _latency(found: Reduction, known: Facts, made: Mapping[str, Any]) -> str:
    summary = known.summary or {}
    rows = [
        [title, number(spread["count"]), *(duration(spread.get(key)) for key in _PERCENTILES)]
        for key, title in _TIMES.items()
        if (spread := summary.get(key, {})).get("count")
    ]
    body = table("Times", ["time", "count", *_PERCENTILES], rows)
    if (clocks := uncertainty(summary)) is not None:
        body += f"<p>{escape(clocks)}.</p>"
    if "sizes" in made:
        classes = [
            [name, duration(low / _NS), duration(high / _NS), number(count), share(count / sizes.count)]
            for name, sizes in islice(found.sizes.items(), 2 * _QUEUES)
            for low, high, count in sizes.classes()
        ]
        told = table("Durations by size", ["of", "from", "to below", "how many", "share"], classes)
        caption = (
            "How long things took. All are counted; a class is an eighth of a doubling. "
            f"A click in the legend shows or hides.{_left_out(found)}"
        )
        body += figure("sizes", "Distribution of latencies and other durations", caption, told)
    if "latency" in made:
        told = "".join(
            _course(f"Latency of {queue}", each, _NS) for queue, each in islice(found.latencies.items(), _QUEUES)
        )
        caption = f"From put began to get returned, at the instant of the return. {_reduced(found.latencies, 'item')}"
        body += figure("latency", "Latency over time", caption, told)
    slow = [
        [each.item, each.queue, each.worker, duration(each.latency_ns / _NS), f"{each.t_ns / _NS:.9f}"]
        for each in found.slow
    ]
    return body + table(
        "The items longest on their way", ["item", "queue", "got by", "latency", "at second"], slow, texts=3
    )


def _lateness(found: Reduction, made: Mapping[str, Any]) -> str:
    if "late" not in made:
        return "<p>No producer has open pacing: none can be late.</p>"
    told = _course("Lateness", found.lateness, _NS)
    caption = f"How late puts began, with open pacing. {_reduced({'': found.lateness}, 'put')}"
    return figure("late", "Lateness over time", caption, told)


def _audit(found: Reduction, known: Facts) -> str:
    body = f"<p>The audit says: {escape(verdict(known.summary or {}))}.</p>"
    if known.violations:
        body += table("Violations", ["kind", "what", "items"], known.violations, texts=3)
    counted = [[what, number(count)] for what, count in found.marks_count.items()]
    body += table("Events beside puts, gets and dones", ["event", "how many"], counted)
    if found.marks:
        more = found.marks_count.total() - len(found.marks)
        rows = [[f"{mark.t_ns / _NS:.9f}", mark.what, mark.worker, mark.item, mark.why] for mark in found.marks]
        title = f"The first {len(rows):,} of them" if more else "All of them"
        body += folded(title, table(title, ["at second", "event", "worker", "item", "what"], rows, texts=5))
    return body


def _config(known: Facts) -> str:
    config = text(known.config) if known.config is not None else "<p>There is no config beside this log.</p>"
    body = f"<h3>Config</h3>{config}"
    if known.manifest is not None:
        body += "<h3>Manifest</h3>" + listed({key: plain(value) for key, value in known.manifest.items()})
    return body
