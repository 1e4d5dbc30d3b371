"""What an item and an event cost, and where: the worker's loop step by step, then the way from journals to verdict.

    python bench/costs.py [--items N] [--rounds N]

One process and no other: a producer fills the pipe, a consumer empties it, so nobody waits and nobody competes. What
two of each cost on two cores, with the kernel's locks and switches between them, `bench/main_job.py` measures.
Each figure is the median over the rounds of the CPU time, in µs per item or per event; in brackets the extremes. At the
end it counts what instructions of the interpreter an item takes, which no other program on the machine disturbs.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import multiprocessing
import statistics
import sys
import tempfile
from collections import Counter, defaultdict, deque
from functools import partial
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

from main_job import machine

from runner import api
from runner.analysis.closing import close
from runner.analysis.ledger import Ledger
from runner.analysis.summary import figures
from runner.config.load import loads
from runner.engines.board import Board
from runner.engines.closing import write_log
from runner.engines.contract import Outcome, Status
from runner.engines.opening import enter_start
from runner.engines.process_worker import SignalInterruption
from runner.engines.worker import Worker
from runner.envelope import Envelope, head
from runner.log import events
from runner.log.chronicle import Chronicle
from runner.log.encode import Encoding, encoded
from runner.log.journal import GET_DONE, PUT, Clock, JournalReader, JournalWriter, mark
from runner.log.merge import Merge, Owner
from runner.log.render import Renderer, json_processors
from runner.planning import steps
from runner.queues.pipe import PipeQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from runner.log.journal import Record
    from runner.planning.plan import Plan

    Sample = dict[str, list[float]]

AT_ONCE = 20_000
"""Items that surely fit the pipe."""


class NoJournal:
    """Takes records and forgets them."""

    def log(self, *_: Any) -> None:
        """One record."""

    def log_packed(self, *_: Any) -> None:
        """Many records."""


class NoQueue:
    """Takes everything; gives what it was made with."""

    def __init__(self, envelopes: list[Envelope], batch: int) -> None:
        self._envelopes = envelopes
        self._batch = batch

    def put(self, envelopes: list[Envelope]) -> int:
        """All of them."""
        return len(envelopes)

    def get(self, _limit: int) -> list[Envelope]:
        """The next batch."""
        taken = self._envelopes[-self._batch :]
        del self._envelopes[-self._batch :]
        return taken

    def close(self) -> None:
        """Nothing to do."""


class Collector(NoQueue):
    """Keeps what is put."""

    def put(self, envelopes: list[Envelope]) -> int:
        """All of them."""
        self._envelopes += envelopes
        return len(envelopes)


class EnvelopesOnly:
    """An end of a pipe that has all interpreted step by step, as it shows nothing of what `NumberWriter` can."""

    def __init__(self, end: Any) -> None:
        self.put, self.get, self.close = (
            getattr(end, "put", None),
            getattr(end, "get", None),
            getattr(end, "close", None),
        )


def seconds(what: Callable[[], object]) -> float:
    """CPU time, of this process alone."""
    began = process_time()
    what()
    return process_time() - began


class Loop:
    """One producer and one consumer of a plan, each with all it needs, in a folder of its own."""

    def __init__(self, plan: Plan, batch: int, folder: Path) -> None:
        self._plan, self._batch, self._folder = plan, batch, folder
        self._board = Board(folder / "board", plan.size, create=True)
        self._journals = 0

    def worker(self, index: int, *, journal: bool) -> Worker:
        """A new worker with this index in the plan."""
        self._journals += 1
        log: Any = JournalWriter(self._folder / f"{self._journals}") if journal else NoJournal()
        slot = self._board.slot(index)
        made = Worker(list(self._plan.workers())[index], log, slot, SignalInterruption(slot), self._batch)
        made.prepare()
        return made

    def measure(self, sample: Sample) -> None:
        """Adds the µs per item of every step."""
        producer = next(iter(self._plan.workers()))

        def only_steps() -> None:
            drive = steps.steps(producer, iter([(seq, seq) for seq in range(AT_ONCE)]))
            drive.send(None)
            for _ in range(AT_ONCE):
                drive.send(0)

        def note(name: str, what: Callable[[], object]) -> None:
            sample[name].append(seconds(what) / AT_ONCE * 1e6)

        note("put: steps of the plan alone", only_steps)
        for journal in (False, True):
            known = "with a journal" if journal else "no journal, no queue"
            kept: list[Envelope] = []
            putting, getting = self.worker(0, journal=journal), self.worker(1, journal=journal)
            note(f"put: {known}", partial(putting.run, None, Collector(kept, self._batch), 0))
            note(f"get and done: {known}", partial(getting.run, NoQueue(kept, self._batch), None, 0))
        for name, express in (("with a journal and a pipe", False), ("express, the same", True)):
            put, get = self._over_a_pipe(express=express)
            note(f"put: {name}", put)
            note(f"get and done: {name}", get)

    def _over_a_pipe(self, *, express: bool) -> tuple[Callable[[], object], Callable[[], object]]:
        """What puts all items, then what gets and does them."""
        queue = PipeQueue(self._plan.queues[0], multiprocessing.get_context("fork"), self._folder, 1)
        putting, getting = self.worker(0, journal=True), self.worker(1, journal=True)
        writer = queue.connector(0, self._journals, writes=True).writer(lambda: False)
        reader = queue.connector(1, self._journals, writes=False).reader(lambda: False)
        if not express:
            steps_alone: Any = EnvelopesOnly
            return partial(putting.run, None, steps_alone(writer), 0), partial(
                getting.run, steps_alone(reader), None, 0
            )
        return partial(putting.run, None, writer, 0), partial(getting.run, reader, None, 0)

    def instructions(self) -> list[str]:
        """How many instructions the interpreter takes for an item, in all and by function: lines to print."""
        return [
            _traced(f"{name}{', express' if express else ''}", what)
            for express in (False, True)
            for name, what in zip(("put", "get and done"), self._over_a_pipe(express=express), strict=True)
        ]


def _traced(name: str, what: Callable[[], object]) -> str:
    counted: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            counted[frame.f_code.co_name] += 1
        return trace

    sys.settrace(trace)
    what()
    sys.settrace(None)
    shares = [f"{code} {count / AT_ONCE:.0f}" for code, count in counted.most_common(6)]
    return f"  {name:42}{counted.total() / AT_ONCE:.0f}: {', '.join(shares)}"


def journals(plan: Plan, items: int, folder: Path) -> list[Owner]:
    """What one producer and one consumer would have written, in turn, every put before its get."""
    owners = [
        Owner(worker.name, worker.group.source, worker.group.target, folder / f"{worker.name}.1.journal")
        for worker in plan.workers()
    ]
    putting, getting = (JournalWriter(owner.journal) for owner in owners)
    got_and_done = mark(GET_DONE, head(0, 1))
    for seq in range(items):
        envelope = Envelope(0, seq, seq)
        putting.log(PUT, envelope, 4000 * seq + 1000, 900, None)
        getting.log_number(got_and_done, 4000 * seq + 2000, 500, 1900, seq, seq)
    putting.close()
    getting.close()
    return owners


def joined_records(journal: Path) -> Iterator[list[Record]]:
    """A journal as a merge reads it."""
    reader = JournalReader(journal)
    while records := reader.read_joined(1 << 11):
        yield records
    reader.close()


def measure_end(plan: Plan, items: int, folder: Path, sample: Sample) -> None:
    """Adds the µs per event of what follows a run, on three events an item."""
    clock = Clock(0, 1_700_000_000_000_000_000)
    owners = journals(plan, items, folder)
    chronicle = Chronicle(folder)
    encoding = Encoding(Renderer(clock, plan.origins.prefix, json_processors()))

    def note(name: str, what: Callable[[], object]) -> None:
        sample[name].append(seconds(what) / (3 * items) * 1e6)

    def merged(*, encode: bool) -> bytes:
        merge, text = Merge(owners, chronicle, encoding), b""
        while lines := merge.batch(1 << 62):
            text = encoded(lines) if encode else b""
        merge.close()
        return text

    note("journals read", lambda: [sum(map(len, joined_records(owner.journal))) for owner in owners])
    note("… and merged, as structs", lambda: merged(encode=False))
    note("… and encoded", lambda: merged(encode=True))
    enter_start(chronicle, folder, plan)  # with the lines below what a log needs to be whole
    for owner in owners:
        chronicle.add("worker.start", instant=1, worker=owner.worker, group=owner.worker, role="", incarnation=1, pid=1)
    chronicle.entries[0] = (0, chronicle.entries[0][1])
    log = folder / "events.jsonl"
    note(
        "log written",
        lambda: write_log(plan, folder, chronicle, Outcome(Status.COMPLETED, None, None, clock, True), log),
    )
    content = log.read_bytes()
    note("… of that SHA-256", lambda: hashlib.sha256(content).digest())
    note("log read", lambda: sum(map(len, events.read_chunks(log))))
    ledger = Ledger()
    note("… and booked", lambda: deque(map(ledger.feed, events.read_chunks(log)), 0))
    note("books closed, figures", lambda: figures(ledger, close(ledger)))
    chronicle.close()


def planned(items: int, batch: int) -> Plan:
    """The main job with one producer and one consumer."""
    return api.plan(
        loads(
            f"queues: {{main: {{batch: {batch}}}}}\n"
            f"producers: {{produce: {{items: {items}}}}}\n"
            "consumers: {consume: {}}\n"
        )
    )


def shown(title: str, unit: str, sample: Sample) -> str:
    """A table of one sample."""
    lines = [f"{title:44}{unit}"]
    for name, values in sample.items():
        lines.append(f"  {name:42}{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]")
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="What an item costs a worker, and an event the end of a run")
    parser.add_argument("--items", type=int, default=100_000, help="items of the log (default 100000)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds (default 7)")
    arguments = parser.parse_args()
    print(machine(), flush=True)
    samples: dict[str, Sample] = {name: defaultdict(list) for name in ("batch 1", "batch 64", "end")}
    for _ in range(arguments.rounds):
        for batch in (1, 64):
            with tempfile.TemporaryDirectory(prefix="mprun-costs-") as folder:
                Loop(planned(AT_ONCE, batch), batch, Path(folder)).measure(samples[f"batch {batch}"])
        with tempfile.TemporaryDirectory(prefix="mprun-costs-") as folder:
            gc.disable()
            measure_end(planned(arguments.items, 1), arguments.items, Path(folder), samples["end"])
            gc.enable()
    print(f"\n{shown('a write an item', 'µs per item', samples['batch 1'])}")
    print(f"\n{shown('batches of 64', 'µs per item', samples['batch 64'])}")
    print(f"\n{shown('the end of a run', 'µs per event', samples['end'])}")
    for batch in (1, 64):
        with tempfile.TemporaryDirectory(prefix="mprun-costs-") as folder:
            loop = Loop(planned(AT_ONCE, batch), batch, Path(folder))
            print(f"\n{f'instructions of the interpreter, batch {batch}':44}an item, and by function")
            print("\n".join(loop.instructions()))


if __name__ == "__main__":
    main()
