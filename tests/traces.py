"""Reads a trace file as a viewer does, and says what does not hold in it."""

from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Event = dict[str, Any]


class Track(NamedTuple):
    process: str
    thread: str


@dataclass
class Trace:
    """A trace by track; instants in ns."""

    head: dict[str, Any]
    slices: dict[Track, list[Event]] = field(default_factory=lambda: defaultdict(list))
    instants: dict[Track, list[Event]] = field(default_factory=lambda: defaultdict(list))
    arrows: dict[int, dict[str, tuple[Track, int]]] = field(default_factory=lambda: defaultdict(dict))
    depths: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    def count(self, name: str) -> int:
        return sum(each["name"] == name for track in self.slices.values() for each in track)

    def of(self, worker: str) -> list[tuple[str, int, int]]:
        """Name, begin and end of a worker's slices."""
        (track,) = (track for track in self.slices if track.thread == worker)
        return [
            (each["name"], each["ts"], each["ts"] + each["dur"]) for each in self.slices[track] if each["name"] != "got"
        ]

    def joined(self) -> Iterator[tuple[Track, Event, Track, Event]]:
        """For each arrow, the tracks and slices that it leads from and to."""
        for ends in self.arrows.values():
            assert set(ends) == {"s", "f"}
            yield ends["s"][0], self._around(*ends["s"]), ends["f"][0], self._around(*ends["f"])

    def _around(self, track: Track, instant: int) -> Event:
        """The innermost slice around an instant: closed on the left, open on the right."""
        found = [each for each in self.slices[track] if each["ts"] <= instant < each["ts"] + each["dur"]]
        assert found, (track, instant)
        return found[-1]


def ns(microseconds: Decimal) -> int:
    exact = microseconds * 1000
    assert exact == int(exact), f"{microseconds} is no whole number of ns"
    return int(exact)


def read(path: Path) -> Trace:
    """Parse a trace and check what must hold of every one."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        document = json.load(file, parse_float=Decimal, parse_int=int)
    names: dict[tuple[str, int, int], str] = {}
    trace = Trace(document["otherData"])
    for event in document["traceEvents"]:
        if event["ph"] == "M" and event["name"].endswith("_name"):
            thread = event["tid"] if event["name"] == "thread_name" else 0
            assert names.setdefault((event["name"], event["pid"], thread), event["args"]["name"])
    for event in document["traceEvents"]:
        if event["ph"] == "M":
            continue
        event["ts"] = ns(event["ts"])
        assert event["ts"] >= 0
        if event["ph"] == "C":
            trace.depths[event["name"].removeprefix("depth of ")].append((event["ts"], event["args"]["items"]))
            continue
        process = names["process_name", event["pid"], 0]
        _place(trace, Track(process, names["thread_name", event["pid"], event["tid"]]), event)
    _check(trace)
    return trace


def _place(trace: Trace, track: Track, event: Event) -> None:
    match event["ph"]:
        case "X":
            event["dur"] = ns(event["dur"])
            assert event["dur"] > 0
            trace.slices[track].append(event)
        case "i":
            assert event["s"] == "t"
            trace.instants[track].append(event)
        case "s" | "f" as phase:
            assert isinstance(event["id"], int)
            begun = set(trace.arrows[event["id"]])
            assert begun == ({"s"} if phase == "f" else set()), f"arrow {event['id']} has {phase} after {begun}"
            trace.arrows[event["id"]][phase] = (track, event["ts"])
        case other:
            raise AssertionError(f"unexpected phase {other}")


def _check(trace: Trace) -> None:
    for track, slices in trace.slices.items():
        slices.sort(key=lambda each: (each["ts"], -each["dur"]))
        for before, after in itertools.pairwise(slices):
            inside = before["ts"] + before["dur"] >= after["ts"] + after["dur"]
            assert inside if after["name"] == "got" else before["ts"] + before["dur"] <= after["ts"], (
                track,
                before,
                after,
            )
            if after["name"] == "got":
                assert (before["name"], after["dur"]) == ("get", 1)
                after["args"] = before["args"]
    for ends in trace.arrows.values():
        assert ends["s"][1] <= ends["f"][1], f"an arrow goes back in time: {ends}"
    for _, put, track, got in trace.joined():
        assert put["name"] in ("put", "redelivery")
        assert got["name"] in ("get", "got"), (track, got)
        assert put["ts"] <= got["ts"], f"Perfetto draws an arrow from the slice that began first: {put}, {got}"
        assert put["args"]["queue"] == got["args"]["queue"]


def arrows_between(trace: Trace) -> Counter[tuple[str, str]]:
    """How many arrows lead from which group to which."""
    return Counter((p.thread.rpartition("-")[0], g.thread.rpartition("-")[0]) for p, _, g, _ in trace.joined())
