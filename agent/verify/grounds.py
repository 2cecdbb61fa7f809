"""What a text may speak of: the facts, events, items, habits and preferences it cites, read into
words and numbers.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from limner.core.schema import (
    Fact,
    Item,
    Polarity,
    Preference,
    Scalar,
    Scale,
    Trait,
    Trend,
    WindowEvent,
)
from limner.words.language import Language
from limner.words.text import Phrases, fold, readings, stem, tokens_of
from limner.words.titles import title_variants

SourceKind = Literal["fact", "event", "item", "trait", "preference", "note"]
PhraseKind = Literal["title", "value", "person"]
Date = tuple[int, int, int]

_LOCAL_NUMBER = re.compile(r"^\s*\[\d+\]")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TOP = re.compile(r"(?<=\d)\s*(?:of|/|out of)\s*(\d+(?:\.\d+)?)")

NEUTRAL_SIGNAL = 0.1
"""Signals nearer to zero than this say nothing about taste."""


@dataclass(frozen=True)
class Origin:
    """One cited thing and what may be said of it.

    numbers and percents are rounded to four places; percents are 0 to 100. polarity is 1 like, -1
    dislike, 0 unknown.
    """

    key: str
    kind: SourceKind
    polarity: int = 0
    numbers: frozenset[float] = frozenset()
    scale: frozenset[float] = frozenset()
    """Tops of rating scales: said only beside the rating, as in "1 of 5"."""
    percents: frozenset[float] = frozenset()
    usual: frozenset[float] = frozenset()
    """Percentages of the whole population: said only as such ("on average")."""
    judged: frozenset[float] = frozenset()
    """Percentages of a value's events that were liked or disliked: said only beside a taste
    word.
    """
    dates: frozenset[Date] = frozenset()
    count: int | None = None
    positive: int | None = None
    negative: int | None = None
    share: float | None = None
    strength: float | None = None
    trend: Trend = "unknown"
    last_seen: datetime | None = None


@dataclass(frozen=True)
class Phrase:
    """A title or value as the grounds have it, and who has it (indices into `Grounds.origins`)."""

    text: str
    kind: PhraseKind
    origins: frozenset[int]


@dataclass(frozen=True, eq=False)
class Grounds:
    """Everything a text may speak of. Build it with `grounds_from`."""

    language: Language
    origins: tuple[Origin, ...]
    phrases: Phrases[Phrase]
    """By stems of the language."""
    words: frozenset[str]
    """Stems that may stand alone: of values, review words, habits and notes; not of titles."""
    title_words: frozenset[str]
    """Stems that may stand only as part of a name."""
    reviews: tuple[str, ...]
    """Folded review texts, which a quotation may quote."""
    labels: frozenset[str] = frozenset()
    """Labels and words of habits."""
    as_of: datetime | None = None
    facts: tuple[int, ...] = ()
    """Origins that are facts or preferences."""
    title_lines: tuple[str, ...] = ()
    """Stems of the titles, joined: a part of a title may stand for it."""
    valued: frozenset[int] = frozenset()
    """Origins whose item lists its values, so that a value can be denied of it."""


def value_variants(value: str, language: Language) -> list[str]:
    """How prose may say a facet value: as it is, translated, and each part of "Movies & TV" or
    "electronics.audio".
    """
    variants = [value, *language.concepts.get(fold(value), ())]
    if re.fullmatch(r"(?:1[5-9]|20)\d0s", value):
        variants += [form.format(year=value[:4], short=value[2:4]) for form in language.decades]
    parts = [
        part.strip() for part in re.split(r"[>/|.&,;:_]| and ", value) if len(part.strip()) > 1
    ]
    if len(parts) > 1:
        joined = " ".join(parts)
        variants.append(joined)
        for part in parts:
            variants += [part, *language.concepts.get(fold(part), ())]
    return list(dict.fromkeys(variants))


def item_values(item: Item) -> dict[str, list[str]]:
    """Facet values that an item carries, by attribute: categories, attributes, and the decade of
    its year.
    """
    values: dict[str, list[str]] = {}
    if item.categories:
        values["category"] = list(item.categories)
    for name, value in item.attributes.items():
        values[name] = [str(v) for v in value] if isinstance(value, list) else [_plain(value)]
        if fold(name) in ("year", "release_year", "published", "publication_year") and re.match(
            r"\d{4}", values[name][0]
        ):
            values.setdefault("era", []).append(f"{values[name][0][:3]}0s")
    if year := re.search(r"\((1[89]\d\d|20\d\d)\)\s*$", item.title):
        values.setdefault("era", []).append(f"{year[1][:3]}0s")
    return values


def _plain(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


class _Builder:
    def __init__(self, language: Language) -> None:
        self.language = language
        self.origins: list[Origin] = []
        self.table: dict[tuple[str, ...], Phrase] = {}
        self.words: set[str] = set()
        self.title_words: set[str] = set()
        self.reviews: list[str] = []
        self.labels: set[str] = set()
        self.titles: set[str] = set()
        self.valued: set[int] = set()

    def add(self, origin: Origin) -> int:
        self.origins.append(origin)
        return len(self.origins) - 1

    def key(self, text: str) -> tuple[str, ...]:
        return tuple(
            stem(t.folded, self.language.code) for t in tokens_of(text) if t.kind != "mark"
        )

    def phrase(self, text: str, kind: PhraseKind, origin: int, shown: str = "") -> None:
        key = self.key(text)
        if not key:
            return
        old = self.table.get(key)
        kind = "value" if old and old.kind == "value" else kind
        self.table[key] = Phrase(
            shown or text, kind, (old.origins if old else frozenset()) | {origin}
        )

    def value(self, value: str, origin: int) -> None:
        for variant in value_variants(value, self.language):
            self.phrase(variant, "value", origin, value)
            self.words.update(self.key(variant))

    def claim(self, facet: str, value: str, origin: Origin) -> None:
        at = self.add(origin)
        self.value(value, at)
        if facet == "price band" and (said := self.language.templates.prices.get(value)):
            self.phrase(said, "value", at, value)
            self.words.update(self.key(said))
        self.words.update(self.key(self.language.facet(facet)), self.key(facet))

    def title(self, title: str, origin: int) -> None:
        for variant in title_variants(title):
            self.phrase(variant, "title", origin, title)
            self.title_words.update(self.key(variant))
            self.titles.add(" ".join(self.key(variant)))

    def item(self, item: Item, origin: int) -> None:
        self.title(item.title, origin)
        if item.categories or any(isinstance(value, list) for value in item.attributes.values()):
            self.valued.add(origin)
        for values in item_values(item).values():
            for value in values:
                self.value(value, origin)

    def numbers(self, text: str) -> set[float]:
        return {
            round(n, 4)
            for t in tokens_of(text)
            if t.kind == "number"
            for n in readings(t.text, self.language.decimal_comma)
            + readings(t.text, not self.language.decimal_comma)
        }

    def item_numbers(self, item: Item) -> set[float]:
        """Numbers that an item's title, attributes and price have."""
        texts = [item.title, *(value for values in item_values(item).values() for value in values)]
        numbers = {n for text in texts for n in self.numbers(text)}
        return numbers | ({round(item.price, 2)} if item.price is not None else set())

    def grounds(self, facts: tuple[int, ...], as_of: datetime | None) -> Grounds:
        table: Phrases[Phrase] = Phrases()
        for key, phrase in self.table.items():
            table.put(key, phrase)
        return Grounds(
            language=self.language,
            origins=tuple(self.origins),
            phrases=table,
            words=frozenset(self.words),
            title_words=frozenset(self.title_words),
            title_lines=tuple(self.titles),
            reviews=tuple(self.reviews),
            labels=frozenset(self.labels),
            valued=frozenset(self.valued),
            facts=facts,
            as_of=as_of,
        )


