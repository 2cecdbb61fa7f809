"""Since when does this user like, or dislike, something?"""

from collections.abc import Sequence

from pydantic import Field

from limner.core.schema import Event, Preference
from limner.engine import Engine
from limner.explain.attribution import Past
from limner.state.event_counts import NEUTRAL
from limner.tools.base import Args, Polarity, Result, ToolStatement, Value, tool
from limner.tools.history import line_of, phrase_of
from limner.tools.which import Which, chosen, facets_named
from limner.tools.words import listed


class SinceArgs(Args):
    user_id: str = Field(description="the user's id, exactly as in the data")
    value: str = Field(
        default="",
        description="what is liked, such as a genre; the portrait's strongest if left out",
    )
    facet: str = Field(default="", description="what the value is of, such as genre or brand")
    polarity: Polarity = Field(default="like", description="since when it is liked, or disliked")
    limit: int = Field(
        default=5,
        ge=1,
        le=20,
        description="how many of the portrait's preferences, without a value",
    )


class Since(Value):
    value: str
    event_id: str
    """The first event that speaks for the taste."""
    day: str
    """Day of that event, as 2001-12-31; empty where the data have no times."""


class SinceResult(Result):
    user_id: str
    since: list[Since] = Field(default=[])


@tool(
    "since_when",
    (
        "Since when a user likes, or dislikes, a value, or what the portrait holds: the "
        "first event that speaks for it."
    ),
    SinceArgs,
    tells="user",
)
async def since_when(engine: Engine, args: SinceArgs) -> SinceResult:
    """Raises UnknownIdError for an unknown user or facet."""
    past = engine.recommendations.past(args.user_id)
    profile = await engine.profile(args.user_id)
    liked = [one for one in profile.preferences if one.polarity == args.polarity]
    kind = ToolStatement(form=f"portrait.{args.polarity}")
    first_events = [
        (value, event)
        for facet, value in _named(engine, args, liked)
        if (event := _first(engine, past, facet, value, args.polarity)) is not None
    ]
    values: dict[str, str | int | float | ToolStatement] = {
        "user": args.user_id,
        "value": args.value,
        "kind": kind,
    }
    if not first_events:
        form = f"since.no_{args.polarity}" if args.value else "portrait.none"
        return SinceResult(
            found=False, said=[ToolStatement(form=form, values=values)], user_id=args.user_id
        )
    lines = [
        ToolStatement(
            form="since.line", values={"value": value, "line": phrase_of(line_of(engine, event))}
        )
        for value, event in first_events
    ]
    lead = ToolStatement(form=f"since.{args.polarity}", values={**values, "lines": listed(lines)})
    if args.value and not any(one.value.casefold() == args.value.casefold() for one in liked):
        line = phrase_of(line_of(engine, first_events[0][1]))
        lead = ToolStatement(form=f"since.unsaid_{args.polarity}", values={**values, "line": line})
    said = [lead, ToolStatement(form=f"since.define.{args.polarity}")]
    return SinceResult(
        found=True,
        said=said,
        user_id=args.user_id,
        since=[
            Since(value=value, event_id=event.event_id, day=_day(event))
            for value, event in first_events
        ],
    )


def _named(engine: Engine, args: SinceArgs, liked: Sequence[Preference]) -> list[tuple[str, str]]:
    """(facet, value) of the question, else of the portrait's first preferences. Raises
    UnknownIdError for an unknown facet of a value.
    """
    if args.value:
        facets_named(engine, args.facet)
        return [(args.facet, args.value)]
    named = [(one.facet, one.value) for one in liked if args.facet in ("", one.facet)]
    return named[: args.limit]


def _first(engine: Engine, past: Past, facet: str, value: str, polarity: Polarity) -> Event | None:
    """The first event on an item that carries the value whose signal speaks for the taste."""
    counted = (
        engine.data.catalogue().population.facet_names
    )  # which one that a user stated may be none of
    ids = (
        chosen(engine, Which(value=value, facet=facet if facet in counted else "")).ids
        or frozenset()
    )
    sign = 1.0 if polarity == "like" else -1.0
    return next(
        (
            one
            for one in past.events
            if one.item_id in ids and sign * past.signal.get(one.event_id, 0.0) >= NEUTRAL
        ),
        None,
    )


def _day(event: Event) -> str:
    return f"{event.timestamp:%Y-%m-%d}" if event.timestamp else ""
