"""Workers and a supervisor around a broker, without a cluster: who dies, dies at any instant, and what it sent arrives.

Each call travels for some turns of the event loop, so that calls overtake each other, and may arrive when whoever made
it is dead and buried. What was lost or doubled is known by the journals the supervisor has in the end.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from runner.queues.broker import Broker, Report, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.queues.broker import Chunk, Holder, Reply

RECORD = 8


@dataclass(frozen=True)
class Trade:
    """What is to happen."""

    seed: int
    maxsize: int
    writers: int
    readers: int
    items: int
    batch: int
    prefetch: int
    deaths: int


def trade(seed: int) -> Trade:
    """One of all kinds, by its number."""
    r = Random(seed)  # noqa: S311
    return Trade(
        seed, r.choice((0, 1, 1, 2, 5)), r.choice((1, 2, 3)), r.choice((1, 2, 3)), r.choice((0, 1, 8, 20)),
        r.choice((1, 1, 2, 4)), r.choice((0, 0, 1, 5)), r.choice((0, 0, 1, 3, 6)),
    )  # fmt: skip


class Journal:
    """Records of one incarnation, as they are sent and as they have arrived."""

    def __init__(self) -> None:
        self.sent = 0
        self.written = b""
        self.arrived = b""

    def log(self, kind: bytes, ticket: bytes) -> None:
        self.written += (kind + ticket).ljust(RECORD)

    def take(self) -> Chunk:
        start, self.sent = self.sent, len(self.written)
        return start, self.written[start:]

    def receive(self, chunk: Chunk) -> None:
        offset, records = chunk
        assert offset <= len(self.arrived), "a hole"
        assert self.arrived[offset : offset + len(records)] == records[: len(self.arrived) - offset]
        self.arrived += records[len(self.arrived) - offset :]

    def known(self, kind: bytes) -> list[bytes]:
        records = [self.arrived[k : k + RECORD] for k in range(0, len(self.arrived), RECORD)]
        return [record[1:].strip() for record in records if record[:1] == kind]


class Labourer:
    """One incarnation of a worker."""

    def __init__(self, market: Market, holder: Holder) -> None:
        self.market = market
        self.holder = holder
        self.journal = market.journals[holder]
        self.number = self.puts = self.gets = self.settled = 0
        self.ahead = 0
        self.dead = False
        self.task: asyncio.Task[None]

    def report(self) -> Report:
        number, self.number = self.number, self.number + 1
        return Report(number, self.journal.take(), (self.puts, self.gets, self.settled), self.settled, self.gets)

    async def note(self) -> None:
        await self.market.sent(self.market.broker.note, self.report(), who=self.holder)


class Write(Labourer):
    """Puts its items, and closes."""

    async def work(self, items: list[bytes]) -> None:
        market = self.market
        while items:
            batch = items[: market.what.batch]
            reply = await market.sent(market.broker.put, batch, self.puts, self.report(), who=self.holder)
            if reply.verdict is not Verdict.DONE:
                return
            for ticket in batch[: reply.count]:
                self.journal.log(b"P", ticket)
                self.puts += 1
            del items[: reply.count]
            await market.moment()
        reply = await market.sent(market.broker.close, self.puts, self.report(), who=self.holder)
        if reply.verdict is Verdict.DONE:
            market.closed.add(self.holder[0])


class Read(Labourer):
    """Gets until the end, and settles what it gets in order."""

    async def work(self) -> None:
        here: deque[bytes] = deque()
        coming: asyncio.Task[Reply] | None = None
        market, what = self.market, self.market.what
        while True:
            if (
                coming is None
                and (room := what.prefetch + what.batch - len(here)) > 0
                and not (here and not what.prefetch)
            ):
                ask = market.sent(market.broker.get, room, what.prefetch > 0, self.report(), who=self.holder)
                coming = asyncio.ensure_future(ask)
            if not here:
                assert coming is not None
                if not coming.done():
                    await self.note()
                reply, coming = await coming, None
                if reply.verdict is not Verdict.DONE or not reply.tickets:
                    market.ended[self.holder] = reply.verdict
                    return
                here.extend(reply.tickets)
                self.ahead = len(here)
            for _ in range(min(what.batch, len(here))):
                ticket = here.popleft()
                self.ahead = len(here)
                self.journal.log(b"G", ticket)
                self.gets += 1
                await market.moment()
                self.journal.log(b"D", ticket)
                self.settled += 1
            if market.random.random() < 0.3:
                await self.note()


@dataclass
class Market:
    """All of them, and the broker between them."""

    what: Trade
    random: Random = field(init=False)
    broker: Broker = field(init=False)
    journals: dict[Holder, Journal] = field(default_factory=lambda: defaultdict(Journal))
    living: list[Labourer] = field(default_factory=list)
    ended: dict[Holder, Verdict] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    backlog: list[bytes] = field(default_factory=list)
    recovered: Counter[bytes] = field(default_factory=Counter)
    deliveries: Counter[bytes] = field(default_factory=Counter)
    deaths: int = 0
    deepest: int = 0
    _collected: int = 0
    calls: set[asyncio.Task[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = Random(self.what.seed)  # noqa: S311
        self.broker = Broker(self.what.maxsize, self.what.writers)

    async def moment(self) -> None:
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)

    async def sent(self, call: Callable[..., Any], *arguments: Any, who: Holder) -> Reply:
        """Make a call that travels; it is heeded also where whoever made it does not live to hear the answer."""

        async def travel() -> Reply:
            await self.moment()
            answer = call(who, *arguments)
            reply: Reply = await answer if isinstance(answer, asyncio.Future) else answer
            await self.moment()
            return reply

        task = asyncio.ensure_future(travel())
        self.calls.add(task)
        return await asyncio.shield(task)

    async def run(self) -> Market:
        what = self.what
        self.items = {w: [b"%d.%d" % (w, k) for k in range(what.items)] for w in range(what.writers)}
        for index in range(what.writers):
            self._start(Write(self, (index, 1)))
        for index in range(what.writers, what.writers + what.readers):
            self._start(Read(self, (index, 1)))
        while any(not each.task.done() for each in self.living):
            await self._look_around()
        await asyncio.gather(*self.calls)
        self._collect(lossless=True)
        return self

    def _start(self, who: Labourer) -> None:
        if isinstance(who, Write):
            work = who.work(list(self.items[who.holder[0]]))
        else:
            assert isinstance(who, Read)
            work = who.work()
        who.task = asyncio.ensure_future(work)
        self.living.append(who)

    async def _look_around(self) -> None:
        await self.moment()
        self._measure()
        for each in self.living:
            if each.task.done():
                each.task.result()
        if self.random.random() < 0.2:
            self._collect()
        working = [each for each in self.living if not each.task.done()]
        if self.deaths < self.what.deaths and working and self.random.random() < 0.05:
            self.deaths += 1
            await self._die(self.random.choice(working))
        if self.backlog:
            count = self.broker.offer(self.backlog)
            for ticket in self.backlog[:count]:
                self.deliveries[ticket] += 1
            del self.backlog[:count]
        await asyncio.sleep(0)

    def _measure(self) -> None:
        """The depth that nobody can deny: what is in the queue, and what has been fetched and not been got."""
        ahead = sum(each.ahead for each in self.living if not each.dead and self.what.prefetch)
        self.deepest = max(self.deepest, len(self.broker._items) + ahead)

    def _collect(self, *, lossless: bool = False) -> None:
        """Now and then the answer is lost, and asked for again."""
        found = self.broker.collect(self._collected)
        if not lossless and self.random.random() < 0.2:
            return
        self._collected = found.number
        for holder, chunk in found.chunks:
            self.journals[holder].receive(chunk)

    async def _die(self, who: Labourer) -> None:
        """It makes no further step; it is buried a little later; another takes its place."""
        who.task.cancel()
        who.dead = True
        self.living.remove(who)
        await self.moment()
        await self.moment()
        remains = self.broker.bury(who.holder)
        for chunk in remains.chunks:
            who.journal.receive(chunk)
        index, incarnation = who.holder
        if isinstance(who, Read):
            assert not set(who.journal.known(b"D")) & set(remains.hand)
            self.backlog += remains.hand
            self._start(Read(self, (index, incarnation + 1)))
            return
        known = set(who.journal.known(b"P"))
        self.recovered.update(ticket for ticket in remains.begun if ticket not in known)
        over = known | set(remains.begun)
        self.items[index] = [ticket for ticket in self.items[index] if ticket not in over]
        self._start(Write(self, (index, incarnation + 1)))
