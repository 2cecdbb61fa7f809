"""Which column of a table is which field: by its name where its cells fit, or by its cells."""

import re
from collections.abc import Callable, Sequence

from limner.core.settings import SIGNALS
from limner.ingest.column_profile import ColumnProfile
from limner.ingest.mapping import FIELDS, TYPE_ALIASES, TableName, alias_key, columns_named
from limner.ingest.table_look import FieldGuess, TableLook
from limner.ingest.times import parse_times

USER = re.compile(
    r"user|customer|client|member|reviewer|visitor|account|buyer|person|player|patient|reader"
    r"|shopper|guest|listener|viewer|subscriber|borrower|patron|student|learner|employee|passenger"
    r"|kunde|nutzer|besucher|cliente|usuario|utilisateur|acheteur|utente|klant|käufer"
)
ITEM = re.compile(r"item|product|article|movie|film|book|song|track|sku|asin|code$|_?id$")
_PRICE = re.compile(r"price|msrp|preis|prix|precio|prezzo|preço|[€$£¥]")
_TITLE = re.compile(r"name|title")
_WORD = re.compile(r"[^\W\d_]{3}")
_NAMING = 0.7
"""Share of different cells from which words name their rows."""
_FEW_TYPES = 20
_FEW_RATINGS = 101


# ---------------------------------------------------------------- fields by name


def columns_by_alias(look: TableLook) -> dict[str, str]:
    """Columns by the names that aliases know; the first of equal ones."""
    return {alias_key(column): column for column in reversed(look.columns)}


_Test = Callable[[str, ColumnProfile], bool]
_GUESSES: dict[TableName, tuple[tuple[str, str, _Test], ...]] = {
    "events": (
        ("user_id", "guessed by its name, please check; ", lambda name, _: bool(USER.search(name))),
        (
            "item_id",
            "guessed by its name, please check; ",
            lambda name, column: bool(ITEM.search(name)) and column.is_key,
        ),
        ("timestamp", "its cells are times; ", lambda _, column: column.type == "time"),
        ("type", "its words are kinds of events; ", lambda _, column: _says_kinds(column)),
        (
            "item_id",
            "words that come again, please check; ",
            lambda _, column: column.type == "word" and column.repeats and column.distinct > 1,
        ),
    ),
    "items": (
        (
            "item_id",
            "guessed by its name, please check; ",
            lambda name, column: bool(ITEM.search(name)) and column.unique and column.is_key,
        ),
        (
            "item_id",
            "guessed by its name, please check; ",
            lambda name, column: bool(ITEM.search(name)) and column.is_key,
        ),
        ("item_id", "the first column, please check; ", lambda _, column: True),
        ("title", "guessed by its name; ", lambda name, _: bool(_TITLE.search(name))),
        (
            "price",
            "guessed by its name; ",
            lambda name, column: (
                bool(_PRICE.search(name)) and (column.numeric > 0.5 or column.is_money)
            ),
        ),
        ("price", "amounts of money, please check; ", lambda _, column: column.is_money),
        ("title", "words, nearly each its own; ", lambda _, column: _names_each(column)),
    ),
    "users": (
        ("user_id", "guessed by its name, please check; ", lambda name, _: bool(USER.search(name))),
        ("user_id", "guessed by its name, please check; ", lambda name, _: bool(ITEM.search(name))),
    ),
}
"""Guesses for fields that no alias finds, tried in this order: (field, reason, test of a column's
name and cells).
"""


def fields_by_name(
    table: TableName, look: TableLook, names: dict[str, str] | None = None
) -> dict[str, FieldGuess]:
    """Fields by the aliases of their names where the cells fit them, then by guesses."""
    names = columns_by_alias(look) if names is None else names
    columns = _aliased_columns(table, look, names)
    guessed: dict[str, str] = {}
    for target, why, test in _GUESSES[table]:
        if target not in columns:
            free = set(names.values()).difference(columns.values())
            fitting = (c for c in look.columns if c in free and test(alias_key(c), look.profile[c]))
            if (guess := next(fitting, None)) is not None:
                columns[target], guessed[target] = guess, why
    return {
        target: guess_of(target, look.profile[columns[target]], guessed.get(target, ""))
        for target in FIELDS[table]
        if target in columns
    }


def _aliased_columns(table: TableName, look: TableLook, names: dict[str, str]) -> dict[str, str]:
    """By field, the first column that an alias names and whose cells fit; no column twice."""
    columns: dict[str, str] = {}
    for target in FIELDS[table]:
        if target == "value" and "rating" in columns:
            continue
        aliased = columns_named(table, target, names)
        free = (column for column in aliased if column not in columns.values())
        column = next((c for c in free if _fits(target, look.profile[c])), None)
        if column is not None:
            columns[target] = column
    return columns


