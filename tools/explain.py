"""Why is this recommended, and why does a portrait say that?"""

from typing import Literal

from pydantic import Field

from limner.core.schema import Event, Preference, Recommendation, RecommendationRequest
from limner.engine import Engine
from limner.tools.base import Args, Result, ToolStatement, tool
from limner.tools.history import HistoryLine, phrase_of
from limner.tools.reasons import other_reasons, reasoned
from limner.tools.recommend import ListArgs, request_of, wanted_in_words
from limner.tools.which import find_item, title_of
from limner.tools.words import channel, listed

SHORTLIST = 20
EVENTS = 5


class WhyItemArgs(ListArgs):
    user_id: str = Field(description="the user's id, exactly as in the data")
    item: str = Field(
        default="", description="the item's id or title; the first recommendation if left out"
    )


class WhyItemResult(Result):
    user_id: str
    recommendation: Recommendation | None = None
    place: int | None = None
    """Rank among the first recommendations; None if the item is not among them."""


class WhyPreferenceArgs(Args):
    user_id: str = Field(description="the user's id, exactly as in the data")
    value: str = Field(
        default="", description="what the preference is about; the strongest if left out"
    )
    polarity: Literal["", "like", "dislike"] = Field(
        default="", description="only of likes, or only of dislikes"
    )


class WhyPreferenceResult(Result):
    user_id: str
    preference: Preference | None = None


@tool(
    "explain_recommendation",
    "Why an item is recommended to a user, or why it is not.",
    WhyItemArgs,
    tells="user",
)
async def explain_recommendation(engine: Engine, args: WhyItemArgs) -> WhyItemResult:
    """Raises UnknownIdError for an unknown item."""
    request = request_of(engine, args, args.user_id, SHORTLIST)
    first = await engine.recommend(request.model_copy(update={"explain": False}))
    places = {one.item.item_id: one.rank for one in first.recommendations}
    if args.item:
        item = find_item(engine, args.item)
    elif first.recommendations:
        item = first.recommendations[0].item
    else:
        none = ToolStatement(form="recommend.none", values={"user": args.user_id})
        return WhyItemResult(found=False, said=[none], user_id=args.user_id)
    place = places.get(item.item_id)
    given = RecommendationRequest(user_id=args.user_id, items=[item.item_id])
    ranked = await engine.recommend(given)
    one = ranked.recommendations[0] if ranked.recommendations else None
    values: dict[str, str | int | float | ToolStatement] = {
        "user": args.user_id,
        "title": title_of(item),
        "place": place or 0,
        "n": SHORTLIST,
        "wanted": wanted_in_words(engine, args),
    }
    had = [event for event in engine.data.history(args.user_id) if event.item_id == item.item_id]
    if had:
        line = phrase_of(_line(had[-1], title_of(item)))
        said = [ToolStatement(form="why.had", values={**values, "line": line})]
    elif place is None:
        said = [ToolStatement(form="why.not_listed", values=values)]
    else:
        said = [ToolStatement(form="why.place", values=values)]
        if one is not None and one.reason is not None:
            others = other_reasons(engine, args.user_id, [one])
            said.append(reasoned("why.reason", {}, one.reason, others.get(item.item_id, {})))
        if one is not None and one.channels:
            channels = listed([channel(name) for name in list(one.channels)[:3]])
            said.append(ToolStatement(form="why.channels", values={"channels": channels}))
    return WhyItemResult(
        found=True,
        said=said,
        notes=ranked.notes,
        user_id=args.user_id,
        recommendation=one,
        place=place,
    )


@tool(
    "explain_preference",
    "Why a user's portrait says what it says of a value: the events behind it.",
    WhyPreferenceArgs,
    tells="user",
)
async def explain_preference(engine: Engine, args: WhyPreferenceArgs) -> WhyPreferenceResult:
    profile = await engine.profile(args.user_id)
    wanted = args.value.casefold()
    held = [
        one
        for one in profile.preferences
        if wanted in one.value.casefold() and (not args.polarity or one.polarity == args.polarity)
    ]
    if not held:
        form = "why.unsaid" if wanted else "portrait.none"
        kind = ToolStatement(form="portrait.any")
        none = ToolStatement(
            form=form, values={"user": args.user_id, "value": args.value, "kind": kind}
        )
        return WhyPreferenceResult(found=False, said=[none], user_id=args.user_id)
    one = max(held, key=lambda p: (p.value.casefold() == wanted, p.strength))
    lines = _lines(engine, one.evidence[:EVENTS])
    said = [
        ToolStatement(
            form=f"why.{one.polarity}",
            values={
                "user": args.user_id,
                "value": one.value,
                "strength": round(one.strength, 2),
                "confidence": round(one.confidence, 2),
                "n": len(one.evidence),
            },
        )
    ]
    if lines:
        said.append(
            ToolStatement(
                form="why.events", values={"lines": listed([phrase_of(line) for line in lines])}
            )
        )
    if one.trend in ("rising", "fading"):
        said.append(ToolStatement(form=f"why.{one.trend}", values={"value": one.value}))
    return WhyPreferenceResult(
        found=True, said=said, notes=profile.notes, user_id=args.user_id, preference=one
    )


def _lines(engine: Engine, event_ids: list[str]) -> list[HistoryLine]:
    events = engine.data.events_by_id(event_ids)
    items = engine.data.items_by_id([one.item_id for one in events.values() if one.item_id])
    return [
        _line(events[one], title_of(items.get(events[one].item_id or ""), events[one].type))
        for one in event_ids
        if one in events
    ]


def _line(event: Event, title: str) -> HistoryLine:
    return HistoryLine(
        event_id=event.event_id,
        item_id=event.item_id,
        title=title,
        type=event.type,
        value=event.value,
        timestamp=event.timestamp,
    )
