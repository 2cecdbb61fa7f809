"""Facets of taste, discovered from a catalogue instead of listed in code.

A rule says where one facet's values stand on an item and how they are read: values as they are,
each level of a dotted path, years as decades, numbers as bands between population quantiles, or
repeated words of titles. Rules are found once per population and are plain data.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Literal

import numpy as np

from limner.core.availability import SHELF
from limner.core.schema import Item, Value
from limner.facts.titles import find_themes, themes_in

MAX_FACETS = 24
"""Facets of one catalogue; those on most items stay."""
MAX_VALUES = 4000
"""Values of one facet; those on most items stay."""
MAX_SAMPLE = 50_000
"""Items that are looked at to discover facets, evenly spaced over the catalogue."""
MIN_COVERAGE = 0.01
"""Share of items that must have an attribute for it to be a facet."""
MIN_REPEATED = 0.3
"""Share of an attribute's items that must carry a value which other items carry too; ids do not
reach it.
"""
FEW_NUMBERS = 12
"""A numeric attribute with at most this many different numbers is read as names, above in bands."""
LONG_VALUE = 60
"""Mean characters from which an attribute is prose, not a facet."""
THEMES_BELOW = 0.5
"""Titles are read for themes if every named facet's `Rule.telling` is below this."""
TOO_COMMON = 0.8
"""Share of items above which a value does not tell items apart."""
PROSE_WORDS = 4
"""Words from which a value that ends like a sentence is taken for one."""
BANDS = ("low", "mid", "high")

_SPACE = re.compile(r"\s+")
_PLACEHOLDER = re.compile(
    r"\(.*\)|unknown|n/?a|none|null|nan|[^\w]+|other|not available|nr|not rated|unrated|"
    r"등급없음|미정",
    re.IGNORECASE,
)
_UNIT = (
    r"(?:oz|ounces?|lbs?|pounds?|kgs?|kilograms?|mg|g|grams?|grammes?|tonn?e?s?"
    r"|mm|cm|m|km|met(?:er|re)s?|in|inch(?:es)?|ft|foot|feet|yards?)"
)
_MEASURE = re.compile(
    rf"\d[\d.,/]*(?:\s*[x×*]\s*\d[\d.,/]*)*\s*{_UNIT}\.?\s*(?:[(;,x×*].*)?", re.IGNORECASE
)
"""A weight or a size: "0.3 ounces", "8.3 x 5.1 x 0.2 inches ; 0.3 ounces"."""
_CODE = re.compile(r"(?=\S*\d)(?=\S*[A-Z])[A-Z0-9_-]{6,}")
"""A catalogue number: "B00BWDH2O6"."""
_PATH = re.compile(r"[^\s.>]+(?:\.[^\s.>]+)+|[^>]+(?: > [^>]+)+")
_DATE = re.compile(
    r"(1[89]\d\d|20\d\d)(?:[-/.]\d\d?){0,2}(?:[T ].*)?|\d\d?[-/. ]\w{3,9}[-/., ]+(1[89]\d\d|20\d\d)"
    r"|[A-Za-z]{3,9}\.? \d\d?,? (1[89]\d\d|20\d\d)"
)
_TITLE_YEAR = re.compile(r"(?:\(|,\s*)(1[89]\d\d|20\d\d)\)?\s*$")
"""A year that ends a title: "Heat (1995)", "Cinema Paradiso , 1988"."""
_ID_NAME = re.compile(
    r"(?:^|[_\s-])(?:id|ids|uuid|guid|url|uri|sku|ean|isbn|asin)$|[a-z](?:Id|ID)$|^(?:imdb|tmdb)"
)
_MEASURED = frozenset(
    {
        "weight",
        "dimension",
        "width",
        "height",
        "depth",
        "diameter",
        "thickness",
        "shipping",
        "delivery",
        "parcel",
        "barcode",
        "upc",
        "gtin",
        "mpn",
    }
)
"""Words in names of attributes that give a measure, a way of delivery or a catalogue number: no
taste.
"""
_OF_A_PACKAGE = frozenset({"product", "item", "package", "cm", "mm", "inch", "in"})
_COUNTED = frozenset(
    {
        "rank",
        "ranking",
        "rating",
        "vote",
        "score",
        "popularity",
        "count",
        "sale",
        "sold",
        "stock",
        "quantity",
        "inventory",
        "view",
    }
)
"""Words in names of numbers that say what others thought of an item."""
_REGISTERED = frozenset(
    {
        "available",
        "added",
        "created",
        "updated",
        "modified",
        "listed",
        "crawled",
        "scraped",
        "imported",
        "stocked",
    }
)
"""Words in names of dates that belong to the shop, not to the item."""
_SAME_IN_PLURAL = ("series", "species", "news", "goods", "cast")
FIRST_YEAR, LAST_YEAR = 1850, 2100

