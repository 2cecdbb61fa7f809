"""Conditions on the attributes of items and users: `price < 20 and category = Drama`.

::

    condition  = every { "or" every }
    every      = one { "and" one }
    one        = "not" one | "(" condition ")" | NAME operator value | NAME "in" "(" value { ","
               value } ")"
               | NAME "is" ["not"] "missing"
    operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" (contains)
    value      = one or more words, or "quoted text"

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
from typing import Protocol, TypeVar

from limner.core.errors import BadInputError
from limner.core.schema import Item, Scalar, User

Record = Item | User
Ordered = TypeVar("Ordered", float, str)

_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*')|(?P<sign><=|>=|!=|==|[=<>~(),])|(?P<word>[^\s=<>!~(),"']+))"""
)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?")
_LEVEL = re.compile(r"\s*[.>|/]\s*")
_SHORT = re.compile(r"([^\s:=<>!~(),\"']+):\s*([^\"'()=<>!~]+)")
_WORDS = ("and", "or", "not", "in", "is")
_OF_ITEMS = ("item_id", "title", "text", "category", "price", "source")
_OF_USERS = ("user_id", "source")
_IDS = ("item_id", "user_id")
_DEEP = 50
"""Brackets and negations within each other."""
_SHOWN = 20
"""Names that a complaint lists at most."""


class Condition(Protocol):
    """What an expression says of one record."""

    def fits(self, record: Record) -> bool: ...

    def names(self) -> set[str]:
        """The attributes that it asks about, lower case."""


@dataclass(frozen=True)
class Compare:
    name: str
    sign: str
    """One of = < <= > >= ~."""
    values: tuple[str, ...]
    """Any of them will do."""

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
    if sign == "=" and (number is None or limit is None):
        return text == wanted or (name in ("category", "categories") and _is_level(text, wanted))
    if number is not None and limit is not None:
        return _holds(float(number), sign, limit)
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
    """None for what Python alone reads as a number: "nan", "inf", "1_000"."""
    return float(text) if _NUMBER.fullmatch(text) else None


# ---------------------------------------------------------------- reading an expression


@dataclass(frozen=True)
class _Token:
    kind: str
    """quoted, sign or word."""
    text: str

    def is_(self, word: str) -> bool:
        return self.kind != "quoted" and self.text.lower() == word


class _FilterParser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.deep = 0
        self.tokens: list[_Token] = []
        place = 0
        while place < len(text.rstrip()):
            match = _TOKEN.match(text, place)
            if match is None:
                raise self._wrong(
                    f"'{text[place:].strip()[:20]}' cannot be read; quote values with other signs"
                )
            kind = str(match.lastgroup)
            self.tokens.append(_Token(kind, match[kind][1:-1] if kind == "quoted" else match[kind]))
            place = match.end()

    def whole(self) -> Condition:
        if not self.tokens:
            raise self._wrong("it is empty")
        found = self._either()
        if self.at < len(self.tokens):
            raise self._wrong(
                f"'{self.tokens[self.at].text}' stands where 'and', 'or' or the end should"
            )
        return found

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self) -> Condition:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _one(self) -> Condition:
        if (negated := self._take("not")) or self._take("("):
            self.deep += 1
            if self.deep > _DEEP:
                raise self._wrong("it is too deep")
            inner = Not(self._one()) if negated else self._either()
            if not negated:
                self._need(")")
            self.deep -= 1
            return inner
        name = self._word("the name of an attribute").lower()
        if self._take("is"):
            known = self._take("not")
            self._need("missing")
            return Not(Missing(name)) if known else Missing(name)
        if self._take("in"):
            self._need("(")
            values = [self._value(name, "in")]
            while self._take(","):
                values.append(self._value(name, "in"))
            self._need(")")
            return Compare(name, "=", tuple(values))
        sign = self._sign(name)
        value = self._value(name, sign)
        if sign in ("!=", "=", "=="):
            same = Compare(name, "=", (value,))
            return Not(same) if sign == "!=" else same
        return Compare(name, sign, (value,))

    def _sign(self, name: str) -> str:
        token = self._next()
        if token is None or token.kind != "sign" or token.text in "(),":
            raise self._wrong(f"after '{name}' comes = != < <= > >= ~, 'in (…)' or 'is missing'")
        return token.text

    def _value(self, name: str, sign: str) -> str:
        token = self._next()
        if token is not None and token.kind == "quoted":
            return token.text
        words: list[str] = []
        while (
            token is not None
            and token.kind == "word"
            and not (words and token.text.lower() in ("and", "or"))
        ):
            words.append(token.text)
            token = self._next()
        if token is not None:
            self.at -= 1
        if not words:
            raise self._wrong(f"a value is missing after '{name} {sign}'")
        return " ".join(words)

    def _word(self, what: str) -> str:
        token = self._next()
        if (
            token is None
            or token.kind == "sign"
            or (token.kind == "word" and token.text.lower() in _WORDS)
        ):
            where = f"before '{token.text}'" if token else "at the end"
            raise self._wrong(f"{what} is missing {where}")
        return token.text

    def _next(self) -> _Token | None:
        self.at += 1
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else None

    def _take(self, word: str) -> bool:
        taken = self.at < len(self.tokens) and self.tokens[self.at].is_(word)
        self.at += taken
        return taken

    def _need(self, word: str) -> None:
        if not self._take(word):
            raise self._wrong(f"'{word}' is missing")

    def _wrong(self, why: str) -> BadInputError:
        return BadInputError(f"The condition '{self.text}' cannot be used: {why}.")


