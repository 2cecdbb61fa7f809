"""Why each recommended item: code chooses the grounds, template words or a model say them, verification reads them.

The grounds of a reason are the preferences that the item shares with the portrait and one event of the user that led
to it. Grounds already used for an earlier item of the list count for less, so that ten reasons do not all say the same.
An item without either gets the honest fallback, in template words.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from agent.config import Settings
from agent.errors import ModelError
from agent.llm import Chat, ChatRequest, ask
from agent.prompt import Prompt, load_prompt
from agent.schema import Dropped, Event, Grade, Item, Preference, Profile, Reason, Scale, WindowEvent
from agent.verify import EMPTY_LEXICON, Grounds, Lexicon, check_words, grounds_from, item_values, strip_citations
from agent.verify.claims import ValuesOf
from agent.verify.grounds import NEUTRAL_SIGNAL, value_variants
from agent.verify.nouns import foreign_noun
from agent.words import Language, load_language, plain_title, reason_text, thing, title_variants
from agent.words.text import fold, stems_of, tokens_of

LIST, PHRASE = "reasons", "reason-phrase"
MAX_PREFERENCES = 2
USED_AGAIN = 0.5
"""What grounds are worth each time they have been used in the list already."""
BARE = 0.5
"""What a decade or a price is worth beside what the item is about."""
_BARE_FACETS = ("era", "year", "decade", "price", "price band")
SAME = 2
"""How often one phrasing, names aside, may stand in a list in a model's words."""
TOKENS_A_REASON = 60


_YEAR = re.compile(r"\s*\(\d{4}\)\s*$")


@dataclass(frozen=True)
class Past:
    """What the user did."""

    events: Sequence[Event]
    items: Mapping[str, Item]
    signal: Mapping[str, float]
    """By event id."""


@dataclass(frozen=True)
class Why:
    """The grounds of one item's reason."""

    item: Item
    preferences: tuple[Preference, ...] = ()
    """Likes that the item shares, strongest first."""
    liked: WindowEvent | None = None
    channel: str = "content"
    """popular where nothing but popularity led to it."""

    @property
    def is_known(self) -> bool:
        return bool(self.preferences) or self.liked is not None


@dataclass(frozen=True)
class Explained:
    reasons: dict[str, Reason]
    """By item id: one for every item."""
    dropped: list[Dropped] = field(default_factory=list)
    claims: int = 0
    """Reasons that the model wrote."""
    notes: list[str] = field(default_factory=list)
    prompt: str | None = None


async def explain(
    profile: Profile,
    items: Sequence[Item],
    past: Past,
    chat: Chat | None,
    grade: Grade,
    settings: Settings,
    *,
    related: Mapping[str, Sequence[tuple[str, str, float]]] | None = None,
    channels: Mapping[str, Sequence[str]] | None = None,
    lexicon: Lexicon = EMPTY_LEXICON,
    values_of: ValuesOf = item_values,
    scales: Mapping[str, Scale] | None = None,
) -> Explained:
    """One reason for each of `items`, in their order.

    related: by item id the user's events that led to it, as (event id, title, weight), from the collaborative channel.
    channels: by item id the names of the channels that found it. A model that fails costs its words only; no money left
    counts as a failure here, since a list without a model's words is still a list.
    """
    language = load_language(settings.reasons.language or profile.language)
    whys = choose_grounds(profile, items, past, related or {}, channels or {}, values_of)
    writer = _Writer(settings, language, lexicon, scales or {}, strict=grade == "phrase")
    known = [why for why in whys if why.is_known]
    if chat is None or grade == "none" or not known:
        return Explained(writer.finish(whys, {}))
    prompt_id = LIST if grade == "full" else PHRASE if language.code == "en" else f"{PHRASE}-{language.code}"
    prompt = load_prompt(prompt_id, settings.prompts.get(prompt_id, ""))
    said: dict[str, tuple[str, Why]] = {}
    notes: list[str] = []
    size = len(known) if grade == "full" else 1
    batches = [known[at : at + size] for at in range(0, len(known), size)]
    stage = _listed if grade == "full" else _phrased
    answers = await asyncio.gather(
        *(
            _guarded(stage(batch, chat, prompt, settings, language, profile.user_id, at * size))
            for at, batch in enumerate(batches)
        )
    )
    claims = 0
    dropped: list[Dropped] = []
    for answer in answers:
        if isinstance(answer, ModelError):
            notes = [f"Some reasons are in template words, since the model did not help: {answer}"]
        else:
            claims += len(answer.said) + len(answer.refused)
            said |= answer.said
            dropped += answer.refused
    kept: dict[str, tuple[str, Why]] = {}
    for why in known:  # in list order, so that of two alike phrasings the first stays
        if why.item.item_id in said:
            text, cited = said[why.item.item_id]
            refusal = writer.refusal(text, cited)
            if refusal:
                dropped.append(Dropped(stage="reason", claim=text, reason=refusal))
            else:
                kept[why.item.item_id] = (text, cited)
    return Explained(writer.finish(whys, kept), dropped, claims, notes, prompt.label)


