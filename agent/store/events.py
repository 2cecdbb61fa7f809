"""Events, and the scales that their values are read against."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from limner.core.interactions import Interactions
from limner.core.schema import Event, Scale
from limner.store import tables as t
from limner.store.changes import parts
from limner.store.columns import Added, EventColumns, event_hash, made_id
from limner.store.database import Database
from limner.store.dialects import upsert
from limner.store.interactions import read_interactions

EVENT_QUERY = (
    sa.select(t.events, t.users.c.user_id, t.items.c.item_id)
    .join(t.users, t.users.c.key == t.events.c.user_key)
    .outerjoin(t.items, t.items.c.key == t.events.c.item_key)
)


class EventStore(Database):
    """Events as they came: added, merged by id, never changed."""

    def add_events(self, columns: EventColumns) -> Added:
        """Add a chunk inside `loading()`; events whose id is stored already are merged."""
        if self._load is None:
            with self.loading():
                return self.add_events(columns)
        return self._load.events(columns)

    def set_scale(self, scale: Scale) -> None:
        """Declared scales win; observed ones only widen."""
        old = self.scales().get(scale.source)
        if old is not None and not scale.declared:
            if old.declared:
                return
            scale = scale.model_copy(
                update={"low": min(old.low, scale.low), "high": max(old.high, scale.high)}
            )
        with self.transaction() as connection:
            upsert(connection, t.scales, [scale.model_dump()])

    def scales(self) -> dict[str, Scale]:
        with self.reading() as connection:
            return {
                row.source: Scale(**row._mapping) for row in connection.execute(sa.select(t.scales))
            }

    def first_source(self) -> str:
        """The source of the first event; "" in a store without events."""
        with self.reading() as connection:
            found = connection.scalar(
                sa.select(t.events.c.source).order_by(t.events.c.seq).limit(1)
            )
        return found or ""

    def last_seq(self, *, of_items: bool = False) -> int:
        """Number of the newest event, or of the newest that names an item; 0 where there is
        none.
        """
        query = sa.select(t.events.c.seq).order_by(t.events.c.seq.desc()).limit(1)
        if of_items:
            query = query.where(t.events.c.item_key.is_not(None))
        with self.reading() as connection:
            return connection.scalar(query) or 0

    def events(self, user_id: str, *, after_seq: int = 0) -> list[Event]:
        """A user's events, those without an item too, by (time, seq)."""
        query = EVENT_QUERY.where(t.users.c.user_id == user_id, t.events.c.seq > after_seq)
        with self.reading() as connection:
            found = [event_of(row) for row in connection.execute(query)]
        found.sort(key=_when)
        return found

    def events_by_id(self, ids: Sequence[str]) -> list[Event]:
        with self.reading() as connection:
            events = [
                event_of(row)
                for part in parts(ids)
                for row in connection.execute(
                    EVENT_QUERY.where(t.events.c.id_hash.in_([event_hash(one) for one in part]))
                )
            ]
        wanted = set(ids)
        return [event for event in events if event.event_id in wanted]

    def events_by_seq(self, seqs: Sequence[int]) -> list[Event]:
        """The events of those numbers that are there, in order of number."""
        with self.reading() as connection:
            events = [
                event_of(row)
                for part in parts(list(seqs))
                for row in connection.execute(EVENT_QUERY.where(t.events.c.seq.in_(part)))
            ]
        return sorted(events, key=lambda one: one.seq)

    def period(self) -> tuple[datetime, datetime] | None:
        """First and last time of all events; None where none has one."""
        with self.reading() as connection:
            first, last = connection.execute(
                sa.select(sa.func.min(t.events.c.time), sa.func.max(t.events.c.time))
            ).one()
        if first is None:
            return None
        return datetime.fromtimestamp(first / 1000, UTC), datetime.fromtimestamp(last / 1000, UTC)

    def event_types(self) -> dict[str, int]:
        """Events by type, those without an item too; most first."""
        count = sa.func.count()
        query = (
            sa.select(t.events.c.type, count)
            .group_by(t.events.c.type)
            .order_by(count.desc(), t.events.c.type)
        )
        with self.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def reviews(self, per_item: int = 3) -> dict[str, list[str]]:
        """Up to `per_item` texts that users wrote about each item, in order of arrival."""
        query = (
            sa.select(t.items.c.item_id, t.events.c.text)
            .join(t.items, t.items.c.key == t.events.c.item_key)
            .where(t.events.c.text.is_not(None))
            .order_by(t.events.c.seq)
        )
        by_item: dict[str, list[str]] = {}
        with self.reading() as connection:
            for row in connection.execute(query, execution_options={"yield_per": 10_000}):
                texts = by_item.setdefault(row.item_id, [])
                if len(texts) < per_item:
                    texts.append(row.text)
        return by_item

    def active_users(self, min_events: int = 1) -> list[tuple[str, int]]:
        """(user id, events), most first, then by id."""
        count = sa.func.count().label("n")
        query = (
            sa.select(t.users.c.user_id, count)
            .join(t.events, t.events.c.user_key == t.users.c.key)
            .group_by(t.users.c.user_id)
            .having(count >= min_events)
            .order_by(count.desc(), t.users.c.user_id)
        )
        with self.reading() as connection:
            return [(row.user_id, row.n) for row in connection.execute(query)]

    def heard_lately(self, limit: int) -> list[tuple[str, int]]:
        """(user id, milliseconds of their last event), the latest first; only of those whose events
        have times.
        """
        last = sa.func.max(t.events.c.time).label("last")
        query = (
            sa.select(t.users.c.user_id, last)
            .join(t.events, t.events.c.user_key == t.users.c.key)
            .where(t.events.c.time.is_not(None))
            .group_by(t.users.c.user_id)
            .order_by(last.desc(), t.users.c.user_id)
            .limit(limit)
        )
        with self.reading() as connection:
            return [(row.user_id, row.last) for row in connection.execute(query)]

    def interactions(self) -> Interactions:
        """Every event that names an item, as columns sorted by (user, time, seq)."""
        with self.reading() as connection:
            return read_interactions(connection)


def event_of(row: sa.Row[tuple[object, ...]]) -> Event:
    # The row was validated when it came in; building without a second check makes long histories
    # cheap.
    return Event.model_construct(
        event_id=row.event_id or made_id(row.id_hash),
        user_id=row.user_id,
        item_id=row.item_id,
        type=row.type,
        value=row.value,
        timestamp=None if row.time is None else datetime.fromtimestamp(row.time / 1000, UTC),
        text=row.text or "",
        source=row.source,
        context=json.loads(row.context) if row.context else {},
        seq=row.seq,
    )


def _when(event: Event) -> tuple[float, int]:
    return (event.timestamp.timestamp() if event.timestamp else float("-inf"), event.seq)
