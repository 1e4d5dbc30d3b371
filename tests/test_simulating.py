"""The progress of a simulation: a line on stderr now and then, from what its workers have done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runner
from runner.cli import simulating
from runner.cli.live import Live
from runner.cli.simulating import Simulating, line
from runner.cli.streams import Outlet
from runner.config.load import loads
from runner.config.simulable import simulable
from runner.engines.simulation import Simulation, run
from runner.log.rundir import RunDir
from runner.planning.plan import Role
from runner.planning.resolve import plan as resolved

if TYPE_CHECKING:
    from runner.engines.contract import LiveSimulation

TEXT = """
queues: {a: {}, b: {}}
producers: {p: {count: 2, items: 3000, to: a, sleep: 1s}}
stages: {s: {from: a, to: b}}
consumers: {c: {from: b}}
"""


@dataclass
class Lines:
    """Keeps the line at every look."""

    seen: list[str] = field(default_factory=list)
    counts: list[tuple[int, ...]] = field(default_factory=list)

    def look(self, run: LiveSimulation) -> None:
        self.seen.append(line(run, 2.0))
        self.counts.append(tuple(run.counts().values()))


def test_a_line_says_how_far_it_is() -> None:
    lines = Lines()
    run(Simulation(resolved(simulable(loads(TEXT))), None, watch=lines), lambda _: None)
    assert lines.seen[0] == "simulated 0 us in 2.00 s: put 0/6,000, done 0, 0 simulated/s"
    assert len(lines.seen) > 3
    assert lines.counts == sorted(lines.counts)
    puts, stages, done = lines.counts[-1]
    said = f"put {puts:,}/6,000, through stages {stages:,}, done {done:,}"
    assert said in lines.seen[-1]
    assert 0 < done <= stages <= puts <= 6000


@dataclass
class Still:
    """A simulation somewhere."""

    now_ns: int = 3_000_000_000

    plan = resolved(simulable(loads(TEXT)))

    def counts(self) -> dict[Role, int]:
        return {Role.PRODUCER: 5, Role.STAGE: 4, Role.CONSUMER: 3}


@pytest.mark.parametrize(("in_place", "shown"), [(False, "{}\n"), (True, "\r\x1b[K{}\r\x1b[K")])
def test_it_is_shown_when_it_is_due(in_place: bool, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(simulating, "monotonic", lambda: clock[0])
    reader, writer = os.pipe()
    try:
        display = Simulating(Outlet(writer), in_place=in_place)
        display.show(Still())
        clock[0] += 2.5
        display.show(Still())
        display.show(Still())
        display.close()
        text = "simulated 3.00 s in 2.50 s: put 5/6,000, through stages 4, done 3, 1.20 simulated/s"
        assert os.read(reader, 9999).decode() == shown.format(text)
    finally:
        os.close(reader)
        os.close(writer)


def test_quiet_shows_none(capfd: pytest.CaptureFixture[str]) -> None:
    live = Live("none", quiet=True)
    live.look(Still())
    live.finish(Path(os.devnull))
    assert capfd.readouterr() == ("", "")


def test_a_display_that_breaks_does_not_end_the_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("runner.cli.live._simulating", broken)
    live = Live("none", quiet=False)
    live.look(Still())
    live.look(Still())
    live.finish(Path(os.devnull))


def test_a_watch_of_real_runs_only_is_not_asked(tmp_path: Path) -> None:
    class Ticks:
        def tick(self, _: object) -> None:
            raise AssertionError

    assert runner.run(simulable(loads(TEXT)), tmp_path, watch=Ticks()).exit_code == 0


def test_ctrl_c_ends_a_long_simulation_with_its_store_complete(tmp_path: Path) -> None:
    """The command, once it has shown that it is under way."""
    (tmp_path / "long.yaml").write_text("producers: {p: {items: 100000000, sleep: 1s}}\nconsumers: {c: {}}")
    command = [str(Path(sys.executable).with_name("mprun")), "simulate", "long.yaml"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("simulated ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert out == ""
    assert "mprun: interrupted: interrupted by SIGINT" in err
    store = RunDir(tmp_path / "runs" / "latest")
    manifest = store.manifest()
    assert (manifest["status"], manifest["exit_code"]) == ("interrupted", 130)
    assert runner.audit(store.path, fifo=False).valid is True
