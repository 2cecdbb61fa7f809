"""Names in a store: titles, facet values, facets, event types and attributes, to find in
any text.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

from limner.core.schema import Item, User
from limner.core.sensitive import SensitiveNames
from limner.facts import Population
from limner.words import load_language, title_variants
from limner.words.text import Phrases, fold, tokens_of

_MANY_TITLES = 200_000
"""Number of items from which titles are found only as written, not in other spellings."""
_MANY_VALUES = 50_000
"""Values of attributes beside the counted ones, at most."""
_LONGEST = 60
"""Characters of a value that may be named in a question."""
_FEW = 60
"""Most different texts of a user attribute that questions can select users by."""
LANGUAGES = ("en", "zh", "ko")


@dataclass(frozen=True)
class NamedValue:
    """A value of a facet or attribute, as the data spell it."""

    facet: str
    value: str


def title_key(text: str) -> tuple[str, ...]:
    """The form in which titles are compared: words and numbers, folded, without marks."""
    return tuple(token.folded for token in tokens_of(text) if token.kind != "mark")


def value_key(text: str) -> tuple[str, ...]:
    """The form in which values are compared: without plural endings, so that "thrillers" finds
    Thriller.
    """
    return tuple(singular(token.folded) for token in tokens_of(text) if token.kind != "mark")


def singular(folded: str) -> str:
    """An English word without its plural ending; any other as it is."""
    word = folded.removesuffix("'s")
    if len(word) <= 3 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith(("ies", "ie")) and len(word) > 4:
        return f"{word.removesuffix('s')[:-2]}y"
    if word.endswith(("sses", "xes", "zes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


class EntityIndex:
    """The names in one state of a store; each table is made when it is first needed."""

    def __init__(
        self,
        items: Mapping[str, Item],
        population: Population,
        users: Sequence[User],
        types: Mapping[str, int],
    ) -> None:
        self._items, self._population, self._users = items, population, users
        self.types = types
        """Events by type, those without an item too."""

    # ------------------------------------------------------------ items

    @cached_property
    def titles(self) -> Phrases[list[str]]:
        """Item ids by `title_key` of the title and of how prose says it."""
        by_key: dict[tuple[str, ...], list[str]] = {}
        plain = len(self._items) > _MANY_TITLES
        for item in self._items.values():
            if not item.title:
                continue
            for variant in [item.title] if plain else _variants(item.title):
                if key := title_key(variant):
                    ids_of_key = by_key.setdefault(key, [])
                    if item.item_id not in ids_of_key[-1:]:
                        ids_of_key.append(item.item_id)
        table: Phrases[list[str]] = Phrases()
        for key, ids in by_key.items():
            table.put(key, ids)
        return table

    def exactly(self, text: str) -> list[str]:
        """Items whose title is this text, or a way to say it; those of the very title first and
        alone.
        """
        ids = self.titles.get(title_key(text)) or []
        same = [one for one in ids if fold(self._items[one].title) == fold(text)]
        return same or ids

    # ------------------------------------------------------------ values

    @cached_property
    def values(self) -> Phrases[list[NamedValue]]:
        """Facet values by `value_key`, the counted ones first."""
        by_key: dict[tuple[str, ...], dict[NamedValue, None]] = {}

        def add(named: NamedValue, forms: Iterable[str]) -> None:
            for form in forms:
                if key := value_key(form):
                    by_key.setdefault(key, {}).setdefault(named)

        population = self._population
        for facet, value in zip(population.facets, population.values, strict=True):
            add(NamedValue(facet, value), _spellings(value))
        for facet, value in self._uncounted():
            add(NamedValue(facet, value), [value])
        table: Phrases[list[NamedValue]] = Phrases()
        for key, named in by_key.items():
            table.put(key, list(named))
        return table

    def _uncounted(self) -> Iterator[tuple[str, str]]:
        """Texts of items' categories and attributes that too few share to be counted."""
        counted = set(self._population.known)
        seen: set[str] = set()
        for item in self._items.values():
            for name, value in [("category", item.categories), *item.attributes.items()]:
                for text in value if isinstance(value, list) else [value]:
                    if (
                        not isinstance(text, str)
                        or len(text) > _LONGEST
                        or text.casefold() in counted
                        or text in seen
                    ):
                        continue
                    seen.add(text)
                    if len(seen) > _MANY_VALUES:
                        return
                    yield name, text

    @cached_property
    def facets(self) -> dict[tuple[str, ...], str]:
        """Facet by `value_key` of its name in several languages."""
        by_name: dict[tuple[str, ...], str] = {}
        for facet in self._population.facet_names:
            for form in [
                facet.replace("_", " "),
                *(load_language(one).facet(facet) for one in LANGUAGES),
            ]:
                by_name.setdefault(value_key(form), facet)
        return by_name

    @cached_property
    def themes(self) -> frozenset[str]:
        """Facets whose values are words of titles, which a question may well say without meaning
        them.
        """
        return frozenset(rule.facet for rule in self._population.rules if rule.kind == "theme")

    @property
    def primary(self) -> str:
        """The facet that says what kind of thing an item is (genre, say); "" where the data have
        none.
        """
        return self._population.primary

    @cached_property
    def measures(self) -> dict[str, str]:
        """Items' attributes most of whose values are numbers, by folded name, and how conditions
        call them; `price` too, where any item has one.
        """
        numbers: Counter[str] = Counter()
        values: Counter[str] = Counter()
        for item in self._items.values():
            numbers["price"] += item.price is not None
            for name, value in item.attributes.items():
                values[name] += 1
                numbers[name] += isinstance(value, int | float) and not isinstance(value, bool)
        measures = {
            fold(name).replace("_", " "): name
            for name, n in numbers.items()
            if n and 2 * n > values[name]
        }
        for rule in self._population.rules:  # the year that an item is of, whatever data call it
            if (
                rule.facet == "era"
                and (name := rule.where.removeprefix("attributes.")) in measures.values()
            ):
                measures.setdefault("year", name)
        return measures

    # ------------------------------------------------------------ users

    def hiding(self, hidden: SensitiveNames) -> "EntityIndex":
        """The names without those attributes of users; the same where none has any."""
        if not hidden.among(self.attributes.values()):
            return self
        other = copy(self)
        for made in ("attributes", "texts", "groups"):
            other.__dict__.pop(made, None)
        other._users = [hidden.without(user) for user in self._users]
        return other

    @cached_property
    def attributes(self) -> dict[str, str]:
        """Users' attributes by folded name, and how the data spell them."""
        return {
            fold(name).replace("_", " "): name for one in self._users for name in one.attributes
        }

    @cached_property
    def texts(self) -> dict[str, list[str]]:
        """Different text values of users' attributes, by attribute as the data spell it."""
        by_attribute: dict[str, dict[str, None]] = {}
        for one in self._users:
            for name, value in one.attributes.items():
                if isinstance(value, str) and value:
                    by_attribute.setdefault(name, {})[value] = None
        return {name: list(values) for name, values in by_attribute.items()}

    @cached_property
    def groups(self) -> Phrases[NamedValue]:
        """Text values of users' attributes that few values divide them by: "student" is an
        occupation.
        """
        table: Phrases[NamedValue] = Phrases()
        for name, values in self.texts.items():
            if len(values) <= _FEW:
                for value in values:
                    table.put(value_key(value), NamedValue(name, value))
        return table


def _variants(title: str) -> list[str]:
    return [one for one in title_variants(title) if len(one) > 1 or one == title]


def _spellings(value: str) -> list[str]:
    """A value, its translations, and the last level of a path."""
    forms = [value]
    for code in LANGUAGES:
        forms += load_language(code).concepts.get(fold(value), ())
    for mark in (" > ", "."):
        if mark in value:
            forms.append(value.rpartition(mark)[2])
    return forms
