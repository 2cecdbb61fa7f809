"""A store has an id, in the note `store id`, which names its folder and its vectors' collections.

Vectors that lay elsewhere are not known to be this store's, so every newest portrait waits to be
embedded; one that is embedded already is passed over then. On PostgreSQL ids are compared and
sorted by code point, as SQLite does.
"""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    connection = op.get_bind()
    insert = sa.text("INSERT INTO notes (name, text) VALUES ('store id', :id)")
    connection.execute(insert, {"id": uuid4().hex})
    connection.execute(sa.text("DELETE FROM notes WHERE name = 'schema'"))
    connection.execute(sa.text("DELETE FROM unembedded"))
    connection.execute(
        sa.text(
            "INSERT INTO unembedded (user_id, version) "
            "SELECT user_id, MAX(version) FROM profiles GROUP BY user_id"
        )
    )
    if connection.dialect.name == "postgresql":
        _sort_by_code_point(connection)


def _sort_by_code_point(connection: sa.Connection) -> None:
    inspector = sa.inspect(connection)
    for table in inspector.get_table_names():
        for column in inspector.get_columns(table):
            length = getattr(column["type"], "length", None)
            if length is not None and table != "alembic_version":
                op.alter_column(table, column["name"], type_=sa.String(length, collation="C"))
