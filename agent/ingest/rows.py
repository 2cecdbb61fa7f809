"""Ingesting rows that a program sends. They are cleaned as files are, and every rejected row is
reported.
"""

import json
import secrets
from collections.abc import Mapping as Map
from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd

from limner.core.progress import Quiet
from limner.core.schema import RejectedRow, RowsReport
from limner.ingest.flow import IngestRun
from limner.ingest.mapping import FIELDS, Mapping, Spec, TableName, alias_key, aliases_of
from limner.ingest.read import LINE, TableChunk, flatten
from limner.store import Store

SOURCE = "api"
"""Source of rows that name none, in a store without events."""
_FREE: Map[TableName, str] = {"users": "attributes", "items": "attributes", "events": "context"}
"""The object of each table's rows that holds what has no field of its own."""
_NO_OBJECT = "not an object"
_KEYS: Map[TableName, str] = {"users": "user_id", "items": "item_id", "events": "user_id"}


class _Noted:
    """Rejected rows in memory: they go into the answer, not into a file."""

    def __init__(self) -> None:
        self.rows: list[RejectedRow] = []

    def add(self, rows: Sequence[Map[str, object]]) -> None:
        self.rows += [
            RejectedRow(row=int(str(one["line"])) - 1, reason=str(one["reason"])) for one in rows
        ]


def ingest_rows(
    store: Store, table: TableName, rows: Sequence[object], source: str = ""
) -> RowsReport:
    """Read JSON objects into a table: all that can be used, in one transaction. What is no object
    is a rejected row.

    Fields by their own names or the aliases of files; `attributes` (users, items) or `context`
    (events) holds the rest. An event without a time happened now. Ratings are read on the scale of
    their source, which an empty `source` takes from the store's first event.
    """
    if not rows:
        return RowsReport(source=source)
    source = source or store.first_source() or SOURCE
    objects = {at: one for at, one in enumerate(rows) if isinstance(one, Map)}
    others = [
        RejectedRow(row=at, reason=_NO_OBJECT) for at in range(len(rows)) if at not in objects
    ]
    if not objects:
        return RowsReport(source=source, read=len(rows), rejected=len(rows), rows=others)
    flat = [_row(table, one) for one in objects.values()]
    if table == "events":
        flat = _completed(flat)
    frame = _frame(_KEYS[table], flat)
    names = [str(name) for name in frame]
    frame[LINE] = [at + 1 for at in objects]
    noted = _Noted()
    scale = store.scales().get(source)
    bounds = (scale.low, scale.high) if table == "events" and scale is not None else None
    run = IngestRun(
        store,
        _mapping(table, names, source, bounds),
        Quiet(),
        noted,
        keeps_scale=bounds is not None,
        is_typed=True,
    )
    run.noted.add((table, source))  # that other fields become attributes needs no note here
    chunk = TableChunk(frame, source, True)
    with store.loading(few=True):
        _read(run, table, chunk, source)
    report = getattr(run.report(), table)
    return RowsReport(
        source=source,
        read=report.read + len(others),
        kept=report.kept,
        merged=report.merged,
        rejected=report.rejected + len(others),
        rows=sorted([*noted.rows, *others], key=lambda one: one.row),
        notes=[*dict.fromkeys(run.notes)],
    )


def _frame(key: str, rows: list[dict[str, str]]) -> pd.DataFrame:
    """Rows as text columns, the key first; "" where a row lacks a column."""
    names = dict.fromkeys([key, *(name for row in rows for name in row)])
    return pd.DataFrame({name: [row.get(name, "") for row in rows] for name in names}, dtype=object)


def _completed(events: list[dict[str, str]]) -> list[dict[str, str]]:
    """Events without a time get the current one. Those without an id get a random one if others
    have theirs.
    """
    now = datetime.now(UTC).isoformat()
    has_ids = any(one.get("event_id") for one in events)
    for one in events:
        one["timestamp"] = one.get("timestamp") or now
        if has_ids:
            one["event_id"] = one.get("event_id") or secrets.token_hex(8)
    return events


def _read(run: IngestRun, table: TableName, chunk: TableChunk, source: str) -> None:
    if table == "users":
        run.users(lambda: iter([chunk]), source)
    elif table == "items":
        run.items(lambda: iter([chunk]), source, len(chunk.frame))
    else:
        run.events(lambda: iter([chunk]), source)


def _row(table: TableName, row: Map[str, object]) -> dict[str, str]:
    """Flat text under canonical names; no name in the row's free object is taken for a field. A
    `rating` is the `value` of an event of that type.
    """
    cells = {
        name: cell if isinstance(cell, str) else json.dumps(cell)
        for name, cell in flatten(dict(row)).items()
    }
    by_alias = {alias_key(name): name for name in cells}
    for field in FIELDS[table]:
        found = next((by_alias[one] for one in aliases_of(table, field) if one in by_alias), None)
        if found is not None and field not in cells:
            cells[field] = cells.pop(found)
    if table == "events" and cells.get("rating"):
        cells["value"] = cells.pop("rating")
        cells["type"] = cells.get("type") or "rating"
    return {_free(table, name): cell for name, cell in cells.items()}


def _free(table: TableName, name: str) -> str:
    """The column name under which a value of the free object (`attributes.x`) is read. The trailing
    dot keeps it apart from aliases, and is removed when it becomes an attribute.
    """
    free = f"{_FREE[table]}."
    return f"{name.removeprefix(free)}." if name.startswith(free) else name


def _mapping(
    table: TableName, names: Sequence[str], source: str, scale: tuple[float, float] | None
) -> Mapping:
    """Fields under their own names mean what they say."""
    specs: dict[str, Spec] = {name: name for name in FIELDS[table] if name in names}
    fields = (
        {"events": specs}
        if table == "events"
        else {"items": specs}
        if table == "items"
        else {"users": specs}
    )
    return Mapping(source=source, scale=scale, **fields)
