"""Erasing a user or an event, with all that was derived from them."""

from datetime import datetime

import sqlalchemy as sa

from limner.core.schema import Event
from limner.core.telemetry import logged
from limner.store import tables as t
from limner.store.changes import revise
from limner.store.database import Database
from limner.store.residue import USER_TABLES
from limner.store.text_types import names
from limner.store.tombstones import bury, erased_at, tombstones

_READERS = 2.0
"""Seconds for which readers may keep SQLite's log from being emptied."""


class ErasingStore(Database):
    """Takes rows out of every table that holds something of somebody."""

    @logged("store", "erase_user", lambda gone: {"events": gone.get("events", 0)})
    def erase_user(self, user_id: str) -> dict[str, int]:
        """Erase a user and all that was derived from them, be it that only some of it is left; how
        many rows went, by table.
        """
        with self.transaction() as connection:
            key = connection.scalar(sa.select(t.users.c.key).where(t.users.c.user_id == user_id))
            gone = {"events": _delete(connection, t.events, t.events.c.user_key == key)}
            for table in USER_TABLES:
                gone[table.name] = _delete(connection, table, table.c.user_id == user_id)
            # What was said of them is theirs too; a name in half a word costs a conversation or an
            # answer that must be asked for again, and nothing else.
            talks, answers = t.conversations, t.answers.c
            gone[talks.name] = _delete(connection, talks, names(talks.c.body, user_id))
            of_nobody = answers.user_id.is_(None) & names(answers.body, user_id)
            gone[t.answers.name] += _delete(connection, t.answers, of_nobody)
            if key is not None:
                revise(connection, "users erased")
                bury(connection, self.id, user_id)
        self.empty_log(_READERS)  # which holds the rows that are gone
        return {table: count for table, count in gone.items() if count}

    def erased_at(self, user_id: str) -> datetime | None:
        """When a user of this id was erased last; None for nobody."""
        with self.reading() as connection:
            return erased_at(connection, self.id, user_id)

    def erasures(self) -> dict[str, datetime]:
        """When users were erased, by the hash of their id (see `tombstone_of`)."""
        with self.reading() as connection:
            return tombstones(connection)

    def erase_event(self, event: Event, *, recount: bool = False) -> None:
        """Erase an event, what it counted for on a list, and the reasons in a model's words, which
        may name it.

        recount: everything that is counted over all users is counted anew too, and lists and
        answers of a model that name the event go.
        """
        with self.transaction() as connection:
            connection.execute(sa.delete(t.events).where(t.events.c.seq == event.seq))
            self._forget_outcome(connection, event)
            self._forget_words(connection, event, recount)

    def correct_event(self, event: Event, changed: Event) -> None:
        """Put a changed event, which has the same id and user, in the place of an event. It is the
        newest of all, so that whatever looks for new events finds it.
        """
        with self.transaction() as connection:
            query = sa.select(t.events).where(t.events.c.seq == event.seq)
            row = dict(connection.execute(query).mappings().one())
            connection.execute(sa.delete(t.events).where(t.events.c.seq == event.seq))
            del row["seq"]
            moment = changed.timestamp
            row |= {
                "type": changed.type,
                "value": changed.value,
                "time": None if moment is None else round(moment.timestamp() * 1000),
                "text": changed.text or None,
            }
            connection.execute(sa.insert(t.events), row)
            self._forget_words(connection, event, True)

    def _forget_outcome(self, connection: sa.Connection, event: Event) -> None:
        o = t.outcomes.c
        shown = str(event.context.get("recommendation_id", ""))
        outcome = (
            (o.recommendation_id == shown)
            & (o.item_id == event.item_id)
            & (o.user_id == event.user_id)
        )
        connection.execute(sa.delete(t.outcomes).where(outcome & o.type.in_((event.type, "hide"))))

    def _forget_words(self, connection: sa.Connection, event: Event, recount: bool) -> None:
        """Drop what was written for the event's user and may say what it was."""
        connection.execute(sa.delete(t.wordings).where(t.wordings.c.user_id == event.user_id))
        if not recount:
            revise(connection)
            return
        revise(connection, "users erased")  # what makes counts over everyone be made anew
        connection.execute(sa.delete(t.answers).where(t.answers.c.user_id == event.user_id))
        lists = t.shown.c
        about = (lists.user_id == event.user_id) & names(lists.body, event.event_id)
        connection.execute(sa.delete(t.shown).where(about))


def _delete(connection: sa.Connection, table: sa.Table, which: "sa.ColumnElement[bool]") -> int:
    return connection.execute(sa.delete(table).where(which)).rowcount
