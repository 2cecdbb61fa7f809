"""What did this user have last?"""

from pydantic import Field

from agent.engine import Engine
from agent.schema import Event
from tools.base import Result, Said, tool
from tools.history import HistoryLine, phrase_of
from tools.which import Which, chosen, fits, title_of


class LastArgs(Which):
    user_id: str = Field(description="the user's id, exactly as in the data")


class LastResult(Result):
    user_id: str
    last: HistoryLine | None = None
    tied: int = 0
    """Other items of the same moment."""


@tool("last_item", "The item that one user had last (of a type, value or time, where asked).", LastArgs, tells="user")
async def last_item(engine: Engine, args: LastArgs) -> LastResult:
    about = chosen(engine, args)
    events = [one for one in engine.history(args.user_id) if one.item_id and fits(one, args, about)]
    if not events:
        none = Said(form="last.none", values={"user": args.user_id, "what": about.what, "when": about.when})
        return LastResult(found=False, said=[none], user_id=args.user_id)
    newest = events[-1]
    line = _line(engine, newest)
    tied = {one.item_id for one in events if one.timestamp == newest.timestamp} - {newest.item_id}
    said = [
        Said(
            form="last.item",
            values={"user": args.user_id, "title": line.title, "line": phrase_of(line), "when": about.when},
        )
    ]
    if newest.timestamp is None:
        said.append(Said(form="last.no_times"))
    elif tied:
        said.append(Said(form="last.tied", values={"n": len(tied)}))
    return LastResult(found=True, said=said, user_id=args.user_id, last=line, tied=len(tied))


def _line(engine: Engine, event: Event) -> HistoryLine:
    item = engine.items_by_id([event.item_id or ""]).get(event.item_id or "")
    return HistoryLine(
        event_id=event.event_id, item_id=event.item_id, title=title_of(item, event.item_id or ""), type=event.type,
        value=event.value, timestamp=event.timestamp,
    )  # fmt: skip
