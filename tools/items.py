"""Which items are there, and what is known of one?"""

from collections.abc import Sequence
from typing import Literal, TypeGuard

import numpy as np
from pydantic import Field

from limner.core.filters import fitting, parse, values_of
from limner.core.schema import Attributes, Item
from limner.engine import Engine
from limner.state.event_counts import Filter, ItemCounts
from limner.tools.base import Args, Result, ToolStatement, Value, tool
from limner.tools.which import Chosen, Which, among, chosen, find_item, rows_of, title_of
from limner.tools.words import listed, phrase
from limner.words.text import fold

MEASURED = ("price", "year", "length")
"""Attributes that have words of their own in every language."""
By = Literal["events", "users", "rating"]


class ItemFacts(Value):
    item_id: str
    title: str
    events: int
    users: int
    """Different users who had it."""
    rating: float | None
    """Mean rating; None for an unrated item."""
    ratings: int
    price: float | None = None
    measures: dict[str, float] = Field(default={})
    """Numbers that were asked about, by attribute."""


class SearchArgs(Which):
    words: str = Field(default="", description="words of the title, or what the item is about")
    where: str = Field(
        default="", description="a condition on items, such as: price < 20 and year >= 1990"
    )
    by: str = Field(
        default="",
        description=(
            "in order of an attribute with numbers, such as price or year; empty: most had first"
        ),
    )
    descending: bool = Field(default=False, description="of `by`: the highest first")
    limit: int = Field(default=5, ge=1, le=50)


class PopularArgs(Which):
    by: By = Field(
        default="users",
        description="how many users had it, how many events it has, or its mean rating",
    )
    ascending: bool = Field(default=False, description="the least first")
    where: str = Field(
        default="", description="a condition on items, such as: price < 20 and year >= 1990"
    )
    limit: int = Field(default=5, ge=1, le=50)


class ItemsResult(Result):
    total: int
    """Items that fit."""
    items: list[ItemFacts] = Field(default=[])


class ItemArgs(Args):
    item: str = Field(description="the item's id, or its title")


class ItemResult(Result):
    item: ItemFacts | None = None
    categories: list[str] = Field(default=[])
    attributes: Attributes = Field(default={})


@tool(
    "search_items",
    "Items by words of their title, a value they carry, or a condition; most had first, "
    "or by a number that they have, "
    "such as the cheapest.",
    SearchArgs,
    tells="catalogue",
)
async def search_items(engine: Engine, args: SearchArgs) -> ItemsResult:
    """Raises BadInputError where the condition cannot be used, UnknownIdError for an unknown
    facet.
    """
    about = chosen(engine, args)
    items = list(engine.data.catalogue().items.values())
    fit = fitting(items, args.where, "items")
    matching = [one for one in fit if about.ids is None or one.item_id in about.ids]
    form = "items.found"
    if args.words:
        titled = _titled(matching, args.words)
        near = [] if titled else _near(engine, args.words, matching, args.limit)
        matching, form = (near, "items.near") if near else (titled, form)
    if not matching:
        none = ToolStatement(
            form="items.none", values={"words": args.words or args.value or args.where}
        )
        return ItemsResult(found=False, said=[none], total=0)
    counts = _counts(engine, args, about)
    names = [args.by] if args.by else _measures_in(engine, args.where)
    facts = [_facts(engine, one, counts, names) for one in matching]
    if args.by:
        return _by_measure(args, about, facts)
    if form == "items.found":
        facts.sort(key=lambda one: (-one.users, one.item_id))
    top = facts[: args.limit]
    lines = listed([_line(one) for one in top])
    named = (
        ToolStatement(form="items.titled", values={"words": args.words})
        if args.words
        else phrase("")
    )
    values: dict[str, str | int | float | ToolStatement] = {
        "n": len(facts),
        "words": named,
        "of": among(about),
    }
    said = [ToolStatement(form=form, values={**values, "items": lines, "fit": _fit(args)})]
    return ItemsResult(found=True, said=said, total=len(facts), items=top)


