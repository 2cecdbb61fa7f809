"""Follow-up questions: pronouns, "those two", "and user 7?", "what about comedies?", "why?"."""

from dataclasses import replace

from agent.chat.conversation import Conversation
from agent.chat.reading import Reading

_SUBJECTS = (
    "count", "last", "first", "most", "best", "worst", "rate", "favourite", "like", "dislike", "similar", "recommend",
    "portrait", "popular", "price", "mean", "stopped", "started", "fading", "active", "event", "compare", "more",
    "less", "why", "period",
)  # fmt: skip
_MEANT = frozenset(_SUBJECTS)
_ADDED = frozenset({"item", "event", "female", "male"})
"""Tags that a follow-up adds to the question before."""
_BARE = frozenset({"person", "pronoun", "item", "again", "female", "male"})
"""Tags that ask nothing."""


def followed(reading: Reading, talk: Conversation) -> Reading:
    """The question with what it leaves out, taken from what was said before."""
    found = _asked_why(reading, talk) or _continued(reading, talk) or reading
    return _people(found, reading, talk)


def _asked_why(reading: Reading, talk: Conversation) -> Reading | None:
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
    values = talk.reading.values if talk.reading and last.tool.name != "recommend" else []
    return replace(reading, users=users, tags=tags, values=values)


def _continued(reading: Reading, talk: Conversation) -> Reading | None:
    """ "And user 7?", "what about comedies?": the last question with another user, item, value, type or time."""
    last = talk.reading
    if last is None or reading.strange or not _is_elliptic(reading):
        return None
    about = reading.items or reading.values or reading.types or reading.period or reading.facets or reading.groups
    named = reading.items or reading.values
    changed = replace(
        last,
        text=reading.text, language=reading.language,
        users=reading.users or ([talk.user_id] if reading.has("pronoun") and talk.user_id else last.users),
        items=reading.items if named else last.items,
        values=reading.values if named else last.values,
        types=reading.types or last.types, facets=reading.facets or ([] if reading.values else last.facets),
        groups=reading.groups or last.groups, period=reading.period or last.period,
        numbers=reading.numbers or last.numbers, tags=set(last.tags) | (reading.tags & _ADDED),
        order=[*last.order], bare_user=reading.bare_user, absent_types=reading.absent_types or last.absent_types,
        unknown_items=reading.unknown_items, nobody=reading.nobody,
    )  # fmt: skip
    return changed if about or reading.users or reading.has("pronoun", "item", "female", "male") else None


def _is_elliptic(reading: Reading) -> bool:
    """Whether a question asks nothing by itself: "and user 7?", "what about comedies?", "她呢？"."""
    if reading.tags & _MEANT or reading.has("who", "find", "store", "had", "exist", "kinds", "category"):
        return False
    led = bool(reading.order) and "again" in (reading.order[0], reading.order[-1])
    return led or reading.tags <= _BARE


def _people(found: Reading, asked: Reading, talk: Conversation) -> Reading:
    """Pronouns, and the two that were spoken of last."""
    if found.users or found.nobody:
        return found
    if found.has("both") and len(talk.users) >= 2:
        return replace(found, users=list(talk.users[-2:]))
    if talk.user_id is not None and (asked.has("pronoun") or _is_about_someone(found)):
        return replace(found, users=[talk.user_id])
    return found


def _is_about_someone(reading: Reading) -> bool:
    """Questions that need a user and name none are about the one last spoken of."""
    if reading.has("person", "who", "store") or reading.strange or reading.items or reading.unknown_items:
        return False
    if reading.has("recommend", "favourite") or (reading.has("dislike", "like") and not reading.has("popular")):
        return True
    return reading.has("last", "first", "why") and not reading.has("period")
