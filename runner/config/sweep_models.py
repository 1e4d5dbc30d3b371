"""The keys of a sweep file: what each is called, may hold and stands for where it is left out."""

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from annotated_types import MaxLen
from pydantic import Field, Strict

from runner.config.keys import Keys
from runner.config.refusals import Wanted
from runner.config.scalars import EngineName, Line

MOST_REPEATS = 10_000
_PATHS = "a map from paths to lists of values, such as {consumers.consume.count: [1, 2, 4]}"
_MAPS = "a list of maps from paths to values, such as [{consumers.consume.count: 8}]"
_Map: TypeAlias = Annotated[dict[str, Any], Wanted("a map from paths to values")]


class SweepConfig(Keys):
    """A sweep: a base config and what varies in it."""

    what: ClassVar[str] = "a sweep"
    besides: ClassVar[tuple[str, ...]] = ("x-…",)

    name: Line | None = Field(None, description="default: the file's stem")
    description: Annotated[str, MaxLen(10_000)] | None = Field(None, description="what is to be learnt")
    base: Annotated[Any, Wanted("the path of a config, or a config")] = Field(description="what varies")
    matrix: Annotated[dict[str, Any], Wanted(_PATHS)] = Field({}, description="every combination of these values")
    zip: Annotated[dict[str, Any], Wanted(_PATHS)] = Field({}, description="the first of each list, the second, …")
    include: Annotated[tuple[_Map, ...], Strict(False), Wanted(_MAPS)] = Field(
        (), description="keys added to the combinations they fit, or cells of their own"
    )
    exclude: Annotated[tuple[_Map, ...], Strict(False), Wanted(_MAPS)] = Field(
        (), description="combinations that are left out"
    )
    repeat: int = Field(1, ge=1, le=MOST_REPEATS, description="runs of each cell; repeat r has the seed + r")
    engine: EngineName | None = Field(None, description="default: the base's")
    order: Literal["shuffled", "declared"] = Field("shuffled", description="of the runs")
    expect: Annotated[dict[str, Any], Wanted("a map from metrics to bounds")] = Field(
        {}, description="bounds for every cell, besides the base's"
    )
