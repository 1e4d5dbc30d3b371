"""Whether a queue's whole history is that of a first-in, first-out queue: linearizability, in O(n log n).

Linearizable (Herlihy and Wing, 1990) means that each operation can be given one instant between its beginning and its
return such that, in the order of these instants, the puts and gets are those of a FIFO queue. It is looked for not by
trying orders but by its violations. Henzinger, Sezgin and Vafeiadis ("Aspect-oriented linearizability proofs", CONCUR
2013) show that a history in which no value is put twice is linearizable unless it has one of four patterns:

    fresh    a value is got that was not put, or before its put began
    repeat   a value is got twice
    order    put(a) returned before put(b) began, and get(b) returned before get(a) began, or a is never got
    empty    a get finds the queue empty while it cannot be

Two values suffice for `order`. Suppose a ring of more, bound by puts and by gets in turn. Of two of its precedences,
put(a) < put(b) and put(c) < put(d), intervals on a line have put(a) < put(d) or put(c) < put(b); either cuts the ring
short, until two values are left.

The ledger finds `fresh` and `repeat`; `empty` does not occur, as the end of the stream is not logged. Here remains
`order`: go through the values by the beginning of their puts; of all whose put had returned by then, the one whose get
begins last decides. Sorting is what takes longest. (Fast monitors of other types: Lee and Mathur, arXiv 2410.04581.)

Each delivery of an item is a value of its own, put by its `put` or its `redelivery`. Where the log cannot know, every
possibility counts: a get that a death kept from being logged spans all the time it may have taken, and what was never
got and may have been, constrains nothing. Operations that touch at one instant overlap, as do those of one batch.
Where workers of several nodes use a queue, an operation may have been anywhere within the uncertainty of its clock: its
interval is longer by that at both ends, so that what is found is a violation whatever the clocks showed.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from runner.analysis.clocks import Clocks, uncertain
from runner.analysis.violations import Kind
from runner.log.events import Done, Get, Put, Redelivery, RunStart, WorkerDied, WorkerExit, WorkerStart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from runner.analysis.violations import Violations
    from runner.log.events import Event

KINDS: Final = frozenset({"pipe", "multiprocessing.SimpleQueue", "multiprocessing.Manager"})
"""Kinds of queues that promise FIFO, whoever puts and gets."""

ENGINES: Final = frozenset({"threads", "simulation"})
"""Engines whose queues all do."""

NEVER: Final = 1 << 62
"""The instant of a get that never was."""


def inversions(
    put_began: Sequence[int], put_ended: Sequence[int], got_began: Sequence[int], got_ended: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Yield (a, b) where a was put before b and b got before a; one such a for every b that has any.

    The columns hold the ends of the intervals, one entry a value; a value that stays in the queue is got at `NEVER`.
    """
    size = len(put_began)
    returned = sorted(range(size), key=put_ended.__getitem__)
    last, passed = -1, 0
    for b in sorted(range(size), key=put_began.__getitem__):
        began = put_began[b]
        while passed < size and put_ended[returned[passed]] < began:
            a = returned[passed]
            passed += 1
            if last < 0 or got_began[a] > got_began[last]:
                last = a
        if last >= 0 and got_ended[b] < got_began[last]:
            yield last, b


class FifoCheck:
    """Reads the events of a log, chunk by chunk like the ledger; `close` then adds what it found."""

    def __init__(self) -> None:
        self._histories: dict[str, History] = {}
        self._sources: dict[str, str | None] = {}
        self._used: dict[str, list[History]] = {}
        self._clocks = Clocks()
        self._lines = 0

    def feed(self, events: Iterable[Event]) -> None:
        """Note further events."""
        events = list(events)
        if not self._lines and uncertain(events):
            # By clocks that differ somebody may have acted before it started.
            for event in events:
                if isinstance(event, (RunStart, WorkerStart)):
                    self._enter(event)
        line = self._lines
        histories = self._histories
        exact = not self._clocks.largest_ns
        for event in events:
            line += 1
            if isinstance(event, (Put, Get, Redelivery)):
                history = histories.get(event.queue)
                if history is not None:
                    history.enter(event if exact else self._longer(history, event), line)
            elif type(event) is not Done:
                self._enter(event)
                exact = not self._clocks.largest_ns
        self._lines = line

    def _enter(self, event: Event) -> None:
        """Note what does not come once per item."""
        if isinstance(event, (WorkerDied, WorkerExit)):
            self._mourn(event)
        elif isinstance(event, WorkerStart):
            self._clocks.enter(event)
            for used in self._used.get(event.worker.rpartition("-")[0], ()):
                used.join(event.node, event.clock_uncertainty_ns or 0)
        elif isinstance(event, RunStart) and not self._sources:
            self._begin(event)

    def _longer(self, history: History, event: Put | Get | Redelivery) -> Put | Get | Redelivery:
        """The same operation, as if it had been whenever its clock allows, by that of the workers if they share one."""
        worker = None if isinstance(event, Redelivery) or (isinstance(event, Put) and event.recovered) else event.worker
        more = self._clocks.of(worker)
        if history.is_of_one_clock:
            more = 2 * more if worker is None else 0
        instants = {"t_ns": event.t_ns + more, "wait_ns": event.wait_ns + 2 * more}
        if isinstance(event, Get):
            instants["latency_ns"] = event.latency_ns + more + self._clocks.largest_ns
        return replace(event, **instants)

    def _begin(self, start: RunStart) -> None:
        for name, facts in start.queues.items():
            promised = facts.kind in KINDS if facts.fifo is None else facts.fifo
            if promised or start.engine in ENGINES:
                self._histories[name] = History()
        self._sources = {name: group.source for name, group in start.groups.items()}
        for name, group in start.groups.items():
            ends = map(self._histories.get, filter(None, (group.source, group.target)))
            self._used[name] = [history for history in ends if history is not None]

    def _mourn(self, event: WorkerDied | WorkerExit) -> None:
        """Note a death: what the reader received last it may not have logged."""
        history = self._histories.get(self._sources.get(event.worker.rpartition("-")[0]) or "")
        dead = isinstance(event, WorkerDied) or event.signal is not None or event.exit_code
        if history is not None and dead:
            history.bereft_ns = event.t_ns

    def close(self, found: Violations, *, complete: bool) -> None:
        """Add the violations of every queue; `complete` says whether the log is whole."""
        for name, history in self._histories.items():
            history.close(complete=complete)
            _report(found, name, history)


