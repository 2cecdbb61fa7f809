"""Stored answers: lists that were shown and their outcomes, reasons in a model's words, and
conversations. Any process may add to them.
"""

import json
import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

import sqlalchemy as sa

from limner.core.schema import Outcome, Reason, ShownList
from limner.store import tables as t
from limner.store.database import Database
from limner.store.dialects import insert_new, upsert
from limner.store.text_types import names

LISTS_DAYS = 90
"""Days after which a shown list is deleted."""
CONVERSATIONS = 1000
"""Most conversations in the store; the longest unused are deleted first."""
_SWEEP = 500
"""Old lists are deleted about once in this many new ones."""


class ResponseLog:
    """A store's memory of its own answers."""

    def __init__(self, store: Database) -> None:
        self._store = store

    # ------------------------------------------------------------ lists

    def keep_list(self, shown: ShownList) -> None:
        row = {
            "recommendation_id": shown.recommendation_id,
            "user_id": shown.user_id,
            "time": _ms(shown.at),
            "body": shown.model_dump_json(),
        }
        with self._store.adding_about(shown.user_id) as connection:
            connection.execute(sa.insert(t.shown), row)
            if not secrets.randbelow(_SWEEP):
                old = _ms(shown.at - timedelta(days=LISTS_DAYS))
                connection.execute(sa.delete(t.shown).where(t.shown.c.time < old))

    def shown(self, recommendation_id: str) -> ShownList | None:
        query = sa.select(t.shown.c.body).where(t.shown.c.recommendation_id == recommendation_id)
        with self._store.reading() as connection:
            body = connection.scalar(query)
        return ShownList.model_validate_json(body) if body else None

    def lists_of(self, user_id: str) -> list[ShownList]:
        """A user's, oldest first."""
        query = (
            sa.select(t.shown.c.body).where(t.shown.c.user_id == user_id).order_by(t.shown.c.time)
        )
        with self._store.reading() as connection:
            return [ShownList.model_validate_json(body) for body in connection.scalars(query)]

    def listed(self) -> Counter[tuple[str, int]]:
        """Number of listed items that each channel scored highest, by (channel, model version)."""
        places: Counter[tuple[str, int]] = Counter()
        with self._store.reading() as connection:
            bodies = sa.select(t.shown.c.body)
            for body in connection.scalars(bodies, execution_options={"yield_per": 1000}):
                shown = ShownList.model_validate_json(body)
                places.update((channel, shown.model_version) for channel in shown.channels)
        return places

    # ------------------------------------------------------------ what came of them

    def add_outcomes(self, outcomes: Sequence[Outcome]) -> int:
        """Add outcomes; the number of those that were not stored already."""
        added = 0
        in_order = sorted(outcomes, key=_outcome_key)
        for user_id, of_user in groupby(in_order, key=lambda outcome: outcome.user_id):
            with self._store.adding_about(user_id) as connection:
                added += sum(
                    insert_new(connection, t.outcomes, outcome.model_dump()) for outcome in of_user
                )
        return added

    def outcomes(self) -> dict[tuple[str, int], Counter[str]]:
        """Outcomes counted by type, by (channel, model version)."""
        o = t.outcomes.c
        query = sa.select(o.channel, o.model_version, o.type, sa.func.count().label("n"))
        found: dict[tuple[str, int], Counter[str]] = {}
        with self._store.reading() as connection:
            for row in connection.execute(query.group_by(o.channel, o.model_version, o.type)):
                found.setdefault((row.channel, row.model_version), Counter())[row.type] += row.n
        return found

    def outcomes_of(self, user_id: str) -> list[Outcome]:
        """What came of a user's lists."""
        o = t.outcomes.c
        query = sa.select(t.outcomes).where(o.user_id == user_id)
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(o.recommendation_id, o.item_id, o.type))
            return [Outcome.model_validate(dict(row._mapping)) for row in rows]

    # ------------------------------------------------------------ wording

    def reasons_of(self, user_id: str) -> list[tuple[str, Reason]]:
        """(item id, reason in a model's words) of all that is stored for a user, by item id."""
        w = t.wordings.c
        query = sa.select(w.item_id, w.body).where(w.user_id == user_id).order_by(w.item_id)
        with self._store.reading() as connection:
            return [
                (row.item_id, Reason.model_validate_json(row.body))
                for row in connection.execute(query)
            ]

    def wordings(self, user_id: str, stamps: Mapping[str, str]) -> dict[str, Reason]:
        """Stored reasons of a user by item id. Only items whose stored stamp equals the given one
        are included.
        """
        w = t.wordings.c
        query = sa.select(w.item_id, w.stamp, w.body).where(
            w.user_id == user_id, w.item_id.in_(list(stamps))
        )
        with self._store.reading() as connection:
            return {
                row.item_id: Reason.model_validate_json(row.body)
                for row in connection.execute(query)
                if row.stamp == stamps[row.item_id]
            }

    def save_wordings(self, user_id: str, reasons: Mapping[str, tuple[str, Reason]]) -> None:
        """Store reasons by item id, each with its stamp; older ones are replaced."""
        if not reasons:
            return
        rows = [
            {
                "user_id": user_id,
                "item_id": item_id,
                "stamp": stamp,
                "body": reason.model_dump_json(),
            }
            # In one order, so that two processes never wait for each other's rows.
            for item_id, (stamp, reason) in sorted(reasons.items(), key=lambda pair: pair[0])
        ]
        with self._store.expendable(), self._store.adding_about(user_id) as connection:
            upsert(connection, t.wordings, rows)

    # ------------------------------------------------------------ conversations

    def conversation(self, conversation_id: str) -> str | None:
        """The saved JSON of a conversation; None for an unknown id."""
        c = t.conversations.c
        with self._store.reading() as connection:
            found: str | None = connection.scalar(
                sa.select(c.body).where(c.conversation_id == conversation_id)
            )
        return found

    def conversations_about(self, user_id: str) -> list[tuple[str, str]]:
        """(id, saved JSON) of conversations that were saved as being about a user, oldest first."""
        c = t.conversations.c
        query = sa.select(c.conversation_id, c.body).where(names(c.body, user_id)).order_by(c.time)
        with self._store.reading() as connection:
            found = [(row.conversation_id, row.body) for row in connection.execute(query)]
        return [(key, body) for key, body in found if user_id in json.loads(body).get("about", ())]

    def save_conversation(
        self, conversation_id: str, body: str, about: Collection[str] = ()
    ) -> None:
        """`about`: users whom it speaks of, as its JSON names them too. It is not saved where one
        of them, or another whom its words name, was erased.
        """
        c = t.conversations.c
        row = {"conversation_id": conversation_id, "time": _ms(datetime.now(UTC)), "body": body}
        with self._store.expendable(), self._store.adding_about(*about, text=body) as connection:
            upsert(connection, t.conversations, [row])
            newest = sa.select(c.time).order_by(c.time.desc()).offset(CONVERSATIONS - 1).limit(1)
            if (least := connection.scalar(newest)) is not None:
                connection.execute(sa.delete(t.conversations).where(c.time < least))


def _outcome_key(outcome: Outcome) -> tuple[str, str, str]:
    return outcome.recommendation_id, outcome.item_id, outcome.type


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
