"""What should this user see next, and why?"""

from pydantic import Field

from agent.engine import Engine
from agent.schema import Recommendation, Wishes
from tools.base import Args, Result, Said, tool
from tools.which import facets_named


class RecommendArgs(Args):
    user_id: str = Field(description="the user's id, exactly as in the data")
    n: int = Field(default=5, ge=1, le=20, description="how many items")
    value: str = Field(default="", description="only items that carry this value, such as a genre or brand")
    facet: str = Field(default="", description="what the value is of, such as genre or brand")


class RecommendResult(Result):
    user_id: str
    recommendations: list[Recommendation] = Field(default=[])


@tool("recommend", "Items recommended to one user, each with a verified reason.", RecommendArgs, tells="user")
async def recommend(engine: Engine, args: RecommendArgs) -> RecommendResult:
    """Raises BadInputError for a value that no item carries."""
    [result] = await engine.recommend([args.user_id], args.n, wishes=_wishes(engine, args))
    said = [_line(one) for one in result.recommendations]
    if said:
        said.insert(0, Said(form="recommend.lead", values={"user": args.user_id, "n": len(said)}))
    else:
        said = [Said(form="recommend.none", values={"user": args.user_id})]
    return RecommendResult(
        found=bool(result.recommendations), said=said, notes=result.notes, user_id=args.user_id,
        recommendations=result.recommendations,
    )  # fmt: skip


def _wishes(engine: Engine, args: RecommendArgs) -> Wishes:
    if not args.value:
        return Wishes()
    if any(args.value in item.categories for item in engine.snapshots.world().items.values()):
        return Wishes(category=[args.value])
    facet = next(iter(facets_named(engine, args.facet)), args.facet or "category")
    return Wishes(filter=f'{facet} = "{args.value}"')


def _line(one: Recommendation) -> Said:
    values: dict[str, str | int | float | Said] = {"rank": one.rank, "title": one.item.title or one.item.item_id}
    if one.reason is None:
        return Said(form="recommend.item", values=values)
    return Said(
        form="recommend.reason", values={**values, "reason": one.reason.text}, evidence=one.reason.evidence
    )  # fmt: skip
