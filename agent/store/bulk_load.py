"""Many events in one transaction."""

from itertools import compress

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME
from limner.store import tables as t
from limner.store.bulk import insert_columns
from limner.store.changes import parts, revise
from limner.store.columns import Added, EventColumns

_CHUNK = 100_000


class BulkLoad:
    """State of one bulk load: the transaction, the keys and hashes that are known."""

    def __init__(self, connection: sa.Connection, *, few: bool) -> None:
        self.connection, self.few = connection, few
        self.users: dict[str, int] = {}
        self.items: dict[str, int] = {}
        self.seen = np.empty(0, np.int64)
        if not few:
            self._read_all()

    def _read_all(self) -> None:
        connection = self.connection
        self.users = dict(connection.execute(sa.select(t.users.c.user_id, t.users.c.key)).all())
        self.items = dict(connection.execute(sa.select(t.items.c.item_id, t.items.c.key)).all())
        hashes = connection.execute(
            sa.select(t.events.c.id_hash), execution_options={"yield_per": _CHUNK}
        )
        parts = [
            np.fromiter((row[0] for row in chunk), np.int64, len(chunk))
            for chunk in hashes.partitions(_CHUNK)
        ]
        self.seen = np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)
        # Without its indexes a table is filled faster; on PostgreSQL readers would wait meanwhile.
        if len(self.seen) == 0 and connection.dialect.name == "sqlite":
            for index in t.EVENT_INDEXES:
                index.drop(connection, checkfirst=True)

    def _recall(self, hashes: NDArray[np.int64]) -> None:
        """Read which of some ids are stored."""
        stored = {
            row.id_hash
            for part in parts(hashes.tolist())
            for row in self.connection.execute(
                sa.select(t.events.c.id_hash).where(t.events.c.id_hash.in_(part))
            )
        }
        self.seen = np.union1d(self.seen, np.array(sorted(stored), dtype=np.int64))

    def events(self, c: EventColumns) -> Added:
        if self.few:
            self._recall(c.id_hash)
        fresh = _first_of_each(c.id_hash)
        place = np.searchsorted(self.seen, c.id_hash)
        if len(self.seen):
            fresh &= self.seen[np.minimum(place, len(self.seen) - 1)] != c.id_hash
        rows = int(fresh.sum())
        if rows:
            revise(self.connection)
            self._insert(c, fresh, rows)
            # Kept sorted by merging, so that memory stays at eight bytes an event.
            added = np.sort(c.id_hash[fresh])
            self.seen = np.insert(self.seen, np.searchsorted(self.seen, added), added)
        return Added(rows, len(c.id_hash) - rows)

    def _insert(self, c: EventColumns, fresh: NDArray[np.bool_], rows: int) -> None:
        """Insert the `rows` fresh events of a chunk, with the users and items they name first."""
        item_ids = list(compress(c.item_id, fresh))
        user_ids = list(compress(c.user_id, fresh))
        users = self._known(self.users, t.users, "user_id", user_ids)
        named = [one for one in item_ids if one is not None]
        items = self._known(self.items, t.items, "item_id", named)
        columns: dict[str, list[object]] = {
            "id_hash": c.id_hash[fresh].tolist(),
            "event_id": [*compress(c.event_id, fresh)] if c.event_id else [None] * rows,
            "user_key": [users[one] for one in user_ids],
            "item_key": [None if one is None else items[one] for one in item_ids],
            "type": list(compress(c.type, fresh)),
            "value": _or_none(c.value[fresh], np.isnan(c.value[fresh])),
            "time": _or_none(c.time[fresh], c.time[fresh] == NO_TIME),
            "text": [one or None for one in compress(c.text, fresh)],
            "source": [c.source] * rows,
            "context": [one or None for one in compress(c.context, fresh)],
        }
        insert_columns(self.connection, t.events, columns)

    def _known(
        self, keys: dict[str, int], table: sa.Table, column: str, ids: list[str]
    ) -> dict[str, int]:
        new = list(dict.fromkeys(one for one in ids if one not in keys))
        # Rows that came as items or users in this load have keys that are not known here yet.
        self._look_up(keys, table, column, new)
        missing = [one for one in new if one not in keys]
        if missing:
            insert_columns(self.connection, table, {column: missing})
            revise(self.connection, f"{table.name} changed", len(missing))
            self._look_up(keys, table, column, missing)
        return keys

    def _look_up(self, keys: dict[str, int], table: sa.Table, column: str, ids: list[str]) -> None:
        for part in parts(ids):
            query = sa.select(table.c[column], table.c.key).where(table.c[column].in_(part))
            keys.update(self.connection.execute(query).all())

    def finish(self) -> None:
        for index in t.EVENT_INDEXES:
            index.create(self.connection, checkfirst=True)


def _or_none(
    values: NDArray[np.float64] | NDArray[np.int64], missing: NDArray[np.bool_]
) -> list[object]:
    """[n] the values as Python's own numbers, None where one is missing."""
    out = values.astype(object)
    out[missing] = None
    found: list[object] = out.tolist()
    return found


def _first_of_each(hashes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[n] true at the first row of each value."""
    mask = np.zeros(len(hashes), dtype=bool)
    mask[np.unique(hashes, return_index=True)[1]] = True
    return mask
