"""What goes wrong on purpose, as the config says it."""

from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Le
from pydantic import ConfigDict, Field, model_validator

from runner.config.items import MOST_ITEMS
from runner.config.keys import Keys
from runner.config.refusals import Wanted, refuse_below, together, told
from runner.config.scalars import DURATION_WANTED, Duration, WorkerName

ACTS = ("kill", "pause", "raise")
COUNTERS = ("gets", "puts")
MOST_FAULTS = 1_000

_Number = Annotated[int, Ge(1), Le(MOST_ITEMS)]
_AFTER_SCHEMA: dict[str, Any] = {"oneOf": [{"required": [counter]} for counter in COUNTERS]}
_FAULT_SCHEMA: dict[str, Any] = {
    "oneOf": [{"required": [act]} for act in ACTS],
    "dependentRequired": {"pause": ["for"], "for": ["pause"]},
}


class AfterConfig(Keys):
    """When a fault happens: as its worker has put or got so many items."""

    model_config = ConfigDict(json_schema_extra=_AFTER_SCHEMA)
    what: ClassVar[str] = "a number of gets or puts"

    gets: _Number | None = Field(None, description="as the worker has got so many items, over all its incarnations")
    puts: _Number | None = Field(None, description="as the worker has put so many items, over all its incarnations")

    @model_validator(mode="after")
    def _one_counter(self) -> "AfterConfig":
        _exactly_one(self, COUNTERS, "such as {gets: 3}")
        return self

    @property
    def counter(self) -> str:
        """What is counted: `gets` or `puts`."""
        return "puts" if self.gets is None else "gets"

    @property
    def count(self) -> int:
        """How many of them."""
        return self.gets or self.puts or 0


class FaultConfig(Keys):
    """One fault; it happens once."""

    model_config = ConfigDict(json_schema_extra=_FAULT_SCHEMA)
    what: ClassVar[str] = "a fault"

    kill: WorkerName | None = Field(None, description="this worker is killed (SIGKILL)")
    pause: WorkerName | None = Field(None, description="this worker stands still, `for` so long")
    raise_: WorkerName | None = Field(None, alias="raise", description="this worker's user code raises")
    after: Annotated[AfterConfig, Wanted("a map: {gets: N} or {puts: N}")] = Field(description="when it happens")
    for_: Duration | None = Field(None, alias="for", description="pause: so long, times time_scale")

    @model_validator(mode="after")
    def _one_act(self) -> "FaultConfig":
        _exactly_one(self, ACTS, "such as kill: consume-0")
        if self.act == "pause" and self.for_ is None:
            refuse_below((("for",), told(f"missing, for a pause lasts; wanted: {DURATION_WANTED}")))
        if self.act != "pause" and self.for_ is not None:
            refuse_below((("for",), told(f"only a pause lasts, no {self.act}; remove it")))
        return self

    @property
    def act(self) -> str:
        """What happens: `kill`, `pause` or `raise`."""
        return next(act for act in ACTS if _value(self, act) is not None)

    @property
    def worker(self) -> str:
        """To whom."""
        return str(_value(self, self.act))


def _exactly_one(keys: Keys, wanted: tuple[str, ...], example: str) -> None:
    there = [key for key in wanted if _value(keys, key) is not None]
    if len(there) > 1:
        raise together(wanted)
    if not there:
        raise told(f"wanted one of {', '.join(wanted)}, {example}")


def _value(keys: Keys, key: str) -> Any:
    return getattr(keys, f"{key}_" if key == "raise" else key)