RuleKind = Literal["value", "path", "era", "title era", "band", "theme"]


class Rule(Value):
    """How to read one facet from an item."""

    facet: str
    where: str
    """`categories`, `price`, `title`, or `attributes.NAME`."""
    kind: RuleKind
    edges: tuple[float, float] | None = None
    """Limits of bands: values below the first are low, above the second high."""
    vocabulary: frozenset[str] = frozenset()
    """For themes: the words and pairs of words, lower case."""
    lower: bool = False
    """For themes of titles in capitals: values are read in lower case."""
    coverage: float = 0.0
    """Share of the catalogue's items that carry the facet."""
    telling: float = 0.0
    """Share of the items that carry a value which tells them from most others."""


def discover(items: Sequence[Item]) -> list[Rule]:
    """Rules for the facets of a catalogue, widest coverage first.

    Categories are the facet "category", unless an attribute repeats them under the data's own word
    for them ("genre").
    """
    sample = _sample(items)
    if not sample:
        return []
    names = sorted(set().union(*(item.attributes for item in sample)))
    columns = ["price", *(f"attributes.{name}" for name in names)]
    if category_facet(sample) == "category":
        columns.insert(0, "categories")
    rules = _one_each([rule for where in columns if (rule := _rule_for(where, sample))])
    if not _has_era(rules):
        rules += _era_in_titles(sample, names)
    if all(rule.telling < THEMES_BELOW for rule in rules if rule.kind in ("value", "path")):
        rules += _themes(sample)
    return sorted(rules, key=lambda rule: (-rule.coverage, rule.facet))[:MAX_FACETS]


def read(rule: Rule, item: Item) -> list[str]:
    """The item's values of one facet, in order, without repeats; empty where it has none."""
    return list(dict.fromkeys(_READERS[rule.kind](rule, item)))


def _read_values(rule: Rule, item: Item) -> Iterable[str]:
    return (value for value in map(_clean, _raw(item, rule.where)) if value)


def _read_path(rule: Rule, item: Item) -> Iterable[str]:
    return (level for value in _raw(item, rule.where) for level in _levels(value))


def _read_era(rule: Rule, item: Item) -> Iterable[str]:
    years = map(_year, _raw(item, rule.where))
    return (f"{year // 10 * 10}s" for year in years if year is not None)


def _read_title_era(rule: Rule, item: Item) -> Iterable[str]:
    raw = _raw(item, rule.where)
    year = _TITLE_YEAR.search(raw[0]) if raw else None
    return [f"{year[1][:3]}0s"] if year else []


def _read_band(rule: Rule, item: Item) -> Iterable[str]:
    number = number_in(rule, item)
    return [] if np.isnan(number) or rule.edges is None else [_band(number, rule.edges)]


def _read_themes(rule: Rule, item: Item) -> Iterable[str]:
    return themes_in(item.title.lower() if rule.lower else item.title, rule.vocabulary)


_READERS: dict[RuleKind, Callable[[Rule, Item], Iterable[str]]] = {
    "value": _read_values,
    "path": _read_path,
    "era": _read_era,
    "title era": _read_title_era,
    "band": _read_band,
    "theme": _read_themes,
}


def facets_of(item: Item, rules: Iterable[Rule] | None = None) -> dict[str, list[str]]:
    """Facet values of an item, by facet name.

    With a population's `rules`, its facets; without, what the item alone shows: categories, short
    attributes, the era.
    """
    if rules is None:
        rules = _rules_of_item(item)
    return {rule.facet: values for rule in rules if (values := read(rule, item))}


