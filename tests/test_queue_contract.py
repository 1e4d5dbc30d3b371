"""Every kind of queue keeps the contract, by the very suite that authors of other kinds are given."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import pytest
from conftest import is_running
from running import until

from runner.envelope import Envelope
from runner.queues.manager import ManagerQueue
from runner.queues.mp_queue import MpQueue
from runner.queues.pipe import PipeQueue
from runner.queues.simple_queue import SimpleQueue
from runner.testing.ends import Bench
from runner.testing.queue_contract import QueueContract, makes_a_queue

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process


class TestPipe(QueueContract):
    kind = PipeQueue


class TestMultiprocessingQueue(QueueContract):
    kind = MpQueue


class TestSimpleQueue(QueueContract):
    kind = SimpleQueue


class TestManager(QueueContract):
    kind = ManagerQueue

    def test_its_process_dies_with_the_supervisor_also_when_stopped(self, tmp_path: Path) -> None:
        """SIGSTOP keeps a process from looking around, and its kernel not from killing it."""
        context = multiprocessing.get_context("fork")
        told, tells = context.Pipe(duplex=False)
        supervisor = context.Process(target=makes_a_queue, args=(self.kind, tmp_path, tells))
        supervisor.start()
        assert told.poll(20)
        [manager] = told.recv()
        os.kill(manager, signal.SIGSTOP)
        supervisor.kill()
        supervisor.join()
        until(lambda: not is_running(manager), 2)

    def test_who_needs_it_when_it_has_ended_says_so(self, tmp_path: Path) -> None:
        with Bench(self.kind, tmp_path) as bench:
            writer = bench.writer()
            [manager] = [child for child in multiprocessing.active_children() if child.name == "manager of queue"]
            manager.kill()
            with pytest.raises(RuntimeError, match="ConnectionError: the manager process of its queue has ended"):
                writer.put(Envelope(0, 0, 1))
