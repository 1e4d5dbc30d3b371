"""The broker: a bound that is exact, leases that end when an item is done, and the dead, who are not listened to."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec

import pytest
from brokerage import Market, Trade, trade
from hypothesis import given
from hypothesis import strategies as st

from runner.queues import broker as module
from runner.queues.broker import Remains, Reply, Report, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from runner.queues.broker import Holder

P = ParamSpec("P")
W, R, S = (0, 1), (1, 1), (2, 1)
"""A writer and two readers."""


def going(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test in an event loop, for some seconds at most."""

    @functools.wraps(test)
    def run(*arguments: P.args, **keys: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(test(*arguments, **keys), 20))

    return run


class Broker:
    """The real one, all of whose methods are coroutines, as they are for whoever calls it from afar."""

    def __init__(self, maxsize: int, writers: int) -> None:
        self._broker = module.Broker(maxsize, writers)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._broker, name)

        async def called(*arguments: Any) -> Any:
            answer = method(*arguments)
            return await answer if isinstance(answer, asyncio.Future) else answer

        return called


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def waiting(call: Coroutine[Any, Any, Reply]) -> asyncio.Task[Reply]:
    """A call that has to wait."""
    task = asyncio.ensure_future(call)
    await turns()
    assert not task.done(), task.result()
    return task


def report(number: int = 0, chunk: tuple[int, bytes] = (0, b""), *, settled: int = 0, gets: int = 0) -> Report:
    return Report(number, chunk, (number,), settled, gets or settled)


def numbered(*numbers: int) -> list[bytes]:
    return [b"%d" % number for number in numbers]


async def filled(*numbers: int, maxsize: int = 0) -> Broker:
    """A broker in which there are these, whose writer has closed."""
    broker = Broker(maxsize, 1)
    await broker.put(W, numbered(*numbers), 0, None)
    await broker.close(W, len(numbers), None)
    return broker


async def got(broker: Broker, holder: Holder, limit: int, *, ahead: bool = False, **told: Any) -> list[int]:
    reply = await broker.get(holder, limit, ahead, report(**told) if told else None)
    assert reply.verdict is Verdict.DONE
    return [int(ticket) for ticket in reply.tickets]


class TestBound:
    @going
    async def test_a_put_takes_what_finds_room_and_waits_where_there_is_none(self) -> None:
        broker = Broker(3, 1)
        assert (await broker.put(W, numbered(0, 1), 0, None)).count == 2
        assert (await broker.put(W, numbered(2, 3, 4), 0, None)).count == 1
        third = await waiting(broker.put(W, numbered(3, 4), 0, None))
        assert await got(broker, R, 1) == [0]
        assert (await third).count == 1

    @going
    async def test_what_is_fetched_ahead_takes_up_room_until_its_get_is_reported(self) -> None:
        broker = Broker(2, 1)
        await broker.put(W, numbered(0, 1), 0, None)
        assert await got(broker, R, 5, ahead=True) == [0, 1]
        third = await waiting(broker.put(W, numbered(2, 3, 4), 0, None))
        await broker.note(R, report(0, gets=1))
        assert (await third).count == 1
        fourth = await waiting(broker.put(W, numbered(3), 0, None))
        await broker.note(R, report(1, settled=1, gets=1))
        await turns()
        assert not fourth.done()  # the second is still to be got
        await broker.note(R, report(2, settled=1, gets=2))
        assert (await fourth).count == 1

    @going
    async def test_what_the_dead_had_fetched_takes_up_room_only_once_it_is_offered(self) -> None:
        broker = Broker(2, 1)
        await broker.put(W, numbered(0, 1), 0, None)
        await got(broker, R, 5, ahead=True)
        await broker.note(R, report(0, gets=1))
        assert (await broker.bury(R)).hand == numbered(0, 1)
        assert (await broker.put(W, numbered(2), 0, None)).count == 1
        assert await broker.offer(numbered(0, 1)) == 1
        await waiting(broker.put(W, numbered(3), 0, None))

    @going
    async def test_what_is_offered_goes_before_what_writers_put(self) -> None:
        broker = await filled(0, 1, maxsize=2)
        broker = Broker(1, 1)
        await broker.put(W, numbered(0), 0, None)
        assert await got(broker, R, 1) == [0]
        await broker.put(W, numbered(1), 0, None)
        await broker.bury(R)
        assert await broker.offer(numbered(0)) == 0
        put = await waiting(broker.put(W, numbered(2), 0, None))
        assert await got(broker, S, 1) == [1]
        await turns()
        assert not put.done()
        assert await broker.offer(numbered(0)) == 1
        assert await got(broker, S, 1) == [0]
        assert (await put).count == 1

    @going
    async def test_zero_is_no_bound(self) -> None:
        broker = Broker(0, 1)
        assert (await broker.put(W, numbered(*range(10_000)), 0, None)).count == 10_000


