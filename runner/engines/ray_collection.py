"""What workers report, as it reaches the supervisor: records go to their journals, words to the board."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import ray
from ray.exceptions import RayError, RayTaskError

from runner.log.arrivals import Arrivals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from runner.engines.ray_hand import RayHand
    from runner.engines.ray_queue import BrokerQueue
    from runner.engines.ray_worker import Ending
    from runner.queues.broker import Chunk, Collected, Holder

_INTERVAL_S: Final = 0.1
_CALLS_PER_S: Final = 500
_PATIENCE_S: Final = 30.0


class Collection:
    """Asks brokers for what workers have reported, ten times a second, and stores it.

    Args:
        folder: Where the journals are written.
        queues: By name.
        full: Called where the disk is full.
    """

    def __init__(self, folder: Path, queues: Mapping[str, BrokerQueue], full: Callable[[], None]) -> None:
        self._queues = queues
        self._arrivals = Arrivals(folder)
        self._full = full
        self._hands: dict[Holder, RayHand] = {}
        self._torn: set[Holder] = set()
        self._at = 0.0

    def enrol(self, hand: RayHand) -> None:
        """Expect reports of this one."""
        self._hands[hand.holder] = hand

    def begin(self) -> Iterator[tuple[BrokerQueue, Any]]:
        """Ask whoever has answered before, if it is time to; yield the queues with the references of the answers."""
        if monotonic() < self._at:
            return
        self._at = monotonic() + max(_INTERVAL_S, len(self._queues) / _CALLS_PER_S)
        for queue in self._queues.values():
            if queue.pending is None and queue.lost is None:
                yield queue, queue.collect()

    def enter(self, queue: BrokerQueue, found: Collected | RayError) -> None:
        """An answer is there, or there will be none."""
        if isinstance(found, RayError):
            queue.lost = queue.lost or cause_of_death(found)
            return
        queue.collected(found)
        for holder, chunk in found.chunks:
            self.write(self._hands[holder], [chunk])
        for holder, words in found.words:
            hand = self._hands[holder]
            if hand.alive and not hand.replaced:
                _note(hand, words)

    def end(self) -> None:
        """After the last worker: fetch what brokers still have to say."""
        for queue in self._queues.values():
            more = True
            while more and queue.lost is None:
                found: Collected | RayError
                try:
                    found = ray.get(queue.pending or queue.collect(), timeout=_PATIENCE_S)
                except RayError as error:
                    found = error
                more = not isinstance(found, RayError) and bool(found.chunks)
                self.enter(queue, found)

    def take(self, hand: RayHand, ending: Ending) -> None:
        """Store what a worker has to say itself."""
        self.write(hand, ending.chunks)
        _note(hand, ending.words)

    def write(self, hand: RayHand, chunks: Iterable[Chunk]) -> None:
        """Append records to the journal of this incarnation."""
        if hand.holder in self._torn:  # behind a gap nobody could read them
            return
        try:
            for offset, records in chunks:
                self._arrivals.write(hand.worker.name, hand.incarnation, offset, records)
        except OSError:
            self._torn.add(hand.holder)
            self._full()

    def close(self) -> None:
        """Close the journals."""
        self._arrivals.close()


def _note(hand: RayHand, words: tuple[int, ...]) -> None:
    """Enter a worker's words on the board, but for the orders, which are the supervisor's."""
    slot = hand.slot
    stop, finish = slot.stopped(), slot.finishing()
    for position, word in enumerate(words):
        slot.words[slot.base + position] = word
    if stop:
        slot.stop()
    if finish:
        slot.finish()


def cause_of_death(error: RayError) -> str:
    """In words, how an actor died, of which Ray tells at length."""
    if isinstance(error, RayTaskError):
        return f"could not go on ({f'{type(error.cause).__name__}: {error.cause}'.splitlines()[0]})"
    text = str(error)
    if "node has died" in text or "node died" in text:
        return "died with its node"
    return "was killed, or crashed"
