"""The event log as data: one record per kind of event, read in a stream.

The records carry what analysis needs; `level`, `timestamp` and `item` stay in the file, because skipping them
saves a third of the reading time. `records` gives whole lines instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, get_args

import msgspec
from msgspec import Meta, Struct, field

from runner.errors import LogError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

SCHEMA: Final = 1
"""Version of the log's format, written into `run.start`."""

_CHUNK: Final = 1 << 18
_LONGEST_LINE: Final = 1 << 26
LIMIT_NS: Final = 1 << 61

Nanoseconds: TypeAlias = Annotated[int, Meta(ge=-LIMIT_NS, le=LIMIT_NS)]
"""Bounded so that sums and differences of two still fit 64 bits."""

Uncertainty: TypeAlias = Annotated[int, Meta(ge=0, le=LIMIT_NS)]
"""Nanoseconds, at least 0."""


class QueueFacts(Struct, frozen=True, kw_only=True):
    """A queue as `run.start` declares it; `maxsize` 0: no declared bound; `fifo` is told of kinds not mprun's own."""

    kind: str
    maxsize: int
    batch: int = 1
    capacity: int | None = None
    fifo: bool | None = None


class GroupFacts(Struct, frozen=True, kw_only=True):
    """A group as `run.start` declares it; `planned` counts items over all workers."""

    role: str
    count: int
    source: str | None = field(default=None, name="from")
    target: str | None = field(default=None, name="to")
    planned: int | None = None


class RunStart(Struct, frozen=True, kw_only=True, tag_field="event", tag="run.start"):
    """First line of every log."""

    t_ns: Nanoseconds
    schema: int
    queues: dict[str, QueueFacts]
    groups: dict[str, GroupFacts]
    run: str | None = None
    name: str | None = None
    seed: int | None = None
    engine: str | None = None
    start_method: str | None = None
    config_digest: str | None = None
    plan_digest: str | None = None
    warmup_ns: Nanoseconds = 0


class WorkerStart(Struct, frozen=True, kw_only=True, tag_field="event", tag="worker.start"):
    """A worker is ready; on a cluster it says on which node, and how exact instants of that node are.

    They stand in the log translated into the driver's clock, from which the node's differs by `clock_offset_ns`, known
    to ± `clock_uncertainty_ns`. Between two workers of one node they are exact.
    """

    t_ns: Nanoseconds
    worker: str
    group: str | None = None
    role: str | None = None
    incarnation: int | None = None
    pid: int | None = None
    node: str | None = None
    clock_offset_ns: int | None = None
    clock_uncertainty_ns: Uncertainty | None = None


class WorkerExit(Struct, frozen=True, kw_only=True, tag_field="event", tag="worker.exit"):
    """A worker is gone: by an exit code or by a signal (its number or name)."""

    t_ns: Nanoseconds
    worker: str
    exit_code: int | None = None
    signal: int | str | None = None


class WorkerDied(Struct, frozen=True, kw_only=True, tag_field="event", tag="worker.died"):
    """A worker ended before its work did; its `worker.exit` stands before it."""

    t_ns: Nanoseconds
    worker: str
    incarnation: int | None = None
    why: str | None = None


class Put(Struct, frozen=True, kw_only=True, gc=False, tag_field="event", tag="put"):
    """A put that returned at `t_ns`, having begun at `t_ns - wait_ns`.

    A recovered one was begun by a worker that died; the supervisor logged it at `t_ns`, at which it had returned.
    """

    t_ns: Nanoseconds
    worker: str
    queue: str
    id: str
    wait_ns: Nanoseconds
    late_ns: Nanoseconds | None = None
    delivery: int = 1
    recovered: bool = False


class Get(Struct, frozen=True, kw_only=True, gc=False, tag_field="event", tag="get"):
    """A get that returned at `t_ns`; `latency_ns` counts from the beginning of the item's first put."""

    t_ns: Nanoseconds
    worker: str
    queue: str
    id: str
    wait_ns: Nanoseconds
    latency_ns: Nanoseconds
    delivery: int = 1


class Done(Struct, frozen=True, kw_only=True, gc=False, tag_field="event", tag="done"):
    """Work on an item that ended at `t_ns`."""

    t_ns: Nanoseconds
    worker: str
    queue: str
    id: str
    service_ns: Nanoseconds
    planned_ns: Nanoseconds | None = None
    delivery: int = 1


class Redelivery(Struct, frozen=True, kw_only=True, tag_field="event", tag="redelivery"):
    """An item handed out again after a death: a put that returned at `t_ns`; `delivery` is the new number."""

    t_ns: Nanoseconds
    queue: str
    id: str
    delivery: int
    wait_ns: Nanoseconds = 0
    dead: str | None = field(default=None, name="from")


class _Fate(Struct, frozen=True, kw_only=True, tag_field="event"):
    """What the supervisor says of an item that was not done."""

    t_ns: Nanoseconds
    queue: str
    id: str
    delivery: int = 1
    worker: str | None = None
    why: str | None = None


class Left(_Fate, frozen=True, kw_only=True, tag="left"):
    """Put and not done, because the run ended first."""


class Failed(_Fate, frozen=True, kw_only=True, tag="failed"):
    """Set aside: its work failed."""


class Lost(_Fate, frozen=True, kw_only=True, tag="lost"):
    """Put, and nobody knows where it went."""


class RunEnd(Struct, frozen=True, kw_only=True, tag_field="event", tag="run.end"):
    """Last line of a complete log; `totals` counts the run's events by the runner's own account."""

    t_ns: Nanoseconds
    status: str
    reason: str | None = None
    totals: dict[str, Any] = {}


