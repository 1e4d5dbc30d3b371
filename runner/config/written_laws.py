"""How distributions are written, and the law each means: one model per distribution."""

from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le, MinLen
from pydantic import Field, PrivateAttr, SerializerFunctionWrapHandler, Strict, model_serializer, model_validator

from runner.config import distributions
from runner.config.counts import Count, Units
from runner.config.distributions import Distribution
from runner.config.files import Files, TraceValues
from runner.config.keys import Keys
from runner.config.refusals import refuse_below, told
from runner.config.scalars import Duration, TraceFile
from runner.config.units import unit_seconds

Durations = Annotated[tuple[Duration, ...], Strict(False), MinLen(1)]
Weight = Annotated[float, Ge(0), Le(1e9)]
Weights = Annotated[tuple[Weight, ...], Strict(False), MinLen(1)]
Positive = Annotated[float, Ge(0), Le(1e6)]

_LAW = "the name of the law"
_MEAN = "the mean, before clamping"
_SHAPE = "the shape, without unit"
_LEAST = "the least"


class DistributionConfig(Keys):
    """A distribution as the config names it: times in seconds, files absolute."""

    what: ClassVar[str] = "a distribution"

    distribution: str
    min: Duration | None = Field(None, description="shorter times are raised to this")
    max: Duration | None = Field(None, description="longer times are cut to this")

    def law(self) -> Distribution:
        """The law that is sampled."""
        law = self._law()
        return law if self.min is None and self.max is None else distributions.Clamped(law, self.min, self.max)

    def _law(self) -> Distribution:
        """The law before clamping; ValueError where the parameters are out of range."""
        raise NotImplementedError

    def _normal(self) -> "DistributionConfig":
        """The same distribution in its one normal form."""
        return self

    @classmethod
    def names(cls) -> list[str]:
        """Its own keys, then `min` and `max`."""
        names = super().names()
        return [*names[3:], *names[1:3]]

    @model_validator(mode="after")
    def _is_a_law(self) -> "DistributionConfig":
        normal = self._normal()
        try:
            normal.law()
        except ValueError as error:
            at = str(error).partition(" ")[0].partition("[")[0]
            refuse_below(((at,) if at in self.model_fields_set else (), told(str(error))))
        return normal

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> Any:
        written = handler(self)
        keys = ("distribution", *self.names())
        data = {key: written[key] for key in keys if written.get(key) not in (None, (), [])}
        return data["value"] if data.keys() == {"distribution", "value"} else data


class ConstantTime(DistributionConfig):
    """Always the same."""

    distribution: Literal["constant"] = Field(description=_LAW)
    value: Duration = Field(description="always so long")

    def _law(self) -> Distribution:
        return distributions.Constant(self.value)


class UniformTime(DistributionConfig):
    """Equally likely between two times."""

    distribution: Literal["uniform"] = Field(description=_LAW)
    low: Duration = Field(description=_LEAST)
    high: Duration = Field(description="the most")

    def _law(self) -> Distribution:
        return distributions.Uniform(self.low, self.high)


class RandIntTime(DistributionConfig):
    """A whole number of units, both ends included."""

    distribution: Literal["randint"] = Field(description=_LAW)
    low: Count = Field(description=_LEAST)
    high: Count = Field(description="the most")

    def _law(self) -> Distribution:
        return distributions.RandInt(self.low.number, self.high.number, unit_seconds(self.high.unit))

    def _normal(self) -> "RandIntTime":
        if self.low.number and self.low.unit != self.high.unit:
            raise told(f"low is in {self.low.unit} and high in {self.high.unit}; write both in one unit")
        return self.model_copy(update={"low": Units(self.low.number, self.high.unit)})


class ExponentialTime(DistributionConfig):
    """Without memory; by its mean or its rate."""

    distribution: Literal["exponential"] = Field(description=_LAW)
    mean: Duration | None = Field(None, description=_MEAN)
    rate: Weight | None = Field(None, description="events per second: 1 / mean, instead of mean")

    def _law(self) -> Distribution:
        assert self.mean is not None  # noqa: S101 - `_normal` saw to it
        return distributions.Exponential(self.mean)

    def _normal(self) -> "ExponentialTime":
        if (self.mean is None) == (self.rate is None):
            raise told("wanted mean or rate (events per second), one of them")
        if self.rate == 0:
            refuse_below((("rate",), told("rate is 0.0, must be above 0")))
        return self if self.rate is None else self.model_copy(update={"mean": 1 / self.rate, "rate": None})


