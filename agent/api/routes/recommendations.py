"""Recommendations: for users and visitors, of given items, and what came of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from limner.api.background import Later
from limner.api.models import ClickThroughs, Ids
from limner.api.pool import Pool
from limner.api.routes.common import UserId, told, usual
from limner.core.errors import BadInputError
from limner.core.filters import boost_of
from limner.core.schema import RecommendationRequest, Recommendations
from limner.engine import Engine
from limner.recommend.feedback import Feedback, FeedbackReport

ItemIds = list[Annotated[str, Field(min_length=1, max_length=255)]]


class ListQuery(BaseModel):
    """What a list should be like."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: int = Field(default=10, ge=1, le=100, description="How many items.")
    explain: Literal["true", "false", "wait"] = Field(
        default="true",
        description="`true`: a verified reason for every item at once, in a model's "
        "words where they are known and "
        "still hold, else in template words. `wait`: the model is waited for, its order "
        "too. `false`: no reasons.",
    )
    category: list[str] = Field(
        default=[], max_length=50, description="Only items of one of these."
    )
    filter: str = Field(
        default="",
        max_length=2000,
        description="Only items that a condition fits.",
        examples=["year >= 1990"],
    )
    price_min: float | None = Field(
        default=None, description="Only items whose price is known and no lower."
    )
    price_max: float | None = Field(
        default=None, description="Only items whose price is known and no higher."
    )
    available: bool = Field(default=True, description="False: also items that cannot be had now.")
    exclude: ItemIds = Field(default=[], max_length=150, description="Not these items.")
    boost: list[str] = Field(
        default=[],
        max_length=20,
        description="CONDITION*FACTOR: items that fit count so many times, from 0 to 10.",
        examples=[["category:Drama*1.5"]],
    )
    diversity: float = Field(
        default=0.0, ge=0, le=1, description="How much items should differ from each other."
    )
    novelty: float = Field(
        default=0.0, ge=0, le=1, description="How much being had by few should count."
    )
    context: ItemIds = Field(
        default=[],
        max_length=50,
        description="Items of this visit, oldest first; they count as the newest events.",
    )

    def wishes(self) -> RecommendationRequest:
        """Raises BadInputError."""
        try:
            return RecommendationRequest(
                category=self.category,
                filter=self.filter,
                price_min=self.price_min,
                price_max=self.price_max,
                available=self.available,
                exclude=self.exclude,
                boost=dict(boost_of(one) for one in self.boost),
                diversity=self.diversity,
                novelty=self.novelty,
                context=self.context,
            )
        except ValidationError as error:
            raise BadInputError(
                f"{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}"
            ) from error


class UserListQuery(ListQuery):
    """The same for a user whose past is known."""

    repeats: bool = Field(
        default=False, description="Items that the user has had already may return."
    )


def router(engine: Engine, pool: Pool) -> APIRouter:
    later = Later(engine, pool)

    @asynccontextmanager
    async def life(_: object) -> AsyncIterator[None]:
        yield
        await later.close()

    routes = APIRouter(prefix="/v1", tags=["recommendations"], lifespan=life)

    @routes.get(
        "/users/{user_id}/recommendations",
        response_model=Recommendations,
        responses=usual(404),
        summary="For a user",
    )
    async def recommend(user_id: UserId, query: Annotated[UserListQuery, Query()]) -> Response:
        """Items for a user, best first, never one that they have had. `recommendation_id` is what
        feedback names.
        """
        wishes = query.wishes()
        if query.explain == "wait":
            return told(
                await pool.run(
                    lambda: engine.recommend_kept(user_id, query.n, wishes, query.repeats)
                )
            )
        answer = await pool.call(
            engine.swift.recommend,
            user_id,
            query.n,
            wishes,
            repeats=query.repeats,
            explain=query.explain == "true",
        )
        later.word(answer)
        return told(answer)

    @routes.get(
        "/recommendations",
        response_model=Recommendations,
        responses=usual(404),
        summary="For a visitor",
    )
    async def visit(query: Annotated[ListQuery, Query()]) -> Response:
        """Items for someone who is nobody in the store: by what they look at now (`context`), else
        what is popular.
        """
        answer = await pool.call(
            engine.swift.visit, query.n, query.wishes(), explain=query.explain != "false"
        )
        return told(answer)

    @routes.post(
        "/users/{user_id}/rank",
        response_model=Recommendations,
        responses=usual(404, body=True),
        summary="Rank items",
    )
    async def rank(user_id: UserId, given: Ids) -> Response:
        """Given items in order for a user; those they had or that nobody knows are flagged."""
        return told(await pool.call(engine.swift.rank, user_id, given.items, explain=given.explain))

    @routes.post(
        "/users/{user_id}/feedback",
        response_model=FeedbackReport,
        responses=usual(404, body=True),
        summary="Feedback",
    )
    async def feedback(user_id: UserId, feedback: Feedback) -> Response:
        """What a user did with items, in a list or elsewhere. It becomes events, and the next list
        heeds it.
        """
        return told(await pool.call(engine.feedback_service.hear, user_id, feedback))

    @routes.get(
        "/recommendations/stats",
        response_model=ClickThroughs,
        responses=usual(plain=True),
        summary="Click-through",
    )
    async def stats() -> Response:
        """Click-through by the channel that led an item, and by the version of the trained
        channels.
        """
        return told(ClickThroughs(rows=await pool.call(engine.feedback_service.stats)))

    return routes
