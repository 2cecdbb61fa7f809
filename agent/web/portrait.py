"""A portrait as a card: claims with their strength in words, and the events under each."""

from collections.abc import Sequence
from dataclasses import dataclass

from limner.core.schema import Preference, Profile, Source, Trait
from limner.web.events import EventReader, Seen
from limner.web.words import Words
from limner.words import preference_text, spoken, summary_text, trait_text

_STRONG, _CLEAR = 0.6, 0.3
"""Strengths from which a taste is called so."""
_SURE, _LIKELY = 0.8, 0.5
"""The same of confidence."""


@dataclass(frozen=True)
class ShownPreference:
    """A preference, as the page shows it."""

    facet: str
    value: str
    """As the data has them: what a form sends back."""
    facet_name: str
    name: str
    polarity: str
    percent: int
    """Strength."""
    sureness: str
    """sure, likely or tentative."""
    said: str
    """Strength, trend and confidence in words."""
    text: str
    lang: str
    """Of the text."""
    facts: Sequence[str]
    """The numbers, and since when."""
    evidence: Sequence[Seen]


@dataclass(frozen=True)
class Habit:
    name: str
    label: str
    detail: str


@dataclass(frozen=True)
class Card:
    """A portrait, as the page shows it."""

    version: int
    day: str
    summary: str
    lang: str
    source: str
    """In whose words the summary is."""
    lights: str
    likes: Sequence[ShownPreference]
    dislikes: Sequence[ShownPreference]
    habits: Sequence[Habit]
    fields: Sequence[tuple[str, str]]
    unknowns: Sequence[str]
    notes: Sequence[str]


def card(profile: Profile, reader: EventReader, words: Words) -> Card:
    claims = [claim(one, profile, reader, words) for one in profile.preferences]
    summary, lang = summary_in(profile, words)
    return Card(
        version=profile.version,
        day=words.day(profile.as_of),
        summary=summary,
        lang=lang,
        source=source_of(profile.summary_source, profile.model, words),
        lights=reader.keys(profile.summary_evidence),
        likes=[one for one in claims if one.polarity == "like"],
        dislikes=[one for one in claims if one.polarity == "dislike"],
        habits=habits(profile, words),
        fields=[(one.name, _listed(one.value)) for one in profile.fields],
        unknowns=profile.unknowns,
        notes=profile.notes,
    )


def summary_in(profile: Profile, words: Words) -> tuple[str, str]:
    """The summary and its language: the reader's, where it is in template words."""
    if not _said_again(profile.summary_source, profile, words):
        return profile.summary, profile.language
    return summary_text(profile.preferences, profile.traits, spoken(words.code)), words.code


def claim(one: Preference, profile: Profile, reader: EventReader, words: Words) -> ShownPreference:
    again = _said_again(one.source, profile, words)
    return ShownPreference(
        facet=one.facet,
        value=one.value,
        facet_name=words.facet(one.facet),
        name=words.value(one.facet, one.value),
        polarity=one.polarity,
        percent=round(100 * one.strength),
        sureness=_sureness(one.confidence),
        said=said_of(one, words),
        text=preference_text(one, spoken(words.code)) if again else one.text,
        lang=words.code if again else profile.language,
        facts=_facts(one, words),
        evidence=reader.of(one.evidence),
    )


def _said_again(source: Source, profile: Profile, words: Words) -> bool:
    """Template sentences can be said anew in the reader's language; a model's stay as they were
    checked.
    """
    return source == "template" and words.code != spoken(profile.language).code


def said_of(one: Preference, words: Words) -> str:
    """Strength, trend and confidence in a few words."""
    strength = (
        "strong" if one.strength >= _STRONG else "clear" if one.strength >= _CLEAR else "slight"
    )
    said = [words(f"strength-{strength}"), words(f"sure-{_sureness(one.confidence)}")]
    if one.trend in ("rising", "fading", "steady"):
        said.insert(1, words(f"trend-{one.trend}"))
    if one.basis != "revealed":
        said.append(words(f"basis-{one.basis}"))
    if one.kind != "taste":
        said.append(words(f"kind-{one.kind}"))
    return words("comma").join(said)


def _sureness(confidence: float) -> str:
    return "sure" if confidence >= _SURE else "likely" if confidence >= _LIKELY else "tentative"


def _facts(one: Preference, words: Words) -> list[str]:
    found = [
        words("claim-numbers", strength=f"{one.strength:.2f}", confidence=f"{one.confidence:.2f}")
    ]
    if one.first_seen and one.last_seen:
        found.append(
            words("claim-seen", first=words.day(one.first_seen), last=words.day(one.last_seen))
        )
    return found


def habits(profile: Profile, words: Words) -> list[Habit]:
    """Habits that are known, with their numbers."""
    language = spoken(words.code)
    return [
        Habit(
            name=language.traits.get(one.name, one.name.replace("_", " ")),
            label=trait_text(one, language)
            or ", ".join(language.labels.get(part, part) for part in one.label.split(", ")),
            detail=_numbers(one, words),
        )
        for one in profile.traits
        if one.label != "unknown"
    ]


def _numbers(one: Trait, words: Words) -> str:
    """As they were counted, which is told in English; in another language the main ones."""
    if words.code == "en":
        return one.detail
    if one.value is None or f"habit-{one.name}" not in words.forms:
        return ""
    return words(
        f"habit-{one.name}", value=f"{one.value:g}", percent=f"{100 * one.value:.0f}", n=one.n
    )


def source_of(source: Source, model: str | None, words: Words) -> str:
    return (
        words("source-model", model=model or "?") if source == "llm" else words("source-template")
    )


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