def guess_of(target: str, column: ColumnProfile, why: str = "") -> FieldGuess:
    """A field with an example cell, its list separator, and its sign for a missing value."""
    nothing = ""
    if target == "rating" and column.sentinel is not None:
        nothing = column.sentinel_cell
        why += f"{nothing} stands apart, as for what was not rated; "
    separator = column.separator if target == "categories" else ""
    example = _example_of(column, nothing)
    return FieldGuess(column.name, f"{why}e.g. {example}", separator, nothing)


def _fits(target: str, column: ColumnProfile) -> bool:
    """Whether the cells of a column suit a field. An empty column suits no field that holds numbers
    or times.
    """
    if target in ("rating", "value"):
        return column.numeric > 0.5
    if target == "timestamp":
        return column.type in ("time", "clock") or (
            bool(column.cells) and not parse_times(column.cells)[1].all()
        )
    return True


# ---------------------------------------------------------------- fields by content


def fields_by_content(look: TableLook) -> dict[str, FieldGuess]:
    """A file without a header, by what the cells hold: words, times, small ranges of numbers."""
    first = look.profile[look.columns[0]]
    words = [c for c in look.columns if _is_wordy(look.profile[c])]
    # A catalogue: one key, then its title. Of two key columns the file is one of events, whatever
    # words it has.
    if words and first.name not in words and first.unique and not _looks_done(look):
        return _catalogue_by_content(look, first, words)
    return _events_by_content(look, words)


def _looks_done(look: TableLook) -> bool:
    """Whether a row says when something was done, and by a word that few others stand beside."""
    profiles = [look.profile[column] for column in look.columns]
    return any(column.type == "time" for column in profiles) and any(map(_is_type, profiles))


def _names_each(column: ColumnProfile) -> bool:
    """Whether cells are words that name their row: hardly one comes again."""
    return (
        column.type == "word"
        and _is_wordy(column)
        and " " in column.shape
        and column.distinct > _NAMING * len(column.cells)
    )


def _is_wordy(column: ColumnProfile) -> bool:
    share = sum(bool(_WORD.search(cell)) for cell in column.cells) / max(len(column.cells), 1)
    return share > 0.5 and column.type not in ("time", "clock")


def _is_type(column: ColumnProfile) -> bool:
    """A few short words that repeat."""
    return (
        column.type == "word"
        and 1 < column.distinct <= min(_FEW_TYPES, len(column.cells) // 2)
        and column.shape.replace("_", "") == "a"
    )


def _says_kinds(column: ColumnProfile) -> bool:
    """Whether most of a column's few words are types of events, by whatever name."""
    words = {cell.strip().lower() for cell in column.cells}
    known = sum(word in TYPE_ALIASES or word in SIGNALS for word in words)
    return _is_type(column) and known > len(words) / 2


def _catalogue_by_content(
    look: TableLook, key: ColumnProfile, words: Sequence[str]
) -> dict[str, FieldGuess]:
    chosen = {
        "item_id": FieldGuess(key.name, f"first column, never repeats; e.g. {_example_of(key)}")
    }
    title = max((look.profile[c] for c in words[:2]), key=lambda column: column.distinct)
    chosen["title"] = FieldGuess(title.name, f"words; e.g. {_example_of(title)}")
    lists = (look.profile[c] for c in words if c != title.name)
    listed = next((column for column in lists if column.separator), None)
    if listed is not None:
        chosen["categories"] = guess_of("categories", listed, "a list; ")
    return chosen


def _events_by_content(look: TableLook, words: Sequence[str]) -> dict[str, FieldGuess]:
    chosen: dict[str, FieldGuess] = {}
    for target, name in zip(("user_id", "item_id"), look.columns, strict=False):
        chosen[target] = guess_of(target, look.profile[name], "by its place, please check; ")
    for name in look.columns[2:]:
        column = look.profile[name]
        if column.type == "time":
            chosen.setdefault("timestamp", guess_of("timestamp", column, "its cells are times; "))
        elif _is_type(column) or (name in words and column.distinct <= _FEW_TYPES):
            chosen.setdefault("type", guess_of("type", column, "few words that repeat; "))
        elif _is_rating(column):
            low, high = column.span or (0.0, 0.0)
            why = f"from {low:g} to {high:g}; "
            chosen.setdefault("rating", guess_of("rating", column, why))
    return {target: chosen[target] for target in FIELDS["events"] if target in chosen}


def _is_rating(column: ColumnProfile) -> bool:
    """Whether a number column looks like ratings: few different numbers, none large. A column with
    numbers in the millions holds ids.
    """
    if column.numeric <= 0.5 or column.span is None:
        return False
    low, high = column.span
    return column.distinct <= _FEW_RATINGS and low >= -100 and high <= 100


def _example_of(column: ColumnProfile, nothing: str = "") -> str:
    cell = next((cell for cell in column.cells if cell != nothing), "(empty)")
    return " ".join(cell.split())[:40]
