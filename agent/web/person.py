"""One user, as the page shows them: portrait, recommendations, time line, corrections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from limner.core.schema import (
    Item,
    Reason,
    RecommendationRequest,
    Recommendations,
    ShownList,
    TrainingStatus,
)
from limner.engine import Engine
from limner.explain.attribution import Past
from limner.facts import struck
from limner.recommend.edits import Thumb, thumb_of
from limner.web.events import EventReader, Seen, title_of
from limner.web.people import about
from limner.web.portrait import Card, card
from limner.web.suggestions import SuggestionList, listed
from limner.web.timeline import Timeline, timeline
from limner.web.words import Words

PAGE = 25
"""Events that are shown at once."""
THUMBS = 5
"""Thumbs that are shown, to be taken back."""
USUAL, MOST = 10, 50
"""Recommendations that are shown at first, and at most."""


@dataclass(frozen=True)
class Struck:
    """A claim that was struck out and not put back."""

    facet: str
    value: str
    polarity: str
    facet_name: str
    name: str


@dataclass(frozen=True)
class Given:
    """A thumb that the user gave on a list, and may take back."""

    item_id: str
    title: str
    thumb: Thumb
    recommendation_id: str
    """Id of the list."""


@dataclass(frozen=True)
class EventPage:
    """A page of a user's events, newest first."""

    events: Sequence[Seen]
    total: int
    page: int
    """Number of the page, from 1."""
    pages: int


@dataclass(frozen=True)
class PersonPage:
    user_id: str
    about: str
    card: Card
    struck: Sequence[Struck]
    given: Sequence[Given]
    """The newest thumb of an item first."""
    listed: SuggestionList
    training: TrainingStatus
    n: int
    timeline: Timeline | None
    history: EventPage
    span: tuple[str, str] | None
    facets: Sequence[tuple[str, str]]
    """Facets for a stated preference, each with its name in the data and in words."""


@dataclass(frozen=True)
class PersonQuery:
    """Options of a user's page."""

    n: int = USUAL
    page: int = 1
    facet: str = ""
    before: str = ""
    """The list that the recommendations are compared with."""


async def person(engine: Engine, user_id: str, wanted: PersonQuery, words: Words) -> PersonPage:
    """Raises UnknownIdError."""
    request = RecommendationRequest(user_id=user_id, n=wanted.n, wording="cached")
    answer = await engine.recommend(request, keep=True)
    known = engine.recommendations.known(user_id)
    world = engine.data.catalogue()
    reader = EventReader(known.past, world, words)
    shown = engine.feedback.shown(wanted.before) if wanted.before else None
    times = [one.timestamp for one in known.past.events if one.timestamp is not None]
    return PersonPage(
        user_id=user_id,
        about=about(engine.data.user(user_id), words),
        card=card(known.profile, reader, words),
        struck=struck_out(known.past, words),
        given=given(known.past, world.items),
        listed=listed(
            answer,
            known.profile,
            reader,
            words,
            _same_user(shown, answer),
            _reasons_in(engine, answer, words.code),
        ),
        training=engine.trainer.status(),
        n=wanted.n,
        timeline=timeline(reader, world, words, wanted.facet),
        history=history(reader, wanted.page),
        span=(words.day(min(times)), words.day(max(times))) if times else None,
        facets=[(name, words.facet(name)) for name in world.population.facet_names],
    )


def _reasons_in(engine: Engine, answer: Recommendations, language: str) -> dict[str, Reason]:
    """By item id, template reasons in the reader's language; a model's stay as they were
    checked.
    """
    plain = {
        recommendation.item.item_id
        for recommendation in answer.recommendations
        if recommendation.reason and recommendation.reason.source == "template"
    }
    if not plain:
        return {}
    reasons = engine.recommendations.reasons_in(language, answer.user_id, answer.recommendations)
    return {item_id: reason for item_id, reason in reasons.items() if item_id in plain}


def events_of(engine: Engine, user_id: str, page: int, words: Words) -> EventPage:
    """Raises UnknownIdError."""
    return history(
        EventReader(engine.recommendations.known(user_id).past, engine.data.catalogue(), words),
        page,
    )


def history(reader: EventReader, page: int) -> EventPage:
    events = reader.past.events
    pages = max(1, -(-len(events) // PAGE))
    page = min(max(1, page), pages)
    newest = list(reversed(events))[PAGE * (page - 1) : PAGE * page]
    return EventPage([reader.seen(one) for one in newest], len(events), page, pages)


def struck_out(past: Past, words: Words) -> list[Struck]:
    """The newest first."""
    keys = struck(past.events)
    claims: dict[tuple[str, str, str], Struck] = {}
    for event in reversed(past.events):
        facet, value = str(event.context.get("facet", "")), str(event.context.get("value", ""))
        polarity = "dislike" if event.context.get("polarity") == "dislike" else "like"
        if event.type == "preference" and (facet, value.casefold(), polarity) in keys:
            claims.setdefault(
                (facet, value.casefold(), polarity),
                Struck(facet, value, polarity, words.facet(facet), words.value(facet, value)),
            )
    return list(claims.values())


def given(past: Past, items: Mapping[str, Item]) -> list[Given]:
    """What thumbs say now, of the items that had one on a list."""
    thumbs: dict[str, Given] = {}
    for event in sorted(past.events, key=lambda e: e.seq, reverse=True):
        thumb = thumb_of(event)
        shown = str(event.context.get("recommendation_id", ""))
        if thumb is not None and event.item_id is not None and shown:
            thumbs.setdefault(
                event.item_id, Given(event.item_id, title_of(event.item_id, items), thumb, shown)
            )
            if len(thumbs) == THUMBS:
                break
    return list(thumbs.values())


def _same_user(shown: ShownList | None, answer: Recommendations) -> ShownList | None:
    return shown if shown is not None and shown.user_id == answer.user_id else None
