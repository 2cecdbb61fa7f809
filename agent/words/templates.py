"""Template sentences: what stands in a portrait or a reason where no model words it, or its words
were refused.
"""

import re
from collections.abc import Sequence
from typing import Literal
from zlib import crc32

from limner.core.schema import LOOKS, Event, Fact, Item, Preference, Trait
from limner.words.data import Forms
from limner.words.language import Language, load_language
from limner.words.text import fold, tokens_of
from limner.words.titles import is_shouted, plain_title

MAX_NAMED = 3
"""Values that one sentence lists."""

FEW = 10
"""Items below which a sentence gives counts, since shares would say little."""
TENTATIVE = 3
"""Events below which a like is called a first sign."""
TOO_FEW = 5
"""Items of a user below which each of their likes is called a first sign."""
MIN_RATIO, MIN_GAP = 1.5, 0.1
"""A value stands out if share / base rate >= MIN_RATIO or share - base rate >= MIN_GAP."""
NEAR = 0.02
"""Distance between share and base rate below which a decimal is needed to tell them apart."""

_COMMON = frozenset({"genre", "category", "theme", "mood", "format"})
"""Facets whose known values are common nouns, in lower case where a language has that; others stand
in quotes.
"""
_DECADE = re.compile(r"(?:1[5-9]|20)\d0s")
_NAMES = frozenset(
    {
        "brand",
        "author",
        "director",
        "actor",
        "cast",
        "creator",
        "artist",
        "publisher",
        "studio",
        "manufacturer",
    }
)
"""Facets whose values are names and stay as they are."""
_LITERAL = _NAMES | {"theme", "language"}
"""Facets whose values are not translated: names, words of titles, and languages (their adjectives
name countries).
"""

Origin = Literal[
    "next_item", "collaborative", "content", "similar", "popular", "recent", "nothing", ""
]
"""Where a recommendation comes from: a channel, or the history as a whole."""


def _variant(key: str, forms: Forms, turn: int = 0) -> str:
    """One of the forms, chosen by the key's CRC-32 (so equal on every machine); each `turn` takes
    the next one.
    """
    return forms[(crc32(key.encode()) + turn) % len(forms)]


def join(words: Sequence[str], language: Language) -> str:
    """A list in words: "a", "a and b", "a, b, and c"."""
    how = language.templates.list_
    if len(words) <= 2:
        return how.last.join(words)
    return how.comma.join(words[:-1]) + how.last_many + words[-1]


def particles(text: str) -> str:
    """Korean particles by the sound before them: "코미디{을/를}" becomes "코미디를"."""

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


_QUOTED_PARTICLE = re.compile(r"(?<=[”\"’」』》])(을|를|은|는|이|가|과|와)(?=[\s,.;!?]|$)")
_PAIRS = {
    "을": "을/를",
    "를": "을/를",
    "은": "은/는",
    "는": "은/는",
    "이": "이/가",
    "가": "이/가",
    "과": "과/와",
    "와": "과/와",
}


def right_particles(text: str) -> str:
    """Korean prose with the particles that follow quoted names as their sounds ask for; models
    guess them.
    """
    return particles(_QUOTED_PARTICLE.sub(lambda match: "{" + _PAIRS[match[1]] + "}", text))


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
    """Whether a value names a sensitive trait, in the language of the text or in English, as
    catalogues often are.
    """
    folded = [t.folded for t in tokens_of(value)]
    return not language.item_nouns & set(folded) and any(
        table.longest(folded, at) is not None
        for spoken in (language, load_language("en"))
        for table in (spoken.sensitive_person, spoken.sensitive_topic)
        for at in range(len(folded))
    )


def spoken_value(facet: str, value: str, language: Language) -> str:
    """A facet value as prose writes it: translated where that is known, not shouted, prices in
    words.
    """
    if facet == "price band" and value in language.templates.prices:
        return language.templates.prices[value]
    name = value if facet in _LITERAL else language.value(value)
    return name.lower() if facet in _COMMON and is_shouted(name) else name


