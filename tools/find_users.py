"""Which users' portraits say this?"""

from typing import Literal

from pydantic import Field

from limner.core.errors import BadInputError
from limner.core.schema import Preference, Profile
from limner.engine import Engine
from limner.tools.audience import told
from limner.tools.base import Args, Polarity, Result, ToolStatement, Value, tool
from limner.tools.words import listed, phrase


class FindUsersArgs(Args):
    value: str = Field(
        default="", description="what the preference is about, such as a genre, brand or theme"
    )
    polarity: Polarity = Field(default="like", description="like or dislike")
    trend: Literal["", "rising", "steady", "fading"] = Field(
        default="", description="only this trend; empty for all"
    )
    like: str = Field(
        default="", description="instead of a value: what the users are like, in words"
    )
    where: str = Field(
        default="", description="a condition on users' attributes, such as: age < 30 and gender = F"
    )
    limit: int = Field(default=5, ge=1, le=100)


class FoundUser(Value):
    user_id: str
    score: float
    """Strength of the preference, or likeness to the words."""
    preference: Preference | None = None


class FindUsersResult(Result):
    total: int
    searched: int
    """Number of users with a portrait, who alone can be found this way."""
    users: list[FoundUser] = Field(default=[])


@tool(
    "find_users",
    (
        "Users whose portrait holds a preference, strongest first, or whose portraits are "
        "likest to some words."
    ),
    FindUsersArgs,
)
async def find_users(engine: Engine, args: FindUsersArgs) -> FindUsersResult:
    """Users whose portraits state a value, or match some words. Raises BadInputError if neither is
    given.
    """
    if args.like:
        return _by_words(engine, args)
    if not args.value:
        raise BadInputError("find_users.nothing_asked")
    fit = {one.user_id for one in engine.data.users(args.where)} if args.where else None
    found = [
        FoundUser(user_id=profile.user_id, score=best.strength, preference=best)
        for profile in engine.data.portraits(args.value)
        if (fit is None or profile.user_id in fit) and (best := _best(profile, args)) is not None
    ]
    found.sort(key=lambda one: (-one.score, one.user_id))
    painted = engine.data.counts().profiles
    values: dict[str, str | int | float | ToolStatement] = {
        "n": len(found),
        "of": painted,
        "value": args.value,
        "where": _where(args),
        "trend": ToolStatement(form=f"trend.{args.trend}") if args.trend else phrase(""),
    }
    top = found[: args.limit]
    statements = [ToolStatement(form=f"find.{args.polarity}", values=values)]
    if top:
        statements.append(
            ToolStatement(form="find.top", values={"users": listed([_line(one) for one in top])})
        )
    return FindUsersResult(
        found=bool(painted), said=statements, total=len(found), searched=painted, users=top
    )


def _best(profile: Profile, args: FindUsersArgs) -> Preference | None:
    """The portrait's preference for the value: the very value first, then the strongest."""
    wanted = args.value.casefold()
    fitting = (
        one
        for one in profile.preferences
        if one.polarity == args.polarity
        and args.trend in ("", one.trend)
        and wanted in one.value.casefold()
    )
    return max(
        fitting, key=lambda one: (one.value.casefold() == wanted, one.strength), default=None
    )


def _by_words(engine: Engine, args: FindUsersArgs) -> FindUsersResult:
    found = engine.users(args.limit, like=args.like, where=args.where)
    users = [FoundUser(user_id=one.user_id, score=one.score) for one in found.users]
    return FindUsersResult(
        found=bool(users),
        said=told(found),
        notes=found.notes,
        total=found.considered,
        searched=found.considered,
        users=users,
    )


def _line(one: FoundUser) -> ToolStatement:
    evidence = one.preference.evidence[:1] if one.preference else []
    return ToolStatement(
        form="find.user",
        values={"user": one.user_id, "score": round(one.score, 2)},
        evidence=evidence,
    )


def _where(args: FindUsersArgs) -> ToolStatement:
    return (
        ToolStatement(form="cohort.fit", values={"where": args.where}) if args.where else phrase("")
    )
