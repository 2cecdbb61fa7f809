"""The YAML of a proposed mapping: a line for each column, with a comment on what speaks for it."""

import re
from collections.abc import Sequence

import numpy as np

from limner.core.columns import Nouns, Role
from limner.facts.column_roles import SAME
from limner.ingest.clean import attribute_name, number_text, numbers_of
from limner.ingest.mapping import (
    FIELDS,
    TYPE_ALIASES,
    ColumnRule,
    TableName,
    alias_key,
    aliases_of,
    category_name,
)
from limner.ingest.propose_joins import ProposedJoin
from limner.ingest.table_look import FieldGuess, ProposedTables, TableLook, label_of
from limner.ingest.times import are_day_numbers, day_comes_first, is_slashed

_ROLES = (
    "# role: taste (its values can be liked), time (decades), amount (low, mid and high), fact,",
    "#   text, id (kept, never liked), ignore (not stored); label: what people call it",
)


def proposal(
    tables: ProposedTables,
    joins: Sequence[ProposedJoin],
    left: Sequence[str],
    nouns: tuple[Nouns, str],
    *,
    twofold: bool,
) -> str:
    """The mapping file. `twofold`: one file is events and items; `left`: what is left out, and why;
    `nouns`: what items are called, and after what.
    """
    used = tables.used
    options = " ".join(f"--{table} {look.file}" for table, look in used.items())
    lines = [
        "# Proposed by looking at the first rows: check every line, then run",
        f"#   limner ingest {options} --mapping THIS_FILE",
        *_ROLES,
    ]
    for table in FIELDS:
        if table in used:
            lines += ["", *_table_lines(table, used, twofold=twofold)]
    lines += _noun_lines(*nouns)
    if left:
        lines += ["", *(f"# {sentence}" for sentence in left)]
    if joins:
        lines += ["", "joins:  # side tables; they lie beside the file of the items or users"]
        lines += map(_join_line, joins)
    if twofold:
        columns = ", ".join(_quoted(column) for column in used["events"].columns)
        lines += ["", f"ignore: [{columns}]  # one file is both tables: each takes what it names"]
    read = [_read_line(table, look) for table, look in used.items() if look.headless or look.pivot]
    if read:
        lines += ["", "read:  # how files are read that do not show it", *read]
    if "events" in used:
        lines += _hints(used["events"])
    return "\n".join(lines) + "\n"


def of_the_event(events: TableLook, items: TableLook) -> list[str]:
    """Columns of a file that is both tables which vary from event to event of one item; the price
    is both's.
    """
    named = {one.column for target, one in items.fields.items() if target != "price"}
    key = items.fields["item_id"].column
    return [c for c in events.columns if c not in named and events.profile.values_per(key, c) > 1]


# ---------------------------------------------------------------- tables


def _table_lines(table: TableName, used: dict[TableName, TableLook], *, twofold: bool) -> list[str]:
    look = used[table]
    head = f"# {look.file}: {len(look.columns)} columns"
    lines = [f"{head}, no header" if look.headless else head]
    lines.append(f"{table}:" if look.fields else f"{table}: {{}}")
    lines += [
        f"  {target}: {_spec(_with_role(target, one, look))}  # {one.why}"
        for target, one in look.fields.items()
    ]
    if table == "events":
        lines += _missing_lines(look)
    rest = look.free()
    if twofold:
        own = set(of_the_event(used["events"], used["items"]))
        rest = [c for c in rest if (c in own) == (table == "events")]
    return lines + _rest_lines(table, look, rest)


def _with_role(target: str, guess: FieldGuess, look: TableLook) -> FieldGuess:
    """Categories with what they are to taste; other fields are what they are."""
    if target != "categories":
        return guess
    # A few rows show nothing else: that every item has its own is no news of categories.
    role: Role = "fact" if look.role(guess.column, _key(look)).why == SAME else "taste"
    named = category_name(ColumnRule(column=guess.column)) or "category"
    label = "" if look.headless else named.replace("_", " ")
    return FieldGuess(guess.column, guess.why, guess.separator, guess.nothing, role, label)


def _key(look: TableLook) -> str:
    key = look.fields.get("item_id")
    return key.column if key is not None and look.table == "items" else ""


def _rest_lines(table: TableName, look: TableLook, rest: Sequence[str]) -> list[str]:
    """A line for each column that is no field: the attribute or context that it becomes."""
    lines: list[str] = []
    taken = {*FIELDS[table], *look.fields}
    ids = look.key("item_id") if table == "items" else frozenset[str]()
    for column in rest:
        name = attribute_name(column)
        while name in taken:
            name += "_"
        taken.add(name)
        guess = look.role(column, _key(look), ids)
        profile = look.profile[column]
        label = "" if look.headless else label_of(column)
        role = _role_in(table, guess.role)
        mark = profile.separator if guess.role in ("taste", "id") else ""
        field = FieldGuess(column, "", mark, "", role, label)
        lines.append(
            f"  {_quoted(name)}: {_spec(field)}  # {guess.why}; on {profile.filled:.0%}; "
            f"e.g. {look.example(column)}"
        )
    return lines


