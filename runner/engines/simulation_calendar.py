"""Virtual time: who has a turn when, and the processors that busy workers share.

Both count in whole nanoseconds and hash nothing, so the same plan takes the same turns on every machine.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from random import Random

_GRAIN: Final = 20
"""Work is counted in 2⁻²⁰ ns, so that a share of a processor is exact enough to add up for years."""


class Player(Protocol):
    """Whoever has turns.

    Attributes:
        index: Its place among those whose turns are at the same instant.
        token: Of the one entry in the calendar that counts.
    """

    index: int
    token: int

    def turn(self, now: int) -> None:
        """Go on until there is something to wait for."""


class Calendar:
    """Turns in the order (instant, plan order).

    Attributes:
        now: The instant of the present turn, in ns since the start gate opened.
        heap: (instant, place, token, player); an entry whose token is not its player's counts no more.
    """

    __slots__ = ("_token", "heap", "now")

    def __init__(self) -> None:
        self.now = 0
        self.heap: list[tuple[int, int, int, Player]] = []
        self._token = 0

    def wake(self, player: Player, instant: int) -> None:
        """Give a player its next turn at this instant, and at no other."""
        self._token = player.token = token = self._token + 1
        heappush(self.heap, (instant, player.index, token, player))

    def forget(self, player: Player) -> None:
        """Give a player no turn any more."""
        player.token = 0

    def play(self, turns: int) -> bool:
        """Have so many turns; False where nobody has one any more."""
        heap = self.heap
        while heap and turns:
            instant, _, token, player = heappop(heap)
            if token == player.token:
                self.now = instant
                player.turn(instant)
                turns -= 1
        while heap and heap[0][2] != heap[0][3].token:
            heappop(heap)  # counts no more, and must not make the last round look like another than the last
        return bool(heap)


class ShuffledCalendar(Calendar):
    """Turns in the order of their instants, and in any order where there are several at one.

    Args:
        chance: Decides.
    """

    __slots__ = ("_chance",)

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance

    def wake(self, player: Player, instant: int) -> None:
        """See `Calendar.wake`."""
        self._token = player.token = token = self._token + 1
        heappush(self.heap, (instant, self._chance.getrandbits(62), token, player))


class Cores:
    """Processors under processor sharing: of k busy workers each gets min(1, count / k) of one.

    All advance alike, so one number says how much work each that was there from the beginning would have got; a worker
    is finished when that number has grown by its own work (as in the simulation of egalitarian processor sharing).
    """

    __slots__ = ("_attained", "_calendar", "_count", "_jobs", "_since", "index", "token")

    def __init__(self, count: int, calendar: Calendar) -> None:
        self.index = -1  # before all workers: who is finished gets its turn at the same instant
        self.token = 0
        self._count = count
        self._calendar = calendar
        self._jobs: list[tuple[int, int, Player]] = []
        self._attained = 0
        self._since = 0

    def add(self, player: Player, ns: int) -> None:
        """Let a worker have so much CPU time, after which it has its turn."""
        self._advance()
        heappush(self._jobs, (self._attained + (ns << _GRAIN), player.index, player))
        self._look_ahead()

    def remove(self, player: Player) -> bool:
        """Let a worker have no more; False where it has all it wanted."""
        jobs = [job for job in self._jobs if job[2] is not player]
        if len(jobs) == len(self._jobs):
            return False
        self._advance()
        self._jobs = jobs
        heapify(jobs)
        self._look_ahead()
        return True

    def turn(self, now: int) -> None:
        """Somebody is finished."""
        self._advance()
        jobs = self._jobs
        while jobs and jobs[0][0] <= self._attained:
            self._calendar.wake(heappop(jobs)[2], now)
        self._look_ahead()

    def _advance(self) -> None:
        passed = (self._calendar.now - self._since) << _GRAIN
        busy = len(self._jobs)
        self._attained += passed if busy <= self._count else passed * self._count // busy
        self._since = self._calendar.now

    def _look_ahead(self) -> None:
        if not self._jobs:
            self._calendar.forget(self)
            return
        busy = max(len(self._jobs), self._count)
        missing = (self._jobs[0][0] - self._attained) * busy
        self._calendar.wake(self, self._since - (-missing // (self._count << _GRAIN)))
