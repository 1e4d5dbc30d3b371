"""The line under the books: what can be judged only when the log is at its end."""

from __future__ import annotations

from array import array
from collections import Counter
from heapq import merge
from itertools import chain
from typing import TYPE_CHECKING

from runner.analysis import lateness, objections
from runner.analysis.accounts import RECOVERED
from runner.analysis.blur import Blur
from runner.analysis.depth import depths
from runner.analysis.totals import check_quotas, check_totals
from runner.analysis.violations import Counts, Kind
from runner.log.events import Failed, Left

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.analysis.accounts import QueueAccount, WorkerAccount
    from runner.analysis.ledger import Ledger
    from runner.analysis.linearizability import FifoCheck
    from runner.analysis.violations import Verdict


def close(ledger: Ledger, incomplete: str | None = None, fifo: FifoCheck | None = None) -> Verdict:
    """Close the books and give the verdict; call it once, after the last event.

    An incomplete log is judged by what no missing line could mend: not by items unaccounted for, by totals, nor by
    depth, since a get that took an item may have begun before the log breaks off and returned after.

    Args:
        ledger: The books.
        incomplete: Why the log is known not to be whole; None: it may be, and shows itself whether it is.
        fifo: What the queues' histories are checked with, where they are.
    """
    ledger.finish(whole=incomplete is None)
    incomplete = "; ".join(filter(None, [incomplete or _incomplete(ledger), ledger.doubt])) or None
    workers = list(ledger.workers.values())
    for worker in workers:
        ledger.last_ns = max(ledger.last_ns, worker.put_ns, worker.get_ns, worker.done_ns)
    ledger.end_warmup()
    for worker in workers:
        worker.rest_until(ledger.end.t_ns if ledger.end else ledger.last_ns)
    for queue in ledger.queues.values():
        _close_queue(ledger, queue, workers, complete=incomplete is None)
    lateness.close(ledger.violations, workers)
    check_quotas(ledger.violations, ledger.groups, workers)
    if incomplete is None:
        check_totals(
            ledger.violations, ledger.end, workers, ledger.fates, ledger.end_line, redelivered=ledger.redelivered
        )
    if fifo is not None:
        fifo.close(ledger.violations, complete=incomplete is None)
    return ledger.violations.verdict(incomplete, _counts(ledger))


def _close_queue(ledger: Ledger, queue: QueueAccount, workers: Sequence[WorkerAccount], *, complete: bool) -> None:
    for number, puts in Counter(queue.writers).items():
        if number < RECOVERED:
            workers[number].puts += puts
    if queue.recovered:
        _check_recovered(ledger, queue)
    for place in chain(queue.abandoned, queue.waiting.values()):
        queue.residence_ns += max(0, ledger.last_ns - queue.returned[place])
    _measure_depth(ledger, queue, judged=complete)
    if complete:
        _settle(ledger, queue)


def _incomplete(ledger: Ledger) -> str | None:
    if ledger.end is None:
        return "incomplete: the last line is torn" if ledger.torn else "incomplete: there is no run.end"
    if ledger.torn or ledger.end_line != ledger.lines:
        ledger.violations.add(Kind.UNEXPECTED, "lines after run.end", ledger.end_line, ledger.lines)
    return None


def _check_recovered(ledger: Ledger, queue: QueueAccount) -> None:
    """Object to a put beside the one that the supervisor logged for a dead worker; seqs do not tell, as elsewhere."""
    recovered = {hash(item): item for item in queue.recovered}
    first: dict[str, int] = {}
    for place, known in enumerate(queue.hashes):
        if known in recovered:
            item = recovered[known]
            if first.setdefault(item, place) != place:
                objections.to_second_put(ledger.violations, queue, item, first[item], place)


