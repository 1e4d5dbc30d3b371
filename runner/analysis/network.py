"""Which formula holds for each queue of a network, and what it says.

A station is a queue with those who get from it. What comes there is made of what its producers put and of what the
stages before it pass on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isinf
from typing import TYPE_CHECKING, Final

from runner.analysis import theory
from runner.analysis.streams import Stream, departures, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.analysis.streams import Station, Times
    from runner.analysis.theory import Figures

NEGLIGIBLE: Final = 1e-6
"""A queue that is full, or empty, with less than this probability is taken as never so."""
_ENOUGH: Final = 10
"""Of so many relaxation times, the first does not count."""

ERLANG: Final = "A. K. Erlang 1917; Kleinrock, Queueing Systems I, 1975, ch. 3"
KLEINROCK: Final = "Kleinrock, Queueing Systems I, 1975, ch. 3"
POLLACZEK: Final = "F. Pollaczek 1930, A. Khinchine 1932; Kleinrock, Queueing Systems I, 1975, ch. 5"
ALLEN: Final = "Allen, Probability, Statistics, and Queueing Theory, 2nd ed. 1990, ch. 5"
LITTLE: Final = "J. D. C. Little, Operations Research 9, 1961"


@dataclass(frozen=True, slots=True)
class Theory:
    """What theory says of one queue.

    Attributes:
        queue: Its name.
        model: In Kendall's notation; None: no formula known here holds.
        source: Where it is from.
        exact: Whether all it assumes holds for this config, in the steady state.
        why: What it assumes that does not hold; where there is no model, why not.
        warnings: What to beware of: a load of 1 or more.
        load: Rho, offered work per server; None: unknown.
        figures: None where there is no model.
    """

    queue: str
    model: str | None
    source: str | None
    exact: bool
    why: tuple[str, ...]
    warnings: tuple[str, ...]
    load: float | None
    figures: Figures | None


@dataclass(frozen=True, slots=True)
class _Judged:
    """A station's theory, what it sends on (None: not known), and whether it can keep waiting who puts into it."""

    theory: Theory
    output: Stream | None
    blocks: bool = False


def theories(stations: Sequence[Station]) -> list[Theory]:
    """What theory says of every queue, in the order given."""
    known = {station.queue: station for station in stations}
    judged: dict[str, _Judged] = {}
    for station in stations:
        _judge_after_its_upstream(station, known, judged)
    held: dict[str, str] = {}
    for station in stations:
        if judged[station.queue].blocks:
            _hold_back(station, station.queue, known, held)
    return [
        _held_back(judged[queue].theory, held[queue]) if queue in held else judged[queue].theory
        for queue in known
    ]  # fmt: skip


def _hold_back(station: Station, by: str, known: dict[str, Station], held: dict[str, str]) -> None:
    """Note that the stages before a station, and those before them, may have to wait for it."""
    for name in station.upstream:
        if name not in held:
            held[name] = by
            _hold_back(known[name], by, known, held)


def _held_back(found: Theory, by: str) -> Theory:
    why = f"its stage may have to wait for room in {by}, which no formula here covers"
    return replace(found, model=None, source=None, exact=False, why=(why,), figures=None)


def _judge_after_its_upstream(station: Station, known: dict[str, Station], judged: dict[str, _Judged]) -> None:
    if station.queue in judged:
        return
    for name in station.upstream:
        _judge_after_its_upstream(known[name], known, judged)
    outputs = [judged[name].output for name in station.upstream]
    streams = [output for output in outputs if output is not None]
    if station.unknown is not None or len(streams) < len(outputs):
        judged[station.queue] = _Judged(_nothing(station, station.unknown or "what its stages put is not known"), None)
    else:
        judged[station.queue] = _judge(station, streams)


def _nothing(station: Station, why: str, load: float | None = None, warnings: tuple[str, ...] = ()) -> Theory:
    return Theory(station.queue, None, None, False, (why,), warnings, load, None)