def _role_in(table: TableName, role: Role) -> Role:
    """Only what items are is a taste; of users and events it is a fact."""
    return "fact" if table != "items" and role == "taste" else role


def _spec(one: FieldGuess) -> str:
    spec = _quoted(one.column)
    more = f", separator: {_quoted(one.separator)}" if one.separator else ""
    more += f", nothing: [{_quoted(one.nothing)}]" if one.nothing else ""
    more += f", role: {one.role}" if one.role else ""
    more += f", label: {_quoted(one.label)}" if one.label else ""
    return f"{{column: {spec}{more}}}" if more else spec


def _missing_lines(look: TableLook) -> list[str]:
    """Comment lines for the fields that an events table lacks, for a person to fill in."""
    lines: list[str] = []
    if not look.fields.keys() & {"type", "rating"} and _sells(look):
        lines.append(
            "  type: {constant: purchase}  # quantities and prices: each row is a purchase, check"
        )
    elif not look.fields.keys() & {"type", "rating"}:
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


def _sells(look: TableLook) -> bool:
    """Whether rows have a quantity and a price."""
    names = {alias_key(column) for column in look.columns}
    return "quantity" in names and not names.isdisjoint(aliases_of("items", "price"))


# ---------------------------------------------------------------- the rest


def _noun_lines(nouns: Nouns, why: str) -> list[str]:
    if not nouns.item:
        return []
    words = f"{{item: {_quoted(nouns.item)}, items: {_quoted(nouns.items)}}}"
    return ["", f"nouns: {words}  # {why}; what things are called in portraits"]


def _join_line(join: ProposedJoin) -> str:
    parts = [f"file: {_quoted(join.file)}"]
    if join.of != "items":
        parts.append(f"of: {join.of}")
    parts += [f"key: {_quoted(join.key)}", f"column: {_quoted(join.column)}"]
    parts.append(f"into: {_quoted(join.into)}")
    if join.through is not None:
        file, key, column = map(_quoted, join.through)
        parts.append(f"through: {{file: {file}, key: {key}, column: {column}}}")
    return f"  - {{{', '.join(parts)}}}  # {join.why}"


def _read_line(table: TableName, look: TableLook) -> str:
    if (pivot := look.pivot) is not None:
        told = f"name: {_quoted(pivot.name)}, value: {_quoted(pivot.value)}"
        return f"  {table}: {{pivot: {{{told}, key: {_quoted(pivot.key)}}}}}  # an attribute a row"
    separator = f"separator: {_quoted(look.separator)}, " if look.separator else ""
    return f"  {table}: {{{separator}columns: [{', '.join(_quoted(c) for c in look.columns)}]}}"


def _hints(look: TableLook) -> list[str]:
    lines: list[str] = []
    rating = look.fields.get("rating")
    if rating is not None:
        cells = [c for c in look.profile[rating.column].cells if c != rating.nothing]
        number = numbers_of([number_text(cell) for cell in cells])
        number = number[np.isfinite(number)]
        if len(number):
            low, high = float(number.min()), float(number.max())
            if high in _USUAL_TOPS and (number == np.floor(number)).all():
                low = min(low, 1.0)
            seen = f"seen in the first rows: {number.min():g} to {high:g}"
            advice = "declare the true one, ratings outside are rejected"
            lines += ["", f"# scale: [{low:g}, {high:g}]  # {seen}; {advice}"]
    kind = look.fields.get("type")
    if kind is not None:
        lines += _type_lines(sorted(look.profile.ids(kind.column)))
    stamp = look.fields.get("timestamp")
    if stamp is not None and are_day_numbers(look.profile[stamp.column].cells):
        lines += ["", "times: excel  # day numbers of a spreadsheet, counted from 1900"]
    if stamp is not None and is_slashed(cells := list(look.profile[stamp.column].cells)):
        order = '"%d/%m/%Y"' if day_comes_first(cells) else '"%m/%d/%Y"'
        lines += ["", f"# times: {order}  # if the order of day and month is not read right"]
    return lines


def _type_lines(types: Sequence[str]) -> list[str]:
    """What the data's event types are read as."""
    read = {kind: TYPE_ALIASES.get(kind.lower(), kind.lower()) for kind in types[:20]}
    shown = ", ".join(f"{_quoted(kind)}: {_quoted(ours)}" for kind, ours in read.items())
    return ["", f"# types: {{{shown}}}  # what event types are read as; others stay as they are"]


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


_USUAL_TOPS = (5.0, 10.0)
"""Highest ratings of scales that begin at 1, whether a 1 is seen or not."""
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
