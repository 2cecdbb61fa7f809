"""Every call of the API once, as the request that it makes; `Limner` sends it and waits,
`AsyncLimner` is awaited.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from limner.client.ask import (
    Ask,
    ClientPage,
    NearItems,
    Parameter,
    PopularItems,
    Reply,
    Stats,
    event_path,
    item_path,
    user_path,
)
from limner.core.request_fields import takes_fields, text_values
from limner.core.schema import (
    Audience,
    BuildReport,
    Event,
    Item,
    Profile,
    ReasonWording,
    Recommendations,
    RowsReport,
    TrainingStatus,
    User,
)
from limner.profile.context import Context
from limner.profile.diff import ProfileDiff
from limner.recommend.edits import (
    ClaimKey,
    EventPatch,
    Export,
    ItemPatch,
    PortraitEdit,
    Statement,
    Table,
)
from limner.recommend.erasure import Erased
from limner.recommend.feedback import Feedback, FeedbackItem, FeedbackReport
from limner.retrieve.neighbors import Near

ALIASES = {"where": "filter"}

# ---------------------------------------------------------------- recommendations


@takes_fields("items", aliases=ALIASES)
def recommend(user_id: str, n: int = 10, **fields: object) -> Ask[Recommendations]:
    """Items for a user, best first, each saying why.

    fields: of `RecommendationRequest`, such as `category=["Drama"]`, `quota={"category": 2}` or
    `wording="llm"`; `where` is another name of `filter`, and `explain="wait"` of `wording="llm"`.
    """
    return Ask(
        "GET",
        user_path(user_id, "/recommendations"),
        Recommendations,
        {"n": n, **text_values(fields)},
    )


@takes_fields("user_id", "items", "repeats", aliases=ALIASES)
def visit(context: Sequence[str] = (), n: int = 10, **fields: object) -> Ask[Recommendations]:
    """Items for someone who is nobody in the store, by what they look at now.

    fields: as `recommend` takes them.
    """
    params = {"n": n, "context": context, **text_values(fields)}
    return Ask("GET", "/v1/recommendations", Recommendations, params)


def rank(
    user_id: str, items: Sequence[str], *, explain: bool = False, wording: ReasonWording = "cached"
) -> Ask[Recommendations]:
    """Given items in order for a user."""
    return Ask(
        "POST",
        user_path(user_id, "/rank"),
        Recommendations,
        body={"items": [*items], "explain": explain, "wording": wording},
    )


def feedback(
    user_id: str, items: Sequence[FeedbackItem], recommendation_id: str | None = None
) -> Ask[FeedbackReport]:
    """What a user did with items, of a list where one is named."""
    body = Feedback(recommendation_id=recommendation_id, items=[*items])
    return Ask("POST", user_path(user_id, "/feedback"), FeedbackReport, body=body)


def stats() -> Ask[Stats]:
    """Click-through by channel and version."""
    return Ask("GET", "/v1/recommendations/stats", Stats)


# ---------------------------------------------------------------- portraits


def profile(
    user_id: str, *, version: int | None = None, as_of: datetime | None = None
) -> Ask[Profile]:
    """A portrait; painted first where there is none."""
    moment = as_of.isoformat() if as_of is not None else None
    return Ask(
        "GET", user_path(user_id, "/profile"), Profile, {"version": version, "as_of": moment}
    )


def edit(
    user_id: str,
    *,
    state: Sequence[Statement] = (),
    strike: Sequence[ClaimKey] = (),
    withdraw: Sequence[ClaimKey] = (),
) -> Ask[Profile]:
    """The portrait after its user stated preferences, struck claims that are wrong, or took back
    what they said.
    """
    body = PortraitEdit(state=[*state], strike=[*strike], withdraw=[*withdraw])
    return Ask("PATCH", user_path(user_id, "/profile"), Profile, body=body)


def build(user_id: str, *, force: bool = False) -> Ask[BuildReport]:
    """Paint a portrait anew from all events."""
    return Ask("POST", user_path(user_id, "/profile/build"), BuildReport, body={"force": force})


def difference(user_id: str, before: int, after: int | None = None) -> Ask[ProfileDiff]:
    """What changed from one version of a portrait to another, the newest if left out."""
    return Ask(
        "GET", user_path(user_id, "/profile/diff"), ProfileDiff, {"from": before, "to": after}
    )


def context(
    user_id: str, max_tokens: int = 500, *, query: str = "", model: str = ""
) -> Ask[Context]:
    """The portrait packed for another model's prompt, most relevant first."""
    params: dict[str, Parameter] = {"max_tokens": max_tokens, "query": query, "model": model}
    return Ask("GET", user_path(user_id, "/context"), Context, params)


