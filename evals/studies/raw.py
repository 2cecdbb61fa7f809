"""A reader of its own for events and items, so that a claim is not judged by the code that made it.

It knows nothing of facts, rules or verification: it looks for a value where the data itself would
hold it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from limner.core.schema import Attributes, Event, Item, Polarity, Preference, Scale

_PARTS = re.compile(r"\s*[|;,/>]\s*|(?<=\w)\.(?=\w)")
_WORD = re.compile(r"\w+")
_DECADE = re.compile(r"(\d{3})0s")
_YEAR = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")
_BANDS = {"low": 0, "mid": 1, "high": 2}
_RATED = ("rating", "review")


@dataclass(frozen=True)
class Numbers:
    """The thirds of the items' numbers, over all pairs of a user and an item."""

    edges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """(lower, upper) edge of the middle third, of `price` and every attribute that is a number."""

    @classmethod
    def of(cls, items: Mapping[str, Item], pairs: Iterable[str]) -> "Numbers":
        """`pairs`: the item of each different pair."""
        values: dict[str, list[float]] = {}
        for item_id in pairs:
            item = items.get(item_id)
            for name, number in _numbers(item) if item else ():
                values.setdefault(name, []).append(number)
        thirds = {name: np.quantile(held, [1 / 3, 2 / 3]) for name, held in values.items()}
        return cls({name: (float(low), float(high)) for name, (low, high) in thirds.items()})

    def band(self, name: str, number: float) -> int:
        low, high = self.edges[name]
        return 0 if number < low else 2 if number > high else 1


def carries(item: Item, facet: str, value: str, numbers: Numbers | None = None) -> bool:
    """Whether an item has a value: in the field of the facet's name, else in any; a decade in any
    year it names; a word in its title or text; a band (low, mid, high) by the thirds of its number.
    """
    wanted = _plain(value)
    if facet.endswith(" band") and wanted in _BANDS and numbers is not None:
        return _is_in_band(item, facet.removesuffix(" band"), _BANDS[wanted], numbers)
    if decade := _DECADE.fullmatch(wanted):
        return _names_year(item, decade[1])
    fields = [("category", category) for category in item.categories]
    fields += _texts(item.attributes)
    named = [text for name, text in fields if _singular(name) == _singular(facet)]
    if any(wanted in _readings(text) for text in named or [text for _, text in fields]):
        return True
    if any(text.casefold() == "true" for text in named):
        return wanted == "yes"
    return says(f"{item.title} {item.text}", value)


def _names_year(item: Item, begin: str) -> bool:
    """Whether the title or an attribute holds a year with this beginning."""
    texts = [item.title, *(text for _, text in _texts(item.attributes))]
    return any(year.startswith(begin) for text in texts for year in _YEAR.findall(text))


def _is_in_band(item: Item, facet: str, band: int, numbers: Numbers) -> bool:
    """Whether a number of the item under the facet's name lies in the band."""
    return any(
        _singular(name) == _singular(facet)
        and name in numbers.edges
        and numbers.band(name, number) == band
        for name, number in _numbers(item)
    )


def says(text: str, value: str) -> bool:
    """Whether a text has all words of a value, in order and beside each other, whatever their
    endings.
    """
    words, said = _WORD.findall(_plain(value)), _WORD.findall(_plain(text))
    return bool(words) and any(
        all(_same_word(one, other) for one, other in zip(words, said[at:], strict=False))
        for at in range(len(said) - len(words) + 1)
    )


def speaks_for(
    event: Event, polarity: Polarity, types: Mapping[str, float], scale: Scale | None, own: float
) -> bool:
    """Whether an event can be read as the polarity says.

    A rating is read against the middle of its scale and against the user's `own` mean rating (NaN
    where unknown): it must fit one of the two. Every other event has the sign of its type, turned
    where its value is below zero.
    """
    wanted = 1 if polarity == "like" else -1
    if (
        event.type in _RATED
        and event.value is not None
        and scale is not None
        and scale.high > scale.low
    ):
        middle = (scale.low + scale.high) / 2
        return any(wanted * (event.value - one) > 0 for one in (middle, own) if not np.isnan(one))
    sign = types.get(event.type, 0.0)
    if event.value is not None and event.value < 0:
        sign = -abs(sign)
    return wanted * sign > 0