class NormalTime(DistributionConfig):
    """Clamped at 0."""

    distribution: Literal["normal"] = Field(description=_LAW)
    mean: Duration = Field(description=_MEAN)
    sd: Duration = Field(description="the standard deviation")

    def _law(self) -> Distribution:
        return distributions.Normal(self.mean, self.sd)


class LogNormalTime(DistributionConfig):
    """Its logarithm is normal."""

    distribution: Literal["lognormal"] = Field(description=_LAW)
    mean: Duration = Field(description=_MEAN)
    cv: Positive = Field(description="standard deviation / mean")

    def _law(self) -> Distribution:
        return distributions.LogNormal(self.mean, self.cv)


class GammaTime(DistributionConfig):
    """By shape and mean."""

    distribution: Literal["gamma"] = Field(description=_LAW)
    shape: Positive = Field(description=_SHAPE)
    mean: Duration = Field(description=_MEAN)

    def _law(self) -> Distribution:
        return distributions.Gamma(self.shape, self.mean)


class ErlangTime(DistributionConfig):
    """The sum of k exponential phases."""

    distribution: Literal["erlang"] = Field(description=_LAW)
    k: int = Field(ge=1, le=1_000, description="the number of phases")
    mean: Duration = Field(description=_MEAN)

    def _law(self) -> Distribution:
        return distributions.Erlang(self.k, self.mean)


class HyperExponentialTime(DistributionConfig):
    """One of several exponentials."""

    distribution: Literal["hyperexponential"] = Field(description=_LAW)
    means: Durations = Field(description="the means of the branches")
    weights: Weights = Field(description="how likely each is, relative to each other")

    def _law(self) -> Distribution:
        return distributions.HyperExponential(self.means, self.weights)


class WeibullTime(DistributionConfig):
    """By shape and scale."""

    distribution: Literal["weibull"] = Field(description=_LAW)
    shape: Positive = Field(description=_SHAPE)
    scale: Duration = Field(description="the scale")

    def _law(self) -> Distribution:
        return distributions.Weibull(self.shape, self.scale)


class ParetoTime(DistributionConfig):
    """With a heavy tail."""

    distribution: Literal["pareto"] = Field(description=_LAW)
    alpha: Positive = Field(description="the tail index; the mean is infinite up to 1")
    minimum: Duration = Field(description=_LEAST)

    def _law(self) -> Distribution:
        return distributions.Pareto(self.alpha, self.minimum)


class TriangularTime(DistributionConfig):
    """Rising to its mode, then falling."""

    distribution: Literal["triangular"] = Field(description=_LAW)
    low: Duration = Field(description=_LEAST)
    mode: Duration = Field(description="the most likely")
    high: Duration = Field(description="the most")

    def _law(self) -> Distribution:
        return distributions.Triangular(self.low, self.mode, self.high)


class EmpiricalTime(DistributionConfig):
    """One of the values."""

    distribution: Literal["empirical"] = Field(description=_LAW)
    values: Durations = Field(description="the values drawn from")
    weights: Weights = Field((), description="how likely each is, relative to each other")

    def _law(self) -> Distribution:
        return distributions.Empirical(self.values, self.weights)


class TraceTime(DistributionConfig):
    """Recorded times, read when the config is loaded."""

    distribution: Literal["trace"] = Field(description=_LAW)
    file: TraceFile = Field(
        description="JSON Lines: plain seconds, one an item in turn, or {id, value} looked up by item id"
    )
    _found: TraceValues = PrivateAttr()

    def model_post_init(self, context: Files | None) -> None:
        """Keep what the file holds."""
        if context is not None:
            self._found = context.trace(self.file)

    def _law(self) -> Distribution:
        return distributions.Trace(self._found.values, self._found.by_id)


LAWS: dict[str, type[DistributionConfig]] = {
    "constant": ConstantTime,
    "uniform": UniformTime,
    "randint": RandIntTime,
    "exponential": ExponentialTime,
    "normal": NormalTime,
    "lognormal": LogNormalTime,
    "gamma": GammaTime,
    "erlang": ErlangTime,
    "hyperexponential": HyperExponentialTime,
    "weibull": WeibullTime,
    "pareto": ParetoTime,
    "triangular": TriangularTime,
    "empirical": EmpiricalTime,
    "trace": TraceTime,
}
