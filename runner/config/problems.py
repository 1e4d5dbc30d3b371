"""From what pydantic found wrong to problems: in our words, and where in the files it stands.

pydantic says where in the data (`loc`) and what kind of error; the nodes know file, line and column of that place, and
the models what may stand there. Walking down both together brings the three together.
"""

from __future__ import annotations

import builtins
from contextlib import suppress
from dataclasses import replace
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen
from pydantic_core import PydanticCustomError, ValidationError

from runner.config.forms import Forms
from runner.config.keys import Keys
from runner.config.nodes import (
    ListNode,
    MapNode,
    Node,
    Scalar,
    choices,
    describe,
    did_you_mean,
    join,
    problem,
    quoted,
    unknown,
)
from runner.config.refusals import MOST_ALIKE, Wanted

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from runner.errors import Problem


class _Type(NamedTuple):
    """A type of the language, and its annotations."""

    bare: Any
    annotations: tuple[Any, ...] = ()

    def find(self, kind: type) -> Any:
        return next((found for found in self.annotations if isinstance(found, kind)), None)


class _Place(NamedTuple):
    """A place in the config: what stands there, and what may stand there."""

    node: Node
    path: str
    type: _Type


def problems_of(error: ValidationError, model: type[Keys], root: MapNode) -> list[Problem]:
    """Every error as a problem with its position; of many alike in one list or map the first `MOST_ALIKE`.

    Args:
        error: What the model's validation raised.
        model: The model of the whole config.
        root: What was validated.
    """
    alike: dict[tuple[Any, ...], list[ErrorDetails]] = {}
    errors = error.errors(include_url=False, include_input=False)
    with_errors_below = {each["loc"][:-1] for each in errors}
    for each in errors:
        # pydantic calls a list too short when none of its elements is right.
        if each["type"] != "too_short" or each["loc"] not in with_errors_below:
            alike.setdefault((each["type"], *each["loc"][:-1]), []).append(each)
    found: list[Problem] = []
    # Unknown keys first: a misspelt key explains the one that is missing.
    for _, group in sorted(alike.items(), key=lambda kind_and_errors: kind_and_errors[0][0] != "extra_forbidden"):
        found += [_problem(each, model, root) for each in group[:MOST_ALIKE]]
        if len(group) > MOST_ALIKE:
            found[-1] = replace(found[-1], message=f"{found[-1].message} (and more like it)")
    return found


def _problem(error: ErrorDetails, model: type[Keys], root: MapNode) -> Problem:
    kind, loc = error["type"], error["loc"]
    if kind == "extra_forbidden":
        return _unknown_key(_place(loc[:-1], model, root), str(loc[-1]), model)
    if kind == "missing":
        return _missing(_place(loc[:-1], model, root), str(loc[-1]))
    if loc[-1] == "[key]":
        return _no_name(_place(loc[:-2], model, root), str(loc[-2]))
    place = _place(loc, model, root)
    if kind == "together":
        return _together(place, error["ctx"]["keys"])
    return problem(place.node.mark, place.path, _message(error, place))


def _message(error: ErrorDetails, place: _Place) -> str:
    node, context = place.node, error.get("ctx", {})
    match error["type"], node:
        case "told", _:
            return error["msg"]
        case "wanted", _:
            return f"wanted {context['wanted']}, not {describe(node)}"
        case "choice", Scalar(value=str(word)):
            return unknown(f"no such {context['what']}: {describe(node)}", word, context["options"])
        case "choice", _:
            return f"wanted the name of a {context['what']}, not {describe(node)}; {choices(context['options'])}"
        case "literal_error", Scalar(value=str(word)):
            return unknown(f"no such choice: {describe(node)}", word, get_args(place.type.bare))
        case "string_too_long", Scalar(value=str(text)):
            return f"wanted {_wanted(place.type)}, not {len(text):,}"
        case "too_short", MapNode():
            return f"empty; wanted {_wanted(place.type)}"
    return f"wanted {_wanted(place.type)}, not {describe(node)}"


def _unknown_key(place: _Place, key: str, top: type[Keys]) -> Problem:
    assert isinstance(place.node, MapNode)  # noqa: S101 - a key stands in a map
    model = _model(place.type, place.node)
    allowed = () if model is None else (*model.names(), *model.besides)
    if home := _home(key, place, top):
        message = f"stands {home}, not here; {choices(allowed)}"
    else:
        message = f"unknown key{did_you_mean(key, allowed) or ';'} {choices(allowed)}"
    return problem(place.node.entries[key][0], join(place.path, key), message)


