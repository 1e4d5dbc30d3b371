"""`mprun trace`: what a viewer finds in the file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import Simulation, Topology, text_of
from traces import arrows_between, read

import runner
from runner.errors import LogError, UsageError
from runner.reports.trace import trace

if TYPE_CHECKING:
    from traces import Trace

CONFIGS = Path(__file__).parent.parent / "configs"


def simulated(tmp_path: Path, config: dict[str, Any]) -> tuple[Trace, list[dict[str, Any]]]:
    """The trace and the events of a simulation."""
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(config))
    result = runner.simulate(runner.load(file), out=tmp_path / "runs")
    return read(runner.trace(result.run_dir)), list(result.events())


def traced(tmp_path: Path, text: str) -> Trace:
    log = tmp_path / "events.jsonl"
    log.write_text(text)
    return read(trace(log, tmp_path / "out.json.gz"))


def test_every_slice_of_a_small_run(tmp_path: Path) -> None:
    """The whole trace of a producer that is blocked, and of its consumer."""
    found, _ = simulated(
        tmp_path,
        {
            "queues": {"main": {"maxsize": 1}},
            "producers": {"p": {"items": 3, "sleep": "1ms"}},
            "consumers": {"c": {"sleep": "3ms"}},
        },
    )
    ms = 1_000_000
    assert found.of("p-0") == [
        ("put", 0, 1),
        ("pause", 1, ms),
        ("put", ms, ms + 1),
        ("pause", ms + 1, 2 * ms),
        ("put", 2 * ms, 3 * ms),
        ("pause", 3 * ms, 4 * ms),
    ]
    # The instant at which a get returned is in its slice, for the arrow ends there.
    assert found.of("c-0") == [
        ("get", 0, 1),
        ("work", 1, 3 * ms),
        ("get", 3 * ms, 3 * ms + 1),
        ("work", 3 * ms + 1, 6 * ms),
        ("get", 6 * ms, 6 * ms + 1),
        ("work", 6 * ms + 1, 9 * ms),
    ]
    assert arrows_between(found) == {("p", "c"): 3}
    assert found.depths["main"] == [(0, 0), (ms, 1), (6 * ms, 0)]


def test_every_item_of_every_queue_has_an_arrow(tmp_path: Path) -> None:
    """Batches, stages that multiply and filter nothing, several workers, all at few instants."""
    found, events = simulated(
        tmp_path,
        {
            "queues": {"a": {"batch": 8}, "b": {"maxsize": 5, "batch": 3}, "c": {}},
            "producers": {"p": {"count": 3, "to": "a", "items": 40}},
            "stages": {
                "s": {
                    "count": 2,
                    "from": "a",
                    "to": "b",
                    "sleep": {"distribution": "randint", "low": 0, "high": 20, "max": "3ms"},
                },
                "t": {"count": 2, "from": "b", "to": "c"},
            },
            "consumers": {"k": {"count": 3, "from": "c", "sleep": "1ms"}},
        },
    )
    assert arrows_between(found) == {("p", "s"): 120, ("s", "t"): 120, ("t", "k"): 120}
    worked = sum(event["service_ns"] for event in events if event["event"] == "done")
    drawn = sum(end - began for track in found.slices for name, began, end in found.of(track.thread) if name == "work")
    assert worked - 5_000 < drawn <= worked  # what is 1 ns wide takes it from the work beside it


def spread(records: list[dict[str, Any]]) -> None:
    """Give each operation an instant of its own: no real clock shows a put's beginning when its item has been got."""
    factor = 1 << 20
    last: dict[str, tuple[Any, int]] = {}
    for line, record in enumerate(records):
        worker = record.get("worker", "")
        mark = (record["event"], record["t_ns"], record.get("wait_ns"))
        before, earlier = last.get(worker, (None, 0))
        at = earlier if mark == before and record["event"] != "done" else line
        if "wait_ns" in record:
            start = last[f"{worker} before"][1] if at == earlier else earlier
            last[f"{worker} before"] = (None, start)
            record["wait_ns"] = factor * record["wait_ns"] + at - start
        record["t_ns"] = factor * record["t_ns"] + at
        for key in ("service_ns", "latency_ns"):
            if key in record:
                record[key] *= factor
        last[worker] = (mark, at)


topologies = st.builds(
    Topology,
    producers=st.integers(1, 3),
    consumers=st.integers(1, 3),
    stages=st.integers(0, 2),
    stage_workers=st.integers(1, 2),
    items=st.integers(0, 8),
    maxsize=st.sampled_from([0, 1, 3]),
    batch=st.sampled_from([1, 2, 5]),
    quota=st.none() | st.integers(1, 4),
    seed=st.integers(0, 10**6),
)


@settings(max_examples=60, deadline=None)
@given(topologies)
def test_what_holds_of_every_legal_log(tmp_path_factory: pytest.TempPathFactory, topology: Topology) -> None:
    """Gets that overtake their puts, quotas and blocked batches too: an arrow for each get, no slice over another."""
    records = Simulation(topology).run()
    spread(records)
    found = traced(tmp_path_factory.mktemp("trace"), text_of(records))
    assert len(found.arrows) == sum(record["event"] == "get" for record in records)


