"""What did this user have last?"""

from pydantic import Field

from limner.engine import Engine
from limner.tools.base import Result, ToolStatement, tool
from limner.tools.history import HistoryLine, line_of, phrase_of
from limner.tools.which import Which, among, chosen, fits


class LastArgs(Which):
    user_id: str = Field(description="the user's id, exactly as in the data")
    skip: int = Field(
        default=0,
        ge=0,
        description="how many of the newest to pass over: 1 is the one before the last",
    )


class LastResult(Result):
    user_id: str
    last: HistoryLine | None = None
    tied: int = 0
    """Other items with the same time."""


@tool(
    "last_item",
    "The item that one user had last (of a type, value or time, where asked).",
    LastArgs,
    tells="user",
)
async def last_item(engine: Engine, args: LastArgs) -> LastResult:
    about = chosen(engine, args)
    events = [
        one for one in engine.data.history(args.user_id) if one.item_id and fits(one, args, about)
    ]
    if not events:
        none = ToolStatement(
            form="last.none", values={"user": args.user_id, "what": about.what, "when": about.when}
        )
        return LastResult(found=False, said=[none], user_id=args.user_id)
    if args.skip >= len(events):
        more = ToolStatement(
            form="history.no_more",
            values={"user": args.user_id, "n": len(events), "when": about.when},
        )
        return LastResult(found=False, said=[more], user_id=args.user_id)
    newest = events[-1 - args.skip]
    line = line_of(engine, newest)
    tied = {one.item_id for one in events if one.timestamp == newest.timestamp} - {newest.item_id}
    statements = [
        ToolStatement(
            form="last.item"
            if not args.skip
            else "last.before"
            if args.skip == 1
            else "last.before_many",
            values={
                "user": args.user_id,
                "title": line.title,
                "line": phrase_of(line),
                "when": about.when,
                "skip": args.skip,
                "of": among(about),
            },
        )
    ]
    if newest.timestamp is None:
        statements.append(ToolStatement(form="last.no_times"))
    elif tied:
        statements.append(ToolStatement(form="last.tied", values={"n": len(tied)}))
    return LastResult(found=True, said=statements, user_id=args.user_id, last=line, tied=len(tied))
