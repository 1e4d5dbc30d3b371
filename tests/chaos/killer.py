"""Who kills the workers of a trial, at instants that nothing in the run decides."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from typing import TYPE_CHECKING, Any

from chaos.session import session_of

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.trial import Kill, Trial


class Killer:
    """Kills workers of one trial, of which it knows what the supervisor has written to disk.

    Attributes:
        killed: How many it has killed.

    Args:
        trial: Says who dies when.
        folder: Where run directories are.
        session: The session all workers belong to, so that nobody else is killed by mistake.
    """

    def __init__(self, trial: Trial, folder: Path, session: int) -> None:
        self._folder = folder / trial.name
        self._session = session
        self._chance = random.Random(str(trial))  # noqa: S311 - repeatable, not secret
        self._ahead = list(trial.kills)
        self._journals: Path | None = None
        self._offset = 0
        self._alive: dict[int, str] = {}
        self._since: dict[str, float] = {}
        self.killed = 0

    @property
    def armed(self) -> bool:
        """Whether kills are still to come."""
        return bool(self._ahead)

    def look(self) -> None:
        """Follow what happens, and strike where it is time."""
        if not self._ahead:
            return
        self._follow()
        now = time.monotonic()
        for kill in [each for each in self._ahead if now >= self._since.get(each.phase, now) + each.after_s]:
            if self._alive and kill.phase in self._since:
                self._ahead.remove(kill)
                self._strike(kill)

    def _follow(self) -> None:
        if self._journals is None:
            self._journals = next(self._folder.glob("[0-9]*/journals"), None)
            if self._journals is None:
                return
        with contextlib.suppress(OSError):
            with (self._journals / "supervisor.jsonl").open("rb") as file:
                file.seek(self._offset)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._offset += len(whole)
            for line in whole.splitlines():
                self._note(json.loads(line))
        if "run" not in self._since and (self._journals / "clock.json").exists():
            self._since["run"] = time.monotonic()

    def _note(self, event: dict[str, Any]) -> None:
        if event["event"] == "worker.start":
            self._alive[event["pid"]] = event["worker"]
            self._since.setdefault("start", time.monotonic())
        elif event["event"] == "worker.exit":
            self._alive.pop(event["pid"], None)
            if event.get("exit_code") == 0:
                self._since.setdefault("end", time.monotonic())

    def _strike(self, kill: Kill) -> None:
        victims = self._chance.sample(sorted(self._alive), min(kill.victims, len(self._alive)))
        for pid in victims:
            self._alive.pop(pid)
            with contextlib.suppress(ProcessLookupError):
                handle = os.pidfd_open(pid)
                if session_of(pid) == self._session:  # or it is gone, and its number may be another's
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    self.killed += 1
                os.close(handle)
