"""Trace Event Format, written event by event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.log.events import RunStart

_RUN: Final = 1
"""The process that stands for what is no group's; groups follow."""
_BLOCK: Final = 1 << 12
_encode: Final = msgspec.json.Encoder().encode


class Track(msgspec.Struct):
    """A line of the picture: in the format, a thread of a process.

    Attributes:
        process, thread: Its numbers.
        at: Where the last slice on it ended, as drawn, in ns.
        began, ended: The last put, get or redelivery on it, as drawn.
        gaps: Free time before `at` that may yet be told to have been work.
        where: What stands in each of its events.
    """

    process: int
    thread: int
    at: int = 0
    began: int = 0
    ended: int = 1
    gaps: list[tuple[int, int]] = []
    where: str = ""

    def __post_init__(self) -> None:
        self.where = f'"pid":{self.process},"tid":{self.thread}'


class TraceWriter:
    """Writes a trace, through a function that takes bytes.

    Instants are ns since the gate opened; what was before is drawn at 0, as viewers know no time before. In the file
    they are µs with three decimals, which a float holds for a hundred days.

    Attributes:
        run: The track of what concerns the whole run.
        supervisor: The track of what the supervisor did.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._lines: list[str] = []
        self._head = ""
        self._groups: dict[str, int] = {}
        self._tracks: dict[str, Track] = {}
        self._counters: dict[str, str] = {}
        self._threads = 2
        self.run, self.supervisor = Track(_RUN, 1), Track(_RUN, 2)

    def begin(self, start: RunStart) -> None:
        """Write the head, and name the processes: the run, and each group."""
        facts = {"run": start.run, "seed": start.seed, "engine": start.engine, "plan_digest": start.plan_digest}
        self._head = f'{{"displayTimeUnit":"ns","otherData":{as_json(facts)},"traceEvents":[\n'
        self._name("process_name", _RUN, 0, f"run {start.run or start.name or ''}".strip())
        self._name("thread_name", _RUN, 1, "run")
        self._name("thread_name", _RUN, 2, "supervisor")
        for name, group in start.groups.items():
            self._group(name, f"{name}: {group.role}s of {group.source or group.target}")

    def _group(self, name: str, title: str) -> int:
        number = self._groups[name] = len(self._groups) + _RUN + 1
        self._name("process_name", number, 0, title)
        self._add(f'{{"ph":"M","name":"process_sort_index","pid":{number},"tid":0,"args":{{"sort_index":{number}}}}}')
        return number

    def track(self, worker: str) -> Track:
        """The track of a worker, named when it is first asked for."""
        track = self._tracks.get(worker)
        if track is None:
            group, _, index = worker.rpartition("-")
            process = self._groups.get(group) or self._group(group, group or worker)
            self._threads += 1
            track = self._tracks[worker] = Track(process, self._threads)
            self._name("thread_name", process, track.thread, worker)
            place = index if index.isascii() and index.isdigit() and len(index) < 10 else "0"
            self._add(
                f'{{"ph":"M","name":"thread_sort_index","pid":{process},"tid":{track.thread},'
                f'"args":{{"sort_index":{int(place)}}}}}'
            )
        return track

    def _name(self, what: str, process: int, thread: int, name: str) -> None:
        self._add(f'{{"ph":"M","name":"{what}","pid":{process},"tid":{thread},"args":{{"name":{as_json(name)}}}}}')

    def operation(self, track: Track, name: str, began: int, ended: int, told: str) -> None:
        """A put, a get or a redelivery: a slice to which arrows can be fixed, so at least 1 ns wide."""
        track.began = max(began, track.at)
        if track.began > track.at:
            track.gaps.append((track.at, track.began))
        track.at = track.ended = max(ended, track.began + 1)
        self._slice(track, name, track.began, track.ended, told)

    def landing(self, track: Track, name: str) -> None:
        """The last nanosecond of the track's last operation as a slice inside it, unless it is no wider itself."""
        last = track.ended - 1
        if last > track.began:
            self._slice(track, name, last, track.ended, "{}")

    def slice(self, track: Track, name: str, began: int, ended: int, told: str) -> None:
        """Work or a pause, as far as what is drawn on its track leaves room: after it, or in one gap of it."""
        if ended > track.at:
            began = max(began, track.at)
            track.at = ended
        else:
            from_, until = next((gap for gap in reversed(track.gaps) if gap[0] < ended and began < gap[1]), (0, 0))
            began, ended = max(began, from_), min(ended, until)
        if ended > began:
            self._slice(track, name, began, ended, told)

    def _slice(self, track: Track, name: str, began: int, ended: int, told: str) -> None:
        self._add(
            f'{{"ph":"X","name":"{name}","cat":"{name}",{track.where},"ts":{began / 1000:.3f},'
            f'"dur":{(ended - began) / 1000:.3f},"args":{told}}}'
        )

    def arrow(self, number: int, put: tuple[Track, int], got: tuple[Track, int]) -> None:
        """A flow from an instant inside one slice to an instant inside another."""
        flow = f'"name":"item","cat":"item","id":{number}'
        self._add(
            f'{{"ph":"s",{flow},{put[0].where},"ts":{put[1] / 1000:.3f}}},\n'
            f'{{"ph":"f","bp":"e",{flow},{got[0].where},"ts":{got[1] / 1000:.3f}}}'
        )

    def counter(self, queue: str, t_ns: int, depth: int) -> None:
        """So many items are in the queue from this instant on."""
        named = self._counters.get(queue)
        if named is None:
            named = self._counters[queue] = (
                f'{{"ph":"C","name":{as_json(f"depth of {queue}")},"pid":{_RUN},"tid":0,"ts":'
            )
        self._add(f'{named}{max(0, t_ns) / 1000:.3f},"args":{{"items":{depth}}}}}')

    def instant(self, track: Track, name: str, t_ns: int, told: Mapping[str, Any]) -> None:
        """Something that happened."""
        self._add(
            f'{{"ph":"i","s":"t","name":{as_json(name)},"cat":"event",{track.where},'
            f'"ts":{max(0, t_ns) / 1000:.3f},"args":{as_json(told)}}}'
        )

    def _add(self, line: str) -> None:
        lines = self._lines
        lines.append(line)
        if len(lines) >= _BLOCK:
            self._flush()

    def _flush(self) -> None:
        self._write((self._head + ",\n".join(self._lines)).encode())
        self._head = ",\n"
        self._lines.clear()

    def end(self) -> None:
        """Write what is left, and the foot."""
        self._flush()
        self._write(b"\n]}\n")


def as_json(value: object) -> str:
    """A value as JSON text."""
    return _encode(value).decode()
