"""What an event log must fulfil, as rules over all its lines; the second opinion on the audit, sharing no code with it.

Nothing here is clever or fast: a rule looks at every pair it is about, and asks of each line what stood before it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

from rows import FATES, Log, Row, log_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lines import Record

FIFO = ("pipe", "multiprocessing.SimpleQueue", "multiprocessing.Manager")
NEVER = 1 << 60


def broken(records: list[Record]) -> set[str]:
    """Return the classes of all rules that a log breaks."""
    log = log_from(records)
    return {kind for rule in RULES for kind in rule(log)}


def structure(log: Log) -> Iterator[str]:
    if any(row.event == "run.start" for row in log.rows[1:]):
        yield "unexpected"
    ends = log.of("run.end")
    if ends and ends[0] is not log.rows[-1]:
        yield "unexpected"
    if any(later.t < row.t for row, later in zip(log.rows, log.rows[1:], strict=False)):
        yield "causality"


def places(log: Log) -> Iterator[str]:
    """Workers and queues are those of run.start, and each worker uses its own."""
    for row in log.of("put", "get", "done", "worker.start", "worker.died", "worker.exit"):
        group = log.group_of(row.worker)
        if not group or (row.queue is not None and row.queue != group["to" if row.event == "put" else "from"]):
            yield "unexpected"
    if any(row.queue not in log.queues for row in log.of("redelivery", *FATES)):
        yield "unexpected"


def lives(log: Log) -> Iterator[str]:
    """A worker acts between its start and its exit, one incarnation after the other, one thing after the other."""
    for worker in {row.worker for row in log.rows if row.worker is not None and log.group_of(row.worker)}:
        rows = [row for row in log.rows if row.worker == worker]
        acts = [row for row in rows if row.event in ("put", "get", "done") and not row.recovered]
        yield from _incarnations(rows)
        for row in acts:
            before = [each for each in rows if each.line < row.line and each.event in ("worker.start", "worker.exit")]
            started = any(each.event == "worker.start" for each in before)
            if not started or (before[-1].event == "worker.exit" and before[-1].t < row.t):
                yield "causality"
            same = [each for each in acts if (each.event, each.t) == (row.event, row.t)]
            if row.event != "done" and row.wait_ns not in (0, same[0].wait_ns):
                yield "causality"
        yield from _time(rows, acts)


def _incarnations(rows: list[Row]) -> Iterator[str]:
    alive, last = False, 0
    for row in rows:
        if row.event == "worker.start":
            number = last + 1 if row.incarnation is None else row.incarnation
            if alive or number <= last:
                yield "causality"
            alive, last = True, max(number, last)
        elif row.event in ("worker.died", "worker.exit"):
            alive = False
            if row.event == "worker.died":
                last = max(last, row.incarnation or 1)


def _time(rows: list[Row], acts: list[Row]) -> Iterator[str]:
    """No incarnation waits and works longer than it lives; the wait of a batch counts once."""
    for gone in (row for row in rows if row.event == "worker.exit"):
        starts = [row for row in rows if row.event == "worker.start" and row.line < gone.line]
        own = [row for row in acts if starts and starts[-1].line < row.line < gone.line]
        waits = {(row.event, row.t): row.wait_ns for row in reversed(own) if row.event != "done"}
        if (
            own
            and sum(waits.values()) + sum(row.service_ns for row in own if row.event == "done") > gone.t - starts[-1].t
        ):
            yield "causality"


def puts(log: Log) -> Iterator[str]:
    """An item is put once, by whom it is named after, in the order of seqs; the supervisor puts for the dead only."""
    last: dict[str, tuple[int, str]] = {}
    for row in log.of("put"):
        key, role = (row.queue, row.id), log.group_of(row.worker).get("role")
        if row.number != 1 or len([each for each in log.items[key] if each.event == "put"]) > 1:
            yield "duplicated"
        if row.wait_ns < 0:
            yield "causality"
        gone = [each for each in log.lives_of(row.worker) if each.line < row.line and each.event != "worker.start"]
        if row.recovered and not gone:
            yield "causality"
        if role == "producer":
            if not row.id.startswith(f"{row.worker}:"):
                yield "unexpected"
            elif not row.recovered:
                if (len(row.id), row.id) <= last.get(row.worker, (0, "")):
                    yield "order"
                last[row.worker] = len(row.id), row.id
        elif role == "stage":
            yield from _relayed(log, row)


def lateness(log: Log) -> Iterator[str]:
    """Who has open pacing is a producer, puts everything so, and nothing before it is due, in the order of that."""
    for worker in {row.worker for row in log.of("put")}:
        rows = [row for row in log.of("put") if row.worker == worker]
        late = [row for row in rows if row.late_ns is not None]
        if late and (len(late) < len(rows) or log.group_of(worker).get("role") != "producer"):
            yield "causality"
        dues = [row.began - row.late_ns for row in late]
        ordered = [row.began - row.late_ns for row in late if not row.recovered]
        if any(row.late_ns < 0 for row in late) or min(dues, default=0) < 0 or ordered != sorted(ordered):
            yield "causality"


def _relayed(log: Log, row: Row) -> Iterator[str]:
    source = log.group_of(row.worker)["from"]
    parents = [(source, row.id), (source, row.id.rpartition(".")[0])]
    if row.recovered:
        known = [each for key in parents for each in log.items[key] if each.line < row.line]
        if not any(each.event == "put" or (each.event == "get" and log.first_put((source, each.id))) for each in known):
            yield "unexpected"
        return
    held = [log.holder(key, row.line) for key in parents]
    if not any(hold is not None and hold.worker == row.worker for hold in held):
        yield "unexpected"


def gets(log: Log) -> Iterator[str]:
    """Each delivery is got once, after its put began; latency counts from the first put."""
    for row in log.of("get"):
        key = row.queue, row.id
        now = log.redeliveries(key, row.line)
        same = [each for each in log.items[key] if each.event == "get" and each.number == row.number]
        again = [each for each in log.items[key] if each.event == "redelivery" and each.number == row.number]
        ahead = row.number == now + 1 and (again or not log.complete)
        later = [each for each in log.items[key] if each.event == "get" and each.number > row.number]
        if (row.number != now and not ahead) or same[0] is not row or any(each.line < row.line for each in later):
            yield "duplicated"
        if log.is_over(key, row.line):
            yield "duplicated"
        if row.wait_ns < 0 or row.latency_ns < 0 or any(row.t < each.began for each in again):
            yield "causality"
        put = log.first_put(key)
        if put is None and log.complete:
            yield "unexpected"
        if put is not None and row.t - row.latency_ns != put.began:
            yield "causality"


def latencies(log: Log) -> Iterator[str]:
    """All gets of an item agree on when it was put."""
    for key in list(log.items):
        if len({row.t - row.latency_ns for row in log.items[key] if row.event == "get"}) > 1:
            yield "causality"


def redeliveries(log: Log) -> Iterator[str]:
    """What is handed out again was in the hands of one who died, and is not done."""
    for row in log.of("redelivery"):
        key = row.queue, row.id
        if row.number != log.redeliveries(key, row.line) + 1:
            yield "duplicated"
        if row.began > row.t:
            yield "causality"
        early = [each for each in log.items[key] if each.event == "get" and each.number == row.number]
        overtaken = [each for each in early if each.line < row.line]
        if log.is_over(key, overtaken[0].line if overtaken else row.line):
            yield "unexpected"
        if log.first_put(key) is None and log.complete:
            yield "unexpected"
        holder = log.holder(key, overtaken[0].line if overtaken else row.line)
        yield from _deprived(log, row, holder)


def _deprived(log: Log, row: Row, holder: Row | None) -> Iterator[str]:
    dead = row.keys.get("from")
    if dead is not None and log.group_of(dead).get("from") != row.queue:
        yield "unexpected"
        return
    if dead is not None and holder is not None and dead != holder.worker:
        yield "unexpected"
        return
    name = dead if holder is None else holder.worker
    gone = [each for each in log.lives_of(name) if each.line < row.line and each.event != "worker.start"]
    if name is not None and not any(holder is None or each.t >= holder.t for each in gone):
        yield "causality"


def dones(log: Log) -> Iterator[str]:
    """An item is done by whom holds it, as that delivery, within the time it was held."""
    for row in log.of("done"):
        key = row.queue, row.id
        holder = log.holder(key, row.line)
        if holder is None:
            yield from ("duplicated", "unexpected", "causality")
            continue
        if holder.worker != row.worker:
            yield "unexpected"
        if holder.number != row.number:
            yield "duplicated"
        if not 0 <= row.service_ns <= row.t - holder.t:
            yield "causality"


def fates(log: Log) -> Iterator[str]:
    """A fate is told once of what is not done, of the hands it is in; what is lost is lost."""
    for row in log.of(*FATES):
        key = row.queue, row.id
        holder = log.holder(key, row.line)
        known = any(each.event in ("put", "redelivery") and each.line < row.line for each in log.items[key])
        if holder is None:
            right = known and 1 <= row.number <= log.redeliveries(key, row.line)
        else:
            right = row.worker in (None, holder.worker) and row.number == holder.number
        if log.is_over(key, row.line) or not right:
            yield "unexpected"
        if row.event == "lost":
            yield "lost"


def conservation(log: Log) -> Iterator[str]:
    for key, rows in list(log.items.items()):
        if log.complete and log.first_put(key) and not any(row.event in ("done", *FATES) for row in rows):
            yield "lost"


def order(log: Log) -> Iterator[str]:
    """Items of one writer reach one reader in the order put; first deliveries, and not what was recovered."""
    got: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    for row in log.of("get"):
        put = log.first_put((row.queue, row.id))
        if put is not None and not put.recovered and row.number == 1:
            got[row.queue, put.worker, row.worker].append((put.line, row.line))
    for pairs in got.values():
        if any((a[0] < b[0]) != (a[1] < b[1]) for a, b in combinations(pairs, 2)):
            yield "order"


def quotas(log: Log) -> Iterator[str]:
    for name, group in log.groups.items():
        event = {"producer": "put", "consumer": "done"}.get(group["role"])
        handled = [row for row in log.of(event or "") if str(row.worker).rpartition("-")[0] == name]
        if group["planned"] is not None and len(handled) > group["planned"]:
            yield "quota"


def totals(log: Log) -> Iterator[str]:
    counted = Counter(row.event for row in log.rows)
    words = {"put": "put", "got": "get", "done": "done", "redelivered": "redelivery"} | {fate: fate for fate in FATES}
    for end in log.of("run.end")[:1]:
        if any(end.totals.get(word, counted[event]) != counted[event] for word, event in words.items()):
            yield "totals"


def depth(log: Log) -> Iterator[str]:
    """Puts returned minus gets begun, at most `maxsize`; what a death may have hidden counts as got at once."""
    for name, facts in log.queues.items():
        if not log.complete or not facts["maxsize"]:
            continue
        returned = sorted(row.t for row in log.of("put", "redelivery") if row.queue == name)
        begun = [row.began for row in log.of("get") if row.queue == name] + _hidden(log, name)
        if any(sum(t <= now for t in returned) - sum(t <= now for t in begun) > facts["maxsize"] for now in returned):
            yield "depth"


def _hidden(log: Log, queue: str) -> list[int]:
    """When gets may have begun that are not logged: of slipped items, and for each dead reader a batch never got."""
    instants = []
    for row in (row for row in log.of("redelivery") if row.queue == queue):
        before = [each for each in log.items[queue, row.id] if each.number == row.number - 1]
        if not any(each.event == "get" for each in before):
            instants.append(min([each.t for each in before if each.event in ("put", "redelivery")], default=row.t))
    deaths = {(row.worker, row.t) for row in log.of("worker.died", "worker.exit") if _bereaves(log, row, queue)}
    kept = sorted(
        rows[0].t for key, rows in log.items.items()
        if key[0] == queue and log.first_put(key) and not any(row.event == "get" for row in rows)
    )  # fmt: skip
    return instants + kept[: len(deaths) * log.queues[queue].get("batch", 1)]


def _bereaves(log: Log, row: Row, queue: str) -> bool:
    """Whether a reader of the queue died."""
    own = log.group_of(row.worker).get("from") == queue
    return own and bool(row.event == "worker.died" or row.signal or row.exit_code)


def fifo(log: Log) -> Iterator[str]:
    """No value was put after another and got before it; what is not logged may have been at any time."""
    for name, facts in log.queues.items():
        if facts["kind"] not in FIFO and log.rows[0].engine not in ("threads", "simulation"):
            continue
        values = [_value(log, put) for put in log.of("put", "redelivery") if put.queue == name]
        for (a, b), (c, d) in (pair for one, two in combinations(values, 2) for pair in ((one, two), (two, one))):
            if a[1] < c[0] and d[1] < b[0]:
                yield "fifo"


def _value(log: Log, put: Row) -> tuple[tuple[int, int], tuple[int, int]]:
    """Intervals of a put and of its get."""
    key = put.queue, put.id
    interval = put.began, put.t
    got = [row for row in log.items[key] if row.event == "get" and row.number == put.number]
    if got:
        return interval, (got[0].began, got[0].t)
    again = [row for row in log.items[key] if row.event == "redelivery" and row.number == put.number + 1]
    if again:
        return interval, (put.began, again[0].t)
    deaths = [row.t for row in log.of("worker.died", "worker.exit") if _bereaves(log, row, put.queue)]
    maybe = not log.complete or put.began <= max(deaths, default=-NEVER)
    return interval, (put.began, NEVER) if maybe else (NEVER, NEVER)


RULES: tuple[Callable[[Log], Iterator[str]], ...] = (
    structure, places, lives, puts, lateness, gets, latencies, redeliveries, dones, fates, conservation, order, quotas,
    totals, depth, fifo,
)  # fmt: skip
