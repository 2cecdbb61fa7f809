"""The fields of a recommendation request as doors take them that know only text: query parameters,
options of a command, arguments of a tool.

A field whose value is a table is a list of texts there: `quota` is NAME=N, `boost`
CONDITION*FACTOR. All else about a field (type, limits, default, description) is the request's own.
"""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import wraps
from types import MappingProxyType
from typing import Annotated, Any, ParamSpec, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from limner.core.errors import BadInputError
from limner.core.filters import boost_of
from limner.core.messages import rejection
from limner.core.schema import RecommendationRequest

M = TypeVar("M", bound=BaseModel)
P = ParamSpec("P")
R = TypeVar("R")

FIELDS: Mapping[str, FieldInfo] = RecommendationRequest.model_fields

_EXAMPLES: Mapping[str, list[Any]] = {"quota": [["category=2"]], "boost": [["category:Drama*1.5"]]}


class TextFields(BaseModel):
    """Base of a door's own form of a request's fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def text_model(
    name: str,
    about: str,
    base: type[M],
    *,
    leave_out: Collection[str] = (),
    limits: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    defaults: Mapping[str, object] = MappingProxyType({}),
    **others: Any,
) -> type[M]:
    """A model with the fields of `base` and every field of a request but those left out.

    limits: by field, constraints (`le`, `max_length`) narrower than the request's. defaults: by
    field, where it is not the request's. others: fields of the door's own, or a request's field in
    another form, as pydantic's `create_model` takes them.
    """
    fields: dict[str, Any] = {
        each: _text_field(each, limits.get(each, {}), defaults)
        for each in FIELDS
        if each not in leave_out and each not in base.model_fields
    }
    return create_model(name, __base__=base, __doc__=about, **{**fields, **others})


def _text_field(
    name: str, limits: Mapping[str, Any], defaults: Mapping[str, object]
) -> tuple[Any, FieldInfo]:
    field = FIELDS[name]
    is_table = get_origin(field.annotation) is dict
    narrowed = {type(one) for one in Field(**limits).metadata}
    kept = [one for one in field.metadata if type(one) not in narrowed]
    value_type: Any = list[str] if is_table else field.annotation
    for constraint in kept:
        value_type = Annotated[value_type, constraint]
    return value_type, Field(
        default=defaults.get(name, [] if is_table else field.default),
        description=field.description,
        examples=_EXAMPLES.get(name, field.examples),
        **limits,
    )


def text_values(fields: Mapping[str, object]) -> dict[str, object]:
    """Fields in the form of a query: tables as texts, booleans as `true` and `false`."""
    texts: dict[str, object] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            sign = "=" if name == "quota" else "*"
            texts[name] = [f"{key}{sign}{number:g}" for key, number in value.items()]
        else:
            texts[name] = str(value).lower() if isinstance(value, bool) else value
    return texts


def takes_fields(
    *leave_out: str, aliases: Mapping[str, str] = MappingProxyType({})
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function with `**fields` take a request's fields by name, each in its signature.
    TypeError for another name.

    aliases: other names of fields, by alias.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        names = FIELDS.keys() - {*leave_out, *(one.name for one in own)}
        options = [
            inspect.Parameter(
                each,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=field.annotation,
            )
            for each, field in FIELDS.items()
            if each in names
        ]

        @wraps(function)
        def call(*args: P.args, **given: P.kwargs) -> R:
            known = {aliases.get(name, name): value for name, value in given.items()}
            unknown = known.keys() - names - {one.name for one in own}
            if unknown:
                raise TypeError(
                    f"{function.__name__}() got an unexpected keyword argument '{min(unknown)}'"
                )
            return function(*args, **known)  # type: ignore[arg-type]

        call.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
        return call

    return wrap


def read_request(values: Mapping[str, object]) -> RecommendationRequest:
    """A request from its fields by name, tables as texts or as they are. Raises BadInputError."""
    read = {
        name: dict(_TABLES[name](text) for text in value)
        if name in _TABLES and not isinstance(value, Mapping) and isinstance(value, Sequence)
        else value
        for name, value in values.items()
    }
    try:
        return RecommendationRequest.model_validate(read)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise BadInputError("request.wrong", why=rejection(first)) from error
        raise BadInputError(
            "input.wrong_option", option=first["loc"][0], why=rejection(first)
        ) from error


def quota_of(text: str) -> tuple[str, int]:
    """`NAME=N` as its parts. Raises BadInputError."""
    name, _, number = text.rpartition("=")
    if not name.strip() or not number.strip().isdigit():
        raise BadInputError("request.wrong_quota", text=text)
    return name.strip(), int(number)


_TABLES = {"quota": quota_of, "boost": boost_of}
