"""Follow-up questions: pronouns, "those two", "and user 7?", "what about comedies?", "why?"."""

import re
from dataclasses import replace
from datetime import date

from limner.chat.conversation import Conversation
from limner.chat.dates import Period, beside
from limner.chat.reading import QuestionReading
from limner.chat.steps import Step, step
from limner.tools import history, since_when

_SUBJECTS = (
    "count",
    "last",
    "first",
    "most",
    "best",
    "worst",
    "rate",
    "favourite",
    "like",
    "dislike",
    "similar",
    "recommend",
    "portrait",
    "popular",
    "price",
    "mean",
    "stopped",
    "started",
    "fading",
    "active",
    "event",
    "compare",
    "more",
    "less",
    "why",
    "period",
)
_MEANT = frozenset(_SUBJECTS)
_ADDED = frozenset({"item", "event", "female", "male"})
"""Tags that a follow-up adds to the question before."""
_BEFORE = 10_000
"""Tokens by which what was said before lies before what is said now."""
_IT = re.compile(
    r"\b(?:like|likes|liked|love|loved|enjoy|enjoyed|hate|hated|dislike|disliked|rate|rated|buy|bought|see|seen|saw"
    r"|watch|watched|have|had|give|gave)\s+(?:it\b|(?:this|that|the)\s+(?:film|movie|item|product|book|song|one)\b)"
    r"|[给对]它|[看买]过它|喜欢它|[这那该][部个件本](?:电影|影片|片子|物品|商品|书)",
    re.IGNORECASE,
)
_CARRYING = frozenset(
    {"since", "earlier", "later", "again", "pronoun", "person", "like", "dislike", "had", "item"}
)
"""With these tags alone a question carries on."""
_BARE = frozenset({"person", "pronoun", "item", "again", "female", "male"})
"""Tags that ask nothing."""


def followed(reading: QuestionReading, talk: Conversation) -> QuestionReading:
    """The question with what it leaves out, taken from what was said before."""
    found = (
        _asked_why(reading, talk)
        or _narrowed(reading, talk)
        or _continued(reading, talk)
        or reading
    )
    return _people(_it(found, talk), reading, talk)


def carried_on(reading: QuestionReading, talk: Conversation) -> Step | None:
    """ "And before that?", "since when?": the last call again, one on in time, or from its
    beginning; else None.
    """
    if not talk.steps or not _is_bare(reading):
        return None
    last = talk.steps[0]
    if len(talk.steps) > 1 and last.tool.name != "explain_preference":
        return None
    if reading.has("since"):
        return _from_when(last, reading.tags | (talk.reading.tags if talk.reading else set()))
    later = reading.has("later")
    if later == reading.has("earlier"):
        return None
    given = last.args.model_dump(mode="json")
    name, limit, skip = last.tool.name, int(given.get("limit") or 1), int(given.get("skip") or 0)
    one = name == "last_item" or (name == "history" and limit == 1)
    forward = later if given.get("order") == "oldest" else not later
    ordered = name == "last_item" or (
        name == "history" and given["order"] in ("newest", "oldest") and given["limit"]
    )
    if ordered and (one or not (given["since"] or given["until"])):
        back = skip + limit if forward else skip - limit
        return step(last.tool, **{**given, "skip": back}) if back >= 0 else None
    if not any(given.get(one) for one in ("since", "until")) or name == "compare_periods":
        return None
    moved = beside(Period(_day(given["since"]), _day(given["until"])), later=later)
    if moved is None:
        return None
    days = {
        "since": f"{moved.since}" if moved.since else None,
        "until": f"{moved.until}" if moved.until else None,
    }
    return step(last.tool, **{**given, **days, "skip": None})


def _is_bare(reading: QuestionReading) -> bool:
    """Whether a question names nothing, and its words only carry on what was said."""
    named = (
        not reading.names_nothing
        or reading.period
        or reading.bounds
        or reading.numbers
        or reading.strange
    )
    return (
        not named and reading.tags <= _CARRYING and not reading.nobody and not reading.unknown_items
    )


def _from_when(last: Step, tags: set[str]) -> Step | None:
    """The first event of what a call was about, or since when what it told is liked. tags: of what
    was asked.
    """
    given = last.args.model_dump(mode="json")
    user, name = given.get("user_id"), last.tool.name
    if not user or given.get("since") or given.get("until"):
        return None
    if name in ("portrait", "explain_preference") and not given.get("trend"):
        polarity = "dislike" if "dislike" in (given["polarity"], *tags) else "like"
        if given["polarity"] not in ("", polarity):
            return None
        kept = {one: given.get(one) for one in ("user_id", "value", "facet")}
        return step(since_when, **kept, polarity=polarity, limit=int(given.get("limit") or 1))
    if name in ("history", "last_item", "ratings"):
        kept = {
            one: given.get(one) for one in ("user_id", "item", "value", "facet", "type", "rating")
        }
        return step(history, **kept, order="oldest", limit=1)
    return None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _asked_why(reading: QuestionReading, talk: Conversation) -> QuestionReading | None:
    """A bare "why?" asks for the grounds of what was answered last."""
    if not reading.has("why") or not reading.names_nothing or not talk.steps:
        return None
    last = talk.steps[-1]
    given = last.args.model_dump()
    user = given.get("user_id")
    users = [user] if isinstance(user, str) else []
    tags = set(reading.tags)
    if last.tool.name in ("recommend", "explain_recommendation"):
        tags.add("recommend")
    elif users:
        tags.add(str(given.get("polarity") or "portrait"))
    if talk.reading is None or last.tool.name in ("recommend", "explain_recommendation"):
        return replace(reading, users=users, tags=tags)
    return replace(reading, users=users, tags=tags, values=talk.reading.values)