def _report(found: Violations, queue: str, history: History) -> None:
    """Add one violation for each value that others overtook."""
    overtakers: dict[int, list[int]] = {}
    for a, b in inversions(history.put_began, history.put_ended, history.got_began, history.got_ended):
        overtakers.setdefault(a, []).append(b)
    for a, others in overtakers.items():
        b = others[0]
        first, second = history.name(a), history.name(b)
        more = f", and {len(others) - 1} more" if len(others) > 1 else ""
        end = "is still there" if history.got_began[a] == NEVER else "was not"
        message = f"{second} was put into {queue} after {first} and was got when {first} {end}{more}"
        lines = [history.put_lines[a], history.put_lines[b], history.get_lines[b], history.get_lines[a]]
        found.add(Kind.FIFO, message, *filter(None, lines), item=first, queue=queue, beside=second)


class History:
    """What one queue's puts and gets were, as columns with an entry for each value."""

    def __init__(self) -> None:
        self.put_began = array("q")
        self.put_ended = array("q")
        self.got_began = array("q")
        self.got_ended = array("q")
        self.put_lines = array("I")
        self.get_lines = array("I")
        self.bereft_ns = -NEVER
        """When a reader last died."""
        # Of those who put and get here: their nodes, None for one that says none, and the worst of their clocks.
        self._nodes: set[str | None] = set()
        self._worst_ns = 0
        self._names = bytearray()
        self._name_ends = array("q", [0])
        # Put and not got -> place in the columns; got and not put; redelivered -> number and instant of the first time.
        self._present: dict[str, int] = {}
        self._early: dict[tuple[str, int], tuple[Get, int]] = {}
        self._deliveries: dict[str, int] = {}
        self._first_again: dict[str, int] = {}

    @property
    def is_of_one_clock(self) -> bool:
        """Whether all who put and get here were on one node so far, or have exact clocks."""
        return not self._worst_ns or (len(self._nodes) == 1 and None not in self._nodes)

    def join(self, node: str | None, uncertainty_ns: int) -> None:
        """Note on which node there is somebody who puts or gets; what was exact among one node's is so no longer."""
        was, worst_ns = self.is_of_one_clock, self._worst_ns
        self._nodes.add(node)
        self._worst_ns = max(uncertainty_ns, worst_ns)
        if was and not self.is_of_one_clock and worst_ns:
            for began, ended in ((self.put_began, self.put_ended), (self.got_began, self.got_ended)):
                for place, end in enumerate(ended):
                    began[place] -= worst_ns if began[place] != NEVER else 0
                    ended[place] += worst_ns if end != NEVER else 0

    def enter(self, event: Put | Get | Redelivery, line: int) -> None:
        """Note an operation."""
        if isinstance(event, Get):
            if event.delivery == self._deliveries.get(event.id, 1) and event.id in self._present:
                self._got(self._present.pop(event.id), event.t_ns - event.wait_ns, event.t_ns, line)
            else:
                self._early[event.id, event.delivery] = event, line
            return
        delivery = 1
        if isinstance(event, Redelivery):
            delivery = event.delivery
            self._deliveries[event.id] = delivery
            self._first_again.setdefault(event.id, event.t_ns)
            before = self._present.pop(event.id, None)
            if before is not None:
                self._got(before, self.put_began[before], event.t_ns, 0)
        place = self._put(event.id, event.t_ns - event.wait_ns, event.t_ns, line)
        early = self._early.pop((event.id, delivery), None) if self._early else None
        if early is not None:
            get, get_line = early
            self._got(place, get.t_ns - get.wait_ns, get.t_ns, get_line)
        elif delivery == 1 and event.id in self._first_again:
            self._got(place, self.put_began[place], self._first_again[event.id], 0)
        else:
            self._present[event.id] = place

    def _put(self, item: str, began: int, ended: int, line: int) -> int:
        self.put_began.append(began)
        self.put_ended.append(ended)
        self.got_began.append(NEVER)
        self.got_ended.append(NEVER)
        self.put_lines.append(line)
        self.get_lines.append(0)
        self._names += item.encode()
        self._name_ends.append(len(self._names))
        return len(self.put_began) - 1

    def _got(self, place: int, began: int, ended: int, line: int) -> None:
        self.got_began[place] = began
        self.got_ended[place] = ended
        self.get_lines[place] = line

    def close(self, *, complete: bool) -> None:
        """Say of what was put and not got, or got and not put, what that means at the log's end."""
        for place in self._present.values():
            if not complete or self.put_began[place] <= self.bereft_ns:
                self._got(place, self.put_began[place], NEVER, 0)
        if not complete:
            for (item, delivery), (get, line) in self._early.items():
                if delivery == 1:
                    place = self._put(item, get.t_ns - get.latency_ns, NEVER, 0)
                    self._got(place, get.t_ns - get.wait_ns, get.t_ns, line)
        self._present.clear()
        self._early.clear()

    def name(self, place: int) -> str:
        """The id of the item that is the value at a place."""
        return self._names[self._name_ends[place] : self._name_ends[place + 1]].decode()
