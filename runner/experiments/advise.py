"""The smallest size that meets a target, found by simulation.

    values --one of them--> config --seed, seed + 1, …--> simulations --metric--> samples --> interval --> met or not
       +-- bisected where more never makes it worse, else all of them

Every value sees the same items and the same draws (common random numbers): a draw belongs to the item, whoever serves
it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from runner import api
from runner.analysis.intervals import coverage, interval, rank
from runner.analysis.limits import limit, shares
from runner.config.bounds import BoundError, parse
from runner.config.simulable import foretold
from runner.errors import Interrupted, UsageError
from runner.experiments.varying import varying

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.analysis.limits import Limit, Share
    from runner.config.bounds import Bound
    from runner.config.models import Config
    from runner.experiments.varying import Varying

MOST_SIMULATIONS: Final = 2_000
"""More are not begun."""
MOST_REPEATS: Final = 1_000
_SIGNALS: Final = 128


@dataclass(frozen=True, slots=True)
class Point:
    """What simulations say of one value.

    Attributes:
        value: Of what is varied.
        samples: The metric, one for each repeat; None where it had no sample.
        median, low, high: Of the samples; None where one is missing.
        met: Whether the whole interval keeps the bound, and every simulation ended well.
        failed: So many did not.
        shares: What each group did.
    """

    value: int
    samples: tuple[float | None, ...]
    median: float | None
    low: float | None
    high: float | None
    met: bool
    failed: int
    shares: Mapping[str, Share]


@dataclass(frozen=True, slots=True)
class Advice:
    """The answer.

    Attributes:
        target: What is to be met.
        path: Of what is varied.
        found: The smallest value that meets it; None: none does.
        points: Every value that was simulated, from the smallest to the largest.
        bisected: Whether values were left out because more never makes it worse.
        repeat: Simulations of each value.
        confidence: With this probability an interval contains the median of what its value gives.
        most: No more simulations than this were to be made.
        limit: Which side limits, where no value meets the target.
    """

    target: Bound
    path: str
    found: int | None
    points: tuple[Point, ...]
    bisected: bool
    repeat: int
    confidence: float
    most: int
    limit: Limit | None

    @property
    def exit_code(self) -> int:
        """0 where a value was found."""
        return int(self.found is None)

    @property
    def simulations(self) -> int:
        """How many were made."""
        return len(self.points) * self.repeat

    @property
    def sentence(self) -> str:
        """The answer in words."""
        if self.found is not None:
            return f"{self.path} = {self.found} is the smallest value that meets {self.target}"
        assert self.limit is not None  # noqa: S101 - it is there where nothing was found
        return f"no value of {self.path} meets {self.target}; at {self._last} {self.limit.sentence}"

    @property
    def _last(self) -> str:
        return f"{self.points[-1].value:,}"

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, ready for JSON."""
        known = asdict(self)
        return {
            "target": str(self.target),
            "vary": self.path,
            "found": self.found,
            "sentence": self.sentence,
            "limit": known["limit"],
            "search": "bisected" if self.bisected else "all values",
            "repeat": self.repeat,
            "confidence": self.confidence,
            "simulations": self.simulations,
            "simulations_at_most": self.most,
            "points": known["points"],
        }


