"""Why each recommended item: code chooses the grounds, template words or a model say them,
verification reads them.

The grounds of a reason are the preferences that the item shares with the portrait, and the event of
the user that speaks most for it, by the channel that it speaks through: what follows what, what the
same people had and what is described alike are three different things to say. Grounds already used
for an earlier item of the list count for less, so that ten reasons do not all say the same. An item
without either gets an honest sentence of where it comes from, in template words.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

from limner.core.columns import Nouns
from limner.core.errors import ModelError
from limner.core.messages import Message, message
from limner.core.schema import (
    LOOKS,
    Dropped,
    Event,
    Grade,
    Item,
    Preference,
    Profile,
    Reason,
    Scale,
    WindowEvent,
)
from limner.core.settings import Settings
from limner.core.telemetry import logged
from limner.explain.attribution import Attribution, Past
from limner.llm import Chat, ChatRequest, ask
from limner.llm.prompts import Prompt, load_prompt
from limner.retrieve import DISLIKED
from limner.verify import (
    EMPTY_LEXICON,
    Grounds,
    Lexicon,
    check_words,
    grounds_from,
    strip_citations,
    tidy,
)
from limner.verify.claims import ValuesOf
from limner.verify.grounds import NEUTRAL_SIGNAL, value_variants
from limner.verify.nouns import foreign_noun
from limner.verify.others import misread, points_at
from limner.words import Language, plain_title, reason_text, spoken, thing, title_variants, unspoken
from limner.words.templates import Origin
from limner.words.text import fold, stems_of, tokens_of

LIST, PHRASE = "reasons", "reason-phrase"
MAX_PREFERENCES = 2
USED_AGAIN = 0.5
"""Factor on a preference's weight for each earlier use in the list."""
NAMED_AGAIN = 0.3
"""Factor on an event's weight for each earlier use in the list, since a list that names one event
again and again tells nothing new.
"""
KIN = 0.25
"""Weight of an event whose item shares no value with the recommended one; it is 1 where all are
shared.
"""
BARE = 0.5
"""Factor on preferences for a decade or a price, which say less than what the item is about."""
_BARE_FACETS = ("era", "year", "decade", "price", "price band")
PEOPLE = ("next_item", "collaborative")
"""Origins that speak of other people: they had the user's item too."""
SAID = ("rating", "review", "like", "comment")
"""Event types by which a user says what they thought of an item."""
ENJOYED = 0.5
"""Signal from which a user enjoyed an item; with less they only chose it."""
_CROWD = ("popular", "recent", "latest")
"""Channels that do not depend on the user."""
_LIKE = "demographic"
"""The channel of items that are popular with users of the same attributes."""
SAME = 2
"""Most reasons of a list in one phrasing, names aside, and most reasons with one preference before
an event is named in its place.
"""
TOKENS_A_REASON = 60


_YEAR = re.compile(r"\s*\(\d{4}\)\s*$")


@dataclass(frozen=True)
class ReasonGrounds:
    """The grounds of one item's reason."""

    item: Item
    preferences: tuple[Preference, ...] = ()
    """Likes that the item shares, strongest first."""
    seen: WindowEvent | None = None
    """The user's event that speaks most for it."""
    origin: Origin = ""
    """How the event led to the item. Without an event: `popular` or `recent` if a channel of
    popular items found it, `nothing` if no channel did, as for an item that is not in the store.
    """
    cold: bool = False
    """True where the user has no usable history."""

    @property
    def is_known(self) -> bool:
        return bool(self.preferences) or self.seen is not None

    @property
    def is_liked(self) -> bool:
        """Whether the event speaks of liking; an item met without liking it may still have led
        on.
        """
        return self.seen is not None and self.seen.signal >= NEUTRAL_SIGNAL


@dataclass(frozen=True)
class Explained:
    reasons: dict[str, Reason]
    """A reason for every item, by item id."""
    dropped: list[Dropped] = field(default_factory=list)
    claims: int = 0
    """Reasons that the model wrote."""
    notes: list[Message] = field(default_factory=list)
    prompt: str | None = None