def _judge(station: Station, streams: list[Stream]) -> _Judged:
    """Choose the model of a station into which these streams come from stages."""
    service, servers = station.service, station.servers
    arriving = joined(station, streams)
    if arriving.rate == 0 or isinf(service.mean_s):
        return _Judged(_nothing(station, "the mean of a time is infinite"), None)
    if service.mean_s == 0:
        return _without_work(station, arriving)
    load = arriving.rate * service.mean_s / servers
    if load >= 1:
        return _overloaded(station, arriving, load)
    if isinf(arriving.scv):
        return _Judged(_nothing(station, "the variance of a pause is infinite", load), None)
    if sum(feed.count for feed in station.feeds) > 1 and any(feed.pause.scv == 0 for feed in station.feeds):
        why = "producers with constant pauses stay in step: their items come in bursts, which no formula here covers"
        return _Judged(_nothing(station, why, load), None)
    if isinf(service.scv):
        why = "the variance of the work is infinite: the mean wait grows with the length of the run"
        return _Judged(_nothing(station, why, load), None)
    if station.room is not None:
        full = theory.full_at(load, arriving.scv + service.scv, station.room)
        if full > NEGLIGIBLE:
            return _bounded(station, arriving, load)
    return _unbounded(station, arriving, load)


def _without_work(station: Station, arriving: Stream) -> _Judged:
    if isinf(arriving.rate):
        return _Judged(_nothing(station, "neither pauses nor work: the machine decides how fast it is"), None)
    figures = theory.unloaded(arriving.rate)
    return _Judged(_told(station, "G/D/c, no work", LITTLE, figures, 0.0), arriving)


def _unbounded(station: Station, arriving: Stream, load: float) -> _Judged:
    """Below a load of 1, and so seldom full that the bound does not count."""
    service, servers = station.service, station.servers
    caveats = (
        [f"a run of {station.items:,} items is short for a steady state"] if _is_short(station, arriving, load) else []
    )
    if arriving.poisson and service.memoryless:
        name, source = ("M/M/1", KLEINROCK) if servers == 1 else (f"M/M/{servers}", ERLANG)
        single = theory.mm1(arriving.rate, service.mean_s) if servers == 1 else None
        figures = single or theory.mmc(arriving.rate, servers, service.mean_s)
    elif arriving.poisson and servers == 1:
        name, source = "M/D/1" if service.scv == 0 else "M/G/1", POLLACZEK
        figures = theory.mg1(arriving.rate, service.mean_s, service.scv)
    elif arriving.scv + service.scv == 0:
        name, source = f"D/D/{servers}", LITTLE
        figures = theory.ggc(arriving.rate, 0.0, servers, service.mean_s, 0.0)
    else:
        name, source = f"{_letter(arriving)}/{_letter(service)}/{servers}, Allen-Cunneen", ALLEN
        figures = theory.ggc(arriving.rate, arriving.scv, servers, service.mean_s, service.scv)
        caveats.insert(0, _why_approximate(station, arriving))
    return _Judged(_told(station, name, source, figures, load, caveats), departures(station, arriving, load))


def _letter(times: Stream | Times) -> str:
    """Kendall's letter."""
    memoryless = times.poisson if isinstance(times, Stream) else times.memoryless
    return "M" if memoryless else "D" if times.scv == 0 else "G"


def _why_approximate(station: Station, arriving: Stream) -> str:
    why = "from the first two moments"
    if not arriving.poisson and (station.upstream or sum(feed.count for feed in station.feeds) > 1):
        why += "; several streams, or what comes from stages, are taken for independent times between items"
    return why


def _is_short(station: Station, arriving: Stream, load: float) -> bool:
    settling = theory.settling_items(load, arriving.scv + station.service.scv)
    return station.items is not None and station.items < _ENOUGH * settling


