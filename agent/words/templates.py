"""Template sentences: what stands in a portrait or a reason where no model words it, or its words were refused."""

import re
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from agent.schema import Event, Fact, Item, Preference, Trait
from agent.words.language import Language, load_language
from agent.words.text import fold, tokens_of
from agent.words.titles import plain_title

MAX_NAMED = 3
"""Values that one sentence lists."""

_COMMON = frozenset({"genre", "category", "theme", "mood", "format"})
"""Facets whose known values are common nouns, in lower case where a language has that."""
_NAMES = frozenset({"brand", "author", "director", "actor", "creator", "artist"})
"""Facets whose values are names and stay as they are."""


def _variant(key: str, forms: Sequence[str] | str, turn: int = 0) -> str:
    """One of the forms, the same for the same key on every machine; each `turn` takes the next one."""
    return forms if isinstance(forms, str) else forms[(crc32(key.encode()) + turn) % len(forms)]


def join(words: Sequence[str], language: Language) -> str:
    """A list in words: "a", "a and b", "a, b, and c"."""
    how = language.templates["list"]
    if len(words) <= 2:
        return str(how["last"]).join(words)
    return str(how["comma"]).join(words[:-1]) + str(how["last_many"]) + words[-1]


def particles(text: str) -> str:
    """Korean particles by the sound before them: "코미디{을/를}" becomes "코미디를", "호러물{을/를}" "호러물을"."""

    def choose(match: re.Match[str]) -> str:
        with_final, without = match[1], match[2]
        before = re.sub(r"[\s\"”’'」』》)]+$", "", text[: match.start()])
        last = before[-1:]
        if "가" <= last <= "힣":
            final = (ord(last) - 0xAC00) % 28
        else:
            final = 1 if last in "013678lmnrLMNR" else 0
            if last in "178lrLR":
                final = 8
        if with_final == "으로" and final == 8:
            return without
        return with_final if final else without

    while match := re.search(r"\{([가-힣]+)/([가-힣]+)\}", text):
        text = text[: match.start()] + choose(match) + text[match.end() :]
    return text


def _fill(form: str, language: Language, **values: object) -> str:
    text = form.format_map(_Keep({name: _number(v, language) for name, v in values.items()}))
    text = particles(text) if language.code == "ko" else text
    text = text.strip()
    return text[:1].upper() + text[1:] if language.capital_names or language.code == "de" else text


