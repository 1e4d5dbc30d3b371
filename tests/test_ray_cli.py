"""`mprun` on a Ray cluster as a user sees it: streams, signals, exit codes, and one line for what cannot be."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import conftest
import pytest
from running import USER_CODE, finished, started, until
from sharedray import NEEDS_RAY

import runner
from runner.engines.ray_reaper import at_work

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from sharedray import SharedCluster

pytestmark = [pytest.mark.ray, pytest.mark.process, NEEDS_RAY]

PLAIN = """
producers: {p: {count: 2, items: 20, sleep: 1ms, to: a}}
stages: {s: {from: a, to: b, sleep: 1ms}}
consumers: {c: {from: b, sleep: 2ms}}
queues: {a: {maxsize: 3}, b: {}}
"""
LONG = PLAIN.replace("items: 20", "items: 2000").replace("2ms", "20ms")
STUCK = 'producers: {p: {items: 5}}\nconsumers: {c: {call: "actions:forever"}}\n'
OF_ITS_OWN = Path("/tmp")  # noqa: S108 - see `runner.engines.ray_own`


@pytest.fixture(autouse=True)
def nobody_is_left(cluster: SharedCluster) -> Iterator[None]:
    yield
    until(lambda: not cluster.actors(), 10)


def written(folder: Path, text: str, address: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(f'engine: ray\naddress: "{address}"\npythonpath: [{USER_CODE}]\n{text}')
    return path


def mprun(*arguments: str | Path, folder: Path, seconds: float = 60) -> tuple[int, str, str]:
    return finished("-m", "runner", *arguments, seconds=seconds, cwd=folder)


@contextlib.contextmanager
def under_way(folder: Path, text: str, address: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A run whose gate has opened."""
    process = started("-m", "runner", written(folder, text, address), "--log", "none", *options, cwd=folder)
    try:
        until(lambda: (latest(folder) / "journals" / "clock.json").exists() or process.poll() is not None, 60)
        yield process
    finally:
        process.kill()
        process.communicate()


def latest(folder: Path) -> Path:
    return (folder / "runs" / "latest").resolve()


def folders_of(pid: int) -> set[str]:
    """Where the Ray is that a process has started for itself, by the command of its reaper."""
    commands = [each.command.split() for each in conftest.descendants(pid)]
    return {command[-1] for command in commands if any(word.endswith("ray_reaper.py") for word in command)}


class TestStreams:
    def test_stdout_is_the_log_and_user_code_speaks_on_stderr(self, cluster: SharedCluster, tmp_path: Path) -> None:
        text = 'producers: {p: {count: 2, items: 30}}\nconsumers: {c: {count: 2, call: "actions:speak"}}'
        code, out, err = mprun(written(tmp_path, text, cluster.address), folder=tmp_path)
        assert code == 0, err
        assert out == (latest(tmp_path) / "events.jsonl").read_text()
        events = [json.loads(line) for line in out.splitlines()]
        assert [event["t_ns"] for event in events] == sorted(event["t_ns"] for event in events)
        assert "user code says 7" in err
        assert "user code writes" in err
        assert "Traceback" not in err

    def test_all_that_is_done_with_a_run_is_done_with_one_on_ray(self, cluster: SharedCluster, tmp_path: Path) -> None:
        config = written(tmp_path, PLAIN, cluster.address)
        code, out, err = mprun(config, "--json", folder=tmp_path)
        assert code == 0, err
        summary = json.loads(out)
        assert (summary["engine"], summary["items"]["done"]) == ("ray", 40)
        first = latest(tmp_path)
        assert mprun("audit", first, folder=tmp_path)[0] == 0
        assert "ray" in mprun("show", first, folder=tmp_path)[1]
        assert mprun("report", first, folder=tmp_path)[0] == 0
        assert mprun("trace", first, folder=tmp_path)[0] == 0
        assert (first / "report.html").exists()
        assert (first / "trace.json.gz").exists()
        code, _, err = mprun("rerun", first, folder=tmp_path)
        assert code == 0, err
        assert latest(tmp_path) != first
        assert json.loads((latest(tmp_path) / "summary.json").read_text())["engine"] == "ray"
        assert mprun("compare", first, latest(tmp_path), folder=tmp_path)[0] == 0
        code, _, err = mprun("twin", config, folder=tmp_path)
        assert code == 0, err


