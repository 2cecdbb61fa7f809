"""Tables of one attribute a row (entity, attribute, value), turned into one row an entity."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain

import pandas as pd

from limner.core.errors import BadInputError
from limner.core.messages import message
from limner.ingest.column_profile import TableProfile
from limner.ingest.mapping import Pivot, TableName, alias_key, aliases_of
from limner.ingest.read import BROKEN, LINE, META, RAW, TableChunk

_NAMES = frozenset(
    {
        "attribute",
        "attribute_name",
        "attr",
        "property",
        "property_name",
        "feature",
        "feature_name",
        "characteristic",
        "field",
        "key",
        "param",
        "parameter",
        "variable",
        "predicate",
    }
)
_VALUES = frozenset(
    {"value", "val", "attribute_value", "property_value", "feature_value", "object"}
)
_REPEATS = 2
"""Rows by entity, and by name of an attribute, on average, from which a table is of attributes."""


def looks_pivoted(profile: TableProfile) -> Pivot | None:
    """How to pivot a table whose columns are called as attributes and their values are, and whose
    attributes and entities repeat. None for any other table.
    """
    by_key = {alias_key(column): column for column in profile.columns}
    name = next((column for key, column in by_key.items() if key in _NAMES), None)
    value = next((column for key, column in by_key.items() if key in _VALUES), None)
    rest = [column for column in profile.columns if column not in (name, value)]
    if name is None or value is None or not 1 <= len(rest) <= 2:
        return None
    key = _key_of(rest)
    rows = len(profile[name].cells)
    if any(profile[one].distinct * _REPEATS > rows for one in (name, key)):
        return None
    return Pivot(name=name, value=value, key=key)


def _key_of(columns: list[str]) -> str:
    """The column that names the entity: by the aliases of ids, else the first."""
    ids = {*aliases_of("items", "item_id"), *aliases_of("users", "user_id"), "entity", "entity_id"}
    return next((column for column in columns if alias_key(column) in ids), columns[0])


def pivoted(chunks: Iterable[TableChunk], told: Pivot, table: TableName) -> Iterator[TableChunk]:
    """One chunk of a row an entity, as `pivot_frame` makes it. All is read at once. Raises
    BadInputError for a column that is not there.
    """
    parts = list(chunks)
    if not parts:
        return
    columns = [str(c) for c in parts[0].frame.columns if c not in META]
    rest = [c for c in columns if c not in (told.name, told.value)]
    key = told.key or (_key_of(rest) if rest else "")
    for column in (told.name, told.value, key):
        if column not in columns:
            raise BadInputError("ingest.pivot_column", file=parts[0].file, column=column)
    rows = _Rows(key, told)
    for part in parts:
        rows.add(part.frame)
    note = message(
        "ingest.pivoted",
        file=parts[0].file,
        table=table,
        name=told.name,
        value=told.value,
        rows=sum(len(part.frame) for part in parts),
        n=len(rows.entities),
        columns=len(rows.names),
    )
    notes = chain.from_iterable(part.notes for part in parts)
    yield TableChunk(rows.frame(), parts[0].file, True, (*notes, note))


def pivot_frame(frames: Iterable[pd.DataFrame], told: Pivot) -> pd.DataFrame:
    """A row an entity, whose column `told.key` names: each attribute a column, several values of
    one as a JSON list, the first cell of every other column.
    """
    rows = _Rows(told.key, told)
    for frame in frames:
        rows.add(frame)
    return rows.frame()


class _Rows:
    """Entities on their way to a frame."""

    def __init__(self, key: str, told: Pivot) -> None:
        self._key, self._told = key, told
        self.entities: dict[str, dict[str, object]] = {}
        self.names: dict[str, None] = {}
        self._values: dict[str, dict[str, list[str]]] = {}
        self._broken: list[dict[str, object]] = []

    def add(self, frame: pd.DataFrame) -> None:
        told, key = self._told, self._key
        for record in frame.to_dict("records"):
            row: dict[str, object] = {str(column): cell for column, cell in record.items()}
            if row.get(BROKEN) or not str(row[told.name]).strip():
                fault = row.get(BROKEN) or f"missing {told.name}"
                self._broken.append({**row, BROKEN: fault, RAW: str(row.get(RAW, ""))})
                continue
            entity, name = str(row[key]).strip(), str(row[told.name]).strip()
            if name in (key, LINE):
                name += "_"
            first = {c: cell for c, cell in row.items() if c not in (told.name, told.value)}
            self.entities.setdefault(entity, first)
            self.names.setdefault(name)
            values = self._values.setdefault(entity, {}).setdefault(name, [])
            if (value := str(row[told.value])).strip() and value not in values:
                values.append(value)

    def frame(self) -> pd.DataFrame:
        """A row an entity, in the order in which they came, then the rows that are no attribute."""
        whole = [
            first | {name: _joined(values) for name, values in self._values[entity].items()}
            for entity, first in self.entities.items()
        ]
        frame = pd.DataFrame([*whole, *self._broken]).drop(
            columns=[self._told.name, self._told.value], errors="ignore"
        )
        text = [column for column in frame.columns if column != LINE]
        frame[text] = frame[text].astype(object).where(frame[text].notna(), "")
        return frame


def _joined(values: list[str]) -> str:
    """One value as it is, several as a JSON list."""
    if len(values) == 1:
        return values[0]
    return json.dumps(values, ensure_ascii=False) if values else ""
