"""Tables as `init` sees them: their first rows, the fields guessed, and the keys they share."""

import math
import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from limner.core.columns import Role
from limner.facts.column_roles import RoleGuess, facet_name, guess_role, is_registered
from limner.ingest.clean import attribute, split_list
from limner.ingest.column_profile import ColumnProfile, TableProfile
from limner.ingest.mapping import ALIASES, Pivot, TableName, alias_key, plain_name

JOINED_SHARE = 0.1
"""Share of common ids from which two tables can be joined."""
_SURER = 2.0
"""Factor by which a key's score grows if it never repeats, and again if the aliases name both
columns.
"""
_SURE = 3.0
"""Times as many common numbers as chance gives that take chance out."""
_WHOLE = 0.95
"""Share of a column's numbers that must be among a key's for them to be its, whatever they are
called.
"""
_MANY = 20
"""Common numbers that this takes."""
_KEY_ENDING = re.compile(r"(?<=[^_])(?:_?ids?|[_.](?:code|no|nr|num|number|key|ref|uuid))$")


_SAYS_LITTLE = ("name", "title", "value", "label", "id", "type", "url")
_BARE_KEYS = ("id", "ids", "key", "code", "no", "nr", "num", "number", "uuid", "ref")


@dataclass(frozen=True)
class FieldGuess:
    column: str
    why: str
    separator: str = ""
    nothing: str = ""
    """A cell of this column that stands for a missing value; "" for none."""
    role: Role | None = None
    label: str = ""


@dataclass(frozen=True)
class TableLook:
    """A table as its first rows show it."""

    file: str
    profile: TableProfile
    headless: bool
    separator: str
    table: TableName = "events"
    fields: dict[str, FieldGuess] = field(default_factory=dict)
    pivot: Pivot | None = None
    """How a table of one attribute a row became what is looked at."""

    @property
    def columns(self) -> list[str]:
        return self.profile.columns

    @property
    def name(self) -> str:
        return Path(self.file).name

    def free(self, fields: Iterable[str] = ()) -> list[str]:
        """Columns that are no field yet, but for these fields."""
        taken = {one.column for target, one in self.fields.items() if target not in fields}
        return [column for column in self.columns if column not in taken]

    def key(self, target: str) -> frozenset[str]:
        """The different ids in a field's column; empty where the table has no such field."""
        found = self.fields.get(target)
        return self.profile.ids(found.column) if found else frozenset()

    def role(self, column: str, key: str, ids: AbstractSet[str] = frozenset()) -> RoleGuess:
        """The role of a column: what it is to the things that `key` names, "" for the rows. `ids`
        are the things' ids.
        """
        profile = self.profile[column]
        if profile.type == "text":
            return RoleGuess("text", "prose")
        if profile.type == "time":
            shops = is_registered(plain_name(column))
            return (
                RoleGuess("fact", "a date of the shop's") if shops else RoleGuess("time", "dates")
            )
        cells = self.profile.grouped(column, key)
        rows = [[v for cell in group for v in _values(cell, profile)] for group in cells]
        return guess_role(plain_name(column), [row for row in rows if row], len(rows), ids)

    def example(self, column: str) -> str:
        cell = next(iter(self.profile[column].cells), "(empty)")
        return " ".join(cell.split())[:40]


@dataclass(frozen=True)
class ProposedTables:
    """The table chosen for each kind, and the tables that are left over."""

    used: dict[TableName, TableLook]
    beside: list[TableLook]


def _values(cell: str, profile: ColumnProfile) -> list[str]:
    if profile.separator or cell.startswith("["):
        return split_list(cell, profile.separator)
    return [str(attribute(cell))]


def label_of(column: str) -> str:
    """What people call a column: its name in words, singular; with what it is of where the name
    alone says little ("host.name").
    """
    parts = [re.sub(r"[\W_]+", " ", part).strip() for part in plain_name(column).split(".")]
    parts = [part for part in parts if part]
    few = parts[-2:] if parts and parts[-1].lower() in _SAYS_LITTLE else parts[-1:]
    return facet_name(" ".join(few)) or "column"


