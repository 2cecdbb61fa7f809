"""The events or items that a tool is about: as arguments, as a filter, and in words."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from limner.core.errors import UnknownIdError
from limner.core.schema import Event, Item
from limner.core.signals import RATED_TYPES
from limner.engine import Engine
from limner.state.event_counts import Filter, Mask, carriers
from limner.tools.base import Args, ToolStatement
from limner.tools.words import phrase

Values = NDArray[np.floating]
_RATING = re.compile(r"(?P<sign><=|>=|<|>|=) ?(?P<value>\d+(?:\.\d+)?)|")
_SIGNS: Mapping[str, tuple[str, Callable[[float | Values, float], bool | Mask]]] = {
    "=": ("exactly", operator.eq),
    "<": ("below", operator.lt),
    "<=": ("most", operator.le),
    ">": ("above", operator.gt),
    ">=": ("least", operator.ge),
}
"""By sign: (name of its form of words, comparison)."""


class Which(Args):
    """Arguments that select events; the default selects all."""

    item: str = Field(default="", description="only events on this item: its id, or its title")
    value: str = Field(
        default="",
        description="only events on items that carry this value, such as a genre or brand",
    )
    facet: str = Field(
        default="", description="what the value is of, such as genre or brand; empty for any"
    )
    type: str = Field(
        default="", description="only events of this type, such as purchase; empty for all"
    )
    since: date | None = Field(default=None, description="only from this day on")
    until: date | None = Field(default=None, description="only up to this day, included")
    rating: str = Field(
        default="",
        pattern=r"^(?:(?:<=|>=|<|>|=) ?\d+(?:\.\d+)?)?$",
        description="only ratings that fit, such as: = 5, < 3, >= 4; empty for all",
    )


@dataclass(frozen=True)
class Chosen:
    """The selection of `Which`, resolved in a store."""

    ids: frozenset[str] | None
    """Item ids; None where every item will do."""
    item: Item | None
    """The item that was named; None otherwise."""
    what: ToolStatement
    """The selected items in words: "Toy Story", "items with the genre Drama"."""
    when: ToolStatement
    """The period and rating condition in words: "", " since 2001-01-01", " rated 4 or more"."""


def title_of(item: Item | None, otherwise: str = "") -> str:
    return (item.title or item.item_id) if item else otherwise


def find_item(engine: Engine, text: str) -> Item:
    """The item with an id or title; of several with the title, the one with the most events. Raises
    UnknownIdError.
    """
    items = engine.data.catalogue().items
    if text in items:
        return items[text]
    ids = engine.data.names().exactly(text)
    if not ids:
        raise UnknownIdError("item.unknown_title", text=text)
    return items[most_had(engine, ids)]


def most_had(engine: Engine, ids: Sequence[str]) -> str:
    """The item with the most events of several."""
    if len(ids) == 1:
        return ids[0]
    census = engine.data.census()
    mask = census.items(ids)
    events = census.counts(census.rows(Filter(items=mask))).events
    return max(
        ids, key=lambda one: events[census.item_position[one]] if one in census.item_position else 0
    )


def facets_named(engine: Engine, facet: str) -> list[str]:
    """The facets of that name; none where any will do. Raises UnknownIdError for a name that no
    item has.
    """
    if not facet:
        return []
    population = engine.data.catalogue().population
    plain = facet.casefold().replace("_", " ")
    found = [one for one in population.facet_names if one.casefold().replace("_", " ") == plain]
    if not found and plain in ("category", "genre"):  # two words for what items are
        found = [one for one in population.facet_names if one in ("category", "genre")]
    if not found and not any(plain in map(str.casefold, item.attributes) for item in _some(engine)):
        raise UnknownIdError(
            "item.no_facet", facet=facet, names=", ".join(population.facet_names) or "none"
        )
    return found


def _some(engine: Engine) -> Sequence[Item]:
    return list(engine.data.catalogue().items.values())[:1000]


def chosen(engine: Engine, which: Which) -> Chosen:
    """Raises UnknownIdError for an item or facet that is not there."""
    when = _joined(_rated(which), period(which))
    if which.item:
        item = find_item(engine, which.item)
        return Chosen(
            frozenset([item.item_id]),
            item,
            ToolStatement(form="what.item", values={"title": title_of(item)}),
            when,
        )
    if which.value:
        world = engine.data.catalogue()
        ids = carriers(
            world.population, world.items, facets_named(engine, which.facet), which.value
        )
        if which.facet:
            what = ToolStatement(
                form="what.value", values={"facet": which.facet, "value": which.value}
            )
        else:
            what = ToolStatement(form="what.any_facet", values={"value": which.value})
        return Chosen(ids, None, what, when)
    return Chosen(None, None, ToolStatement(form="what.any"), when)


def among(about: Chosen) -> ToolStatement:
    """The selected items in words, as in " among items with the genre Drama". Empty for all items,
    or a single named one.
    """
    return (
        phrase("")
        if about.ids is None or about.item
        else ToolStatement(form="of.what", values={"what": about.what})
    )


def period(which: Which) -> ToolStatement:
    if which.since and which.until:
        if which.since == which.until:
            return ToolStatement(form="when.day", values={"day": f"{which.since}"})
        return ToolStatement(
            form="when.between", values={"since": f"{which.since}", "until": f"{which.until}"}
        )
    if which.since:
        return ToolStatement(form="when.since", values={"since": f"{which.since}"})
    if which.until:
        return ToolStatement(form="when.until", values={"until": f"{which.until}"})
    return phrase("")


def _rated(which: Which) -> ToolStatement:
    if not which.rating:
        return phrase("")
    sign, value = _sign(which.rating)
    return ToolStatement(form=f"rated.{_SIGNS[sign][0]}", values={"value": value})


def _sign(rating: str) -> tuple[str, float]:
    match = _RATING.fullmatch(rating)
    return (match["sign"], float(match["value"])) if match else ("=", float("nan"))


def _fits(values: float | Values, rating: str) -> bool | Mask:
    sign, value = _sign(rating)
    return _SIGNS[sign][1](values, value)


def _joined(rated: ToolStatement, when: ToolStatement) -> ToolStatement:
    return ToolStatement(form="when.both", values={"rated": rated, "when": when})


def rows_of(engine: Engine, which: Which, found: Chosen) -> Mask:
    """[events of the census] those that count."""
    census = engine.data.census()
    rows = census.rows(
        Filter(
            items=None if found.ids is None else census.items(found.ids),
            types=frozenset([which.type]) if which.type else frozenset(),
            since=_midnight(which.since),
            until=_midnight(which.until, days=1),
        )
    )
    return rows & census.rated & _fits(census.x.value, which.rating) if which.rating else rows


def fits(event: Event, which: Which, found: Chosen) -> bool:
    """Whether an event, with or without an item, belongs to a selection."""
    since, until = _midnight(which.since), _midnight(which.until, days=1)
    return (
        (found.ids is None or event.item_id in found.ids)
        and (not which.type or event.type == which.type)
        and (since is None or (event.timestamp is not None and event.timestamp >= since))
        and (until is None or (event.timestamp is not None and event.timestamp < until))
        and (not which.rating or _rating_fits(event, which.rating))
    )


def _rating_fits(event: Event, rating: str) -> bool:
    return (
        event.type in RATED_TYPES and event.value is not None and bool(_fits(event.value, rating))
    )


def _midnight(day: date | None, days: int = 0) -> datetime | None:
    return (
        None
        if day is None
        else datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=days)
    )