def _percents(*shares: float) -> frozenset[float]:
    """Percentages as prose rounds them: to none, one or two places."""
    return frozenset(
        form
        for x in shares
        for form in (*(round(x * 100, places) for places in (0, 1, 2)), float(int(x * 100 + 0.5)))
    )


def _sign(polarity: Polarity) -> int:
    return 1 if polarity == "like" else -1


def _years(dates: frozenset[Date]) -> set[float]:
    return {float(year) for year, _, _ in dates}


def _date(time: datetime | None) -> frozenset[Date]:
    return frozenset({(time.year, time.month, time.day)}) if time else frozenset()


def _fact_origin(fact: Fact) -> Origin:
    numbers: set[float] = {float(fact.count), float(fact.positive), float(fact.negative)}
    numbers |= {
        round(x, places)
        for x in (fact.strength, fact.confidence, fact.affinity, fact.share, fact.base_rate)
        for places in (1, 2, 4)
    }
    if fact.share > 0:
        numbers |= {float(round(fact.count / fact.share))}
    if fact.base_rate > 0 and fact.share > fact.base_rate:
        ratio = fact.share / fact.base_rate
        numbers |= {float(round(ratio)), round(ratio, 1)}
    sides = (fact.positive / fact.count, fact.negative / fact.count) if fact.count else ()
    dates = _date(fact.first_seen) | _date(fact.last_seen)
    return Origin(
        key=f"F{fact.number}",
        kind="fact",
        polarity=_sign(fact.polarity),
        numbers=frozenset(numbers | _years(dates)),
        percents=_percents(fact.share),
        usual=_percents(fact.base_rate),
        judged=_percents(*sides),
        dates=dates,
        count=fact.count,
        positive=fact.positive,
        negative=fact.negative,
        share=fact.share,
        strength=fact.strength,
        trend=fact.trend,
        last_seen=fact.last_seen,
    )