def _by_measure(args: SearchArgs, about: Chosen, facts: list[ItemFacts]) -> ItemsResult:
    """Items ordered by one of their numeric attributes. Those without it are left out, and
    counted.
    """
    measured = [one for one in facts if args.by in one.measures]
    values: dict[str, str | int | float | ToolStatement] = {
        "name": _measure(args.by),
        "of": among(about),
        "fit": _fit(args),
        "n": len(measured),
    }
    if not measured:
        return ItemsResult(
            found=False, said=[ToolStatement(form="items.unmeasured", values=values)], total=0
        )
    sign = -1.0 if args.descending else 1.0
    measured.sort(key=lambda one: (sign * one.measures[args.by], -one.users, one.item_id))
    edge = measured[0].measures[args.by]
    tied = sum(one.measures[args.by] == edge for one in measured)
    top = measured[: args.limit]
    form = "items.highest" if args.descending else "items.lowest"
    statements = [
        ToolStatement(form=form, values={**values, "items": listed([_line(one) for one in top])})
    ]
    if tied > 1:
        statements.append(
            ToolStatement(form="items.tied", values={"n": tied, "value": f"{edge:.10g}"})
        )
    if len(measured) < len(facts):
        statements.append(
            ToolStatement(
                form="items.without",
                values={"name": _measure(args.by), "n": len(facts) - len(measured)},
            )
        )
    return ItemsResult(found=True, said=statements, total=len(measured), items=top)


def _fit(args: SearchArgs | PopularArgs) -> ToolStatement:
    return (
        ToolStatement(form="items.fit", values={"where": args.where}) if args.where else phrase("")
    )


def _measures_in(engine: Engine, where: str) -> list[str]:
    """The attributes with numbers that a condition asks about."""
    if not where:
        return []
    asked = parse(where).names()
    return [name for name in engine.data.names().measures.values() if name.lower() in asked]


def _titled(items: Sequence[Item], text: str) -> list[Item]:
    """The items whose title has every word of a text."""
    words = fold(text).split()
    return [one for one in items if all(word in fold(one.title) for word in words)]


def _near(engine: Engine, words: str, among: Sequence[Item], n: int) -> list[Item]:
    """The items whose text is most similar to the words, best first; empty where no item is
    embedded.
    """
    by_id = {one.item_id: one for one in among}
    hits = engine.recommendations.items_like(words, 10 * n)
    return [by_id[one] for one in hits if one in by_id][:n]


@tool(
    "popular_items",
    (
        "The items that most users had, with the most events, or rated best; of a value, a "
        "time or within a condition."
    ),
    PopularArgs,
    tells="catalogue",
)
async def popular_items(engine: Engine, args: PopularArgs) -> ItemsResult:
    about = chosen(engine, args)
    census = engine.data.census()
    counts = _counts(engine, args, about)
    least = max(1, int(len(census.user_ids) * 0.01)) if args.by == "rating" else 1
    score = {"events": counts.events, "users": counts.users, "rating": counts.rating}[
        args.by
    ].astype(float)
    enough = (counts.ratings if args.by == "rating" else counts.events) >= least
    items = engine.data.catalogue().items
    if args.where:
        enough &= census.items(
            [one.item_id for one in fitting(list(items.values()), args.where, "items")]
        )
    fit = np.flatnonzero(enough & ~np.isnan(score))
    order = fit[np.lexsort((-counts.users[fit], score[fit] if args.ascending else -score[fit]))]
    of = ToolStatement(form="beside", values={"first": among(about), "rest": _fit(args)})
    if not len(order):
        none = ToolStatement(form="popular.none", values={"of": of, "when": about.when})
        return ItemsResult(found=False, said=[none], total=0)
    names = _measures_in(engine, args.where)
    top = [
        _facts(
            engine,
            items.get(census.item_ids[at]) or Item(item_id=census.item_ids[at]),
            counts,
            names,
        )
        for at in order[: args.limit].tolist()
    ]
    form = f"popular.{args.by}{'.least' if args.ascending else ''}"
    lines = listed([_line(one) for one in top])
    statements = [
        ToolStatement(
            form=form,
            values={"items": lines, "of": of, "when": about.when, "n": len(order), "k": len(top)},
        )
    ]
    if least > 1:
        statements.append(ToolStatement(form="popular.least_ratings", values={"n": least}))
    return ItemsResult(found=True, said=statements, total=len(order), items=top)