# ---------------------------------------------------------------- shared keys


def best_key(look: TableLook, items: TableLook) -> tuple[float, str, str]:
    """(score, column, column of the items table) of the ids that two tables share most of; score 0
    where they share none. Halved where the key repeats, doubled where aliases name both columns.
    """
    pairs = [
        (_key_score(look, column, items, key), column, key)
        for column in look.free(["item_id"])
        if look.profile[column].is_key
        for key in items.columns
        if items.profile[key].is_key
    ]
    return max(pairs, key=lambda pair: pair[0], default=(0.0, "", ""))


def _key_score(look: TableLook, column: str, items: TableLook, key: str) -> float:
    aliased = {alias_key(column), alias_key(key)} <= set(ALIASES["item_id"])
    score = link_score(look, column, items, key, 0.0, known=aliased)
    if not items.profile.is_unique(key):
        score /= _SURER
    return score * _SURER if aliased else score


def side_key(look: TableLook, owner: TableLook, target: str, least: float = JOINED_SHARE) -> str:
    """The column of a side table that holds the ids of another's field; "" where none does."""
    found = owner.fields.get(target)
    return shared_column(look, owner, found.column, least) if found is not None else ""


def shared_column(look: TableLook, owner: TableLook, key: str, least: float = JOINED_SHARE) -> str:
    """The column of `look` that holds values of a key of `owner`; "" where none does."""
    scores = {
        column: link_score(look, column, owner, key, least)
        for column in look.columns
        if look.profile[column].is_key
    }
    best = max(scores, key=lambda column: scores[column], default="")
    return best if best and scores[best] > 0 else ""


def link_score(
    look: TableLook,
    column: str,
    owner: TableLook,
    key: str,
    least: float = JOINED_SHARE,
    *,
    known: bool = False,
) -> float:
    """How surely a column holds another table's keys: the share of its values among them, times the
    root of their number; doubled where the names agree. 0 for a share below `least`.

    Whole numbers may be among the keys of any table by chance. Then they count only where the names
    agree (or are `known` to mean the same), or where each knows nearly all of the other's.
    """
    ids, values = owner.profile.ids(key), look.profile.ids(column)
    common = len(ids & values)
    if not common or common < least * len(values):
        return 0.0
    agree = key_stem(column) == (key_stem(key) or singular_stem(owner)) != ""
    whole = common >= _WHOLE * len(values) and common >= len(ids) / 2 and common >= _MANY
    if not (agree or whole or known) and common < _SURE * _by_chance(values, ids):
        return 0.0
    return common / len(values) * math.sqrt(common) * (_SURER if agree else 1.0)


def _by_chance(values: AbstractSet[str], ids: AbstractSet[str]) -> float:
    """How many of some values would be among ids if both were any whole numbers of the values'
    range; 0 for what is no number.
    """
    numbers, keys = _whole_numbers(values), _whole_numbers(ids)
    if len(numbers) < 0.9 * len(values) or not keys:
        return 0.0
    low, high = min(numbers), max(numbers)
    return len(numbers) * sum(low <= one <= high for one in keys) / (high - low + 1)


def _whole_numbers(cells: AbstractSet[str]) -> list[int]:
    return [int(one) for one in cells if one.isascii() and one.isdigit() and len(one) < 19]


def key_stem(column: str) -> str:
    """What a key's name names: movieId and movie_ref are of a movie; "" for a bare id."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.strip()).lower().replace(" ", "_")
    stem = _KEY_ENDING.sub("", name.replace("-", "_"))
    return "" if stem in _BARE_KEYS else facet_name(stem)


def singular_stem(look: TableLook) -> str:
    """What a table's file is named after: movies.csv is of movies."""
    return facet_name(look.name.split(".")[0])
