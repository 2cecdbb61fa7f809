"""How much: plays, pieces, seconds and money, summed over events, and who has the most."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from limner.core.schema import User
from limner.engine import Engine
from limner.state.event_counts import Census, Mask
from limner.tools.base import Result, ToolStatement, Value, tool
from limner.tools.which import Which, among, chosen, rows_of
from limner.tools.words import listed, phrase


class AmountsArgs(Which):
    user_id: str = Field(default="", description="only events of this user; empty for everybody")
    spent: bool = Field(
        default=False, description="money, as amounts times the prices of items, instead of amounts"
    )
    least: bool = Field(default=False, description="who has the least, instead of the most")
    where: str = Field(
        default="", description="only users that fit this condition, such as: age < 30"
    )
    limit: int = Field(default=5, ge=1, le=50, description="how many users or items are named")


class Amount(Value):
    id: str
    """Of a user; of an item where the amounts of one user are asked for."""
    amount: float
    event_id: str
    """The event with the largest amount."""


class AmountsResult(Result):
    total: float = 0.0
    events: int = 0
    """Events that were summed."""
    plain: int = 0
    """Those of them without an amount, each of which counts as one."""
    of: int = 0
    """Different users, or items of the one user, with any of it."""
    top: list[Amount] = Field(default=[])


@tool(
    "amounts",
    (
        "Amounts summed over events: how many plays, pieces or seconds, or how much money was "
        "spent, on an item, on items with a value, or on everything; by everybody, with the users "
        "who have the most, or by one user, with their items that have the most. Use it for how "
        "often something was played where the data hold play counts, for quantities, and for "
        "spend; use cohort or audience to count users or events."
    ),
    AmountsArgs,
)
async def amounts(engine: Engine, args: AmountsArgs) -> AmountsResult:
    """Raises UnknownIdError for an unknown user or item, BadInputError for a wrong condition."""
    census, about = engine.data.census(), chosen(engine, args)
    rows = rows_of(engine, args, about) & ~census.rated
    if args.user_id:
        own = engine.data.user(args.user_id)
        rows &= census.users([own.user_id])[census.x.user]
    elif args.where:
        fit: list[User] = engine.data.users(args.where)
        rows &= census.users([one.user_id for one in fit])[census.x.user]
    amount, plain = _amounts(census)
    values: dict[str, str | int | float | ToolStatement] = {
        "of": among(about)
        if about.item is None
        else ToolStatement(form="on.what", values={"what": about.what}),
        "when": about.when,
        "who": ToolStatement(form="amounts.who", values={"user": args.user_id})
        if args.user_id
        else phrase(""),
    }
    if args.spent:
        amount = amount * _prices(engine, census)
        plain = np.zeros_like(plain)
        rows &= np.isfinite(amount)
    if not rows.any():
        form = "amounts.no_prices" if args.spent else "amounts.none"
        return AmountsResult(found=False, said=[ToolStatement(form=form, values=values)])
    codes, ids = (
        (census.x.item, census.item_ids) if args.user_id else (census.x.user, census.user_ids)
    )
    top, of = _most(engine, census, rows, amount, codes, ids, args)
    total, n = float(amount[rows].sum()), int(rows.sum())
    values |= {"total": _round(total), "n": n}
    statements = [
        ToolStatement(form="amounts.spent" if args.spent else "amounts.total", values=values)
    ]
    if len(top) > 1 or not args.user_id:
        form = "amounts.least" if args.least else "amounts.most"
        lines = listed([_line(engine, one, args) for one in top])
        statements.append(ToolStatement(form=form, values={"lines": lines, "k": of}))
    if plain_rows := int((rows & plain).sum()):
        statements.append(ToolStatement(form="amounts.plain", values={"n": plain_rows}))
    return AmountsResult(
        found=True, said=statements, total=total, events=n, plain=plain_rows, of=of, top=top
    )


def _amounts(census: Census) -> tuple[NDArray[np.float64], Mask]:
    """[events] the amount of each, negative for what was returned, and whether it only counts as
    one.
    """
    x = census.x
    returns = np.array([kind == "return" for kind in x.types], dtype=bool)
    plain = ~np.isfinite(x.value)
    amount = np.where(plain, 1.0, x.value)
    back = returns[x.type] if len(x) else np.empty(0, dtype=bool)
    return np.where(back, -np.abs(amount), amount), plain


def _prices(engine: Engine, census: Census) -> NDArray[np.float64]:
    """[events] the price of the event's item, NaN where none is known."""
    items = engine.data.catalogue().items
    prices = [
        np.nan if (item := items.get(one)) is None or item.price is None else item.price
        for one in census.item_ids
    ]
    return np.asarray(prices, dtype=np.float64)[census.x.item]


def _most(
    engine: Engine,
    census: Census,
    rows: Mask,
    amount: NDArray[np.float64],
    codes: NDArray[np.int32],
    ids: list[str],
    args: AmountsArgs,
) -> tuple[list[Amount], int]:
    """The users or items with the largest sums, or the smallest, and how many have any."""
    sums = np.bincount(codes[rows], weights=amount[rows], minlength=len(ids))
    held = np.flatnonzero(np.bincount(codes[rows], minlength=len(ids)))
    order = held[np.lexsort((held, sums[held] if args.least else -sums[held]))][: args.limit]
    largest = []
    for code in order.tolist():
        own = np.flatnonzero(rows & (codes == code))
        largest.append(int(census.x.seq[own[np.argmax(amount[own])]]))
    events = {one.seq: one.event_id for one in engine.data.events_by_seq(largest)}
    top = [
        Amount(id=ids[code], amount=float(sums[code]), event_id=events.get(seq, ""))
        for code, seq in zip(order.tolist(), largest, strict=True)
    ]
    return top, len(held)


def _line(engine: Engine, one: Amount, args: AmountsArgs) -> ToolStatement:
    name = one.id
    if args.user_id and (item := engine.data.catalogue().items.get(one.id)) is not None:
        name = f"“{item.title or one.id}”"
    return ToolStatement(
        form="amounts.line",
        values={"name": name, "amount": _round(one.amount)},
        evidence=[one.event_id] if one.event_id else [],
    )


def _round(amount: float) -> int | float:
    """Whole where it is whole, else with two decimals."""
    return int(amount) if float(amount).is_integer() else round(amount, 2)
