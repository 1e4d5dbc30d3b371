"""Every kind of queue keeps the contract, by the very suite that authors of other kinds are given."""

from __future__ import annotations

import pytest

from runner.queues.manager import ManagerQueue
from runner.queues.mp_queue import MpQueue
from runner.queues.pipe import PipeQueue
from runner.queues.simple_queue import SimpleQueue
from runner.testing.queue_contract import QueueContract

pytestmark = pytest.mark.process


class TestPipe(QueueContract):
    kind = PipeQueue


class TestMultiprocessingQueue(QueueContract):
    kind = MpQueue


class TestSimpleQueue(QueueContract):
    kind = SimpleQueue


class TestManager(QueueContract):
    kind = ManagerQueue