def facet_name(name: str) -> str:
    """An attribute's name as a facet: lower case, spaces, singular ("Genres" -> "genre")."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ")
    head, _, last = _SPACE.sub(" ", spaced).strip().lower().rpartition(" ")
    if last not in _SAME_IN_PLURAL and last.isascii():
        last = _singular(last)
    return f"{head} {last}".strip()


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word


def category_facet(items: Iterable[Item]) -> str:
    """The facet of `Item.categories`: the attribute that repeats them under the data's own word,
    else "category".
    """
    item = next((item for item in items if item.categories), None)
    if item is None:
        return "category"
    return next(
        (facet_name(name) for name, value in item.attributes.items() if value == item.categories),
        "category",
    )


def _rules_of_item(item: Item) -> list[Rule]:
    """Rules that one item alone suggests, for items outside any population."""
    rules = []
    if category_facet([item]) == "category":
        kind = _kind_of_words(item.categories)
        rules.append(Rule(facet="category", where="categories", kind=kind))
    for name, value in item.attributes.items():
        words = value if isinstance(value, list) else [str(value)]
        if words and not isinstance(value, bool) and not _is_no_taste(name):
            rules += _rule_of_attribute(name, words)
    if not _has_era(rules):
        rules.append(Rule(facet="era", where="title", kind="title era"))
    return rules


def _has_era(rules: Iterable[Rule]) -> bool:
    return any(rule.facet == "era" for rule in rules)


def _rule_of_attribute(name: str, words: Sequence[str]) -> list[Rule]:
    """The rule for an attribute with these values; empty where they are prose, numbers or links."""
    where = f"attributes.{name}"
    if _dated(name) and all(map(_year, words)):
        return [Rule(facet="era", where=where, kind="era")]
    if all(map(_is_short_name, words)):
        return [Rule(facet=facet_name(name), where=where, kind=_kind_of_words(words))]
    return []


def _is_short_name(word: str) -> bool:
    return len(word) <= LONG_VALUE and _number(word) is None and "://" not in word


def _kind_of_words(values: Sequence[str]) -> RuleKind:
    return "path" if values and all(map(_PATH.fullmatch, values)) else "value"


def _rule_for(where: str, items: Sequence[Item]) -> Rule | None:
    """The rule for one column of the catalogue, or None where it is no facet: an id, prose, a
    constant, too rare.
    """
    name = where.rpartition(".")[2]
    if _is_no_taste(name):
        return None
    rows = list(filter(None, (list(filter(None, map(_clean, _raw(i, where)))) for i in items)))
    coverage = len(rows) / len(items)
    values = list(chain.from_iterable(rows))
    if coverage < MIN_COVERAGE or _mostly(values, _is_register):
        return None
    facet = facet_name(name)
    if len(values) == len(rows):  # one value an item
        numbers = list(_numbers(values))
        if len(numbers) >= 0.95 * len(values):
            return _numeric(where, facet, numbers, values, coverage)
        if _mostly(values, _is_date):
            return None if _REGISTERED & set(facet.split()) else _era(where, facet, coverage)
    if not _repeats(rows, coverage):
        return None
    return Rule(
        facet=facet,
        where=where,
        kind="path" if _mostly(values, _is_path, 0.5) else "value",
        coverage=coverage,
        telling=_telling(rows, len(items)),
    )


def _numbers(values: Iterable[str]) -> Iterator[float]:
    return (number for number in map(_number, values) if number is not None)


def _is_date(value: str) -> bool:
    return _DATE.fullmatch(value) is not None


def _is_path(value: str) -> bool:
    return _PATH.fullmatch(value) is not None


def _is_no_taste(name: str) -> bool:
    """An id, a measure, or whether the item is on the shelf."""
    return bool(_ID_NAME.search(name)) or name.lower() in SHELF or _is_measured(facet_name(name))


def _is_measured(facet: str) -> bool:
    words = set(facet.split())
    if {"length", "size"} & words and words & _OF_A_PACKAGE:
        return True
    numbered = "number" in words and words & {
        "model",
        "part",
        "serial",
        "item",
        "catalogue",
        "catalog",
        "style",
    }
    return bool(words & _MEASURED or numbered)


def _is_register(value: str) -> bool:
    return bool(_MEASURE.fullmatch(value) or _CODE.fullmatch(value) or "://" in value)


def _telling(rows: Sequence[Sequence[str]], items: int) -> float:
    """Share of all items that carry a value which is not on most of them."""
    carriers = _carriers(rows)
    most = TOO_COMMON * items
    return sum(any(carriers[value.casefold()] <= most for value in row) for row in rows) / items


def _carriers(rows: Sequence[Sequence[str]]) -> Counter[str]:
    """Items that carry each value, by the value in lower case."""
    return Counter(key for row in rows for key in {value.casefold() for value in row})


def _numeric(
    where: str, facet: str, numbers: list[float], values: list[str], coverage: float
) -> Rule | None:
    """The rule for a column of numbers: an era, a few named numbers, or bands."""
    if _COUNTED & set(facet.split()):
        return None
    whole = all(number == int(number) for number in numbers)
    different = len(set(numbers))
    if whole and different > 2 and _mostly(values, _is_year):
        return _era(where, facet, coverage)
    if different <= FEW_NUMBERS and where != "price":
        repeated = 1 < different < len(values)
        return Rule(facet=facet, where=where, kind="value", coverage=coverage) if repeated else None
    is_id_or_clock = whole and max(numbers) >= 1e8
    if different < len(BANDS) or is_id_or_clock:
        return None
    low, high = map(float, np.quantile(numbers, [1 / 3, 2 / 3]))
    return Rule(
        facet=f"{facet} band", where=where, kind="band", edges=(low, high), coverage=coverage
    )


def _is_year(value: str) -> bool:
    return _year(value) is not None


def _era(where: str, facet: str, coverage: float) -> Rule:
    """A rule that reads decades: the facet "era" for the item's own year, "NAME era" for any other
    (shown, digitised).
    """
    return Rule(
        facet="era" if _dated(facet) else f"{facet} era", where=where, kind="era", coverage=coverage
    )


def _repeats(rows: Sequence[Sequence[str]], coverage: float) -> bool:
    """Whether values name groups of items: several items share them, and no single value is on
    nearly all.
    """
    carriers = _carriers(rows)
    if len(carriers) < 2 and coverage > 0.9:
        return False
    sharing = sum(any(carriers[value.casefold()] > 1 for value in row) for row in rows)
    return sharing >= MIN_REPEATED * len(rows)


def _one_each(rules: list[Rule]) -> list[Rule]:
    """One rule a facet: the widest; for eras, a year of the item's own before any other date."""
    best: dict[str, Rule] = {}
    for rule in rules:
        other = best.get(rule.facet)
        if other is None or _precedence(rule) > _precedence(other):
            best[rule.facet] = rule
    return list(best.values())


