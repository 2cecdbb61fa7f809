"""Which users like, or dislike, this?"""

from typing import Literal

from pydantic import Field

from agent.engine import Engine
from agent.schema import Preference
from tools.base import Args, Result, tool


class FindUsersArgs(Args):
    value: str = Field(description="what the preference is about, such as a genre, brand or theme")
    polarity: Literal["like", "dislike"] = Field(default="like", description="like or dislike")
    trend: Literal["", "rising", "steady", "fading"] = Field(default="", description="only this trend; empty for all")
    limit: int = Field(default=10, ge=1, le=100)


class FoundUser(Result):
    user_id: str
    preference: Preference


class FindUsersResult(Result):
    total: int
    searched: int
    """Users who have a portrait; others cannot be found this way."""
    users: list[FoundUser] = Field(default=[])


@tool("find_users", "Users whose portrait holds a preference, strongest first.", FindUsersArgs)
async def find_users(engine: Engine, args: FindUsersArgs) -> FindUsersResult:
    wanted = args.value.casefold().strip()
    found: list[FoundUser] = []
    profiles = engine.portraits()
    for profile in profiles:
        for preference in profile.preferences:
            if preference.polarity != args.polarity or (args.trend and preference.trend != args.trend):
                continue
            if wanted in preference.value.casefold():
                line = f"{profile.user_id} (strength {preference.strength:.2f}, {preference.trend})"
                found.append(
                    FoundUser(
                        found=True,
                        answer=line,
                        evidence=preference.evidence[:3],
                        user_id=profile.user_id,
                        preference=preference,
                    )
                )
                break
    found.sort(key=lambda one: (-one.preference.strength, one.user_id))
    top = found[: args.limit]
    verb = {"like": "like", "dislike": "dislike"}[args.polarity]
    return FindUsersResult(
        found=bool(found),
        answer=(
            f"{len(found)} of {len(profiles)} users with a portrait {verb} {args.value}: "
            + ", ".join(one.answer for one in top)
            + "."
            if found
            else f"None of the {len(profiles)} users with a portrait is known to {verb} {args.value}."
        ),
        evidence=[event for one in top for event in one.evidence],
        total=len(found),
        searched=len(profiles),
        users=top,
    )
