"""What should this user see next, and why?"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from limner.core.errors import BadInputError
from limner.core.request_fields import FIELDS, read_request, text_model
from limner.core.schema import Reason, Recommendation, RecommendationRequest
from limner.engine import Engine
from limner.retrieve.neighbors import Near
from limner.state.event_counts import carriers
from limner.tools.base import Args, Result, ToolStatement, tool
from limner.tools.reasons import other_reasons, reasoned
from limner.tools.which import facets_named, find_item, title_of
from limner.tools.words import phrase

NEAREST = 50
"""Items that are like one, where a list is of items like it."""


class ListArgs(Args):
    """Wishes for a list: what it should contain, and what not."""

    value: str = Field(
        default="", description="only items that carry this value, such as a genre or brand"
    )
    facet: str = Field(default="", description="what the value is of, such as genre or brand")
    not_value: str = Field(default="", description="no items that carry this value")
    where: str = Field(
        default="",
        description="only items that fit a condition, such as: price < 20 and year >= 1990",
    )
    near: str = Field(
        default="", description="only items like this one, by id or title: the 50 nearest to it"
    )


class UserListArgs(ListArgs):
    user_id: str = Field(description="the user's id, exactly as in the data")
    n: int = Field(default=5, ge=1, le=20, description="how many items")


RecommendArgs = text_model(
    "RecommendArgs",
    "What a user's list should be like.",
    UserListArgs,
    leave_out=("filter",),  # which is `where`
)


class RecommendResult(Result):
    user_id: str
    recommendations: list[Recommendation] = Field(default=[])


@tool(
    "recommend",
    "Items recommended to one user, each with a verified reason.",
    RecommendArgs,
    tells="user",
)
async def recommend(engine: Engine, args: UserListArgs) -> RecommendResult:
    """Raises BadInputError for a value that no item carries, UnknownIdError for an unknown item or
    facet.
    """
    near = likest(engine, args)
    result = await engine.recommend(request_of(engine, args, args.user_id, args.n))
    others = other_reasons(engine, args.user_id, result.recommendations)
    said = [_line(one, others.get(one.item.item_id, {}), near) for one in result.recommendations]
    if said:
        lead = {"user": args.user_id, "n": len(said), "wanted": wanted_in_words(engine, args)}
        said.insert(0, ToolStatement(form="recommend.lead", values=lead))
        said += (
            [
                ToolStatement(
                    form="recommend.near_by", values={"title": near.title, "n": len(near.likeness)}
                )
            ]
            if near
            else []
        )
        said += [ToolStatement(form=f"recommend.by_{near.by}")] if near else []
    else:
        values = {"user": args.user_id, "wanted": wanted_in_words(engine, args)}
        said = [ToolStatement(form="recommend.none_wanted", values={**values})]
    return RecommendResult(
        found=bool(result.recommendations),
        said=said,
        notes=result.notes,
        user_id=args.user_id,
        recommendations=result.recommendations,
    )


@dataclass(frozen=True)
class Likest:
    """The items nearest to one."""

    title: str
    likeness: dict[str, float]
    """Similarity by item id, most similar first."""
    by: Near
    """Source of the similarity: users who had both items, or the texts for an item that
    nobody had.
    """


def likest(engine: Engine, wanted: ListArgs) -> Likest | None:
    """The items similar to the one that was asked for; None if none was. Raises UnknownIdError."""
    if not wanted.near:
        return None
    item = find_item(engine, wanted.near)
    ways: tuple[Near, ...] = ("users", "text")
    for by in ways:
        found = engine.recommendations.neighbours(
            item.item_id, NEAREST, by, RecommendationRequest()
        )
        if found:
            break
    return Likest(title_of(item), {one.item.item_id: one.score for one in found}, by)


def request_of(engine: Engine, wanted: ListArgs, user_id: str, n: int) -> RecommendationRequest:
    """Raises BadInputError for a value that no item carries, UnknownIdError for an unknown
    facet.
    """
    items = engine.data.catalogue().items
    asked = {name: value for name, value in wanted.model_dump().items() if name in FIELDS}
    request = read_request({**asked, "user_id": user_id, "n": n, "filter": wanted.where})
    if request.items is not None and (wanted.value or wanted.not_value or wanted.near):
        raise BadInputError("request.items_alone")
    barred = {*request.exclude}
    in_categories = any(wanted.value in item.categories for item in items.values())
    if wanted.value and in_categories and not request.category:
        request = request.model_copy(update={"category": [wanted.value]})
    elif wanted.value:
        # A facet may be derived, such as the decade of a year, which no condition on attributes
        # knows.
        barred |= items.keys() - _carriers(engine, wanted.facet, wanted.value)
    if wanted.not_value:
        barred |= _carriers(engine, "", wanted.not_value)
    if near := likest(engine, wanted):
        barred |= items.keys() - near.likeness.keys()
    # Chosen by code from the catalogue, and so not held to the number that a person may name.
    return request.model_copy(update={"exclude": sorted(barred)})


def _carriers(engine: Engine, facet: str, value: str) -> frozenset[str]:
    world = engine.data.catalogue()
    found = carriers(world.population, world.items, facets_named(engine, facet), value)
    if not found:
        raise BadInputError("item.no_value", value=value)
    return found


def wanted_in_words(engine: Engine, wanted: ListArgs) -> ToolStatement:
    """The wishes in words, to follow the list's name: "", " of “Comedy” without “Horror” like
    “Fargo”".
    """
    title = title_of(find_item(engine, wanted.near)) if wanted.near else ""
    only = (
        ToolStatement(form="recommend.only", values={"value": wanted.value})
        if wanted.value
        else phrase("")
    )
    none = (
        ToolStatement(form="recommend.none_of", values={"value": wanted.not_value})
        if wanted.not_value
        else phrase("")
    )
    fit = (
        ToolStatement(form="recommend.fit", values={"where": wanted.where})
        if wanted.where
        else phrase("")
    )
    near = ToolStatement(form="recommend.near", values={"title": title}) if title else phrase("")
    said = near
    for one in (fit, none, only):
        said = ToolStatement(form="beside", values={"first": one, "rest": said})
    return said


def _line(one: Recommendation, others: Mapping[str, Reason], near: Likest | None) -> ToolStatement:
    values: dict[str, str | int | float | ToolStatement] = {
        "rank": one.rank,
        "title": one.item.title or one.item.item_id,
        "likeness": phrase(""),
    }
    if near is not None:
        likeness = round(near.likeness[one.item.item_id], 2)
        values["likeness"] = ToolStatement(form="recommend.likeness", values={"likeness": likeness})
    if one.reason is None:
        return ToolStatement(form="recommend.item", values=values)
    return reasoned("recommend.reason", values, one.reason, others)
