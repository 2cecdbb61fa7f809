"""Every event that names an item, read into columns."""

from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME, Interactions
from limner.store import tables as t

_CHUNK = 100_000
Column = NDArray[np.float64] | NDArray[np.int64]


class _Codes:
    """Numbers words from 0 in the order in which they are first seen."""

    def __init__(self) -> None:
        self.words: dict[str, int] = {}

    def of(self, words: Sequence[str]) -> NDArray[np.int64]:
        """[n] the number of each word."""
        numbers = (self.words.setdefault(word, len(self.words)) for word in words)
        return np.fromiter(numbers, np.int64, len(words))


def read_interactions(connection: sa.Connection) -> Interactions:
    """All events with an item as columns, sorted by (user, time, seq)."""
    e = t.events.c
    query = sa.select(e.user_key, e.item_key, e.type, e.source, e.value, e.time, e.seq).where(
        e.item_key.is_not(None)
    )
    user_keys, user_ids = _keys(connection, t.users, t.users.c.user_id)
    item_keys, item_ids = _keys(connection, t.items, t.items.c.item_id)
    types, sources = _Codes(), _Codes()
    chunks: list[list[Column]] = []
    result = connection.execute(query, execution_options={"yield_per": _CHUNK})
    for chunk in result.partitions(_CHUNK):
        users, items, types_, sources_, values, times, seqs = zip(*chunk, strict=True)
        chunks.append(
            [
                np.searchsorted(user_keys, np.array(users, dtype=np.int64)),
                np.searchsorted(item_keys, np.array(items, dtype=np.int64)),
                types.of(types_),
                sources.of(sources_),
                np.array(values, dtype=np.float64),
                np.array([NO_TIME if time is None else time for time in times], dtype=np.int64),
                np.array(seqs, dtype=np.int64),
            ]
        )
    user, item, type_, source, value, time, seq = _joined(chunks, 7)
    order = np.lexsort((seq, time, user))
    return Interactions(
        user_ids,
        item_ids,
        list(types.words),
        list(sources.words),
        user[order].astype(np.int32),
        item[order].astype(np.int32),
        type_[order].astype(np.int16),
        source[order].astype(np.int16),
        value[order].astype(np.float64),
        time[order].astype(np.int64),
        seq[order].astype(np.int64),
    )


def _joined(chunks: Sequence[Sequence[Column]], columns: int) -> list[Column]:
    """Columns of several chunks, joined end to end."""
    if not chunks:
        return [np.empty(0)] * columns
    return [np.concatenate(column) for column in zip(*chunks, strict=True)]


def _keys(
    connection: sa.Connection, table: sa.Table, column: sa.Column[str]
) -> tuple[NDArray[np.int64], list[str]]:
    rows = connection.execute(sa.select(table.c.key, column).order_by(table.c.key)).all()
    return np.array([row[0] for row in rows], dtype=np.int64), [row[1] for row in rows]
