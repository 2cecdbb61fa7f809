"""`limner init`: look at tables and propose a mapping file for a person to check."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from limner.core.errors import BadInputError
from limner.core.interactions import NO_TIME
from limner.ingest.clean import attribute_name, number_text, numbers_of, something
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
from limner.ingest.times import day_comes_first, is_clock, is_slashed, parse_times

_SAMPLE_ROWS = 2000
_USER = re.compile(
    r"user|customer|client|member|reviewer|visitor|account|buyer|person|player|patient|reader"
)
_ITEM = re.compile(r"item|product|article|movie|film|book|song|track|sku|asin|code$|_?id$")
_EPOCH = (np.int64(315_532_800_000), np.int64(4_102_444_800_000))
"""1980 to 2100 in epoch milliseconds: what a column of times holds."""


@dataclass(frozen=True)
class _Field:
    column: str
    why: str
    separator: str = ""


@dataclass(frozen=True)
class _Look:
    """A table as its first rows show it."""

    file: str
    frame: pd.DataFrame
    headless: bool
    separator: str
    table: TableName = "events"
    fields: dict[str, _Field] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        return [str(c) for c in self.frame.columns if c not in META]

    def cells(self, column: str) -> list[str]:
        return [one for cell in self.frame[column] if (one := something(cell))]


def propose_mapping(files: Sequence[str]) -> str:
    """YAML with a comment on each choice: which file is which table, which column is which field.

    What it proposes is valid as it stands wherever a user and an item column could be guessed; the
    comments say what to check. Raises BadInputError for a file that cannot be read as a table.
    """
    looks = [_understand(_look(file)) for file in files]
    used: dict[TableName, _Look] = {}
    beside: list[_Look] = []
    for look in looks:
        if look.table in used:
            beside.append(look)
        else:
            used[look.table] = look
    better = next((one for one in beside if one.table == "items" and _is_catalogue(one)), None)
    if better is not None and "items" in used and not _is_catalogue(used["items"]):
        beside[beside.index(better)] = used["items"]
        used["items"] = better
    twofold = "items" not in used and "events" in used and _catalogue_inside(used, used["events"])
    lines = ["# Proposed by looking at the first rows: check every line, then run"]
    options = " ".join(f"--{table} {look.file}" for table, look in used.items())
    lines.append(f"#   limner ingest {options} --mapping THIS_FILE")
    for table in FIELDS:
        if table in used:
            lines += ["", *_table_lines(table, used[table], used["items"] if twofold else None)]
    lines += _join_lines(used, beside)
    if twofold:
        lines += _ignore_lines(used["events"], used["items"])
    read = [_read_line(table, look) for table, look in used.items() if look.headless]
    if read:
        lines += ["", "read:  # files without a header", *read]
    if (events := used.get("events")) is not None:
        lines += _hints(events)
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- looking


def _look(file: str) -> _Look:
    chunk = next(iter(read_table(file, FileFormat(), _SAMPLE_ROWS)), None)
    if chunk is None:
        raise BadInputError(f"'{file}' holds no rows.")
    columns = [str(c) for c in chunk.frame.columns if c not in META]
    separator = guess_separator(text) if (text := opening(file)) else ""
    if not looks_headless(columns):
        return _Look(file, chunk.frame, False, separator)
    names = [f"column{i}" for i in range(1, len(columns) + 1)]
    again = next(
        iter(read_table(file, FileFormat(columns=names, separator=separator), _SAMPLE_ROWS))
    )
    return _Look(file, again.frame, True, separator)


def _understand(look: _Look) -> _Look:
    """Which table it is, and which column is which field."""
    names = {alias_key(column): column for column in reversed(look.columns)}
    has = {field for field, aliases in ALIASES.items() if any(one in names for one in aliases)}
    if look.headless:
        by_place = _by_content(look)
        table: TableName = "items" if "title" in by_place else "events"
        return _Look(look.file, look.frame, True, look.separator, table, by_place)
    user = "user_id" in has or any(_USER.search(name) for name in names)
    if user and (
        has & {"item_id", "timestamp", "rating", "type"} or any(_ITEM.search(one) for one in names)
    ):
        table = "events"
    elif user:
        table = "users"
    else:
        table = "items"
    if (
        table == "events"
        and len(names) > 2
        and not has & {"item_id", "timestamp", "rating", "type", "value"}
    ):
        # One row a user, or several?
        column = next((names[a] for a in ALIASES["user_id"] if a in names), "")
        if (
            column
            and look.frame[column].is_unique
            and not any(_ITEM.search(n) for n in names if names[n] != column)
        ):
            table = "users"
    return _Look(look.file, look.frame, False, look.separator, table, _by_name(table, look, names))


def _by_name(table: TableName, look: _Look, names: dict[str, str]) -> dict[str, _Field]:
    chosen: dict[str, _Field] = {}
    taken: set[str] = set()

    def take(target: str, column: str, why: str = "") -> None:
        taken.add(column)
        chosen[target] = _Field(
            column, f"{why}e.g. {_example(look, column)}", _list_separator(target, look, column)
        )

    for target in FIELDS[table]:
        if target == "value" and "rating" in chosen:
            continue
        usable = (names[a] for a in aliases_of(table, target) if a in names)
        column = next(
            (one for one in usable if one not in taken and _fits(target, look.cells(one))), None
        )
        if column is not None:
            take(target, column)
    keys = (
        (("user_id", _USER), ("item_id", _ITEM))
        if table == "events"
        else ((f"{table[:-1]}_id", _ITEM),)
    )
    for target, pattern in keys:
        if target not in chosen:
            by_word = next(
                (c for n, c in names.items() if c not in taken and pattern.search(n)), None
            )
            if by_word:
                take(target, by_word, "guessed by its name, please check; ")
    if table == "events" and "timestamp" not in chosen:
        timed = next(
            (c for c in look.columns if c not in taken and _are_times(look.cells(c))), None
        )
        if timed:
            take("timestamp", timed, "its cells are times; ")
    if table == "items" and "item_id" not in chosen and look.columns[0] not in taken:
        take("item_id", look.columns[0], "the first column, please check; ")
    if table == "items" and "title" not in chosen:
        worded = next(
            (
                c
                for c in look.columns
                if c not in taken and re.search(r"name|title", c, re.IGNORECASE)
            ),
            None,
        )
        if worded:
            take("title", worded, "guessed by its name; ")
    return {target: chosen[target] for target in FIELDS[table] if target in chosen}


def _by_content(look: _Look) -> dict[str, _Field]:
    """A file without a header, by what the cells hold: words, times, small ranges of numbers."""
    columns = look.columns
    cells = {column: look.cells(column) for column in columns}
    words = [c for c in columns if _share(cells[c], r"[^\W\d_]{3}") > 0.5]
    chosen: dict[str, _Field] = {}
    others = [c for c in columns if c not in words and not _are_times(cells[c])]
    # A catalogue: one key, then its title. Of two key columns the file is one of events, whatever
    # words it has.
    first = columns[0]
    if words and first not in words and look.frame[first].is_unique:
        chosen["item_id"] = _Field(
            first, f"first column, never repeats; e.g. {_example(look, first)}"
        )
        rest = [c for c in words if c != first]
        title = max(rest[:2], key=lambda c: len(set(cells[c])))
        chosen["title"] = _Field(title, f"words; e.g. {_example(look, title)}")
        listed = next(
            (c for c in rest if c != title and _list_separator("categories", look, c)), None
        )
        if listed:
            separator = _list_separator("categories", look, listed)
            chosen["categories"] = _Field(
                listed, f"a list; e.g. {_example(look, listed)}", separator
            )
        return chosen
    for target, column in zip(("user_id", "item_id"), columns, strict=False):
        chosen[target] = _Field(
            column, f"by its place, please check; e.g. {_example(look, column)}"
        )
    keys = {one.column for one in chosen.values()}
    for column in columns:
        if column in keys:
            continue
        if "timestamp" not in chosen and _are_times(cells[column]):
            chosen["timestamp"] = _Field(
                column, f"its cells are times; e.g. {_example(look, column)}"
            )
        elif column in words:
            few = len(set(cells[column])) <= 20
            if few and "type" not in chosen:
                chosen["type"] = _Field(
                    column, f"few words that repeat; e.g. {_example(look, column)}"
                )
        elif "rating" not in chosen and column in others and _fits("rating", cells[column]):
            number = numbers_of([number_text(one) for one in cells[column]])
            if len(set(number.tolist())) <= 101:
                span = f"from {number.min():g} to {number.max():g}"
                chosen["rating"] = _Field(column, f"{span}; e.g. {_example(look, column)}")
    return {target: chosen[target] for target in FIELDS["events"] if target in chosen}


def _catalogue_inside(used: dict[TableName, _Look], events: _Look) -> bool:
    """An events table that also describes its items: then the same file is the items table, too."""
    names = {
        alias_key(c): c
        for c in reversed(events.columns)
        if c not in {f.column for f in events.fields.values()}
    }
    key = events.fields.get("item_id")
    described = any(
        a in names for target in ("title", "categories") for a in aliases_of("items", target)
    )
    if key is None or not described or events.headless:
        return False
    fields = _by_name(
        "items", _Look(events.file, events.frame, False, events.separator, "items"), names
    )
    used["items"] = _Look(
        events.file,
        events.frame,
        False,
        events.separator,
        "items",
        {**fields, "item_id": _Field(key.column, key.why)},
    )
    return True


def _is_catalogue(look: _Look) -> bool:
    return "title" in look.fields


def _fits(target: str, cells: list[str]) -> bool:
    """Whether a column holds what a field needs; an empty column fits nothing that is read as a
    number or a time.
    """
    if target in ("rating", "value"):
        return bool(cells) and bool(
            np.isfinite(numbers_of([number_text(one) for one in cells])).mean() > 0.5
        )
    if target == "timestamp":
        return bool(cells) and (is_clock(cells) or not parse_times(cells)[1].all())
    return True


def _are_times(cells: list[str]) -> bool:
    if not cells:
        return False
    times, bad = parse_times(cells, day_first=bool(day_comes_first(cells)))
    good = times[times != NO_TIME]
    return not bad.any() and bool((good > _EPOCH[0]).all()) and bool((good < _EPOCH[1]).all())


def _share(cells: list[str], pattern: str) -> float:
    return sum(bool(re.search(pattern, cell)) for cell in cells) / max(len(cells), 1)


def _list_separator(target: str, look: _Look, column: str) -> str:
    if target != "categories":
        return ""
    cells = look.cells(column)
    return next((mark for mark in ("|", ";") if _share(cells, re.escape(mark)) > 0.05), "")


# ---------------------------------------------------------------- writing


def _table_lines(table: TableName, look: _Look, both: _Look | None) -> list[str]:
    head = f"# {look.file}: {len(look.columns)} columns"
    lines = [f"{head}, no header" if look.headless else head]
    lines.append(f"{table}:" if look.fields else f"{table}: {{}}")
    for target, one in look.fields.items():
        spec = _quoted(one.column)
        if one.separator:
            spec = f"{{column: {spec}, separator: {_quoted(one.separator)}}}"
        lines.append(f"  {target}: {spec}  # {one.why}")
    if table == "events" and not look.fields.keys() & {"type", "rating"}:
        lines.append(
            "  # type: {constant: purchase}  # no type and no rating: each row is a "
            "view, unless you say otherwise"
        )
    if table == "events" and "timestamp" not in look.fields:
        lines.append("  # timestamp: …  # none found: the order of the rows stands for time")
    for target in ("user_id", "item_id"):
        if table == "events" and target not in look.fields:
            lines.append(f"  # {target}: …  # not found: name one of {', '.join(look.columns[:8])}")
    used = {one.column for one in look.fields.values()}
    if both is not None:
        # Named, for what is not named of a file that is both tables is left out.
        own = [c for c in _of_the_event(look, both) if c not in used] if table == "events" else []
        lines += [f"  {_quoted(attribute_name(c))}: {_quoted(c)}  # context" for c in own]
        return lines
    rest = [c for c in look.columns if c not in used]
    if rest:
        kind = "context of each event" if table == "events" else "attributes"
        more = f" and {len(rest) - 12} more" if len(rest) > 12 else ""
        lines.append(
            f"  # not named, so {kind}: {', '.join(' '.join(c.split()) for c in rest[:12])}{more}"
        )
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
    by_item = events.frame.groupby(items.fields["item_id"].column)
    return [c for c in events.columns if c not in named and by_item[c].nunique().max() > 1]


def _join_lines(used: dict[TableName, _Look], beside: Sequence[_Look]) -> list[str]:
    """Side tables of items: those that share the items' key and have a column more."""
    joins: list[str] = []
    others: list[str] = []
    for look in beside:
        key = look.fields.get("item_id")
        other = next((c for c in look.columns if key and c != key.column), None)
        if look.table == "items" and "items" in used and key is not None and other is not None:
            file, column = _quoted(Path(look.file).name), _quoted(other)
            joins.append(
                f"  - {{file: {file}, key: {_quoted(key.column)}, column: {column}, "
                f"into: {column}}}"
            )
        else:
            others.append(
                f"# {look.file}: another table of {look.table}; ingest it in a run of its own"
            )
    if joins:
        joins = [
            "joins:  # side tables with many rows an item; they lie beside the items file",
            *joins,
        ]
    return ["", *others, *joins] if others or joins else []


def _hints(look: _Look) -> list[str]:
    lines: list[str] = []
    rating = look.fields.get("rating")
    if rating is not None:
        number = numbers_of([number_text(one) for one in look.cells(rating.column)])
        number = number[np.isfinite(number)]
        if len(number):
            span = f"[{number.min():g}, {number.max():g}]"
            lines += [
                "",
                (
                    f"# scale: {span}  # as seen in the first rows; declare the true one, "
                    "ratings outside are rejected"
                ),
            ]
    stamp = look.fields.get("timestamp")
    if stamp is not None and is_slashed(cells := look.cells(stamp.column)):
        order = '"%d/%m/%Y"' if day_comes_first(cells) else '"%m/%d/%Y"'
        lines += ["", f"# times: {order}  # if the order of day and month is not read right"]
    return lines


def _example(look: _Look, column: str) -> str:
    cell = next(iter(look.cells(column)), "(empty)")
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
