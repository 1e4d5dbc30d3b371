"""How a distribution is written, and the law it means.

One row of `LAWS` per distribution: the keys it takes, and how its law is made of them.
"""

# ruff: noqa: D102 - what a method of a kind does, `Kind` says

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.config import distributions
from runner.config.kinds import (
    Duration,
    Kind,
    ListOf,
    Number,
    PathTo,
    Whole,
    read_into,
)
from runner.config.nodes import MapNode, Scalar, Spot, choices, describe, did_you_mean, join, problem, unknown
from runner.config.units import parse_duration, split_duration, unit_seconds
from runner.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.config.distributions import Distribution


@dataclass(frozen=True, slots=True)
class DistributionConfig:
    """A distribution as the config names it.

    Attributes:
        distribution: Its name.
        parameters: Its parameters in their normal form: times in seconds, files absolute, `min` and `max` included.
    """

    distribution: str
    parameters: Mapping[str, Any]
    _law: Distribution = field(compare=False, repr=False)

    def law(self) -> Distribution:
        """The law that is sampled."""
        return self._law


def constant(seconds: float) -> DistributionConfig:
    """Always so many seconds."""
    return DistributionConfig("constant", {"value": seconds}, distributions.Constant(seconds))


class _Count(Kind):
    """One end of `randint`: a whole number, in the unit written."""

    wanted = "a whole number of one unit (such as 3, 10ms)"

    def read(self, spot: Spot) -> tuple[int, str]:
        match spot.node:
            case Scalar(value=bool()):
                pass
            case Scalar(value=int(value)) if 0 <= value <= distributions.LONGEST:
                return value, "s"
            case Scalar(value=str(text)) if (parsed := parse_duration(text)) is not None:
                count, unit = split_duration(text) or ("", "")
                if count.isdecimal() and parsed <= distributions.LONGEST:
                    return int(count), unit
        raise self.refused(spot)

    def plain(self, value: Any) -> Any:
        count, unit = value
        return count if unit == "s" else f"{count}{unit}"

    def schema(self) -> dict[str, Any]:
        text = {"type": "string", "pattern": r"^\d+(us|ms|s|m|h)$|\$\{"}
        return {"anyOf": [{"type": "integer", "minimum": 0}, text]}


class _Law(NamedTuple):
    needed: dict[str, Kind]
    build: Callable[[dict[str, Any], Spot], Distribution]
    optional: dict[str, Kind] = {}  # noqa: RUF012 - never changed


_TIME = Duration()
_TIMES = ListOf(_TIME)
_WEIGHTS = ListOf(Number(0, 1e9))
_POSITIVE = Number(0, 1e6)


def _randint(p: dict[str, Any], spot: Spot) -> Distribution:
    (low, low_unit), (high, high_unit) = p["low"], p["high"]
    unit = high_unit if low == 0 else low_unit
    if high_unit != unit:
        raise spot.wrong(f"low is in {low_unit} and high in {high_unit}; write both in one unit")
    p["low"] = (low, unit)
    return distributions.RandInt(low, high, unit_seconds(unit))


def _exponential(p: dict[str, Any], spot: Spot) -> Distribution:
    if len(p) != 1:
        raise spot.wrong("wanted mean or rate (events per second), one of them")
    if "rate" in p:
        rate = p.pop("rate")
        if not rate:
            raise spot.wrong("rate is 0.0, must be above 0")
        p["mean"] = 1 / rate
    return distributions.Exponential(p["mean"])


def _empirical(p: dict[str, Any], _: Spot) -> Distribution:
    return distributions.Empirical(p["values"], p.get("weights", ()))


def _trace(p: dict[str, Any], spot: Spot) -> Distribution:
    found = spot.files.trace(p["file"])
    return distributions.Trace(found.values, found.by_id)


def _plain(law: Callable[..., Distribution]) -> Callable[[dict[str, Any], Spot], Distribution]:
    return lambda p, _: law(*p.values())


