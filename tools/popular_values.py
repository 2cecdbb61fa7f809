"""Which genres, brands or other values are had most?"""

import numpy as np
from pydantic import Field

from limner.engine import Engine
from limner.tools.base import Result, ToolStatement, Value, tool
from limner.tools.which import Which, chosen, facets_named, rows_of
from limner.tools.words import listed


class PopularValuesArgs(Which):
    facet: str = Field(
        default="", description="of which facet, such as genre; the main one if left out"
    )
    ascending: bool = Field(default=False, description="the least first")
    limit: int = Field(default=5, ge=1, le=50, description="how many values")


class PopularValue(Value):
    value: str
    events: int
    """Events on items that carry it."""


class PopularValuesResult(Result):
    facet: str
    values: list[PopularValue] = Field(default=[])


@tool(
    "popular_values",
    "The values of a facet (genre, brand, …) whose items all users together had most, by "
    "events; within a time or of a "
    "type, where asked.",
    PopularValuesArgs,
    tells="catalogue",
)
async def popular_values(engine: Engine, args: PopularValuesArgs) -> PopularValuesResult:
    """Raises UnknownIdError for an unknown facet."""
    population = engine.data.catalogue().population
    facet = next(iter(facets_named(engine, args.facet)), "") or population.primary
    census = engine.data.census()
    about = chosen(engine, args.model_copy(update={"facet": ""}))
    by_item = census.counts(rows_of(engine, args, about)).events
    at = [census.item_position.get(one, -1) for one in population.item_ids]
    events = np.append(by_item, 0)[at]  # an item that nobody had stands at the end
    row = np.repeat(np.arange(len(population.item_ids)), np.diff(population.starts))
    totals = np.bincount(population.codes, weights=events[row], minlength=len(population.values))
    found = [
        PopularValue(value=value, events=int(totals[code]))
        for code, (name, value) in enumerate(zip(population.facets, population.values, strict=True))
        if name == facet and totals[code]
    ]
    found.sort(key=lambda one: (one.events if args.ascending else -one.events, one.value))
    if not found:
        none = ToolStatement(form="catalogue.no_values", values={"facet": facet or "category"})
        return PopularValuesResult(found=False, said=[none], facet=facet)
    top = found[: args.limit]
    lines = listed(
        [
            ToolStatement(form="value.counted", values={"value": one.value, "n": one.events})
            for one in top
        ]
    )
    form = "popular_values.least" if args.ascending else "popular_values.most"
    statements = [
        ToolStatement(
            form=form, values={"facet": facet, "when": about.when, "values": lines, "n": len(found)}
        )
    ]
    return PopularValuesResult(found=True, said=statements, facet=facet, values=top)
