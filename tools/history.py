"""What did this user do?"""

from datetime import datetime

from pydantic import Field

from agent.engine import Engine
from agent.schema import Event
from tools.base import Args, Result, tool


class HistoryArgs(Args):
    user_id: str = Field(description="the user's id, exactly as in the data")
    type: str = Field(default="", description="only events of this type, such as purchase; empty for all")
    limit: int = Field(default=10, ge=1, le=50, description="how many of the latest events")


class HistoryLine(Result):
    event_id: str
    title: str
    timestamp: datetime | None


class HistoryResult(Result):
    user_id: str
    total: int
    events: list[HistoryLine] = Field(default=[])


@tool("history", "The latest events of one user, newest first, and how many there are.", HistoryArgs)
async def history(engine: Engine, args: HistoryArgs) -> HistoryResult:
    events = [event for event in engine.history(args.user_id) if not args.type or event.type == args.type]
    latest = events[-args.limit :][::-1]
    items = engine.items_by_id([event.item_id for event in latest if event.item_id])
    lines = []
    for event in latest:
        item = items.get(event.item_id or "")
        title = (item.title or item.item_id) if item else (event.text or event.type)
        lines.append(
            HistoryLine(
                found=True, answer=_line(event, title), event_id=event.event_id, title=title, timestamp=event.timestamp
            )
        )
    kind = f"{args.type} events" if args.type else "events"
    said = "; ".join(line.answer for line in lines)
    return HistoryResult(
        found=bool(lines),
        answer=f"{args.user_id} has {len(events)} {kind}. Latest: {said}." if lines else f"No {kind} are stored.",
        evidence=[line.event_id for line in lines],
        user_id=args.user_id,
        total=len(events),
        events=lines,
    )


def _line(event: Event, title: str) -> str:
    day = f" on {event.timestamp:%Y-%m-%d}" if event.timestamp else ""
    value = f" {event.value:g}" if event.value is not None else ""
    return f"{event.type}{value} of {title}{day}"
