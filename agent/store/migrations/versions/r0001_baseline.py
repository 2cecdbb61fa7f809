"""The schema of stores that recorded no revision."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.String(255)


def upgrade() -> None:
    _make_data()
    _make_derived()
    _make_answers()


def _make_data() -> None:
    op.create_table(
        "notes",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_table(
        "users",
        sa.Column("key", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("user_id", _ID, nullable=False, unique=True),
        sa.Column("source", sa.Text, nullable=False, server_default=""),
        sa.Column("attributes", sa.Text, nullable=False, server_default="{}"),
    )
    op.create_table(
        "items",
        sa.Column("key", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("item_id", _ID, nullable=False, unique=True),
        sa.Column("source", sa.Text, nullable=False, server_default=""),
        sa.Column("title", sa.Text, nullable=False, server_default=""),
        sa.Column("text", sa.Text, nullable=False, server_default=""),
        sa.Column("categories", sa.Text, nullable=False, server_default="[]"),
        sa.Column("price", sa.Float),
        sa.Column("image", sa.Text),
        sa.Column("audio", sa.Text),
        sa.Column("attributes", sa.Text, nullable=False, server_default="{}"),
    )
    op.create_table(
        "events",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("id_hash", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.Text),
        sa.Column("user_key", sa.Integer, nullable=False),
        sa.Column("item_key", sa.Integer),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("time", sa.BigInteger),
        sa.Column("text", sa.Text),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("context", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("events_by_id", "events", ["id_hash"], unique=True)
    op.create_index("events_by_user", "events", ["user_key", "time"])
    op.create_index("events_by_item", "events", ["item_key"])
    op.create_table(
        "scales",
        sa.Column("source", _ID, primary_key=True),
        sa.Column("low", sa.Float, nullable=False),
        sa.Column("high", sa.Float, nullable=False),
        sa.Column("declared", sa.Boolean, nullable=False),
    )


def _make_derived() -> None:
    op.create_table(
        "profiles",
        sa.Column("user_id", _ID, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("as_of", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "unembedded",
        sa.Column("user_id", _ID, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )


def _make_answers() -> None:
    op.create_table(
        "answers",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("user_id", _ID, index=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "ledger",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("user_id", _ID, index=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("key_id", sa.String(32), primary_key=True),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("user_id", _ID, index=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "shown",
        sa.Column("recommendation_id", sa.String(32), primary_key=True),
        sa.Column("user_id", _ID, index=True),
        sa.Column("time", sa.BigInteger, nullable=False, index=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "outcomes",
        sa.Column("recommendation_id", sa.String(32), primary_key=True),
        sa.Column("item_id", _ID, primary_key=True),
        sa.Column("type", sa.String(64), primary_key=True),
        sa.Column("user_id", _ID, index=True),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("model_version", sa.Integer, nullable=False),
    )
    op.create_table(
        "wordings",
        sa.Column("user_id", _ID, primary_key=True),
        sa.Column("item_id", _ID, primary_key=True),
        sa.Column("stamp", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "conversations",
        sa.Column("conversation_id", sa.String(64), primary_key=True),
        sa.Column("time", sa.BigInteger, nullable=False, index=True),
        sa.Column("body", sa.Text, nullable=False),
    )