# ---------------------------------------------------------------- grounds


def choose_grounds(
    profile: Profile, items: Sequence[Item], past: Past, related: Mapping[str, Sequence[tuple[str, str, float]]],
    channels: Mapping[str, Sequence[str]], values_of: ValuesOf,
) -> list[Why]:  # fmt: skip
    """For each item the strongest shared likes and the liked event nearest to it, spread over the list."""
    shown = {event.event_id: _shown(number, event, past) for number, event in enumerate(past.events, 1)}
    liked = {event_id: s for event_id, s in shown.items() if s.item is not None and s.signal >= NEUTRAL_SIGNAL}
    values = {s.item.item_id: _values(s.item, values_of) for s in liked.values() if s.item is not None}
    used: Counter[str] = Counter()
    whys = []
    for item in items:
        mine = _values(item, values_of)
        shared = [p for p in profile.preferences if p.polarity == "like" and fold(p.value) in mine]
        shared.sort(key=lambda p: -_weight(p) * USED_AGAIN ** used[f"{p.facet}:{p.value}"])
        led = {event_id: weight for event_id, _, weight in related.get(item.item_id, ()) if weight > 0}
        # Without neighbours: an event behind a shared preference, by how many values its item has in common.
        behind = {
            event_id: _overlap(mine, values[seen.item.item_id])
            for p in shared[:MAX_PREFERENCES] for event_id in p.evidence
            if (seen := liked.get(event_id)) is not None and seen.item is not None
        }  # fmt: skip

        # Where a reason names both, the event's item carries the preferences too: it is the same interest.
        wanted = {fold(p.value) for p in shared}
        others = {event_id: s for event_id, s in liked.items() if s.event.item_id != item.item_id}
        same = {
            event_id: s for event_id, s in others.items()
            if s.item is not None and values[s.item.item_id] & wanted
        }  # fmt: skip
        best = (_nearest(led, same, used) or _nearest(behind, same, used)) if shared else _nearest(led, others, used)
        if best is not None and best.item is not None and shared:
            shared = [p for p in shared if fold(p.value) in values[best.item.item_id]]
        shared = shared[:MAX_PREFERENCES]
        used.update(f"{p.facet}:{p.value}" for p in shared)
        used.update([best.event.event_id] if best else [])
        whys.append(Why(item, tuple(shared), best, _channel(item, channels, past)))
    return whys


def _weight(preference: Preference) -> float:
    return preference.strength * preference.confidence * (BARE if preference.facet in _BARE_FACETS else 1.0)


def _nearest(weights: Mapping[str, float], events: Mapping[str, WindowEvent], used: Counter[str]) -> WindowEvent | None:
    """Of the weighted events the one that led most to an item, signal and earlier use counted."""
    return max(
        (events[event_id] for event_id in weights if event_id in events),
        key=lambda s: weights[s.event.event_id] * s.signal * USED_AGAIN ** used[s.event.event_id],
        default=None,
    )


def _shown(number: int, event: Event, past: Past) -> WindowEvent:
    item = past.items.get(event.item_id) if event.item_id else None
    return WindowEvent(number=number, event=event, item=item, signal=past.signal.get(event.event_id, 0.0), line="")


def _values(item: Item, values_of: ValuesOf) -> frozenset[str]:
    return frozenset(fold(value) for values in values_of(item).values() for value in values)