def _narrowed(reading: QuestionReading, talk: Conversation) -> QuestionReading | None:
    """ "How many of them liked Fargo too?": the same users, or the same user's items, with one
    condition more.
    """
    last = talk.reading
    if last is None or not talk.steps or not reading.has("of_them") or reading.users:
        return None
    if (
        (last.period and reading.period)
        or (last.rating and reading.rating)
        or len({*_users_of(talk)}) > 1
    ):
        return None
    tool = talk.steps[-1].tool.name
    if tool in ("cohort", "find_users"):
        before = [replace(one, at=one.at - _BEFORE) for one in last.things]
        words = [replace(one, at=one.at - _BEFORE) for one in last.words]
        return replace(
            reading,
            items=[*last.items, *reading.items],
            values=[*last.values, *reading.values],
            things=[*before, *reading.things],
            words=[*words, *reading.words],
            types=last.types or reading.types,
            groups=[*last.groups, *reading.groups],
            conditions=[*last.conditions, *reading.conditions],
            numbers=[*last.numbers, *reading.numbers],
            period=reading.period or last.period,
            period_text=reading.period_text or last.period_text,
            rating=reading.rating or last.rating,
            tags=(last.tags | reading.tags | {"person"}) - {"of_them"},
        )
    if last.users and not last.things and tool in ("history", "last_item", "ratings"):
        return replace(
            reading,
            users=last.users,
            types=reading.types or last.types,
            period=reading.period or last.period,
            period_text=reading.period_text or last.period_text,
            rating=reading.rating or last.rating,
            tags=(reading.tags | {"item"}) - {"of_them", "person", "who"},
        )
    return None


def _users_of(talk: Conversation) -> list[str]:
    """The users that the last answer was about."""
    given = [one.args.model_dump() for one in talk.steps]
    return [str(one[name]) for one in given for name in ("user_id", "other_id") if one.get(name)]


def _it(found: QuestionReading, talk: Conversation) -> QuestionReading:
    """ "Did she like it?": the one item that the last question was about."""
    last = talk.reading
    if last is None or found.things or len(last.items) != 1 or not _IT.search(found.text):
        return found
    return replace(
        found, items=last.items, things=[one for one in last.things if one.item is not None]
    )


def _continued(reading: QuestionReading, talk: Conversation) -> QuestionReading | None:
    """The last question with another user, item, value, type or time: "And user 7?"."""
    last = talk.reading
    if last is None or reading.strange or not _is_elliptic(reading):
        return None
    if len(last.things) > 1 and reading.things:
        return None  # which of them it takes the place of is not said
    about = (
        reading.items
        or reading.values
        or reading.types
        or reading.period
        or reading.facets
        or reading.groups
    )
    bound = reading.bounds or reading.order_by
    named = reading.items or reading.values
    changed = replace(
        last,
        text=reading.text,
        language=reading.language,
        users=reading.users
        or ([talk.user_id] if reading.has("pronoun") and talk.user_id else last.users),
        items=reading.items if named else last.items,
        values=reading.values if named else last.values,
        things=reading.things if named else last.things,
        words=last.words,
        period_text=reading.period_text or last.period_text,
        rating=reading.rating or last.rating,
        types=reading.types or last.types,
        facets=reading.facets or ([] if reading.values else last.facets),
        groups=reading.groups or last.groups,
        period=reading.period or last.period,
        numbers=reading.numbers or last.numbers,
        tags=set(last.tags) | (reading.tags & _ADDED),
        order=[*last.order],
        bare_user=reading.bare_user,
        absent_types=reading.absent_types or last.absent_types,
        unknown_items=reading.unknown_items,
        nobody=reading.nobody,
        bounds=reading.bounds or last.bounds,
        order_by=reading.order_by or last.order_by,
    )
    return (
        changed
        if about or bound or reading.users or reading.has("pronoun", "item", "female", "male")
        else None
    )


def _is_elliptic(reading: QuestionReading) -> bool:
    """Whether a question asks nothing by itself: "and user 7?", "what about comedies?"."""
    if reading.tags & _MEANT or reading.has(
        "who", "find", "store", "had", "exist", "kinds", "category"
    ):
        return False
    if reading.has("since", "earlier", "later"):
        return False
    led = bool(reading.order) and "again" in (reading.order[0], reading.order[-1])
    return led or (reading.tags <= _BARE and not (reading.bounds or reading.order_by))


def _people(found: QuestionReading, asked: QuestionReading, talk: Conversation) -> QuestionReading:
    """Pronouns, and the two that were spoken of last."""
    if found.users or found.nobody:
        return found
    if found.has("both") and len(talk.users) >= 2:
        return replace(found, users=list(talk.users[-2:]))
    if found.has("of_them") and len({*_users_of(talk)}) == 2:
        return replace(
            found, users=list(dict.fromkeys(_users_of(talk))), tags=found.tags - {"of_them"}
        )
    if talk.user_id is not None and (asked.has("pronoun") or _is_about_someone(found)):
        return replace(found, users=[talk.user_id])
    return found


def _is_about_someone(reading: QuestionReading) -> bool:
    """Questions that need a user and name none are about the one last spoken of."""
    if reading.has("person", "who", "store") or reading.strange or reading.unknown_items:
        return False
    if reading.items:
        return reading.has("recommend") and not reading.has("why", "likely", "count")
    if reading.has("recommend", "favourite") or (
        reading.has("dislike", "like") and not reading.has("popular")
    ):
        return True
    return reading.has("last", "first", "why") and not reading.has("period")
