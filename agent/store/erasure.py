"""Erasing a user or an event, with all that was derived from them."""

from contextlib import suppress

import sqlalchemy as sa

from limner.core.errors import StoreError
from limner.core.schema import Event
from limner.core.telemetry import logged
from limner.store import tables as t
from limner.store.changes import revise
from limner.store.database import Database
from limner.store.text_types import names


class ErasingStore(Database):
    """Takes rows out of every table that holds something of somebody."""

    @logged("store", "erase_user", lambda events: {"events": events})
    def erase_user(self, user_id: str) -> int:
        """Erase a user and all that was derived from them; how many events went."""
        with self.transaction() as connection:
            key = connection.scalar(sa.select(t.users.c.key).where(t.users.c.user_id == user_id))
            gone = connection.execute(
                sa.delete(t.events).where(t.events.c.user_key == key)
            ).rowcount
            revise(connection, "users erased")
            for table in (
                t.users,
                t.profiles,
                t.unembedded,
                t.answers,
                t.ledger,
                t.keys,
                t.shown,
                t.outcomes,
                t.wordings,
            ):
                connection.execute(sa.delete(table).where(table.c.user_id == user_id))
            # What was said of them is theirs too; a name in half a word costs a conversation or an
            # answer that must be asked for again, and nothing else.
            talks, answers = t.conversations.c, t.answers.c
            connection.execute(sa.delete(t.conversations).where(names(talks.body, user_id)))
            of_nobody = answers.user_id.is_(None) & names(answers.body, user_id)
            connection.execute(sa.delete(t.answers).where(of_nobody))
        with suppress(StoreError):
            self.checkpoint("TRUNCATE")  # the log holds the rows that are gone
        return gone

    def erase_event(self, event: Event) -> None:
        """Erase an event, what it counted for on a list, and the reasons in a model's words, which
        may name it.
        """
        with self.transaction() as connection:
            connection.execute(sa.delete(t.events).where(t.events.c.seq == event.seq))
            revise(connection)
            o = t.outcomes.c
            shown = str(event.context.get("recommendation_id", ""))
            outcome = (
                (o.recommendation_id == shown)
                & (o.item_id == event.item_id)
                & (o.user_id == event.user_id)
            )
            connection.execute(
                sa.delete(t.outcomes).where(outcome & o.type.in_((event.type, "hide")))
            )
            connection.execute(sa.delete(t.wordings).where(t.wordings.c.user_id == event.user_id))
