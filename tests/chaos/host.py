"""The process in which trials run, one after another: an order a line on stdin, a reply a line on stdout.

It stands apart from whoever judges, so that a run that hangs can be killed as a whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import runner
from chaos.traps import laid, surveyed
from chaos.trial import Act, Trap
from runner.config.load import loads
from runner.engines import stillness, stop
from runner.engines.recovery import Recovery
from runner.queues.pipe import PipeQueue
from runner.queues.tickets import SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def main(folder: Path) -> None:
    """Carry out orders until stdin ends."""
    for line in sys.stdin:
        order = json.loads(line)
        try:
            reply = carried_out(order, folder / order["name"])
        except Exception:  # whatever it is, the trial has failed, and the next one is to come
            reply = {"error": traceback.format_exc()}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


def carried_out(order: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run a config and say how it ended, and what mprun's own audit finds."""
    config = loads(json.dumps(order["config"]), folder=folder)
    traps = [Trap(**trap | {"act": Act(trap["act"])}) for trap in order["traps"]]
    with contextlib.ExitStack() as stack:
        if traps:
            stack.enter_context(laid(traps, folder))
        if order["patch"] is not None:
            stack.enter_context(PATCHES[order["patch"]](folder))
        if any(trap.act is Act.STOP for trap in traps):
            stack.enter_context(_impatient())
        result = runner.run(config, folder, command_line=["chaos"])
    verdict = runner.audit(result.run_dir)
    return {
        "run_dir": str(result.run_dir),
        "exit_code": result.exit_code,
        "valid": verdict.valid,
        "violations": [(violation.kind, violation.message) for violation in verdict.violations],
        "sprung": len(list(folder.glob("trap-*"))),
    }


def _without_redelivery(_: Path) -> contextlib.AbstractContextManager[object]:
    """A supervisor that does not hand out again what the dead had in hand."""
    return mock.patch.object(Recovery, "_hand_out_again", return_value=None)


def _with_a_small_pipe(_: Path) -> contextlib.AbstractContextManager[object]:
    """A pipe of one page, which really fills, as one of 32,768 tickets rarely does."""

    def granted(queue: PipeQueue) -> int:
        return fcntl.fcntl(queue._write_end, fcntl.F_SETPIPE_SZ, mmap.PAGESIZE) // SIZE

    return mock.patch.object(PipeQueue, "_granted", granted)


PATCHES: Final[dict[str, Callable[[Path], contextlib.AbstractContextManager[object]]]] = {
    "survey": surveyed,
    "no redelivery": _without_redelivery,
    "small pipe": _with_a_small_pipe,
}


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """For workers that are stopped: be quicker to believe that they will neither show their stack nor end."""
    with mock.patch.object(stop, "GRACE_S", 0.2), mock.patch.object(stillness, "_STACK_PATIENCE_S", 0.05):
        yield


if __name__ == "__main__":
    main(Path(sys.argv[1]))