class TestOrder:
    @going
    async def test_first_in_first_out_up_to_the_limit(self) -> None:
        broker = await filled(*range(7))
        assert [await got(broker, R, limit) for limit in (2, 1, 100)] == [[0, 1], [2], [3, 4, 5, 6]]

    @going
    async def test_a_get_waits_for_the_first_item_and_no_longer(self) -> None:
        broker = Broker(0, 1)
        get = await waiting(broker.get(R, 10, False, None))
        await broker.put(W, numbered(0, 1), 0, None)
        assert (await get).tickets == (b"0", b"1")

    @going
    async def test_every_item_wakes_one_who_waits(self) -> None:
        broker = Broker(0, 1)
        gets = [await waiting(broker.get((k, 1), 1, False, None)) for k in range(1, 6)]
        await broker.put(W, numbered(*range(5)), 0, None)
        assert sorted([(await get).tickets for get in gets]) == [(b"%d" % k,) for k in range(5)]


class TestEnd:
    @going
    async def test_it_comes_when_every_writer_has_closed_and_nothing_is_there(self) -> None:
        broker = Broker(0, 2)
        get = await waiting(broker.get(R, 1, False, None))
        await broker.close(W, 0, None)
        await turns()
        assert not get.done()
        await broker.close((3, 1), 0, None)
        assert (await get).tickets == ()

    @going
    async def test_a_writer_closes_once_whoever_says_so(self) -> None:
        """A dead writer's `close` may have arrived when its replacement closes, or when it is left out."""
        broker = Broker(0, 2)
        await broker.close(W, 0, None)
        await broker.close((0, 2), 0, None)
        await broker.leave(0)
        await waiting(broker.get(R, 1, False, None))

    @going
    async def test_it_waits_for_what_others_have_not_settled(self) -> None:
        broker = await filled(0, 1)
        assert await got(broker, R, 2) == [0, 1]
        get = await waiting(broker.get(S, 1, False, None))
        await broker.note(R, report(0, settled=1))
        await turns()
        assert not get.done()
        await broker.note(R, report(1, settled=2))
        assert (await get).tickets == ()

    @going
    async def test_what_comes_with_a_get_counts_for_it(self) -> None:
        broker = await filled(0)
        assert await got(broker, R, 1) == [0]
        assert await got(broker, R, 1, settled=1) == []

    @pytest.mark.parametrize("end", ["offered", "forgotten"])
    def test_it_waits_for_what_the_dead_had(self, end: str) -> None:
        async def test() -> None:
            broker = await filled(0)
            await got(broker, R, 1)
            get = await waiting(broker.get(S, 1, False, None))
            assert (await broker.bury(R)).hand == [b"0"]
            await turns()
            assert not get.done()
            if end == "offered":
                assert await broker.offer(numbered(0)) == 1
                assert (await get).tickets == (b"0",)
                assert await got(broker, S, 1, settled=1) == []
            else:
                await broker.forget(1)
                assert (await get).tickets == ()

        going(test)()


class TestReports:
    @going
    async def test_are_heeded_in_the_order_of_their_numbers(self) -> None:
        broker = await filled(0, 1, 2)
        assert await got(broker, R, 3) == [0, 1, 2]
        await broker.note(R, report(2, (8, b"zzzz"), settled=3))
        await broker.note(R, report(1, (4, b"yyyy"), settled=2))
        assert (await broker.collect(0)).chunks == []
        await broker.note(R, report(0, (0, b"xxxx"), settled=1))
        found = await broker.collect(1)
        assert found.chunks == [(R, (0, b"xxxx")), (R, (4, b"yyyy")), (R, (8, b"zzzz"))]
        assert found.words == [(R, (2,))]
        assert (await broker.bury(R)).hand == []

    @going
    async def test_that_are_overtaken_do_not_make_puts_be_forgotten(self) -> None:
        """The records of the first put are still on their way, as the second says that they were sent."""
        broker = Broker(0, 1)
        await broker.put((0, 1), numbered(0), 0, report(0))
        await broker.put((0, 1), numbered(1), 1, report(2))
        assert (await broker.bury((0, 1))).begun == numbered(0, 1)

    @going
    async def test_leave_in_hand_what_is_not_settled(self) -> None:
        broker = await filled(0, 1, 2)
        await got(broker, R, 3)
        await broker.note(R, report(0, settled=2))
        assert (await broker.bury(R)).hand == [b"2"]

    @going
    async def test_are_confirmed_once_the_supervisor_says_that_it_has_them(self) -> None:
        broker = Broker(0, 1)
        assert (await broker.note(W, report(0, (0, b"abc")))).confirmed == 0
        first = await broker.collect(0)
        assert first.chunks == [(W, (0, b"abc"))]
        assert (await broker.note(W, report(1, (3, b"de")))).confirmed == 0
        second = await broker.collect(first.number)
        assert second.chunks == [(W, (3, b"de"))]
        assert (await broker.note(W, report(2, (5, b"")))).confirmed == 3
        await broker.collect(second.number)
        assert (await broker.note(W, report(3, (5, b"")))).confirmed == 5

    @going
    async def test_an_answer_that_never_arrived_is_given_again(self) -> None:
        broker = Broker(0, 1)
        await broker.note(W, report(0, (0, b"abc")))
        lost = await broker.collect(0)
        await broker.note(W, report(1, (3, b"de")))
        again = await broker.collect(0)
        assert again.chunks == [*lost.chunks, (W, (3, b"de"))]
        assert again.words == [(W, (1,))]
        assert (await broker.note(W, report(2, (5, b"")))).confirmed == 0

    @going
    async def test_the_depth_is_what_is_in_the_queue(self) -> None:
        broker = await filled(0, 1, 2)
        await got(broker, R, 1)
        assert (await broker.collect(0)).depth == 2


