"""A worker's connection to a broker: only who knows the secret is heard, and who is cut off takes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from running import until, within

from runner.queues.broker import Broker, Report, Verdict
from runner.queues.contract import Stopped
from runner.queues.wire import BrokerLost, Close, Desk, Get, Line, Note, Put, framed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runner.queues.wire import Address, Request

W, R, S = (0, 1), (1, 1), (2, 1)


class Place:
    """A broker and its desk, in an event loop on a thread of its own."""

    def __init__(self, maxsize: int = 0, writers: int = 1) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.broker = Broker(maxsize, writers)
        self.desk = Desk(self.broker)
        self.address: Address = asyncio.run_coroutine_threadsafe(self.desk.open("127.0.0.1"), self.loop).result(10)
        self._lines: list[Line] = []

    def line(self, stopped: Callable[[], bool] = lambda: False) -> Line:
        self._lines.append(Line(self.address, stopped))
        return self._lines[-1]

    def do(self, what: Callable[[], object]) -> None:
        """Have something done in the event loop."""

        async def called() -> None:
            what()

        asyncio.run_coroutine_threadsafe(called(), self.loop).result(10)

    def waiting(self) -> int:
        """Puts and gets that wait."""
        waiters = (*self.broker._putters, *self.broker._getters)
        return sum(not waiter.answer.done() for waiter in waiters)

    def close(self) -> None:
        for line in self._lines:
            line.close()
        self.loop.call_soon_threadsafe(self.desk._server.close)
        with contextlib.suppress(TimeoutError):
            until(lambda: not self.waiting(), 5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


@pytest.fixture
def place() -> Iterator[Place]:
    with within(30):
        made = Place()
        try:
            yield made
        finally:
            made.close()


def report(number: int = 0, settled: int = 0, records: bytes = b"") -> Report:
    return Report(number, (0, records), (1, 2), settled, settled)


def requests() -> list[Request]:
    return [Put(W, [b"a", b"b"], 0, report()), Close(W, 2, report(1))]


def test_a_worker_puts_another_gets_and_both_come_to_their_end(place: Place) -> None:
    writer, reader = place.line(), place.line()
    assert [writer.ask(request).verdict for request in requests()] == [Verdict.DONE] * 2
    got = reader.ask(Get(R, 5, False, None))
    assert got.tickets == (b"a", b"b")
    assert reader.ask(Note(R, report(0, settled=1, records=b"xyz"))).verdict is Verdict.DONE
    assert reader.ask(Get(R, 5, False, report(1, settled=2))).tickets == ()
    assert place.broker.collect(0).chunks == [(R, (0, b"xyz"))]


def test_an_answer_that_has_to_wait_comes_when_it_can(place: Place) -> None:
    reader = place.line()
    reader.send(Get(R, 5, False, None))
    until(place.waiting)
    assert not reader.has_answer
    place.line().ask(Put(W, [b"a"], 0, None))
    until(lambda: reader.has_answer)
    assert reader.receive().tickets == (b"a",)


@pytest.mark.parametrize("size", [0, 1, 1 << 16, 1 << 18, (1 << 18) + 1, 20 << 20])
def test_a_message_of_any_size_arrives_whole(size: int, place: Place) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert place.line().ask(Put(W, [content, b"next"], 0, None)).count == 2
    assert place.line().ask(Get(R, 2, False, None)).tickets == (content, b"next")


class TestStrangers:
    @pytest.mark.parametrize(
        "said",
        [
            framed(b"x" * 32), framed(b""), b"\0\0\0\0", b"GET / HTTP/1.1\r\n\r\n" * 9, b"\xff" * 200,
            framed(Put(W, [b"stolen"], 0, None)), framed(b"x" * 32) + framed(Put(W, [b"stolen"], 0, None)),
        ],
    )  # fmt: skip
    def test_are_not_heard(self, said: bytes, place: Place) -> None:
        with socket.create_connection(place.address[:2], 5) as stranger:
            stranger.sendall(said)
            with contextlib.suppress(ConnectionResetError):
                assert stranger.recv(100) == b""
        assert place.broker.collect(0).depth == 0
        assert place.line().ask(Put(W, [b"a"], 0, None)).count == 1

    def test_who_knows_the_secret_and_talks_nonsense_harms_nobody(self, place: Place) -> None:
        with socket.create_connection(place.address[:2], 5) as stranger:
            stranger.sendall(framed(place.address.secret) + framed({"no": "request"}))
            with contextlib.suppress(ConnectionResetError):
                assert stranger.recv(100) == b""
        assert place.line().ask(Put(W, [b"a"], 0, None)).count == 1

    def test_half_a_message_is_none(self, place: Place) -> None:
        whole = framed(Put(W, [b"a" * 100], 0, None))
        with socket.create_connection(place.address[:2], 5) as worker:
            worker.sendall(framed(place.address.secret) + whole[:-1])
        assert place.line().ask(Put((9, 1), [b"b"], 0, None)).count == 1
        assert place.line().ask(Get(R, 5, False, None)).tickets == (b"b",)


class TestCutOff:
    def test_a_get_that_nobody_waits_for_takes_nothing(self, place: Place) -> None:
        """What comes later stays in the queue for others."""
        reader = place.line()
        reader.send(Get(R, 5, False, None))
        until(place.waiting)
        reader.close()
        until(lambda: not place.waiting())
        place.line().ask(Put(W, [b"a"], 0, None))
        assert place.line().ask(Get(S, 5, False, None)).tickets == (b"a",)

    def test_a_put_that_nobody_waits_for_puts_nothing(self) -> None:
        place = Place(maxsize=1)
        try:
            place.line().ask(Put(W, [b"a"], 0, None))
            writer = place.line()
            writer.send(Put(W, [b"b"], 0, None))
            until(place.waiting)
            writer.close()
            until(lambda: not place.waiting())
            reader = place.line()
            assert reader.ask(Get(R, 5, False, None)).tickets == (b"a",)
            assert place.broker.collect(0).depth == 0
        finally:
            place.close()

    def test_what_was_leased_comes_back_only_by_a_burial(self, place: Place) -> None:
        place.line().ask(Put(W, [b"a"], 0, None))
        reader = place.line()
        reader.ask(Get(R, 1, False, None))
        reader.close()
        found: list[list[bytes]] = []
        place.do(lambda: found.append(place.broker.bury(R).hand))
        assert found == [[b"a"]]


class TestBrokerGone:
    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with pytest.raises(BrokerLost):
            Line(_address(port), lambda: False)

    def test_it_dies_while_a_worker_waits(self) -> None:
        """BrokerLost is `Stopped`: the worker ends in good order."""
        with within(20), socket.create_server(("127.0.0.1", 0)) as server:
            line = Line(_address(server.getsockname()[1]), lambda: False)
            connection, _ = server.accept()
            line.send(Get(R, 1, False, None))
            connection.close()
            with pytest.raises(Stopped) as caught:
                line.receive()
            assert isinstance(caught.value, BrokerLost)
            line.close()

    def test_it_breaks_off_in_the_midst_of_an_answer(self) -> None:
        with within(20), socket.create_server(("127.0.0.1", 0)) as server:
            line = Line(_address(server.getsockname()[1]), lambda: False)
            connection, _ = server.accept()
            connection.sendall(b"\0\0\0\x09half")
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()
            with pytest.raises(BrokerLost):
                line.receive()
            line.close()

    def test_it_says_nothing_any_more_to_a_worker_that_is_told_to_stop(self) -> None:
        """A node without power closes no connection."""
        told = threading.Event()
        with within(20), socket.create_server(("127.0.0.1", 0)) as server:
            line = Line(_address(server.getsockname()[1]), told.is_set)
            connection, _ = server.accept()
            line.send(Get(R, 1, False, None))
            threading.Timer(0.3, told.set).start()
            with pytest.raises(BrokerLost, match="no answer"):
                line.receive()
            connection.close()
            line.close()


def test_the_buried_are_told_so(place: Place) -> None:
    line = place.line()
    line.send(Get(R, 1, False, None))
    until(place.waiting)
    place.do(lambda: place.broker.bury(R))
    assert line.receive().verdict is Verdict.BURIED
    assert line.ask(Note(R, report())).verdict is Verdict.BURIED
    assert line.ask(Put(R, [b"a"], 0, None)).verdict is Verdict.BURIED


def _address(port: int) -> Address:
    from runner.queues.wire import Address

    return Address("127.0.0.1", port, b"s" * 32)
