"""What should this user see next, and why?"""

from pydantic import Field

from agent.engine import Engine
from agent.schema import Recommendation
from tools.base import Args, Result, tool


class RecommendArgs(Args):
    user_id: str = Field(description="the user's id, exactly as in the data")
    n: int = Field(default=5, ge=1, le=20, description="how many items")


class RecommendResult(Result):
    user_id: str
    recommendations: list[Recommendation] = Field(default=[])


@tool("recommend", "Items recommended to one user, each with a verified reason.", RecommendArgs)
async def recommend(engine: Engine, args: RecommendArgs) -> RecommendResult:
    [result] = await engine.recommend([args.user_id], args.n)
    lines = [
        f"{each.rank}. {each.item.title or each.item.item_id}" + (f": {each.reason.text}" if each.reason else "")
        for each in result.recommendations
    ]
    evidence = [event for each in result.recommendations if each.reason for event in each.reason.evidence]
    return RecommendResult(
        found=bool(lines),
        answer="\n".join(lines),
        evidence=list(dict.fromkeys(evidence)),
        notes=result.notes,
        user_id=args.user_id,
        recommendations=result.recommendations,
    )
