"""Options of the command line that say what a list should be like: one for each field of a
recommendation request, with the field's own description and limits.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, get_origin

import typer

from limner.core.errors import BadInputError, UsageError
from limner.core.request_fields import FIELDS, TextFields, read_request, text_model

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class OptionForm:
    """The flags and metavariable of a request field on the command line."""

    flags: tuple[str, ...]
    metavar: str | None = None


RANGE = "price"
"""Option that stands for `price_min` and `price_max`."""
NOT_OPTIONS = frozenset({"user_id", "items"})
"""Fields that are arguments of the commands: USER, and --items of `rank`."""
OPTIONS: Mapping[str, OptionForm] = {
    "n": OptionForm(("-n",), "N"),
    "category": OptionForm(("--category",), "NAME"),
    RANGE: OptionForm(("--price",), "LOW..HIGH"),
    "filter": OptionForm(("--where",), "CONDITION"),
    "exclude": OptionForm(("--exclude",), "ITEM"),
    "available": OptionForm(("--unavailable",)),
    "diversity": OptionForm(("--diversity",)),
    "novelty": OptionForm(("--novelty",)),
    "quota": OptionForm(("--quota",), "NAME=N"),
    "context": OptionForm(("--context", "--like"), "ITEM"),
    "boost": OptionForm(("--boost",), "CONDITION*FACTOR"),
    "repeats": OptionForm(("--repeats",)),
    "explain": OptionForm(("--explain/--no-explain",)),
    "wording": OptionForm(("--wording",)),
}
_TEXT = text_model(
    "OptionFields", "A request's fields as options.", TextFields, leave_out=NOT_OPTIONS
)


def request_options(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command an option for every field of a request. They replace its parameter `fields`,
    which then receives the fields that were set, by name, as `read_request` takes them.
    """
    signature = inspect.signature(command)
    own = [one for one in signature.parameters.values() if one.name != "fields"]
    options = list(_parameters())
    names = {one.name for one in options}

    @wraps(command)
    def run(**given: Any) -> R:
        chosen = {name: value for name, value in given.items() if name in names}
        rest = {name: value for name, value in given.items() if name not in names}
        return command(fields=_fields_of(chosen), **rest)  # type: ignore[call-arg, arg-type]

    last = own.pop()  # --json
    run.__signature__ = signature.replace(parameters=[*own, *options, last])  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in [*own, *options, last]}
    return run


def read_options(fields: Mapping[str, object], **more: object) -> Any:
    """A request from options; raises UsageError where one cannot be read."""
    try:
        return read_request({**fields, **more})
    except BadInputError as error:
        raise UsageError(error.message) from error


def _parameters() -> Iterator[inspect.Parameter]:
    for name, form in OPTIONS.items():
        annotation, default, extra = _typed(name)
        option = typer.Option(*form.flags, metavar=form.metavar, help=_help_of(name), **extra)
        yield inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=default,
            annotation=Annotated[annotation, option],
        )


def _typed(name: str) -> tuple[Any, object, dict[str, Any]]:
    """Type, default and limits of an option."""
    if name == RANGE:
        return str, "", {}
    field = _TEXT.model_fields[name]
    if name == "available":  # the flag says the opposite
        return bool, False, {}
    if name == "explain":  # None: it depends on whom the lists are for
        return bool | None, None, {}
    if name == "filter" or get_origin(field.annotation) is list:
        return list[str] | None, None, {}
    if get_origin(field.annotation) is Literal:
        return field.annotation, field.default, {}
    limits = {
        bound: getattr(one, short)
        for one in field.metadata
        for short, bound in (("ge", "min"), ("le", "max"))
        if hasattr(one, short)
    }
    return field.annotation, field.default, limits


def _help_of(name: str) -> str:
    if name == RANGE:
        return "Only items of such a price: 5..20, ..20, 5.."
    if name == "available":
        return "Also items that cannot be had now; hidden ones never come."
    return " ".join((FIELDS[name].description or "").split())


def _fields_of(options: Mapping[str, Any]) -> dict[str, object]:
    """Options as the fields of a request; unset options are left out."""
    low, high = _prices(options[RANGE])
    read: dict[str, object] = {
        **options,
        "price_min": low,
        "price_max": high,
        "available": not options["available"],
        "filter": joined(options["filter"]),
        "exclude": list(dict.fromkeys(options["exclude"] or [])),
    }
    del read[RANGE]
    return {name: value for name, value in read.items() if value is not None}


def joined(where: list[str] | None) -> str:
    """Several conditions as one that holds where all do.

    Raises UsageError for an empty one: a variable of the shell that was never set would choose
    everyone.
    """
    given = where or []
    if not all(one.strip() for one in given):
        raise UsageError("wishes.no_condition")
    return given[0] if len(given) == 1 else " and ".join(f"({one})" for one in given)


def _prices(text: str) -> tuple[float | None, float | None]:
    if not text:
        return None, None
    number = r"(\d+(?:\.\d+)?)?"
    found = re.fullmatch(rf"\s*{number}\s*\.\.\s*{number}\s*", text)
    if found is None or not (found[1] or found[2]):
        raise UsageError("wishes.wrong_price", text=text)
    return (float(found[1]) if found[1] else None), (float(found[2]) if found[2] else None)