class _Keep(dict[str, str]):
    """Leaves Korean particle choices ("{을/를}") in place while the rest is filled."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def _number(value: object, language: Language) -> str:
    if isinstance(value, float):
        text = f"{value:g}"
        return text.replace(".", ",") if language.decimal_comma else text
    return str(value)


def _is_sensitive(value: str, language: Language) -> bool:
    """Whether a value names a sensitive trait, in the language of the text or in English, as catalogues often are."""
    folded = [t.folded for t in tokens_of(value)]
    return not language.item_nouns & set(folded) and any(
        table.longest(folded, at) is not None
        for spoken in (language, load_language("en"))
        for table in (spoken.sensitive_person, spoken.sensitive_topic) for at in range(len(folded))
    )  # fmt: skip


def thing(facet: str, value: str, language: Language) -> str:
    """A facet value as a sentence speaks of it: "comedy", "titles from the 1990s", "the brand Sony"."""
    forms: dict[str, Any] = language.templates["value"]
    name = value if facet in _NAMES else language.value(value)
    if _is_sensitive(name, language):
        return str(forms["sensitive"]).format(value=name, facet=language.facet(facet))
    if facet in _COMMON and not language.cjk and language.code != "de" and fold(value) in language.concepts:
        name = name.lower()
    if re.fullmatch(r"(?:1[5-9]|20)\d0s", value):
        name = language.decades[0].format(year=value[:4], short=value[2:4])
    return str(forms.get(facet, forms["default"])).format(value=name, facet=language.facet(facet))


def things(claims: Sequence[Fact | Preference], language: Language, limit: int = MAX_NAMED) -> str:
    """Several values as a list in words; one that two facets share is named once."""
    names = {fold(language.value(c.value)): thing(c.facet, c.value, language) for c in reversed(claims)}
    order = dict.fromkeys(fold(language.value(c.value)) for c in claims)
    return join([names[value] for value in order][:limit], language)


def _percent(share: float) -> str:
    return f"{int(share * 100 + 0.5)}"


def preference_text(claim: Fact | Preference, language: Language) -> str:
    """One sentence about one preference: with its numbers where it is a fact, without where it is not."""
    key = f"{claim.facet}:{claim.value}"
    name = thing(claim.facet, claim.value, language)
    templates = language.templates
    counted = (
        isinstance(claim, Fact)
        and claim.count > 1
        and (claim.negative > 0 if claim.polarity == "dislike" else claim.share > claim.base_rate)
    )
    form = _variant(key, templates[claim.polarity if counted else f"{claim.polarity}_bare"])
    numbers = (
        {"count": claim.count, "positive": claim.positive, "negative": claim.negative,
         "share": _percent(claim.share), "base": _percent(claim.base_rate)}
        if isinstance(claim, Fact) else {}
    )  # fmt: skip
    text = _fill(form, language, thing=name, **numbers)
    if claim.trend in templates["trend"]:
        text += _space(language) + _fill(str(templates["trend"][claim.trend]), language, thing=name)
    return text


def _space(language: Language) -> str:
    return "" if language.code == "zh" else " "


def summary_text(facts: Sequence[Fact | Preference], traits: Sequence[Trait], language: Language) -> str:
    """Two to four sentences: what the user likes, what stands out or changes, what they turn down, how they behave.

    facts: strongest first. One honest sentence where there is nothing to say.
    """
    templates = language.templates["summary"]
    likes = [f for f in facts if f.polarity == "like"]
    dislikes = [f for f in facts if f.polarity == "dislike"]
    key = "|".join(f"{f.facet}:{f.value}" for f in facts[:4])
    sentences: list[str] = []
    if likes:
        sentences.append(_fill(_variant(key, templates["likes"]), language, things=things(likes, language)))
        top = next((f for f in likes if isinstance(f, Fact) and f.share > f.base_rate and f.count > 2), None)
        if top is not None:
            sentences.append(
                _fill(_variant(key, templates["top"]), language, value=thing(top.facet, top.value, language),
                      share=_percent(top.share), base=_percent(top.base_rate))
            )  # fmt: skip
        for trend in ("rising", "fading"):
            moving = [f for f in likes if f.trend == trend]
            if moving and len(sentences) < 3:
                sentences.append(_fill(str(templates[trend]), language, things=things(moving, language, 2)))
    if dislikes:
        sentences.append(_fill(_variant(key, templates["dislikes"]), language, things=things(dislikes, language, 2)))
    if len(sentences) < 4 and (habits := [said for t in traits if (said := trait_text(t, language))]):
        sentences.append(_fill(str(templates["traits"]), language, traits=_habits(habits[:MAX_NAMED], language)))
    if not sentences:
        return str(templates["nothing"])
    return _space(language).join(sentences)


def trait_text(trait: Trait, language: Language) -> str:
    """A counted habit as a verb phrase ("rates generously"); empty where it is average, unknown or has no words."""
    return language.phrases.get(trait.name, {}).get(trait.label, "")


def _habits(phrases: Sequence[str], language: Language) -> str:
    if language.code == "ko":
        return ". ".join(phrases)
    if language.code == "zh":
        return "，".join(phrases)
    return join(phrases, language)


def reason_text(
    item: Item,
    *,
    language: Language,
    channel: str = "content",
    preferences: Sequence[Preference | Fact] = (),
    liked: tuple[Event, Item] | None = None,
    high: float | None = None,
    turn: int = 0,
) -> str:
    """Why an item: one or two sentences to the user.

    preferences: those that the item shares, strongest first. liked: an event of the user whose item led here, and high
    the top of its rating scale. channel "popular" or "fresh" without either gives the honest fallback. Which form is
    taken depends on the item's id, so that ten reasons in a row do not read alike; each `turn` takes the next form.
    """
    templates = language.templates["reason"]
    shared = [p for p in preferences if p.polarity == "like"]
    values: dict[str, object] = {"title": plain_title(item.title or item.item_id)}
    rated = False
    if liked is not None:
        event, seen = liked
        values["liked"] = plain_title(seen.title or seen.item_id)
        if event.value is not None and high is not None and event.type in ("rating", "review"):
            rated = True
            values |= {"rating": float(event.value), "high": float(high)}
    if shared:
        values["things"] = things(shared, language, 2)
        case = "shared_event" if rated else "shared"
        return _fill(_variant(item.item_id, templates[case], turn), language, **values)
    if liked is not None:
        case = "neighbour" if rated else "neighbour_plain"
        return _fill(_variant(item.item_id, templates[case], turn), language, **values)
    return _fill(
        _variant(item.item_id, templates["plain" if channel not in ("popular", "fresh") else "popular"], turn),
        language,
        **values,
    )
