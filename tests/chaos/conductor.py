"""Whoever stands outside: has trials run, one at a time, ends those that take too long, and has all judged."""

from __future__ import annotations

import json
import select
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from chaos.fates import Fault, Wrong
from chaos.killer import Killer
from chaos.oracle import judge
from chaos.session import Session

if TYPE_CHECKING:
    from types import TracebackType

    from chaos.trial import Trial

_LOOK_EVERY_MS: Final = 0.5
PATIENCE_S: Final = 60.0
"""A trial that takes longer is hung; the longest take a tenth of it."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial that is over.

    Attributes:
        trial: Which.
        faults: What is wrong with it.
        killed: How many workers were killed.
        sprung: How many of its traps went off.
        folder: Where its run directory is, as long as it is kept.
    """

    trial: Trial
    faults: list[Fault]
    killed: int
    sprung: int
    folder: Path

    def __str__(self) -> str:
        faults = "".join(f"\n    {fault.wrong}: {fault.why[:600]}" for fault in self.faults[:5])
        return f"{self.trial}\n    {self.killed} killed, {self.sprung} traps sprung; see {self.folder}{faults}"


class Conductor:
    """Has trials run by a host, which is replaced when it had to be killed; a context.

    Args:
        folder: Takes the run directories; those of trials in which nothing is wrong are removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._errors = (folder / "stderr").open("ab")
        self._host: Session | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._give_up()
        self._errors.close()

    def tried(self, trial: Trial, *, keep: bool = False, seconds: float = PATIENCE_S) -> Tried:
        """Have a trial run and judged."""
        host = self._host = self._host or Session("chaos.host", self._folder, errors=self._errors)
        killer = Killer(trial, self._folder, host.number)
        reply = self._answer(host, trial.order(), killer, seconds)
        faults = self._found(trial, reply, killer.killed, host)
        folder = self._folder / trial.name
        if not faults and not keep:
            shutil.rmtree(folder, ignore_errors=True)
        return Tried(trial, faults, killer.killed, (reply or {}).get("sprung", 0), folder)

    def _answer(self, host: Session, order: dict[str, Any], killer: Killer, seconds: float) -> dict[str, Any] | None:
        """What a host replies to an order, while the killer is about; None where it took too long or died."""
        process = host.process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        poll = select.poll()
        poll.register(process.stdout, select.POLLIN)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if poll.poll(_LOOK_EVERY_MS if killer.armed else 100):
                line = process.stdout.readline()
                return json.loads(line) if line else None
            killer.look()
        return None

    def _found(self, trial: Trial, reply: dict[str, Any] | None, killed: int, host: Session) -> list[Fault]:
        if reply is None:
            self._give_up()
            return [Fault(Wrong.HUNG, f"no answer within {PATIENCE_S:g} s")]
        if "error" in reply:
            return [Fault(Wrong.RECORD, reply["error"])]
        faults = judge(trial, Path(reply["run_dir"]) / "events.jsonl", reply["exit_code"], killed)
        told = trial.kind != "pipe" and {kind for kind, _ in reply["violations"]} == {"lost"}
        if reply["valid"] is not True and not told:  # where locks are shared, the run itself names items lost
            faults.append(Fault(Wrong.AUDIT, str(reply["violations"][:5])))
        if left := host.left():
            faults.append(Fault(Wrong.LEFT_RUNNING, str(left)))
        return faults

    def _give_up(self) -> None:
        if self._host is not None:
            self._host.kill()
            self._host = None
