"""How much was there in one period, and how much in another?"""

from datetime import date
from typing import Literal

import numpy as np
from pydantic import Field

from limner.core.errors import BadInputError
from limner.engine import Engine
from limner.tools.base import Result, ToolStatement, Value, tool
from limner.tools.which import Chosen, Which, chosen, fits, rows_of
from limner.tools.words import kind_before, phrase

Counted = Literal["events", "items", "users"]


class PeriodsArgs(Which):
    user_id: str = Field(default="", description="only of this user; empty: of all users")
    other_since: date | None = Field(default=None, description="the other period: from this day on")
    other_until: date | None = Field(
        default=None, description="the other period: up to this day, included"
    )
    count: Counted = Field(
        default="events", description="whether to count events, different items or different users"
    )


class InPeriod(Value):
    since: date | None
    until: date | None
    events: int
    items: int
    users: int
    event_id: str = ""
    """The newest of the events of the one user; empty of all users."""


class PeriodsResult(Result):
    periods: list[InPeriod] = Field(default=[])
    """In the order of the question."""


@tool(
    "compare_periods",
    (
        "How many events, items or users there were in one period and in another, of one "
        "user or of all; which had more."
    ),
    PeriodsArgs,
    tells="user",
)
async def compare_periods(engine: Engine, args: PeriodsArgs) -> PeriodsResult:
    """Compare the events of two periods. Raises UnknownIdError for an unknown user, item or facet,
    BadInputError for a missing period.
    """
    if not ((args.since or args.until) and (args.other_since or args.other_until)):
        raise BadInputError("periods.one_missing")
    other = args.model_copy(update={"since": args.other_since, "until": args.other_until})
    about = chosen(engine, args)
    found = [_counted(engine, one, about) for one in (args, other)]
    numbers = [
        {"events": one.events, "items": one.items, "users": one.users}[args.count] for one in found
    ]
    first, second = numbers
    lead = "equal" if first == second else "first" if first > second else "second"
    said = [
        ToolStatement(form=f"periods.{lead}", values={"n": first, "m": second}),
        *(_said(args, about, one, n) for one, n in zip(found, numbers, strict=True)),
    ]
    if span := engine.data.period():
        days = {"since": f"{span[0]:%Y-%m-%d}", "until": f"{span[1]:%Y-%m-%d}"}
        said.append(ToolStatement(form="cohort.period", values={**days}))
    return PeriodsResult(found=True, said=said, periods=found)


def _counted(engine: Engine, args: PeriodsArgs, about: Chosen) -> InPeriod:
    if args.user_id:
        events = [one for one in engine.data.history(args.user_id) if fits(one, args, about)]
        return InPeriod(
            since=args.since,
            until=args.until,
            events=len(events),
            items=len({one.item_id for one in events} - {None}),
            users=bool(events),
            event_id=events[-1].event_id if events else "",
        )
    x = engine.data.census().x
    rows = rows_of(engine, args, about)
    return InPeriod(
        since=args.since,
        until=args.until,
        events=int(rows.sum()),
        items=len(np.unique(x.item[rows])),
        users=len(np.unique(x.user[rows])),
    )


def _said(args: PeriodsArgs, about: Chosen, one: InPeriod, n: int) -> ToolStatement:
    """The count of one period, with what it counts."""
    whose = f".{args.count}" + (".user" if args.user_id else "")
    return ToolStatement(
        form=f"periods{whose}",
        values={
            "n": n,
            "events": one.events,
            "user": args.user_id,
            "type": kind_before(args.type),
            "when": _when(one),
            "rated": _rated(args, about),
            "of": phrase("")
            if about.ids is None
            else ToolStatement(form="on.what", values={"what": about.what}),
        },
        evidence=[one.event_id] if one.event_id else [],
    )


def _when(one: InPeriod) -> ToolStatement:
    form = "between" if one.since and one.until else "since" if one.since else "until"
    return ToolStatement(
        form=f"span.{form}", values={"since": f"{one.since}", "until": f"{one.until}"}
    )


def _rated(args: PeriodsArgs, about: Chosen) -> ToolStatement:
    """The rating condition in words; empty if the question sets none."""
    rated = about.when.values.get("rated")
    return rated if args.rating and isinstance(rated, ToolStatement) else phrase("")
