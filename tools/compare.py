"""How do two users differ?"""

from typing import Literal

import numpy as np
from pydantic import Field

from limner.core.schema import Event, Profile
from limner.core.signals import RATED_TYPES
from limner.engine import Engine
from limner.tools.base import Result, ToolStatement, Value, tool
from limner.tools.favourites import favourites
from limner.tools.which import Chosen, Which, chosen, fits
from limner.tools.words import kind_before, listed, phrase

Aspect = Literal["events", "items", "rating", "taste"]


class CompareArgs(Which):
    user_id: str = Field(description="one user's id")
    other_id: str = Field(description="the other user's id")
    aspect: Aspect = Field(
        default="taste",
        description=(
            "what to compare: number of events, number of different items, mean "
            "rating, or taste as a whole"
        ),
    )


class Side(Value):
    user_id: str
    events: int
    items: int
    rating: float | None
    """Mean rating; None for a user without ratings."""
    evidence: list[str]


class CompareResult(Result):
    sides: list[Side] = Field(default=[])
    shared: int = 0
    """Different items that both had."""


@tool(
    "compare_users",
    (
        "Two users side by side: who has more events or items (of a type, value, time), "
        "rates higher, how tastes differ."
    ),
    CompareArgs,
)
async def compare_users(engine: Engine, args: CompareArgs) -> CompareResult:
    about = chosen(engine, args)
    histories = [_kept(engine, one, args, about) for one in (args.user_id, args.other_id)]
    sides = [
        _side(one, events)
        for one, events in zip((args.user_id, args.other_id), histories, strict=True)
    ]
    had = [{one.item_id for one in events if one.item_id} for events in histories]
    shared = len(had[0] & had[1])
    if args.aspect == "taste":
        statements = [_measured("events", sides, args, about)]
        if about.ids is None:
            statements += await _tastes(engine, args, shared)
    else:
        statements = [_measured(args.aspect, sides, args, about)]
    found = statements[0].form != "compare.none"
    return CompareResult(found=found, said=statements, sides=sides, shared=shared)


def _kept(engine: Engine, user_id: str, args: CompareArgs, about: Chosen) -> list[Event]:
    return [one for one in engine.data.history(user_id) if fits(one, args, about)]


def _side(user_id: str, events: list[Event]) -> Side:
    rated = [one.value for one in events if one.type in RATED_TYPES and one.value is not None]
    return Side(
        user_id=user_id,
        events=len(events),
        items=len({one.item_id for one in events if one.item_id}),
        rating=round(float(np.mean(rated)), 2) if rated else None,
        evidence=[one.event_id for one in events[-1:]],
    )


def _measured(aspect: Aspect, sides: list[Side], args: CompareArgs, about: Chosen) -> ToolStatement:
    if aspect == "rating":
        rated = sorted(
            (one for one in sides if one.rating is not None), key=lambda one: -(one.rating or 0)
        )
        if len(rated) < 2:
            return ToolStatement(
                form="compare.none", values={"user": args.user_id, "other": args.other_id}
            )
        more, less = (rated[0], rated[0].rating or 0.0), (rated[1], rated[1].rating or 0.0)
    else:
        counts = [(one, one.items if aspect == "items" else one.events) for one in sides]
        more, less = sorted(counts, key=lambda pair: -pair[1])
    equal = more[1] == less[1]
    evidence = [*more[0].evidence, *less[0].evidence]
    return ToolStatement(
        form=f"compare.{aspect}.equal" if equal else f"compare.{aspect}",
        values={
            "more": more[0].user_id,
            "n": more[1],
            "less": less[0].user_id,
            "m": less[1],
            "what": about.what,
            "when": about.when,
            "type": kind_before(args.type),
            "of": phrase("")
            if about.ids is None
            else ToolStatement(form="on.what", values={"what": about.what}),
        },
        evidence=evidence,
    )


def _likes(profile: Profile) -> list[str]:
    """Liked values, strongest first."""
    preferences = sorted(profile.preferences, key=lambda one: -one.strength)
    return [one.value for one in preferences if one.polarity == "like"]


async def _tastes(engine: Engine, args: CompareArgs, shared: int) -> list[ToolStatement]:
    statements = [
        ToolStatement(
            form="compare.shared",
            values={"user": args.user_id, "other": args.other_id, "n": shared},
        )
    ]
    top: list[list[str]] = []
    for user_id in (args.user_id, args.other_id):
        found = await favourites.run(engine, favourites.args.model_validate({"user_id": user_id}))
        statements += [one for one in found.said if one.form == "favourites.first"]
        top.append(_likes(await engine.profile(user_id)))
    both = [one for one in top[0] if one in top[1]][:3]
    for form, user_id, values in (
        ("compare.both", "", both),
        ("compare.only", args.user_id, [one for one in top[0] if one not in top[1]][:3]),
        ("compare.only", args.other_id, [one for one in top[1] if one not in top[0]][:3]),
    ):
        if values:
            things = listed([ToolStatement(form="quoted", values={"text": one}) for one in values])
            statements.append(ToolStatement(form=form, values={"user": user_id, "things": things}))
    return statements
