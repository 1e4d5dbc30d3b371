"""Tables of figures, as rich draws them; what is in them is decided here, where they go is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.measure import Measurement
from rich.table import Table

from runner.config.bounds import SECONDS, kind_of
from runner.figures import NONE, duration, number, share, uncertainty

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

_MOST_WORKERS: Final = 16
_UNLIMITED: Final = 10_000
"""Columns; broader than any table."""
_TIMES: Final = {
    "latency": "latency", "sojourn": "sojourn", "wait_put": "wait of puts", "wait_get": "wait of gets",
    "service": "service", "lateness": "lateness",
}  # fmt: skip
_PERCENTILES: Final = ("mean", "p50", "p90", "p95", "p99", "max")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1, remarks: int = 0) -> Table:
    """A table whose first `texts` and last `remarks` columns are texts and whose others are figures."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    cells = [*rows]
    for place, column in enumerate(columns):
        if place < texts or place >= len(columns) - remarks:
            made.add_column(column)
        else:
            broadest = max(map(len, [column, *(row[place] for row in cells)]))
            made.add_column(column, justify="right", no_wrap=True, min_width=broadest)
    for row in cells:
        made.add_row(*row)
    return made


def drawn(parts: Iterable[Table | str], console: Console) -> str:
    """Tables and texts as the console shows them, with an empty line between two.

    No name and no figure is cut: a table that cannot be as narrow as the console is broader.
    """
    with console.capture() as capture:
        for place, part in enumerate(parts):
            if place:
                console.print()
            console.width = max(console.width, _narrowest(part, console))
            console.print(part)
    return capture.get()


def _narrowest(part: Table | str, console: Console) -> int:
    if isinstance(part, str):
        return 0
    return Measurement.get(console, console.options.update_width(_UNLIMITED), part).minimum


def closing(summary: Mapping[str, Any]) -> list[Table | str]:
    """What is to be seen of a run at its end.

    Args:
        summary: The content of summary.json.
    """
    parts: list[Table | str] = [_headline(summary), _items(summary["items"]), _times(summary)]
    parts.append(uncertainty(summary) or "")
    parts.append(_queues(summary["queues"], summary["workers"]))
    parts += _measuring_faults(summary["queues"])
    workers = summary["workers"]
    parts.append(_workers(workers) if len(workers) <= _MOST_WORKERS else _groups(workers))
    parts.append(summary["bottleneck"] or "")
    parts.append(expectations(summary.get("expectations") or ()))
    return [part for part in parts if (part if isinstance(part, str) else part.row_count)]


def expectations(found: Sequence[Mapping[str, Any]]) -> Table:
    """Each bound, what was measured, and whether it is met.

    Args:
        found: As a summary holds them.
    """
    rows = [[f"{each['metric']} {each['bound']}", measured(each), "yes" if each["met"] else "no"] for each in found]
    return table(["bound", "measured", "met"], rows)


def missed(found: Iterable[Mapping[str, Any]]) -> str:
    """The bounds that are not met and what was measured, in a line."""
    return "; ".join(f"{each['metric']} {each['bound']}: {measured(each)}" for each in found if not each["met"])


def measured(expectation: Mapping[str, Any]) -> str:
    """What was measured of an expectation's metric, in its unit."""
    value = expectation["measured"]
    if value is None:
        return "no samples"
    return duration(value) if kind_of(expectation["metric"]) == SECONDS else number(value)


def verdict(audit: Mapping[str, Any]) -> str:
    """The audit's result in a few words."""
    if audit["valid"] == "unknown":
        return "audit unknown: the log is incomplete"
    if audit["valid"]:
        return "audit valid"
    count = audit["violations"]
    return f"audit not valid: {count:,} violation{'s' if count != 1 else ''}"


