"""The calendar of the plainest plans, which plays whole turns itself: one queue, and nothing goes wrong.

    heap (instant, place) ──turn──> producer: put ──> room? ──> pause ──> heap
                          │                    └─────> serves the reader that waited longest
                          └───────> consumer: done, get ──> service ──> heap
                                               └──────────> lets in the writer that waited longest

It interprets no steps: what `planning.steps` and `simulation_worker` say of a producer and a consumer is told here
once more, in one loop over local variables, and so a turn costs a quarter. Everything else is the crew's, and lies in
the crew's own objects after every turn: the queue, who waits, what is in hand, the tallies. So whatever comes once per
worker or run (the end, a stop, leftovers) is done by the same code as always. That both tell the very same records is
what tests/test_simulation_express.py holds them to; see docs/decisions/0009.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from typing import TYPE_CHECKING, Any, Final, Protocol

from runner.engines.simulation_calendar import Calendar
from runner.engines.simulation_worker import LONGEST_TURN, Crew
from runner.envelope import Envelope
from runner.log.journal import DONE, GET, PUT
from runner.planning.draws import Block
from runner.planning.plan import Role

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator

    from runner.engines.simulation_calendar import Player
    from runner.engines.simulation_worker import Actor
    from runner.planning.draws import Sampler
    from runner.planning.plan import GroupPlan, Plan, WorkerPlan

_ENDLESS: Final = -1
"""A quota that is never met, however often one is taken off."""
_BLOCK: Final = 64
"""Items of a producer that are made, with their draws, at once."""
_MOST_AHEAD: Final = 1 << 16
"""Items that all producers together have made ahead, or one each."""


class Ahead(Envelope, gc=False):
    """An item that knows what was drawn for it: the pause after its put, and the time of work on it, in ns."""

    pause: int = 0
    service: int = 0


class Company(Crew, Protocol):
    """All workers of a plan.

    Attributes:
        plan: What they carry out.
        actors: They, in plan order.
    """

    plan: Plan
    actors: list[Actor]


def is_plain(plan: Plan) -> bool:
    """Whether the express calendar can play a plan."""
    return (
        len(plan.queues) == 1 and plan.queues[0].batch == 1 and plan.steady is None and all(map(_is_plain, plan.groups))
    )


def _is_plain(group: GroupPlan) -> bool:
    if group.role is Role.STAGE or group.open or group.busy or group.faults or group.item_timeout_ns is not None:
        return False
    if group.role is Role.PRODUCER:
        return isinstance(group.items, range | tuple) and not group.dismissible and group.pause.is_total
    if group.quota == 0:
        return False
    return group.service.is_total if group.service is not None else group.call is None


class ExpressCalendar(Calendar):
    """Has the turns of a plain plan.

    Attributes:
        heap: (instant, place) of everybody who does not wait for another.

    Args:
        crew: Whose turns; its workers may come later.
    """

    __slots__ = (
        "_ahead", "_crew", "_left", "_let_in", "_limited", "_rest", "_returned", "_since", "_work",
    )  # fmt: skip

    def __init__(self, crew: Company) -> None:
        super().__init__()
        self.heap: list[tuple[int, int]] = []  # type: ignore[assignment]
        self._crew = crew
        workers = list(crew.plan.workers())
        producers = [worker for worker in workers if worker.group.role is Role.PRODUCER]
        consumers = crew.plan.readers(crew.plan.queues[0].name)
        service = consumers[0].service if len(consumers) == 1 else None
        block = max(1, min(_BLOCK, _MOST_AHEAD // len(producers)))
        self._rest = [_blocks(worker, service, block) for worker in producers]
        self._ahead: list[list[Ahead]] = [next(rest, []) for rest in self._rest]
        self._returned = [False] * len(producers)
        self._limited = any(group.quota is not None for group in consumers)
        self._left = [_ENDLESS if worker.group.quota is None else worker.group.quota for worker in workers]
        self._since = [0] * len(workers)
        self._let_in: list[tuple[int, int]] = []
        self._work = None if len(consumers) == 1 else [_work(worker) for worker in workers]

    def wake(self, player: Player, instant: int) -> None:
        """See `Calendar.wake`; whoever is given a turn here waited for it and has no other."""
        heappush(self.heap, (instant, player.index))

    def forget(self, player: Player) -> None:
        """See `Calendar.forget`; whoever has a turn still is taken out by `_finish`."""

    def play(self, turns: int) -> bool:  # noqa: C901 - one frame, as calls are what a turn would cost
        """See `Calendar.play`."""
        heap, crew = self.heap, self._crew
        channel, records = next(iter(crew.channels.values())), crew.records
        actors: list[Any] = crew.actors  # here, whatever is in a hand or a queue is an `Ahead`
        items: deque[Any] = channel.items
        bound = channel.bound
        readers: deque[Any] = channel.readers
        blocked: deque[Any] = channel.blocked
        rest, ahead, returned, left, work = self._rest, self._ahead, self._returned, self._left, self._work
        duration, producers, limited = crew.plan.duration_ns, len(ahead), self._limited
        tell, since, let_in = records.append, self._since, self._let_in
        now = self.now
        while heap and turns:
            turns -= 1
            now, place = heap[0]
            actor = actors[place]
            if place < producers:
                own = ahead[place]
                if not own:
                    heappop(heap)
                    self._finish(now, actor)
                    continue
                envelope = own[-1]
                if returned[place]:
                    returned[place] = False
                else:
                    envelope.began = now
                    if len(items) >= bound:
                        returned[place] = True
                        blocked.append(actor)
                        heappop(heap)
                        continue
                    tell((PUT, now, actor, envelope, 0, None))
                    tally = actor.tally
                    tally.puts += 1
                    tally.seq = envelope.seq
                    if readers:
                        reader = readers.popleft()
                        tell((GET, now, reader, envelope, now - since[reader.index], 0))
                        reader.tally.gets += 1
                        reader.taken.append(envelope)
                        heappush(heap, (now, reader.index))
                    else:
                        items.append(envelope)
                    if len(records) >= LONGEST_TURN:
                        returned[place] = True
                        continue
                ns = envelope.pause
                own.pop()
                if not own:
                    own = ahead[place] = next(rest[place], own)
                if duration is not None and now + ns >= duration:
                    own = ahead[place] = []
                    ns = max(0, min(ns, duration - now))
                if not own:
                    self.now = now
                    actor.leave()
                if ns:
                    heapreplace(heap, (now + ns, place))
                elif own:
                    turns += 1  # the same turn goes on
                else:
                    heappop(heap)
                    self._finish(now, actor)
                continue
            at_work: Ahead | None = actor.in_hand
            if at_work is not None:
                ns = at_work.service
                tell((DONE, now, actor, at_work, ns, ns))
                at_work = None
                actor.tally.dones += 1
                if limited:
                    left[place] -= 1
                    if not left[place]:
                        actor.in_hand = None
                        self._leave_heap()
                        self._finish(now, actor)
                        continue
            elif actor.taken:
                at_work = actor.taken.pop()
            if at_work is None:
                if not items:
                    actor.in_hand = None
                    self._leave_heap()
                    if channel.writers:
                        since[place] = now
                        readers.append(actor)
                    else:
                        self._finish(now, actor)
                    continue
                at_work = items.popleft()
                tell((GET, now, actor, at_work, 0, now - at_work.began))
                actor.tally.gets += 1
                while blocked and len(items) < bound:
                    writer = blocked.popleft()
                    waiting = ahead[writer.index][-1]
                    items.append(waiting)
                    tell((PUT, now, writer, waiting, now - waiting.began, None))
                    tally = writer.tally
                    tally.puts += 1
                    tally.seq = waiting.seq
                    let_in.append((now, writer.index))
            if work is not None:
                at_work.service = work[place](at_work)
            actor.in_hand = at_work
            ns = at_work.service
            if not ns:
                turns += 1  # the same turn goes on
                continue
            heapreplace(heap, (now + ns, place))
            if let_in:
                self._wake_let_in()
        self.now = now
        return bool(heap)

    def _leave_heap(self) -> None:
        """Take out whose turn it is, which is over; the writers that it let in have theirs."""
        heappop(self.heap)
        self._wake_let_in()

    def _wake_let_in(self) -> None:
        for entry in self._let_in:
            heappush(self.heap, entry)
        self._let_in.clear()

    def _finish(self, now: int, actor: Actor) -> None:
        """End a worker, and take out all who would write to nobody then and are ended, too."""
        heap, crew = self.heap, self._crew
        self.now = now
        crew.finished(actor)
        if actor.source is not None and not actor.reads.living:
            heap[:] = [entry for entry in heap if not crew.actors[entry[1]].is_over]
            heapify(heap)


def _blocks(worker: WorkerPlan, service: Sampler | None, size: int) -> Iterator[list[Ahead]]:
    """A producer's items, `size` at once, the first one last; service is drawn where all are served alike."""
    group, index, padding = worker.group, worker.index, bytes(worker.group.payload)
    known: Any = group.items
    first, stride = (worker.position, group.count) if group.split else (0, 1)
    every = range(first, len(known), stride)
    for begin in range(0, len(every), size):
        seqs = every[begin : begin + size]
        block = Block(worker.origins.prefix(index), seqs)
        values = known[seqs.start : seqs.stop : stride]
        services = [0] * len(seqs) if service is None else service.block(block)
        made = [
            Ahead(index, seq, item, 1, 0, "", padding, None, 0, pause, ns)
            for seq, item, pause, ns in zip(seqs, values, group.pause.block(block), services, strict=True)
        ]
        made.reverse()
        yield made


def _work(worker: WorkerPlan) -> Callable[[Envelope], int]:
    """How long a consumer works on an item, in ns."""
    service = worker.group.service
    if service is None:
        return lambda _: 0
    draw, prefix = service.draw, worker.origins.prefix
    return lambda envelope: draw(f"{prefix(envelope.producer)}{envelope.seq}", envelope.seq)
