"""Each file of `wrong_configs/` is a config and, in lines after `#>`, every problem that is told of it, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.config.load import loads
from runner.errors import ConfigError

FOLDER = Path(__file__).parent / "wrong_configs"
CASES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_every_problem_is_told_with_its_position(case: Path) -> None:
    lines = case.read_text("utf-8").splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("#> "))
    expected = [line[3:].rstrip("\n").replace("{folder}", str(FOLDER)) for line in lines if line.startswith("#> ")]
    with pytest.raises(ConfigError) as caught:
        loads(text, source="c", folder=FOLDER, environ={"SEED": "7"})
    assert [str(problem).removeprefix("c:") for problem in caught.value.problems] == expected


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 70
