"""Users, items and events page by page, in the order they were stored."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import sqlalchemy as sa

from limner.core.schema import Event, Item, User
from limner.store import tables as t
from limner.store.database import Database
from limner.store.entities import item_of
from limner.store.events import EVENT_QUERY, event_of

V = TypeVar("V")


@dataclass(frozen=True)
class StorePage(Generic[V]):
    rows: Sequence[V]
    next: int | None
    """The key that the next page begins after; None where this is the last."""


class StorePages:
    """A store's users, items and events in pages of at most `limit`, each beginning after the key
    of the one before.
    """

    def __init__(self, store: Database) -> None:
        self._store = store

    def users(self, after: int, limit: int) -> StorePage[User]:
        keys, rows = self._rows(sa.select(t.users), t.users.c.key, after, limit)
        users = [
            User(user_id=r.user_id, source=r.source, attributes=json.loads(r.attributes))
            for r in rows
        ]
        return _page(keys, users, limit)

    def items(self, after: int, limit: int) -> StorePage[Item]:
        keys, rows = self._rows(sa.select(t.items), t.items.c.key, after, limit)
        return _page(keys, [item_of(row) for row in rows], limit)

    def events(
        self, after: int, limit: int, user_id: str | None = None, item_id: str | None = None
    ) -> StorePage[Event]:
        """A page of events: of all, or of one user, one item or both."""
        query = EVENT_QUERY
        if user_id is not None:
            query = query.where(t.users.c.user_id == user_id)
        if item_id is not None:
            query = query.where(t.items.c.item_id == item_id)
        keys, rows = self._rows(query, t.events.c.seq, after, limit)
        return _page(keys, [event_of(row) for row in rows], limit)

    def _rows(
        self, query: "sa.Select[tuple[object, ...]]", key: "sa.Column[int]", after: int, limit: int
    ) -> tuple[list[int], "Sequence[sa.Row[tuple[object, ...]]]"]:
        """One more than the page holds, so that it is known whether there is a next."""
        with self._store.reading() as connection:
            rows = connection.execute(query.where(key > after).order_by(key).limit(limit + 1)).all()
        return [row._mapping[key] for row in rows], rows


def _page(keys: Sequence[int], rows: Sequence[V], limit: int) -> StorePage[V]:
    return StorePage(rows[:limit], keys[limit - 1] if len(rows) > limit else None)
