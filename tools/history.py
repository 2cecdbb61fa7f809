"""What did this user do?"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from limner.core.schema import Event, Item
from limner.core.signals import RATED_TYPES
from limner.engine import Engine
from limner.tools.base import Result, ToolStatement, Value, tool
from limner.tools.which import Chosen, Which, among, chosen, fits, title_of
from limner.tools.words import kind, kind_before, listed, phrase

Order = Literal["newest", "oldest", "highest", "lowest"]


class HistoryArgs(Which):
    user_id: str = Field(description="the user's id, exactly as in the data")
    order: Order = Field(
        default="newest",
        description=(
            "newest or oldest first, or by the rating that was given: highest or lowest first"
        ),
    )
    count: Literal["events", "items"] = Field(
        default="events", description="whether to count events or different items"
    )
    limit: int = Field(
        default=5, ge=0, le=50, description="how many of the events to list; 0 only counts them"
    )
    skip: int = Field(
        default=0,
        ge=0,
        description="how many of the events to pass over before those that are listed",
    )


class HistoryLine(Value):
    event_id: str
    item_id: str | None
    title: str
    type: str
    value: float | None
    timestamp: datetime | None


class HistoryResult(Result):
    user_id: str
    total: int
    """Events that fit."""
    items: int
    """Different items in them."""
    events: list[HistoryLine] = Field(default=[])


@tool(
    "history",
    (
        "Events of one user: how many (of a type, an item, a value, a time), and the newest, "
        "oldest or best rated of them."
    ),
    HistoryArgs,
    tells="user",
)
async def history(engine: Engine, args: HistoryArgs) -> HistoryResult:
    about = chosen(engine, args)
    events = [one for one in engine.data.history(args.user_id) if fits(one, args, about)]
    items = {one.item_id for one in events if one.item_id}
    ordered = _ordered(events, args.order)
    top = ordered[args.skip : args.skip + args.limit]
    known = engine.data.items_by_id([one.item_id for one in top if one.item_id])
    lines = [_line(one, known) for one in top]
    if not events:
        said = [_none(args, about)]
    elif args.order == "newest" and not (args.skip and args.limit):
        said = [_count(args, about, len(events), len(items)), *_latest(lines)]
    else:
        said = _in_order(args, about, lines, ordered)
    return HistoryResult(
        found=bool(top or (events and not args.limit)),
        said=said,
        user_id=args.user_id,
        total=len(events),
        items=len(items),
        events=lines,
    )


def _in_order(
    args: HistoryArgs, about: Chosen, lines: Sequence[HistoryLine], ordered: Sequence[Event]
) -> list[ToolStatement]:
    if args.skip and args.limit:
        return [_beyond(args, about, lines, len(ordered))]
    if args.limit and not lines:
        values = {"user": args.user_id, "what": about.what}
        return [ToolStatement(form="history.unrated", values={**values})]
    return _extremes(args, about, lines, ordered)


def _ordered(events: Sequence[Event], order: Order) -> list[Event]:
    """Newest first, oldest first, or rated ones by rating, of equal ratings the newest first."""
    if order == "oldest":
        return [one for one in events if one.item_id] or list(events)
    newest = list(events)[::-1]
    if order == "newest":
        return newest
    rated = [
        one for one in newest if one.type in RATED_TYPES and one.value is not None and one.item_id
    ]
    sign = -1.0 if order == "highest" else 1.0
    return sorted(rated, key=lambda one: sign * (one.value or 0.0))


def _line(event: Event, items: dict[str, Item]) -> HistoryLine:
    item = items.get(event.item_id or "")
    return HistoryLine(
        event_id=event.event_id,
        item_id=event.item_id,
        title=title_of(item, event.text or event.type),
        type=event.type,
        value=event.value,
        timestamp=event.timestamp,
    )


def line_of(engine: Engine, event: Event) -> HistoryLine:
    """One event, with the title of its item."""
    return _line(event, engine.data.items_by_id([event.item_id] if event.item_id else []))


def _none(args: HistoryArgs, about: Chosen) -> ToolStatement:
    values: dict[str, str | int | float | ToolStatement] = {
        "user": args.user_id,
        "type": kind_before(args.type),
        "what": about.what,
        "when": about.when,
        "n": 0,
    }
    return ToolStatement(
        form="history.none" if args.type or about.ids is None else "history.none_of", values=values
    )


def _count(args: HistoryArgs, about: Chosen, events: int, items: int) -> ToolStatement:
    form = "history.items" if args.count == "items" else "history.count"
    form = (
        form
        if about.ids is None or args.count == "items"
        else "history.count_item"
        if about.item
        else "history.count_of"
    )
    return ToolStatement(
        form=form,
        values={
            "user": args.user_id,
            "n": events,
            "items": items,
            "type": kind_before(args.type),
            "what": about.what,
            "when": about.when,
            "of": phrase("")
            if about.ids is None
            else ToolStatement(form="of.what", values={"what": about.what}),
        },
    )


def _latest(lines: Sequence[HistoryLine]) -> list[ToolStatement]:
    if not lines:
        return []
    parts = listed([phrase_of(one) for one in lines])
    return [ToolStatement(form="history.latest", values={"lines": parts})]


def _beyond(
    args: HistoryArgs, about: Chosen, lines: Sequence[HistoryLine], n: int
) -> ToolStatement:
    """A statement of the events that follow the `skip` first ones of the order."""
    values: dict[str, str | int | float | ToolStatement] = {
        "user": args.user_id,
        "skip": args.skip,
        "when": about.when,
        "n": n,
    }
    values["of"] = among(about)
    if not lines:
        return ToolStatement(form="history.no_more", values=values)
    parts = listed([phrase_of(one) for one in lines])
    form = f"history.beyond.{args.order}{'.one' if args.skip == 1 else ''}"
    return ToolStatement(form=form, values={**values, "lines": parts})


def phrase_of(line: HistoryLine) -> ToolStatement:
    """One event in words: "rating 4 of “Toy Story (1995)” on 1997-11-05"."""
    day = (
        ToolStatement(form="on.day", values={"day": f"{line.timestamp:%Y-%m-%d}"})
        if line.timestamp
        else phrase("")
    )
    value = f" {line.value:g}" if line.value is not None else ""
    return ToolStatement(
        form="event",
        values={"type": kind(line.type), "value": value, "title": line.title, "day": day},
        evidence=[line.event_id],
    )


def _extremes(
    args: HistoryArgs, about: Chosen, lines: Sequence[HistoryLine], ordered: Sequence[Event]
) -> list[ToolStatement]:
    """The first of the order, and what comes after it."""
    if not lines:
        return []
    first = lines[0]
    if args.order == "oldest":
        statements = [
            ToolStatement(
                form="history.first_event" if about.item else "history.first",
                values=_of(args, about, first),
            )
        ]
    else:
        ties = sum(one.value == first.value for one in ordered)
        form = "history.highest" if args.order == "highest" else "history.lowest"
        statements = [ToolStatement(form=form, values=_of(args, about, first))]
        if ties > 1:
            statements.append(
                ToolStatement(form="history.ties", values={"n": ties, "value": first.value or 0.0})
            )
    if lines[1:]:
        rest = listed([phrase_of(one) for one in lines[1:]])
        statements.append(ToolStatement(form="history.then", values={"lines": rest}))
    return statements


def _of(
    args: HistoryArgs, about: Chosen, line: HistoryLine
) -> dict[str, "str | int | float | ToolStatement"]:
    return {
        "user": args.user_id,
        "title": line.title,
        "line": phrase_of(line),
        "when": about.when,
        "of": among(about),
        "what": about.what,
    }
