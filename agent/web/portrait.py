"""A portrait as a card: claims with their strength in words, and the events under each."""

from collections.abc import Sequence
from dataclasses import dataclass

from limner.core.messages import Message
from limner.core.schema import Preference, Profile, Source, Trait
from limner.web.events import EventReader, Seen
from limner.web.words import Words
from limner.words import preference_text, spoken, summary_text, trait_text

_STRONG, _CLEAR = 0.6, 0.3
"""Strengths from which a taste is called so."""
_SURE, _LIKELY = 0.8, 0.5
"""Confidence from which a preference is called sure, and likely."""


@dataclass(frozen=True)
class ShownPreference:
    """A preference, as the page shows it."""

    facet: str
    value: str
    """Facet and value as the data has them, which a form sends back."""
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
    """Language of the text."""
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
    notes: Sequence[Message]


def card(profile: Profile, reader: EventReader, words: Words) -> Card:
    claims = [claim(shown, profile, reader, words) for shown in profile.preferences]
    summary, lang = summary_in(profile, words)
    return Card(
        version=profile.version,
        day=words.day(profile.as_of),
        summary=summary,
        lang=lang,
        source=source_of(profile.summary_source, profile.model, words),
        lights=reader.keys(profile.summary_evidence),
        likes=[shown for shown in claims if shown.polarity == "like"],
        dislikes=[shown for shown in claims if shown.polarity == "dislike"],
        habits=habits(profile, words),
        fields=[(shown.name, _listed(shown.value)) for shown in profile.fields],
        unknowns=profile.unknowns,
        notes=profile.notes,
    )


def summary_in(profile: Profile, words: Words) -> tuple[str, str]:
    """The summary and its language: the reader's, where it is in template words."""
    if not _said_again(profile.summary_source, profile, words):
        return profile.summary, profile.language
    return summary_text(profile.preferences, profile.traits, words.language), words.code


def claim(
    preference: Preference, profile: Profile, reader: EventReader, words: Words
) -> ShownPreference:
    again = _said_again(preference.source, profile, words)
    return ShownPreference(
        facet=preference.facet,
        value=preference.value,
        facet_name=words.facet(preference.facet),
        name=words.value(preference.facet, preference.value),
        polarity=preference.polarity,
        percent=round(100 * preference.strength),
        sureness=_sureness(preference.confidence),
        said=said_of(preference, words),
        text=preference_text(preference, words.language) if again else preference.text,
        lang=words.code if again else profile.language,
        facts=_facts(preference, words),
        evidence=reader.of(preference.evidence),
    )


def _said_again(source: Source, profile: Profile, words: Words) -> bool:
    """Template sentences can be said anew in the reader's language; a model's stay as they were
    checked.
    """
    return source == "template" and words.code != spoken(profile.language).code


def said_of(preference: Preference, words: Words) -> str:
    """Strength, trend and confidence in a few words."""
    strength = (
        "strong"
        if preference.strength >= _STRONG
        else "clear"
        if preference.strength >= _CLEAR
        else "slight"
    )
    parts = [words(f"strength-{strength}"), words(f"sure-{_sureness(preference.confidence)}")]
    if preference.trend in ("rising", "fading", "steady"):
        parts.insert(1, words(f"trend-{preference.trend}"))
    if preference.basis != "revealed":
        parts.append(words(f"basis-{preference.basis}"))
    if preference.kind != "taste":
        parts.append(words(f"kind-{preference.kind}"))
    return words("comma").join(parts)


def _sureness(confidence: float) -> str:
    return "sure" if confidence >= _SURE else "likely" if confidence >= _LIKELY else "tentative"


def _facts(preference: Preference, words: Words) -> list[str]:
    lines = [
        words(
            "claim-numbers",
            strength=f"{preference.strength:.2f}",
            confidence=f"{preference.confidence:.2f}",
        )
    ]
    if preference.first_seen and preference.last_seen:
        lines.append(
            words(
                "claim-seen",
                first=words.day(preference.first_seen),
                last=words.day(preference.last_seen),
            )
        )
    return lines


def habits(profile: Profile, words: Words) -> list[Habit]:
    """Habits that are known, with their numbers."""
    language = words.language
    return [
        Habit(
            name=language.traits.get(trait.name, trait.name.replace("_", " ")),
            label=trait_text(trait, language)
            or ", ".join(language.labels.get(part, part) for part in trait.label.split(", ")),
            detail=_numbers(trait, words),
        )
        for trait in profile.traits
        if trait.label != "unknown"
    ]


def _numbers(trait: Trait, words: Words) -> str:
    """A habit's numbers: the counted detail in English, the main ones in other languages."""
    if words.code == "en":
        return trait.detail
    if trait.value is None or f"habit-{trait.name}" not in words.forms:
        return ""
    return words(
        f"habit-{trait.name}",
        value=f"{trait.value:g}",
        percent=f"{100 * trait.value:.0f}",
        n=trait.n,
    )


def source_of(source: Source, model: str | None, words: Words) -> str:
    return (
        words("source-model", model=model or "?") if source == "llm" else words("source-template")
    )


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