class TestSignals:
    @pytest.mark.parametrize(
        ("text", "numbers", "code"),
        [
            (LONG, [signal.SIGINT], 130),
            (STUCK, [signal.SIGINT, signal.SIGINT], 130),
            (LONG, [signal.SIGTERM], 143),
        ],
        ids=["Ctrl-C", "Ctrl-C twice", "SIGTERM"],
    )
    def test_end_a_run_in_good_order(
        self, text: str, numbers: list[signal.Signals], code: int, cluster: SharedCluster, tmp_path: Path
    ) -> None:
        with under_way(tmp_path, text, cluster.address) as process:
            time.sleep(0.3)  # in the midst of it
            began = time.monotonic()
            for number in numbers:
                process.send_signal(number)
                time.sleep(0.2)
            out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (code, ""), err
        assert "Traceback" not in err
        store = latest(tmp_path)
        assert not (store / "journals").exists()
        assert runner.audit(store).valid is True
        end = json.loads((store / "events.jsonl").read_text().splitlines()[-1])
        assert end["status"] == "interrupted"
        if len(numbers) == 2:
            assert time.monotonic() - began < 5, "a call has five seconds, but not when it is said twice"

    @pytest.mark.parametrize(("number", "own"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
    def test_before_the_gate_opens(self, number: int, own: bool, cluster: SharedCluster, tmp_path: Path) -> None:
        config = written(tmp_path, PLAIN, "local" if own else cluster.address)
        process = started("-m", "runner", config, "--log", "none", cwd=tmp_path)
        try:
            until((tmp_path / "runs" / "latest").exists, 30)
            time.sleep(0.5)
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 128 + number, err
        assert "Traceback" not in err
        assert runner.audit(latest(tmp_path)).valid is True


class TestOwnRay:
    def test_is_started_and_stopped_by_a_script_without_a_main_guard(self, tmp_path: Path) -> None:
        config = written(tmp_path, PLAIN, "local")
        (tmp_path / "script.py").write_text(
            f"import runner\nresult = runner.run(runner.load({str(config)!r}), out={str(tmp_path / 'runs')!r})\n"
            "import ray\nprint(result.exit_code, result.summary['items']['done'], ray.is_initialized())\n"
        )
        process = started(tmp_path / "script.py", cwd=tmp_path)
        try:
            until(lambda: folders_of(process.pid), 30)
            [folder] = folders_of(process.pid)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        assert (process.returncode, out) == (0, "0 40 False\n"), err
        assert not Path(folder).exists()
        until(lambda: not [*conftest.orphans()], 10)

    def test_does_not_outlive_a_supervisor_that_is_killed(self, tmp_path: Path) -> None:
        with under_way(tmp_path, LONG, "local") as process:
            time.sleep(0.3)
            [folder] = folders_of(process.pid)
            assert len(at_work(folder)) > 8
            process.kill()
            process.wait()
        until(lambda: not at_work(folder) and not Path(folder).exists(), 10)
        until(lambda: not [*conftest.orphans()], 5)
        assert runner.audit(latest(tmp_path)).valid == "unknown"
        code, _, _ = mprun("show", latest(tmp_path), folder=tmp_path)
        assert code == 0

    def test_removes_what_others_left_that_were_killed_with_their_reapers(self) -> None:
        from runner.engines.ray_own import own_ray

        forsaken = OF_ITS_OWN / f"mprun-ray-test-{os.getpid()}"
        forsaken.mkdir()
        (forsaken / "owner").touch()
        with own_ray() as folder:
            assert not forsaken.exists()
            with own_ray():
                assert Path(folder).is_dir(), "its owner lives"
        assert not Path(folder).exists()


class TestWrongInput:
    def refused(self, folder: Path, text: str, address: str, *said: str, seconds: float = 60) -> None:
        code, out, err = mprun(written(folder, text, address), folder=folder, seconds=seconds)
        assert (code, out) == (2, ""), err
        assert err.count("\n") == 1, err
        for words in said:
            assert words in err
        assert not [*(folder / "runs").glob("2*")]

    def test_ray_is_not_installed(self, tmp_path: Path) -> None:
        program = "import sys; sys.modules['ray'] = None; from runner.cli import main; sys.exit(main())"
        code, out, err = finished("-c", program, written(tmp_path, PLAIN, "auto"), cwd=tmp_path)
        assert (code, out) == (2, "")
        assert err.endswith("engine: Ray is not installed: pip install 'mprun[ray]'\n")
        assert err.count("\n") == 1
        assert not [*(tmp_path / "runs").glob("2*")]

    def test_nobody_answers(self, tmp_path: Path) -> None:
        self.refused(tmp_path, PLAIN, "127.0.0.1:1", "nobody answers at 127.0.0.1:1", "use address: local")

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ("{num_cpus: 5}", "no node of the cluster has 5 CPU; the most a node has is 4 CPU"),
            ("{groups: {c: {resources: {gold: 1}}}}", "no node of the cluster has 1 gold"),
            ("{queues: {a: {resources: {left: 2000}}}}", "engine_options.queues.a: no node of the cluster has 2000"),
            ("{num_cpus: 3.5}", "all workers together need 14 CPU, the cluster has 12 CPU"),
        ],
    )
    def test_more_than_the_cluster_has(self, options: str, said: str, cluster: SharedCluster, tmp_path: Path) -> None:
        self.refused(tmp_path, f"{PLAIN}engine_options: {options}", cluster.address, said)


def test_the_environment_may_say_where_the_cluster_is(
    cluster: SharedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    code, _, err = mprun(written(tmp_path, PLAIN, "auto"), "--json", folder=tmp_path)
    assert code == 0, err
    nodes = json.loads((latest(tmp_path) / "manifest.json").read_text())["nodes"]
    assert set(nodes) <= {node["NodeID"] for node in ray.nodes()}
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")
    code, out, err = mprun(written(tmp_path, PLAIN, "auto"), folder=tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "RAY_ADDRESS is 'nonsense'; wanted auto, local, ray://host:port or host:port" in err