def template_reasons(
    grounds: Sequence[ReasonGrounds],
    settings: Settings,
    scales: Mapping[str, Scale],
    language: str,
    nouns: Nouns | None = None,
) -> Explained:
    """One reason for each item, in template words of a language. `nouns`: what things are
    called.
    """
    writer = _Writer(settings, spoken(language, nouns), EMPTY_LEXICON, scales, strict=False)
    return Explained(writer.finish(grounds, {}), notes=unspoken(language))


@logged(
    "explain",
    "reasons",
    lambda explained: {
        "reasons": len(explained.reasons),
        "claims": explained.claims,
        "dropped": len(explained.dropped),
    },
)
async def model_reasons(
    grounds: Sequence[ReasonGrounds],
    chat: Chat | None,
    grade: Grade,
    settings: Settings,
    scales: Mapping[str, Scale],
    language: str,
    *,
    lexicon: Lexicon = EMPTY_LEXICON,
    user_id: str = "",
    nouns: Nouns | None = None,
) -> Explained:
    """One reason for each item: in a model's words where it has grounds and the words are verified,
    else in template words.

    A model that fails costs its words only; no money left counts as a failure here, since a list
    without a model's words is still a list.
    """
    known = [why for why in grounds if why.is_known]
    if chat is None or grade == "none" or not known:
        return template_reasons(grounds, settings, scales, language, nouns)
    spoken_language = spoken(language, nouns)
    writer = _Writer(settings, spoken_language, lexicon, scales, strict=grade == "phrase")
    prompt = _prompt_for(grade, spoken_language, settings)
    notes = unspoken(language)
    size = len(known) if grade == "full" else 1
    batches = [known[at : at + size] for at in range(0, len(known), size)]
    stage = _listed if grade == "full" else _phrased
    answers = await asyncio.gather(
        *(
            _guarded(stage(batch, chat, prompt, settings, spoken_language, user_id, at * size))
            for at, batch in enumerate(batches)
        )
    )
    written: dict[str, tuple[str, ReasonGrounds]] = {}
    claims = 0
    dropped: list[Dropped] = []
    for answer in answers:
        if isinstance(answer, ModelError):
            notes.append(message("reasons.template", error=answer))
        else:
            claims += len(answer.said) + len(answer.refused)
            written |= answer.said
            dropped += answer.refused
    # In list order, so that of two alike phrasings the first stays.
    order = [why.item.item_id for why in known if why.item.item_id in written]
    verified, refused = _verified(writer, {item_id: written[item_id] for item_id in order})
    dropped += refused
    return Explained(
        writer.finish(grounds, verified), dropped, claims, list(dict.fromkeys(notes)), prompt.label
    )


def _verified(
    writer: "_Writer", written: Mapping[str, tuple[str, ReasonGrounds]]
) -> tuple[dict[str, tuple[str, ReasonGrounds]], list[Dropped]]:
    """The reasons that may stand, by item id, and the others with their refusal."""
    verified: dict[str, tuple[str, ReasonGrounds]] = {}
    refused: list[Dropped] = []
    for item_id, (text, cited) in written.items():
        if refusal := writer.refusal(text, cited):
            refused.append(Dropped(stage="reason", claim=text, reason=refusal))
        else:
            verified[item_id] = (text, cited)
    return verified, refused


def _prompt_for(grade: Grade, language: Language, settings: Settings) -> Prompt:
    name = PHRASE if language.code == "en" else f"{PHRASE}-{language.code}"
    prompt_id = LIST if grade == "full" else name
    return load_prompt(prompt_id, settings.prompts.get(prompt_id, ""))


# ---------------------------------------------------------------- grounds


