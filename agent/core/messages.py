"""What people are told, as values: a code and arguments, worded by `messages.yaml` beside this
file.

A note or an error is made as a `Message` where it happens, travels and is stored as that, and is
worded in the reader's language where it is shown:

>>> message("list.short", given=3, asked=10).text
'3 of 10 items: no others fit that the user has not had.'
>>> say(message("api.timeout", seconds=30), "zh").text
'30 秒内未能得出结果。'
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from importlib import resources
from numbers import Integral, Real
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SOURCE = "en"
"""The language that every text of the catalogue has."""
LANGUAGES = (SOURCE, "zh")
"""The languages that texts of the catalogue are in."""
PLAIN = "plain"
"""The code of a sentence that is in no catalogue; its one argument is `text`."""
Form = str | Mapping[str, str]
"""A format string, or one by plural category, where `by` names the count that decides."""


class Message(BaseModel):
    """Something to tell a person. Its JSON also holds the English text, for whoever reads it
    without the catalogue.

    A string is read as a message of code `plain`. So is a stored message whose code or arguments
    the catalogue does not know any more; its text stays. A new one that does not fit the catalogue
    raises LookupError.
    """

    # As every Value, which holds messages.
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    code: str
    """Code in the catalogue of messages; stable, for programs."""
    args: "dict[str, str | int | float | Message]" = {}
    """What the text names: exactly the placeholders of the code's text. A message within a message
    is worded in the same language.
    """
    text: str = ""
    """In English; made from code and arguments."""

    @model_validator(mode="before")
    @classmethod
    def _with_text(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = {"code": PLAIN, "args": {"text": data}}
        if not isinstance(data, Mapping) or "code" not in data:
            return data
        code, stored = data["code"], data.get("text", "")
        args = {name: _nested(value) for name, value in dict(data.get("args", {})).items()}
        try:
            text = _render(code, args, SOURCE)
        except (LookupError, ValueError, ArithmeticError):
            if not stored:
                raise
            code, args, text = PLAIN, {"text": stored}, stored
        return {**data, "code": code, "args": args, "text": text}

    def __str__(self) -> str:
        return self.text

    def __hash__(self) -> int:
        return hash((self.code, self.text))


Argument = str | int | float | Message


class MessageText(NamedTuple):
    """A message in words, and the language that they are in."""

    text: str
    language: str


def message(code: str, /, **args: object) -> Message:
    """A message of the catalogue. An error of ours as an argument stays a message; numbers stay
    numbers; anything else becomes its text. Raises LookupError for an unknown code, and where the
    arguments are not those of its text.
    """
    return Message(code=code, args={name: _argument(value) for name, value in args.items()})


def plain(text: str) -> Message:
    """A sentence that is in no catalogue."""
    return message(PLAIN, text=text)


def message_of(sentence: str, /, **args: object) -> Message:
    """The message of a code, or of one plain sentence, which takes no arguments."""
    coded = args or (sentence in catalogue() and sentence != PLAIN)
    return message(sentence, **args) if coded else plain(sentence)


def rejection(details: "ErrorDetails") -> Message:
    """What Pydantic says is wrong with one field, in our words where the catalogue has them."""
    code = f"input.{details['type']}"
    if code not in catalogue():
        return plain(details["msg"])
    context = details.get("ctx", {})
    return message(code, **{name: _bound(context[name]) for name in placeholders(code)})


def _bound(value: object) -> object:
    """A bound as Pydantic writes it: 0, not 0.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def say(wanted: Message, language: str) -> MessageText:
    """A message in a language (BCP 47; its primary subtag counts), in English where the catalogue
    does not have it so.
    """
    primary = re.split("[-_]", language.lower())[0]
    spoken = primary if primary in catalogue()[wanted.code] else SOURCE
    return MessageText(_render(wanted.code, wanted.args, spoken), spoken)


def joined(messages: Iterable[Message], by: str = "sentences") -> Message:
    """Several messages as one, an empty one of none. by: `sentences`, or `remarks` for parts of a
    sentence.
    """
    first, *rest = [*messages] or [plain("")]
    for one in rest:
        first = message(by, first=first, rest=one)
    return first


@cache
def catalogue() -> Mapping[str, Mapping[str, Form]]:
    """Texts by code and language."""
    text = resources.files("limner.core").joinpath("messages.yaml").read_text(encoding="utf-8")
    # The C loader, where libyaml is there, reads this file ten times as fast.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    texts: Mapping[str, Mapping[str, Form]] = yaml.load(text, Loader=loader)
    return texts


@cache
def placeholders(code: str, language: str = SOURCE) -> frozenset[str]:
    """The arguments that a code's text names. Raises LookupError for an unknown code."""
    form = catalogue()[code][language]
    texts, names = ([form], set()) if isinstance(form, str) else ([*form.values()], {form["by"]})
    found = {name for text in texts for _, name, _, _ in Formatter().parse(text) if name}
    return frozenset(found | names)


def _argument(value: object) -> Argument:
    if isinstance(value, Integral | Real) and not isinstance(value, bool):
        return int(value) if isinstance(value, Integral) else float(value)
    inner = getattr(value, "message", value)  # of an error of ours
    return inner if isinstance(inner, Message) else str(value)


def _nested(value: Any) -> Any:
    """An argument as it was stored."""
    return Message.model_validate(value) if isinstance(value, Mapping) else value


def _render(code: str, args: Mapping[str, Argument], language: str) -> str:
    """Raises LookupError for an unknown code and wrong arguments."""
    if code not in catalogue():
        raise LookupError(f"no message has the code '{code}'")
    if args.keys() != placeholders(code):
        raise LookupError(f"'{code}' takes {sorted(placeholders(code))}, not {sorted(args)}")
    form = catalogue()[code][language]
    if not isinstance(form, str):
        form = form.get(_plural(args[form["by"]], language), form["other"])
    return _WordFormatter(language).vformat(form, (), args)


class _WordFormatter(Formatter):
    """Fills a text with arguments, said in its language."""

    def __init__(self, language: str) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, Message):
            return say(value, self._language).text
        if not format_spec:
            return str(value)
        if format_spec == "date":
            return _date(str(value), self._language)
        return _number(value, format_spec, self._language)


def _number(value: float, spec: str, language: str) -> str:
    """spec: as Python writes it: `,` with thousands apart, `g` in six digits, `.2f` with so many
    decimals, `.0%` as a share.
    """
    from babel.numbers import format_decimal, format_percent

    if spec == ",":
        return format_decimal(value, locale=language)
    if spec == "g":
        return format_decimal(float(f"{value:.6g}"), format="0.######", locale=language)
    decimals = "0" * int(spec[1:-1])
    pattern = f"0.{decimals}" if decimals else "0"
    if spec.endswith("%"):
        return format_percent(value, format=f"{pattern}%", locale=language)
    return format_decimal(value, format=pattern, locale=language)


def _date(value: str, language: str) -> str:
    from babel.dates import format_date

    return format_date(date.fromisoformat(value[:10]), format="medium", locale=language)


def _plural(count: Argument, language: str) -> str:
    from babel import Locale

    if isinstance(count, str | Message):
        raise LookupError(f"'{count}' is no count")
    return str(Locale.parse(language).plural_form(count))
