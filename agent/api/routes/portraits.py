"""Portraits: shown, edited, built, compared, and packed for other models."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response

from limner.api.models import BuildRequest, VersionInfo, Versions
from limner.api.pool import Pool
from limner.api.routes.common import UserId, told, usual
from limner.api.strict_route import StrictRoute
from limner.core.schema import BuildReport, Profile
from limner.engine import Engine
from limner.profile import ProfileDiff, diff
from limner.profile.context import Context
from limner.recommend.edits import PortraitEdit

_JSON = "application/json"
_KEEP = "private, no-cache"
"""Cache control of portraits: the client stores them, and asks about them before each use."""


def router(engine: Engine, pool: Pool) -> APIRouter:
    routes = APIRouter(prefix="/v1/users/{user_id}", tags=["portraits"], route_class=StrictRoute)

    @routes.get(
        "/profile",
        response_model=Profile,
        responses={
            **usual(404),
            304: {"description": "The portrait is the one that `If-None-Match` names."},
        },
        summary="A portrait",
    )
    async def get_profile(
        user_id: UserId,
        version: Annotated[
            int | None,
            Query(ge=1, le=2**31, description="A stored version; the newest if left out."),
        ] = None,
        as_of: Annotated[
            datetime | None,
            Query(description="The newest that was painted no later; UTC where no zone is named."),
        ] = None,
        if_none_match: Annotated[
            str | None,
            Header(
                max_length=4000,
                description="ETags that the client has; 304 where one is still true.",
            ),
        ] = None,
    ) -> Response:
        """The portrait of a user; it is built first if there is none."""
        moment = as_of.replace(tzinfo=UTC) if as_of is not None and as_of.tzinfo is None else as_of
        body = await pool.call(engine.data.portrait_body, user_id, version, moment)
        if body is None:
            profile = await pool.run(lambda: engine.profile(user_id, version))
            if not profile.version:
                return told(profile)
            body = profile.model_dump_json()
        tag = _tag(body)
        headers = {"ETag": tag, "Cache-Control": _KEEP}
        if if_none_match is not None and _holds(if_none_match, tag):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=_JSON)

    @routes.patch(
        "/profile",
        response_model=Profile,
        responses=usual(404, body=True),
        summary="Edit a portrait",
    )
    async def edit_profile(user_id: UserId, edit: PortraitEdit) -> Response:
        """Add stated preferences, remove claims that are wrong (`strike`), or take back what was
        said (`withdraw`). All are kept as events, so that every later portrait follows them; the
        portrait and the next list change at once.
        """
        profile = await pool.call(engine.edits.edit_portrait, user_id, edit)
        return told(profile, headers={"ETag": _tag(profile.model_dump_json())})

    @routes.post(
        "/profile/build",
        response_model=BuildReport,
        responses=usual(404, 502, body=True),
        summary="Build a portrait",
    )
    async def build_profile(user_id: UserId, request: BuildRequest | None = None) -> Response:
        """Paint the portrait anew from all events; one that is up to date is passed over unless
        forced.
        """
        asked = request or BuildRequest()
        return told(
            await pool.run(
                lambda: engine.build(
                    [user_id], max_cost=asked.max_cost, force=asked.force, embed=False
                )
            )
        )

    @routes.get(
        "/profile/versions",
        response_model=Versions,
        responses=usual(404),
        summary="Versions of a portrait",
    )
    async def versions(user_id: UserId) -> Response:
        """Every stored version, oldest first, without what it says."""

        found = await pool.call(engine.data.portrait_versions, user_id)
        return told(Versions(user_id=user_id, versions=[VersionInfo.of(one) for one in found]))

    @routes.get(
        "/profile/diff",
        response_model=ProfileDiff,
        responses=usual(404),
        summary="Compare two versions",
    )
    async def compare(
        user_id: UserId,
        from_: Annotated[
            int, Query(alias="from", ge=1, le=2**31, description="The earlier version.")
        ],
        to: Annotated[
            int | None,
            Query(ge=1, le=2**31, description="The later version; the newest if left out."),
        ] = None,
    ) -> Response:
        """The changes from one version of a portrait to another."""

        def compared() -> ProfileDiff:
            earlier = engine.data.portrait(user_id, from_)
            return diff(earlier, engine.data.portrait(user_id, to))

        return told(await pool.call(compared))

    @routes.get(
        "/context",
        response_model=Context,
        responses=usual(404),
        summary="A portrait for another model",
    )
    async def context(
        user_id: UserId,
        max_tokens: Annotated[
            int, Query(ge=16, le=100_000, description="Tokens of the text, at most.")
        ] = 500,
        query: Annotated[
            str,
            Query(
                max_length=2000, description="What it is for: preferences nearest to it come first."
            ),
        ] = "",
        model: Annotated[
            str,
            Query(
                max_length=100, description="Whose tokens count; o200k_base where it is not known."
            ),
        ] = "",
    ) -> Response:
        """The portrait packed for another model's prompt, most relevant first, never above the
        budget.
        """
        return told(
            await pool.call(
                engine.recommendations.context, user_id, max_tokens, query.strip(), model
            )
        )

    return routes


def _tag(body: str) -> str:
    """Weak, since what is compressed on its way differs byte by byte."""
    return f'W/"{hashlib.blake2b(body.encode(), digest_size=9).hexdigest()}"'


def _holds(given: str, tag: str) -> bool:
    """Weak comparison (RFC 9110, 8.8.3.2)."""
    plain = tag.removeprefix("W/")
    return given.strip() == "*" or any(
        one.strip().removeprefix("W/") == plain for one in given.split(",")
    )
