"""The cluster that the tests of the engine `ray` share: three nodes on this machine, told apart by what they have.

    head     the driver's node, where brokers are unless told otherwise; never killed
    left     a node that tests may kill: {"left": 1000, "movable": 1000}
    right    likewise

A node counts as dead within two seconds. Whoever has killed one says `mend()`, so that the next test finds three again.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import tempfile
from typing import TYPE_CHECKING, Any, Final

import conftest
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDS_RAY: Final = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install -e '.[ray]'"
)
CPUS: Final = 4
_STORE_BYTES: Final = 80 << 20
_QUICK_TO_NOTICE: Final = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 300,
    "health_check_failure_threshold": 4,
    "health_check_timeout_ms": 3000,
}
"""Who is gone refuses connections, and is missed at the fourth in a row; who is slow has some seconds each time."""


class SharedCluster:
    """See above.

    Attributes:
        address: `host:port` of its control service.
        folder: Where Ray keeps its files.
    """

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.folder = tempfile.mkdtemp(prefix="mprun-rt-", dir="/tmp")
        self._cluster = Cluster()
        self._nodes: dict[str, Any] = {}
        head = {"include_dashboard": False, "_system_config": dict(_QUICK_TO_NOTICE), "temp_dir": self.folder}
        self._add("head", **head)
        self.address: str = self._cluster.address
        self.mend()

    def _add(self, name: str, **more: Any) -> None:
        resources = {name: 1000.0} | ({} if name == "head" else {"movable": 1000.0})
        self._nodes[name] = self._cluster.add_node(
            num_cpus=CPUS, object_store_memory=_STORE_BYTES, resources=resources, wait=True, **more
        )

    def mend(self) -> None:
        """See to it that there are three nodes."""
        for name in ("left", "right"):
            if name not in self._nodes:
                self._add(name)

    def kill(self, name: str) -> None:
        """Kill a node and all that is on it, without a word to anybody."""
        node = self._nodes.pop(name)
        roots = _roots(node)
        there = [each.pid for root in roots for each in conftest.descendants(root)]
        self._cluster.remove_node(node, allow_graceful=False)
        _kill({*roots, *there})

    def node_of(self, pid: int) -> str:
        """On which node a process is."""
        for name, node in self._nodes.items():
            if any(pid == each.pid for root in _roots(node) for each in conftest.descendants(root)):
                return name
        raise LookupError(f"{pid} is on no node")

    def actors(self) -> list[tuple[int, str]]:
        """The workers and brokers of any run that are on it: their pids and commands."""
        processes = [each for root in self.roots for each in conftest.descendants(root)]
        return [
            (pid, command) for pid, command in processes if command.startswith(("ray::RayWorker", "ray::RayBroker"))
        ]

    @property
    def roots(self) -> set[int]:
        """The processes that were started for its nodes; all others of it are theirs."""
        return {pid for node in self._nodes.values() for pid in _roots(node)}

    def close(self) -> None:
        """Stop it, and let nothing stay."""
        there = {*self.roots, *(each.pid for root in self.roots for each in conftest.descendants(root))}
        self._cluster.shutdown()
        _kill(there)
        shutil.rmtree(self.folder, ignore_errors=True)


def _roots(node: Any) -> set[int]:
    return {info.process.pid for infos in node.all_processes.values() for info in infos}


def _kill(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def connected_cluster() -> Iterator[SharedCluster]:
    """A cluster to which this process is connected."""
    import logging

    import ray

    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    cluster = SharedCluster()
    try:
        ray.init(address=cluster.address, logging_level=logging.ERROR, log_to_driver=True)
        yield cluster
    finally:
        ray.shutdown()
        cluster.close()