def parse(text: str) -> Condition:
    """Raises BadInputError with what is wrong."""
    return _FilterParser(text).whole()


def parse_short(text: str) -> Condition:
    """The same, or `NAME:VALUE` for equality: `category:Drama`."""
    found = _SHORT.fullmatch(text.strip())
    return Compare(found[1].lower(), "=", (found[2],)) if found else parse(text)


def boost_of(text: str) -> tuple[str, float]:
    """`CONDITION*FACTOR` as its parts. Raises BadInputError."""
    condition, _, factor = text.rpartition("*")
    try:
        number = float(factor)
    except ValueError:
        number = -1.0
    if not condition.strip() or not 0 <= number <= 10:
        raise BadInputError(
            f"'{text}' is no boost; write CONDITION*FACTOR with a factor from 0 to 10: "
            "category:Drama*1.5."
        )
    parse_short(condition)
    return condition.strip(), number


def check_names(condition: Condition, known: Sequence[str], of: str) -> None:
    """Raises BadInputError where a condition asks for what no record has. `of`: "items" or
    "users".
    """
    also = {"categories"} if of == "items" else set()
    for name in sorted(condition.names() - {*known, *also}):
        raise BadInputError(
            f"No {of.removesuffix('s')} has '{name}'; {listed(name, known, f'{of} have')}."
        )


def levels(category: str) -> list[str]:
    """Of a category's path, from the widest on."""
    return _LEVEL.split(category)


def listed(asked: str, known: Sequence[str], lead: str) -> str:
    """What there is instead, the likeliest first: "items have category, price and 3 more"."""
    by_case = {one.casefold(): one for one in known}
    close = [by_case[one] for one in get_close_matches(asked.casefold(), by_case, n=3, cutoff=0.6)]
    names = list(dict.fromkeys([*close, *known]))
    more = len(names) - _SHOWN
    return f"{lead} {', '.join(names[:_SHOWN])}" + (f" and {more:,} more" if more > 0 else "")


Held = TypeVar("Held", Item, User)


def fitting(records: Sequence[Held], text: str, of: str) -> Sequence[Held]:
    """The records that an expression fits, all where it is empty. Raises BadInputError. `of`:
    "items" or "users".
    """
    if not text:
        return records
    condition = parse(text)
    check_names(condition, names_of(records), of)
    return [one for one in records if condition.fits(one)]