def _measure_depth(ledger: Ledger, queue: QueueAccount, *, judged: bool) -> None:
    instants, lines, begun = _instants(ledger, queue)
    over = None
    for place, depth in enumerate(depths(instants, begun)):
        if depth > queue.max_depth:
            queue.max_depth = depth
            if over is None and 0 < queue.maxsize < depth:
                over = place
    queue.max_depth_warm = ledger.warmup.deepest(instants, begun) if ledger.warmup.ns else queue.max_depth
    if judged and over is not None:
        message = f"queue {queue.name} held {queue.max_depth} items at most, its maxsize is {queue.maxsize}"
        ledger.violations.add(Kind.DEPTH, message, lines[over])


def _instants(ledger: Ledger, queue: QueueAccount) -> tuple[Sequence[int], Sequence[int], list[int]]:
    """Instants at which puts returned, their lines, and instants at which gets began, of which none is too early."""
    if ledger.clocks.largest_ns:
        blur = Blur(ledger.clocks, queue)
        queue.blur_ns = blur.item_ns
        return *blur.puts(), sorted(chain(blur.get_began, blur.before(_unlogged(ledger, queue))))
    return *_puts(queue), sorted(chain(queue.get_began, _unlogged(ledger, queue)))


def _puts(queue: QueueAccount) -> tuple[Sequence[int], Sequence[int]]:
    """Instants at which puts and redeliveries returned, ascending, and their lines."""
    if not queue.redelivered:
        return queue.returned, queue.lines
    instants, lines = array("q"), array("I")
    for instant, line in merge(zip(queue.returned, queue.lines, strict=True), queue.redelivered):
        instants.append(instant)
        lines.append(line)
    return instants, lines


def _unlogged(ledger: Ledger, queue: QueueAccount) -> list[int]:
    """Instants at which gets may have begun that a death kept from being logged.

    They are known of what was redelivered; of what nobody got, each dead reader may have received a batch.
    """
    deaths = sum(worker.deaths for worker in ledger.workers.values() if worker.source is queue)
    never_got = sorted(chain(queue.abandoned, queue.waiting.values())) if deaths else []
    return queue.slipped + [queue.returned[place] for place in never_got[: deaths * queue.batch]]


def _settle(ledger: Ledger, queue: QueueAccount) -> None:
    """Object to every item whose way does not end: got and never put, or put and neither done nor named."""
    found = ledger.violations
    for item, line in queue.unseen.items():
        if not queue.was_put(item):
            message = "redelivered, but nobody put it"
            found.add(Kind.UNEXPECTED, message, line, item=item, queue=queue.name)
    for handout in queue.handouts.values():
        if handout.ahead is not None:
            objections.to_delivery(found, handout.delivery, handout.ahead, handout.ahead_line)
    for item, hold in queue.early.items():
        queue.held.pop(item, None)
        who = hold.get.worker
        if queue.was_put(item):
            found.add(Kind.DUPLICATED, f"got by {who} a second time", hold.line, item=item, queue=queue.name)
        else:
            found.add(Kind.UNEXPECTED, f"got by {who}, nobody put it", hold.line, item=item, queue=queue.name)
    for item, place in queue.waiting.items():
        message = f"put into {queue.name}, never got, and neither left nor failed"
        found.add(Kind.LOST, message, queue.lines[place], item=item, queue=queue.name)
    for item, hold in queue.held.items():
        message = f"got by {hold.get.worker}, never done, and neither left nor failed"
        found.add(Kind.LOST, message, hold.line, item=item, queue=queue.name)


def _counts(ledger: Ledger) -> Counts:
    queues = ledger.queues.values()
    acknowledged = sum(len(queue.began) - len(queue.recovered) for queue in queues)
    recovered = sum(len(queue.recovered) for queue in queues)
    items = {kind.value: len(items) for kind, items in ledger.violations.items.items()}
    return Counts(
        attempted=acknowledged + recovered,
        acknowledged=acknowledged,
        recovered=recovered,
        redelivered=ledger.redelivered,
        early=sum(queue.overtaken for queue in queues),
        done=sum(worker.done for worker in ledger.workers.values()),
        left=ledger.fates[Left],
        failed=ledger.fates[Failed],
        **items,
    )
