"""Which users, and how many, have this in their history?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import numpy as np
from pydantic import Field

from limner.core.errors import BadInputError
from limner.engine import Engine
from limner.state.event_counts import MIN_LIKED, Census, Course, Mask, UserCounts
from limner.tools.base import Polarity, Result, ToolStatement, Value, tool
from limner.tools.which import Chosen, Which, chosen, rows_of
from limner.tools.words import kind_before, listed, phrase

Span = tuple[datetime, datetime] | None
Judged = Literal["", "like", "dislike"]


class CohortArgs(Which):
    polarity: Judged = Field(
        default="",
        description="only users who liked, or disliked, such items; empty: who had at least one",
    )
    course: Course = Field(
        default="",
        description="of users who liked or disliked them: who stopped, or who started only lately",
    )
    or_item: str = Field(default="", description="or this item, by id or title, instead")
    or_value: str = Field(default="", description="or items with this value instead")
    and_item: str = Field(
        default="", description="only users who had this item, by id or title, as well"
    )
    and_value: str = Field(
        default="", description="only users who had an item with this value as well"
    )
    and_polarity: Judged = Field(
        default="",
        description="only users who liked, or disliked, what was had as well; empty: had it",
    )
    not_item: str = Field(
        default="", description="only users who did not have this item, by id or title"
    )
    not_value: str = Field(default="", description="only users who had no item with this value")
    not_polarity: Judged = Field(
        default="",
        description=(
            "only users who did not like, or did not dislike, what they should not have had"
        ),
    )
    min_events: int = Field(default=1, ge=1, description="at least so many such events a user")
    max_events: int | None = Field(
        default=None, ge=0, description="at most so many such events a user; 0: users who have none"
    )
    where: str = Field(
        default="", description="a condition on users' attributes, such as: age < 30 and gender = F"
    )
    limit: int = Field(default=5, ge=0, le=100, description="how many of the users to list")


class CohortUser(Value):
    user_id: str
    n: int
    """Events, or different liked items, that the condition is about."""
    event_id: str
    """Id of the newest of these events."""


class CohortResult(Result):
    total: int
    of: int
    """Users among whom they were looked for: the denominator."""
    users: list[CohortUser] = Field(default=[])
    """Users with the most such events first."""


@dataclass(frozen=True)
class _Beside:
    """A second condition on the same users: what they must, or must not, have had or liked
    as well.
    """

    about: Chosen
    polarity: Judged
    wanted: bool
    users: Mask
    """[users of the census] who had or liked it."""


@tool(
    "cohort",
    "How many users, and which, had an item or items with a value, rated them so, liked "
    "or disliked them, stopped or "
    "started, also had or liked a second, or did not, within a time, of a type, at least "
    "so often, or fit a condition "
    "on their attributes.",
    CohortArgs,
)
async def cohort(engine: Engine, args: CohortArgs) -> CohortResult:
    """Raises BadInputError where the condition cannot be used, UnknownIdError for an unknown item
    or facet.
    """
    _check(args)
    census = engine.data.census()
    about = chosen(engine, args)
    if args.where:
        matching = [one.user_id for one in engine.data.users(args.where)]
        among = census.users(matching)
    else:
        matching, among = engine.data.user_ids(), None
    beside = _beside(engine, census, args)
    for condition in beside:
        fit = condition.users if condition.wanted else ~condition.users
        among = fit if among is None else among & fit
    if args.max_events == 0:
        left = _without(
            engine, args, about, [one for one in matching if _fits(census, one, beside)]
        )
        users = [CohortUser(user_id=one, n=0, event_id="") for one in left[: args.limit]]
        total = len(left)
    else:
        about, counts = _counted(engine, census, args, about, among)
        users = _first_users(engine, census, counts, args.limit)
        # Whoever did nothing at all fits a condition on attributes too.
        total = len(matching) if _only_where(args, about) and not beside else len(counts)
    statements = _said(args, about, beside, total, len(matching), users, engine.data.period())
    return CohortResult(found=True, said=statements, total=total, of=len(matching), users=users)


def _counted(
    engine: Engine, census: Census, args: CohortArgs, about: Chosen, among: Mask | None
) -> tuple[Chosen, UserCounts]:
    """What is asked about, with its alternative, and the users who have or like it often enough."""
    counts = _held(engine, census, args, about, among)
    other = _other(args)
    if other is not None:
        either = chosen(engine, other)
        others = _held(engine, census, other, either, among)
        counts = _either(engine, census, args, (about, either), counts, others, among)
        what = ToolStatement(
            form="what.either", values={"first": about.what, "second": either.what}
        )
        about = replace(about, what=what)
    return about, _bounded(counts, args)


def _first_users(engine: Engine, census: Census, counts: UserCounts, n: int) -> list[CohortUser]:
    top = counts.seqs[:n].tolist()
    ids = {one.seq: one.event_id for one in engine.data.events_by_seq(top)}
    return [
        CohortUser(user_id=census.user_ids[user], n=count, event_id=ids.get(seq, ""))
        for user, count, seq in zip(
            counts.users.tolist(), counts.counts.tolist(), top, strict=False
        )
    ]


def _check(args: CohortArgs) -> None:
    """Raises BadInputError for what would answer another question than the one asked."""
    if args.max_events == 0 and (args.polarity or args.or_item or args.or_value):
        raise BadInputError("cohort.none_needs_what")
    if args.course and not args.polarity:
        raise BadInputError("cohort.course_needs_polarity")
    if args.not_polarity and not (args.not_item or args.not_value):
        raise BadInputError("cohort.not_polarity_alone")
    if args.and_polarity and not (args.and_item or args.and_value):
        raise BadInputError("cohort.and_polarity_alone")


def _other(args: CohortArgs) -> CohortArgs | None:
    """The question about its alternative item or value; None if it has none."""
    if not (args.or_item or args.or_value):
        return None
    return args.model_copy(update={"item": args.or_item, "value": args.or_value, "facet": ""})


def _held(
    engine: Engine, census: Census, args: CohortArgs, about: Chosen, among: Mask | None
) -> UserCounts:
    rows = rows_of(engine, args, about)
    if args.polarity:
        return census.likers(rows, args.polarity, args.course, among, _least_liked(about))
    return census.holders(rows, among)


def _either(
    engine: Engine,
    census: Census,
    args: CohortArgs,
    about: tuple[Chosen, Chosen],
    first: UserCounts,
    second: UserCounts,
    among: Mask | None,
) -> UserCounts:
    """Users of either item or value; an event that belongs to both counts once."""
    ids = None if about[0].ids is None or about[1].ids is None else about[0].ids | about[1].ids
    rows = rows_of(engine, args, replace(about[0], ids=ids))
    if not args.polarity:
        return census.holders(rows, among)
    return census.either(first, second, rows & census.judged(args.polarity))


def _beside(engine: Engine, census: Census, args: CohortArgs) -> list[_Beside]:
    conditions = []
    for item, value, polarity, wanted in (
        (args.and_item, "", args.and_polarity, True),
        ("", args.and_value, args.and_polarity, True),
        (args.not_item, "", args.not_polarity, False),
        ("", args.not_value, args.not_polarity, False),
    ):
        if item or value:
            which = Which(item=item, value=value)
            about = chosen(engine, which)
            rows = rows_of(engine, which, about)
            counts = (
                census.likers(rows, polarity, "", None, _least_liked(about))
                if polarity
                else census.holders(rows)
            )
            users = np.zeros(len(census.user_ids), dtype=bool)
            users[counts.users] = True
            conditions.append(_Beside(about, polarity, wanted, users))
    return conditions


def _fits(census: Census, user_id: str, beside: Sequence[_Beside]) -> bool:
    position = census.user_position.get(user_id)
    return all((position is not None and bool(one.users[position])) == one.wanted for one in beside)


def _least_liked(about: Chosen) -> int:
    """Fewest different liked items for a user to count as liking something; 1 for a single item."""
    return 1 if about.item else MIN_LIKED


def _bounded(counts: UserCounts, args: CohortArgs) -> UserCounts:
    within = counts.counts >= args.min_events
    if args.max_events is not None:
        within &= counts.counts <= args.max_events
    return UserCounts(counts.users[within], counts.counts[within], counts.seqs[within])


def _without(engine: Engine, args: CohortArgs, about: Chosen, matching: list[str]) -> list[str]:
    """Users who have none of the events, by id."""
    census = engine.data.census()
    holders = census.holders(rows_of(engine, args, about))
    had = {census.user_ids[at] for at in holders.users.tolist()}
    return sorted(one for one in matching if one not in had)


def _only_where(args: CohortArgs, about: Chosen) -> bool:
    """Whether the question has a condition on attributes alone, and none on events."""
    asked = args.type or args.polarity or args.since or args.until or args.rating
    counted = args.min_events > 1 or args.max_events is not None
    return bool(args.where) and about.ids is None and not asked and not counted


def _said(
    args: CohortArgs,
    about: Chosen,
    beside: Sequence[_Beside],
    total: int,
    of: int,
    users: list[CohortUser],
    span: Span,
) -> list[ToolStatement]:
    lead: dict[str, str | int | float | ToolStatement] = {
        "n": total,
        "of": of,
        "what": about.what,
        "when": about.when,
        "events": _events(args),
        "where": _where(args),
        "least": _least(args),
        "often": _often(args),
        "beside": _all_beside(beside),
    }
    if _only_where(args, about) and not beside:
        form = "cohort.where"
        lead["where"] = args.where
    elif args.polarity:
        form = f"cohort.{args.polarity}{'.' + args.course if args.course else ''}"
    elif about.ids is None:
        form = "cohort.events"
    else:
        form = "cohort.item" if about.item else "cohort.value"
    statements = [ToolStatement(form=form, values=lead)]
    if users:
        shown = [_shown(one) for one in users]
        form = "cohort.all" if len(users) == total else "cohort.top"
        statements.append(
            ToolStatement(form=form, values={"users": listed(shown), "k": len(users)})
        )
    statements += _definitions(args, about, beside)
    if span:
        days = {"since": f"{span[0]:%Y-%m-%d}", "until": f"{span[1]:%Y-%m-%d}"}
        statements.append(ToolStatement(form="cohort.period", values={**days}))
    return statements


def _definitions(args: CohortArgs, about: Chosen, beside: Sequence[_Beside]) -> list[ToolStatement]:
    """Statements that define liked and disliked, one for each used."""
    judged: dict[tuple[Polarity, int], ToolStatement] = {}
    if args.polarity:
        judged[args.polarity, _least_liked(about)] = _course(args)
    for one in beside:
        if one.polarity:
            judged.setdefault((one.polarity, _least_liked(one.about)), phrase(""))
    return [
        ToolStatement(form=f"cohort.define.{polarity}", values={"least": least, "course": course})
        for (polarity, least), course in judged.items()
    ]


def _all_beside(beside: Sequence[_Beside]) -> ToolStatement:
    whole = phrase("")
    for one in reversed(beside):
        form = f"beside.{'' if one.wanted else 'not_'}{one.polarity or 'had'}"
        part = ToolStatement(form=form, values={"what": one.about.what})
        whole = ToolStatement(form="beside", values={"first": part, "rest": whole})
    return whole


def _shown(one: CohortUser) -> ToolStatement:
    evidence = [one.event_id] if one.event_id else []
    return ToolStatement(
        form="cohort.user", values={"user": one.user_id, "n": one.n}, evidence=evidence
    )


def _course(args: CohortArgs) -> ToolStatement:
    return ToolStatement(form=f"cohort.course.{args.course}") if args.course else phrase("")


def _events(args: CohortArgs) -> ToolStatement:
    one = args.min_events == 1 and args.max_events is None
    return ToolStatement(
        form="cohort.event" if one else "cohort.events_many",
        values={"type": kind_before(args.type)},
    )


def _where(args: CohortArgs) -> ToolStatement:
    return (
        ToolStatement(form="cohort.fit", values={"where": args.where}) if args.where else phrase("")
    )


def _often(args: CohortArgs) -> ToolStatement:
    """The required number of liked items in words; empty if the question sets none."""
    asked = args.min_events > 1 or args.max_events is not None
    return (
        ToolStatement(form="cohort.often", values={"least": _least(args)}) if asked else phrase("")
    )


def _least(args: CohortArgs) -> ToolStatement:
    if args.max_events == 0:
        return ToolStatement(form="cohort.no")
    if args.max_events is not None and args.min_events > 1:
        return ToolStatement(
            form="cohort.range", values={"n": args.min_events, "m": args.max_events}
        )
    if args.max_events is not None:
        return ToolStatement(form="cohort.most", values={"m": args.max_events})
    return (
        ToolStatement(form="cohort.least", values={"n": args.min_events})
        if args.min_events > 1
        else ToolStatement(form="cohort.any")
    )
