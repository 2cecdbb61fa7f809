"""The population that one user is compared with: base rates, item popularity, facet values, norms
of habits.

Built once from all interactions, then shared by every user's facts. Saved as arrays (npz) and JSON,
without pickle.

Shares are over user-item pairs: an item that a user had nine times counts once.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.core.atomic import written_whole
from limner.core.columns import ColumnMeaning
from limner.core.errors import UNREADABLE, StoreError
from limner.core.interactions import Interactions
from limner.core.schema import Item
from limner.core.signals import RATED_TYPES, typical_amounts
from limner.facts.facets import MAX_VALUES, Rule, category_facet, discover, number_in, read
from limner.facts.facets import facets_of as _facets_of
from limner.facts.habits import Norms, build_norms

FORMAT = 5
MIN_CARRIERS = 2
"""Items that must carry a value for it to be counted; one item's value only names the item."""
THEME_LIFT = 1.2
"""Lift from which a theme is kept: how much more often than by chance one user has two of its
items.
"""
THEME_PRIOR = 2.0
"""Pairs of items' worth of belief that a theme groups items by chance."""
THEME_USERS = 20
"""Users below which themes are kept as the titles have them."""
_ARRAYS = (
    "starts",
    "codes",
    "base",
    "base_positive",
    "popularity",
    "price",
    "price_edges",
    "norms",
)


@dataclass(frozen=True)
class Population:
    """`items` items and `values` facet values, coded as positions."""

    version: str
    """Hash of the fields below."""
    item_ids: list[str]
    rules: list[Rule]
    facets: list[str]
    """[values] facet of each value code."""
    values: list[str]
    """[values] the value, spelled as most items spell it."""
    starts: NDArray[np.int64]
    """[items + 1] where each item's codes begin in `codes`."""
    codes: NDArray[np.int32]
    """Value codes of item after item."""
    base: NDArray[np.float64]
    """[values] share of all user-item pairs that carry the value."""
    base_positive: NDArray[np.float64]
    """[values] share of the user-item pairs with positive signal that carry the value."""
    popularity: NDArray[np.float32]
    """[items] share of pairs that fall on items had by fewer users, in [0, 1); NaN for items nobody
    had.
    """
    price: NDArray[np.float64]
    """[items] price, NaN where unknown."""
    price_edges: NDArray[np.float64]
    """[2] the thirds of prices over pairs, NaN where there are too few."""
    norms: Norms
    pairs: int
    users: int
    primary: str = ""
    """The facet that breadth and novelty are measured on; empty where there is none."""
    ratings: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    """By source: mean and standard deviation of raw ratings, and how many."""
    amounts: dict[str, dict[str, float]] = field(default_factory=dict)
    """Typical amounts, as `limner.core.signals.typical_amounts` gives them."""
    plays: bool = False
    """Whether amounts of plays are how often, and not how long."""

    @cached_property
    def position(self) -> dict[str, int]:
        """Item id to position."""
        return {item_id: at for at, item_id in enumerate(self.item_ids)}

    @cached_property
    def known(self) -> dict[str, list[int]]:
        """Lower-case value to its codes, for reading free text."""
        codes: dict[str, list[int]] = {}
        for code, value in enumerate(self.values):
            codes.setdefault(value.casefold(), []).append(code)
        return codes

    @cached_property
    def facet_code(self) -> NDArray[np.int32]:
        """[values] position of each value's facet in `facet_names`."""
        at = {name: code for code, name in enumerate(self.facet_names)}
        return np.array([at[name] for name in self.facets], dtype=np.int32)

    @cached_property
    def facet_names(self) -> list[str]:
        return list(dict.fromkeys(self.facets))

    def codes_of(self, position: int) -> NDArray[np.int32]:
        """Value codes of the item at a position."""
        return self.codes[self.starts[position] : self.starts[position + 1]]

    def facets_of(self, item: Item) -> dict[str, list[str]]:
        """Facet values of an item by this population's rules, new items too."""
        return _facets_of(item, self.rules)

    def values_of(self, item_id: str) -> dict[str, list[str]]:
        """Counted facet values of a known item, by facet; empty for unknown ids."""
        values: dict[str, list[str]] = {}
        at = self.position.get(item_id)
        for code in () if at is None else self.codes_of(at):
            values.setdefault(self.facets[code], []).append(self.values[code])
        return values

    def save(self, folder: Path) -> None:
        """A folder of `population.npz` and `population.json`, in place of what is there."""
        arrays = {name: getattr(self, name) for name in _ARRAYS if name != "norms"}
        head = {
            "format": FORMAT,
            "version": self.version,
            "item_ids": self.item_ids,
            "facets": self.facets,
            "values": self.values,
            "pairs": self.pairs,
            "users": self.users,
            "primary": self.primary,
            "ratings": self.ratings,
            "amounts": self.amounts,
            "plays": self.plays,
            "rules": [rule.model_dump(mode="json") for rule in self.rules],
        }
        with written_whole(folder) as part:
            np.savez_compressed(part / "population.npz", **arrays, norms=self.norms.table)
            (part / "population.json").write_text(
                json.dumps(head, ensure_ascii=False), encoding="utf-8"
            )