def _preference_origin(preference: Preference) -> Origin:
    dates = _date(preference.first_seen) | _date(preference.last_seen)
    numbers = {
        round(x, places) for x in (preference.strength, preference.confidence) for places in (1, 2)
    }
    return Origin(
        key=f"{preference.facet}:{preference.value}",
        kind="preference",
        polarity=_sign(preference.polarity),
        numbers=frozenset(numbers | _years(dates) | {float(len(preference.evidence))}),
        dates=dates,
        strength=preference.strength,
        trend=preference.trend,
        last_seen=preference.last_seen,
    )


def _event_origin(b: "_Builder", shown: WindowEvent, scales: Mapping[str, Scale]) -> Origin:
    event = shown.event
    line = _DATE.sub(" ", _LOCAL_NUMBER.sub("", shown.line))
    scale = {float(top) for top in _TOP.findall(line)}
    dates = _date(event.timestamp)
    numbers = b.numbers(_TOP.sub(" ", line)) | b.numbers(event.text) | _years(dates)
    if event.value is not None:
        numbers.add(round(event.value, 4))
        if event.source in scales:
            scale.add(round(scales[event.source].high, 4))
    if shown.item:
        numbers |= b.item_numbers(shown.item)
    return Origin(
        key=f"E{shown.number}",
        kind="event",
        polarity=0 if abs(shown.signal) < NEUTRAL_SIGNAL else 1 if shown.signal > 0 else -1,
        numbers=frozenset(numbers),
        scale=frozenset(scale),
        dates=dates,
        last_seen=event.timestamp,
    )


def _trait_origin(b: "_Builder", trait: Trait) -> Origin:
    numbers = b.numbers(trait.detail) | {float(trait.n)}
    percents = set(numbers)
    if trait.value is not None:
        numbers |= {round(trait.value, places) for places in (0, 1, 2, 4)}
        percents |= _percents(trait.value) if 0 <= trait.value <= 1 else frozenset()
    return Origin(
        key=f"trait:{trait.name}",
        kind="trait",
        numbers=frozenset(numbers),
        percents=frozenset(percents),
    )


