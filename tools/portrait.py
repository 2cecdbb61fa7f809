"""Who is this user?"""

from pydantic import Field

from agent.engine import Engine
from agent.schema import Preference
from tools.base import Args, Result, tool


class PortraitArgs(Args):
    user_id: str = Field(description="the user's id, exactly as in the data")


class PortraitResult(Result):
    user_id: str
    version: int
    preferences: list[Preference] = Field(default=[])


@tool("portrait", "The portrait of one user: summary, likes, dislikes, habits.", PortraitArgs)
async def portrait(engine: Engine, args: PortraitArgs) -> PortraitResult:
    profile = await engine.profile(args.user_id)
    strongest = sorted(profile.preferences, key=lambda p: (-p.strength, p.facet, p.value))[:8]
    evidence = [event for preference in strongest for event in preference.evidence[:3]]
    return PortraitResult(
        found=bool(profile.preferences or profile.traits),
        answer=profile.summary,
        evidence=list(dict.fromkeys([*profile.summary_evidence, *evidence])),
        notes=profile.notes,
        user_id=profile.user_id,
        version=profile.version,
        preferences=strongest,
    )