LAWS: dict[str, _Law] = {
    "constant": _Law({"value": _TIME}, _plain(distributions.Constant)),
    "uniform": _Law({"low": _TIME, "high": _TIME}, _plain(distributions.Uniform)),
    "randint": _Law({"low": _Count(), "high": _Count()}, _randint),
    "exponential": _Law({}, _exponential, {"mean": _TIME, "rate": Number(0, 1e9)}),
    "normal": _Law({"mean": _TIME, "sd": _TIME}, _plain(distributions.Normal)),
    "lognormal": _Law({"mean": _TIME, "cv": _POSITIVE}, _plain(distributions.LogNormal)),
    "gamma": _Law({"shape": _POSITIVE, "mean": _TIME}, _plain(distributions.Gamma)),
    "erlang": _Law({"k": Whole(1, 1_000), "mean": _TIME}, _plain(distributions.Erlang)),
    "hyperexponential": _Law({"means": _TIMES, "weights": _WEIGHTS}, _plain(distributions.HyperExponential)),
    "weibull": _Law({"shape": _POSITIVE, "scale": _TIME}, _plain(distributions.Weibull)),
    "pareto": _Law({"alpha": _POSITIVE, "minimum": _TIME}, _plain(distributions.Pareto)),
    "triangular": _Law({"low": _TIME, "mode": _TIME, "high": _TIME}, _plain(distributions.Triangular)),
    "empirical": _Law({"values": _TIMES}, _empirical, {"weights": _WEIGHTS}),
    "trace": _Law({"file": PathTo("file")}, _trace),
}
_ABOUT = {
    "value": "always so long",
    "low": "the least",
    "high": "the most",
    "mode": "the most likely",
    "mean": "the mean, before clamping",
    "rate": "events per second: 1 / mean, instead of mean",
    "sd": "the standard deviation",
    "cv": "standard deviation / mean",
    "shape": "the shape, without unit",
    "scale": "the scale",
    "k": "the number of phases",
    "means": "the means of the branches",
    "weights": "how likely each is, relative to each other",
    "alpha": "the tail index; the mean is infinite up to 1",
    "minimum": "the least",
    "values": "the values drawn from",
    "file": "JSON Lines: plain seconds, one an item in turn, or {id, value} looked up by item id",
    "min": "shorter times are raised to this",
    "max": "longer times are cut to this",
}
_CLAMPS: dict[str, Kind] = {"min": _TIME, "max": _TIME}


class Law(Kind):
    """A distribution: a map with `distribution` and its parameters, or a duration, which is `constant`."""

    wanted = "a duration, or a map such as {distribution: exponential, mean: 10ms}"

    def read(self, spot: Spot) -> DistributionConfig:
        if not isinstance(spot.node, MapNode):
            if not isinstance(spot.node, Scalar) or isinstance(spot.node.value, bool | None):
                raise self.refused(spot)
            return constant(_TIME.read(spot))
        name = self._name(spot, spot.node)
        law = LAWS[name]
        known = {**law.needed, **law.optional, **_CLAMPS}
        parameters = self._parameters(spot, spot.node, known, law)
        clamps = {key: parameters.pop(key) for key in _CLAMPS if key in parameters}
        built = self._build(spot, spot.node, law, parameters, clamps)
        plain = {key: known[key].plain(value) for key, value in {**parameters, **clamps}.items()}
        return DistributionConfig(name, plain, built)

    def _name(self, spot: Spot, node: MapNode) -> str:
        named = node.get("distribution")
        if named is None:
            message = f"missing; {choices(LAWS)}"
            raise ConfigError(problem(node.mark, join(spot.path, "distribution"), message))
        child = spot.child("distribution", named)
        if not isinstance(named, Scalar) or not isinstance(named.value, str):
            raise child.wrong(f"wanted the name of a distribution, not {describe(named)}; {choices(LAWS)}")
        if named.value not in LAWS:
            raise child.wrong(unknown(f"no such distribution: {describe(named)}", named.value, list(LAWS)))
        return named.value

    def _parameters(self, spot: Spot, node: MapNode, known: dict[str, Kind], law: _Law) -> dict[str, Any]:
        problems: list[Problem] = []
        for key, (mark, _) in node.entries.items():
            if key != "distribution" and key not in known:
                message = f"unknown key{did_you_mean(key, known) or ';'} {choices(known)}"
                problems.append(problem(mark, join(spot.path, key), message))
                if len(problems) == 20:
                    break
        values: dict[str, Any] = {}
        for key, kind in known.items():
            below = node.get(key)
            if below is not None:
                values[key] = read_into(problems, kind, spot.child(key, below))
            elif key in law.needed:
                message = f"missing; wanted: {kind.wanted}"
                problems.append(problem(node.mark, join(spot.path, key), message))
        if problems:
            raise ConfigError(*problems)
        return values

    def _build(
        self, spot: Spot, node: MapNode, law: _Law, parameters: dict[str, Any], clamps: dict[str, Any]
    ) -> Distribution:
        try:
            built = law.build(parameters, spot)
            return distributions.Clamped(built, clamps.get("min"), clamps.get("max")) if clamps else built
        except ValueError as error:
            message = str(error)
            if "file" in parameters:
                raise spot.child("file", node.entries["file"][1]).wrong(message) from None
            first = message.split(" ", 1)[0].rstrip("_")
            at = node.get(first)
            raise (spot if at is None else spot.child(first, at)).wrong(message) from None

    def plain(self, value: Any) -> Any:
        parameters = dict(value.parameters)
        if value.distribution == "constant" and len(parameters) == 1:
            return parameters["value"]
        return {"distribution": value.distribution, **parameters}

    def schema(self) -> dict[str, Any]:
        variants = [_variant(name, law) for name, law in LAWS.items()]
        return {"anyOf": [_TIME.schema(), {"type": "object", "oneOf": variants}]}


def _variant(name: str, law: _Law) -> dict[str, Any]:
    kinds = {**law.needed, **law.optional, **_CLAMPS}
    return {
        "title": name,
        "properties": {
            "distribution": {"const": name, "description": "the name of the law"},
            **{key: {**kind.schema(), "description": _ABOUT[key]} for key, kind in kinds.items()},
        },
        "required": ["distribution", *law.needed],
        "additionalProperties": False,
    }
