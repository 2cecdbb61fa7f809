"""Side tables of items and users, found by the ids that they share, as joins for a mapping."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from limner.ingest.clean import attribute_name
from limner.ingest.column_profile import ColumnProfile
from limner.ingest.mapping import alias_key, aliases_of
from limner.ingest.table_look import (
    ProposedTables,
    TableLook,
    shared_column,
    side_key,
    singular_stem,
)

_LOOKED_UP = 0.5
"""Share of a column's values that a further table must know to say what they mean; of a side
table's users that must be known.
"""


@dataclass(frozen=True)
class ProposedJoin:
    file: str
    of: Literal["items", "users"]
    key: str
    column: str
    into: str
    why: str
    through: tuple[str, str, str] | None = None
    """(file, key, column) of the table that says what the values mean."""


def propose_joins(tables: ProposedTables) -> tuple[list[ProposedJoin], list[str]]:
    """(joins, a sentence for each table or column that is left out)."""
    joins: list[ProposedJoin] = []
    left: list[str] = []
    further: list[TableLook] = []
    for look in tables.beside:
        of, key = _owner(look, tables)
        if key:
            made, said = _joins_of(look, of, key, tables)
            joins += made
            left += said
        elif of == "events":
            left.append(f"{look.file}: another table of events; ingest it in a run of its own")
        else:
            further.append(look)
    used = {join.through[0] for join in joins if join.through}
    left += [f"{look.file}: {_apart(look)}" for look in further if look.name not in used]
    return _one_category(joins), left


def _apart(look: TableLook) -> str:
    kind = "a table of users" if look.table == "users" else "a table"
    return f"{kind} that shares no id with the items or the users, so it is not joined"


def _owner(
    look: TableLook, tables: ProposedTables
) -> tuple[Literal["items", "users", "events"], str]:
    """Whose side table it is and by which key; "events" for one of both or another of events, and
    "" for a table that shares no id.
    """
    of_items = side_key(look, tables.used["items"], "item_id") if "items" in tables.used else ""
    of_users = ""
    owner = tables.used.get("users") or tables.used.get("events")
    if owner is not None:
        of_users = side_key(look, owner, "user_id", _LOOKED_UP)
    if of_items and of_users != "" and of_users != of_items:
        return "events", ""
    if of_items:
        return "items", of_items
    if of_users:
        return "users", of_users
    return ("events" if look.table == "events" else "items"), ""


def _joins_of(
    look: TableLook, of: Literal["items", "users", "events"], key: str, tables: ProposedTables
) -> tuple[list[ProposedJoin], list[str]]:
    kind: Literal["items", "users"] = "users" if of == "users" else "items"
    if kind == "users" and "users" not in tables.used:
        return [], [f"{look.file}: a side table of users; it can be joined to a users table only"]
    joins: list[ProposedJoin] = []
    rest: list[str] = []
    for column in look.columns:
        if column == key:
            continue
        through = _meaning(look, column, tables.beside)
        role = look.role(column, key)
        if through is not None:
            table, its_key, its_name = through
            why = f"'{its_name}' of {table.name} says what it means"
            join = ProposedJoin(
                look.name,
                kind,
                key,
                column,
                singular_stem(table),
                why,
                (table.name, its_key, its_name),
            )
            joins.append(join)
        elif role.role == "taste":
            why = f"{role.why}; e.g. {look.example(column)}"
            joins.append(
                ProposedJoin(look.name, kind, key, column, _into(column, kind, tables), why)
            )
        else:
            rest.append(f"{column} ({role.role}: {role.why})")
    if not rest:
        return joins, []
    what = "" if joins else f"a side table of {kind}; "
    return joins, [f"{look.file}: {what}not joined: {', '.join(rest)}"]


def _into(column: str, kind: Literal["items", "users"], tables: ProposedTables) -> str:
    named = alias_key(column) in aliases_of("items", "categories")
    if kind == "items" and named and "categories" not in tables.used["items"].fields:
        return "categories"
    return attribute_name(column)


def _one_category(joins: Sequence[ProposedJoin]) -> list[ProposedJoin]:
    """Only the first join becomes the categories."""
    first = next((join for join in joins if join.into == "categories"), None)
    return [
        join
        if join is first or join.into != "categories"
        else ProposedJoin(
            join.file, join.of, join.key, join.column, attribute_name(join.column), join.why
        )
        for join in joins
    ]


def _meaning(
    look: TableLook, column: str, tables: Sequence[TableLook]
) -> tuple[TableLook, str, str] | None:
    """(table, its key, its column of names) that says what a column's values mean."""
    if not look.profile[column].is_key:
        return None
    for other in tables:
        for key in other.columns if other is not look else ():
            if not (other.profile[key].is_key and other.profile.is_unique(key)):
                continue
            names = [c for c in other.columns if c != key and _names_things(other.profile[c])]
            if names and shared_column(look, other, key, _LOOKED_UP) == column:
                return other, key, names[0]
    return None


def _names_things(column: ColumnProfile) -> bool:
    return column.type in ("word", "list") and column.numeric < 0.5 and column.filled > 0.5
