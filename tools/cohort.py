"""Which users, and how many, have this in their history?"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

import numpy as np
from pydantic import Field

from agent.census import MIN_LIKED, Filter, Held
from agent.engine import Engine
from agent.where import fitting
from tools.base import Result, Said, Value, tool
from tools.which import Chosen, Which, chosen, rows_of
from tools.words import listed, phrase

Span = tuple[datetime, datetime] | None


class CohortArgs(Which):
    polarity: Literal["", "like", "dislike"] = Field(
        default="", description="only users who liked, or disliked, such items; empty: who had at least one"
    )
    course: Literal["", "stopped", "started"] = Field(
        default="", description="of users who liked them: who stopped, or who started only lately"
    )
    and_item: str = Field(default="", description="only users who had this item, by id or title, as well")
    and_value: str = Field(default="", description="only users who had an item with this value as well")
    min_events: int = Field(default=1, ge=1, description="at least so many such events a user")
    max_events: int | None = Field(default=None, ge=0, description="at most so many such events a user")
    where: str = Field(default="", description="a condition on users' attributes, such as: age < 30 and gender = F")
    limit: int = Field(default=5, ge=0, le=100, description="how many of the users to list")


class CohortUser(Value):
    user_id: str
    n: int
    """Events, or different liked items, that the condition is about."""
    event_id: str
    """The newest of them."""


class CohortResult(Result):
    total: int
    of: int
    """Users among whom they were looked for: the denominator."""
    users: list[CohortUser] = Field(default=[])
    """Those with the most first."""


@tool(
    "cohort",
    "How many users, and which, had an item or items with a value, liked or disliked them, stopped or started, within "
    "a time, of a type, at least so often, or fit a condition on their attributes.",
    CohortArgs,
)
async def cohort(engine: Engine, args: CohortArgs) -> CohortResult:
    """Raises BadInputError where the condition cannot be used, UnknownIdError for an unknown item or facet."""
    census = engine.snapshots.census()
    about = chosen(engine, args)
    if args.where:
        matching = [one.user_id for one in fitting(engine.store.users(), args.where, "users")]
        among = census.users(matching)
    else:
        matching, among = engine.store.user_ids(), None
    both = [chosen(engine, one) for one in _also(args)]
    for one in both:
        holders = census.holders(census.rows(Filter(items=census.items(one.ids or frozenset()))))
        had = np.zeros(len(census.user_ids), dtype=bool)
        had[holders.users] = True
        among = had if among is None else among & had
    if args.max_events == 0:
        return _without(engine, args, about, matching)
    if args.polarity:
        items = census.items(about.ids) if about.ids is not None else census.items(census.item_ids)
        held = census.likers(items, args.polarity, args.course, among, _least_liked(about))
    else:
        held = census.holders(rows_of(engine, args, about), among)
    held = _bounded(held, args)
    top = held.seqs[: args.limit].tolist()
    ids = {one.seq: one.event_id for one in engine.store.events_by_seq(top)}
    users = [
        CohortUser(user_id=census.user_ids[user], n=n, event_id=ids.get(seq, ""))
        for user, n, seq in zip(held.users.tolist(), held.counts.tolist(), top, strict=False)
    ]
    return CohortResult(
        found=True, said=_said(args, _joined(about, both), len(held), len(matching), users, engine.snapshots.period()),
        total=len(held),
        of=len(matching), users=users,
    )  # fmt: skip


def _also(args: CohortArgs) -> list[Which]:
    """What the same users must have had beside it."""
    items = [Which(item=args.and_item)] if args.and_item else []
    return [*items, *([Which(value=args.and_value)] if args.and_value else [])]


def _joined(about: Chosen, both: Sequence[Chosen]) -> Chosen:
    """What is asked about, in words, with what they must have had beside it."""
    for one in both:
        about = replace(about, what=Said(form="what.both", values={"first": about.what, "second": one.what}))
    return about


def _least_liked(about: Chosen) -> int:
    """Different liked items from which they are said to be liked; of a single item one is enough."""
    return 1 if about.item else MIN_LIKED


def _bounded(held: Held, args: CohortArgs) -> Held:
    kept = held.counts >= args.min_events
    if args.max_events is not None:
        kept &= held.counts <= args.max_events
    return Held(held.users[kept], held.counts[kept], held.seqs[kept])


def _without(engine: Engine, args: CohortArgs, about: Chosen, matching: list[str]) -> CohortResult:
    """Users who have none of the events, by id."""
    census = engine.snapshots.census()
    holders = census.holders(rows_of(engine, args, about))
    had = {census.user_ids[at] for at in holders.users.tolist()}
    left = sorted(one for one in matching if one not in had)
    users = [CohortUser(user_id=one, n=0, event_id="") for one in left[: args.limit]]
    said = _said(args, about, len(left), len(matching), users, engine.snapshots.period())
    return CohortResult(found=True, said=said, total=len(left), of=len(matching), users=users)


def _said(args: CohortArgs, about: Chosen, total: int, of: int, users: list[CohortUser], span: Span) -> list[Said]:
    only_where = bool(args.where) and about.ids is None and not (args.type or args.polarity or args.min_events > 1)
    lead: dict[str, str | int | float | Said] = {
        "n": total, "of": of, "what": about.what, "when": about.when, "events": _events(args), "where": _where(args),
        "least": _least(args),
    }  # fmt: skip
    if only_where and not (args.since or args.until):
        form = "cohort.where"
        lead["where"] = args.where
    elif args.polarity:
        form = f"cohort.{args.polarity}{'.' + args.course if args.course else ''}"
    elif about.ids is None:
        form = "cohort.events"
    else:
        form = "cohort.item" if about.item else "cohort.value"
    said = [Said(form=form, values=lead)]
    if users:
        shown = [_shown(one) for one in users]
        form = "cohort.all" if len(users) == total else "cohort.top"
        said.append(Said(form=form, values={"users": listed(shown), "k": len(users)}))
    if args.polarity:
        said.append(
            Said(form=f"cohort.define.{args.polarity}", values={"least": _least_liked(about), "course": _course(args)})
        )
    if span:
        days = {"since": f"{span[0]:%Y-%m-%d}", "until": f"{span[1]:%Y-%m-%d}"}
        said.append(Said(form="cohort.period", values={**days}))
    return said


def _shown(one: CohortUser) -> Said:
    evidence = [one.event_id] if one.event_id else []
    return Said(form="cohort.user", values={"user": one.user_id, "n": one.n}, evidence=evidence)


def _course(args: CohortArgs) -> Said:
    return Said(form=f"cohort.course.{args.course}") if args.course else phrase("")


def _events(args: CohortArgs) -> Said:
    one = args.min_events == 1 and args.max_events is None
    kind = f"{args.type} " if args.type else ""
    return Said(form="cohort.event" if one else "cohort.events_many", values={"type": kind})


def _where(args: CohortArgs) -> Said:
    return Said(form="cohort.fit", values={"where": args.where}) if args.where else phrase("")


def _least(args: CohortArgs) -> Said:
    if args.max_events == 0:
        return Said(form="cohort.no")
    if args.max_events is not None and args.min_events > 1:
        return Said(form="cohort.range", values={"n": args.min_events, "m": args.max_events})
    if args.max_events is not None:
        return Said(form="cohort.most", values={"m": args.max_events})
    return Said(form="cohort.least", values={"n": args.min_events}) if args.min_events > 1 else Said(form="cohort.any")
