"""Conditions on the attributes of items and users: `price < 20 and category = Drama`.

`limner.core.filter_grammar` is the language. A value is one or more words, or quoted text.

Names are those of the data, whatever their case. Text is compared whatever its case, and as numbers
where both sides are numbers; ids are equal only to the letter. A list fits where one of its values
fits. A missing value fits nothing but `is missing`, `!=` and `not`, which are true wherever `=`, or
the condition, is not. A category is also found by a level of its path: `category = electronics`
finds `electronics.smartphone`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Protocol, TypeVar

from limner.core.errors import BadInputError
from limner.core.messages import Message, message
from limner.core.schema import Item, Scalar, User

Record = Item | User
AnyRecord = TypeVar("AnyRecord", Item, User)
Ordered = TypeVar("Ordered", float, str)

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?")
_LEVEL = re.compile(r"\s*[.>|/]\s*")
_SHORT = re.compile(r"([^\s:=<>!~(),\"']+):\s*([^\"'()=<>!~]+)")
_OF_ITEMS = ("item_id", "title", "text", "category", "price", "source")
_OF_USERS = ("user_id", "source")
_IDS = ("item_id", "user_id")
_CACHED_LENGTH = 1000
"""Characters of a text up to which its condition is cached: servers get the same ones again."""
_SHOWN = 20
"""Names that a complaint lists at most."""


class Condition(Protocol):
    """An expression that is true or false for one record."""

    def fits(self, record: Record) -> bool: ...

    def names(self) -> set[str]:
        """The attributes that it asks about, lower case."""


@dataclass(frozen=True)
class Compare:
    name: str
    sign: str
    """One of = < <= > >= ~."""
    values: tuple[str, ...]
    """Alternatives: one match is enough."""

    def fits(self, record: Record) -> bool:
        had = values_of(record, self.name)
        return any(
            _compare(one, self.sign, value, self.name) for one in had for value in self.values
        )

    def names(self) -> set[str]:
        return {self.name}


@dataclass(frozen=True)
class Missing:
    name: str

    def fits(self, record: Record) -> bool:
        return not values_of(record, self.name)

    def names(self) -> set[str]:
        return {self.name}


@dataclass(frozen=True)
class Not:
    inner: Condition

    def fits(self, record: Record) -> bool:
        return not self.inner.fits(record)

    def names(self) -> set[str]:
        return self.inner.names()


@dataclass(frozen=True)
class Both:
    parts: tuple[Condition, ...]

    def fits(self, record: Record) -> bool:
        return all(one.fits(record) for one in self.parts)

    def names(self) -> set[str]:
        return {name for one in self.parts for name in one.names()}


@dataclass(frozen=True)
class Either:
    parts: tuple[Condition, ...]

    def fits(self, record: Record) -> bool:
        return any(one.fits(record) for one in self.parts)

    def names(self) -> set[str]:
        return {name for one in self.parts for name in one.names()}


# ---------------------------------------------------------------- records


def values_of(record: Record, name: str) -> list[Scalar]:
    """What a record has under a name (lower case): none, one or several values."""
    own = _own(record, name)
    if own:
        return own
    found = record.attributes.get(name)
    if found is None:
        found = next(
            (value for key, value in record.attributes.items() if key.lower() == name), None
        )
    if found is None or found == "":
        return []
    return list(found) if isinstance(found, list) else [found]


def _own(record: Record, name: str) -> list[Scalar]:
    """A field that every record of its kind has."""
    if isinstance(record, User):
        return (
            [record.user_id]
            if name == "user_id"
            else [record.source]
            if name == "source" and record.source
            else []
        )
    match name:
        case "category" | "categories":
            return [*record.categories]
        case "price":
            return [] if record.price is None else [record.price]
        case "item_id" | "title" | "text" | "source":
            value: str = getattr(record, name)
            return [value] if value else []
    return []


def names_of(records: Iterable[Record]) -> list[str]:
    """The attributes that records have, lower case, sorted, those that every record of their kind
    has included.
    """
    found: set[str] = set()
    for one in records:
        found.update(_OF_USERS if isinstance(one, User) else _OF_ITEMS, one.attributes)
    return sorted({name.lower() for name in found})


def _compare(had: Scalar, sign: str, asked: str, name: str) -> bool:
    if isinstance(had, bool):
        had = "true" if had else "false"
    if sign == "=" and name in _IDS:
        return str(had) == asked
    text, wanted = str(had).casefold().strip(), asked.casefold().strip()
    if sign == "~":
        return wanted in text
    number, limit = had if isinstance(had, int | float) else _number(text), _number(wanted)
    if number is not None and limit is not None:
        return _holds(float(number), sign, limit)
    if sign == "=":
        return text == wanted or (name in ("category", "categories") and _is_level(text, wanted))
    # Dates written year first compare as text; a number and a text compare as nothing.
    return number is None and limit is None and _holds(text, sign, wanted)


def _holds(left: Ordered, sign: str, right: Ordered) -> bool:
    if sign == "=":
        return left == right
    if sign in ("<", "<="):
        return left < right or (sign == "<=" and left == right)
    return left > right or (sign == ">=" and left == right)


def _is_level(path: str, wanted: str) -> bool:
    """Whether a category is, or begins with, or contains as a level of its path, what is wanted."""
    had, asked = levels(path), levels(wanted)
    return wanted in had or asked == had[: len(asked)]


def _number(text: str) -> float | None:
    """A number, or None for text that only Python reads as one: "nan", "inf", "1_000"."""
    return float(text) if _NUMBER.fullmatch(text) else None


# ---------------------------------------------------------------- reading an expression


def parse(text: str) -> Condition:
    """Raises BadInputError with what is wrong and where."""
    return _parse_short_text(text) if len(text) <= _CACHED_LENGTH else _parse(text)


def _parse(text: str) -> Condition:
    from limner.core.filter_grammar import parse_condition

    return parse_condition(text)


_parse_short_text = lru_cache(maxsize=256)(_parse)


def parse_short(text: str) -> Condition:
    """A condition, or `NAME:VALUE` for equality: `category:Drama`. Raises BadInputError."""
    short = _SHORT.fullmatch(text.strip())
    return Compare(short[1].lower(), "=", (short[2],)) if short else parse(text)


def boost_of(text: str) -> tuple[str, float]:
    """`CONDITION*FACTOR` as its parts. Raises BadInputError."""
    condition, _, factor = text.rpartition("*")
    try:
        number = float(factor)
    except ValueError:
        number = -1.0
    if not condition.strip() or not 0 <= number <= 10:
        raise BadInputError("boost.wrong", text=text)
    parse_short(condition)
    return condition.strip(), number


def check_names(condition: Condition, known: Sequence[str], of: str) -> None:
    """Raises BadInputError where a condition asks for what no record has. `of`: "items" or
    "users".
    """
    also = {"categories"} if of == "items" else set()
    for name in sorted(condition.names() - {*known, *also}):
        raise BadInputError(
            "attribute.unknown",
            kind=message(f"word.{of.removesuffix('s')}"),
            name=name,
            listed=listed(name, known, f"listed.{of}_have"),
        )


def levels(category: str) -> list[str]:
    """The levels of a category path, widest first."""
    return _LEVEL.split(category)


def listed(asked: str, known: Sequence[str], code: str, **args: str) -> Message:
    """What there is instead, the likeliest first: "items have category, price and 3 more".

    code: of the message catalogue, which has one with `_more` behind it too; `args` are what it
    takes besides `names` and `more`.
    """
    by_case = {one.casefold(): one for one in known}
    close = [by_case[one] for one in get_close_matches(asked.casefold(), by_case, n=3, cutoff=0.6)]
    names = list(dict.fromkeys([*close, *known]))
    more, shown = len(names) - _SHOWN, ", ".join(names[:_SHOWN])
    if more > 0:
        return message(f"{code}_more", names=shown, more=more, **args)
    return message(code, names=shown, **args)


def fitting(records: Sequence[AnyRecord], text: str, of: str) -> Sequence[AnyRecord]:
    """The records that an expression fits, all where it is empty. Raises BadInputError. `of`:
    "items" or "users".
    """
    if not text:
        return records
    condition = parse(text)
    check_names(condition, names_of(records), of)
    return [one for one in records if condition.fits(one)]
