"""Many runs in one process leave nothing behind, whatever became of them; Python in its developers' mode is content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import many_runs
import pytest
from running import finished, trials

if TYPE_CHECKING:
    from collections import Counter

pytestmark = pytest.mark.process

PROGRAM = Path(many_runs.__file__)


@pytest.mark.parametrize("options", [("-W", "error", "-X", "dev"), ()][: trials(1, 2)], ids=" ".join)
def test_many_runs_in_one_process_leave_nothing(options: tuple[str, ...], tmp_path: Path, tally: Counter[str]) -> None:
    count = trials(20, 200)
    code, out, err = finished(*options, PROGRAM, tmp_path, str(count), seconds=trials(120, 1200))
    assert code == 0, err
    assert "Warning" not in err
    assert "Exception ignored" not in err
    assert "Traceback" not in err
    told = json.loads(out)
    assert told["after"] == told["before"]
    assert sum(told["codes"].values()) == count
    assert {"0", "1"} <= set(told["codes"])
    tally["runs in one process"] += count
