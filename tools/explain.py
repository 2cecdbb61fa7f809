"""Why is this recommended, and why does a portrait say that?"""

from collections.abc import Iterator
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
    recommendation = ranked.recommendations[0] if ranked.recommendations else None
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
        statements = [ToolStatement(form="why.had", values={**values, "line": line})]
    elif place is None:
        statements = [ToolStatement(form="why.not_listed", values=values)]
    else:
        statements = [ToolStatement(form="why.place", values=values)]
        if recommendation is not None:
            statements += _why(engine, args.user_id, recommendation)
    return WhyItemResult(
        found=True,
        said=statements,
        notes=ranked.notes,
        user_id=args.user_id,
        recommendation=recommendation,
        place=place,
    )


def _why(engine: Engine, user_id: str, recommendation: Recommendation) -> Iterator[ToolStatement]:
    """The reason of a recommendation, and the channels that found it."""
    if recommendation.reason is not None:
        others = other_reasons(engine, user_id, [recommendation])
        languages = others.get(recommendation.item.item_id, {})
        yield reasoned("why.reason", {}, recommendation.reason, languages)
    if recommendation.channels:
        channels = listed([channel(name) for name in list(recommendation.channels)[:3]])
        yield ToolStatement(form="why.channels", values={"channels": channels})


@tool(
    "explain_preference",
    "Why a user's portrait says what it says of a value: the events behind it.",
    WhyPreferenceArgs,
    tells="user",
)
async def explain_preference(engine: Engine, args: WhyPreferenceArgs) -> WhyPreferenceResult:
    profile = await engine.profile(args.user_id)
    wanted = args.value.casefold()
    fitting = [
        one
        for one in profile.preferences
        if wanted in one.value.casefold() and (not args.polarity or one.polarity == args.polarity)
    ]
    if not fitting:
        form = "why.unsaid" if wanted else "portrait.none"
        kind = ToolStatement(form="portrait.any")
        none = ToolStatement(
            form=form, values={"user": args.user_id, "value": args.value, "kind": kind}
        )
        return WhyPreferenceResult(found=False, said=[none], user_id=args.user_id)
    preference = max(fitting, key=lambda p: (p.value.casefold() == wanted, p.strength))
    lines = _lines(engine, preference.evidence[:EVENTS])
    statements = [
        ToolStatement(
            form=f"why.{preference.polarity}",
            values={
                "user": args.user_id,
                "value": preference.value,
                "strength": round(preference.strength, 2),
                "confidence": round(preference.confidence, 2),
                "n": len(preference.evidence),
            },
        )
    ]
    if lines:
        statements.append(
            ToolStatement(
                form="why.events", values={"lines": listed([phrase_of(line) for line in lines])}
            )
        )
    if preference.trend in ("rising", "fading"):
        statements.append(
            ToolStatement(form=f"why.{preference.trend}", values={"value": preference.value})
        )
    return WhyPreferenceResult(
        found=True,
        said=statements,
        notes=profile.notes,
        user_id=args.user_id,
        preference=preference,
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