def advise(
    config: Config, target: str, vary: str, *, repeat: int = 5, watch: Callable[[Point], None] | None = None
) -> Advice:
    """Find the smallest value that meets a target.

    Args:
        config: From `load`.
        target: A bound on a metric of summary.json: `latency.p99 < 500ms`.
        vary: A group's count or a queue's maxsize, and its values: `consumers.consume.count=1..64`.
        repeat: Simulations of each value, the r-th with the seed seed + r, from r = 0.
        watch: Is shown each value's figures as soon as they are known.

    Raises:
        UsageError: The target is no bound on a metric, there is nothing to vary, or there are too many simulations.
        ConfigError: The config cannot be simulated, or not with these values.
        Interrupted: A signal came.
    """
    varied = varying(vary, config)
    base = foretold(config)
    # The smallest and the largest are tried first: a value that makes the config wrong is told before the work.
    _, largest = (varied.config(base, varied.values[place]) for place in (0, -1))
    bound = _bound(target, largest)
    bisects = varied.is_monotone(base, bound)
    count = len(varied.values)
    most = repeat * (1 + (count - 1).bit_length() if bisects else count)
    if not 1 <= repeat <= MOST_REPEATS:
        raise UsageError(f"--repeat: wanted 1 to {MOST_REPEATS:,}, not {repeat:,}")
    if most > MOST_SIMULATIONS:
        remedy = "name fewer values, such as 1,2,4,8, or a smaller --repeat"
        raise UsageError(f"--vary: {most:,} simulations, more than {MOST_SIMULATIONS:,}; {remedy}")
    points = _Points(base, varied, bound, repeat, watch)
    found = _bisected(points, count) if bisects else _scanned(points, count)
    told = tuple(points.known[place] for place in sorted(points.known))
    return Advice(
        target=bound,
        path=varied.path,
        found=None if found is None else varied.values[found],
        points=told,
        bisected=bisects,
        repeat=repeat,
        confidence=coverage(rank(repeat), repeat),
        most=most,
        limit=limit(told[-1].shares, varied.group, bound.path) if found is None else None,
    )


def _bound(text: str, config: Config) -> Bound:
    workers = [worker.name for worker in api.plan(config).workers()] if "workers." in text else []
    try:
        bound = parse(text, {"queues": list(config.queues), "workers": workers})
    except BoundError as error:
        raise UsageError(f"--target: {error}") from None
    if bound.path == "wall_s":
        raise UsageError("--target: wall_s is what simulating takes; wanted another metric, such as makespan_s")
    return bound


class _Points:
    """The figures of values, simulated when they are first asked for."""

    def __init__(
        self, base: Config, varied: Varying, bound: Bound, repeat: int, watch: Callable[[Point], None] | None
    ) -> None:
        self._base, self._varied, self._bound = base, varied, bound
        self._repeat = repeat
        self._watch = watch
        self.known: dict[int, Point] = {}

    def meets(self, place: int) -> bool:
        """Whether the value at this place meets the target."""
        if place not in self.known:
            self.known[place] = point = self._simulated(self._varied.values[place])
            if self._watch is not None:
                self._watch(point)
        return self.known[place].met

    def _simulated(self, value: int) -> Point:
        config = self._varied.config(self._base, value)
        results = [_simulated(config, config.seed + r) for r in range(self._repeat)]
        samples = tuple(self._bound.measured(summary) for summary, _ in results)
        failed = sum(code != 0 for _, code in results)
        known = [sample for sample in samples if sample is not None]
        found = interval(known) if len(known) == len(samples) else None
        ends = () if found is None else (found.low, found.high)
        return Point(
            value=value,
            samples=samples,
            median=None if found is None else found.median,
            low=None if found is None else found.low,
            high=None if found is None else found.high,
            met=bool(ends) and all(map(self._bound.met_by, ends)) and not failed,
            failed=failed,
            shares=shares([summary for summary, _ in results]),
        )


def _simulated(config: Config, seed: int) -> tuple[Mapping[str, Any], int]:
    """The summary and the exit code of one simulation."""
    result = api.simulate(config.model_copy(update={"seed": seed}), store=False)
    if result.exit_code > _SIGNALS:
        raise Interrupted(result.exit_code, result.reason or "interrupted")
    return result.summary, result.exit_code


def _bisected(points: _Points, count: int) -> int | None:
    """The first place that meets the target, where all behind it do, too."""
    if not points.meets(count - 1):
        return None
    below, meets = -1, count - 1
    while meets - below > 1:
        middle = (below + meets) // 2
        below, meets = (below, middle) if points.meets(middle) else (middle, meets)
    return meets


def _scanned(points: _Points, count: int) -> int | None:
    """The first place that meets the target; all are looked at, as the curve may have any shape."""
    return next((place for place in [p for p in range(count) if points.meets(p)]), None)
