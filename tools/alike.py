"""Which items are like this one?"""

from pydantic import Field

from limner.core.schema import RecommendationRequest
from limner.engine import Engine
from limner.retrieve.neighbors import Near
from limner.tools.base import Args, Result, ToolStatement, Value, tool
from limner.tools.which import find_item, title_of
from limner.tools.words import listed


class SimilarItemsArgs(Args):
    item: str = Field(description="the item's id, or its title")
    by: Near = Field(
        default="users", description="by the users who had both, or by what their texts say"
    )
    limit: int = Field(default=5, ge=1, le=50, description="how many items")


class SimilarItem(Value):
    item_id: str
    title: str
    likeness: float
    """Cosine of the two sets of users, or of the two texts."""


class SimilarItemsResult(Result):
    item_id: str
    items: list[SimilarItem] = Field(default=[])


@tool(
    "similar_items",
    "The items most like one item: had by the same users, or saying the same.",
    SimilarItemsArgs,
    tells="catalogue",
)
async def similar_items(engine: Engine, args: SimilarItemsArgs) -> SimilarItemsResult:
    """Raises UnknownIdError."""
    item = find_item(engine, args.item)
    near = engine.recommendations.neighbours(
        item.item_id, args.limit, args.by, RecommendationRequest()
    )
    found = [
        SimilarItem(item_id=one.item.item_id, title=title_of(one.item), likeness=one.score)
        for one in near
    ]
    if not found:
        none = ToolStatement(form="alike.none", values={"title": title_of(item)})
        return SimilarItemsResult(found=False, said=[none], item_id=item.item_id)
    lines = [
        ToolStatement(
            form="alike.item", values={"title": one.title, "likeness": round(one.likeness, 2)}
        )
        for one in found
    ]
    said = [
        ToolStatement(form="alike.items", values={"title": title_of(item), "items": listed(lines)}),
        ToolStatement(form=f"alike.by_{args.by}"),
    ]
    return SimilarItemsResult(found=True, said=said, item_id=item.item_id, items=found)