def choose_grounds(
    profile: Profile,
    items: Sequence[Item],
    past: Past,
    led: Mapping[str, Sequence[Attribution]],
    channels: Mapping[str, Sequence[str]],
    values_of: ValuesOf,
) -> list[ReasonGrounds]:
    """For each item the strongest shared likes and the event that speaks most for it, spread over
    the list.

    led: by item id the user's events that led to it, as `limner.explain.attribution.attributions`
    finds them. channels: by item id the channels that found it, best first.

    A like that one event speaks for says no more than that event. A decade or a price alone is
    named only where the user's own channels found the item and no event leads to it.
    """
    history = _seen_history(past, values_of)
    likes = [p for p in profile.preferences if _is_general_like(p)]
    used: Counter[str] = Counter()
    grounds = []
    for item in items:
        links = _links(item, likes, history, led.get(item.item_id, ()), values_of, used)
        found_by = channels.get(item.item_id, ("content",))
        shared, seen, origin = _grounds_of(links, history, found_by, used)
        used.update([*map(_name, shared), *([seen.event.event_id] if seen else [])])
        grounds.append(ReasonGrounds(item, tuple(shared), seen, origin, cold=not past.items))
    return grounds


@dataclass(frozen=True)
class _SeenHistory:
    """The user's events with titled items, by event id."""

    tolerated: Mapping[str, WindowEvent]
    """Events that are no dislike."""
    liked: Mapping[str, WindowEvent]
    """The tolerated events whose signal is not below neutral."""
    values: Mapping[str, frozenset[str]]
    """Facet values of the liked events' items, by item id."""


def _seen_history(past: Past, values_of: ValuesOf) -> _SeenHistory:
    shown = {
        event.event_id: _shown(number, event, past)
        for number, event in enumerate(past.events, 1)
        if (item := past.items.get(event.item_id or "")) is not None and item.title
    }
    liked = {event_id: s for event_id, s in shown.items() if s.signal >= NEUTRAL_SIGNAL}
    tolerated = {event_id: s for event_id, s in shown.items() if s.signal >= DISLIKED}
    liked_items = (s.item for s in liked.values() if s.item is not None)
    values = {item.item_id: _values(item, values_of) for item in liked_items}
    return _SeenHistory(tolerated, liked, values)


def _is_general_like(preference: Preference) -> bool:
    """Whether a like says more than a single event does."""
    several = preference.basis == "stated" or len(preference.evidence) > 1
    return preference.polarity == "like" and several


@dataclass(frozen=True)
class _ItemLinks:
    """What links one recommended item to the user's history."""

    values: frozenset[str]
    """The item's facet values, folded."""
    shared: Sequence[Preference]
    """Likes whose value the item carries, strongest first; those used already come later."""
    leads: Sequence[Attribution]
    """Events that led to the item."""
    kin: Mapping[str, float]
    """By event id of a lead, how much its item shares with the recommended one; see `_kinship`."""
    liked: Mapping[str, WindowEvent]
    """Liked events on other items with other names."""
    best_lead: Attribution | None


def _links(
    item: Item,
    likes: Sequence[Preference],
    history: _SeenHistory,
    leads: Sequence[Attribution],
    values_of: ValuesOf,
    used: Counter[str],
) -> _ItemLinks:
    values = _values(item, values_of)
    shared = [p for p in likes if fold(p.value) in values]
    shared.sort(key=lambda p: -_weight(p) * USED_AGAIN ** used[_name(p)])
    kin = {lead.event_id: _kinship(lead, values, history, values_of) for lead in leads}
    liked, *others = _other_events(item, history)
    best = (_foremost(leads, events, kin, used) for events in (liked, *others))
    return _ItemLinks(values, shared, leads, kin, liked, next(filter(None, best), None))


