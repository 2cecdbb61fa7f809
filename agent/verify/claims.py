"""Verifying what a model proposes: preferences, the project's own fields, and prose sentence by
sentence.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from limner.core.schema import (
    Basis,
    Dropped,
    Fact,
    FieldValue,
    Item,
    Kind,
    Polarity,
    Preference,
    Scalar,
    Scale,
    Trend,
    Window,
    WindowEvent,
)
from limner.core.settings import PortraitField
from limner.verify.check import check_words, split_sentences
from limner.verify.grounds import (
    EMPTY_LEXICON,
    NEUTRAL_SIGNAL,
    Grounds,
    Lexicon,
    grounds_from,
    item_values,
)
from limner.verify.sensitive import sensitive
from limner.words.language import Language
from limner.words.templates import preference_text, right_particles
from limner.words.text import fold, stems_of

Stage = Literal["summary", "preference", "field", "reason"]
ValuesOf = Callable[[Item], Mapping[str, Sequence[str]]]
"""Facet values of an item, e.g. `functools.partial(facets_of, rules=population.rules)`."""

MIN_PROPOSED = 2
"""Events that must speak for a value which no fact counted."""
MAX_EVIDENCE = 8
CONFIDENCE_AT = 3.0
"""Events at which the confidence in a value that no fact counted is one half: n / (n + 3)."""

_CITED = r"(?:\s*[,;，、]\s*[EFef]?\d+)*"
_CITATION = re.compile(
    rf"\s*(?:[\[【]\s*([EFef]?\d+{_CITED})\s*[\]】]|[(（]\s*([EFef]\d+{_CITED})\s*[)）])"
)


@dataclass(frozen=True)
class Citations:
    """What short local numbers stand for."""

    facts: tuple[Fact, ...]
    events: tuple[WindowEvent, ...]


def strip_citations(text: str) -> tuple[str, list[str]]:
    """A text without its inline citations ("likes comedies [F1, 12]") and the citations, in
    order.
    """
    cited = [
        part.strip()
        for match in _CITATION.finditer(text)
        for part in re.split(r"[,;，、]", match[1] or match[2])
    ]
    return _CITATION.sub("", text).strip(), cited


def tidy(text: str, language: Language) -> str:
    """A sentence without citations, with its first letter and full stop as they should be."""
    text = strip_citations(" ".join(text.split()))[0]
    text = right_particles(text) if language.code == "ko" else text
    if text and text[-1].isalnum():
        text += "。" if language.code == "zh" else "."
    return text[:1].upper() + text[1:]


def resolve(
    evidence: Sequence[str | int], facts: Sequence[Fact], window: Window
) -> Citations | str:
    """What is cited: "F3" a fact, 12, "12" or "E12" an event; or a refusal code.

    Codes: "uncited", "unknown_evidence: X", "not_users_event: X".
    """
    if not evidence:
        return "uncited"
    by_fact = {f"F{fact.number}": fact for fact in facts}
    by_event = {str(shown.number): shown for shown in window.events}
    found_facts: dict[int, Fact] = {}
    found_events: dict[int, WindowEvent] = {}
    for cited in evidence:
        name = str(cited).strip().strip("[]").upper()
        if name in by_fact:
            found_facts[by_fact[name].number] = by_fact[name]
        elif (shown := by_event.get(name.removeprefix("E"))) is not None:
            if shown.event.user_id != window.user_id:
                return f"not_users_event: {cited}"
            found_events[shown.number] = shown
        else:
            return f"unknown_evidence: {cited}"
    return Citations(tuple(found_facts.values()), tuple(found_events.values()))


def verify_text(
    text: str, grounds: Grounds, catalogue: Lexicon = EMPTY_LEXICON, *, stage: Stage = "summary"
) -> tuple[str, list[Dropped]]:
    """The sentences that hold, joined, and those that were dropped. Inline citations are removed
    first.
    """
    kept: list[str] = []
    dropped: list[Dropped] = []
    for sentence in split_sentences(strip_citations(text)[0]):
        if problems := check_words(sentence, grounds, grounds.language, catalogue):
            dropped.append(Dropped(stage=stage, claim=sentence, reason="; ".join(problems)))
        else:
            kept.append(sentence)
    return ("" if grounds.language.code == "zh" else " ").join(kept), dropped


def verify_preference(
    *,
    facet: str,
    value: str,
    polarity: Polarity,
    evidence: Sequence[str | int],
    facts: Sequence[Fact],
    window: Window,
    language: Language,
    text: str = "",
    kind: Kind = "taste",
    catalogue: Lexicon = EMPTY_LEXICON,
    scales: Mapping[str, Scale] | None = None,
    values_of: ValuesOf = item_values,
) -> Preference | Dropped:
    """A preference that a model proposes, checked against what it cites; numbers come from code,
    never from the model.

    A value that was mined takes strength, confidence, trend and dates from its fact. A value that
    was not (a theme) needs at least two cited events of the right signal whose item or review says
    it, and is computed from those. Without text template words stand in. Codes: those of `resolve`
    and `check_words`, and "flipped_polarity: VALUE", "attribute_missing: VALUE",
    "too_little_evidence: VALUE", "sensitive: TRAIT".
    """
    claim = f"{polarity} {facet}: {value}" + (f" — {text}" if text else "")

    def drop(reason: str) -> Dropped:
        return Dropped(stage="preference", claim=claim, reason=reason)

    cited = resolve(evidence, facts, window)
    if isinstance(cited, str):
        return drop(cited)
    fact = mined(facet, value, facts, language)
    if fact is None and (trait := sensitive(value, language) or _sensitive_facet(facet, language)):
        return drop(trait)
    if fact is not None and fact.polarity != polarity:
        return drop(f"flipped_polarity: {value}")
    if cited.facts and fact not in cited.facts and not cited.events:
        return drop(f"attribute_missing: {value}")
    wanted = 1 if polarity == "like" else -1
    carrying = [e for e in cited.events if _carries(e, value, fact, language, values_of)]
    supporting = [
        e for e in carrying if abs(e.signal) >= NEUTRAL_SIGNAL and (e.signal > 0) == (wanted > 0)
    ]
    if cited.events and len(carrying) * 2 < len(cited.events):
        return drop(f"attribute_missing: {value}")
    if cited.events and len(supporting) * 2 < len(carrying):
        return drop(f"flipped_polarity: {value}")
    if fact is None and len(supporting) < MIN_PROPOSED:
        return drop(f"too_little_evidence: {value}")
    if fact is not None and not supporting and fact not in cited.facts:
        return drop(f"attribute_missing: {value}")
    preference = _counted(fact, supporting, facet, value, polarity, kind, window)
    text = strip_citations(text)[0]
    if not text:
        return preference.model_copy(update={"text": preference_text(fact or preference, language)})
    # A proposed value is one of the grounds too: its events were just found to say it.
    grounds = grounds_from(
        language,
        facts=[*cited.facts, *([fact] if fact and fact not in cited.facts else [])],
        events=cited.events,
        preferences=[] if fact else [preference],
        scales=scales,
        total=window.total,
        as_of=window.events[-1].event.timestamp if window.events else None,
    )
    if problems := check_words(text, grounds, language, catalogue):
        return drop("; ".join(problems))
    return preference.model_copy(update={"text": text, "source": "llm"})


def mined(facet: str, value: str, facts: Sequence[Fact], language: Language) -> Fact | None:
    """The fact about a value: of the same facet where there is one, else of any; plural and
    language aside.
    """
    keys = _value_keys(value, language)
    same = [fact for fact in facts if _value_keys(fact.value, language) & keys]
    wanted = stems_of(facet, "en")
    return next((f for f in same if stems_of(f.facet, "en") == wanted), same[0] if same else None)


def _value_keys(value: str, language: Language) -> set[tuple[str, ...]]:
    forms = [value, *language.concepts.get(fold(value), ())]
    return {key for form in forms if (key := stems_of(form, language.code))}


def _sensitive_facet(facet: str, language: Language) -> str | None:
    trait = language.sensitive_topic.get(tuple(fold(facet).replace("_", " ").split()))
    return f"sensitive: {trait}" if trait else None


def _carries(
    shown: WindowEvent, value: str, fact: Fact | None, language: Language, values_of: ValuesOf
) -> bool:
    """Whether an event's item has the value, or (for a value that was not mined) its words stand in
    item or review.
    """
    if fact is not None and shown.event.event_id in fact.evidence:
        return True
    keys = _value_keys(value, language) | (_value_keys(fact.value, language) if fact else set())
    item = shown.item
    if item is not None:
        for found in (values_of(item), item_values(item)):
            for values in found.values():
                if any(_value_keys(v, language) & keys for v in values):
                    return True
    if fact is not None and fact.facet != "theme":
        return False
    texts = [shown.event.text]
    if item is not None:
        texts += [
            item.title,
            item.text,
            *(v for values in item_values(item).values() for v in values),
        ]
    said = {s for t in texts for s in stems_of(t, language.code)}
    return any(all(word in said for word in key) for key in keys)


def _counted(
    fact: Fact | None,
    supporting: Sequence[WindowEvent],
    facet: str,
    value: str,
    polarity: Polarity,
    kind: Kind,
    window: Window,
) -> Preference:
    ids = [e.event.event_id for e in supporting]
    if fact is not None:
        return Preference(
            facet=fact.facet,
            value=fact.value,
            polarity=polarity,
            kind=kind,
            basis=fact.basis,
            strength=fact.strength,
            confidence=fact.confidence,
            trend=fact.trend,
            first_seen=fact.first_seen,
            last_seen=fact.last_seen,
            count=fact.count,
            evidence=list(dict.fromkeys([*ids, *fact.evidence]))[:MAX_EVIDENCE],
        )
    times = [e.event.timestamp for e in supporting if e.event.timestamp is not None]
    stated: Basis = (
        "stated"
        if any(e.event.type in ("answer", "preference") for e in supporting)
        else "inferred"
    )
    return Preference(
        facet=facet,
        value=value,
        polarity=polarity,
        kind=kind,
        basis=stated,
        strength=round(sum(abs(e.signal) for e in supporting) / len(supporting), 4),
        confidence=round(len(supporting) / (len(supporting) + CONFIDENCE_AT), 4),
        trend=_trend(supporting, window),
        first_seen=min(times, default=None),
        last_seen=max(times, default=None),
        count=len(ids),
        evidence=ids[:MAX_EVIDENCE],
    )


def _trend(supporting: Sequence[WindowEvent], window: Window) -> Trend:
    """Supporting events in the window's later half against its earlier: rising from twice as many;
    unknown below 4.
    """
    if len(supporting) < 4:
        return "unknown"
    order = {e.number: i for i, e in enumerate(window.events)}
    later = sum(order[e.number] * 2 >= len(window.events) for e in supporting)
    earlier = len(supporting) - later
    return "rising" if later >= 2 * earlier else "fading" if earlier >= 2 * later else "steady"


def verify_field(
    name: str,
    field: PortraitField,
    value: Scalar | list[str],
    evidence: Sequence[str | int],
    *,
    facts: Sequence[Fact],
    window: Window,
    language: Language,
    catalogue: Lexicon = EMPTY_LEXICON,
    scales: Mapping[str, Scale] | None = None,
) -> FieldValue | Dropped:
    """A value for one of the project's own portrait fields, checked against its declaration and
    what it cites.

    A choice must be one of the allowed (others only where the field is not strict, and then in its
    grounds' words); a number must be one of the grounds'; text is read word by word. Codes: those
    of `resolve` and `check_words`, and "wrong_type: X", "not_allowed: X", "sensitive: TRAIT". The
    evidence kept is event ids.
    """

    def drop(reason: str) -> Dropped:
        return Dropped(stage="field", claim=f"{name}: {value}", reason=reason)

    cited = resolve(evidence, facts, window)
    if isinstance(cited, str):
        return drop(cited)
    words = value if isinstance(value, list) else [str(value)]
    if problem := _wrong_type(field, value):
        return drop(problem)
    for word in words:
        if trait := sensitive(word, language):
            return drop(trait)
    if trait := _sensitive_facet(name, language):
        return drop(trait)
    grounds = grounds_from(
        language, facts=cited.facts, events=cited.events, scales=scales, total=window.total
    )
    checked: Scalar | list[str] = value
    if field.type in ("choice", "choices"):
        allowed = {fold(choice): choice for choice in field.allowed}
        chosen = [allowed.get(fold(word), word) for word in words]
        others = [word for word in chosen if fold(word) not in allowed]
        if others and field.strict:
            return drop(f"not_allowed: {others[0]}")
        for word in others:
            if problems := check_words(word, grounds, language, catalogue):
                return drop("; ".join(problems))
        checked = chosen if field.type == "choices" else chosen[0]
    elif field.type == "number":
        number = float(str(value))
        if not any(round(number, 4) in o.numbers | o.percents for o in grounds.origins):
            return drop(f"unsupported_number: {value}")
    elif field.type == "text":
        checked = strip_citations(str(value))[0]
        if problems := check_words(checked, grounds, language, catalogue):
            return drop("; ".join(problems))
    ids = [e.event.event_id for e in cited.events] + [
        i for fact in cited.facts for i in fact.evidence
    ]
    if not ids:
        return drop("uncited")
    return FieldValue(name=name, value=checked, evidence=list(dict.fromkeys(ids))[:MAX_EVIDENCE])


def _wrong_type(field: PortraitField, value: Scalar | list[str]) -> str | None:
    right = {
        "text": isinstance(value, str),
        "choice": isinstance(value, str),
        "choices": isinstance(value, list),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "flag": isinstance(value, bool),
    }[field.type]
    return None if right else f"wrong_type: {value!r} is not {field.type}"
