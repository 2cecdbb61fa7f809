"""The catalogue: changing an item, what is near it, what is popular."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from limner.api.models import Neighbors, Popular
from limner.api.pool import Pool
from limner.api.routes.common import ItemId, told, usual
from limner.api.strict_route import StrictRoute
from limner.core.schema import Item, RecommendationRequest
from limner.engine import Engine
from limner.recommend.edits import ItemPatch
from limner.retrieve.neighbors import Near, Neighbor, PopularItem

Count = Annotated[int, Query(ge=1, le=100, description="How many items, at most.")]
Categories = Annotated[
    list[str], Query(description="Only items of one of these.", examples=[["Drama"]])
]
Filter = Annotated[
    str,
    Query(
        max_length=2000, description="Only items that a condition fits.", examples=["year >= 1990"]
    ),
]


def router(engine: Engine, pool: Pool) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["items"], route_class=StrictRoute)

    @routes.get("/items/{item_id}", response_model=Item, responses=usual(404), summary="An item")
    async def get_item(item_id: ItemId) -> Response:
        """An item with its attributes."""
        return told(await pool.call(engine.data.item, item_id))

    @routes.patch(
        "/items/{item_id}",
        response_model=Item,
        responses=usual(404, body=True),
        summary="Change an item",
    )
    async def patch_item(item_id: ItemId, patch: ItemPatch) -> Response:
        """Change some of an item: seen by the next request. What it is *about* is embedded with the
        next training.
        """
        return told(await pool.call(engine.edits.patch_item, item_id, patch))

    @routes.get(
        "/items/{item_id}/neighbors",
        response_model=Neighbors[Neighbor],
        responses=usual(404),
        summary="Similar items",
    )
    async def neighbors(
        item_id: ItemId,
        n: Count = 10,
        by: Annotated[
            Near, Query(description="Near in what is written of them, or in who had them.")
        ] = "text",
        category: Categories = [],  # noqa: B006  FastAPI copies it
        filter: Filter = "",
    ) -> Response:
        """The items nearest to an item, nearest first."""
        item = await pool.call(engine.data.item, item_id)
        wishes = RecommendationRequest(category=category, filter=filter)
        near = await pool.call(engine.recommendations.neighbours, item_id, n, by, wishes)
        return told(Neighbors[Neighbor](item=item, neighbors=near))

    @routes.get(
        "/popular", response_model=Popular[PopularItem], responses=usual(), summary="Popular items"
    )
    async def popular(n: Count = 10, category: Categories = [], filter: Filter = "") -> Response:  # noqa: B006
        """The items that the most users have had, most users first."""
        items = await pool.call(
            engine.recommendations.popular,
            n,
            RecommendationRequest(category=category, filter=filter),
        )
        return told(Popular[PopularItem](items=items))

    return routes