def _other_events(item: Item, history: _SeenHistory) -> list[dict[str, WindowEvent]]:
    """Events on other items, in three groups: liked ones; neutral ones; all but the liked ones.
    Earlier groups are preferred as reasons.

    Liked events on items of the same name count only in the last group: a person reads them as more
    of the item, and not as a reason.
    """
    name = fold(item.title)
    others = {i: s for i, s in history.tolerated.items() if s.event.item_id != item.item_id}
    namesakes = {i for i, s in others.items() if s.item is not None and fold(s.item.title) == name}
    liked = {i: s for i, s in others.items() if i in history.liked and i not in namesakes}
    neutral = {i: s for i, s in others.items() if i not in history.liked}
    return [liked, neutral, {i: s for i, s in others.items() if i not in liked}]


def _kinship(
    lead: Attribution, values: frozenset[str], history: _SeenHistory, values_of: ValuesOf
) -> float:
    """Overlap of the facet values of a lead's item with `values`, in [0, 1]; 0 for other events."""
    seen = history.tolerated.get(lead.event_id)
    if seen is None or seen.item is None:
        return 0.0
    return _overlap(values, _values(seen.item, values_of))


def _grounds_of(
    links: _ItemLinks, history: _SeenHistory, found_by: Sequence[str], used: Counter[str]
) -> tuple[Sequence[Preference], WindowEvent | None, Origin]:
    """Likes, event and origin of one reason; each may be empty, None or "".

    found_by: the channels that found the item.
    """
    lead = links.best_lead
    telling = _apart([p for p in links.shared if p.facet not in _BARE_FACETS])
    if lead is not None and _is_better(lead, telling, used):
        return [], history.tolerated[lead.event_id], lead.link
    is_known = bool(history.tolerated)
    crowd_origin = _channel(found_by, is_known=is_known)
    usable = telling or ([] if crowd_origin else links.shared)
    shared, seen = _together(
        usable, links.values, history.values, links.liked, links.leads, links.kin, used
    )
    if shared or seen:
        return shared, seen, ""
    by_similar_users = is_known and "similar_users" in found_by
    return shared, seen, crowd_origin or ("similar" if by_similar_users else "")


def _is_better(lead: Attribution, telling: Sequence[Preference], used: Counter[str]) -> bool:
    """Whether an event alone says more than the shared likes: there are none, or the strongest was
    named too often and the event less so.
    """
    return not telling or used[_name(telling[0])] >= SAME > used[lead.event_id]


def _together(
    shared: Sequence[Preference],
    mine: frozenset[str],
    values: Mapping[str, frozenset[str]],
    liked: Mapping[str, WindowEvent],
    leads: Sequence[Attribution],
    kin: Mapping[str, float],
    used: Counter[str],
) -> tuple[list[Preference], WindowEvent | None]:
    """Preferences and an event whose item carries them too: one interest, seen from both sides.

    Where no lead's item carries them: an event behind a preference, by how many values its item has
    in common.
    """
    same = _carriers(shared, liked, values)
    lead = _foremost(leads, same, kin, used)
    if lead is not None:
        best: WindowEvent | None = same[lead.event_id]
    else:
        behind = [i for p in shared[:MAX_PREFERENCES] for i in p.evidence if i in same]
        best = max(
            (same[i] for i in behind),
            key=lambda s: (
                _overlap(mine, values[s.event.item_id or ""])
                * s.signal
                * NAMED_AGAIN ** used[s.event.event_id]
            ),
            default=None,
        )
    if best is not None:
        shared = [p for p in shared if fold(p.value) in values[best.event.item_id or ""]]
    return list(shared[:MAX_PREFERENCES]), best


def _carriers(
    shared: Sequence[Preference],
    liked: Mapping[str, WindowEvent],
    values: Mapping[str, frozenset[str]],
) -> dict[str, WindowEvent]:
    """Liked events whose item carries a shared preference, by event id."""
    wanted = {fold(p.value) for p in shared}
    return {
        i: s
        for i, s in liked.items()
        # A thing that is called as its kind is ("bed") says no more than the kind.
        if s.item is not None
        and values[s.item.item_id] & wanted
        and fold(plain_title(s.item.title)) not in wanted
    }


