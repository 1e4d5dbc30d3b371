"""The Ray cluster a run uses: found, or started for the run and stopped after it; what it cannot give is said first."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final, TextIO

from runner.engines.ray_address import AddressError, find
from runner.engines.ray_own import own_ray
from runner.errors import ConfigError, Problem
from runner.planning.plan import UserCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.planning.placement import Placement
    from runner.planning.plan import Plan

_PRINTED_WITHIN_S: Final = 0.5
"""Ray brings what workers print a little later; it waits so long itself where a program ends without a word to it."""
_STORE_BYTES: Final = 100 << 20
"""Of a Ray of our own: what travels is small, and goes from worker to worker."""
_RAYLET: Final = "(raylet"
_PREFIX: Final = 20
"""Characters within which a line says whose it is, colours included."""
_NUMBERS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def connected(plan: Plan) -> Iterator[Any]:
    """Be connected to the plan's cluster; gives the module `ray`.

    Raises ConfigError where Ray is not installed, nobody answers at the address, or the cluster has not what the plan
    asks for. What this started is stopped again, whatever happens.
    """
    try:
        os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # read at import; what two workers print alike is printed twice
        import ray
    except ImportError:
        raise _refused(plan, "engine", "Ray is not installed: pip install 'mprun[ray]'") from None
    if ray.is_initialized():
        check_resources(plan, ray)
        yield ray
        return
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stderr(_WithoutRaylet(sys.stderr)))
        with _own_handlers():
            _connect(plan, ray, stack)
        try:
            check_resources(plan, ray)
            yield ray
        finally:
            if _may_print(plan):
                sleep(_PRINTED_WITHIN_S)
            with _own_handlers():
                ray.shutdown()


def _connect(plan: Plan, ray: Any, stack: contextlib.ExitStack) -> None:
    quiet = {"logging_level": logging.ERROR, "log_to_driver": _may_print(plan)}
    try:
        address = find(plan.address)
    except AddressError as error:
        raise _refused(plan, "address", str(error)) from None
    if address is not None:
        try:
            ray.init(address=address, **quiet)
        except Exception as error:  # of many kinds, all of which say that there is no cluster for us
            why = f"no Ray cluster for us at {address}: {_first_line(error)}{_advice()}"
            raise _refused(plan, "address", why) from error
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    folder = stack.enter_context(own_ray())
    own = {"address": "local", "include_dashboard": False, "object_store_memory": _STORE_BYTES, "_temp_dir": folder}
    try:
        ray.init(**own, **quiet)
    except Exception as error:
        raise _refused(plan, "engine", f"a Ray of its own could not be started: {_first_line(error)}") from error


def _may_print(plan: Plan) -> bool:
    """Whether there is user code, which may have something to say."""
    return any(group.call or isinstance(group.items, UserCode) for group in plan.groups)


def _advice() -> str:
    """What may help: a cluster of `ray start` checks a token where there is one, and who connects has to say so."""
    if "RAY_AUTH_MODE" in os.environ:
        return "; RAY_AUTH_MODE and the token have to be those of the cluster"
    return "; if it checks a token (ray start does where there is one), set RAY_AUTH_MODE=token"


def check_resources(plan: Plan, ray: Any) -> None:
    """Refuse a plan that asks for more than the cluster has; raises ConfigError."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    needed: dict[str, float] = {}
    for where, count, placement in _demands(plan):
        demand = _demand(placement)
        if demand and not any(all(node.get(name, 0) >= much for name, much in demand.items()) for node in nodes):
            raise _refused(plan, where, f"no node of the cluster has {_told(demand)}; {_there(nodes, demand)}")
        for name, much in demand.items():
            needed[name] = needed.get(name, 0) + count * much
    total = ray.cluster_resources()
    short = {name: much for name, much in needed.items() if much > total.get(name, 0) + 1e-9}
    if short:
        have = _told({name: total.get(name, 0) for name in short})
        why = f"all workers together need {_told(short)}, the cluster has {have}: add nodes, or ask for less per worker"
        raise _refused(plan, "engine_options", why)


def _demands(plan: Plan) -> Iterator[tuple[str, int, Placement]]:
    for group in plan.groups:
        yield f"engine_options.groups.{group.name}", group.count, plan.cluster.group(group.name)
    for queue in plan.queues:
        placement = plan.cluster.queue(queue.name)
        if placement is not None:
            yield f"engine_options.queues.{queue.name}", 1, placement


def _demand(placement: Placement) -> dict[str, float]:
    cpus = {"CPU": placement.num_cpus} if placement.num_cpus else {}
    return {**cpus, **dict(placement.resources)}


def _there(nodes: list[dict[str, float]], demand: dict[str, float]) -> str:
    most = {name: max((node.get(name, 0) for node in nodes), default=0) for name in demand}
    return f"the most a node has is {_told(most)}"


def _told(resources: dict[str, float]) -> str:
    return ", ".join(f"{much:g} {name}" for name, much in resources.items())


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _refused(plan: Plan, path: str, why: str) -> ConfigError:
    return ConfigError(Problem(plan.name, None, None, path, why))


@contextlib.contextmanager
def _own_handlers() -> Iterator[None]:
    """Keep the handlers of signals, for which Ray puts its own: that of SIGTERM would end us with nothing stored."""
    from ray._private import utils

    before = {number: signal.getsignal(number) for number in _NUMBERS}
    theirs = utils.set_sigterm_handler
    utils.set_sigterm_handler = lambda _: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = theirs
        with contextlib.suppress(ValueError):  # not in the main thread: nothing was changed
            for number, handler in before.items():
                if signal.getsignal(number) is not handler:
                    signal.signal(number, handler)


class _WithoutRaylet:
    """A stream for what workers print, without the pages that Ray's own processes have to say of every death.

    Args:
        stream: Where it goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._dropped = False

    def write(self, text: str) -> int:
        """Write a text, as `print` gives it: the line, then its end."""
        if text == "\n" and self._dropped:
            self._dropped = False
            return 1
        self._dropped = _RAYLET in text[:_PREFIX]
        return len(text) if self._dropped else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def waiting_for(demands: dict[str, float], since: float, ray: Any) -> str:
    """What is said of workers that find no place: another job has what they need."""
    free = {name: ray.available_resources().get(name, 0) for name in demands}
    return f"found no place within {monotonic() - since:.0f} s: needs {_told(demands)}, free is {_told(free)}"
