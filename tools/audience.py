"""Whom would this item, or these words, suit best?"""

from pydantic import Field

from limner.core.errors import BadInputError
from limner.core.schema import Audience, RankedUser
from limner.engine import Engine
from limner.tools.base import Args, Result, ToolStatement, Value, tool
from limner.tools.which import find_item, title_of
from limner.tools.words import listed, phrase


class AudienceArgs(Args):
    item: str = Field(
        default="",
        description="the item, by id or title: users by the probability that they have it next",
    )
    like: str = Field(
        default="", description="instead of an item: what the users are like, in words"
    )
    where: str = Field(
        default="",
        description=(
            "a condition on users' attributes, such as: age < 30 and gender = F; alone: by activity"
        ),
    )
    limit: int = Field(default=5, ge=1, le=100, description="how many of the users to list")


class AudienceUser(Value):
    user_id: str
    score: float
    """Value that the users are ordered by, where there is no probability: a similarity, a score, or
    a number of events.
    """
    probability: float | None = None
    """Probability that the user has the item next; None where it was not learned, or no item was
    asked for.
    """


class AudienceResult(Result):
    definition: str = ""
    """How the users are ordered, in words."""
    period: str = ""
    considered: int = 0
    """Users that were ordered: the denominator."""
    population: int = 0
    users: list[AudienceUser] = Field(default=[])


@tool(
    "audience",
    "Users for a campaign, likeliest first: by the probability that they have an item "
    "next, those who had it left out; "
    "by the likeness of their portraits to words; or by activity among those who fit a condition.",
    AudienceArgs,
)
async def audience(engine: Engine, args: AudienceArgs) -> AudienceResult:
    """Find the users that an item, or some words, would suit best.

    Raises BadInputError unless exactly one of item and words is given, UnknownIdError for an
    unknown item.
    """
    if bool(args.item) == bool(args.like) and (args.item or not args.where):
        raise BadInputError("audience.nobody_meant")
    if args.item:
        item = find_item(engine, args.item)
        found = engine.users(args.limit, for_item=item.item_id, where=args.where)
    elif args.like:
        found = engine.users(args.limit, like=args.like, where=args.where)
    else:
        found = engine.users(args.limit, where=args.where)
    return AudienceResult(
        found=bool(found.users),
        said=told(found),
        notes=found.notes,
        definition=found.definition,
        period=found.period,
        considered=found.considered,
        population=found.population,
        users=[
            AudienceUser(user_id=one.user_id, score=one.score, probability=one.probability)
            for one in found.users
        ],
    )


def told(found: Audience) -> list[ToolStatement]:
    """An audience as statements: the first users, how many there are, their order, the period of
    the data, and the command that saves them all.
    """
    kind = "item" if found.item is not None else "words" if found.like else "where"
    values: dict[str, str | int | float | ToolStatement] = {
        "of": found.considered,
        "population": found.population,
        "title": title_of(found.item),
        "like": found.like,
        "where": ToolStatement(form="cohort.fit", values={"where": found.filter})
        if found.filter
        else phrase(""),
    }
    if not found.users:
        return [ToolStatement(form=f"audience.{kind}.nobody", values=values)]
    users = listed([_line(one) for one in found.users])
    said = [
        ToolStatement(
            form=f"audience.{kind}", values={**values, "k": len(found.users), "users": users}
        )
    ]
    said.append(ToolStatement(form=f"audience.by.{_measure(found)}"))
    if found.had:
        said.append(ToolStatement(form="audience.had", values={"n": found.had}))
    said.append(ToolStatement(form="audience.of", values=values))
    if found.period:
        since, _, until = found.period.partition(" to ")
        said.append(ToolStatement(form="cohort.period", values={"since": since, "until": until}))
    if len(found.users) < found.considered:
        said.append(ToolStatement(form="audience.whole", values={"command": _command(found)}))
    return said


def _measure(found: Audience) -> str:
    """The order of the users, as a form of words."""
    if found.item is None:
        return "likeness" if found.like else "activity"
    return "probability" if any(one.probability is not None for one in found.users) else "score"


def _line(one: RankedUser) -> ToolStatement:
    if one.probability is not None:
        return ToolStatement(
            form="audience.chance",
            values={"user": one.user_id, "percent": round(100 * one.probability, 1)},
        )
    return ToolStatement(
        form="find.user", values={"user": one.user_id, "score": round(one.score, 2)}
    )


def _command(found: Audience) -> str:
    """The command that saves all users of the audience, one a row."""
    asked = f"--for-item {_quoted(found.item.item_id)}" if found.item else ""
    asked = f"--like {_quoted(found.like)}" if found.like else asked
    where = f"--where {_quoted(found.filter)}" if found.filter else ""
    return " ".join(["limner users", *filter(None, (asked, where)), "--out users.csv"])


def _quoted(text: str) -> str:
    """A word as a shell takes it, readable where it may be."""
    if text.isalnum():
        return text
    return "'" + text.replace("'", "'\\''") + "'"