def _headline(summary: Mapping[str, Any]) -> str:
    code = summary["exit_code"]
    status = summary["status"] if code is None else f"{summary['status']} (exit {code})"
    return (
        f"{status}, {verdict(summary['audit'])}, seed {summary['seed']}, "
        f"makespan {duration(summary['makespan_s'])}, {number(summary['throughput'])} items/s"
    )


def _items(items: Mapping[str, Any]) -> Table:
    always = ("planned", "put", "got", "done")
    shown = [key for key in items if key in always or items[key]]
    return table([*(f"items {key}" if key == "planned" else key for key in shown)],
                 [[number(items[key]) for key in shown]], texts=0)  # fmt: skip


def _times(summary: Mapping[str, Any]) -> Table:
    rows = [
        [title, number(spread["count"]), *(duration(spread[key]) for key in _PERCENTILES)]
        for key, title in _TIMES.items()
        if (spread := summary[key])["count"]
    ]
    return table(["time", "count", *_PERCENTILES], rows)


def _queues(queues: Mapping[str, Any], workers: Mapping[str, Any]) -> Table:
    """With the fairness among readers where a queue has several: then there are more of them than queues."""
    shared = sum(worker["role"] != "producer" for worker in workers.values()) > len(queues)
    rows = [
        [name, number(queue.get("capacity")), number(queue["max_depth"]), number(queue["mean_depth"]),
         duration(queue["latency"]["p50"]), duration(queue["latency"]["p99"]),
         *([number(queue.get("fairness"))] if shared else [])]
        for name, queue in queues.items()
    ]  # fmt: skip
    columns = ["queue", "capacity", "max depth", "mean depth", "latency p50", "p99"]
    return table([*columns, *(["fairness"] if shared else [])], rows)


def _measuring_faults(queues: Mapping[str, Any]) -> list[Table | str]:
    """A sentence for each queue that held something else than its log says."""
    laws = {name: law for name, queue in queues.items() if (law := queue.get("littles_law")) and law["fault"]}
    return [
        f"measuring fault: {name} held {number(law['sampled'])} items on average when it was looked at "
        f"({number(law['samples'])} times), and {number(law['by_log'])} by its log (Little's law); "
        f"sampling explains {number(law['half_width'])}"
        for name, law in laws.items()
    ]


def _workers(workers: Mapping[str, Any]) -> Table:
    replaced = any(worker["incarnations"] > 1 for worker in workers.values())
    rows = [
        [name, worker["role"], *(number(worker[key]) for key in ("puts", "gets", "done")),
         *(duration(worker[key]) for key in ("busy_s", "wait_s", "sleep_s")), share(worker["utilization"]),
         _exit(worker["exit_code"]), *([number(worker["incarnations"])] if replaced else [])]
        for name, worker in workers.items()
    ]  # fmt: skip
    columns = ["worker", "role", "puts", "gets", "done", "busy", "wait", "sleep", "util.", "exit"]
    return table([*columns, *(["lives"] if replaced else [])], rows, texts=2)


def _groups(workers: Mapping[str, Any]) -> Table:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for name, worker in workers.items():
        groups.setdefault(name.rpartition("-")[0], []).append(worker)
    rows = [[name, members[0]["role"], number(len(members)), *_sums(members)] for name, members in groups.items()]
    return table(
        ["group", "role", "workers", "puts", "gets", "done", "busy", "wait", "sleep", "util.", "failed"],
        rows, texts=2,
    )  # fmt: skip


def _sums(members: Sequence[Mapping[str, Any]]) -> list[str]:
    shares = [worker["utilization"] for worker in members if worker["utilization"] is not None]
    failed = sum(worker["exit_code"] != 0 for worker in members)
    return [
        *(number(sum(worker[key] for worker in members)) for key in ("puts", "gets", "done")),
        *(duration(sum(worker[key] for worker in members)) for key in ("busy_s", "wait_s", "sleep_s")),
        share(sum(shares) / len(shares) if shares else None),
        number(failed),
    ]


def _exit(code: int | None) -> str:
    return NONE if code is None else str(code)