def _precedence(rule: Rule) -> tuple[bool, float]:
    where = rule.where.lower()
    return "year" in where or "release" in where, rule.coverage


def _era_in_titles(items: Sequence[Item], names: Sequence[str]) -> list[Rule]:
    """The era from years that end titles; empty where too few titles end so.

    The title proper comes before attributes that are titles too ("original_title").
    """
    columns = ["title", *(f"attributes.{name}" for name in names if "title" in name.lower())]
    for where in columns:
        raws = (_raw(item, where) for item in items)
        share = sum(bool(raw and _TITLE_YEAR.search(raw[0])) for raw in raws) / len(items)
        if share >= THEMES_BELOW:
            return [Rule(facet="era", where=where, kind="title era", coverage=share)]
    return []


def _themes(items: Sequence[Item]) -> list[Rule]:
    """The rule for themes of titles; empty where titles share no words."""
    vocabulary = find_themes([item.title for item in items], MAX_VALUES)
    if not vocabulary:
        return []
    share = sum(bool(themes_in(item.title, vocabulary)) for item in items) / len(items)
    mostly_capitals = 2 * sum(item.title.isupper() for item in items) > len(items)
    return [
        Rule(
            facet="theme",
            where="title",
            kind="theme",
            vocabulary=vocabulary,
            lower=mostly_capitals,
            coverage=share,
        )
    ]


def _sample(items: Sequence[Item]) -> Sequence[Item]:
    known = [item for item in items if _has_metadata(item)]
    if len(known) <= MAX_SAMPLE:
        return known
    return [known[int(at)] for at in np.linspace(0, len(known) - 1, MAX_SAMPLE)]


def _has_metadata(item: Item) -> bool:
    return bool(item.title or item.categories or item.attributes or item.price is not None)


def _raw(item: Item, where: str) -> list[str]:
    if where == "categories":
        return item.categories
    if where == "title":
        return [item.title]
    if where == "price":
        return [] if item.price is None else [str(item.price)]
    value = item.attributes.get(where.partition(".")[2])
    if value is None:
        return []
    if isinstance(value, list):
        return value
    return ["yes" if value else ""] if isinstance(value, bool) else [str(value)]


def _clean(value: str) -> str:
    """A value without needless space; empty where it names nothing: a placeholder, or a
    sentence.
    """
    text = _SPACE.sub(" ", value).strip()
    return "" if _PLACEHOLDER.fullmatch(text) or _is_prose(text) else text


def _is_prose(text: str) -> bool:
    if len(text) > LONG_VALUE:
        return True
    words = text.count(" ") + 1
    if words < PROSE_WORDS:
        return text.endswith(("。", "！", "？"))
    last = text.rpartition(" ")[2]
    return last[-1] in ".!?。！？" and (
        last[0].islower() or words > PROSE_WORDS + 1 or len(last) > PROSE_WORDS + 1
    )


def _levels(value: str) -> Iterator[str]:
    text = _clean(value)
    for part in text.split(" > ") if " > " in text else text.split("."):
        if level := _clean(part.replace("_", " ")):
            yield level


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _year(value: str) -> int | None:
    match = _DATE.fullmatch(value.strip().removesuffix(".0"))
    year = int(match[1] or match[2] or match[3]) if match else 0
    return year if FIRST_YEAR <= year <= LAST_YEAR else None


def _dated(name: str) -> bool:
    return any(word in name.lower() for word in ("year", "date", "release"))


def number_in(rule: Rule, item: Item) -> float:
    """The number that a band rule reads from an item; NaN where it has none."""
    raw = _raw(item, rule.where)
    number = _number(raw[0]) if raw else None
    return float("nan") if number is None else number


def _band(number: float, edges: tuple[float, float]) -> str:
    return BANDS[0] if number < edges[0] else BANDS[2] if number > edges[1] else BANDS[1]


def _mostly(values: Sequence[str], test: Callable[[str], bool], share: float = 0.9) -> bool:
    return sum(map(test, values)) >= share * len(values)
