"""Recommendations for users and visitors, ranking of given items, and feedback."""

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field, StrictBool

from limner.api.background import Later
from limner.api.models import ClickThroughs
from limner.api.pool import Pool
from limner.api.routes.common import UserId, told, usual
from limner.api.strict_route import StrictRoute
from limner.core.request_fields import FIELDS, TextFields, read_request, text_model
from limner.core.schema import IdText, RecommendationRequest, Recommendations
from limner.engine import Engine
from limner.recommend.feedback import Feedback, FeedbackReport

_EXPLAIN = Field(
    default="true",
    description="`true`: a verified reason for every item. `wait`: the same with `wording=llm`. "
    "`false`: no reasons.",
)
_LIMITS = {"n": {"le": 100}, "exclude": {"max_length": 150}}
"""Narrower than the request's own: an address holds no more, and an answer is to stay small."""

_OF_BODY = ("user_id", "items")
"""Fields that the path names, or `POST /v1/users/{user_id}/rank` takes."""
UserListQuery = text_model(
    "UserListQuery",
    "What a user's list should be like.",
    TextFields,
    leave_out=_OF_BODY,
    limits=_LIMITS,
    defaults={"wording": "cached"},
    explain=(Literal["true", "false", "wait"], _EXPLAIN),
)
VisitQuery = text_model(
    "VisitQuery",
    "What a visitor's list should be like.",
    TextFields,
    leave_out=(*_OF_BODY, "repeats"),
    limits=_LIMITS,
    defaults={"wording": "cached"},
    explain=(Literal["true", "false", "wait"], _EXPLAIN),
)
Ids = text_model(
    "Ids",
    "Items to put in order.",
    TextFields,
    leave_out=set(FIELDS) - {"wording"},
    defaults={"wording": "cached"},
    items=(
        list[IdText],
        Field(
            min_length=1,
            max_length=1000,
            description="Ids; those that nobody knows are flagged.",
            examples=[["50", "181"]],
        ),
    ),
    explain=(StrictBool, Field(default=False, description="With a reason for every item.")),
)


def _of_query(query: BaseModel) -> RecommendationRequest:
    """Raises BadInputError."""
    values = query.model_dump()
    if values["explain"] == "wait":
        values["wording"] = "llm"
    return read_request({**values, "explain": values["explain"] != "false"})


def _of_body(body: BaseModel) -> RecommendationRequest:
    return read_request(body.model_dump())


def reads(
    read: Callable[[BaseModel], RecommendationRequest], model: type[BaseModel], source: object
) -> Callable[..., RecommendationRequest]:
    """A dependency that reads a request from a model of its fields, which come in the query or in
    the body (source).
    """
    [name] = inspect.signature(read).parameters
    kind = inspect.Parameter.KEYWORD_ONLY
    parameter = inspect.Parameter(name, kind, annotation=Annotated[model, source])

    def dependency(**given: BaseModel) -> RecommendationRequest:
        return read(given[name])

    dependency.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]
    return dependency


Wanted = Annotated[RecommendationRequest, Depends(reads(_of_query, UserListQuery, Query()))]
WantedVisit = Annotated[RecommendationRequest, Depends(reads(_of_query, VisitQuery, Query()))]
WantedOrder = Annotated[RecommendationRequest, Depends(reads(_of_body, Ids, Body()))]


def router(engine: Engine, pool: Pool) -> APIRouter:
    later = Later(engine, pool)

    @asynccontextmanager
    async def life(_: object) -> AsyncIterator[None]:
        yield
        await later.close()

    async def answered(request: RecommendationRequest, *, keep: bool) -> Recommendations:
        # What waits for no model needs no event loop in its thread, and is quicker without.
        if not request.asks_model:
            return await pool.call(engine.recommendations.recommend_now, request, keep=keep)
        return await pool.run(lambda: engine.recommend(request, keep=keep))

    routes = APIRouter(
        prefix="/v1", tags=["recommendations"], lifespan=life, route_class=StrictRoute
    )

    @routes.get(
        "/users/{user_id}/recommendations",
        response_model=Recommendations,
        responses=usual(404),
        summary="For a user",
    )
    async def recommend(user_id: UserId, wanted: Wanted) -> Response:
        """Items for a user, best first, never one that they have had. `recommendation_id` is what
        feedback names.
        """
        request = wanted.model_copy(update={"user_id": user_id})
        answer = await answered(request, keep=True)
        if request.wording == "cached":
            later.word(answer)
        return told(answer)

    @routes.get(
        "/recommendations",
        response_model=Recommendations,
        responses=usual(404),
        summary="For a visitor",
    )
    async def visit(request: WantedVisit) -> Response:
        """Items for someone who is nobody in the store: by what they look at now (`context`), else
        what is popular.
        """
        return told(await answered(request, keep=True))

    @routes.post(
        "/users/{user_id}/rank",
        response_model=Recommendations,
        responses=usual(404, body=True),
        summary="Rank items",
    )
    async def rank(user_id: UserId, wanted: WantedOrder) -> Response:
        """Given items in order for a user; those they had or that nobody knows are flagged."""
        request = wanted.model_copy(update={"user_id": user_id})
        return told(await answered(request, keep=False))

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
        return told(await pool.call(engine.feedback.hear, user_id, feedback))

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
        return told(ClickThroughs(rows=await pool.call(engine.feedback.stats)))

    return routes
