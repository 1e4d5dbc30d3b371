"""The broker of a queue between machines: one actor that holds the items, and answers for them until they are done.

    writer --put--> [ items ] --get--> leases of a reader --settled--> gone
                        ^                     |
    supervisor --offer--+-------- bury -------+    a dead reader's leases are handed out again

A put waits for room and a get for an item: what they give is a future, answered in the order in which they came.

An item is leased to the reader that got it and gone only when that reader says it is done, or set aside. Readers work
their items off in order, so a number says which.

**Reports.** With each call comes what the worker has to tell since the last one: records of its journal, its words of
the board, how many items it has settled. What belongs together arrives together, whoever dies when: an item that counts
as settled has its `done` among the records. The supervisor collects the records; they are kept here until its next call
says that they have arrived, and in the worker until an answer says so, in case the broker dies.

**The dead.** Once a worker is buried, nothing it says counts any more, also when only its node's connection is dead.

**The end** of the stream comes when every writer has closed, nothing is left, and nothing is leased that could come
back. Everybody who waits is woken by what they wait for, by the order to stop, or by their burial.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

Holder: TypeAlias = tuple[int, int]
"""An incarnation of a worker: its index in the plan, and which one, from 1."""
Chunk: TypeAlias = tuple[int, bytes]
"""Records of one journal, with the offset in it where they begin."""

_MOST_KEPT: Final = 1 << 25
"""Bytes of records that are kept for the supervisor before workers have to wait for it."""


class Report(NamedTuple):
    """What a worker tells.

    Attributes:
        number: From 0; reports are heeded in this order.
        chunk: Records since the last report.
        words: Its words of the board.
        settled: Items this incarnation has got and done or set aside, by the records up to here.
        gets: Items it has got by the records up to here.
    """

    number: int
    chunk: Chunk
    words: tuple[int, ...]
    settled: int
    gets: int


class Verdict(IntEnum):
    """Whether a call was obeyed."""

    DONE = 0
    STOPPED = 1
    BURIED = 2


class Reply(NamedTuple):
    """The answer to a worker.

    Attributes:
        verdict: Whether it was obeyed.
        confirmed: Up to which offset the supervisor has the worker's records.
        count: How many tickets of a put were taken.
        tickets: What a get gives; none at the stream's end.
    """

    verdict: Verdict
    confirmed: int = 0
    count: int = 0  # type: ignore[assignment]  # nobody counts in a reply
    tickets: tuple[bytes, ...] = ()


class Collected(NamedTuple):
    """The answer to the supervisor.

    Attributes:
        number: To be given with the next call.
        depth: Items in the queue.
        chunks: Records by whose they are.
        words: The last known words of the board of whoever has reported.
    """

    number: int
    depth: int
    chunks: list[tuple[Holder, Chunk]]
    words: list[tuple[Holder, tuple[int, ...]]]


class Remains(NamedTuple):
    """What a dead worker leaves here.

    Attributes:
        hand: What it had got and not settled, in order.
        begun: What it had put and not yet reported.
        chunks: Its records as far as the supervisor may not have them.
    """

    hand: list[bytes]
    begun: list[bytes]
    chunks: list[Chunk]


@dataclass(slots=True, eq=False)
class _Account:
    """What is known of one incarnation."""

    leases: deque[bytes] = field(default_factory=deque)
    begun: deque[bytes] = field(default_factory=deque)
    put: int = 0
    handed: int = 0
    gets: int = 0
    settled: int = 0
    ahead: bool = False
    stopped: bool = False
    buried: bool = False
    expected: int = 0
    early: dict[int, Report] = field(default_factory=dict)
    chunks: deque[Chunk] = field(default_factory=deque)
    given: int = 0
    confirmed: int = 0
    words: tuple[int, ...] = ()
    fresh: bool = False

    @property
    def waiting(self) -> int:
        """Items it was handed ahead of time and has not begun to get."""
        return max(0, self.handed - self.gets) if self.ahead and not self.buried else 0


@dataclass(slots=True, eq=False)
class _Waiter:
    """A put or get that is not answered.

    Attributes:
        account: Whose.
        answer: Where the reply goes.
        tickets: What is put.
        limit: How many are got.
    """

    account: _Account
    answer: asyncio.Future[Reply]
    tickets: list[bytes]
    limit: int = 0


class Broker:
    """See above; it lives in an event loop, and nothing in it takes long.

    Args:
        maxsize: Largest number of items in the queue; 0: no bound.
        writers: Workers that will put.
    """

    def __init__(self, maxsize: int, writers: int) -> None:
        self._bound = maxsize or float("inf")
        self._items: deque[bytes] = deque()
        self._accounts: dict[Holder, _Account] = {}
        self._putters: deque[_Waiter] = deque()
        self._getters: deque[_Waiter] = deque()
        self._writing = writers
        self._closed: set[int] = set()
        self._leased = 0
        self._owed = 0
        self._ahead = 0
        self._kept = 0
        self._stopped = False
        self._precedence = False
        self._answers = 0

    def put(self, holder: Holder, tickets: list[bytes], logged: int, report: Report | None) -> asyncio.Future[Reply]:
        """Take the first of the tickets, once there is room for one.

        Args:
            holder: Who puts.
            tickets: What.
            logged: How many puts into this queue its records account for that are safe.
            report: Of a worker that reports to this broker.
        """
        account = self._heard(holder, report)
        self._forget_begun(account, logged)
        return self._queue(self._putters, _Waiter(account, _future(), tickets))

    def get(self, holder: Holder, limit: int, ahead: bool, report: Report | None) -> asyncio.Future[Reply]:
        """Lease up to `limit` items, as soon as there is one; none at the stream's end.

        Args:
            holder: Who gets.
            limit: Largest number.
            ahead: Whether the worker may begin to get them later: until then they take up room in the queue.
            report: What it has to tell.
        """
        account = self._heard(holder, report)
        account.ahead |= ahead
        return self._queue(self._getters, _Waiter(account, _future(), [], limit))

    def note(self, holder: Holder, report: Report) -> Reply:
        """Take a report."""
        account = self._heard(holder, report)
        self._serve()
        return Reply(Verdict.BURIED if account.buried else Verdict.DONE, account.confirmed)

    def close(self, holder: Holder, logged: int, report: Report | None) -> Reply:
        """The worker puts no more."""
        account = self._heard(holder, report)
        self._forget_begun(account, logged)
        if account.buried:
            return self._refusal(account)
        self.leave(holder[0])
        return Reply(Verdict.DONE, account.confirmed)

    def leave(self, worker: int) -> None:
        """Neither this worker nor a replacement puts any more."""
        if worker not in self._closed:
            self._closed.add(worker)
            self._writing -= 1
        self._serve()

    def collect(self, number: int) -> Collected:
        """What is new for the supervisor, who has the answer of this number and with it all before, but none after."""
        if number == self._answers:
            self._confirm()
        else:  # the last answer has not arrived
            for account in self._accounts.values():
                account.given, account.fresh = account.confirmed, bool(account.words)
        self._answers += 1
        chunks: list[tuple[Holder, Chunk]] = []
        words: list[tuple[Holder, tuple[int, ...]]] = []
        for holder, account in self._accounts.items():
            chunks += [(holder, chunk) for chunk in account.chunks if chunk[0] >= account.given]
            if account.chunks:
                account.given = _end_of(account.chunks[-1])
            if account.fresh:
                words.append((holder, account.words))
                account.fresh = False
        self._serve()
        return Collected(self._answers, len(self._items), chunks, words)

    def _confirm(self) -> None:
        """The supervisor has all it was given."""
        for account in self._accounts.values():
            account.confirmed = account.given
            while account.chunks and _end_of(account.chunks[0]) <= account.confirmed:
                self._kept -= len(account.chunks.popleft()[1])

    def bury(self, holder: Holder) -> Remains:
        """Heed nothing that this incarnation still says, and tell what it leaves."""
        account = self._accounts.setdefault(holder, _Account())
        self._ahead -= account.waiting
        account.buried = True
        hand, begun = list(account.leases), list(account.begun)
        account.leases.clear()
        account.begun.clear()
        self._leased -= len(hand)
        self._owed += len(hand)
        self._refuse()
        self._serve()
        return Remains(hand, begun, list(account.chunks))

    def offer(self, tickets: list[bytes]) -> int:
        """Put the first of these, which a dead worker had in hand, as far as there is room; returns how many."""
        count = int(max(0, min(len(tickets), self._bound - self._depth())))
        self._items.extend(tickets[:count])
        self._owed -= count
        self._precedence = count < len(tickets)
        self._serve()
        return count

    def forget(self, count: int) -> None:
        """So many items that dead workers had in hand are not handed out again."""
        self._owed -= count
        self._serve()

    def stop(self, holders: list[Holder] | None) -> None:
        """These, or all there ever are, neither put nor get any more; what they report is heeded."""
        self._stopped |= holders is None
        for holder in holders or ():
            self._accounts.setdefault(holder, _Account()).stopped = True
        self._refuse()

    def _queue(self, waiters: deque[_Waiter], waiter: _Waiter) -> asyncio.Future[Reply]:
        if self._is_out(waiter.account):
            waiter.answer.set_result(self._refusal(waiter.account))
        else:
            waiters.append(waiter)
        self._serve()
        return waiter.answer

    def _serve(self) -> None:
        """Answer whom can be answered, as long as one answer makes way for another."""
        moved = self._kept <= _MOST_KEPT
        while moved:
            moved = False
            while self._putters and not self._has_no_room():
                moved |= self._take_from(self._putters.popleft())
            while self._getters and (self._items or self._has_ended()):
                moved |= self._give_to(self._getters.popleft())

    def _take_from(self, putter: _Waiter) -> bool:
        if putter.answer.done():  # withdrawn
            return False
        account = putter.account
        count = int(min(len(putter.tickets), self._bound - self._depth()))
        tickets = putter.tickets[:count]
        self._items.extend(tickets)
        account.begun.extend(tickets)
        account.put += count
        putter.answer.set_result(Reply(Verdict.DONE, account.confirmed, count))
        return True

    def _give_to(self, getter: _Waiter) -> bool:
        if getter.answer.done():
            return False
        account = getter.account
        taken = tuple(self._items.popleft() for _ in range(min(getter.limit, len(self._items))))
        account.leases.extend(taken)
        account.handed += len(taken)
        self._leased += len(taken)
        if account.ahead:
            self._ahead += len(taken)
        getter.answer.set_result(Reply(Verdict.DONE, account.confirmed, 0, taken))
        return True

    def _refuse(self) -> None:
        """Answer those who wait and are not to."""
        for waiters in (self._putters, self._getters):
            for waiter in [waiter for waiter in waiters if self._is_out(waiter.account)]:
                waiters.remove(waiter)
                if not waiter.answer.done():
                    waiter.answer.set_result(self._refusal(waiter.account))

    def _depth(self) -> int:
        """Items that take up room."""
        return len(self._items) + self._ahead

    def _has_no_room(self) -> bool:
        return self._precedence or self._depth() >= self._bound

    def _has_ended(self) -> bool:
        return not (self._items or self._writing or self._leased or self._owed)

    def _is_out(self, account: _Account) -> bool:
        return self._stopped or account.stopped or account.buried

    def _refusal(self, account: _Account) -> Reply:
        return Reply(Verdict.BURIED if account.buried else Verdict.STOPPED, account.confirmed)

    def _heard(self, holder: Holder, report: Report | None) -> _Account:
        """The account, after what is reported, and all that was waiting for it."""
        account = self._accounts.get(holder)
        if account is None:
            account = self._accounts[holder] = _Account()
        if report is not None and not account.buried:
            account.early[report.number] = report
            waiting = account.waiting
            while (now := account.early.pop(account.expected, None)) is not None:
                account.expected += 1
                self._enter(account, now)
            self._ahead += account.waiting - waiting
        return account

    def _enter(self, account: _Account, report: Report) -> None:
        if report.chunk[1]:
            account.chunks.append(report.chunk)
            self._kept += len(report.chunk[1])
        for _ in range(report.settled - account.settled):
            account.leases.popleft()
        self._leased -= report.settled - account.settled
        account.settled, account.gets = report.settled, report.gets
        account.words, account.fresh = report.words, True

    def _forget_begun(self, account: _Account, logged: int) -> None:
        """Let go of puts that the worker's records account for, unless some of those are still on their way."""
        while not account.early and account.begun and account.put - len(account.begun) < logged:
            account.begun.popleft()


def _future() -> asyncio.Future[Reply]:
    return asyncio.get_running_loop().create_future()


def _end_of(chunk: Chunk) -> int:
    return chunk[0] + len(chunk[1])
