"""Recommendations as the page shows them: reasons whose claims point at events, and how the list
moved.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from limner.core.columns import NO_NOUNS, Nouns
from limner.core.messages import Message
from limner.core.schema import Profile, Reason, Recommendation, Recommendations, ShownList
from limner.web.events import EventReader, Seen
from limner.web.words import Words
from limner.words import Language, plain_title, spoken, thing
from limner.words.templates import spoken_value

_SHOWN = 3
"""Events under a reason; the portrait holds the rest."""


@dataclass(frozen=True)
class Part:
    """A stretch of a reason; with `lights`, a claim and the marks of the events behind it."""

    text: str
    lights: str = ""


@dataclass(frozen=True)
class Suggestion:
    rank: int
    item_id: str
    title: str
    reason: Sequence[Part]
    evidence: Sequence[Seen]
    facts: Sequence[str]
    """What it is, what is expected, where it comes from, in whose words the reason is."""
    moved: str
    """Against the list before, in words; empty where it stands as it stood."""
    lang: str
    """Language of the reason."""


@dataclass(frozen=True)
class SuggestionList:
    """A list of recommendations."""

    id: str
    suggestions: Sequence[Suggestion]
    notes: Sequence[Message]
    changed: bool | None
    """Against the list before; None where that is not known."""
    untrained: bool
    """Whether it comes from counts alone, before the first training has ended."""


def listed(
    answer: Recommendations,
    profile: Profile,
    reader: EventReader,
    words: Words,
    before: ShownList | None = None,
    retold: Mapping[str, Reason] | None = None,
) -> SuggestionList:
    """before: what the list is compared with. retold: by item id, template reasons said in the
    reader's language.
    """
    return SuggestionList(
        id=answer.recommendation_id or "",
        suggestions=[
            _suggestion(
                recommendation,
                answer,
                profile,
                reader,
                words,
                before,
                (retold or {}).get(recommendation.item.item_id),
            )
            for recommendation in answer.recommendations
        ],
        notes=answer.notes,
        changed=_changed(
            [recommendation.item.item_id for recommendation in answer.recommendations], before
        ),
        untrained=answer.untrained,
    )


def _changed(items: Sequence[str], before: ShownList | None) -> bool | None:
    """Whether the lists differ, up to the length of the shorter one; None without a list before."""
    if before is None:
        return None
    length = min(len(items), len(before.items))
    return list(items[:length]) != list(before.items[:length])


def _suggestion(
    recommendation: Recommendation,
    answer: Recommendations,
    profile: Profile,
    reader: EventReader,
    words: Words,
    before: ShownList | None,
    retold: Reason | None,
) -> Suggestion:
    reason = retold or recommendation.reason or Reason(text="")
    lang = words.code if retold else profile.language
    return Suggestion(
        rank=recommendation.rank,
        item_id=recommendation.item.item_id,
        title=recommendation.item.title or recommendation.item.item_id,
        reason=parts(reason, profile, reader, lang, words.nouns),
        evidence=reader.of(reason.evidence)[:_SHOWN],
        facts=_facts(recommendation, answer, words),
        moved=_moved(recommendation, before, words),
        lang=lang,
    )


def _facts(recommendation: Recommendation, answer: Recommendations, words: Words) -> list[str]:
    kinds = words("comma").join(
        words.value("category", kind) for kind in recommendation.item.categories[:4]
    )
    facts = [kinds] if kinds else []
    facts += [
        words(f"flag-{flag}") for flag in recommendation.flags if words.known(f"flag-{flag}", "")
    ]
    if recommendation.predicted_rating is not None:
        facts.append(words("predicted", rating=f"{recommendation.predicted_rating:.1f}"))
    channel = next(iter(recommendation.channels), "")
    if channel:
        facts.append(words.known(f"channel-{channel}", channel.replace("_", " ")))
    if recommendation.reason is not None and recommendation.reason.source == "llm":
        facts.append(words("source-model", model=answer.model or "?"))
    return facts


def _moved(recommendation: Recommendation, before: ShownList | None, words: Words) -> str:
    if before is None:
        return ""
    if recommendation.item.item_id not in before.items:
        return words("moved-new")
    by = before.items.index(recommendation.item.item_id) + 1 - recommendation.rank
    return words("moved-up", by=by) if by > 0 else words("moved-down", by=-by) if by < 0 else ""


# ---------------------------------------------------------------- claims within a reason


def parts(
    reason: Reason, profile: Profile, reader: EventReader, lang: str = "", nouns: Nouns = NO_NOUNS
) -> list[Part]:
    """The text cut at its claims: titles of the events that it cites, and values of the
    preferences.

    lang: of the text; the portrait's where it is left out. Where neither is found in the text, all
    of it is one claim; without events it is none.
    """
    marks = reader.keys(reason.evidence)
    # Of an event without words there is nothing to find; an empty form would be found everywhere.
    forms = {
        form: lights
        for form, lights in _forms(reason, profile, reader, spoken(lang or profile.language, nouns))
        if form
    }
    if not marks or not forms:
        return [Part(reason.text, marks)]
    pattern = re.compile(
        "|".join(map(re.escape, sorted(forms, key=len, reverse=True))), re.IGNORECASE
    )
    pieces: list[Part] = []
    end = 0
    for match in pattern.finditer(reason.text):
        if match.start() > end:
            pieces.append(Part(reason.text[end : match.start()]))
        pieces.append(Part(match[0], forms[match[0].casefold()]))
        end = match.end()
    if not pieces:
        return [Part(reason.text, marks)]
    return [*pieces, Part(reason.text[end:])] if end < len(reason.text) else pieces


def _forms(
    reason: Reason, profile: Profile, reader: EventReader, language: Language
) -> Iterator[tuple[str, str]]:
    """What a claim may read as in the text, and the marks of its events."""
    for preference in profile.preferences:
        if f"{preference.facet}:{preference.value}" in reason.preferences:
            marks = reader.keys(dict.fromkeys([*preference.evidence, *reason.evidence]))
            for form in (
                preference.value,
                spoken_value(preference.facet, preference.value, language),
                thing(preference.facet, preference.value, language),
            ):
                yield form.casefold(), marks
    for seen in reader.of(reason.evidence):
        for form in (seen.title, plain_title(seen.title)):
            yield form.casefold(), seen.key