def _bounded(station: Station, arriving: Stream, load: float, warnings: Sequence[str] = ()) -> _Judged:
    """A bound that counts: who puts is blocked now and then."""
    room, service, servers = station.room or 0, station.service, station.servers
    if station.upstream:
        why = "its bound keeps stages waiting, which no formula here covers"
        return _Judged(_nothing(station, why, load, tuple(warnings)), None, blocks=True)
    if any(feed.open for feed in station.feeds):
        return _overflowing(station, arriving, load, warnings)
    producers, pause_s = sum(feed.count for feed in station.feeds), station.feeds[0].pause.mean_s
    alike = all(feed.pause.memoryless and feed.pause.mean_s == pause_s for feed in station.feeds)
    if not alike or not service.memoryless:
        why = "a bound that blocks producers now and then has a formula only for exponential pauses, alike, and work"
        return _Judged(_nothing(station, why, load, tuple(warnings)), None)
    figures = theory.mmck(producers, pause_s, servers, service.mean_s, room)
    name = f"M/M/{servers}/{servers + room + producers}, {producers} blocking producer{'s' if producers > 1 else ''}"
    output = replace(departures(station, arriving, figures.utilization), rate=figures.throughput, poisson=False)
    return _Judged(_told(station, name, KLEINROCK, figures, load, (), warnings), output)


def _overflowing(station: Station, arriving: Stream, load: float, warnings: Sequence[str]) -> _Judged:
    """A bound that counts, and producers with open pacing: they come too late, and the rate stays."""
    if not (load < 1 and arriving.poisson and station.service.memoryless and all(feed.open for feed in station.feeds)):
        why = "a bound that makes puts late now and then has a formula only for Poisson arrivals, all open, and work"
        return _Judged(_nothing(station, why, load, tuple(warnings)), None)
    producers, room, servers = sum(feed.count for feed in station.feeds), station.room or 0, station.servers
    figures = theory.overflowing(producers, arriving.rate, servers, station.service.mean_s, room)
    name = f"M/M/{servers}, {room:,} in the queue, the rest late"
    caveats = [f"a run of {station.items:,} items is short for a steady state"]
    told = _told(station, name, ERLANG, figures, load, caveats if _is_short(station, arriving, load) else (), warnings)
    return _Judged(told, departures(station, arriving, load))


def _overloaded(station: Station, arriving: Stream, load: float) -> _Judged:
    """From a load of 1 on: without a bound it grows, with one it fills and holds back who puts."""
    service, room = station.service, station.room
    bottleneck = f"load {load:.3g}, not below 1: its readers cannot do all that would come"
    if room is None:
        warning = f"{bottleneck}; it has no steady state and grows for as long as producers produce"
        figures = theory.unstable(station.servers, service.mean_s)
        return _Judged(
            _told(station, "none: grows", LITTLE, figures, load, (), [warning]), departures(station, arriving, load)
        )
    held = "who puts is held back"
    if any(feed.open for feed in station.feeds):
        held = "puts come later and later after they are due"
    warning = f"{bottleneck}; once it is full, {held}"
    if station.items is not None and station.items < _ENOUGH * room:
        why = f"{station.items:,} items do not fill a queue of {room:,} for long: there is no steady state to speak of"
        return _Judged(_nothing(station, why, load, (warning,)), None, blocks=bool(station.upstream))
    if station.upstream or not _is_always_full(arriving, service, load, room):
        return _bounded(station, arriving, load, [warning])
    # Who comes too late for the rest of the run does not pause any more.
    means = {0.0 if feed.open else feed.pause.mean_s for feed in station.feeds}
    producers, pause_s = sum(feed.count for feed in station.feeds), means.pop() if len(means) == 1 else None
    figures = theory.saturated(producers, pause_s, station.servers, service.mean_s, room)
    caveats = () if isinf(load) else ("the queue is taken as always full",)
    name = f"G/{_letter(service)}/{station.servers}, always full"
    output = departures(station, arriving, load)
    return _Judged(_told(station, name, LITTLE, figures, load, caveats, [warning]), output)


def _is_always_full(arriving: Stream, service: Times, load: float, room: int) -> bool:
    if isinf(load):
        return True
    return load > 1 and theory.full_at(1 / load, arriving.scv + service.scv, room) < NEGLIGIBLE


def _told(
    station: Station,
    model: str,
    source: str,
    figures: Figures,
    load: float,
    caveats: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> Theory:
    why = (*caveats, *station.caveats)
    return Theory(station.queue, model, source, not why, why, tuple(warnings), load, figures)