def _apart(preferences: Sequence[Preference]) -> list[Preference]:
    """Preferences without those whose name contains an earlier one's, or is contained in it: the
    reason would repeat itself.
    """
    distinct: list[Preference] = []
    for one in preferences:
        name = fold(one.value)
        if not any(name in fold(other.value) or fold(other.value) in name for other in distinct):
            distinct.append(one)
    return distinct


def _weight(preference: Preference) -> float:
    return (
        preference.strength
        * preference.confidence
        * (BARE if preference.facet in _BARE_FACETS else 1.0)
    )


def _name(preference: Preference) -> str:
    return f"{preference.facet}:{preference.value}"


def _foremost(
    leads: Sequence[Attribution],
    events: Mapping[str, WindowEvent],
    kin: Mapping[str, float],
    used: Counter[str],
) -> Attribution | None:
    """The lead, among those to these events, that speaks most for the item; None for no lead.

    Signal, earlier use and kinship count: of two events that led as far, the one whose item is of
    the same kind is understood at once.
    """
    return max(
        (lead for lead in leads if lead.event_id in events),
        key=lambda lead: (
            lead.weight
            * (KIN + kin.get(lead.event_id, 0.0))
            * (1 + events[lead.event_id].signal)
            * NAMED_AGAIN ** used[lead.event_id]
        ),
        default=None,
    )


def _shown(number: int, event: Event, past: Past) -> WindowEvent:
    item = past.items.get(event.item_id) if event.item_id else None
    # Of values that were validated: a second check of every event of a history would cost more than
    # all else here.
    return WindowEvent.model_construct(
        number=number, event=event, item=item, signal=past.signal.get(event.event_id, 0.0), line=""
    )


_folded = lru_cache(maxsize=50_000)(fold)
"""Values of a catalogue are folded again and again."""


def _values(item: Item, values_of: ValuesOf) -> frozenset[str]:
    return frozenset(_folded(value) for values in values_of(item).values() for value in values)