def rests_on(event: Event, basis: str) -> bool:
    """Whether an event is of the kind that a basis speaks of: stated, inferred from a search, or
    revealed by a deed.
    """
    if basis == "stated":
        return event.type == "preference"
    if basis == "inferred":
        return event.type == "search"
    return event.item_id is not None


@dataclass(frozen=True)
class JudgedClaim:
    """The verdict on one claim; each check passes only where all cited events pass it."""

    cited: bool
    """Whether a claim cites events, all of which exist and are this user's."""
    facet: bool
    polarity: bool
    basis: bool
    share: float
    """Share of the cited events that carry the value."""

    @property
    def grounded(self) -> bool:
        return self.cited and self.facet and self.polarity and self.basis


def judge(
    claim: Preference,
    events: Mapping[str, Event],
    items: Mapping[str, Item],
    types: Mapping[str, float],
    scales: Mapping[str, Scale],
    numbers: Numbers,
) -> JudgedClaim:
    """One claim of a portrait against its user's raw events, by id."""
    cited = [events[event] for event in claim.evidence if event in events]
    if not cited or len(cited) < len(claim.evidence):
        return JudgedClaim(False, False, False, False, 0.0)
    carrying = [_carries(event, claim, items, numbers) for event in cited]
    supporting = [
        claim.basis != "revealed"
        or speaks_for(
            event,
            claim.polarity,
            types,
            scales.get(event.source),
            own_mean(events.values(), event.source),
        )
        for event in cited
    ]
    return JudgedClaim(
        True,
        all(carrying),
        all(supporting),
        all(rests_on(event, claim.basis) for event in cited),
        sum(carrying) / len(carrying),
    )


def own_mean(events: Iterable[Event], source: str) -> float:
    """Mean of a user's ratings of one source; NaN where there are none."""
    rated = [
        one.value
        for one in events
        if one.source == source and one.type in _RATED and one.value is not None
    ]
    return sum(rated) / len(rated) if rated else float("nan")


def _carries(event: Event, claim: Preference, items: Mapping[str, Item], numbers: Numbers) -> bool:
    item = items.get(event.item_id or "")
    if item is not None and carries(item, claim.facet, claim.value, numbers):
        return True
    words = [event.text, *(text for _, text in _texts(event.context))]
    return any(says(one, claim.value) for one in words)


def _texts(attributes: Attributes) -> Iterator[tuple[str, str]]:
    for name, value in attributes.items():
        for one in value if isinstance(value, list) else [value]:
            yield name, str(one)


def _numbers(item: Item) -> Iterator[tuple[str, float]]:
    if item.price is not None:
        yield "price", item.price
    for name, value in item.attributes.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


def _readings(text: str) -> set[str]:
    """A field as it is, its parts, and the beginnings of a path."""
    whole = _plain(text)
    parts = [one for one in _PARTS.split(whole) if one]
    places = [match.start() for match in re.finditer(r"\.| > ", whole)]
    return {whole, *parts, *(whole[:at] for at in places)}


def _plain(text: str) -> str:
    """Lower case, with every _ and run of spaces as one space: "air_heater" is "air heater"."""
    return " ".join(text.casefold().replace("_", " ").split())


def _singular(name: str) -> str:
    plain = (
        re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
        .replace("_", " ")
        .replace("-", " ")
        .casefold()
        .strip()
    )
    return plain[:-3] + "y" if plain.endswith("ies") else plain.removesuffix("s")


def _same_word(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return long == short or (
        len(short) > 2 and long in (f"{short}s", f"{short}es", f"{short[:-1]}ies")
    )