def grounds_from(
    language: Language,
    *,
    facts: Iterable[Fact] = (),
    events: Iterable[WindowEvent] = (),
    items: Iterable[Item] = (),
    traits: Iterable[Trait] = (),
    preferences: Iterable[Preference] = (),
    scales: Mapping[str, Scale] | None = None,
    total: int | None = None,
    as_of: datetime | None = None,
    notes: Sequence[str] = (),
) -> Grounds:
    """Grounds of a text that cites these things; nothing else may be said.

    items are those recommended or spoken of without an event. total is the number of the user's
    events. as_of (the user's last event, or now) decides what may be called recent; without it only
    a rising trend may. notes are plain words that code vouches for, e.g. "popular" where the
    popularity channel found the item.
    """
    b = _Builder(language)
    for fact in facts:
        b.claim(fact.facet, fact.value, _fact_origin(fact))
    for preference in preferences:
        b.claim(preference.facet, preference.value, _preference_origin(preference))
    claims = len(b.origins)
    for shown in events:
        origin = b.add(_event_origin(b, shown, scales or {}))
        if shown.item:
            b.item(shown.item, origin)
        for context in shown.event.context.values():
            for value in context if isinstance(context, list) else [_plain(context)]:
                b.value(value, origin)
        if shown.event.text:
            review = b.key(shown.event.text)
            b.reviews.append(" ".join(review))
            b.words.update(review)
    for item in items:
        numbers = frozenset(b.item_numbers(item))
        b.item(item, b.add(Origin(key=f"item:{item.item_id}", kind="item", numbers=numbers)))
    for trait in traits:
        b.add(_trait_origin(b, trait))
        label = f"{trait.label} {language.labels.get(trait.label, '')}"
        name = language.traits.get(trait.name, trait.name.replace("_", " "))
        b.words.update(b.key(f"{label} {trait.detail} {name}"))
        b.labels.update(t.folded for t in tokens_of(label) if t.kind != "mark")
        b.labels.update(fold(part.strip()) for part in [trait.label, *trait.label.split(",")])
    for note in notes:
        numbers = frozenset(b.numbers(note))
        b.add(Origin(key="note", kind="note", numbers=numbers, percents=numbers))
        b.words.update(b.key(note))
        b.labels.update(t.folded for t in tokens_of(note))
        b.labels.update(note.casefold().split())
    if total is not None:
        b.add(Origin(key="total", kind="note", numbers=frozenset({float(total)})))
    return b.grounds(tuple(range(claims)), as_of)


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Every title and facet value of a catalogue, so that a text cannot speak of one that it does
    not cite.

    Built once per catalogue and language with `lexicon_from`; look-ups do not depend on the
    catalogue's size.
    """

    values: Phrases[str]
    titles: Phrases[str]


def lexicon_from(items: Iterable[Item], language: Language, values: Iterable[str] = ()) -> Lexicon:
    """The lexicon of a catalogue; `values` are further facet values, e.g. mined ones."""
    b = _Builder(language)
    value_table: Phrases[str] = Phrases()
    titles: Phrases[str] = Phrases()
    seen: set[str] = set()

    def add(value: str) -> None:
        if value in seen or len(value) > 60 or value.replace(".", "").isdigit():
            return
        seen.add(value)
        for variant in dict.fromkeys([value, *language.concepts.get(fold(value), ())]):
            value_table.put(b.key(variant), value)

    for item in items:
        for found in item_values(item).values():
            for value in found:
                add(value)
        variants = title_variants(item.title)
        for variant in variants:
            # A title with its year begins with the title without; the shorter one finds both.
            if not any(variant != other and variant.startswith(other) for other in variants):
                titles.put(b.key(variant), item.title)
    for value in values:
        add(value)
    return Lexicon(values=value_table, titles=titles)


EMPTY_LEXICON = Lexicon(values=Phrases(), titles=Phrases())