def _overlap(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard's index."""
    return len(a & b) / max(1, len(a | b))


def _channel(channels: Sequence[str], *, is_known: bool) -> Origin:
    """The origin of an item that no event led to.

    Empty if one of the user's own channels found it; `popular` or `recent` if a channel of popular
    items did; `nothing` if no channel did. If the user has turned down everything they had, no
    channel knows what they want, and their own ones do not count.
    """
    if is_known and any(name not in _CROWD for name in channels):
        return ""
    first = next((name for name in channels if name in _CROWD or name == _LIKE), "")
    return "recent" if first in ("recent", "latest") else "popular" if first else "nothing"


# ---------------------------------------------------------------- template words and verification


class _Writer:
    """Verifies a model's reasons and puts template words where there are none, keeping count of
    phrasings.
    """

    def __init__(
        self,
        settings: Settings,
        language: Language,
        lexicon: Lexicon,
        scales: Mapping[str, Scale],
        *,
        strict: bool,
    ) -> None:
        """`strict`: a noun for the items must be the grounds' or the templates'."""
        self.strict = strict
        self.style, self.language, self.lexicon, self.scales = (
            settings.reasons,
            language,
            lexicon,
            scales,
        )
        self.phrasings: Counter[str] = Counter()

    def refusal(self, text: str, why: ReasonGrounds) -> str:
        """Why a model's reason may not stand; empty if it may."""
        if not text:
            return "empty"
        length = _words(text, self.language)
        if length > self.style.max_words:
            return f"too_long: {length} words of {self.style.max_words}"
        grounds = self._grounds(why)
        if problems := check_words(text, grounds, self.language, self.lexicon):
            return "; ".join(problems)
        if self.strict and (noun := foreign_noun(text, grounds)):
            return f"unsupported_word: {noun}"
        if problem := self._misread(text, why):
            return problem
        if self.strict and not self._speaks_of(why.item, text):
            return "off_claim: it does not speak of the item"
        if not self._mentions(text, why):
            return "off_claim: it names nothing that led to the item"
        shape = phrasing(text, why, self.language)
        if self.phrasings[shape] >= SAME:
            return "repeated_phrasing"
        self.phrasings[shape] += 1
        return ""

    def _speaks_of(self, item: Item, text: str) -> bool:
        said = fold(text)
        return points_at(text, self.language) or any(
            fold(name) in said for name in title_variants(item.title)
        )

    def _misread(self, text: str, why: ReasonGrounds) -> str:
        own = title_variants(why.seen.item.title) if why.seen and why.seen.item else []
        looked = why.seen is not None and why.seen.event.type in LOOKS
        names = [
            *title_variants(why.item.title),
            *(form for p in why.preferences for form in self._forms(p)),
        ]
        return misread(
            text, self.language, own=own, names=names, people=why.origin in PEOPLE, looked=looked
        )

    def _forms(self, preference: Preference) -> list[str]:
        name = thing(preference.facet, preference.value, self.language)
        return [name, *value_variants(preference.value, self.language)]

    def finish(
        self, whys: Sequence[ReasonGrounds], kept: Mapping[str, tuple[str, ReasonGrounds]]
    ) -> dict[str, Reason]:
        reasons = {}
        for why in whys:
            written = kept.get(why.item.item_id)
            text, cited = written if written else (self._template(why), why)
            evidence = [cited.seen.event.event_id] if cited.seen else []
            for preference in cited.preferences:
                evidence += preference.evidence[:2]
            reasons[why.item.item_id] = Reason(
                text=text,
                preferences=[_name(p) for p in cited.preferences],
                evidence=list(dict.fromkeys(evidence)),
                source="llm" if written else "template",
            )
        return reasons

    def _template(self, why: ReasonGrounds) -> str:
        """A template's reason: of three phrasings the one used least in the list so far; on a tie
        the first.
        """
        seen = (why.seen.event, why.seen.item) if why.seen and why.seen.item else None
        scale = self.scales.get(why.seen.event.source) if why.seen and why.is_liked else None
        best, chosen = "", ""
        for turn in range(3):
            form = reason_text(
                why.item,
                language=self.language,
                origin=why.origin,
                preferences=why.preferences,
                seen=seen,
                high=scale.high if scale else None,
                cold=why.cold,
                turn=turn,
            )
            shape = phrasing(form, why, self.language)
            if not turn or self.phrasings[shape] < self.phrasings[chosen]:
                best, chosen = form, shape
            if not self.phrasings[chosen]:
                break
        self.phrasings[chosen] += 1
        return best

    def _grounds(self, why: ReasonGrounds) -> Grounds:
        seen = why.seen
        events = (
            [seen.model_copy(update={"item": _title_only(seen.item)})] if seen and seen.item else []
        )
        return grounds_from(
            self.language,
            preferences=why.preferences,
            events=events,
            items=[_title_only(why.item)],
            scales=self.scales,
            as_of=None,
        )

    def _mentions(self, text: str, why: ReasonGrounds) -> bool:
        code = self.language.code
        stems = f" {' '.join(stems_of(text, code))} "
        names = [form for p in why.preferences for form in value_variants(p.value, self.language)]
        if why.seen and why.seen.item:
            names += title_variants(why.seen.item.title)
        forms = [" ".join(stems_of(name, code)) for name in names]
        return any(f" {form} " in stems for form in forms if form)


def _title_only(item: Item) -> Item:
    """An item without its values and the year in its title, which speak for nothing in a reason.

    "Here is more comedy for you" must be of a shared preference: not of the event's item, which led
    to another kind of item, nor of the recommended one, whose values the user need not like.
    """
    return Item(item_id=item.item_id, title=_YEAR.sub("", item.title))


def _words(text: str, language: Language) -> int:
    """Words; two characters count as one where words are not set apart."""
    tokens = [t for t in tokens_of(text) if t.kind != "mark"]
    return (len(tokens) + 1) // 2 if language.code == "zh" else len(tokens)


def phrasing(text: str, why: ReasonGrounds, language: Language) -> str:
    """A reason with its names and numbers taken out: what makes two reasons read alike."""
    names = title_variants(why.item.title)
    if why.seen and why.seen.item:
        names += title_variants(why.seen.item.title)
    for preference in why.preferences:
        names += [
            thing(preference.facet, preference.value, language),
            *value_variants(preference.value, language),
        ]
    shape = fold(text)
    for name in sorted({fold(name) for name in names if name}, key=len, reverse=True):
        shape = shape.replace(name, "*")
    return re.sub(r"[\d.,]*\d", "#", shape)


# ---------------------------------------------------------------- a model's words


class ListedReason(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    item: int
    text: str
    evidence: list[str]


class ReasonList(BaseModel):
    """The answer at grade `full`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reasons: list[ListedReason]


@dataclass(frozen=True)
class _Said:
    said: dict[str, tuple[str, ReasonGrounds]]
    """Text and what it cites, by item id."""
    refused: list[Dropped] = field(default_factory=list)


async def _guarded(work: Awaitable[_Said]) -> _Said | ModelError:
    try:
        return await work
    except ModelError as error:
        return error


class PhrasedReason(BaseModel):
    """The answer at grade `phrase`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str


async def _phrased(
    whys: Sequence[ReasonGrounds],
    chat: Chat,
    prompt: Prompt,
    settings: Settings,
    language: Language,
    user_id: str,
    first: int,
) -> _Said:
    """Grade `phrase`: one call an item, from the grounds that code chose; several items in a call
    get mixed up.
    """
    (why,) = whys
    answered, _ = await ask(
        chat, phrase_request(why, prompt, settings, language, user_id, first), PhrasedReason
    )
    return _Said({why.item.item_id: (tidy(answered.text, language), why)})


_SAID: Mapping[Origin, str] = {
    "next_item": "others went on to this",
    "collaborative": "others chose this too",
    "content": "close in theme",
}
"""Name of each kind of link in the phrasing prompt."""


def phrase_request(
    why: ReasonGrounds,
    prompt: Prompt,
    settings: Settings,
    language: Language,
    user_id: str,
    turn: int,
) -> ChatRequest:
    """The request for one reason in a model's words. `turn`: the item's place in the list."""
    parts = []
    if why.preferences:
        parts.append(
            "taste: " + ", ".join(thing(p.facet, p.value, language) for p in why.preferences)
        )
    if why.seen and why.seen.item:
        parts.append(f"{_verb(why.seen, why.origin)}: “{plain_title(why.seen.item.title)}”")
    # The sentence follows the order of the line and its beginning, so that a list is not of one
    # build.
    if turn % 2:
        parts.reverse()
    parts += _origin_phrase(why)
    openings = _openings(why, language)
    if openings:
        begin, _, end = openings[turn % len(openings)].partition(" … ")
        parts.insert(0, f"begin: {begin}")
        parts += [f"end: {end}"] if end else []
    return ChatRequest(
        purpose="reason",
        prompt=prompt.label,
        user_id=user_id,
        max_tokens=TOKENS_A_REASON,
        temperature=settings.llm.temperature,
        messages=prompt.render(grounds="; ".join(parts)),
    )


def _verb(seen: WindowEvent, origin: Origin) -> str:
    """What the user did with the item of an event.

    Beside other people the user's part is said as theirs is: what they had in common is the choice.
    Who bought something has not said that they enjoyed it.
    """
    if seen.event.type in LOOKS:
        return "looked at"
    enjoyed = seen.signal >= ENJOYED and origin not in PEOPLE and seen.event.type in SAID
    return "enjoyed" if enjoyed else "chose"


def _origin_phrase(why: ReasonGrounds) -> list[str]:
    """How the item follows from the event, in the prompt's words; empty where no event led on."""
    looks = why.seen is not None and why.seen.event.type in LOOKS
    if looks and why.origin == "collaborative":
        return ["others looked at this too"]
    return [_SAID[why.origin]] if why.origin in _SAID else []


def _openings(why: ReasonGrounds, language: Language) -> Sequence[str]:
    """First words for a reason, by how the item was found."""
    forms = language.templates.openings
    if why.origin in PEOPLE:
        return forms.others
    if why.origin == "content":
        return forms.alike
    return forms.liked if why.seen else forms.taste


async def _listed(
    whys: Sequence[ReasonGrounds],
    chat: Chat,
    prompt: Prompt,
    settings: Settings,
    language: Language,
    user_id: str,
    first: int,
) -> _Said:
    """Grade `full`: one call for the list; the model chooses among the grounds that code offers for
    each item.
    """
    asked, offered = list_request(whys, prompt, settings, language, user_id)
    listed, _ = await ask(chat, asked, ReasonList)
    texts: dict[str, tuple[str, ReasonGrounds]] = {}
    refused: list[Dropped] = []
    for reason in listed.reasons:
        text, inline = strip_citations(reason.text.strip())
        cited = {name.strip().strip("[]").upper() for name in [*reason.evidence, *inline]}
        index = reason.item - 1
        if not 0 <= index < len(whys) or whys[index].item.item_id in texts:
            refused.append(
                Dropped(stage="reason", claim=text, reason=f"unknown_item: {reason.item}")
            )
        elif not cited:
            refused.append(Dropped(stage="reason", claim=text, reason="uncited"))
        elif unknown := sorted(cited - offered[index]):
            refused.append(
                Dropped(stage="reason", claim=text, reason=f"unknown_evidence: {unknown[0]}")
            )
        else:
            why = whys[index]
            numbers = _numbers(whys)
            preferences = tuple(p for p in why.preferences if numbers[_name(p)] in cited)
            seen = why.seen if why.seen and f"E{why.seen.number}" in cited else None
            texts[why.item.item_id] = (
                tidy(text, language),
                replace(why, preferences=preferences, seen=seen),
            )
    return _Said(texts, refused)


def _numbers(whys: Sequence[ReasonGrounds]) -> dict[str, str]:
    """Local numbers of the list's preferences: P1, P2, …"""
    names = dict.fromkeys(_name(p) for why in whys for p in why.preferences)
    return {name: f"P{number}" for number, name in enumerate(names, 1)}


def list_request(
    whys: Sequence[ReasonGrounds],
    prompt: Prompt,
    settings: Settings,
    language: Language,
    user_id: str,
) -> tuple[ChatRequest, list[set[str]]]:
    """The request, and by item the citations that are offered for it."""
    numbers = _numbers(whys)
    preferences = {
        f"{numbers[_name(p)]} likes {p.facet}: {p.value}": None
        for why in whys
        for p in why.preferences
    }
    events = {why.seen.number: why.seen for why in whys if why.seen and why.seen.item}
    lines, offered = [], []
    for at, why in enumerate(whys, 1):
        cites = [numbers[_name(p)] for p in why.preferences]
        cites += [f"E{why.seen.number}"] if why.seen else []
        offered.append(set(cites))
        lines.append(f"{at}. “{plain_title(why.item.title)}” [{', '.join(cites)}]")
    style = settings.reasons
    messages = prompt.render(
        language=language.name,
        voice=style.voice,
        words=str(style.max_words),
        preferences="\n".join(preferences) or "none",
        events="\n".join(
            f"E{number} {_event_line(shown)}" for number, shown in sorted(events.items())
        )
        or "none",
        items="\n".join(lines),
    )
    asked = ChatRequest(
        purpose="reason",
        prompt=prompt.label,
        messages=messages,
        user_id=user_id,
        max_tokens=60 + (TOKENS_A_REASON + 20) * len(whys),
        temperature=settings.llm.temperature,
    )
    return asked, offered


def _event_line(shown: WindowEvent) -> str:
    value = f" {shown.event.value:g}" if shown.event.value is not None else ""
    return f"{shown.event.type}{value} “{plain_title(shown.item.title) if shown.item else ''}”"
