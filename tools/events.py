"""How many events are there?"""

import numpy as np

from limner.engine import Engine
from limner.tools.base import Result, ToolStatement, tool
from limner.tools.which import Which, chosen, rows_of
from limner.tools.words import kind_before, phrase


class CountArgs(Which):
    pass


class CountResult(Result):
    events: int
    users: int
    """Number of different users of these events."""
    items: int
    """Number of different items of these events."""


@tool(
    "count_events",
    "How many events there are of all users, of how many users and on how many items: of "
    "a type, an item, a value, a "
    "time, or with such ratings.",
    CountArgs,
    tells="catalogue",
)
async def count_events(engine: Engine, args: CountArgs) -> CountResult:
    """Raises UnknownIdError for an unknown item or facet."""
    about = chosen(engine, args)
    x = engine.data.census().x
    rows = rows_of(engine, args, about)
    users, items = len(np.unique(x.user[rows])), len(np.unique(x.item[rows]))
    values: dict[str, str | int | float | ToolStatement] = {
        "n": int(rows.sum()),
        "type": kind_before(args.type),
        "when": about.when,
        "users": users,
        "items": items,
        "of": phrase("")
        if about.ids is None
        else ToolStatement(form="on.what", values={"what": about.what}),
    }
    said = [ToolStatement(form="events.count", values=values)]
    if span := engine.data.period():
        days = {"since": f"{span[0]:%Y-%m-%d}", "until": f"{span[1]:%Y-%m-%d}"}
        said.append(ToolStatement(form="cohort.period", values={**days}))
    return CountResult(found=True, said=said, events=int(rows.sum()), users=users, items=items)
