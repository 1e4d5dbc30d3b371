"""Planned times: for every item and purpose one number, computed from the seed and the item alone.

    stream    = BLAKE2b-256 of (seed, group, purpose)             once per sampler
    block n   = BLAKE2b-512 of (stream, id, n)                    per item; rarely more than block 0
    u(8n + i) = (top 52 bits of the i-th of 8 words + 1/2) / 2⁵²

So a draw knows neither the worker that takes the item nor what was drawn before. Seed, group and purpose are hashed
with their lengths, the stream and n have a fixed one, and so no two draws hash the same bytes. The stream is a prefix,
not BLAKE2's key, because a key fills a block of its own, which every draw would hash again. 52 bits, because with 53
the half would be rounded away, and the largest uniform to 1.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from math import isfinite
from struct import Struct
from typing import TYPE_CHECKING, Literal

from runner.config.distributions import Clamped, Constant, Invertible, MissingValue, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.config.distributions import Distribution

Purpose = Literal["pause", "service"]

_FIRST_BLOCK = bytes(4)
_GRAIN = 2.0**-52
_round: Callable[[float], int] = float.__round__  # half the price of round(), which looks it up
_word: Callable[..., tuple[int]] = Struct("<Q").unpack_from


class KeyedDraw:
    """The uniform numbers of one item, hashed when they are asked for."""

    __slots__ = ("_block", "_stream", "_words", "id", "seq")

    def __init__(self, stream: blake2b, id: str, seq: int) -> None:  # noqa: A002 - as a Draw names it
        self.id = id
        self.seq = seq
        self._stream = stream
        self._block = -1
        self._words = b""

    def uniform(self, k: int) -> float:
        """The k-th uniform number of this item, k >= 0, in the open interval (0, 1)."""
        block, place = divmod(k, 8)
        if block != self._block:
            hashed = self._stream.copy()
            hashed.update(self.id.encode() + block.to_bytes(4, "little"))
            self._words = hashed.digest()
            self._block = block
        return ((_word(self._words, 8 * place)[0] >> 12) + 0.5) * _GRAIN


class Block:
    """Several items of one producer, for whose draws what they share is made once.

    Args:
        prefix: What their ids begin with, `produce-0:`.
        seqs: What they end with.
    """

    __slots__ = ("_hashed", "prefix", "seqs")

    def __init__(self, prefix: str, seqs: Sequence[int]) -> None:
        self.prefix = prefix
        self.seqs = seqs
        self._hashed: list[bytes] | None = None

    def hashed(self) -> list[bytes]:
        """What is hashed for each, behind the stream."""
        if self._hashed is None:
            begin = self.prefix.encode()
            self._hashed = [b"%b%d%b" % (begin, seq, _FIRST_BLOCK) for seq in self.seqs]
        return self._hashed


class Sampler:
    """The planned times of one group for one purpose; call it with an item's id and seq.

    Safe to share between threads; picklable, for a worker process.

    Attributes:
        constant: The planned time in ns of every item where there is but one, so that nothing is hashed: for a constant
            law, and for every law under a time scale of 0, where a trace is not asked and so misses no value.
        draw: The same as a call, for who draws for every item: a closure, which looks up nothing, is a third faster.
    """

    __slots__ = (
        "_group",
        "_law",
        "_prefix",
        "_purpose",
        "_quantiles",
        "_seed",
        "_stream",
        "_time_scale",
        "constant",
        "draw",
    )

    def __init__(self, seed: int, group: str, purpose: Purpose, law: Distribution, time_scale: float) -> None:
        self._seed = seed
        self._group = group
        self._purpose = purpose
        self._law = law
        self._time_scale = time_scale
        self._prefix = _stream(seed, group, purpose)
        self._stream = blake2b(self._prefix)
        # Asked once: to be an instance of a protocol takes longer than a draw.
        self._quantiles = law.quantiles if isinstance(law, Invertible) else None
        self.constant = self._constant()
        self.draw = self._closure()
        # What a law imports or computes on its first sample is paid for here, not by the first item of a run.
        with suppress(MissingValue):
            law.sample(KeyedDraw(self._stream, "", 0))

    def __call__(self, id: str, seq: int) -> int:  # noqa: A002 - as a Draw names it
        """The planned time of an item, in ns >= 0.

        Raises:
            MissingValue: A trace has no value for the item.
        """
        return self.draw(id, seq)

    def _closure(self) -> Callable[[str, int], int]:
        constant, law, stream, time_scale, planned = (
            self.constant, self._law, self._stream, self._time_scale, self._planned,
        )  # fmt: skip
        if constant is not None:
            return lambda _id, _seq: constant
        if not isinstance(law, Invertible):
            return lambda id, seq: planned(law.sample(KeyedDraw(stream, id, seq)))  # noqa: A006 - as a Draw names it
        quantile, copy = law.quantile, stream.copy

        def drawn(id: str, _seq: int) -> int:  # noqa: A002 - as a Draw names it
            # The same as sample(), spared the draw's own object and two calls.
            hashed = copy()
            hashed.update(id.encode() + _FIRST_BLOCK)
            return round(quantile(((_word(hashed.digest())[0] >> 12) + 0.5) * _GRAIN) * 1e9)

        return drawn if time_scale == 1 else lambda id, seq: round(drawn(id, seq) * time_scale)  # noqa: A006

    def block(self, items: Block) -> list[int]:
        """The planned times of several items, to the last ns those of as many calls, in less than half the time.

        Raises:
            MissingValue: As a call does.
        """
        quantiles, scale, stream = self._quantiles, self._time_scale, self._prefix
        if self.constant is not None:
            return [self.constant] * len(items.seqs)
        if quantiles is None:
            draw, prefix = self.draw, items.prefix
            return [draw(f"{prefix}{seq}", seq) for seq in items.seqs]
        digests = b"".join([blake2b(stream + hashed).digest() for hashed in items.hashed()])
        uniforms = [((word >> 12) + 0.5) * _GRAIN for word in _words(len(items.seqs)).unpack(digests)]
        planned = [_round(seconds * 1e9) for seconds in quantiles(uniforms)]
        return planned if scale == 1 else [round(ns * scale) for ns in planned]

    @property
    def is_total(self) -> bool:
        """Whether every item has a planned time: a trace may miss some."""
        law = self._law
        while isinstance(law, Clamped):
            law = law.law
        return self.constant is not None or not isinstance(law, Trace)

    @property
    def mean_ns(self) -> float:
        """The mean planned time, in ns; `inf` where the law has none. Of a trace: of all its values."""
        return self._law.mean() * 1e9 * self._time_scale if self.constant is None else self.constant

    @property
    def law(self) -> Distribution:
        """The law of the times before scaling, in seconds."""
        return self._law

    def __reduce__(self) -> tuple[type[Sampler], tuple[int, str, Purpose, Distribution, float]]:
        return Sampler, (self._seed, self._group, self._purpose, self._law, self._time_scale)

    def _planned(self, seconds: float) -> int:
        ns = round(seconds * 1e9)
        return ns if self._time_scale == 1 else round(ns * self._time_scale)

    def _constant(self) -> int | None:
        if self._time_scale == 0:
            return 0
        value = _only_value(self._law)
        return None if value is None else self._planned(value)


def sampler(seed: int, group: str, purpose: Purpose, law: Distribution, time_scale: float) -> Sampler:
    """The planned times of a group's items for one purpose.

    Args:
        seed: Of the run, at least 0.
        group: The group whose workers pause or serve.
        purpose: `pause` after a put, or `service` of an item.
        law: Of the times before scaling, in seconds.
        time_scale: What the drawn whole nanoseconds are multiplied by, at least 0.

    Raises:
        ValueError: The seed is negative, or the time scale is negative or not finite.
    """
    if seed < 0:
        raise ValueError(f"seed is {seed}, must be at least 0")
    if not (isfinite(time_scale) and time_scale >= 0):
        raise ValueError(f"time_scale is {time_scale!r}, must be finite and at least 0")
    return Sampler(seed, group, purpose, law, time_scale)


def _stream(seed: int, group: str, purpose: Purpose) -> bytes:
    # The seed in hexadecimal: Python refuses to write very long integers in decimal.
    fields = [f"{seed:x}".encode(), group.encode(), purpose.encode()]
    named = b"".join(len(field).to_bytes(8, "little") + field for field in fields)
    return blake2b(named, digest_size=32, person=b"mprun draws 1").digest()


@lru_cache(64)
def _words(count: int) -> Struct:
    """Reads the first word of so many digests, one behind the other."""
    return Struct("<" + count * "Q56x")


def _only_value(law: Distribution) -> float | None:
    match law:
        case Constant(value=value):
            return value
        case Clamped(law=Constant()):
            return law.mean()
    return None