def _overlap(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard's index."""
    return len(a & b) / max(1, len(a | b))


def _channel(item: Item, channels: Mapping[str, Sequence[str]], past: Past) -> str:
    found = set(channels.get(item.item_id, ("content",) if past.events else ()))
    return "content" if found - {"popular", "recent", "fresh"} and past.events else "popular"


# ---------------------------------------------------------------- template words and verification


class _Writer:
    """Verifies a model's reasons and puts template words where there are none, keeping count of phrasings."""

    def __init__(
        self, settings: Settings, language: Language, lexicon: Lexicon, scales: Mapping[str, Scale], *, strict: bool
    ) -> None:
        """`strict`: a noun for the items must be the grounds' or the templates'."""
        self.strict = strict
        self.style, self.language, self.lexicon, self.scales = settings.reasons, language, lexicon, scales
        self.phrasings: Counter[str] = Counter()

    def refusal(self, text: str, why: Why) -> str:
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
        if not self._mentions(text, why):
            return "off_claim: it names nothing that led to the item"
        shape = phrasing(text, why, self.language)
        if self.phrasings[shape] >= SAME:
            return "repeated_phrasing"
        self.phrasings[shape] += 1
        return ""

    def finish(self, whys: Sequence[Why], kept: Mapping[str, tuple[str, Why]]) -> dict[str, Reason]:
        reasons = {}
        for why in whys:
            written = kept.get(why.item.item_id)
            text, cited = written if written else (self._template(why), why)
            evidence = [cited.liked.event.event_id] if cited.liked else []
            for preference in cited.preferences:
                evidence += preference.evidence[:2]
            reasons[why.item.item_id] = Reason(
                text=text,
                preferences=[f"{p.facet}:{p.value}" for p in cited.preferences],
                evidence=list(dict.fromkeys(evidence)),
                source="llm" if written else "template",
            )
        return reasons

    def _template(self, why: Why) -> str:
        liked = (why.liked.event, why.liked.item) if why.liked and why.liked.item else None
        scale = self.scales.get(why.liked.event.source) if why.liked else None
        forms = [
            reason_text(
                why.item, language=self.language, channel=why.channel, preferences=why.preferences, liked=liked,
                high=scale.high if scale else None, turn=turn,
            )
            for turn in range(3)
        ]  # fmt: skip
        shapes = [phrasing(form, why, self.language) for form in forms]
        best = min(range(len(forms)), key=lambda at: self.phrasings[shapes[at]])
        self.phrasings[shapes[best]] += 1
        return forms[best]

    def _grounds(self, why: Why) -> Grounds:
        liked = why.liked
        events = [liked.model_copy(update={"item": _title_only(liked.item)})] if liked and liked.item else []
        return grounds_from(
            self.language, preferences=why.preferences, events=events, items=[_title_only(why.item)],
            scales=self.scales, as_of=None,
        )  # fmt: skip

    def _mentions(self, text: str, why: Why) -> bool:
        code = self.language.code
        said = f" {' '.join(stems_of(text, code))} "
        names = [form for p in why.preferences for form in value_variants(p.value, self.language)]
        if why.liked and why.liked.item:
            names += title_variants(why.liked.item.title)
        forms = [" ".join(stems_of(name, code)) for name in names]
        return any(f" {form} " in said for form in forms if form)


def _title_only(item: Item) -> Item:
    """An item without its values and the year in its title, which speak for nothing in a reason.

    "Here is more comedy for you" must be of a shared preference: not of the event's item, which led to another kind of
    item, nor of the recommended one, whose values the user need not like.
    """
    return Item(item_id=item.item_id, title=_YEAR.sub("", item.title))


def _words(text: str, language: Language) -> int:
    """Words; two characters count as one where words are not set apart."""
    tokens = [t for t in tokens_of(text) if t.kind != "mark"]
    return (len(tokens) + 1) // 2 if language.code == "zh" else len(tokens)


def phrasing(text: str, why: Why, language: Language) -> str:
    """A reason with its names and numbers taken out: what makes two reasons read alike."""
    names = title_variants(why.item.title)
    if why.liked and why.liked.item:
        names += title_variants(why.liked.item.title)
    for preference in why.preferences:
        names += [thing(preference.facet, preference.value, language), *value_variants(preference.value, language)]
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


class Listed(BaseModel):
    """The answer at grade `full`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reasons: list[ListedReason]


@dataclass(frozen=True)
class _Said:
    said: dict[str, tuple[str, Why]]
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
    whys: Sequence[Why], chat: Chat, prompt: Prompt, settings: Settings, language: Language, user_id: str, first: int
) -> _Said:
    """Grade `phrase`: one call an item, from the grounds that code chose; several items in a call get mixed up."""
    (why,) = whys
    answered, _ = await ask(chat, phrase_request(why, prompt, settings, language, user_id, first), PhrasedReason)
    return _Said({why.item.item_id: (_tidy(answered.text, language), why)})


def phrase_request(
    why: Why, prompt: Prompt, settings: Settings, language: Language, user_id: str, turn: int
) -> ChatRequest:
    """`turn`: the item's place in the list."""
    parts = []
    if why.preferences:
        parts.append("taste: " + ", ".join(thing(p.facet, p.value, language) for p in why.preferences))
    if why.liked and why.liked.item:
        parts.append(f"enjoyed: “{plain_title(why.liked.item.title)}”")
    # The sentence follows the order of the line and its beginning, so that a list is not of one build.
    if turn % 2:
        parts.reverse()
    openings = language.templates.get("openings", {}).get("liked" if why.liked else "taste")
    if openings:
        parts.insert(0, f"begin: {openings[turn % len(openings)]}")
    return ChatRequest(
        purpose="reason", prompt=prompt.label, user_id=user_id, max_tokens=TOKENS_A_REASON,
        temperature=settings.llm.temperature,
        messages=prompt.render(grounds="; ".join(parts)),
    )  # fmt: skip


async def _listed(
    whys: Sequence[Why], chat: Chat, prompt: Prompt, settings: Settings, language: Language, user_id: str, first: int
) -> _Said:
    """Grade `full`: one call for the list; the model chooses among the grounds that code offers for each item."""
    asked, offered = list_request(whys, prompt, settings, language, user_id)
    listed, _ = await ask(chat, asked, Listed)
    said: dict[str, tuple[str, Why]] = {}
    refused: list[Dropped] = []
    for reason in listed.reasons:
        text, inline = strip_citations(reason.text.strip())
        cited = {name.strip().strip("[]").upper() for name in [*reason.evidence, *inline]}
        at = reason.item - 1
        if not 0 <= at < len(whys) or whys[at].item.item_id in said:
            refused.append(Dropped(stage="reason", claim=text, reason=f"unknown_item: {reason.item}"))
        elif not cited:
            refused.append(Dropped(stage="reason", claim=text, reason="uncited"))
        elif unknown := sorted(cited - offered[at]):
            refused.append(Dropped(stage="reason", claim=text, reason=f"unknown_evidence: {unknown[0]}"))
        else:
            why = whys[at]
            numbers = _numbers(whys)
            preferences = tuple(p for p in why.preferences if numbers[f"{p.facet}:{p.value}"] in cited)
            liked = why.liked if why.liked and f"E{why.liked.number}" in cited else None
            said[why.item.item_id] = (_tidy(text, language), Why(why.item, preferences, liked, why.channel))
    return _Said(said, refused)


def _numbers(whys: Sequence[Why]) -> dict[str, str]:
    """Local numbers of the list's preferences: P1, P2, …"""
    names = dict.fromkeys(f"{p.facet}:{p.value}" for why in whys for p in why.preferences)
    return {name: f"P{number}" for number, name in enumerate(names, 1)}


def list_request(
    whys: Sequence[Why], prompt: Prompt, settings: Settings, language: Language, user_id: str
) -> tuple[ChatRequest, list[set[str]]]:
    """The request, and by item the citations that are offered for it."""
    numbers = _numbers(whys)
    facets = {f"{p.facet}:{p.value}": p for why in whys for p in why.preferences}
    preferences = [f"{number} likes {facets[name].facet}: {facets[name].value}" for name, number in numbers.items()]
    events = {why.liked.number: why.liked for why in whys if why.liked and why.liked.item}
    lines, offered = [], []
    for at, why in enumerate(whys, 1):
        cites = [numbers[f"{p.facet}:{p.value}"] for p in why.preferences]
        cites += [f"E{why.liked.number}"] if why.liked else []
        offered.append(set(cites))
        lines.append(f"{at}. “{plain_title(why.item.title)}” [{', '.join(cites)}]")
    style = settings.reasons
    messages = prompt.render(
        language=language.name, voice=style.voice, words=str(style.max_words),
        preferences="\n".join(preferences) or "none",
        events="\n".join(f"E{number} {_event_line(shown)}" for number, shown in sorted(events.items())) or "none",
        items="\n".join(lines),
    )  # fmt: skip
    asked = ChatRequest(
        purpose="reason", prompt=prompt.label, messages=messages, user_id=user_id,
        max_tokens=60 + (TOKENS_A_REASON + 20) * len(whys), temperature=settings.llm.temperature,
    )  # fmt: skip
    return asked, offered


def _event_line(shown: WindowEvent) -> str:
    value = f" {shown.event.value:g}" if shown.event.value is not None else ""
    return f"{shown.event.type}{value} “{plain_title(shown.item.title) if shown.item else ''}”"


def _tidy(text: str, language: Language) -> str:
    text = strip_citations(" ".join(text.split()))[0]
    if text and text[-1].isalnum():
        text += "。" if language.code == "zh" else "."
    return text[:1].upper() + text[1:]
