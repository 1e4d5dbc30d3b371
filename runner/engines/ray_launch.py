"""Starting brokers and workers on a Ray cluster: where each may be, and what it is handed."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from runner.engines.board import FINISH
from runner.engines.ray_broker import RayBroker
from runner.engines.ray_cluster import waiting_for
from runner.engines.ray_hand import RayHand
from runner.engines.ray_queue import BrokerQueue
from runner.engines.ray_worker import ORDERS, Job, RayWorker
from runner.errors import ConfigError, Problem

if TYPE_CHECKING:
    from runner.engines.board import Board
    from runner.engines.resume import Resume
    from runner.planning.placement import Placement
    from runner.planning.plan import Plan, QueuePlan, WorkerPlan

_INTERVAL_S: Final = 0.1
_REPORTS_PER_S: Final = 500
"""Of all workers together, beside those that come with puts and gets: more would cost more than they tell."""
_PLACED_WITHIN_S: Final = 60.0


class Launch:
    """Starts brokers at once, workers when asked to.

    Attributes:
        queues: By name.

    Args:
        plan: Of the run.
        board: Of the run.

    Raises:
        ConfigError: A broker finds no place, or Ray does not take what `engine_options` say.
    """

    def __init__(self, plan: Plan, board: Board) -> None:
        self._plan = plan
        self._board = board
        self._interval = max(_INTERVAL_S, plan.size / _REPORTS_PER_S)
        self._progress_at = monotonic()
        self.queues = {queue.name: self._queue(queue) for queue in plan.queues}

    def _queue(self, queue: QueuePlan) -> BrokerQueue:
        try:
            return BrokerQueue(queue, self._broker(queue))
        except RayError as error:
            why = f"its broker does not start: {str(error).strip().splitlines()[0]}"
            raise ConfigError(Problem(self._plan.name, None, None, f"queues.{queue.name}", why)) from error

    def _broker(self, queue: QueuePlan) -> Any:
        """The actor that holds a queue, on the supervisor's node where nothing else is said."""
        placement = self._plan.cluster.queue(queue.name)
        writers = sum(group.count for group in self._plan.writers(queue.name))
        if placement is None:
            here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
            options: dict[str, Any] = {"num_cpus": 0, "scheduling_strategy": here}
        else:
            options = _options(placement)
        return self._with_options(f"queues.{queue.name}", RayBroker, options).remote(queue.maxsize, writers)

    def start(self, worker: WorkerPlan, incarnation: int, resume: Resume) -> RayHand:
        """Have an actor started for a worker; when it is there, it says where it is (`RayWorker.about`)."""
        group, slot = worker.group, self._board.slot(worker.index)
        source, target = self.queues.get(group.source or ""), self.queues.get(group.target or "")
        job = Job(
            worker, incarnation, resume, tuple(slot.words[slot.base : slot.base + FINISH + 1].tolist()),
            None if source is None else source.address, None if target is None else target.address,
            1 if source is None else source.plan.batch, 1 if target is None else target.plan.batch,
            self._plan.cluster.prefetch(group.name), self._plan.pythonpath, self._interval,
        )  # fmt: skip
        options = _options(self._plan.cluster.group(group.name))
        actor = self._with_options(f"groups.{group.name}", RayWorker, options).remote(job)
        self.note_progress()
        return RayHand(worker, incarnation, slot, actor, (slot.puts, slot.gets))

    def _with_options(self, where: str, what: type, options: dict[str, Any]) -> Any:
        """A class of actors with these options; raises ConfigError where Ray does not take them."""
        try:
            return ray.remote(concurrency_groups={ORDERS: 1})(what).options(**options)
        except ValueError as error:
            why = f"Ray refuses: {str(error).splitlines()[0]}"
            raise ConfigError(Problem(self._plan.name, None, None, f"engine_options.{where}", why)) from error

    def note_progress(self) -> None:
        """Another worker has come a step further."""
        self._progress_at = monotonic()

    def given_up(self, hands: list[RayHand]) -> str | None:
        """Why nobody waits any longer for workers that find no place, be they replacements; None: there is no cause."""
        hand = next((hand for hand in hands if hand.alive and hand.pid is None), None)
        if hand is None or monotonic() - self._progress_at < _PLACED_WITHIN_S:
            return None
        placement = self._plan.cluster.group(hand.worker.group.name)
        demands = {"CPU": placement.num_cpus, **dict(placement.resources)}
        return f"{hand.worker.name} {waiting_for(demands, self._progress_at, ray)}"


def _options(placement: Placement) -> dict[str, Any]:
    """How Ray is told where an actor may be."""
    return {
        "num_cpus": placement.num_cpus,
        "resources": dict(placement.resources),
        "scheduling_strategy": "SPREAD" if placement.spread else "DEFAULT",
    }