@tool(
    "item",
    "What is known of one item: categories, price, attributes, how many had it, mean rating.",
    ItemArgs,
    tells="catalogue",
)
async def item(engine: Engine, args: ItemArgs) -> ItemResult:
    """Raises UnknownIdError."""
    found = find_item(engine, args.item)
    census = engine.data.census()
    facts = _facts(
        engine, found, census.counts(census.rows(Filter(items=census.items([found.item_id]))))
    )
    said = [
        ToolStatement(
            form="item.had", values={"title": facts.title, "n": facts.users, "events": facts.events}
        )
    ]
    if facts.rating is not None:
        said.append(
            ToolStatement(
                form="item.rating",
                values={"title": facts.title, "rating": facts.rating, "n": facts.ratings},
            )
        )
    if found.price is not None:
        said.append(
            ToolStatement(form="item.price", values={"title": facts.title, "price": found.price})
        )
    if found.categories:
        named = listed(
            [ToolStatement(form="quoted", values={"text": one}) for one in found.categories[:8]]
        )
        said.append(
            ToolStatement(
                form="item.categories", values={"title": facts.title, "categories": named}
            )
        )
    others = {name: one for name, one in found.attributes.items() if one != found.categories}
    if others:
        parts = [_attribute(name, one) for name, one in list(others.items())[:8]]
        said.append(
            ToolStatement(
                form="item.attributes", values={"title": facts.title, "values": listed(parts)}
            )
        )
    return ItemResult(
        found=True, said=said, item=facts, categories=found.categories, attributes=found.attributes
    )


def _attribute(name: str, value: object) -> ToolStatement:
    shown = ", ".join(map(str, value[:5])) if isinstance(value, list) else str(value)
    return ToolStatement(form="attribute", values={"name": name.replace("_", " "), "value": shown})


def _counts(engine: Engine, which: Which, about: Chosen) -> ItemCounts:
    return engine.data.census().counts(rows_of(engine, which, about))


def _facts(engine: Engine, item: Item, counts: ItemCounts, names: Sequence[str] = ()) -> ItemFacts:
    """The figures of an item. `names`: attributes whose numbers are included."""
    position = engine.data.census().item_position.get(item.item_id)
    measures = {
        name: float(value)
        for name in names
        for value in values_of(item, name.lower())[:1]
        if _is_number(value)
    }
    if position is None:
        return ItemFacts(
            item_id=item.item_id,
            title=title_of(item),
            events=0,
            users=0,
            rating=None,
            ratings=0,
            price=item.price,
            measures=measures,
        )
    rating = float(counts.rating[position])
    return ItemFacts(
        item_id=item.item_id,
        title=title_of(item),
        events=int(counts.events[position]),
        users=int(counts.users[position]),
        rating=None if np.isnan(rating) else round(rating, 2),
        ratings=int(counts.ratings[position]),
        price=item.price,
        measures=measures,
    )


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _line(facts: ItemFacts) -> ToolStatement:
    rating = phrase("")
    if facts.rating is not None:
        rating = ToolStatement(form="items.rating", values={"rating": facts.rating})
    measures = phrase("")
    for name, value in reversed(dict.fromkeys(facts.measures.items())):
        told = ToolStatement(
            form="items.measure", values={"name": _measure(name), "value": f"{value:.10g}"}
        )
        measures = ToolStatement(form="beside", values={"first": told, "rest": measures})
    values: dict[str, str | int | float | ToolStatement] = {
        "title": facts.title,
        "n": facts.users,
        "rating": rating,
    }
    return ToolStatement(form="items.line", values={**values, "measures": measures})


def _measure(name: str) -> ToolStatement:
    """An attribute with numbers in words, where there are words for it."""
    return (
        ToolStatement(form=f"measure.{name}")
        if name in MEASURED
        else phrase(name.replace("_", " "))
    )
