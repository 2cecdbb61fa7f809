"""Who rated this item highest, or lowest?"""

from datetime import date
from typing import Literal

import numpy as np
from pydantic import Field

from limner.engine import Engine
from limner.tools.base import Args, Result, ToolStatement, Value, tool
from limner.tools.which import Which, chosen, rows_of, title_of
from limner.tools.words import listed, phrase

_EDGE = {"highest": -1.0, "lowest": 1.0}


class RatersArgs(Args):
    item: str = Field(min_length=1, description="the item's id, or its title")
    order: Literal["highest", "lowest"] = Field(
        default="highest", description="the highest or the lowest rating first"
    )
    since: date | None = Field(default=None, description="only ratings from this day on")
    until: date | None = Field(default=None, description="only ratings up to this day, included")
    where: str = Field(
        default="", description="a condition on users' attributes, such as: age < 30 and gender = F"
    )
    limit: int = Field(default=5, ge=1, le=50, description="how many of the users to list")


class Rater(Value):
    user_id: str
    value: float
    """Their newest rating of the item."""
    event_id: str


class RatersResult(Result):
    item_id: str
    value: float | None = None
    """The highest or lowest rating; None where nobody rated the item."""
    tied: int = 0
    """Users who gave it."""
    of: int = 0
    """Users who rated the item: the denominator."""
    users: list[Rater] = Field(default=[])
    """In the requested order; of equal ratings the newest first."""


@tool(
    "raters",
    "Who rated one item highest, or lowest: the users, how many gave the same rating, of how many.",
    RatersArgs,
)
async def raters(engine: Engine, args: RatersArgs) -> RatersResult:
    """Raises UnknownIdError for an unknown item, BadInputError where the condition cannot be
    used.
    """
    which = Which(item=args.item, since=args.since, until=args.until)
    about = chosen(engine, which)
    item_id = about.item.item_id if about.item else args.item
    census = engine.data.census()
    x = census.x
    rows = rows_of(engine, which, about) & census.rated
    if args.where:
        rows &= census.users([one.user_id for one in engine.data.users(args.where)])[x.user]
    ratings = np.flatnonzero(rows)
    again = np.zeros(
        len(ratings), dtype=bool
    )  # who rated it again counts by the newest, and rows are in order of time
    again[:-1] = x.user[ratings[:-1]] == x.user[ratings[1:]]
    once = ratings[~again]
    where = (
        ToolStatement(form="raters.among", values={"where": args.where})
        if args.where
        else phrase("")
    )
    values: dict[str, str | int | float | ToolStatement] = {
        "title": title_of(about.item),
        "when": about.when,
        "where": where,
    }
    if not len(once):
        return RatersResult(
            found=False, said=[ToolStatement(form="raters.none", values=values)], item_id=item_id
        )
    order = once[np.lexsort((-x.seq[once], -x.time[once], _EDGE[args.order] * x.value[once]))]
    edge = float(x.value[order[0]])
    tied = int((x.value[order] == edge).sum())
    top = order[: args.limit].tolist()
    ids = {
        one.seq: one.event_id for one in engine.data.events_by_seq([int(x.seq[row]) for row in top])
    }
    users = [
        Rater(
            user_id=x.user_ids[x.user[row]],
            value=float(x.value[row]),
            event_id=ids.get(int(x.seq[row]), ""),
        )
        for row in top
    ]
    values |= {"value": edge, "n": tied, "of": len(order), "user": users[0].user_id}
    statements = [_lead(args, users, tied, values)]
    shown = users[1:] if tied == 1 else users[:tied]
    if shown:
        form = (
            "raters.then" if tied == 1 else "raters.all" if tied == len(shown) else "raters.newest"
        )
        lines = listed([_line(one) for one in shown])
        statements.append(ToolStatement(form=form, values={"users": lines, "k": len(shown)}))
    if len(once) < len(ratings):
        statements.append(ToolStatement(form="raters.again"))
    return RatersResult(
        found=True,
        said=statements,
        item_id=item_id,
        value=edge,
        tied=tied,
        of=len(order),
        users=users,
    )


def _lead(
    args: RatersArgs,
    users: list[Rater],
    tied: int,
    values: dict[str, "str | int | float | ToolStatement"],
) -> ToolStatement:
    if tied == 1:
        return ToolStatement(
            form=f"raters.{args.order}", values=values, evidence=[users[0].event_id]
        )
    return ToolStatement(form=f"raters.{args.order}.tied", values=values)


def _line(one: Rater) -> ToolStatement:
    return ToolStatement(
        form="raters.user",
        values={"user": one.user_id, "value": one.value},
        evidence=[one.event_id],
    )
