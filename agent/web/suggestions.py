"""Recommendations as the page shows them: reasons whose claims point at events, and how the list
moved.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from limner.core.schema import Profile, Reason, Recommendation, Recommendations, ShownList
from limner.web.events import EventReader, Seen
from limner.web.words import Words
from limner.words import plain_title, spoken, thing
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
    """Of the reason."""


@dataclass(frozen=True)
class SuggestionList:
    """A list of recommendations."""

    id: str
    suggestions: Sequence[Suggestion]
    notes: Sequence[str]
    changed: bool | None
    """Against the list before; None where that is not known."""


def listed(
    found: Recommendations,
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
        id=found.recommendation_id or "",
        suggestions=[
            _suggestion(
                one, found, profile, reader, words, before, (retold or {}).get(one.item.item_id)
            )
            for one in found.recommendations
        ],
        notes=found.notes,
        changed=_changed([one.item.item_id for one in found.recommendations], before),
    )


def _changed(items: Sequence[str], before: ShownList | None) -> bool | None:
    """As far as both lists reach."""
    if before is None:
        return None
    length = min(len(items), len(before.items))
    return list(items[:length]) != list(before.items[:length])


def _suggestion(
    one: Recommendation,
    found: Recommendations,
    profile: Profile,
    reader: EventReader,
    words: Words,
    before: ShownList | None,
    retold: Reason | None,
) -> Suggestion:
    reason = retold or one.reason or Reason(text="")
    lang = words.code if retold else profile.language
    return Suggestion(
        rank=one.rank,
        item_id=one.item.item_id,
        title=one.item.title or one.item.item_id,
        reason=parts(reason, profile, reader, lang),
        evidence=reader.of(reason.evidence)[:_SHOWN],
        facts=_facts(one, found, words),
        moved=_moved(one, before, words),
        lang=lang,
    )


def _facts(one: Recommendation, answer: Recommendations, words: Words) -> list[str]:
    kinds = words("comma").join(words.value("category", kind) for kind in one.item.categories[:4])
    found = [kinds] if kinds else []
    found += [words(f"flag-{flag}") for flag in one.flags if words.known(f"flag-{flag}", "")]
    if one.predicted_rating is not None:
        found.append(words("predicted", rating=f"{one.predicted_rating:.1f}"))
    channel = next(iter(one.channels), "")
    if channel:
        found.append(words.known(f"channel-{channel}", channel.replace("_", " ")))
    if one.reason is not None and one.reason.source == "llm":
        found.append(words("source-model", model=answer.model or "?"))
    return found


def _moved(one: Recommendation, before: ShownList | None, words: Words) -> str:
    if before is None:
        return ""
    if one.item.item_id not in before.items:
        return words("moved-new")
    by = before.items.index(one.item.item_id) + 1 - one.rank
    return words("moved-up", by=by) if by > 0 else words("moved-down", by=-by) if by < 0 else ""


# ---------------------------------------------------------------- claims within a reason


def parts(reason: Reason, profile: Profile, reader: EventReader, lang: str = "") -> list[Part]:
    """The text cut at its claims: titles of the events that it cites, and values of the
    preferences.

    lang: of the text; the portrait's where it is left out. Where neither is found in the text, all
    of it is one claim; without events it is none.
    """
    marks = reader.keys(reason.evidence)
    # Of an event without words there is nothing to find; an empty form would be found everywhere.
    forms = {
        form: lights
        for form, lights in _forms(reason, profile, reader, lang or profile.language)
        if form
    }
    if not marks or not forms:
        return [Part(reason.text, marks)]
    pattern = re.compile(
        "|".join(map(re.escape, sorted(forms, key=len, reverse=True))), re.IGNORECASE
    )
    found: list[Part] = []
    at = 0
    for match in pattern.finditer(reason.text):
        if match.start() > at:
            found.append(Part(reason.text[at : match.start()]))
        found.append(Part(match[0], forms[match[0].casefold()]))
        at = match.end()
    if not found:
        return [Part(reason.text, marks)]
    return [*found, Part(reason.text[at:])] if at < len(reason.text) else found


def _forms(
    reason: Reason, profile: Profile, reader: EventReader, lang: str
) -> Iterator[tuple[str, str]]:
    """What a claim may read as in the text, and the marks of its events."""
    language = spoken(lang)
    for one in profile.preferences:
        if f"{one.facet}:{one.value}" in reason.preferences:
            marks = reader.keys(dict.fromkeys([*one.evidence, *reason.evidence]))
            for form in (
                one.value,
                spoken_value(one.facet, one.value, language),
                thing(one.facet, one.value, language),
            ):
                yield form.casefold(), marks
    for seen in reader.of(reason.evidence):
        for form in (seen.title, plain_title(seen.title)):
            yield form.casefold(), seen.key
