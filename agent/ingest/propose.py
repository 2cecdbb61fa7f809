"""`limner init`: look at tables and propose a mapping file for a person to check."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from limner.core.errors import BadInputError
from limner.ingest.clean import attribute_name, number_text, numbers_of
from limner.ingest.column_profile import ColumnProfile, TableProfile
from limner.ingest.mapping import (
    ALIASES,
    FIELDS,
    FileFormat,
    TableName,
    alias_key,
    aliases_of,
    looks_headless,
)
from limner.ingest.read import META, guess_separator, opening, read_table
from limner.ingest.times import day_comes_first, is_slashed, parse_times

_PROFILED_ROWS = 2000
_READ_ROWS = 50_000
"""Rows whose ids are compared with those of other tables."""
_USER = re.compile(
    r"user|customer|client|member|reviewer|visitor|account|buyer|person|player|patient|reader"
)
_ITEM = re.compile(r"item|product|article|movie|film|book|song|track|sku|asin|code$|_?id$")
_TITLE = re.compile(r"name|title")
_WORD = re.compile(r"[^\W\d_]{3}")
_JOINED_SHARE = 0.1
"""Share of common ids from which two tables can be joined."""
_SURER = 2.0
"""Factor by which a key's score grows if it never repeats, and again if the aliases name both
columns.
"""
_FEW_TYPES = 20
_FEW_RATINGS = 101


@dataclass(frozen=True)
class _Field:
    column: str
    why: str
    separator: str = ""
    nothing: str = ""
    """A cell of this column that stands for a missing value; "" for none."""


@dataclass(frozen=True)
class _Look:
    """A table as its first rows show it."""

    file: str
    profile: TableProfile
    headless: bool
    separator: str
    table: TableName = "events"
    fields: dict[str, _Field] = field(default_factory=dict)

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


@dataclass(frozen=True)
class _Tables:
    """The table chosen for each kind, and the tables that are left over."""

    used: dict[TableName, _Look]
    beside: list[_Look]


def propose_mapping(files: Sequence[str]) -> str:
    """YAML with a comment on each choice: which file is which table, which column is which field.

    What it proposes is valid as it stands wherever a user and an item column could be guessed; the
    comments say what to check. Raises BadInputError for a file that cannot be read as a table.
    """
    tables = _keyed(_arranged([_understand(_look(file)) for file in files]))
    used = tables.used
    events = used.get("events")
    twofold = events is not None and "items" not in used and _catalogue_inside(used, events)
    lines = ["# Proposed by looking at the first rows: check every line, then run"]
    options = " ".join(f"--{table} {look.file}" for table, look in used.items())
    lines.append(f"#   limner ingest {options} --mapping THIS_FILE")
    for table in FIELDS:
        if table in used:
            lines += ["", *_table_lines(table, used[table], used["items"] if twofold else None)]
    lines += _join_lines(tables)
    if events is not None and twofold:
        lines += _ignore_lines(events, used["items"])
    read = [_read_line(table, look) for table, look in used.items() if look.headless]
    if read:
        lines += ["", "read:  # files without a header", *read]
    if events is not None:
        lines += _hints(used["events"])
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- looking


def _look(file: str) -> _Look:
    frame = _frame(file, FileFormat())
    columns = [str(c) for c in frame.columns if c not in META]
    separator = guess_separator(text) if (text := opening(file)) else ""
    headless = looks_headless(columns)
    if headless:
        names = [f"column{i}" for i in range(1, len(columns) + 1)]
        frame = _frame(file, FileFormat(columns=names, separator=separator))
    return _Look(file, TableProfile(frame, _PROFILED_ROWS), headless, separator)


def _frame(file: str, reading: FileFormat) -> pd.DataFrame:
    """The first rows of a table. Raises BadInputError where it has none."""
    chunks = islice(read_table(file, reading, _PROFILED_ROWS), _READ_ROWS // _PROFILED_ROWS)
    frames = [chunk.frame for chunk in chunks]
    if not frames:
        raise BadInputError("ingest.no_rows", file=file)
    return pd.concat(frames, ignore_index=True).fillna("")


def _understand(look: _Look) -> _Look:
    """Decide which kind of table it is, and which column is which field."""
    if look.headless:
        by_content = _by_content(look)
        kind: TableName = "items" if "title" in by_content else "events"
        return replace(look, table=kind, fields=by_content)
    table = _kind(look)
    return replace(look, table=table, fields=_by_name(table, look))


def _by_alias(look: _Look) -> dict[str, str]:
    """Columns by the names that aliases know; the first of equal ones."""
    return {alias_key(column): column for column in reversed(look.columns)}


def _kind(look: _Look) -> TableName:
    """Items have no user, users one row each, events a user and what was done."""
    names = _by_alias(look)
    user = _user_column(names)
    if not user:
        return "items"
    has = {target for target, aliases in ALIASES.items() if not names.keys().isdisjoint(aliases)}
    done = has & {"item_id", "rating", "type", "value"}
    if not done and len(names) > 2 and look.profile[user].unique:
        return "users"
    acts = done or "timestamp" in has
    about = any(_ITEM.search(name) for name, column in names.items() if column != user)
    return "events" if acts or about else "users"


def _user_column(names: dict[str, str]) -> str:
    """The column of user ids, by its aliases, else by a name that sounds like one; "" for none."""
    aliased = [names[alias] for alias in ALIASES["user_id"] if alias in names]
    sounding = [column for name, column in names.items() if _USER.search(name)]
    return next(iter(aliased + sounding), "")


def _arranged(looks: Sequence[_Look]) -> _Tables:
    """The first table of each kind is used; a catalogue with titles goes before one without, and
    events whose items are known before tables that only have a user.
    """
    used: dict[TableName, _Look] = {}
    for table in FIELDS:
        of_kind = [look for look in looks if look.table == table]
        if of_kind:
            used[table] = max(of_kind, key=lambda look: _worth(look, looks))
    order = [look.table for look in looks]
    used = {table: used[table] for table in dict.fromkeys(order)}
    return _Tables(used, [look for look in looks if look not in used.values()])


def _worth(look: _Look, looks: Sequence[_Look]) -> float:
    """Score of a table among those of its kind; the highest is used."""
    if look.table == "items":
        return float("title" in look.fields)
    if look.table == "events":
        keys = [other for other in looks if other.table == "items"]
        return max((_best_key(look, other)[0] for other in keys), default=0.0)
    return 0.0


# ---------------------------------------------------------------- fields by name


_Test = Callable[[str, ColumnProfile], bool]
_GUESSES: dict[TableName, tuple[tuple[str, str, _Test], ...]] = {
    "events": (
        (
            "user_id",
            "guessed by its name, please check; ",
            lambda name, _: bool(_USER.search(name)),
        ),
        (
            "item_id",
            "guessed by its name, please check; ",
            lambda name, column: bool(_ITEM.search(name)) and column.is_key,
        ),
        ("timestamp", "its cells are times; ", lambda _, column: column.type == "time"),
    ),
    "items": (
        (
            "item_id",
            "guessed by its name, please check; ",
            lambda name, column: bool(_ITEM.search(name)) and column.unique and column.is_key,
        ),
        (
            "item_id",
            "guessed by its name, please check; ",
            lambda name, column: bool(_ITEM.search(name)) and column.is_key,
        ),
        ("item_id", "the first column, please check; ", lambda _, column: True),
        ("title", "guessed by its name; ", lambda name, _: bool(_TITLE.search(name))),
    ),
    "users": (
        (
            "user_id",
            "guessed by its name, please check; ",
            lambda name, _: bool(_USER.search(name)),
        ),
        (
            "user_id",
            "guessed by its name, please check; ",
            lambda name, _: bool(_ITEM.search(name)),
        ),
    ),
}
"""Guesses for fields that no alias finds, tried in this order: (field, reason, test of a column's
name and cells).
"""


def _by_name(
    table: TableName, look: _Look, names: dict[str, str] | None = None
) -> dict[str, _Field]:
    """Fields by the aliases of their names where the cells fit them, then by guesses."""
    names = _by_alias(look) if names is None else names
    columns = _aliased_columns(table, look, names)
    guessed: dict[str, str] = {}
    for target, why, test in _GUESSES[table]:
        if target not in columns:
            free = set(names.values()).difference(columns.values())
            fitting = (c for c in look.columns if c in free and test(alias_key(c), look.profile[c]))
            if (guess := next(fitting, None)) is not None:
                columns[target], guessed[target] = guess, why
    return {
        target: _field(target, look.profile[columns[target]], guessed.get(target, ""))
        for target in FIELDS[table]
        if target in columns
    }


def _aliased_columns(table: TableName, look: _Look, names: dict[str, str]) -> dict[str, str]:
    """By field, the first column that an alias names and whose cells fit; no column twice."""
    columns: dict[str, str] = {}
    for target in FIELDS[table]:
        if target == "value" and "rating" in columns:
            continue
        aliased = (names[alias] for alias in aliases_of(table, target) if alias in names)
        free = (column for column in aliased if column not in columns.values())
        column = next((c for c in free if _fits(target, look.profile[c])), None)
        if column is not None:
            columns[target] = column
    return columns


def _field(target: str, column: ColumnProfile, why: str = "") -> _Field:
    """A field with an example cell, its list separator, and its sign for a missing value."""
    nothing = ""
    if target == "rating" and column.sentinel is not None:
        nothing = column.sentinel_cell
        why += f"{nothing} stands apart, as for what was not rated; "
    separator = column.separator if target == "categories" else ""
    return _Field(column.name, f"{why}e.g. {_example(column)}", separator, nothing)


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


def _by_content(look: _Look) -> dict[str, _Field]:
    """A file without a header, by what the cells hold: words, times, small ranges of numbers."""
    first = look.profile[look.columns[0]]
    words = [c for c in look.columns if _is_wordy(look.profile[c])]
    # A catalogue: one key, then its title. Of two key columns the file is one of events, whatever
    # words it has.
    if words and first.name not in words and first.unique and not _looks_done(look):
        return _catalogue_by_content(look, first, words)
    return _events_by_content(look, words)


def _looks_done(look: _Look) -> bool:
    """Whether a row says when something was done, and by a word that few others stand beside."""
    profiles = [look.profile[column] for column in look.columns]
    return any(column.type == "time" for column in profiles) and any(map(_is_type, profiles))


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


def _catalogue_by_content(
    look: _Look, key: ColumnProfile, words: Sequence[str]
) -> dict[str, _Field]:
    chosen = {"item_id": _Field(key.name, f"first column, never repeats; e.g. {_example(key)}")}
    title = max((look.profile[c] for c in words[:2]), key=lambda column: column.distinct)
    chosen["title"] = _Field(title.name, f"words; e.g. {_example(title)}")
    lists = (look.profile[c] for c in words if c != title.name)
    listed = next((column for column in lists if column.separator), None)
    if listed is not None:
        chosen["categories"] = _field("categories", listed, "a list; ")
    return chosen


def _events_by_content(look: _Look, words: Sequence[str]) -> dict[str, _Field]:
    chosen: dict[str, _Field] = {}
    for target, name in zip(("user_id", "item_id"), look.columns, strict=False):
        chosen[target] = _field(target, look.profile[name], "by its place, please check; ")
    for name in look.columns[2:]:
        column = look.profile[name]
        if column.type == "time":
            chosen.setdefault("timestamp", _field("timestamp", column, "its cells are times; "))
        elif _is_type(column) or (name in words and column.distinct <= _FEW_TYPES):
            chosen.setdefault("type", _field("type", column, "few words that repeat; "))
        elif _is_rating(column):
            low, high = column.span or (0.0, 0.0)
            why = f"from {low:g} to {high:g}; "
            chosen.setdefault("rating", _field("rating", column, why))
    return {target: chosen[target] for target in FIELDS["events"] if target in chosen}


def _is_rating(column: ColumnProfile) -> bool:
    """Whether a number column looks like ratings: few different numbers, none large. A column with
    numbers in the millions holds ids.
    """
    if column.numeric <= 0.5 or column.span is None:
        return False
    low, high = column.span
    return column.distinct <= _FEW_RATINGS and low >= -100 and high <= 100


# ---------------------------------------------------------------- keys by overlap


def _best_key(look: _Look, items: _Look) -> tuple[float, str, str]:
    """(score, column, column of the items table) of the ids that two tables share most of; score 0
    where they share none.
    """
    pairs = [
        (_key_score(look.profile[column], items.profile, key), column, key)
        for column in look.free(["item_id"])
        if look.profile[column].is_key
        for key in items.columns
        if items.profile[key].is_key
    ]
    return max(pairs, key=lambda pair: pair[0], default=(0.0, "", ""))


def _key_score(column: ColumnProfile, items: TableProfile, key: str) -> float:
    """How well a column identifies the rows of an items table by one of its columns.

    The score is the share of its values that are found there, times the root of their number (a few
    small numbers are found anywhere). It is halved where the key repeats, and doubled where aliases
    name both columns.
    """
    ids = items.ids(key)
    score = column.overlap(ids) * math.sqrt(len(ids.intersection(column.cells)))
    if not items[key].unique:
        score /= _SURER
    aliased = {alias_key(column.name), alias_key(key)} <= set(ALIASES["item_id"])
    return score * _SURER if aliased else score


def _keyed(tables: _Tables) -> _Tables:
    """Ids of events and items as the columns whose values they share."""
    events, items = tables.used.get("events"), tables.used.get("items")
    if events is None or items is None or "item_id" not in items.fields:
        return tables
    _, column, key = _best_key(events, items)
    share = events.profile[column].overlap(items.profile.ids(key)) if column else 0.0
    used = dict(tables.used)
    if share >= _JOINED_SHARE:
        why = f"{share:.0%} of its values are among '{key}' of {items.name}; "
        used["events"] = _with_item_id(events, _field("item_id", events.profile[column], why))
        if key != items.fields["item_id"].column:
            why = f"holds the items of {events.name}; "
            used["items"] = _with_item_id(items, _field("item_id", items.profile[key], why))
    elif "item_id" in events.fields:
        chosen = events.fields["item_id"]
        why = f"CHECK: none of its values is an item of {items.name}; {chosen.why}"
        if not events.profile[chosen.column].overlap(
            items.profile.ids(items.fields["item_id"].column)
        ):
            used["events"] = _with_item_id(events, replace(chosen, why=why))
    return replace(tables, used=used)


def _with_item_id(look: _Look, item_id: _Field) -> _Look:
    fields = {t: one for t, one in look.fields.items() if one.column != item_id.column}
    fields["item_id"] = item_id
    return replace(look, fields={t: fields[t] for t in FIELDS[look.table] if t in fields})


def _catalogue_inside(used: dict[TableName, _Look], events: _Look) -> bool:
    """Whether an events table also describes its items. If so, the file is used as the items table,
    too.
    """
    names = {alias_key(column): column for column in reversed(events.free())}
    key = events.fields.get("item_id")
    described = any(
        alias in names
        for target in ("title", "categories")
        for alias in aliases_of("items", target)
    )
    if key is None or not described or events.headless:
        return False
    fields = _by_name("items", events, names)
    item_id = _Field(key.column, key.why)
    used["items"] = replace(events, table="items", fields={**fields, "item_id": item_id})
    return True


# ---------------------------------------------------------------- writing


def _table_lines(table: TableName, look: _Look, both: _Look | None) -> list[str]:
    head = f"# {look.file}: {len(look.columns)} columns"
    lines = [f"{head}, no header" if look.headless else head]
    lines.append(f"{table}:" if look.fields else f"{table}: {{}}")
    lines += [f"  {target}: {_spec(one)}  # {one.why}" for target, one in look.fields.items()]
    if table == "events":
        lines += _missing_lines(look)
    rest = look.free()
    if both is not None:
        # Named, for what is not named of a file that is both tables is left out.
        own = [c for c in _of_the_event(look, both) if c in rest] if table == "events" else []
        return lines + [f"  {_quoted(attribute_name(c))}: {_quoted(c)}  # context" for c in own]
    if rest:
        kind = "context of each event" if table == "events" else "attributes"
        more = f" and {len(rest) - 12} more" if len(rest) > 12 else ""
        lines.append(
            f"  # not named, so {kind}: {', '.join(' '.join(c.split()) for c in rest[:12])}{more}"
        )
    return lines


def _spec(one: _Field) -> str:
    spec = _quoted(one.column)
    more = f", separator: {_quoted(one.separator)}" if one.separator else ""
    more += f", nothing: [{_quoted(one.nothing)}]" if one.nothing else ""
    return f"{{column: {spec}{more}}}" if more else spec


def _missing_lines(look: _Look) -> list[str]:
    """Comment lines for the fields that an events table lacks, for a person to fill in."""
    lines: list[str] = []
    if not look.fields.keys() & {"type", "rating"}:
        lines.append(
            "  # type: {constant: purchase}  # no type and no rating: each row is a "
            "view, unless you say otherwise"
        )
    if "timestamp" not in look.fields:
        lines.append("  # timestamp: …  # none found: the order of the rows stands for time")
    for target in ("user_id", "item_id"):
        if target not in look.fields:
            lines.append(f"  # {target}: …  # not found: name one of {', '.join(look.columns[:8])}")
    return lines


def _read_line(table: TableName, look: _Look) -> str:
    separator = f"separator: {_quoted(look.separator)}, " if look.separator else ""
    return f"  {table}: {{{separator}columns: [{', '.join(_quoted(c) for c in look.columns)}]}}"


def _ignore_lines(events: _Look, items: _Look) -> list[str]:
    """One file as both tables: what is of the event must not become an attribute of its item."""
    left = ", ".join(_quoted(c) for c in _of_the_event(events, items))
    return [
        "",
        f"ignore: [{left}]  # the file is both tables: unless named above, these go to neither",
    ]


def _of_the_event(events: _Look, items: _Look) -> list[str]:
    """Columns of a file that is both tables which vary from event to event of one item; the price
    is both's.
    """
    named = {one.column for target, one in items.fields.items() if target != "price"}
    key = items.fields["item_id"].column
    return [c for c in events.columns if c not in named and events.profile.values_per(key, c) > 1]


def _join_lines(tables: _Tables) -> list[str]:
    """Side tables of items, as joins by the ids that they share; what else lies beside."""
    joins: list[str] = []
    others: list[str] = []
    items, events = tables.used.get("items"), tables.used.get("events")
    for look in tables.beside:
        key = _side_key(look, items) if items is not None else ""
        other = next((c for c in look.columns if c != key), None)
        if key and other is not None and look.table == "items":
            file, column = _quoted(look.name), _quoted(other)
            joins.append(
                f"  - {{file: {file}, key: {_quoted(key)}, column: {column}, into: {column}}}"
            )
        else:
            others.append(f"# {look.file}: {_beside(look, events, bool(key))}")
    if joins:
        joins = [
            "joins:  # side tables with many rows an item; they lie beside the items file",
            *joins,
        ]
    return ["", *others, *joins] if others or joins else []


def _side_key(look: _Look, items: _Look) -> str:
    """The column of a side table that holds the items' ids; "" where none does."""
    ids = items.profile.ids(items.fields["item_id"].column)
    shares = {c: look.profile[c].overlap(ids) for c in look.columns if look.profile[c].is_key}
    best = max(shares, key=lambda c: shares[c], default="")
    return best if best and shares[best] >= _JOINED_SHARE else ""