@pytest.mark.process
@pytest.mark.parametrize("engine", ["processes", "threads"])
def test_a_real_run_with_a_death(engine: str, tmp_path: Path) -> None:
    """Each get has an arrow; fault, death, restart and redelivery are told."""
    file = tmp_path / "config.yaml"
    config = {
        "queues": {"a": {"maxsize": 4}, "b": {"batch": 4}},
        "producers": {"p": {"count": 2, "to": "a", "items": 30, "sleep": "200us"}},
        "stages": {"s": {"count": 2, "from": "a", "to": "b", "sleep": "100us"}},
        "consumers": {"c": {"count": 2, "from": "b", "sleep": "300us"}},
        "faults": [{"kill": "c-0", "after": {"gets": 5}}, {"kill": "p-1", "after": {"puts": 7}}],
    }
    file.write_text(json.dumps(config))
    result = runner.run(runner.load(file, {"engine": engine}), out=tmp_path / "runs")
    assert result.exit_code == 0
    found = read(runner.trace(result.run_dir))
    events = list(result.events())
    assert len(found.arrows) == sum(event["event"] == "get" for event in events)
    redelivered = [event for event in events if event["event"] == "redelivery"]
    assert len(found.slices[next(t for t in found.slices if t.thread == "supervisor")]) == len(redelivered) > 0
    told = {each["name"] for instants in found.instants.values() for each in instants}
    assert {"fault", "death", "worker.restart", "run.end: completed"} <= told


def recovered_log() -> str:
    facts = {"kind": "pipe", "maxsize": 0, "batch": 1, "capacity": 9}
    groups = {
        "p": {"role": "producer", "from": None, "to": "m", "count": 1, "planned": 2},
        "c": {"role": "consumer", "from": "m", "to": None, "count": 1, "planned": None},
    }
    moved = {"queue": "m", "delivery": 1}
    return text_of(
        [
            {"event": "run.start", "t_ns": -5, "schema": 1, "queues": {"m": facts}, "groups": groups},
            {"event": "worker.start", "t_ns": -4, "worker": "p-0", "incarnation": 1},
            {"event": "worker.start", "t_ns": -4, "worker": "c-0", "incarnation": 1},
            {"event": "put", "t_ns": 100, "worker": "p-0", "id": "p-0:0", "wait_ns": 90, "late_ns": None, **moved},
            {"event": "get", "t_ns": 110, "worker": "c-0", "id": "p-0:0", "wait_ns": 105, "latency_ns": 20, **moved},
            {"event": "worker.exit", "t_ns": 500, "worker": "p-0", "signal": 9},
            {"event": "worker.died", "t_ns": 501, "worker": "p-0", "incarnation": 1},
            {"event": "worker.start", "t_ns": 600, "worker": "p-0", "incarnation": 2},
            {"event": "get", "t_ns": 700, "worker": "c-0", "id": "p-0:1", "wait_ns": 500, "latency_ns": 300, **moved},
            {"event": "put", "t_ns": 900, "worker": "p-0", "id": "p-0:1", "wait_ns": 500, "recovered": True, **moved},
        ]
    )


def test_a_recovered_put_is_drawn_where_it_began(tmp_path: Path) -> None:
    """Its item may be got long before the supervisor logs it, which is after its worker's replacement started."""
    found = traced(tmp_path, recovered_log())
    assert found.of("p-0") == [("put", 10, 100), ("pause", 100, 400), ("put", 400, 500)]
    assert len(found.arrows) == 2


def test_a_log_that_breaks_off(tmp_path: Path) -> None:
    """Without run.end, and with half a line at its end."""
    text = recovered_log()
    found = traced(tmp_path, text[: text.index('"p-0:1"')])
    assert len(found.arrows) == 1
    assert [each["name"] for instants in found.instants.values() for each in instants][-1] == "the log breaks off here"


def test_a_broken_line_is_said_and_the_rest_is_drawn(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    lines = recovered_log().splitlines(keepends=True)
    log.write_text("".join([*lines[:3], "{oops}\n", *lines[3:]]))
    said: list[str] = []
    found = read(trace(log, told=said.append))
    assert len(found.arrows) == 2
    assert len(said) == 1
    assert said[0].startswith(f"{log}: line 4: is no event, left out: ")


def test_names_of_any_kind_are_json(tmp_path: Path) -> None:
    name = 'q"\\</script>\n\u2028'
    text = recovered_log().replace('"m"', json.dumps(name))
    assert list(traced(tmp_path, text).depths) == [name]


def test_one_log_is_one_file(tmp_path: Path) -> None:
    result = runner.simulate(runner.load(CONFIGS / "default.yaml"), out=tmp_path)
    first = runner.trace(result.run_dir)
    second = runner.trace(result.run_dir / "events.jsonl", tmp_path / "other.json.gz")
    assert first == result.run_dir / "trace.json.gz"
    assert first.read_bytes() == second.read_bytes()


def test_what_cannot_be_traced(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no such run"):
        trace(tmp_path / "nothing")
    (tmp_path / "events.jsonl").write_text(recovered_log())
    with pytest.raises(UsageError, match=r"cannot be written: No such file.*-o"):
        trace(tmp_path / "events.jsonl", tmp_path / "no" / "such" / "folder.gz")
    (tmp_path / "events.jsonl").write_text("{}\n")
    with pytest.raises(LogError, match="is no mprun event log"):
        trace(tmp_path / "events.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.jsonl"]


def test_the_command(tmp_path: Path) -> None:
    """The path on stdout, warnings on stderr, exit code 2 where there is nothing to trace."""
    result = runner.simulate(runner.load(CONFIGS / "default.yaml"), out=tmp_path / "runs")
    command = [sys.executable, "-m", "runner", "trace"]

    def mprun(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=60)

    done = mprun()
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{result.run_dir / 'trace.json.gz'}\n", "")
    (tmp_path / "broken.jsonl").write_text(f"{recovered_log()}oops\n")
    done = mprun("broken.jsonl", "-o", "t.gz")
    assert (done.returncode, done.stdout) == (0, "t.gz\n")
    assert "broken.jsonl: line 11: is no event" in done.stderr
    done = mprun("--out", "elsewhere")
    assert (done.returncode, done.stderr) == (
        2,
        "mprun: there is no run in elsewhere: name one, or where runs are with --out\n",
    )
