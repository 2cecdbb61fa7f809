"""Users and items."""

import json
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from limner.core.columns import Meanings
from limner.core.errors import UnknownIdError
from limner.core.schema import Item, User
from limner.store import tables as t
from limner.store.changes import parts, upsert_changed
from limner.store.columns import Added
from limner.store.database import Database

_MEANINGS = "meanings"
"""The note that holds what columns mean."""


class EntityStore(Database):
    """Users and items of a store, each in its newest form."""

    def add_items(self, items: Sequence[Item]) -> Added:
        """Insert or replace; a row that says what is stored already is merged. The last of equal
        ids wins.
        """
        rows = {
            item.item_id: {
                "item_id": item.item_id,
                "source": item.source,
                "title": item.title,
                "text": item.text,
                "categories": _dump(item.categories),
                "price": item.price,
                "image": item.image,
                "audio": item.audio,
                "attributes": _dump(item.attributes),
            }
            for item in items
        }
        with self.transaction() as connection:
            return upsert_changed(connection, t.items, "item_id", rows, len(items))

    def add_users(self, users: Sequence[User]) -> Added:
        rows = {
            user.user_id: {
                "user_id": user.user_id,
                "source": user.source,
                "attributes": _dump(user.attributes),
            }
            for user in users
        }
        with self.transaction() as connection:
            return upsert_changed(connection, t.users, "user_id", rows, len(users))

    def meanings(self) -> Meanings:
        """What mapping files have said of the columns, the newest last."""
        text = self.note(_MEANINGS)
        return Meanings.model_validate_json(text) if text else Meanings()

    def add_meanings(self, meanings: Meanings) -> None:
        """Keep what a mapping file says of the columns; of what was said before, the rest stays."""
        old = self.meanings()
        if (both := old.with_those_of(meanings)) != old:
            self.set_note(_MEANINGS, both.model_dump_json())

    def user_ids(self) -> list[str]:
        with self.reading() as connection:
            return list(connection.scalars(sa.select(t.users.c.user_id).order_by(t.users.c.key)))

    def known_users(self, among: Collection[str]) -> set[str]:
        """Those of the ids that belong to users."""
        u = t.users.c.user_id
        with self.reading() as connection:
            return {
                one
                for part in parts(list(set(among)))
                for one in connection.scalars(sa.select(u).where(u.in_(part)))
            }

    def require_user(self, user_id: str) -> User:
        """Raises UnknownIdError."""
        found = self.user(user_id)
        if found is None:
            raise UnknownIdError("user.unknown", user=user_id)
        return found

    def user(self, user_id: str) -> User | None:
        with self.reading() as connection:
            row = connection.execute(sa.select(t.users).where(t.users.c.user_id == user_id)).first()
        return (
            User(user_id=row.user_id, source=row.source, attributes=json.loads(row.attributes))
            if row
            else None
        )

    def users(self) -> list[User]:
        """All users by key."""
        with self.reading() as connection:
            rows = connection.execute(sa.select(t.users).order_by(t.users.c.key))
            return [
                User(user_id=r.user_id, source=r.source, attributes=json.loads(r.attributes))
                for r in rows
            ]

    def item(self, item_id: str) -> Item | None:
        found = self.items([item_id])
        return found[0] if found else None

    def items(self, ids: Sequence[str] | None = None) -> list[Item]:
        """All items by key, or those of the given ids that exist."""
        query = sa.select(t.items).order_by(t.items.c.key)
        with self.reading() as connection:
            if ids is None:
                return [item_of(row) for row in connection.execute(query)]
            return [
                item_of(row)
                for part in parts(ids)
                for row in connection.execute(query.where(t.items.c.item_id.in_(part)))
            ]


def item_of(row: sa.Row[tuple[object, ...]]) -> Item:
    return Item.model_construct(
        item_id=row.item_id,
        source=row.source,
        title=row.title,
        text=row.text,
        categories=json.loads(row.categories),
        price=row.price,
        image=row.image,
        audio=row.audio,
        attributes=json.loads(row.attributes),
    )


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