def thing(facet: str, value: str, language: Language) -> str:
    """A facet value as a sentence speaks of it: "comedy", "titles from the 1990s", "the brand
    Sony".
    """
    forms = language.templates.value
    name = spoken_value(facet, value, language)
    if _is_sensitive(name, language):
        return forms["sensitive"].format(value=name, facet=language.facet(facet))
    if facet == "price band" and value in language.templates.prices:
        return name
    form = forms.get(facet, forms["default"])
    if facet in _COMMON:
        if facet == "theme" or fold(value) not in language.concepts:
            # Words of the catalogue's own, of any number and case: a sentence can only quote them.
            form = forms["named"] if form == "{value}" else form
        elif language.lowers_nouns:
            name = name.lower()
    if _DECADE.fullmatch(value):
        name = language.decades[0].format(year=value[:4], short=value[2:4])
    return form.format(value=name, facet=language.facet(facet))


def things(claims: Sequence[Fact | Preference], language: Language, limit: int = MAX_NAMED) -> str:
    """Several values as a list in words; a value that two facets share is named once."""
    names = {
        fold(language.value(c.value)): thing(c.facet, c.value, language) for c in reversed(claims)
    }
    order = dict.fromkeys(fold(language.value(c.value)) for c in claims)
    return join([names[value] for value in order][:limit], language)


def percents(share: float, base: float, language: Language) -> tuple[str, str]:
    """A share and the average as prose says them: with a decimal where they lie near each other."""
    fine = abs(share - base) < NEAR
    return percent(share, language, fine=fine), percent(base, language, fine=fine)


def percent(share: float, language: Language, *, fine: bool = False) -> str:
    """A share as prose says it: whole per cents, below one with a decimal (two below a tenth).

    `fine`: with a decimal above one too.
    """
    whole = share * 100
    if whole >= 0.95:
        text = f"{whole:.1f}" if fine else f"{int(whole + 0.5)}"
    else:
        text = f"{whole:.1f}" if whole >= 0.095 else f"{whole:.2f}"
    return text.replace(".", ",") if language.decimal_comma else text


def stands_out(fact: Fact) -> bool:
    """Whether a share is so far above the average that it is worth its own sentence."""
    if fact.share <= fact.base_rate:
        return False  # 0 against a base rate of 0 does not stand out
    return fact.share >= MIN_RATIO * fact.base_rate or fact.share >= fact.base_rate + MIN_GAP


def is_tentative(claim: Fact | Preference) -> bool:
    """Whether so few events speak for a like that it is a first sign, and no more."""
    if claim.basis == "stated":
        return False
    if not isinstance(claim, Fact):
        return len(claim.evidence) < TENTATIVE
    return claim.count < TENTATIVE or claim.count < TOO_FEW * claim.share


def preference_text(claim: Fact | Preference, language: Language) -> str:
    """One sentence about one preference: with its numbers if it is a fact, else without."""
    name = thing(claim.facet, claim.value, language)
    if not isinstance(claim, Fact):
        return _fill(_bare_form(claim, language), language, thing=name) + _trend(
            claim, name, language
        )
    share, base = percents(claim.share, claim.base_rate, language)
    numbers = {"count": claim.count, "negative": claim.negative, "share": share, "base": base}
    if claim.polarity == "dislike":
        form = _dislike_form(claim, language)
    elif claim.basis == "stated" or claim.share <= claim.base_rate or share == base:
        form = _bare_form(claim, language)
    else:
        form = _like_form(claim, language)
    return _fill(form, language, thing=name, **numbers) + _trend(claim, name, language)


def _bare_form(claim: Fact | Preference, language: Language) -> str:
    """A form without numbers."""
    forms = language.templates
    chosen = forms.like_bare if claim.polarity == "like" else forms.dislike_bare
    return _variant(_key_of(claim), chosen)


def _dislike_form(fact: Fact, language: Language) -> str:
    if fact.count > 1 and fact.negative > 0:
        return _variant(_key_of(fact), language.templates.dislike)
    return _bare_form(fact, language)


