"""Counts of a store's contents, and its state."""

import sqlalchemy as sa

from limner.store import tables as t
from limner.store.columns import Counts, State
from limner.store.database import Database

_COUNTERS = sa.select(t.notes).where(
    t.notes.c.name.in_(("revision", "users changed", "items changed", "users erased"))
)
_NEWEST = sa.select(sa.func.max(t.events.c.seq))
_EVENTS = 2**32
"""More events than one user has."""
_NEWEST_OF = sa.select(
    sa.select(sa.func.max(t.events.c.seq))
    .where(t.events.c.user_key == t.users.c.key)
    .scalar_subquery()
    .label("seq"),
    sa.select(sa.func.count(t.events.c.seq))
    .where(t.events.c.user_key == t.users.c.key)
    .scalar_subquery()
    .label("events"),
    sa.select(sa.func.max(t.profiles.c.version))
    .where(t.profiles.c.user_id == t.users.c.user_id)
    .scalar_subquery()
    .label("version"),
).where(t.users.c.user_id == sa.bindparam("one"))


class StoreTallies(Database):
    """Counts of what is stored, and numbers that are others whenever it changes."""

    def counts(self) -> Counts:
        with self.reading() as connection:

            def size(table: sa.Table) -> int:
                return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0

            profiles = (
                connection.scalar(sa.select(sa.func.count(sa.distinct(t.profiles.c.user_id)))) or 0
            )
            return Counts(size(t.users), size(t.items), size(t.events), profiles)

    def revision(self) -> int:
        """Counts up whenever events, items or users change."""
        return int(self.note("revision") or 0)

    def state(self) -> State:
        """The counters of the store's contents."""
        with self.reading() as connection:
            counted = {row.name: int(row.text) for row in connection.execute(_COUNTERS)}
            events = connection.scalar(_NEWEST) or 0
        return State(
            counted.get("revision", 0),
            counted.get("users changed", 0),
            counted.get("items changed", 0),
            events,
            counted.get("users erased", 0),
        )

    def newest(self, user_id: str) -> tuple[int, int] | None:
        """(a number that changes whenever an event of the user is added or erased, version of their
        newest portrait); 0 for none of either. None for an unknown user.
        """
        with self.reading() as connection:
            row = connection.execute(_NEWEST_OF, {"one": user_id}).first()
        return ((row.seq or 0) * _EVENTS + row.events, row.version or 0) if row else None
