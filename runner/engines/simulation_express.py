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
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from runner.engines.simulation_calendar import Calendar
from runner.engines.simulation_hands import UNLIMITED
from runner.engines.simulation_worker import LONGEST_TURN
from runner.envelope import Envelope
from runner.log.journal import DONE, GET, PUT
from runner.planning.plan import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runner.engines.simulation_calendar import Player
    from runner.engines.simulation_crew import Crew
    from runner.engines.simulation_worker import Actor
    from runner.planning.draws import Sampler
    from runner.planning.plan import GroupPlan, Plan, WorkerPlan

_ENDLESS: Final = -1
"""A quota that is never met, however often one is taken off."""
_BLOCK: Final = 64
"""Items of a producer that are made, with their draws, at once."""
_MOST_AHEAD: Final = 1 << 15
"""Items that all producers together have made ahead, or one each."""


class Ahead(Envelope, gc=False):
    """An item that knows how long work on it will take, in ns."""

    service: int = 0


def is_plain(plan: Plan) -> bool:
    """Whether the express calendar can play a plan."""
    return len(plan.queues) == 1 and plan.queues[0].batch == 1 and plan.steady is None and all(map(_is_plain, plan.groups))


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
        "_crew", "_left", "_let_in", "_limited", "_rest", "_returned", "_since", "_upcoming", "_work",
    )  # fmt: skip

    def __init__(self, crew: Crew) -> None:
        super().__init__()
        self.heap: list[tuple[int, int]] = []  # type: ignore[assignment]
        self._crew = crew
        workers = list(crew.plan.workers())
        producers = [worker for worker in workers if worker.group.role is Role.PRODUCER]
        consumers = crew.plan.readers(crew.plan.queues[0].name)
        service = consumers[0].service if len(consumers) == 1 else None
        block = max(1, min(_BLOCK, _MOST_AHEAD // len(producers)))
        self._rest = [chain.from_iterable(_blocks(worker, service, block)) for worker in producers]
        self._upcoming: list[tuple[Ahead, int] | None] = [next(rest, None) for rest in self._rest]
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

    def play(self, turns: int) -> bool:  # noqa: C901, PLR0912, PLR0915 - one frame, as calls are what a turn would cost
        """See `Calendar.play`."""
        heap, crew = self.heap, self._crew
        actors, channel, records = crew.actors, next(iter(crew.channels.values())), crew.records
        items, readers, blocked, bound = channel.items, channel.readers, channel.blocked, channel.bound
        rest, upcoming, returned, left, work = self._rest, self._upcoming, self._returned, self._left, self._work
        duration, producers, limited = crew.plan.duration_ns, len(upcoming), self._limited
        tell, since, let_in = records.append, self._since, self._let_in
        now = self.now
        while heap and turns:
            turns -= 1
            now, place = heap[0]
            actor = actors[place]
            if place < producers:
                pair = upcoming[place]
                if pair is None:
                    heappop(heap)
                    self._finish(now, actor)
                    continue
                envelope, ns = pair
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
                upcoming[place] = pair = next(rest[place], None)
                if duration is not None and now + ns >= duration:
                    upcoming[place] = pair = None
                    ns = max(0, min(ns, duration - now))
                if pair is None:
                    self.now = now
                    actor.leave()
                if ns:
                    heapreplace(heap, (now + ns, place))
                elif pair is None:
                    heappop(heap)
                    self._finish(now, actor)
                else:
                    turns += 1  # the same turn goes on
                continue
            envelope = actor.in_hand
            if envelope is not None:
                ns = envelope.service
                tell((DONE, now, actor, envelope, ns, ns))
                actor.in_hand = envelope = None
                actor.tally.dones += 1
                if limited:
                    left[place] -= 1
                    if not left[place]:
                        self._leave_heap()
                        self._finish(now, actor)
                        continue
            elif actor.taken:
                envelope = actor.taken.pop()
            if envelope is None:
                if not items:
                    self._leave_heap()
                    if channel.writers:
                        since[place] = now
                        readers.append(actor)
                    else:
                        self._finish(now, actor)
                    continue
                envelope = items.popleft()
                tell((GET, now, actor, envelope, 0, now - envelope.began))
                actor.tally.gets += 1
                while blocked and len(items) < bound:
                    writer = blocked.popleft()
                    waiting, _ = upcoming[writer.index]
                    items.append(waiting)
                    tell((PUT, now, writer, waiting, now - waiting.began, None))
                    tally = writer.tally
                    tally.puts += 1
                    tally.seq = waiting.seq
                    let_in.append((now, writer.index))
            if work is not None:
                envelope.service = work[place](envelope)
            actor.in_hand = envelope
            ns = envelope.service
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


def _blocks(worker: WorkerPlan, service: Sampler | None, size: int) -> Iterator[Iterator[tuple[Ahead, int]]]:
    """A producer's items, each with the pause after it, `size` at once; `service` where all are served alike."""
    group, index, padding = worker.group, worker.index, bytes(worker.group.payload)
    prefix = worker.origins.prefix(index)
    known: Any = group.items
    first, stride = (worker.position, group.count) if group.split else (0, 1)
    every = range(first, len(known), stride)
    for begin in range(0, len(every), size):
        seqs = every[begin : begin + size]
        values = known[seqs.start : seqs.stop : stride]
        services: Sequence[int] = [0] * len(seqs) if service is None else service.block(prefix, seqs)
        made = [
            Ahead(index, seq, item, 1, 0, "", padding, None, 0, ns)
            for seq, item, ns in zip(seqs, values, services, strict=True)
        ]
        yield zip(made, group.pause.block(prefix, seqs), strict=True)


def _work(worker: WorkerPlan) -> Callable[[Envelope], int]:
    """How long a consumer works on an item, in ns."""
    service = worker.group.service
    if service is None:
        return lambda _: 0
    draw, prefix = service.draw, worker.origins.prefix
    return lambda envelope: draw(f"{prefix(envelope.producer)}{envelope.seq}", envelope.seq)
