"""Cached answers of models, and the ledger with the cost of each call."""

from collections.abc import Iterator

import sqlalchemy as sa

from limner.core.schema import LedgerRow, StoredAnswer
from limner.store import tables as t
from limner.store.database import Database
from limner.store.dialects import is_there, upsert


class ModelCallStore(Database):
    """The cache of answers, and the ledger of calls; both written beside whichever process
    writes.
    """

    def answer(self, key: str) -> StoredAnswer | None:
        with self.reading() as connection:
            body = connection.scalar(sa.select(t.answers.c.body).where(t.answers.c.key == key))
        return StoredAnswer.model_validate_json(body) if body else None

    def save_answer(self, key: str, user_id: str | None, answer: StoredAnswer) -> None:
        row = {"key": key, "user_id": user_id, "body": answer.model_dump_json()}
        of_nobody = "" if user_id is not None else answer.text
        with self.expendable(), self.adding_about(user_id, text=of_nobody) as connection:
            upsert(connection, t.answers, [row])

    def add_ledger(self, row: LedgerRow) -> None:
        with self.expendable(), self.adding() as connection:
            written = connection.execute(
                sa.insert(t.ledger), {"user_id": row.user_id, "body": row.model_dump_json()}
            )
            if row.user_id is not None and not is_there(connection, row.user_id):
                # Erased while the model was asked: what it cost stays, whom it was about does not.
                nobody = row.model_copy(update={"user_id": None})
                [number] = written.inserted_primary_key or [None]
                connection.execute(
                    sa.update(t.ledger)
                    .where(t.ledger.c.row == number)
                    .values(user_id=None, body=nobody.model_dump_json())
                )

    def ledger_since(self, row: int) -> Iterator[tuple[int, LedgerRow]]:
        """(number, row) of the ledger rows after the row with number `row`, in order."""
        query = (
            sa.select(t.ledger.c.row, t.ledger.c.body)
            .where(t.ledger.c.row > row)
            .order_by(t.ledger.c.row)
        )
        with self.reading() as connection:
            for number, body in connection.execute(query, execution_options={"yield_per": 10_000}):
                yield number, LedgerRow.model_validate_json(body)

    def ledger(self, user_id: str | None = None) -> list[LedgerRow]:
        query = sa.select(t.ledger.c.body).order_by(t.ledger.c.row)
        if user_id is not None:
            query = query.where(t.ledger.c.user_id == user_id)
        with self.reading() as connection:
            return [LedgerRow.model_validate_json(body) for body in connection.scalars(query)]