def load_population(folder: Path) -> Population | None:
    """The population saved in a folder; None where there is none of this format. Raises StoreError
    where it cannot be read.
    """
    if not (folder / "population.json").exists():
        return None
    try:
        head = json.loads((folder / "population.json").read_text(encoding="utf-8"))
        if head.get("format") != FORMAT:
            return None
        with np.load(folder / "population.npz", allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _ARRAYS}
    except UNREADABLE as error:
        raise StoreError("store.bad_rates", folder=folder) from error
    return Population(
        version=head["version"],
        item_ids=head["item_ids"],
        rules=[Rule.model_validate(rule) for rule in head["rules"]],
        facets=head["facets"],
        values=head["values"],
        norms=Norms(arrays.pop("norms")),
        pairs=head["pairs"],
        users=head["users"],
        primary=head["primary"],
        ratings={source: (mean, sd, int(n)) for source, (mean, sd, n) in head["ratings"].items()},
        amounts=head["amounts"],
        plays=head["plays"],
        **arrays,
    )


def build_population(
    x: Interactions,
    items: Sequence[Item],
    signal: NDArray[np.float32],
    told: Mapping[str, ColumnMeaning] | None = None,
    plays: bool = False,
) -> Population:
    """Base rates of a population. `signal` is [n] as `limner.core.signals.signals` gives it, `told`
    what a mapping says of the items' columns.
    """
    by_id = {item.item_id: item for item in items}
    ordered = [by_id.get(item_id) or Item(item_id=item_id) for item_id in x.item_ids]
    users, things, mean_signal = pair_table(x, signal)
    rules = [_banded(rule, ordered, things) for rule in discover(ordered, told or {})]
    facets, values, starts, codes = _index(ordered, rules)
    if "theme" in {rule.kind for rule in rules} and len(np.unique(users)) >= THEME_USERS:
        lift = theme_lift(users, things, starts, codes, len(values))
        grouping = {values[code].casefold() for code in np.flatnonzero(lift >= THEME_LIFT)}
        rules = _with_themes(rules, grouping)
        facets, values, starts, codes = _index(ordered, rules)
    price = np.array([_price(item) for item in ordered], dtype=np.float64)
    popularity = _popularity(things, len(ordered))
    primary = _primary(rules, facets, category_facet(ordered))
    norms = build_norms(
        users=users,
        things=things,
        starts=starts,
        codes=codes,
        popularity=popularity,
        wanted=np.array([facet == primary for facet in facets], dtype=bool),
        user_count=len(x.user_ids),
    )
    population = Population(
        version="",
        item_ids=list(x.item_ids),
        rules=rules,
        facets=facets,
        values=values,
        starts=starts,
        codes=codes,
        base=_share(things, starts, codes, len(values)),
        base_positive=_share(things[mean_signal > 0], starts, codes, len(values)),
        popularity=popularity,
        price=price,
        price_edges=_thirds(price[things]),
        norms=norms,
        pairs=len(things),
        users=len(np.unique(users)),
        primary=primary,
        ratings=_ratings(x),
        amounts=typical_amounts(x),
        plays=plays,
    )
    return _versioned(population)


