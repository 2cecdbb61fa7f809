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
"""Below so many items shares say little, and counts are said instead."""
TENTATIVE = 3
"""Below so many events a like is a first sign."""
TOO_FEW = 5
"""Of a user with fewer items every like is."""
MIN_RATIO, MIN_GAP = 1.5, 0.1
"""Of a share to the base rate, and above it, from which a value stands out."""
NEAR = 0.02
"""Distance of a share to the base rate below which whole per cents hide it."""

_COMMON = frozenset({"genre", "category", "theme", "mood", "format"})
"""Facets whose known values are common nouns, in lower case where a language has that; others stand
in quotes.
"""
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
    """One of the forms, the same for the same key on every machine; each `turn` takes the next
    one.
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
        elif not language.cjk and language.code != "de":
            name = name.lower()
    if re.fullmatch(r"(?:1[5-9]|20)\d0s", value):
        name = language.decades[0].format(year=value[:4], short=value[2:4])
    return form.format(value=name, facet=language.facet(facet))


def things(claims: Sequence[Fact | Preference], language: Language, limit: int = MAX_NAMED) -> str:
    """Several values as a list in words; one that two facets share is named once."""
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
        return False  # nothing, against nothing on average, is no more than that
    return fact.share >= MIN_RATIO * fact.base_rate or fact.share >= fact.base_rate + MIN_GAP


def is_tentative(claim: Fact | Preference) -> bool:
    """Whether so few events speak for a like that it is a first sign, and no more."""
    if claim.basis == "stated":
        return False
    if not isinstance(claim, Fact):
        return len(claim.evidence) < TENTATIVE
    return claim.count < TENTATIVE or claim.count < TOO_FEW * claim.share


def preference_text(claim: Fact | Preference, language: Language) -> str:
    """One sentence about one preference: with its numbers where it is a fact, without where it is
    not.
    """
    key = f"{claim.facet}:{claim.value}"
    name = thing(claim.facet, claim.value, language)
    forms = language.templates
    if not isinstance(claim, Fact):
        return _fill(
            _variant(key, forms.like_bare if claim.polarity == "like" else forms.dislike_bare),
            language,
            thing=name,
        ) + _trend(claim, name, language)
    share, base = percents(claim.share, claim.base_rate, language)
    numbers = {"count": claim.count, "negative": claim.negative, "share": share, "base": base}
    if claim.polarity == "dislike":
        form = _variant(
            key, forms.dislike if claim.count > 1 and claim.negative > 0 else forms.dislike_bare
        )
    elif claim.basis == "stated" or claim.share <= claim.base_rate or share == base:
        form = _variant(key, forms.like_bare)
    elif claim.count < 2:
        form = forms.like_one_looked if claim.looked else forms.like_one
    elif is_tentative(claim) or claim.count < FEW * claim.share:
        form = forms.like_few_looked if claim.looked else forms.like_few
    elif claim.looked:
        form = forms.like_looked
    else:
        # Nobody has a soft spot for a price; the last form is the soberest.
        form = forms.like[-1] if claim.facet == "price band" else _variant(key, forms.like)
    return _fill(form, language, thing=name, **numbers) + _trend(claim, name, language)


def _trend(claim: Fact | Preference, name: str, language: Language) -> str:
    """Of likes only: what is turned down and met more often is no interest that grows."""
    form = language.templates.trend.get(claim.trend) if claim.polarity == "like" else None
    return _space(language) + _fill(form, language, thing=name) if form else ""


def _space(language: Language) -> str:
    return "" if language.code == "zh" else " "


def values_text(claims: Sequence[Fact | Preference], language: Language, key: str = "") -> str:
    """One sentence that names what is liked, or what is disliked, of claims that are all one or the
    other.

    Likes that are all tentative are first signs. `key` chooses among the forms.
    """
    forms = language.templates.summary
    key = key or "|".join(f"{c.facet}:{c.value}" for c in claims)
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
    templates = language.templates.summary
    likes = [f for f in facts if f.polarity == "like"]
    dislikes = [f for f in facts if f.polarity == "dislike"]
    key = "|".join(f"{f.facet}:{f.value}" for f in facts[:4])
    sentences: list[str] = []
    if likes:
        likes = [f for f in likes if not is_tentative(f)] or likes
        sure = [f for f in likes if not is_tentative(f)]
        top = next(
            (f for f in sure if isinstance(f, Fact) and stands_out(f) and f.count >= FEW * f.share),
            None,
        )
        if top is not None and len(likes) == 1:
            sentences.append(preference_text(top, language))
        else:
            sentences.append(values_text(likes, language, key))
            if top is not None:
                share, base = percents(top.share, top.base_rate, language)
                name = thing(top.facet, top.value, language)
                form = templates.top_looked if top.looked else _variant(key, templates.top)
                sentences.append(
                    _fill(
                        templates.top_looked if top.looked else _variant(key, templates.top),
                        language,
                        value=name,
                        share=share,
                        base=base,
                    )
                    + _trend(top, name, language)
                )
        for trend, form in (("rising", templates.rising), ("fading", templates.fading)):
            moving = [f for f in sure if f.trend == trend and f is not top]
            if moving and len(sentences) < 3:
                sentences.append(_fill(form, language, things=things(moving, language, 2)))
    if dislikes:
        sentences.append(values_text(dislikes, language, key))
    priced = any(f.facet == "price band" for f in facts)  # once is enough
    traits = [t for t in traits if not (priced and t.name == "price_band")]
    if len(sentences) < 4 and (
        habits := [said for t in traits if (said := trait_text(t, language))]
    ):
        sentences.append(
            _fill(templates.traits, language, traits=_habits(habits[:MAX_NAMED], language))
        )
    if not sentences:
        return templates.nothing
    return _space(language).join(sentences)


def trait_text(trait: Trait, language: Language) -> str:
    """A counted habit as a verb phrase ("rates generously"); empty where it is average, unknown or
    has no words.
    """
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
    origin: Origin = "",
    preferences: Sequence[Preference | Fact] = (),
    seen: tuple[Event, Item] | None = None,
    high: float | None = None,
    cold: bool = False,
    turn: int = 0,
) -> str:
    """Why an item: one or two sentences to the user.

    preferences: those that the item shares, strongest first. seen: an event of the user whose item
    led here, and high the top of its rating scale where its rating may be said. origin: how that
    event led here, or the channel where nothing of the user's did; cold where nothing is known of
    the user. Which form is taken depends on the item's id, so that ten reasons in a row do not read
    alike; each `turn` takes the next form.
    """
    forms = language.templates.reason
    shared = [p for p in preferences if p.polarity == "like"]
    values: dict[str, object] = {"title": plain_title(item.title)}
    how = 0
    if seen is not None:
        event, earlier = seen
        values["liked"] = plain_title(earlier.title or earlier.item_id)
        how = 1 if event.type in LOOKS else 0
        if event.value is not None and high is not None and event.type in ("rating", "review"):
            how = 2
            values |= {"rating": float(event.value), "high": float(high)}
    if shared:
        values["things"] = things(shared, language, 2)
        chosen = (
            (forms.shared_event, forms.shared_looked, forms.shared_rated)[how]
            if seen
            else forms.shared
        )
        if not item.title:
            chosen = tuple(form for form in chosen if "{title}" not in form)
    elif seen is not None:
        ways = {
            "next_item": (forms.followed, forms.followed_looked, forms.followed_rated),
            "collaborative": (forms.together, forms.together_looked, forms.together_rated),
        }
        chosen = ways.get(origin, (forms.alike, forms.alike_looked, forms.alike_rated))[how]
    elif origin == "similar":
        chosen = forms.similar
    elif origin == "popular":
        chosen = forms.popular_cold if cold else forms.popular
    elif origin == "recent":
        chosen = forms.recent_cold if cold else forms.recent
    elif origin == "nothing":
        chosen = forms.nothing
    else:
        chosen = forms.plain
    return _fill(_variant(item.item_id, chosen, turn), language, **values)
