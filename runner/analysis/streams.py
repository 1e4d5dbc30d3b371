"""What comes to a queue and what leaves it: streams known by their rate and their variability.

As in the Queueing Network Analyzer (W. Whitt, Bell System Technical Journal 62, 1983), a stream has a rate and the
squared coefficient of variation (scv) of the times between its items; streams are joined and sent on by his formulas,
except where they are Poisson, which joining and M/M/c leave Poisson (P. J. Burke, Operations Research 4, 1956).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum, inf, isinf, sqrt
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Times(Protocol):
    """A law of times, as formulas see it."""

    @property
    def mean_s(self) -> float:
        """Mean, in seconds."""

    @property
    def scv(self) -> float:
        """Squared coefficient of variation: variance over squared mean; 0 for a constant, and where the mean is 0."""

    @property
    def memoryless(self) -> bool:
        """Whether it is exponential."""


class Feed(Protocol):
    """A group of producers: each puts, and then pauses."""

    @property
    def count(self) -> int:
        """Producers."""

    @property
    def pause(self) -> Times:
        """Of each."""

    @property
    def open(self) -> bool:
        """Whether pauses go on while a producer is blocked: its items are due at fixed instants."""


class Station(Protocol):
    """A queue with those who put into it and get from it."""

    @property
    def queue(self) -> str:
        """Its name."""

    @property
    def feeds(self) -> Sequence[Feed]:
        """Its producers."""

    @property
    def upstream(self) -> Sequence[str]:
        """Queues whose stages put here."""

    @property
    def servers(self) -> int:
        """How many get from it."""

    @property
    def service(self) -> Times:
        """Work on one item."""

    @property
    def room(self) -> int | None:
        """Items it holds at most; None: no limit is known."""

    @property
    def items(self) -> int | None:
        """Items that come over the whole run; None: nobody knows."""

    @property
    def caveats(self) -> Sequence[str]:
        """Why no formula holds exactly."""

    @property
    def unknown(self) -> str | None:
        """Why nothing can be said; None: something can."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Items on their way: `scv` of the times between them, and whether those are exponential and independent."""

    rate: float
    scv: float
    poisson: bool


def joined(station: Station, streams: Sequence[Stream]) -> Stream:
    """All that comes to a station as one stream, if nobody is blocked: QNA's superposition."""
    parts = [*streams]
    for feed in station.feeds:
        each = Stream(1 / feed.pause.mean_s if feed.pause.mean_s else inf, feed.pause.scv, feed.pause.memoryless)
        parts += [each] * feed.count
    rate = fsum(part.rate for part in parts)
    if rate == 0 or isinf(rate):
        return Stream(rate, 1.0, poisson=False)
    if all(part.poisson for part in parts):
        return Stream(rate, 1.0, poisson=True)
    shares = [part.rate / rate for part in parts]
    load = min(1.0, rate * station.service.mean_s / station.servers)
    many = 1 / fsum(share * share for share in shares)
    weight = 1 / (1 + 4 * (1 - load) ** 2 * (many - 1))
    scv = fsum(share * part.scv for share, part in zip(shares, parts, strict=True) if share)
    return Stream(rate, weight * scv + (1 - weight), poisson=False)


def departures(station: Station, arriving: Stream, load: float) -> Stream:
    """What leaves a station: QNA's departures; Poisson where Burke's theorem holds."""
    service, servers = station.service, station.servers
    if load < 1 and arriving.poisson and service.memoryless:
        return arriving
    busy = min(1.0, load)
    rate = min(arriving.rate, servers / service.mean_s)
    through = (1 - busy**2) * (arriving.scv - 1)
    worked = busy**2 * (max(service.scv, 0.2 if load < 1 else 0.0) - 1) / sqrt(servers)
    return Stream(rate, 1 + through + worked, poisson=False)
