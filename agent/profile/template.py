"""The portrait in template words: the ground on which every grade builds, and a full portrait by
itself.
"""

from collections.abc import Sequence

from limner.core.schema import Fact, Preference, Profile
from limner.core.settings import Settings
from limner.profile.fields import unanswered, update_fields
from limner.profile.subject import Subject, Tally, built_from
from limner.words import Language, preference_text, summary_text
from limner.words.text import fold

MAX_EVIDENCE = 8


def preference_of(fact: Fact, language: Language) -> Preference:
    """A mined fact as a preference in template words."""
    return Preference(
        facet=fact.facet,
        value=fact.value,
        polarity=fact.polarity,
        basis=fact.basis,
        strength=fact.strength,
        confidence=fact.confidence,
        trend=fact.trend,
        first_seen=fact.first_seen,
        last_seen=fact.last_seen,
        count=fact.count,
        evidence=fact.evidence[:MAX_EVIDENCE],
        text=preference_text(fact, language),
    )


def distinct(facts: Sequence[Fact]) -> list[Fact]:
    """Facts without those that repeat an earlier one's value under another facet.

    A fact repeats another if both have one value (as genre and as category, say), or if its value
    contains the other's name and rests on the same events ("Amazon" the brand and "Amazon.com" in
    titles).
    """
    kept: list[Fact] = []
    for fact in facts:
        if not any(_repeats(fact, other) for other in kept):
            kept.append(fact)
    return kept


def _repeats(a: Fact, b: Fact) -> bool:
    one, other = fold(a.value), fold(b.value)
    if one == other:
        return True
    return (
        a.facet != b.facet and (one in other or other in one) and set(a.evidence) == set(b.evidence)
    )


def strongest(preferences: Sequence[Preference], limit: int) -> list[Preference]:
    """The `limit` strongest: stated ones first, then by strength times confidence.

    Where only likes would be left the best dislike takes the last place (and the other way round):
    what someone turns down says as much.
    """
    ranked = sorted(preferences, key=lambda p: (p.basis != "stated", -p.strength * p.confidence))
    chosen, rest = ranked[:limit], ranked[limit:]
    if limit > 1 and len({p.polarity for p in chosen}) == 1:
        other = next((p for p in rest if p.polarity != chosen[0].polarity), None)
        if other is not None:
            chosen[-1] = other
    return chosen


def template_profile(
    subject: Subject, settings: Settings, language: Language, tally: Tally
) -> Profile:
    """Summary, preferences and habits from the mined facts alone, and what was asked for and stays
    unknown.
    """
    facts, traits = distinct(subject.facts.facts), subject.facts.traits
    fields = update_fields(settings.portrait, subject.previous, [], subject.events)
    return Profile(
        user_id=subject.user.user_id,
        as_of=subject.as_of,
        language=language.code,
        summary=summary_text(facts, traits, language),
        summary_evidence=list(
            dict.fromkeys(event_id for fact in facts[:4] for event_id in fact.evidence[:2])
        ),
        preferences=strongest(
            [preference_of(fact, language) for fact in facts], settings.portrait.max_preferences
        ),
        traits=traits,
        fields=fields,
        unknowns=unanswered(settings.portrait, fields),
        built_from=built_from(subject, tally, settings),
    )