class Other(Struct, frozen=True, kw_only=True):
    """An event this module has no record for: `error`, `fault`, `hang`, or a kind yet to come.

    What it says beyond its instant is kept as it stands, for people to read.
    """

    event: str
    t_ns: Nanoseconds
    worker: Any = None
    id: Any = None
    act: Any = None
    why: Any = None


class Torn(Struct, frozen=True, kw_only=True):
    """Stands for a last line without its end; `t_ns` is the instant of the last complete line."""

    t_ns: Nanoseconds
    length: int


class Broken(Struct, frozen=True, kw_only=True):
    """Stands for a line that is no event; `t_ns` is the instant of the line before."""

    t_ns: Nanoseconds
    problem: str


_Known: TypeAlias = (
    Put | Get | Done | RunStart | WorkerStart | WorkerExit | WorkerDied | Redelivery | Left | Failed | Lost | RunEnd
)
Event: TypeAlias = _Known | Other | Torn | Broken

_decoder: Final[msgspec.json.Decoder[_Known]] = msgspec.json.Decoder(_Known)
_other_decoder: Final[msgspec.json.Decoder[Other]] = msgspec.json.Decoder(Other)
_KNOWN_TAGS: Final = frozenset(kind.__struct_config__.tag for kind in get_args(_Known))


def read(path: Path) -> Iterator[Event]:
    """Yield the events of a log in the order of its lines, one per line, in constant memory.

    A last line without its newline ends the stream with `Torn`.

    Raises:
        LogError: The file cannot be read, does not begin with a `run.start` of a known schema, or has a line
            that is no event (raised after the events before it).
    """
    for chunk in read_chunks(path):
        yield from chunk


def read_chunks(path: Path) -> Iterator[list[Event]]:
    """Yield the events of `read` in lists of some thousands, which is faster to go through."""
    line = 0
    last_ns = 0
    for block in blocks(path):
        end = block.rfind(b"\n") + 1
        events, broken = decode(block[:end], last_ns)
        if line == 0:
            _check_header(path, events)
        if broken:
            place = next(iter(broken))
            yield events[:place]
            raise LogError(f"{path}:{line + place + 1}: is no event: {broken[place].problem}")
        if events:
            last_ns = events[-1].t_ns
            yield events
        line += len(events)
        if end < len(block):
            yield [Torn(t_ns=last_ns, length=len(block) - end)]
    if line == 0:
        raise LogError(f"{path}: is no mprun event log: it is empty")


def records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield every complete line as a dict with all its keys, in the file's order.

    Raises:
        LogError: The file cannot be read, or a line is no JSON object.
    """
    line = 0
    for block in blocks(path):
        for text in block.splitlines(keepends=True):
            line += 1
            if text.endswith(b"\n"):
                try:
                    yield msgspec.json.decode(text, type=dict[str, Any])
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise LogError(f"{path}:{line}: is no event: {error}") from None


def blocks(path: Path, grows: Callable[[], bool] | None = None) -> Iterator[bytes]:
    """Yield a file in pieces that end with a line's end; only the last may end otherwise.

    Args:
        path: The file.
        grows: Asked at its end whether there may be more to read now.

    Raises:
        LogError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            while (block := file.read(_CHUNK)) or (grows is not None and grows()):
                while block and not block.endswith(b"\n"):
                    rest = file.readline(_LONGEST_LINE)
                    if len(rest) == _LONGEST_LINE:
                        raise LogError(f"{path}: is no mprun event log: it has a line of more than 64 MiB")
                    if not rest and (grows is None or not grows()):
                        break
                    block += rest
                if block:
                    yield block
    except OSError as error:
        raise LogError(f"{path}: cannot be read: {error.strerror}") from error


def _check_header(path: Path, events: list[Event]) -> None:
    first = start_of(path, events)
    if first.schema != SCHEMA:
        remedy = "; a newer mprun wrote it, update this one" if first.schema > SCHEMA else ""
        raise LogError(f"{path}: is of log schema {first.schema}, this mprun reads {SCHEMA}{remedy}")


def start_of(path: Path, events: list[Event]) -> RunStart:
    """The first line of a log, of which these are the first events; raises LogError where it does not begin with it."""
    first = events[0] if events else None
    if first is None or isinstance(first, Broken):
        raise LogError(f"{path}: is no mprun event log: line 1: {first.problem if first else 'it has no end'}")
    if not isinstance(first, RunStart):
        raise LogError(f"{path}: is no mprun event log: it does not begin with run.start")
    return first


def decode(block: bytes, last_ns: int = 0) -> tuple[list[Event], dict[int, Broken]]:
    """Decode whole lines, each to an event; say which of them are none, by place.

    Args:
        block: The lines.
        last_ns: Instant of the line before.
    """
    try:
        events: list[Event] = list(_decoder.decode_lines(block))
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    else:
        if len(events) == _lines_in(block):
            return events, {}
    return _decode_each(block.split(b"\n")[:-1], last_ns)


def _lines_in(block: bytes) -> int:
    """How many line ends there are; `bytes.count` looks at each byte and takes three times as long."""
    return len(block) - len(block.replace(b"\n", b""))


def _decode_each(lines: Iterable[bytes], last_ns: int) -> tuple[list[Event], dict[int, Broken]]:
    events: list[Event] = []
    broken: dict[int, Broken] = {}
    for place, line in enumerate(lines):
        try:
            events.append(decoded(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            broken[place] = Broken(t_ns=last_ns, problem=str(error))
            events.append(broken[place])
        last_ns = events[-1].t_ns
    return events, broken


def decoded(line: bytes) -> Event:
    """The event in one line; raises msgspec.DecodeError or UnicodeDecodeError where it is none."""
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError:
        other: Other = _other_decoder.decode(line)
        if other.event in _KNOWN_TAGS:
            raise
        return other
