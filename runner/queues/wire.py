"""How a worker talks to a broker: over a connection of its own, which costs a tenth of a call through Ray.

    Line.send --frame--> Desk --> Broker.put, get, note, close
    Line.receive <--frame-- answer, once it is there

A frame is its length, four bytes, and a message in MessagePack. The first frame of a connection is the broker's secret:
whoever does not know it is not listened to. A line carries one request at a time. Where a connection ends, what it was
waiting for is withdrawn.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import select
import socket
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

from runner.queues.broker import Reply, Report
from runner.queues.contract import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.queues.broker import Broker

_HEAD: Final = 4
_CONNECTED_WITHIN_S: Final = 30.0
_LOOK_UP_AFTER_MS: Final = 250
"""How often who waits for an answer looks whether to stop."""
_ANSWERED_WITHIN_S: Final = 0.5
"""A broker that lives tells a worker that is to stop within so long."""


class BrokerLost(Stopped):
    """A broker is gone, and with it what its queue held; the supervisor ends the run."""


class Address(NamedTuple):
    """Where a broker listens, and what it wants to hear."""

    host: str
    port: int
    secret: bytes


class Put(msgspec.Struct, array_like=True, tag=True, gc=False):
    """See `Broker.put`."""

    holder: tuple[int, int]
    tickets: list[bytes]
    logged: int
    report: Report | None


class Get(msgspec.Struct, array_like=True, tag=True, gc=False):
    """See `Broker.get`."""

    holder: tuple[int, int]
    limit: int
    ahead: bool
    report: Report | None


class Note(msgspec.Struct, array_like=True, tag=True, gc=False):
    """See `Broker.note`."""

    holder: tuple[int, int]
    report: Report


class Close(msgspec.Struct, array_like=True, tag=True, gc=False):
    """See `Broker.close`."""

    holder: tuple[int, int]
    logged: int
    report: Report | None


Request: TypeAlias = Put | Get | Note | Close

_encode: Final = msgspec.msgpack.Encoder().encode
_request: Final = msgspec.msgpack.Decoder(Request).decode
_reply: Final = msgspec.msgpack.Decoder(Reply).decode


def framed(message: Any) -> bytes:
    """A message with its length before it."""
    content = _encode(message)
    return len(content).to_bytes(_HEAD, "big") + content


class Desk:
    """Listens for workers, in the event loop of the broker.

    Args:
        broker: Whom they talk to.
    """

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.secret = secrets.token_bytes(32)

    async def open(self, host: str) -> Address:
        """Listen from now on.

        Args:
            host: By which address of this node others reach it.
        """
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), host)
        return Address(host, self._server.sockets[0].getsockname()[1], self.secret)


class _Connection(asyncio.Protocol):
    """A worker at the desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._arrived = bytearray()
        self._trusted = False
        self._waiting: asyncio.Future[Reply] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a server of streams gives
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        arrived = self._arrived
        arrived += data
        while len(arrived) >= _HEAD and (end := _HEAD + int.from_bytes(arrived[:_HEAD], "big")) <= len(arrived):
            content = bytes(memoryview(arrived)[_HEAD:end])
            del arrived[:end]
            self._heed(content)
        if not self._trusted and len(arrived) > 2 * len(self._desk.secret):
            self._transport.abort()

    def _heed(self, content: bytes) -> None:
        if not self._trusted:
            self._trusted = hmac.compare_digest(content, _encode(self._desk.secret))
            if not self._trusted:
                self._transport.abort()
            return
        broker = self._desk.broker
        match _request(content):
            case Put(holder, tickets, logged, report):
                self._answer(broker.put(holder, tickets, logged, report))
            case Get(holder, limit, ahead, report):
                self._answer(broker.get(holder, limit, ahead, report))
            case Note(holder, report):
                self._transport.write(framed(broker.note(holder, report)))
            case Close(holder, logged, report):
                self._transport.write(framed(broker.close(holder, logged, report)))

    def _answer(self, answer: asyncio.Future[Reply]) -> None:
        if answer.done():
            self._transport.write(framed(answer.result()))
        else:
            self._waiting = answer
            answer.add_done_callback(self._answered)

    def _answered(self, answer: asyncio.Future[Reply]) -> None:
        self._waiting = None
        if not answer.cancelled():
            self._transport.write(framed(answer.result()))

    def connection_lost(self, _error: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()


class Line:
    """A worker's connection to a broker; one thread uses it.

    Args:
        address: Of the broker.
        stopped: Tells whether the worker was told to stop.

    Attributes:
        lost: Whether the broker was found to be gone.

    Raises:
        BrokerLost: Nobody listens there.
    """

    def __init__(self, address: Address, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped
        self._arrived = bytearray()
        self.lost = False
        try:
            self._socket = socket.create_connection((address.host, address.port), _CONNECTED_WITHIN_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._socket.sendall(framed(address.secret))
        except OSError as error:
            why = f"nobody listens at {address.host}:{address.port}, where workers reach the broker: {error}"
            raise BrokerLost(why) from error
        self._socket.settimeout(None)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def ask(self, request: Request) -> Reply:
        """Send a request and wait for its answer."""
        self.send(request)
        return self.receive()

    def send(self, request: Request) -> None:
        """Send a request; raises BrokerLost."""
        try:
            self._socket.sendall(framed(request))
        except OSError as error:
            raise self._lost(str(error)) from error

    @property
    def has_answer(self) -> bool:
        """Whether `receive` would not wait for long."""
        return bool(self._arrived) or bool(self._poll.poll(0))

    def receive(self) -> Reply:
        """Wait for the answer to the last request, as long as it takes; raises BrokerLost.

        A node that has lost its power says nothing: a worker that is told to stop waits for a moment only.
        """
        arrived = self._arrived
        until = None
        while len(arrived) < _HEAD or len(arrived) < _HEAD + int.from_bytes(arrived[:_HEAD], "big"):
            try:
                if not self._poll.poll(_LOOK_UP_AFTER_MS):
                    if self._stopped():
                        until = until or monotonic() + _ANSWERED_WITHIN_S
                        if monotonic() > until:
                            raise self._lost("no answer")
                    continue
                data = self._socket.recv(1 << 18)
            except OSError as error:
                raise self._lost(str(error)) from error
            if not data:
                raise self._lost("the connection has ended")
            arrived += data
        end = _HEAD + int.from_bytes(arrived[:_HEAD], "big")
        reply = _reply(memoryview(arrived)[_HEAD:end])
        del arrived[:end]
        return reply

    def _lost(self, why: str) -> BrokerLost:
        self.lost = True
        return BrokerLost(why)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()
