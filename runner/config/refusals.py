"""How a type of the config language says no: `problems` completes it with the place and with what stands there."""

from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import BeforeValidator, ValidationError
from pydantic_core import PydanticCustomError

MOST_ALIKE = 20
"""So many problems are told of one list, or of one map's unknown keys."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Annotation: what may stand there, to finish the sentence `wanted …`."""

    wanted: str


def refused(wanted: str) -> PydanticCustomError:
    """Something else is wanted than what stands there."""
    return PydanticCustomError("wanted", "wanted {wanted}", {"wanted": wanted})


def unknown_choice(what: str, options: tuple[str, ...]) -> PydanticCustomError:
    """What stands there is none of the options; `what` they are: `distribution`."""
    return PydanticCustomError("choice", "no such {what}", {"what": what, "options": options})


def together(keys: tuple[str, ...]) -> PydanticCustomError:
    """Several of these keys stand in one map, and they exclude each other."""
    return PydanticCustomError("together", "at most one of {keys}", {"keys": keys})


def at_most(most: int, what: str) -> BeforeValidator:
    """Annotation: a list or map may have so many entries; `what` they are: `names`."""

    def few(entries: Any) -> Any:
        if isinstance(entries, dict | list) and len(entries) > most:
            raise told(f"{len(entries):,} {what}; at most {most:,}")
        return entries

    return BeforeValidator(few)


def told(message: str) -> PydanticCustomError:
    """A sentence that says it all."""
    return PydanticCustomError("told", "{message}", {"message": message})


def refuse_below(*errors: tuple[tuple[str | int, ...], PydanticCustomError]) -> NoReturn:
    """Raise errors of places below the value that is validated: each with the keys that lead there.

    Raises:
        ValidationError: Always.
    """
    raise ValidationError.from_exception_data(
        "config", [{"type": error, "loc": keys, "input": None} for keys, error in errors]
    )
