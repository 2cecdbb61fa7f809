"""Which values does this user's history hold most of?"""

from collections.abc import Sequence

from pydantic import Field

from limner.engine import Engine
from limner.tools.base import Result, ToolStatement, Value, tool
from limner.tools.which import Which, chosen, facets_named, fits
from limner.tools.words import listed


class FavouritesArgs(Which):
    user_id: str = Field(description="the user's id, exactly as in the data")
    limit: int = Field(default=3, ge=1, le=20, description="how many values")


class ValueCount(Value):
    value: str
    items: int
    """Different items of the user that carry it."""


class FavouritesResult(Result):
    user_id: str
    facet: str
    items: int = 0
    """Different items of the user that carry any value of the facet."""
    top: list[ValueCount] = Field(default=[])


@tool(
    "favourites",
    (
        "The values of a facet (genre, category, brand, …; the main one if left out) that "
        "most items of a user carry."
    ),
    FavouritesArgs,
    tells="user",
)
async def favourites(engine: Engine, args: FavouritesArgs) -> FavouritesResult:
    population = engine.data.catalogue().population
    facet = next(iter(facets_named(engine, args.facet)), "") or population.primary
    about = chosen(engine, args.model_copy(update={"facet": ""}))
    latest = {
        one.item_id: one.event_id
        for one in engine.data.history(args.user_id)
        if one.item_id and fits(one, args, about)
    }
    values = {item_id: population.values_of(item_id).get(facet, []) for item_id in latest}
    carried: dict[str, list[str]] = {}
    for item_id, event_id in latest.items():
        for value in values[item_id]:
            carried.setdefault(value, []).append(event_id)
    counts = sorted((-len(event_ids), value) for value, event_ids in carried.items())
    top = [ValueCount(value=value, items=-n) for n, value in counts]
    if not top:
        none = ToolStatement(
            form="favourites.none", values={"user": args.user_id, "facet": facet or "category"}
        )
        return FavouritesResult(found=False, said=[none], user_id=args.user_id, facet=facet)
    first = top[0]
    statements = [
        ToolStatement(
            form="favourites.first",
            values={
                "value": first.value,
                "facet": facet,
                "user": args.user_id,
                "n": first.items,
                "of": len(latest),
                "when": about.when,
            },
            evidence=carried[first.value][::-1][:3],
        )
    ]
    equal = sum(one.items == first.items for one in top[1:])
    statements += _counted_values("favourites.tied", top[1 : 1 + equal][: args.limit])
    statements += _counted_values("favourites.then", top[1 + equal : args.limit])
    return FavouritesResult(
        found=True,
        said=statements,
        user_id=args.user_id,
        facet=facet,
        items=sum(map(bool, values.values())),
        top=top[: args.limit],
    )


def _counted_values(form: str, values: Sequence[ValueCount]) -> list[ToolStatement]:
    """A statement of values with their counts; none of no values."""
    if not values:
        return []
    return [ToolStatement(form=form, values={"values": listed([_counted(one) for one in values])})]


def _counted(one: ValueCount) -> ToolStatement:
    return ToolStatement(form="value.counted", values={"value": one.value, "n": one.items})
