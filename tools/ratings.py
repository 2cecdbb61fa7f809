"""How does this user rate?"""

import statistics

from pydantic import Field

from limner.core.signals import RATED_TYPES
from limner.engine import Engine
from limner.tools.base import Result, ToolStatement, tool
from limner.tools.which import Which, chosen, fits


class RatingsArgs(Which):
    user_id: str = Field(description="the user's id, exactly as in the data")


class RatingsResult(Result):
    user_id: str
    n: int = 0
    mean: float | None = None
    low: float | None = None
    high: float | None = None


@tool(
    "ratings",
    "The mean, lowest and highest rating that one user gave (to an item, a value, within a time).",
    RatingsArgs,
    tells="user",
)
async def ratings(engine: Engine, args: RatingsArgs) -> RatingsResult:
    about = chosen(engine, args)
    rated = [
        one
        for one in engine.data.history(args.user_id)
        if fits(one, args, about) and one.type in RATED_TYPES and one.value is not None
    ]
    given = [one.value for one in rated if one.value is not None]
    if not given:
        none = ToolStatement(
            form="history.unrated", values={"user": args.user_id, "what": about.what}
        )
        return RatingsResult(found=False, said=[none], user_id=args.user_id)
    mean, low, high = round(statistics.fmean(given), 2), min(given), max(given)
    statements = ToolStatement(
        form="ratings.mean" if about.ids is None else "ratings.mean_of",
        values={
            "user": args.user_id,
            "mean": mean,
            "n": len(given),
            "low": low,
            "high": high,
            "what": about.what,
            "when": about.when,
        },
        evidence=[one.event_id for one in rated[-3:]],
    )
    return RatingsResult(
        found=True,
        said=[statements],
        user_id=args.user_id,
        n=len(given),
        mean=mean,
        low=low,
        high=high,
    )
