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
from typing import TYPE_CHECKING, Any, Final

import ray
from ray.exceptions import RayError

from runner.engines.board import BLOCKED, DONES, GETS, PUTS, SKIPPED, UNTIL
from runner.queues.broker import Report, Verdict
from runner.queues.contract import Stopped
from runner.queues.sealed import opened, sealed

if TYPE_CHECKING:
    from runner.engines.board import Slot
    from runner.envelope import Envelope
    from runner.log.buffer import JournalBuffer
    from runner.queues.broker import Chunk, Holder, Reply

REPORTED: Final = BLOCKED + 1
"""So many words of a slot a worker reports, from the first on."""


class BrokerLost(Stopped):
    """A broker is gone, and with it what its queue held; the supervisor ends the run."""


def answered(reference: Any) -> Any:
    """The answer to a call, as long as it takes; raises BrokerLost."""
    try:
        return ray.get(reference)
    except RayError as error:
        raise BrokerLost(str(error)) from error


class Courier:
    """Takes reports home; a thread of its own sees to it that none waits for long.

    Args:
        home: The broker that takes them.
        holder: Whose they are.
        journal: Where the records come from.
        slot: The worker's own words of the board.
        shift: The supervisor's clock minus this node's, in ns.
        interval: Seconds between two reports of a worker that makes no call.
    """

    def __init__(
        self, home: Any, holder: Holder, journal: JournalBuffer, slot: Slot, shift: int, interval: float
    ) -> None:
        self.home = home
        self.holder = holder
        self._journal = journal
        self._slot = slot
        self._shift = shift
        self._interval = interval
        self._lock = threading.Lock()
        self._number = 0
        self._offset = 0
        self._told: tuple[int, ...] = ()
        self._unconfirmed: deque[Chunk] = deque()
        self._before = (slot.puts, slot.gets, slot.dones + slot.skipped)
        self._logged = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._report_on, name="courier", daemon=True)

    def start(self) -> None:
        """Report from now on, also when the worker makes no call."""
        self._thread.start()

    def submit(self, method: str, *arguments: Any, puts: bool = False) -> tuple[Any, int]:
        """Call a method of the home broker, with a report as its last argument.

        Args:
            method: Its name.
            arguments: Behind the holder.
            puts: Whether the number of puts that the report accounts for comes before it.

        Returns:
            The reference of the reply, and the number of puts that are safe once it is there.
        """
        with self._lock:
            report, logged = self._report()
            more = (*arguments, logged) if puts else arguments
            return getattr(self.home, method).remote(self.holder, *more, report), logged

    def call(self, method: str, *arguments: Any, puts: bool = False) -> Reply:
        """Do so and wait for the reply; raises `Stopped` where the call was not obeyed, and BrokerLost."""
        reference, logged = self.submit(method, *arguments, puts=puts)
        return self.heard(answered(reference), logged)

    def heard(self, reply: Reply, logged: int) -> Reply:
        """Draw the consequences of a reply; raises `Stopped` where the call was not obeyed."""
        with self._lock:
            self._logged = max(self._logged, logged)
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
        report = Report(number, chunk, self._told, words[DONES] + words[SKIPPED] - settled, words[GETS] - gets)
        return report, words[PUTS] - puts

    def words(self) -> tuple[int, ...]:
        """The worker's words as the supervisor's board has them: instants are of its clock."""
        slot = self._slot
        words = slot.words[slot.base : slot.base + REPORTED].tolist()
        if words[UNTIL]:
            words[UNTIL] += self._shift
        return tuple(words)

    def flush(self) -> None:
        """Report what is new, and wait until it has arrived; raises BrokerLost."""
        reference, logged = self.submit("note")
        self.heard(answered(reference), logged)

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
        broker: Of the queue.
        courier: Of the worker.
        shift: The supervisor's clock minus this node's, in ns.
    """

    def __init__(self, broker: Any, courier: Courier, shift: int) -> None:
        self._broker = broker
        self._courier = courier
        self._at_home = broker == courier.home
        self._shift = shift

    def put(self, envelopes: list[Envelope]) -> int:
        """See `Writer.put`."""
        shift = self._shift
        tickets = [sealed(envelope, shift) for envelope in envelopes]
        return self._call("put", tickets).count

    def close(self) -> None:
        """See `Writer.close`."""
        self._call("close")

    def _call(self, method: str, *arguments: Any) -> Reply:
        if self._at_home:
            return self._courier.call(method, *arguments, puts=True)
        courier = self._courier
        reply: Reply = answered(getattr(self._broker, method).remote(courier.holder, *arguments, courier.logged, None))
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
        self._coming: tuple[Any, int] | None = None
        self._ended = False

    def get(self, limit: int) -> list[Envelope]:
        """See `Reader.get`."""
        if not self._prefetch:
            return self._opened(self._courier.call("get", min(limit, self._batch), False))
        self._ask(limit)
        if not self._here and self._coming is not None:
            self._await()
            self._ask(limit)
        return [self._here.popleft() for _ in range(min(limit, self._batch, len(self._here)))]

    def _ask(self, limit: int) -> None:
        """See to it that a request is under way where fewer items are here than may be; take what has arrived."""
        if self._coming is not None and ray.wait([self._coming[0]], timeout=0)[0]:
            self._take()
        room = min(self._prefetch + self._batch, limit) - len(self._here)
        if self._coming is None and not self._ended and room > 0:
            self._coming = self._courier.submit("get", room, True)

    def _await(self) -> None:
        """Wait for what is under way; what this worker has settled may be all that the stream's end waits for."""
        assert self._coming is not None  # noqa: S101 - see `get`
        if not ray.wait([self._coming[0]], timeout=0)[0]:
            self._courier.flush()
        self._take()

    def _take(self) -> None:
        assert self._coming is not None  # noqa: S101 - see `_ask`
        (reference, logged), self._coming = self._coming, None
        taken = self._opened(self._courier.heard(answered(reference), logged))
        self._ended = not taken
        self._here.extend(taken)

    def _opened(self, reply: Reply) -> list[Envelope]:
        shift = self._shift
        return [opened(ticket, shift) for ticket in reply.tickets]

    def close(self) -> None:
        """Nothing to close: what it has not worked off goes back to the queue, or is left."""