def _like_form(fact: Fact, language: Language) -> str:
    """A form with numbers: the fewer the items, the humbler it is."""
    forms = language.templates
    if fact.count < 2:
        return forms.like_one_looked if fact.looked else forms.like_one
    if is_tentative(fact) or fact.count < FEW * fact.share:
        return forms.like_few_looked if fact.looked else forms.like_few
    if fact.looked:
        return forms.like_looked
    # Nobody has a soft spot for a price; the last form is the soberest.
    return forms.like[-1] if fact.facet == "price band" else _variant(_key_of(fact), forms.like)


def _key_of(claim: Fact | Preference) -> str:
    return f"{claim.facet}:{claim.value}"


def _trend(claim: Fact | Preference, name: str, language: Language) -> str:
    """A sentence on a like that rises or fades, else empty.

    A dislike has none: meeting more of what one turns down is no growing interest.
    """
    form = language.templates.trend.get(claim.trend) if claim.polarity == "like" else None
    return _space(language) + _fill(form, language, thing=name) if form else ""


def _space(language: Language) -> str:
    return "" if language.code == "zh" else " "


def values_text(claims: Sequence[Fact | Preference], language: Language, key: str = "") -> str:
    """One sentence that names the values of claims which are all likes or all dislikes.

    If all likes are tentative, it calls them first signs. `key` chooses among the forms.
    """
    forms = language.templates.summary
    key = key or "|".join(map(_key_of, claims))
    if claims[0].polarity == "dislike":
        return _fill(_variant(key, forms.dislikes), language, things=things(claims, language, 2))
    chosen = forms.first if all(map(is_tentative, claims)) else forms.likes
    return _fill(_variant(key, chosen), language, things=things(claims, language))


def summary_text(
    facts: Sequence[Fact | Preference], traits: Sequence[Trait], language: Language
) -> str:
    """Two to four sentences: what the user likes, what stands out or changes, what they turn down,
    how they behave.

    facts: strongest first. One honest sentence where there is nothing to say.
    """
    likes = [f for f in facts if f.polarity == "like"]
    dislikes = [f for f in facts if f.polarity == "dislike"]
    key = "|".join(map(_key_of, facts[:4]))
    sentences = _like_sentences(likes, language, key) if likes else []
    if dislikes:
        sentences.append(values_text(dislikes, language, key))
    if len(sentences) < 4:
        sentences += _habit_sentence(facts, traits, language)
    return _space(language).join(sentences) if sentences else language.templates.summary.nothing


def _like_sentences(likes: Sequence[Fact | Preference], language: Language, key: str) -> list[str]:
    """One to three sentences: the likes, the one that stands out, those that rise or fade."""
    certain = [f for f in likes if not is_tentative(f)]
    top = next((f for f in certain if isinstance(f, Fact) and _is_headline(f)), None)
    shown = certain or likes
    if top is not None and len(shown) == 1:
        sentences = [preference_text(top, language)]
    else:
        sentences = [values_text(shown, language, key)]
        if top is not None:
            sentences.append(_headline(top, language, key))
    return [*sentences, *_change_sentences(certain, top, language)][:3]


def _change_sentences(
    likes: Sequence[Fact | Preference], top: Fact | None, language: Language
) -> list[str]:
    """One sentence on the likes that rise, one on those that fade, `top` left out of both."""
    templates = language.templates.summary
    forms = {"rising": templates.rising, "fading": templates.fading}
    changing = {trend: [f for f in likes if f.trend == trend and f is not top] for trend in forms}
    return [
        _fill(forms[trend], language, things=things(values, language, 2))
        for trend, values in changing.items()
        if values
    ]


def _is_headline(fact: Fact) -> bool:
    """Whether a fact stands out and is counted over at least `FEW` items."""
    return stands_out(fact) and fact.count >= FEW * fact.share