# ---------------------------------------------------------------- data


def user(user_id: str) -> Ask[User]:
    """A user with their attributes."""
    return Ask("GET", user_path(user_id), User)


def export(user_id: str) -> Ask[Export]:
    """All that is stored of a user."""
    return Ask("GET", user_path(user_id, "/export"), Export)


def erase(user_id: str) -> Ask[Erased]:
    """Erase a user and all that names them."""
    return Ask("DELETE", user_path(user_id), Erased)


def erase_event(event_id: str) -> Ask[Event]:
    """Erase one event and all that rests on it."""
    return Ask("DELETE", event_path(event_id), Event)


def correct_event(event_id: str, patch: EventPatch) -> Ask[Event]:
    """Change one event and all that rests on it."""
    return Ask("PATCH", event_path(event_id), Event, body=patch)


def store(
    table: Table, rows: Sequence[Mapping[str, object]], *, source: str = ""
) -> Ask[RowsReport]:
    """Store users, items or events; what cannot be used is reported row by row."""
    return Ask("POST", f"/v1/{table}", RowsReport, body={"rows": [*rows], "source": source})


def users(cursor: str = "", limit: int = 100) -> Ask[ClientPage[User]]:
    """A page of users; `next` of it is the cursor of the next."""
    return Ask("GET", "/v1/users", ClientPage[User], {"cursor": cursor, "limit": limit})


def items(cursor: str = "", limit: int = 100) -> Ask[ClientPage[Item]]:
    """A page of items."""
    return Ask("GET", "/v1/items", ClientPage[Item], {"cursor": cursor, "limit": limit})


def events(
    cursor: str = "", limit: int = 100, *, user_id: str = "", item_id: str = ""
) -> Ask[ClientPage[Event]]:
    """A page of events, of a user or on an item alone where one is named."""
    params: dict[str, Parameter] = {
        "cursor": cursor,
        "limit": limit,
        "user_id": user_id,
        "item_id": item_id,
    }
    return Ask("GET", "/v1/events", ClientPage[Event], params)


def audience(
    *, for_item: str = "", like: str = "", where: str = "", limit: int = 10
) -> Ask[Audience]:
    """The users that an item is likeliest for, whose portraits are likest to words, or whose
    attributes fit.
    """
    if not (for_item or like or where):
        raise ValueError("give for_item, like or where")
    params: dict[str, Parameter] = {
        "for_item": for_item,
        "like": like,
        "where": where,
        "limit": limit,
    }
    return Ask("GET", "/v1/users", Audience, params)


def item(item_id: str) -> Ask[Item]:
    """An item with its attributes."""
    return Ask("GET", item_path(item_id), Item)


def change(item_id: str, patch: ItemPatch) -> Ask[Item]:
    """Change some of an item; the next request sees it."""
    return Ask("PATCH", item_path(item_id), Item, body=patch)


def neighbors(item_id: str, n: int = 10, *, by: Near = "text") -> Ask[NearItems]:
    """The items nearest to an item."""
    return Ask("GET", item_path(item_id, "/neighbors"), NearItems, {"n": n, "by": by})


def popular(n: int = 10, *, category: Sequence[str] = (), where: str = "") -> Ask[PopularItems]:
    """What most users have had."""
    return Ask("GET", "/v1/popular", PopularItems, {"n": n, "category": category, "filter": where})


def training() -> Ask[TrainingStatus]:
    """Whether lists come from a trained ranker, and how far a training has come."""
    return Ask("GET", "/v1/training", TrainingStatus)


def chat(question: str, *, conversation_id: str = "", user_id: str = "") -> Ask[Reply]:
    """Ask about users in words."""
    body = {"question": question, "conversation_id": conversation_id, "user_id": user_id}
    return Ask("POST", "/v1/chat", Reply, body=body)
