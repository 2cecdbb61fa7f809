"""Which values does this user's history hold most of?"""

from collections import Counter

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
    events = [
        one for one in engine.data.history(args.user_id) if one.item_id and fits(one, args, about)
    ]
    latest = {one.item_id: one.event_id for one in events if one.item_id}
    counts: Counter[str] = Counter()
    carried: dict[str, list[str]] = {}
    known = 0
    for item_id, event_id in latest.items():
        values = population.values_of(item_id).get(facet, [])
        known += bool(values)
        for value in values:
            counts[value] += 1
            carried.setdefault(value, []).append(event_id)
    top = [
        ValueCount(value=value, items=n)
        for value, n in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    ]
    if not top:
        none = ToolStatement(
            form="favourites.none", values={"user": args.user_id, "facet": facet or "category"}
        )
        return FavouritesResult(found=False, said=[none], user_id=args.user_id, facet=facet)
    first = top[0]
    said = [
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
    equal = [one for one in top[1:] if one.items == first.items]
    if equal:
        same = listed([_counted(one) for one in equal[: args.limit]])
        said.append(ToolStatement(form="favourites.tied", values={"values": same}))
    rest = top[1 + len(equal) : args.limit]
    if rest:
        said.append(
            ToolStatement(
                form="favourites.then", values={"values": listed([_counted(one) for one in rest])}
            )
        )
    return FavouritesResult(
        found=True, said=said, user_id=args.user_id, facet=facet, items=known, top=top[: args.limit]
    )


def _counted(one: ValueCount) -> ToolStatement:
    return ToolStatement(form="value.counted", values={"value": one.value, "n": one.items})
