"""multiprocessing's own processes: they do not die of what a terminal sends, and nobody is blamed for their death."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running import USER_CODE, Ran, finished

pytestmark = pytest.mark.process

if TYPE_CHECKING:
    from typing import Any

SCRIPT = """
import os, signal, sys
from multiprocessing import forkserver
import runner
from runner.config.load import loads
from runner.engines.board import State


class Killer:
    done = False

    def tick(self, run):
        slots = [run.board.slot(worker.index) for worker in run.plan.workers()]
        if not self.done and all(slot.puts + slot.gets > 3 for slot in slots):
            self.done = True
            os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)


config = loads('''
pythonpath: [%s]
producers: {p: {items: 100, sleep: 2ms}}
consumers: {c: {count: 2, call: {target: "actions:die", kwargs: {how: exit 3, at: %d}}}}
''')
result = runner.run(config, sys.argv[1], watch=Killer())
print(result.run_dir)
sys.exit(result.exit_code)
"""


@pytest.mark.parametrize("at", [1000, 60], ids=["nobody dies", "an item kills"])
def test_workers_outlive_the_fork_server_and_are_not_taken_for_dead(at: int, tmp_path: Path) -> None:
    """Only their exit codes are not known any more; replacements come from another one."""
    code, out, err = finished("-c", SCRIPT % (USER_CODE, at), str(tmp_path / "runs"))
    assert code == (0 if at == 1000 else 1), err
    events: list[dict[str, Any]] = [
        json.loads(line) for line in (Path(out.strip()) / "events.jsonl").read_text().splitlines()
    ]
    ran = Ran(None, events)  # type: ignore[arg-type]  # the result was another process's
    assert len(ran.of("done")) == (100 if at == 1000 else 99)
    assert len(ran.of("worker.died")) == (0 if at == 1000 else 3)
    assert {event["exit_code"] for event in ran.of("worker.exit") if event["incarnation"] == 1} == {255}
    ran.assert_accounted()