def _with_themes(rules: Sequence[Rule], themes: set[str]) -> list[Rule]:
    """The rules, those for themes reading none but these."""
    return [
        rule.model_copy(update={"vocabulary": rule.vocabulary & themes})
        if rule.kind == "theme"
        else rule
        for rule in rules
    ]


def pair_table(
    x: Interactions, signal: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """(user, item, signal) of every different user-item pair, by user, in order of row."""
    key = x.user.astype(np.int64) * max(len(x.item_ids), 1) + x.item
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    pair_signal = strongest(inverse, signal.astype(np.float64), len(first))
    order = np.argsort(first)
    rows = first[order]
    return x.user[rows].astype(np.int64), x.item[rows].astype(np.int64), pair_signal[order]


def theme_lift(
    users: NDArray[np.int64],
    things: NDArray[np.int64],
    starts: NDArray[np.int64],
    codes: NDArray[np.int32],
    values: int,
) -> NDArray[np.float64]:
    """[values] lift of each value: pairs of one user's items that both carry it, over the number
    expected if items were drawn by popularity alone, none twice.

    A word that titles share ("large", "assorted") need not group what people want: then users with
    one such item have no more of the others than anyone. Shrunk by THEME_PRIOR pairs.
    """
    row, code = expand(things, starts, codes)
    key, k = np.unique(users[row] * np.int64(max(values, 1)) + code, return_counts=True)
    met = np.bincount(key % max(values, 1), weights=k * (k - 1.0), minlength=values)
    n = np.bincount(users).astype(np.float64)
    share = np.bincount(things, minlength=len(starts) - 1) / max(len(things), 1)
    squared = np.bincount(codes, weights=np.repeat(share**2, np.diff(starts)), minlength=values)
    base = _share(things, starts, codes, values)
    expected = (n * (n - 1)).sum() * (base**2 - squared) / max(1 - float((share**2).sum()), 1e-9)
    return np.asarray(
        (met + THEME_PRIOR) / (np.maximum(expected, 0) + THEME_PRIOR), dtype=np.float64
    )


def strongest(
    group: NDArray[np.int64], signal: NDArray[np.float64], groups: int
) -> NDArray[np.float64]:
    """[groups] mean of each group's strongest signals: a rating outweighs a comment, a return
    cancels a purchase.
    """
    size = np.zeros(groups)
    np.maximum.at(size, group, np.abs(signal))
    top = np.abs(signal) >= size[group] - 1e-6
    count = np.bincount(group[top], minlength=groups)
    return np.bincount(group[top], weights=signal[top], minlength=groups) / np.maximum(count, 1)


def expand(
    things: NDArray[np.int64], starts: NDArray[np.int64], codes: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """(row, code) for every value code of every item in `things`, row by row."""
    size = starts[things + 1] - starts[things]
    row = np.repeat(np.arange(len(things)), size)
    ends = np.cumsum(size)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - size, size)
    return row, codes[np.repeat(starts[things], size) + within]


def _index(
    items: Sequence[Item], rules: Sequence[Rule]
) -> tuple[list[str], list[str], NDArray[np.int64], NDArray[np.int32]]:
    """(facets, values, starts, codes) as in `Population`, of the values that `MIN_CARRIERS` items
    carry.
    """
    facets: list[str] = []
    values: list[str] = []
    code_of: list[dict[str, int]] = []
    for rule, counts in zip(rules, _spellings(items, rules), strict=True):
        common = [key for key, spellings in counts.items() if spellings.total() >= MIN_CARRIERS]
        common.sort(key=lambda key: (-counts[key].total(), key))
        codes: dict[str, int] = {}
        for key in common[:MAX_VALUES]:
            codes[key] = len(values)
            facets.append(rule.facet)
            values.append(_commonest(counts[key]))
        code_of.append(codes)
    flat: list[int] = []
    starts = np.zeros(len(items) + 1, dtype=np.int64)
    for at, item in enumerate(items):
        for rule, codes in zip(rules, code_of, strict=True):
            keys = map(str.casefold, read(rule, item)) if codes else ()
            flat.extend(dict.fromkeys(codes[key] for key in keys if key in codes))
        starts[at + 1] = len(flat)
    return facets, values, starts, np.array(flat, dtype=np.int32)


def _commonest(spellings: Counter[str]) -> str:
    return max(spellings, key=lambda spelling: (spellings[spelling], spelling))


def _spellings(items: Sequence[Item], rules: Sequence[Rule]) -> list[dict[str, Counter[str]]]:
    """By rule and value in lower case: how often each spelling of the value occurs."""
    spellings: list[dict[str, Counter[str]]] = [{} for _ in rules]
    for item in items:
        for rule, counts in zip(rules, spellings, strict=True):
            for value in read(rule, item):
                counts.setdefault(value.casefold(), Counter())[value] += 1
    return spellings


def _share(
    things: NDArray[np.int64], starts: NDArray[np.int64], codes: NDArray[np.int32], values: int
) -> NDArray[np.float64]:
    """[values] share of pairs that carry each value."""
    had = np.bincount(things, minlength=len(starts) - 1).astype(np.float64)
    weight = np.repeat(had, np.diff(starts))
    return np.bincount(codes, weights=weight, minlength=values) / max(len(things), 1)


def _popularity(things: NDArray[np.int64], items: int) -> NDArray[np.float32]:
    """[items] share of pairs on less popular items, half of the ties counted (mid-rank); NaN where
    nobody had it.
    """
    had = np.bincount(things, minlength=items)
    levels, inverse = np.unique(had, return_inverse=True)
    mass = np.bincount(inverse, weights=had, minlength=len(levels))
    below = np.cumsum(mass) - mass / 2
    rank = below[inverse] / max(had.sum(), 1)
    return np.where(had > 0, rank, np.nan).astype(np.float32)


def _banded(rule: Rule, items: Sequence[Item], things: NDArray[np.int64]) -> Rule:
    """A band rule with the thirds of what the population had, not of what the catalogue holds."""
    if rule.kind != "band":
        return rule
    edges = _thirds(np.array([number_in(rule, item) for item in items], dtype=np.float64)[things])
    return (
        rule
        if np.isnan(edges).any()
        else rule.model_copy(update={"edges": (float(edges[0]), float(edges[1]))})
    )


def _thirds(prices: NDArray[np.float64]) -> NDArray[np.float64]:
    known = prices[~np.isnan(prices)]
    return np.quantile(known, [1 / 3, 2 / 3]) if len(known) >= 10 else np.full(2, np.nan)


def _primary(rules: Sequence[Rule], facets: Sequence[str], categories: str) -> str:
    """The facet for breadth and novelty: what items are (categories) before what they have, then
    the most covered.
    """
    size = Counter(facets)
    named = [
        rule for rule in rules if rule.kind in ("value", "path", "theme") and size[rule.facet] >= 4
    ]
    if not named:
        return ""
    kinds = [
        rule for rule in named if rule.coverage >= 0.5 and rule.facet in ("category", categories)
    ]
    return max(
        kinds or named, key=lambda rule: (round(rule.coverage, 1), size[rule.facet], rule.facet)
    ).facet


def _ratings(x: Interactions) -> dict[str, tuple[float, float, int]]:
    rated = np.array([kind in RATED_TYPES for kind in x.types], dtype=bool)
    ratings: dict[str, tuple[float, float, int]] = {}
    if not len(x):
        return ratings
    mask = rated[x.type] & np.isfinite(x.value)
    for code, source in enumerate(x.sources):
        value = x.value[mask & (x.source == code)]
        if len(value):
            ratings[source] = (float(value.mean()), float(value.std()), len(value))
    return ratings


def _price(item: Item) -> float:
    return float("nan") if item.price is None else item.price


def _versioned(population: Population) -> Population:
    digest = hashlib.blake2b(digest_size=8)
    for name in _ARRAYS:
        array = population.norms.table if name == "norms" else getattr(population, name)
        digest.update(np.ascontiguousarray(array).tobytes())
    head = [
        population.item_ids,
        population.facets,
        population.values,
        sorted(population.ratings.items()),
        sorted((source, sorted(one.items())) for source, one in population.amounts.items()),
        population.plays,
    ]
    digest.update(json.dumps([FORMAT, *head], ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return replace(population, version=digest.hexdigest())
