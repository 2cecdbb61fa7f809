"""The store's tables.

Users and items have integer keys, so that events are narrow rows. An event is unique by `id_hash`,
the 63-bit hash of its id; `event_id` is kept as text only where the data brought its own (a made id
is the hash in hex).
"""

import sqlalchemy as sa

SCHEMA_VERSION = "1"

meta = sa.MetaData()

notes = sa.Table(
    "notes",
    meta,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)
users = sa.Table(
    "users",
    meta,
    sa.Column("key", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.String(255), nullable=False, unique=True),
    sa.Column("source", sa.Text, nullable=False, server_default=""),
    sa.Column("attributes", sa.Text, nullable=False, server_default="{}"),
)
items = sa.Table(
    "items",
    meta,
    sa.Column("key", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("item_id", sa.String(255), nullable=False, unique=True),
    sa.Column("source", sa.Text, nullable=False, server_default=""),
    sa.Column("title", sa.Text, nullable=False, server_default=""),
    sa.Column("text", sa.Text, nullable=False, server_default=""),
    sa.Column("categories", sa.Text, nullable=False, server_default="[]"),
    sa.Column("price", sa.Float),
    sa.Column("image", sa.Text),
    sa.Column("audio", sa.Text),
    sa.Column("attributes", sa.Text, nullable=False, server_default="{}"),
)
events = sa.Table(
    "events",
    meta,
    # BigInteger is INTEGER on SQLite, where only that spelling is the row id.
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
EVENT_INDEXES = (
    sa.Index("events_by_id", events.c.id_hash, unique=True),
    sa.Index("events_by_user", events.c.user_key, events.c.time),
    sa.Index("events_by_item", events.c.item_key),
)
scales = sa.Table(
    "scales",
    meta,
    sa.Column("source", sa.String(255), primary_key=True),
    sa.Column("low", sa.Float, nullable=False),
    sa.Column("high", sa.Float, nullable=False),
    sa.Column("declared", sa.Boolean, nullable=False),
)
profiles = sa.Table(
    "profiles",
    meta,
    sa.Column("user_id", sa.String(255), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("as_of", sa.BigInteger, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
unembedded = sa.Table(
    # Users whose newest portrait is not in the index yet, written with it; what a killed process
    # left stays here.
    "unembedded",
    meta,
    sa.Column("user_id", sa.String(255), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)
answers = sa.Table(
    "answers",
    meta,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(255), index=True),
    sa.Column("body", sa.Text, nullable=False),
)
ledger = sa.Table(
    "ledger",
    meta,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.String(255), index=True),
    sa.Column("body", sa.Text, nullable=False),
)
keys = sa.Table(
    "keys",
    meta,
    sa.Column("key_id", sa.String(32), primary_key=True),
    # SHA-256 of the key in hex; the key itself is nowhere.
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("user_id", sa.String(255), index=True),
    sa.Column("body", sa.Text, nullable=False),
)
shown = sa.Table(
    "shown",
    meta,
    sa.Column("recommendation_id", sa.String(32), primary_key=True),
    sa.Column("user_id", sa.String(255), index=True),
    sa.Column("time", sa.BigInteger, nullable=False, index=True),
    sa.Column("body", sa.Text, nullable=False),
)
outcomes = sa.Table(
    "outcomes",
    meta,
    # One of each kind an item of a list, however often it is told.
    sa.Column("recommendation_id", sa.String(32), primary_key=True),
    sa.Column("item_id", sa.String(255), primary_key=True),
    sa.Column("type", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(255), index=True),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("model_version", sa.Integer, nullable=False),
)
wordings = sa.Table(
    "wordings",
    meta,
    sa.Column("user_id", sa.String(255), primary_key=True),
    sa.Column("item_id", sa.String(255), primary_key=True),
    sa.Column("stamp", sa.String(64), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
conversations = sa.Table(
    "conversations",
    meta,
    sa.Column("conversation_id", sa.String(64), primary_key=True),
    sa.Column("time", sa.BigInteger, nullable=False, index=True),
    sa.Column("body", sa.Text, nullable=False),
)
