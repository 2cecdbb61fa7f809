"""Facets of taste, discovered from a catalogue instead of listed in code.

A rule says where one facet's values stand on an item and how they are read: values as they are,
each level of a dotted path, years as decades, numbers as bands between population quantiles, or
repeated words of titles. Rules are found once per population and are plain data.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from types import MappingProxyType
from typing import Literal

import numpy as np

from limner.core.columns import ColumnMeaning, Role
from limner.core.schema import Item, Value
from limner.facts.column_roles import (
    BANDS,
    LONG_VALUE,
    clean_value,
    facet_name,
    guess_role,
    is_no_taste,
    mostly,
    number_of,
    numbers_in,
    telling,
    year_of,
)
from limner.facts.titles import find_themes, themes_in

MAX_FACETS = 24
"""Facets of one catalogue; those on most items stay."""
MAX_VALUES = 4000
"""Values of one facet; those on most items stay."""
MAX_SAMPLE = 50_000
"""Items that are looked at to discover facets, evenly spaced over the catalogue."""
THEMES_BELOW = 0.5
"""Titles are read for themes if every named facet's `Rule.telling` is below this."""
_PATH = re.compile(r"[^\s.>]+(?:\.[^\s.>]+)+|[^>]+(?: > [^>]+)+")
_TITLE_YEAR = re.compile(r"(?:\(|,\s*)(1[89]\d\d|20\d\d)\)?\s*$")
"""A year that ends a title: "Heat (1995)", "Cinema Paradiso , 1988"."""

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


_NOTHING_TOLD: Mapping[str, ColumnMeaning] = MappingProxyType({})


def discover(
    items: Sequence[Item], told: Mapping[str, ColumnMeaning] = _NOTHING_TOLD
) -> list[Rule]:
    """Rules for the facets of a catalogue, widest coverage first. `told` is what a mapping says of
    columns: it goes before what they hold.

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
    ids = frozenset(item.item_id for item in items)
    found = (_rule_for(where, sample, ids, told) for where in columns)
    rules = _one_each([rule for rule in found if rule is not None])
    if not _has_era(rules):
        rules += _era_in_titles(sample, names)
    if all(rule.telling < THEMES_BELOW for rule in rules if rule.kind in ("value", "path")):
        rules += _themes(sample)
    return sorted(rules, key=lambda rule: (-rule.coverage, rule.facet))[:MAX_FACETS]


def read(rule: Rule, item: Item) -> list[str]:
    """The item's values of one facet, in order, without repeats; empty where it has none."""
    return list(dict.fromkeys(_READERS[rule.kind](rule, item)))


def _read_values(rule: Rule, item: Item) -> Iterable[str]:
    return (value for value in map(clean_value, _raw(item, rule.where)) if value)


def _read_path(rule: Rule, item: Item) -> Iterable[str]:
    return (level for value in _raw(item, rule.where) for level in _levels(value))


def _read_era(rule: Rule, item: Item) -> Iterable[str]:
    years = map(year_of, _raw(item, rule.where))
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
        if words and not isinstance(value, bool) and not is_no_taste(name):
            rules += _rule_of_attribute(name, words)
    if not _has_era(rules):
        rules.append(Rule(facet="era", where="title", kind="title era"))
    return rules


def _has_era(rules: Iterable[Rule]) -> bool:
    return any(rule.facet == "era" for rule in rules)


def _rule_of_attribute(name: str, words: Sequence[str]) -> list[Rule]:
    """The rule for an attribute with these values; empty where they are prose, numbers or links."""
    where = f"attributes.{name}"
    if _dated(name) and all(map(year_of, words)):
        return [Rule(facet="era", where=where, kind="era")]
    if all(map(_is_short_name, words)):
        return [Rule(facet=facet_name(name), where=where, kind=_kind_of_words(words))]
    return []


def _is_short_name(word: str) -> bool:
    return len(word) <= LONG_VALUE and number_of(word) is None and "://" not in word


def _kind_of_words(values: Sequence[str]) -> RuleKind:
    return "path" if values and all(map(_PATH.fullmatch, values)) else "value"


def _rule_for(
    where: str, items: Sequence[Item], ids: AbstractSet[str], told: Mapping[str, ColumnMeaning]
) -> Rule | None:
    """The rule for one column of the catalogue by its role: the one that a mapping tells, else by
    what it holds. None where it is no taste.
    """
    name = where.partition(".")[2] or where
    meaning = told.get(name) or ColumnMeaning()
    raws = [raw for item in items if (raw := list(filter(None, _raw(item, where))))]
    role = meaning.role or guess_role(name, raws, len(items), ids).role
    rows = [row for row in (list(filter(None, map(clean_value, raw))) for raw in raws) if row]
    if role not in _RULES or not rows:
        return None
    label = meaning.label.lower() or facet_name(_own_name(where))
    return _RULES[role](where, label, rows, len(items))


def _own_name(where: str) -> str:
    return where.rpartition(".")[2]


def _of_words(where: str, facet: str, rows: Sequence[Sequence[str]], items: int) -> Rule:
    values = list(chain.from_iterable(rows))
    numbers = mostly(values, lambda value: number_of(value) is not None)
    return Rule(
        facet=facet,
        where=where,
        kind="path" if mostly(values, _is_path, 0.5) else "value",
        coverage=len(rows) / items,
        telling=0.0 if numbers else telling(rows, items),
    )


def _of_amounts(where: str, facet: str, rows: Sequence[Sequence[str]], items: int) -> Rule | None:
    """Bands between thirds; None where there are no numbers."""
    numbers = list(numbers_in([row[0] for row in rows]))
    if not numbers:
        return None
    low, high = map(float, np.quantile(numbers, [1 / 3, 2 / 3]))
    return Rule(
        facet=f"{facet} band",
        where=where,
        kind="band",
        edges=(low, high),
        coverage=len(rows) / items,
    )


def _of_times(where: str, facet: str, rows: Sequence[Sequence[str]], items: int) -> Rule:
    """A rule that reads decades: the facet "era" for the item's own year, "NAME era" for any other
    (shown, digitised).
    """
    return Rule(
        facet="era" if _dated(facet) else f"{facet} era",
        where=where,
        kind="era",
        coverage=len(rows) / items,
    )


_RULES: dict[Role, Callable[[str, str, Sequence[Sequence[str]], int], Rule | None]] = {
    "taste": _of_words,
    "amount": _of_amounts,
    "time": _of_times,
}
"""Roles that are a facet."""


def _is_path(value: str) -> bool:
    return _PATH.fullmatch(value) is not None


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


def _levels(value: str) -> Iterator[str]:
    text = clean_value(value)
    for part in text.split(" > ") if " > " in text else text.split("."):
        if level := clean_value(part.replace("_", " ")):
            yield level


def _dated(name: str) -> bool:
    return any(word in name.lower() for word in ("year", "date", "release"))


def number_in(rule: Rule, item: Item) -> float:
    """The number that a band rule reads from an item; NaN where it has none."""
    raw = _raw(item, rule.where)
    number = number_of(raw[0]) if raw else None
    return float("nan") if number is None else number


def _band(number: float, edges: tuple[float, float]) -> str:
    return BANDS[0] if number < edges[0] else BANDS[2] if number > edges[1] else BANDS[1]
