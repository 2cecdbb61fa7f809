"""Changing rows of users and items, and counting the changes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import sqlalchemy as sa

from limner.store import tables as t
from limner.store.bulk import insert_columns
from limner.store.columns import Added
from limner.store.dialects import upsert

T = TypeVar("T")

_MANY = 500
"""Ids in one IN (...), well under every database's limit."""


def parts(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    return (ids[at : at + _MANY] for at in range(0, len(ids), _MANY))


def upsert_changed(
    connection: sa.Connection,
    table: sa.Table,
    column: str,
    rows: Mapping[str, Mapping[str, object]],
    sent: int,
) -> Added:
    """Insert the rows whose id (`column`) is new, and update those that differ. `sent`: number of
    rows as they came, several of which may be about one id.
    """
    names = [c.name for c in table.columns if c.name != "key"]
    stored = _stored(connection, table, column, list(rows), names)
    new = [row for one, row in rows.items() if one not in stored]
    changed = [
        {"_id": one, **row}
        for one, row in rows.items()
        if one in stored and stored[one] != [row[n] for n in names]
    ]
    if new:
        insert_columns(connection, table, {name: [row[name] for row in new] for name in new[0]})
    if changed:
        update = sa.update(table).where(table.c[column] == sa.bindparam("_id"))
        connection.execute(update.values({n: sa.bindparam(n) for n in names}), changed)
    kept = len(new) + len(changed)
    if kept:
        revise(connection, f"{table.name} changed", kept)
    return Added(kept, sent - kept)


def _stored(
    connection: sa.Connection, table: sa.Table, column: str, ids: list[str], names: list[str]
) -> dict[str, list[object]]:
    """By id (`column`), the stored values of the named columns."""
    stored: dict[str, list[object]] = {}
    for part in parts(ids):
        rows = connection.execute(sa.select(table).where(table.c[column].in_(part))).mappings()
        stored |= {row[column]: [row[n] for n in names] for row in rows}
    return stored


def revise(connection: sa.Connection, counter: str = "", by: int = 1) -> None:
    """Count up the revision of what everything else is derived from, and another counter of
    `state`.
    """
    for name, more in (("revision", 1), (counter, by)) if counter else (("revision", 1),):
        is_this = t.notes.c.name == name
        now = int(connection.scalar(sa.select(t.notes.c.text).where(is_this)) or 0)
        upsert(connection, t.notes, [{"name": name, "text": str(now + more)}])