def _beside(look: _Look, events: _Look | None, about_items: bool) -> str:
    """Why a table is left out of the mapping."""
    if look.table == "items":
        return "shares no id with the items, so it is not joined"
    user = look.fields.get("user_id")
    known = events.fields.get("user_id") if events is not None else None
    if events is not None and user is not None and known is not None and not about_items:
        ids = events.profile.ids(known.column)
        if look.profile[user.column].overlap(ids) >= _JOINED_SHARE:
            return "a side table of users, about no item; joins are of items, so it is left out"
    return f"another table of {look.table}; ingest it in a run of its own"


def _hints(look: _Look) -> list[str]:
    lines: list[str] = []
    rating = look.fields.get("rating")
    if rating is not None:
        cells = [c for c in look.profile[rating.column].cells if c != rating.nothing]
        number = numbers_of([number_text(cell) for cell in cells])
        number = number[np.isfinite(number)]
        if len(number):
            lines += [
                "",
                (
                    f"# scale: [{number.min():g}, {number.max():g}]  # as seen in the first rows; "
                    "declare the true one, ratings outside are rejected"
                ),
            ]
    stamp = look.fields.get("timestamp")
    if stamp is not None and is_slashed(cells := list(look.profile[stamp.column].cells)):
        order = '"%d/%m/%Y"' if day_comes_first(cells) else '"%m/%d/%Y"'
        lines += ["", f"# times: {order}  # if the order of day and month is not read right"]
    return lines


def _example(column: ColumnProfile) -> str:
    cell = next(iter(column.cells), "(empty)")
    return " ".join(cell.split())[:40]


def _quoted(text: str) -> str:
    """A YAML scalar that reads back as this text."""
    if re.fullmatch(r"[A-Za-z_][\w.]*", text) and text.lower() not in _WORDS:
        return text
    if all(letter.isprintable() for letter in text):
        return "'" + text.replace("'", "''") + "'"
    return (
        '"'
        + "".join(f"\\u{ord(c):04x}" if not c.isprintable() or c in '"\\' else c for c in text)
        + '"'
    )


_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
