"""The plainest workers' loops, which interpret no steps: whole numbers put without a pause, items got without work.

    seqs, items of a range --put_number(s)--> [ queue ] --read--> tickets
              |                                                      |
              +--one record a write in the journal: puts             +--one record a read: gets and dones in one

What `planning.steps` and `worker` say of such a worker is told here once more, in one loop over local variables,
without an object for the step, one for the item and a generator in between: an item costs half the time, and in a batch
a tenth. What a supervisor, a journal's reader or a queue's other end sees is the same, in the same order; that is what
tests/test_express.py holds the two to, and why see docs/decisions/0011.

Where there is no work, an item is done as it is got: both are one record, so whoever is killed has it in hand or has
done it.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Final

from runner.engines.board import BLOCKED, DONES, GETS, PUTS, STATE, STOP, TAKEN, State
from runner.engines.items import numbers
from runner.envelope import HEADED, HEADS_END, head, packed_numbers
from runner.log.journal import DONE, GET, GET_DONE, NO_SECOND, PUT, mark
from runner.planning.plan import Role
from runner.queues.contract import NumberReader, NumberWriter, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.engines.board import Slot
    from runner.log.journal import JournalWriter
    from runner.planning.plan import WorkerPlan
    from runner.queues.contract import Reader, Writer

AT_ONCE_NS: Final = 20_000
"""A put or get that takes no longer has not waited for anybody; the board is spared it."""
_PUTTING: Final = int(State.PUTTING)
_GETTING: Final = int(State.GETTING)
_SIZE: Final = HEADED.size
_unpack_from: Final = HEADED.unpack_from
_EVERYTHING: Final = 1 << 62
"""A quota that nobody meets."""
_GOT_AND_DONE: Final = mark(GET_DONE, 0)


def express(
    plan: WorkerPlan, journal: JournalWriter, slot: Slot, reader: Reader, writer: Writer, batch: int, after: int
) -> Callable[[], None] | None:
    """The loop of a plain worker, up to where its steps have it close its end; None for every other worker.

    Args:
        plan: Who it is.
        journal: Its own.
        slot: Its own on the board.
        reader: The end it gets from.
        writer: The end it puts into.
        batch: Largest number of items in one write.
        after: The last seq that a former incarnation has begun to put; -1: none.
    """
    if isinstance(writer, NumberWriter) and writer.takes_numbers and _puts_without_pause(plan):
        known = numbers(plan, after)
        if known is not None:
            return _Producer(plan, journal, slot, writer, *known).loop(batch)
    if isinstance(reader, NumberReader) and _gets_without_work(plan):
        return _Consumer(plan, journal, slot, reader).get_all
    return None


def _puts_without_pause(plan: WorkerPlan) -> bool:
    group = plan.group
    paced = group.open or group.pause.constant != 0 or group.duration_ns is not None or group.dismissible
    return group.role is Role.PRODUCER and not (paced or group.payload or plan.faults)


def _gets_without_work(plan: WorkerPlan) -> bool:
    group = plan.group
    works = group.call is not None or (group.service is not None and group.service.constant != 0)
    return group.role is Role.CONSUMER and not (works or plan.faults)


class _Producer:
    """Puts whole numbers: `seqs` and `items` of each."""

    def __init__(
        self, plan: WorkerPlan, journal: JournalWriter, slot: Slot, writer: NumberWriter, seqs: range, items: range
    ) -> None:
        self._journal = journal
        self._slot = slot
        self._writer = writer
        self._seqs = seqs
        self._items = items
        self._head = head(plan.index, 1)
        self._mark = mark(PUT, self._head, NO_SECOND)

    def loop(self, batch: int) -> Callable[[], None]:
        """What puts them all, so many in a write."""
        return self._put_one_by_one if batch == 1 else lambda: self._put_in_batches(batch)

    def _put_one_by_one(self) -> None:
        words, base = self._slot.words, self._slot.base
        stop, puts, count = base + STOP, base + PUTS, self._slot.puts
        put, log, now = self._writer.put_number, self._journal.log_number, monotonic_ns
        head, mark, at_once = self._head, self._mark, AT_ONCE_NS
        words[base + STATE] = _PUTTING
        for seq, item in zip(self._seqs, self._items, strict=True):
            if words[stop]:
                raise Stopped
            began = now()
            put(head, seq, began, item)
            returned = now()
            wait = returned - began
            if wait > at_once:
                words[base + BLOCKED] += wait
            log(mark, returned, wait, 0, seq, item)
            count += 1
            words[puts] = count

    def _put_in_batches(self, batch: int) -> None:
        words, base = self._slot.words, self._slot.base
        for start in range(0, len(self._seqs), batch):
            seqs, items = self._seqs[start : start + batch], self._items[start : start + batch]
            while seqs:
                if words[base + STOP]:
                    raise Stopped
                words[base + STATE] = _PUTTING
                began = monotonic_ns()
                tickets = packed_numbers(self._head, seqs, items, began)
                count = self._writer.put_numbers(tickets)
                returned = monotonic_ns()
                wait = returned - began
                if wait > AT_ONCE_NS:
                    words[base + BLOCKED] += wait
                self._log(tickets[: count * _SIZE], seqs, items, returned, wait)
                seqs, items = seqs[count:], items[count:]
                words[base + PUTS] += count

    def _log(self, tickets: bytes, seqs: range, items: range, returned: int, wait: int) -> None:
        if len(tickets) == _SIZE:
            self._journal.log_number(self._mark, returned, wait, 0, seqs[0], items[0])
        else:
            self._journal.log_packed(PUT, tickets, returned, wait)


class _Consumer:
    """Gets items and is done with each."""

    def __init__(self, plan: WorkerPlan, journal: JournalWriter, slot: Slot, reader: NumberReader) -> None:
        self._quota = plan.group.quota
        self._journal = journal
        self._slot = slot
        self._reader = reader

    def get_all(self) -> None:
        """Until the quota is met or the stream ends."""
        words, base = self._slot.words, self._slot.base
        stop, gets, dones = base + STOP, base + GETS, base + DONES
        got, done = self._slot.gets, self._slot.dones
        left = _EVERYTHING if self._quota is None else self._quota - done
        read, log, now, tickets = self._reader.read, self._journal.log_number, monotonic_ns, self._reader.tickets
        size, at_once, heads_end = _SIZE, AT_ONCE_NS, HEADS_END
        words[base + STATE] = _GETTING
        words[base + TAKEN] = 0  # nothing is ever under work
        while left > 0:
            if words[stop]:
                raise Stopped
            began = now()
            bytes_read = read(left)
            returned = now()
            count = 1
            if bytes_read == size:
                head, seq, put_began, item = _unpack_from(tickets)
                if head < heads_end:
                    log(_GOT_AND_DONE | head, returned, returned - began, returned - put_began, seq, item)
                else:
                    returned = self._log_many(bytes(tickets[:size]), began, returned)
            elif bytes_read:
                count = bytes_read // size
                returned = self._log_many(bytes(tickets[:bytes_read]), began, returned)
            else:
                return
            if returned - began > at_once:
                words[base + BLOCKED] += returned - began
            got += count
            done += count
            left -= count
            words[gets] = got
            words[dones] = done

    def _log_many(self, tickets: bytes, began: int, returned: int) -> int:
        """Log what was read; returns the instant at which it was got: later where some has to be looked up."""
        if self._reader.only_numbers(tickets):
            self._journal.log_packed(GET_DONE, tickets, returned, returned - began)
            return returned
        envelopes = self._reader.envelopes(tickets)
        returned = monotonic_ns()
        for envelope in envelopes:
            self._journal.log(GET, envelope, returned, returned - began, returned - envelope.began)
        for envelope in envelopes:
            self._journal.log(DONE, envelope, returned, 0, 0)
        return returned
