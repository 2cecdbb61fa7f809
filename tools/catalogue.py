"""What does the store hold?"""

from collections import Counter
from typing import Literal

import numpy as np
from pydantic import Field

from limner.engine import Engine
from limner.facts import Population
from limner.tools.base import Args, Result, ToolStatement, Value, tool
from limner.tools.which import facets_named
from limner.tools.words import listed

Topic = Literal[
    "all",
    "users",
    "items",
    "events",
    "portraits",
    "types",
    "period",
    "values",
    "rating",
    "activity",
]


class CatalogueArgs(Args):
    topic: Topic = Field(
        default="all",
        description="what of the store: numbers of users, items, events or portraits, "
        "event types, the period that it "
        "covers, the values of a facet, the mean rating, events a user; or all of it",
    )
    facet: str = Field(
        default="", description="of `values`: which facet, such as genre; the main one if left out"
    )
    limit: int = Field(default=10, ge=1, le=50, description="how many values")


class NamedCount(Value):
    name: str
    n: int


class CatalogueResult(Result):
    users: int
    items: int
    events: int
    portraits: int
    listed: list[NamedCount] = Field(default=[])
    """Event types by events, or values by items."""


@tool(
    "catalogue",
    (
        "What the store holds: how many users, items, events and portraits, its period, "
        "event types, facets and values."
    ),
    CatalogueArgs,
    tells="catalogue",
)
async def catalogue(engine: Engine, args: CatalogueArgs) -> CatalogueResult:
    counts = engine.data.counts()
    types = engine.data.event_types()
    named: list[NamedCount] = []
    statements: list[ToolStatement] = []
    totals = {
        "users": counts.users,
        "items": counts.items,
        "events": counts.events,
        "portraits": counts.profiles,
    }
    if args.topic in totals:
        statements.append(
            ToolStatement(form=f"catalogue.{args.topic}", values={"n": totals[args.topic]})
        )
    elif args.topic == "all":
        statements.append(ToolStatement(form="catalogue.all", values={**totals}))
    if args.topic in ("all", "period"):
        statements.append(_period(engine))
    if args.topic in ("all", "types"):
        named = [NamedCount(name=name, n=n) for name, n in types.items()]
        statements.append(
            ToolStatement(
                form="catalogue.types",
                values={"types": listed([_named(one) for one in named[:12]])},
            )
        )
    if args.topic in ("all", "values"):
        population = engine.data.catalogue().population
        facet = next(iter(facets_named(engine, args.facet)), population.primary)
        named = _values(population, facet)
        form = "catalogue.values" if named else "catalogue.no_values"
        shown = listed([_named(one) for one in named[: args.limit]])
        statements.append(
            ToolStatement(
                form=form, values={"facet": facet or "category", "n": len(named), "values": shown}
            )
        )
    if args.topic in ("rating", "activity"):
        statements.append(_mean(engine, args.topic))
    found = statements[0].form not in (
        "catalogue.no_values",
        "catalogue.no_times",
        "catalogue.no_ratings",
    )
    return CatalogueResult(
        found=found,
        said=statements,
        users=counts.users,
        items=counts.items,
        events=counts.events,
        portraits=counts.profiles,
        listed=named[: args.limit],
    )


def _period(engine: Engine) -> ToolStatement:
    span = engine.data.period()
    if span is None:
        return ToolStatement(form="catalogue.no_times")
    return ToolStatement(
        form="catalogue.period",
        values={"since": f"{span[0]:%Y-%m-%d}", "until": f"{span[1]:%Y-%m-%d}"},
    )


def _values(population: Population, facet: str) -> list[NamedCount]:
    """Values of a facet by the number of items that carry them, most first."""
    n = np.bincount(population.codes, minlength=len(population.values))
    held = Counter(
        {
            value: int(n[code])
            for code, (name, value) in enumerate(
                zip(population.facets, population.values, strict=True)
            )
            if name == facet
        }
    )
    return [
        NamedCount(name=name, n=count)
        for name, count in sorted(held.items(), key=lambda one: (-one[1], one[0]))
    ]


def _mean(engine: Engine, topic: Topic) -> ToolStatement:
    census = engine.data.census()
    if topic == "rating":
        rated = census.x.value[census.rated]
        if not len(rated):
            return ToolStatement(form="catalogue.no_ratings")
        return ToolStatement(
            form="catalogue.rating", values={"mean": round(float(rated.mean()), 2), "n": len(rated)}
        )
    counts = engine.data.counts()
    return ToolStatement(
        form="catalogue.activity",
        values={
            "mean": round(counts.events / max(counts.users, 1), 1),
            "n": counts.events,
            "users": counts.users,
        },
    )


def _named(one: NamedCount) -> ToolStatement:
    return ToolStatement(form="value.counted", values={"value": one.name, "n": one.n})
