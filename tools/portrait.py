"""Who is this user, and what do they like or dislike?"""

from typing import Literal

from pydantic import Field

from limner.core.schema import Preference
from limner.engine import Engine
from limner.tools.base import Args, Result, ToolStatement, tool
from limner.tools.words import listed, phrase


class PortraitArgs(Args):
    user_id: str = Field(description="the user's id, exactly as in the data")
    polarity: Literal["", "like", "dislike"] = Field(
        default="", description="only likes, or only dislikes"
    )
    trend: Literal["", "rising", "steady", "fading"] = Field(
        default="", description="only preferences of this trend"
    )
    facet: str = Field(default="", description="only preferences of this facet, such as genre")
    limit: int = Field(default=5, ge=1, le=20, description="how many preferences")


class PortraitResult(Result):
    user_id: str
    version: int
    preferences: list[Preference] = Field(default=[])
    """The first of those asked for, in the portrait's order."""


@tool(
    "portrait",
    "The portrait of one user: summary, likes and dislikes with strength and trend.",
    PortraitArgs,
    tells="user",
)
async def portrait(engine: Engine, args: PortraitArgs) -> PortraitResult:
    profile = await engine.profile(args.user_id)
    asked = [one for one in profile.preferences if _fits(one, args)]
    strongest = asked[: args.limit]  # in the portrait's own order, as the page shows them
    whole = not (args.polarity or args.trend or args.facet)
    is_known = bool(strongest or (whole and profile.traits))
    said = [
        ToolStatement(form=form, values={"user": args.user_id, "things": things})
        for polarity, form in (("like", "portrait.likes"), ("dislike", "portrait.dislikes"))
        if (things := _things([one for one in asked if one.polarity == polarity], strongest))
    ]
    if whole and profile.summary:
        summary = ToolStatement(
            form="portrait.summary",
            values={"user": args.user_id, "summary": profile.summary},
            evidence=profile.summary_evidence[:3],
            only=profile.language,
        )
        said.insert(0, summary)
    if not is_known:
        kind = ToolStatement(form=f"portrait.{args.polarity or 'any'}")
        said = [ToolStatement(form="portrait.none", values={"user": args.user_id, "kind": kind})]
    return PortraitResult(
        found=is_known,
        said=said,
        notes=profile.notes,
        user_id=profile.user_id,
        version=profile.version,
        preferences=strongest,
    )


def _fits(preference: Preference, args: PortraitArgs) -> bool:
    """Whether a preference is one of those asked for; an argument left empty excludes none."""
    return (
        args.polarity in ("", preference.polarity)
        and args.trend in ("", preference.trend)
        and args.facet.casefold() in ("", preference.facet.casefold())
    )


def _things(asked: list[Preference], shown: list[Preference]) -> ToolStatement | None:
    """The shown ones of some preferences, and how many more there are; None where none is shown."""
    things = [_thing(one) for one in asked if one in shown]
    if not things:
        return None
    more = len(asked) - len(things)
    whole = listed(things)
    return ToolStatement(form="list.more", values={"first": whole, "n": more}) if more else whole


def _thing(one: Preference) -> ToolStatement:
    trend = (
        ToolStatement(form=f"trend.{one.trend}")
        if one.trend in ("rising", "fading")
        else phrase("")
    )
    values: dict[str, str | int | float | ToolStatement] = {
        "value": one.value,
        "facet": one.facet,
        "trend": trend,
    }
    return ToolStatement(form="preference", values=values, evidence=one.evidence[:1])
