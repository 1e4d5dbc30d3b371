"""What a worker on a Ray cluster holds in its hands: its ends of queues, and the courier of its reports.

    worker --put--> RayWriter --tickets--> broker of the queue it puts into
           --get--> RayReader <--tickets-- broker of the queue it gets from
           --log--> JournalBuffer --Courier, with every call and some times a second--> its home

The home of a producer is the broker it puts into, of all others that which they get from: so the news that an item is
done arrives together with the records that say so.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from runner.engines.board import BLOCKED, DONES, GETS, PUTS, SKIPPED, UNTIL
from runner.queues.broker import Report, Verdict
from runner.queues.contract import Stopped
from runner.queues.sealed import opened, sealed
from runner.queues.wire import Close, Get, Line, Note, Put

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.engines.board import Slot
    from runner.envelope import Envelope
    from runner.log.buffer import JournalBuffer
    from runner.queues.broker import Chunk, Holder, Reply
    from runner.queues.wire import Address, Request

REPORTED: Final = BLOCKED + 1
"""So many words of a slot a worker reports, from the first on."""


class Courier:
    """Takes reports home; a thread of its own sees to it that none waits for long.

    Args:
        home: The broker that takes them.
        holder: Whose they are.
        journal: Where the records come from.
        slot: The worker's own words of the board.
        shift: The supervisor's clock minus this node's, in ns.
        interval: Seconds between two reports of a worker that asks for nothing.

    Raises:
        BrokerLost: The broker is not there.
    """

    def __init__(
        self, home: Address, holder: Holder, journal: JournalBuffer, slot: Slot, shift: int, interval: float
    ) -> None:
        self.home = home
        self.holder = holder
        self.line = Line(home, slot.stopped)
        self._second_line = Line(home, slot.stopped)
        self._journal = journal
        self._slot = slot
        self._shift = shift
        self._interval = interval
        self._lock = threading.Lock()
        self._second_lock = threading.Lock()
        self._number = 0
        self._offset = 0
        self._told: tuple[int, ...] = ()
        self._unconfirmed: deque[Chunk] = deque()
        self._before = (slot.puts, slot.gets, slot.dones + slot.skipped)
        self._reported: deque[tuple[int, int]] = deque()
        self._arrived: set[int] = set()
        self._logged = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._report_on, name="courier", daemon=True)

    def start(self) -> None:
        """Report from now on, also when the worker asks for nothing."""
        self._thread.start()

    def send(self, request: Callable[[Report, int], Request]) -> int:
        """Send a request home, made of a report and of how many puts it accounts for; returns the report's number."""
        with self._lock:
            report, logged = self._report()
        self.line.send(request(report, logged))
        return report.number

    def receive(self, number: int) -> Reply:
        """Wait for the reply to what came with this report; raises `Stopped` where the request was refused."""
        return self._heard(self.line.receive(), number)

    def ask(self, request: Callable[[Report, int], Request]) -> Reply:
        """Do both."""
        return self.receive(self.send(request))

    def flush(self) -> None:
        """Report what is new, and wait until it has arrived; raises BrokerLost, or `Stopped` after a burial."""
        with self._second_lock:
            with self._lock:
                report, _ = self._report()
            self._heard(self._second_line.ask(Note(self.holder, report)), report.number)

    def _heard(self, reply: Reply, number: int) -> Reply:
        with self._lock:
            self._arrived.add(number)
            while self._reported and self._reported[0][0] in self._arrived:  # a report counts once all before it do
                first, self._logged = self._reported.popleft()
                self._arrived.discard(first)
            while self._unconfirmed and _end_of(self._unconfirmed[0]) <= reply.confirmed:
                self._unconfirmed.popleft()
        if reply.verdict is not Verdict.DONE:
            raise Stopped
        return reply

    @property
    def logged(self) -> int:
        """How many puts of this incarnation are safe: their records have arrived at home."""
        return self._logged

    def _report(self) -> tuple[Report, int]:
        """What is new, and the number of puts that it accounts for; the words are read first, so they lag behind."""
        words = self.words()
        puts, gets, settled = self._before
        records = self._journal.take()
        chunk = (self._offset, records)
        if records:
            self._unconfirmed.append(chunk)
            self._offset += len(records)
        self._told = words
        number, self._number = self._number, self._number + 1
        self._reported.append((number, words[PUTS] - puts))
        report = Report(number, chunk, self._told, words[DONES] + words[SKIPPED] - settled, words[GETS] - gets)
        return report, words[PUTS] - puts

    def words(self) -> tuple[int, ...]:
        """The worker's words as the supervisor's board has them: instants are of its clock."""
        slot = self._slot
        words = slot.words[slot.base : slot.base + REPORTED].tolist()
        if words[UNTIL]:
            words[UNTIL] += self._shift
        return tuple(words)

    def _report_on(self) -> None:
        while not self._over.wait(self._interval):
            if not self._has_news():
                continue
            try:
                self.flush()
            except Stopped:  # whoever works hears of it by the next call
                return

    def _has_news(self) -> bool:
        return self.words() != self._told or self._journal.has_more

    def end(self) -> None:
        """Report no more by itself."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def kept(self) -> list[Chunk]:
        """Records that the supervisor may not have: what has not been sent, and what nobody has confirmed."""
        with self._lock:
            records = self._journal.take()
            if records:
                self._unconfirmed.append((self._offset, records))
                self._offset += len(records)
            return list(self._unconfirmed)


def _end_of(chunk: Chunk) -> int:
    return chunk[0] + len(chunk[1])


class RayWriter:
    """Puts into the queue of a broker; waits there for room.

    Args:
        target: The broker.
        courier: Of the worker.
        shift: The supervisor's clock minus this node's, in ns.
        stopped: Tells whether the worker was told to stop.

    Raises:
        BrokerLost: The broker is not there.
    """

    def __init__(self, target: Address, courier: Courier, shift: int, stopped: Callable[[], bool]) -> None:
        self._courier = courier
        self._line = None if target == courier.home else Line(target, stopped)
        self._shift = shift

    def put(self, envelopes: list[Envelope]) -> int:
        """See `Writer.put`."""
        courier = self._courier
        tickets = sealed(envelopes, self._shift)
        if self._line is None:
            return courier.ask(lambda report, logged: Put(courier.holder, tickets, logged, report)).count
        return _obeyed(self._line.ask(Put(courier.holder, tickets, courier.logged, None))).count

    def close(self) -> None:
        """See `Writer.close`."""
        courier = self._courier
        if self._line is None:
            courier.ask(lambda report, logged: Close(courier.holder, logged, report))
        else:
            _obeyed(self._line.ask(Close(courier.holder, courier.logged, None)))


def _obeyed(reply: Reply) -> Reply:
    if reply.verdict is not Verdict.DONE:
        raise Stopped
    return reply


class RayReader:
    """Gets from the queue of a broker, which is the worker's home; waits there for items.

    Args:
        courier: Of the worker.
        batch: Largest number of items in one read.
        prefetch: Items that it may ask for before the worker needs them.
        shift: The supervisor's clock minus this node's, in ns.
    """

    def __init__(self, courier: Courier, batch: int, prefetch: int, shift: int) -> None:
        self._courier = courier
        self._batch = batch
        self._prefetch = prefetch
        self._shift = shift
        self._here: deque[Envelope] = deque()
        self._coming: int | None = None
        self._ended = False

    def get(self, limit: int) -> list[Envelope]:
        """See `Reader.get`."""
        if not self._prefetch:
            self._ask(min(limit, self._batch), ahead=False)
            return self._received()
        self._see_to_more(limit)
        if not self._here and self._coming is not None:
            if not self._courier.line.has_answer:
                self._courier.flush()  # what this worker has settled may be all that the stream's end waits for
            self._take()
            self._see_to_more(limit)
        return [self._here.popleft() for _ in range(min(limit, self._batch, len(self._here)))]

    def _see_to_more(self, limit: int) -> None:
        """Take what has arrived, and have a request under way where fewer items are here than may be."""
        if self._coming is not None and self._courier.line.has_answer:
            self._take()
        room = min(self._prefetch + self._batch, limit) - len(self._here)
        if self._coming is None and not self._ended and room > 0:
            self._ask(room, ahead=True)

    def _take(self) -> None:
        taken = self._received()
        self._ended = not taken
        self._here.extend(taken)

    def _ask(self, limit: int, *, ahead: bool) -> None:
        holder = self._courier.holder
        self._coming = self._courier.send(lambda report, _: Get(holder, limit, ahead, report))

    def _received(self) -> list[Envelope]:
        assert self._coming is not None  # noqa: S101 - asked for before
        logged, self._coming = self._coming, None
        return opened(self._courier.receive(logged).tickets, self._shift)