class TestBackpressure:
    @pytest.fixture(autouse=True)
    def little(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_MOST_KEPT", 10)

    @going
    async def test_who_reports_more_than_is_collected_waits(self) -> None:
        broker = await filled(0, 1)
        broker._broker._closed.clear()
        broker._broker._writing = 1
        put = await waiting(broker.put(W, numbered(2), 0, report(0, (0, b"x" * 11))))
        get = await waiting(broker.get(R, 1, False, None))
        number = (await broker.collect(0)).number
        await turns()
        assert not put.done()
        assert not get.done()
        await broker.collect(number)
        assert ((await put).count, (await get).tickets) == (1, (b"0",))

    @going
    async def test_notes_and_the_end_do_not_wait(self) -> None:
        broker = Broker(0, 1)
        await broker.note(W, report(0, (0, b"x" * 99)))
        await broker.note(W, report(1, (99, b"x" * 99)))
        await broker.close(W, 0, report(2, (198, b"x")))
        assert sum(len(chunk) for _, (_, chunk) in (await broker.collect(0)).chunks) == 199

    @going
    async def test_and_nobody_who_is_told_to_stop(self) -> None:
        broker = Broker(0, 1)
        put = await waiting(broker.put(W, numbered(2), 0, report(0, (0, b"x" * 11))))
        await broker.stop(None)
        assert (await put).verdict is Verdict.STOPPED


class TestBurial:
    @going
    async def test_wakes_the_dead(self) -> None:
        """A call of a worker whose node is cut off is answered, so that it takes up nothing."""
        broker = Broker(1, 1)
        await broker.put(W, numbered(0), 0, None)
        put = await waiting(broker.put(W, numbered(1), 0, None))
        await got(broker, R, 1)
        await put
        get = await waiting(Broker(0, 1).get(R, 1, False, None))
        get.cancel()
        second = await waiting(broker.put(W, numbered(2), 0, None))
        await broker.bury(W)
        assert (await second).verdict is Verdict.BURIED
        assert (await broker.collect(0)).depth == 1

    @going
    async def test_refuses_what_arrives_late(self) -> None:
        broker = await filled(0, 1)
        await got(broker, R, 1)
        assert (await broker.bury(R)).hand == [b"0"]
        assert (await broker.note(R, report(0, (0, b"done!"), settled=1))).verdict is Verdict.BURIED
        assert (await broker.get(R, 1, False, report(1, (5, b"more")))).verdict is Verdict.BURIED
        assert (await broker.put(R, numbered(9), 0, None)).verdict is Verdict.BURIED
        assert (await broker.close(R, 0, None)).verdict is Verdict.BURIED
        found = await broker.collect(0)
        assert (found.chunks, found.words, found.depth) == ([], [], 1)
        assert await broker.offer(numbered(0)) == 1
        assert await got(broker, S, 5) == [1, 0]

    @going
    async def test_a_late_acknowledgement_does_not_end_what_another_has_got(self) -> None:
        broker = await filled(0)
        await got(broker, R, 1)
        await broker.bury(R)
        await broker.offer(numbered(0))
        assert await got(broker, S, 1) == [0]
        await broker.note(R, report(0, settled=1))
        assert (await broker.bury(S)).hand == [b"0"]

    @going
    async def test_tells_what_was_put_and_is_in_no_record(self) -> None:
        broker = Broker(0, 1)
        await broker.put(W, numbered(0, 1), 0, report(0))
        await broker.put(W, numbered(2, 3), 2, report(1, (0, b"two puts")))
        remains = await broker.bury(W)
        assert remains == Remains([], numbered(2, 3), [(0, b"two puts")])

    @going
    async def test_of_somebody_who_never_said_a_word(self) -> None:
        broker = Broker(0, 1)
        assert await broker.bury(R) == Remains([], [], [])
        assert (await broker.get(R, 1, False, None)).verdict is Verdict.BURIED

    @going
    async def test_gives_records_again_that_are_not_confirmed_and_only_those(self) -> None:
        broker = Broker(0, 1)
        await broker.note(W, report(0, (0, b"abc")))
        number = (await broker.collect(0)).number
        await broker.note(W, report(1, (3, b"de")))
        number = (await broker.collect(number)).number
        assert (await broker.bury(W)).chunks == [(3, b"de")]
        await broker.collect(number)
        assert (await broker.bury(W)).chunks == []

    @going
    async def test_is_of_one_incarnation(self) -> None:
        broker = await filled(0, 1)
        await got(broker, R, 1)
        await broker.bury(R)
        assert await got(broker, (R[0], 2), 1) == [1]

    @going
    async def test_a_second_one_finds_nothing(self) -> None:
        broker = await filled(0)
        await got(broker, R, 1)
        await broker.bury(R)
        assert (await broker.bury(R)).hand == []
        await broker.offer(numbered(0))
        assert await got(broker, S, 1) == [0]
        assert await got(broker, S, 1, settled=1) == []


class TestStop:
    @going
    async def test_of_all_also_of_those_who_come_later(self) -> None:
        broker = Broker(0, 1)
        get = await waiting(broker.get(R, 1, False, None))
        await broker.stop(None)
        assert (await get).verdict is Verdict.STOPPED
        assert (await broker.put((7, 1), numbered(1), 0, None)).verdict is Verdict.STOPPED

    @going
    async def test_of_some(self) -> None:
        broker = Broker(1, 2)
        await broker.put(W, numbered(0), 0, None)
        puts = [await waiting(broker.put((k, 1), numbered(k), 0, None)) for k in (5, 6)]
        await broker.stop([(5, 1)])
        assert (await puts[0]).verdict is Verdict.STOPPED
        await got(broker, R, 1)
        assert (await puts[1]).verdict is Verdict.DONE

    @going
    async def test_what_they_report_is_heeded(self) -> None:
        broker = await filled(0, 1)
        await got(broker, R, 2)
        await broker.stop(None)
        assert (await broker.note(R, report(0, (0, b"abc"), settled=1))).verdict is Verdict.DONE
        assert (await broker.collect(0)).chunks == [(R, (0, b"abc"))]
        assert (await broker.bury(R)).hand == [b"1"]


def judged(market: Market) -> None:
    """Nobody hangs, nothing is lost or doubled, and nothing is in two places."""
    what, journals = market.what, market.journals.values()
    items = Counter({b"%d.%d" % (w, k): 1 for w in range(what.writers) for k in range(what.items)})
    assert Counter(ticket for journal in journals for ticket in journal.known(b"P")) + market.recovered == items
    assert Counter(ticket for journal in journals for ticket in journal.known(b"D")) == items
    if what.maxsize:
        assert market.deepest <= what.maxsize
    assert set(market.ended.values()) <= {Verdict.DONE, Verdict.BURIED}
    for holder, journal in market.journals.items():
        for writer in range(what.writers):
            got = [int(t.split(b".")[1]) for t in journal.known(b"G") if t.startswith(b"%d." % writer)]
            first = [seq for seq in got if not market.deliveries[b"%d.%d" % (writer, seq)]]
            assert first == sorted(first), (holder, got)
    broker = market.broker
    assert (len(broker._items), broker._leased, broker._owed, broker._ahead, broker._writing) == (0, 0, 0, 0, 0)


@given(seed=st.integers(0, 1 << 40))
def test_whoever_dies_whenever_nothing_is_lost_or_doubled(seed: int) -> None:
    judged(asyncio.run(asyncio.wait_for(Market(trade(seed)).run(), 20)))


def test_a_bound_is_reached_and_deaths_occur() -> None:
    """The control: what the trials above judge comes about in them."""
    what = Trade(7, 2, 3, 1, 20, 1, 0, 6)
    markets = [asyncio.run(asyncio.wait_for(Market(replace(what, seed=seed)).run(), 20)) for seed in range(20)]
    assert max(market.deepest for market in markets) == 2
    assert sum(market.deaths for market in markets) > 20
    assert sum(market.deliveries.total() for market in markets) > 5
    assert sum(market.recovered.total() for market in markets) > 5
