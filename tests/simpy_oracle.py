"""The same models hand-written in SimPy: an oracle that shares with the engine `simulation` the draws and nothing else.

SimPy (a test dependency only) keeps the time, wakes the processes and, where there are no batches, is the queue as
well: its `Store`. What a worker does is told here once more, from the documented order of things: put, then pause;
get, service, put, done. Time is counted in whole nanoseconds, for SimPy adds whatever numbers it is given.

Modelled are groups of producers, stages and consumers over any number of bounded queues, quotas, and batches. Not
modelled are deaths, user code and processors. The order of what happens at one instant is not SimPy's business either,
so a comparison makes sense where waits are drawn from continuous laws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import simpy
from simpy.core import BoundClass
from simpy.resources import base

from runner.planning.plan import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from runner.planning.plan import GroupPlan, Plan

Instants: TypeAlias = dict[tuple[str, str, str], tuple[int, str]]
"""(`put`, queue, id) and the like → when it returned, and whose it was."""
_Process: TypeAlias = "Generator[simpy.Event, Any, None]"


class _BatchPut(base.Put["_Batches"]):
    """Puts several items; those that fit go in at once, and all are in when it is triggered."""

    def __init__(self, resource: _Batches, items: list[Any]) -> None:
        self.items = items
        super().__init__(resource)


class _BatchGet(base.Get["_Batches"]):
    """Gets as many items as there are, but at most `most`."""

    def __init__(self, resource: _Batches, most: int) -> None:
        self.most = most
        super().__init__(resource)


class _Batches(base.BaseResource[_BatchPut, _BatchGet]):
    """A store of which several items are written and read at once; `entered` hears of each that is in."""

    put: ClassVar[Any] = BoundClass(_BatchPut)
    get: ClassVar[Any] = BoundClass(_BatchGet)

    def __init__(self, env: simpy.Environment, capacity: float, entered: Callable[[Any], None]) -> None:
        super().__init__(env, capacity)
        self.items: list[Any] = []
        self._entered = entered

    def _do_put(self, event: _BatchPut) -> bool:
        fitting = event.items[: max(0, int(min(self.capacity - len(self.items), len(event.items))))]
        del event.items[: len(fitting)]
        self.items += fitting
        for item in fitting:
            self._entered(item)
        if event.items:
            if fitting:
                self._trigger_get(None)
            return False
        event.succeed()
        return True

    def _do_get(self, event: _BatchGet) -> bool:
        if not self.items:
            return False
        count = min(event.most, len(self.items))
        taken, self.items = self.items[:count], self.items[count:]
        event.succeed(taken)
        return True


class _Queue:
    """A queue of the plan, with those who write it and those who read it."""

    def __init__(self, env: simpy.Environment, plan: Plan, name: str, off_by: int) -> None:
        facts = plan.queue(name)
        bound = float("inf") if facts.capacity is None else facts.capacity + off_by
        self.batch = facts.batch
        self.store: Any = _Batches(env, bound, _Item.enter) if self.batch > 1 else simpy.Store(env, bound)
        self.readers = sum(group.count for group in plan.readers(name))
        self.writers: list[_Worker] = []


class _Item:
    """An item on its way, and who puts it now."""

    __slots__ = ("id", "seq", "writer")

    def __init__(self, id: str, seq: int, writer: _Worker) -> None:  # noqa: A002 - as everywhere
        self.id, self.seq, self.writer = id, seq, writer

    def enter(self) -> None:
        """It is in a batched queue, this very instant."""
        self.writer.put_returned(self)


class _Worker:
    """A producer, a stage or a consumer."""

    def __init__(self, model: Model, group: GroupPlan, position: int) -> None:
        self.env, self.tell, self.group, self.position = model.env, model.tell, group, position
        self.name = f"{group.name}-{position}"
        self.source = model.queues.get(group.source or "")
        self.target = model.queues.get(group.target or "")
        self.pending: list[_Item] = []
        self.reports: list[_Item] = []
        self.request: Any = None
        if self.target is not None:
            self.target.writers.append(self)
        work = {Role.PRODUCER: self.produce, Role.STAGE: self.relay, Role.CONSUMER: self.consume}[group.role]
        self.process = model.env.process(self.until_dismissed(work()))

    def until_dismissed(self, work: _Process) -> _Process:
        """Work until it is over, or until nobody will read any more what this worker puts."""
        try:
            yield from work
        except simpy.Interrupt:
            if self.request is not None:
                self.request.cancel()
        if self.target is not None and self in self.target.writers:
            self.target.writers.remove(self)
        if self.source is not None:
            self.source.readers -= 1
            if not self.source.readers:
                for writer in self.source.writers:
                    writer.process.interrupt()

    def produce(self) -> _Process:
        """Put, then pause."""
        group, env = self.group, self.env
        assert isinstance(group.items, range)
        own = range(len(group.items))
        for seq in own[self.position :: group.count] if group.split else own:
            item = _Item(f"{self.name}:{seq}", seq, self)
            yield from self.put(item)
            pause = group.pause(item.id, seq)
            if pause:
                yield from self.flush()
                yield env.timeout(pause)
        yield from self.flush()

    def put(self, item: _Item) -> Iterator[simpy.Event]:
        """Put an item, or gather it where the queue takes several at once."""
        queue = self.target
        assert queue is not None
        if queue.batch == 1:
            self.request = event = queue.store.put(item)
            yield event
            self.tell("put", self.env.now, self, item)
        else:
            self.pending.append(item)
            if len(self.pending) >= queue.batch:
                yield from self.flush()

    def flush(self) -> Iterator[simpy.Event]:
        """Put what has been gathered."""
        if self.pending:
            assert self.target is not None
            self.request = event = self.target.store.put(self.pending)
            if not event.triggered:
                yield event
            self.pending = []

    def put_returned(self, item: _Item) -> None:
        """An item of a batch is in the queue, so its work is done."""
        self.tell("put", self.env.now, self, item)
        if self.source is not None:
            self.tell("done", self.env.now, self, item)

    def relay(self) -> _Process:
        """Get, work, put, done, for ever."""
        assert self.target is not None
        while True:
            for item in (yield from self.get(1 << 30)):
                yield from self.work(item)
                passed = _Item(item.id, item.seq, self)
                yield from self.put(passed)
                if self.target.batch == 1:
                    self.tell("done", self.env.now, self, item)

    def consume(self) -> _Process:
        """Get, work, done, until the quota is met."""
        left = 1 << 30 if self.group.quota is None else self.group.quota
        while left:
            for item in (yield from self.get(left)):
                yield from self.work(item)
                self.tell("done", self.env.now, self, item)
                left -= 1

    def get(self, most: int) -> Generator[simpy.Event, Any, list[_Item]]:
        """Get one item, or what there is of a batch."""
        queue = self.source
        assert queue is not None
        yield from self.flush()  # a get may wait
        if queue.batch == 1:
            taken = [(yield queue.store.get())]
        else:
            taken = yield queue.store.get(min(most, queue.batch))
        for item in taken:
            self.tell("get", self.env.now, self, item)
        return taken

    def work(self, item: _Item) -> Iterator[simpy.Event]:
        """Take as long as was drawn for the item."""
        service = self.group.service
        ns = service(item.id, item.seq) if service is not None else 0
        if ns:
            yield from self.flush()
            yield self.env.timeout(ns)


class Model:
    """A plan as a SimPy model, to be run once.

    Args:
        plan: What is modelled.
        tell: Hears of every put, get and done: its name, when it returned, whose it is and of what.
        off_by: Added to every bound; other than 0, the model is wrong on purpose.
    """

    def __init__(self, plan: Plan, tell: Callable[[str, float, _Worker, _Item], None], off_by: int = 0) -> None:
        self.env = simpy.Environment(0)
        self.tell = tell
        self.queues = {queue.name: _Queue(self.env, plan, queue.name, off_by) for queue in plan.queues}
        for group in plan.groups:
            for position in range(group.count):
                _Worker(self, group, position)

    def run(self) -> None:
        """Run until nothing happens any more: nobody tells the workers that the stream has ended."""
        self.env.run()


def instants(plan: Plan, off_by: int = 0) -> Instants:
    """When every put, get and done returns, and whose it was, as SimPy has it."""
    found: Instants = {}

    def tell(what: str, now: float, worker: _Worker, item: _Item) -> None:
        queue = worker.group.target if what == "put" else worker.group.source
        found[what, queue or "", item.id] = int(now), worker.name

    Model(plan, tell, off_by).run()
    return found