def _home(key: str, place: _Place, top: type[Keys]) -> str:
    """Where a key belongs that is the top's, or what stands there by name, or in one map there; else empty."""
    if place.path and key in top.names():
        return "at the top"
    homes = {name: _below(_Type(top), name, place.node) for name in top.names()}
    if not place.path:
        homes = {name: _below(type_, "", place.node) if _is_map(type_) else type_ for name, type_ in homes.items()}
    models = {name: _model(type_, MapNode(place.node.mark, {})) for name, type_ in homes.items()}
    named = [name for name, model in models.items() if model is not None and key in model.names()]
    return f"in {', '.join(named)}" if named else ""


def _is_map(type_: _Type) -> bool:
    return get_origin(type_.bare) is dict


def _missing(place: _Place, key: str) -> Problem:
    wanted = _wanted(_below(place.type, key, place.node))
    return problem(place.node.mark, join(place.path, key), f"missing; wanted: {wanted}")


def _no_name(place: _Place, name: str) -> Problem:
    assert isinstance(place.node, MapNode)  # noqa: S101 - a name stands in a map
    rule = "a letter or _, then letters, digits, _ and -; at most 64 characters"
    message = f"{quoted(name)} is no name; allowed: {rule}"
    return problem(place.node.entries[name][0], join(place.path, name), message)


def _together(place: _Place, keys: tuple[str, ...]) -> Problem:
    assert isinstance(place.node, MapNode)  # noqa: S101 - keys stand in a map
    there = [key for key in place.node.entries if key in keys and place.node.has(key)]
    named = ", ".join(key for key in keys if key in there)
    message = f"{named} stand together; at most one of {', '.join(keys)}"
    return problem(place.node.entries[there[1]][0], join(place.path, there[1]), message)


def _place(loc: tuple[int | str, ...], model: type[Keys], root: MapNode) -> _Place:
    place = _Place(root, "", _Type(model))
    for key in loc:
        node, path, type_ = place
        type_ = _below(type_, key, node)
        match node, key:
            case MapNode(entries=entries), str():
                path, node = join(path, key), entries[key][1] if key in entries else node
            case ListNode(items=items), int():
                path, node = f"{path}[{key}]", items[key]
            # A single value that stands for a map: the error is that value's.
        place = _Place(node, path, type_)
    return place


def _below(type_: _Type, key: int | str, node: Node) -> _Type:
    model = _model(type_, node)
    if model is not None:
        fields = (field for name, field in model.model_fields.items() if key == (field.alias or name))
        field = next(fields, None)
        return _Type(Any) if field is None else _plain_type(field.annotation, tuple(field.metadata))
    match get_origin(type_.bare), get_args(type_.bare):
        case (builtins.dict, (_, below)) | (builtins.tuple, (below, _)):
            return _plain_type(below)
    return _Type(Any)


def _plain_type(type_: Any, annotations: tuple[Any, ...] = ()) -> _Type:
    """The type without `Annotated` and `| None`."""
    if get_origin(type_) is Annotated:
        return _plain_type(type_.__origin__, (*annotations, *type_.__metadata__))
    if get_origin(type_) in (Union, UnionType):
        members = [member for member in get_args(type_) if member is not type(None)]
        if len(members) == 1:
            return _plain_type(members[0], annotations)
    return _Type(type_, annotations)


def _model(type_: _Type, node: Node) -> type[Keys] | None:
    """The model that reads the node; None where none can."""
    forms = type_.find(Forms)
    if forms is not None:
        with suppress(PydanticCustomError, ValidationError):
            model: type[Keys] = forms.chosen(_shallow(node))[0]
            return model
    return type_.bare if isinstance(type_.bare, type) and issubclass(type_.bare, Keys) else None


def _shallow(node: Node) -> Any:
    match node:
        case MapNode(entries=entries):
            return {key: below.value if isinstance(below, Scalar) else below for key, (_, below) in entries.items()}
        case Scalar(value=value):
            return value
    return node


def _wanted(type_: _Type) -> str:
    """What may stand there, to finish the sentence `wanted …`."""
    said = type_.find(Wanted) or type_.find(Forms)
    if said is not None:
        return str(said.wanted)
    bare = type_.bare
    if get_origin(bare) is Literal:
        return f"one of {', '.join(get_args(bare))}"
    if get_origin(bare) is tuple:
        return f"a list, each {_wanted(_plain_type(get_args(bare)[0]))}"
    if isinstance(bare, type) and issubclass(bare, Keys):
        return f"{bare.what} (a map)"
    if bare is str:
        return f"text of at most {type_.find(MaxLen).max_length:,} characters"
    number, least, most = "a whole number" if bare is int else "a number", type_.find(Ge), type_.find(Le)
    return f"{number} of {least.ge:,} or more" if most is None else f"{number} from {least.ge:,} to {most.le:,.0f}"
