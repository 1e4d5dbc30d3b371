"""Many workers, many queues, by an ordinary user; `make scale` runs a thousand workers."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from running import finished

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

MANY = """
import resource, runner
from runner.config.load import loads

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    for count in (1, 60):
        config = loads(
            "start_method: METHOD\\n"
            f"producers: {{p: {{count: {count}, items: 10}}}}\\n"
            f"consumers: {{c: {{count: {count}}}}}\\n"
        )
        result = runner.run(config, "runs")
        print(result.exit_code, result.summary["items"]["done"])
"""
QUEUES = """
import contextlib, fcntl, json, os, sys, runner
from runner.config.load import loads

if __name__ == "__main__":
    hoard = [os.pipe() for _ in range(int(sys.argv[1]))]
    for size in range(20, 12, -1):
        for _, end in hoard:
            if fcntl.fcntl(end, fcntl.F_GETPIPE_SZ) < 1 << size:
                with contextlib.suppress(PermissionError):  # other programs have pipes, too
                    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 1 << size)
    last = int(sys.argv[2]) - 1
    queues = "".join(f"  q{k}: {{}}\\n" for k in range(last + 1))
    stages = "".join(f"  s{k}: {{from: q{k}, to: q{k + 1}}}\\n" for k in range(last))
    text = f"start_method: fork\\nqueues:\\n{queues}producers: {{p: {{items: 100, to: q0}}}}\\n"
    text += (f"stages:\\n{stages}" if stages else "") + f"consumers: {{c: {{from: q{last}}}}}\\n"
    result = runner.run(loads(text), "runs")
    start = next(result.events())
    rooms = [queue["capacity"] for queue in start["queues"].values()]
    shown = [queue["capacity"] for queue in result.summary["queues"].values()]
    print(json.dumps([result.exit_code, result.summary["items"]["done"], rooms == shown, min(rooms), max(rooms)]))
"""


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_more_workers_than_the_soft_limit_of_descriptors_allows(method: str, tmp_path: Path) -> None:
    """Also where the fork server was started for a smaller run, with a lower limit."""
    script = tmp_path / "many.py"
    script.write_text(MANY.replace("METHOD", method))
    code, out, err = finished(script, cwd=tmp_path)
    assert (code, out) == (0, "0 10\n0 600\n"), err


@pytest.fixture
def unprivileged() -> tuple[str, ...]:
    """What to put before a program, so that the limits of an ordinary user hold for it."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv to take root's privileges away")
    return ("--bounding-set=-sys_resource,-sys_admin",)


@pytest.mark.parametrize(("hoarded", "queues"), [(0, 64), (96, 1)])
def test_an_ordinary_user_has_many_queues_and_is_shown_what_was_granted(
    hoarded: int, queues: int, unprivileged: tuple[str, ...], tmp_path: Path
) -> None:
    """Such a user gets 64 pipes of 1 MiB, or what comes to as much; beyond that, pipes of 8 KiB."""
    script = tmp_path / "queues.py"
    script.write_text(QUEUES)
    code, out, err = privileges_dropped(unprivileged, script, hoarded, queues, tmp_path)
    assert code == 0, err
    exit_code, done, same, least, most = json.loads(out)
    assert (exit_code, done, same) == (0, 100, True)
    assert 128 <= least <= most <= (16_384 if queues == 64 else 2048)


def privileges_dropped(
    options: tuple[str, ...], script: Path, hoarded: int, queues: int, folder: Path
) -> tuple[int, str, str]:
    arguments = (str(script), str(hoarded), str(queues))
    if not options:
        return finished(*arguments, cwd=folder)
    hand_over = f"import os, sys; os.execvp('setpriv', ['setpriv', '{options[0]}', sys.executable, *sys.argv[1:]])"
    return finished("-c", hand_over, *arguments, cwd=folder)