def _headline(fact: Fact, language: Language, key: str) -> str:
    """The sentence that compares the share of one liked value with the average."""
    templates = language.templates.summary
    share, base = percents(fact.share, fact.base_rate, language)
    name = thing(fact.facet, fact.value, language)
    form = templates.top_looked if fact.looked else _variant(key, templates.top)
    return _fill(form, language, value=name, share=share, base=base) + _trend(fact, name, language)


def _habit_sentence(
    facts: Sequence[Fact | Preference], traits: Sequence[Trait], language: Language
) -> list[str]:
    """The user's habits in one sentence; empty where no trait has words.

    The price band is left out where a fact says it already.
    """
    has_price_fact = any(f.facet == "price band" for f in facts)
    habits = [
        phrase
        for t in traits
        if (phrase := trait_text(t, language)) and not (has_price_fact and t.name == "price_band")
    ]
    if not habits:
        return []
    habit_list = _join_habits(habits[:MAX_NAMED], language)
    return [_fill(language.templates.summary.traits, language, traits=habit_list)]


def trait_text(trait: Trait, language: Language) -> str:
    """A counted habit as a verb phrase ("rates generously"); empty where it is average, unknown or
    has no words.
    """
    return language.phrases.get(trait.name, {}).get(trait.label, "")


def _join_habits(phrases: Sequence[str], language: Language) -> str:
    if language.code == "ko":
        return ". ".join(phrases)
    if language.code == "zh":
        return "，".join(phrases)
    return join(phrases, language)


def reason_text(
    item: Item,
    *,
    language: Language,
    origin: Origin = "",
    preferences: Sequence[Preference | Fact] = (),
    seen: tuple[Event, Item] | None = None,
    high: float | None = None,
    cold: bool = False,
    turn: int = 0,
) -> str:
    """Why an item is recommended: one or two sentences addressed to the user.

    preferences: those that the item shares, strongest first.
    seen: an event of the user whose item led here.
    high: top of that event's rating scale; None where its rating must not be named.
    origin: the channel from that event to the item, or the item's channel where there is no event.
    cold: nothing is known of the user.
    turn: each turn takes the next form. The first one depends on the item's id, so that ten reasons
        in a row differ.
    """
    likes = [p for p in preferences if p.polarity == "like"]
    values: dict[str, object] = {"title": plain_title(item.title)}
    ground: str = origin
    if likes:
        ground = "shared"
        values["things"] = things(likes, language, 2)
    if seen is None:
        forms = _forms_without_event(language, ground, cold)
    else:
        forms = _forms_with_event(language, ground, *seen, high, values)
    if likes and not item.title:
        forms = tuple(form for form in forms if "{title}" not in form)
    return _fill(_variant(item.item_id, forms, turn), language, **values)


def _forms_without_event(language: Language, ground: str, cold: bool) -> Forms:
    """The forms for an item that a taste ("shared") or a channel led to."""
    forms = language.templates.reason
    by_ground = {
        "shared": forms.shared,
        "similar": forms.similar,
        "popular": forms.popular_cold if cold else forms.popular,
        "recent": forms.recent_cold if cold else forms.recent,
        "nothing": forms.nothing,
    }
    return by_ground.get(ground, forms.plain)


def _forms_with_event(
    language: Language,
    ground: str,
    event: Event,
    earlier: Item,
    high: float | None,
    values: dict[str, object],
) -> Forms:
    """The forms that name an earlier item of the user's; puts what they name into `values`."""
    forms = language.templates.reason
    chosen, looked, rated = {
        "shared": (forms.shared_event, forms.shared_looked, forms.shared_rated),
        "next_item": (forms.followed, forms.followed_looked, forms.followed_rated),
        "collaborative": (forms.together, forms.together_looked, forms.together_rated),
    }.get(ground, (forms.alike, forms.alike_looked, forms.alike_rated))
    values["liked"] = plain_title(earlier.title or earlier.item_id)
    if event.value is not None and high is not None and event.type in ("rating", "review"):
        values |= {"rating": float(event.value), "high": float(high)}
        return rated
    return looked if event.type in LOOKS else chosen
