"""The store's tables.

Users and items have integer keys, so that events are narrow rows. An event is unique by `id_hash`,
the 63-bit hash of its id; `event_id` is kept as text only where the data brought its own (a made id
is the hash in hex).
"""

import sqlalchemy as sa

from limner.store.text_types import PortableText

meta = sa.MetaData()

notes = sa.Table(
    "notes",
    meta,
    sa.Column("name", PortableText(200), primary_key=True),
    sa.Column("text", PortableText(), nullable=False),
)
users = sa.Table(
    "users",
    meta,
    sa.Column("key", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("user_id", PortableText(255), nullable=False, unique=True),
    sa.Column("source", PortableText(), nullable=False, server_default=""),
    sa.Column("attributes", PortableText(), nullable=False, server_default="{}"),
)
items = sa.Table(
    "items",
    meta,
    sa.Column("key", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("item_id", PortableText(255), nullable=False, unique=True),
    sa.Column("source", PortableText(), nullable=False, server_default=""),
    sa.Column("title", PortableText(), nullable=False, server_default=""),
    sa.Column("text", PortableText(), nullable=False, server_default=""),
    sa.Column("categories", PortableText(), nullable=False, server_default="[]"),
    sa.Column("price", sa.Float),
    sa.Column("image", PortableText()),
    sa.Column("audio", PortableText()),
    sa.Column("attributes", PortableText(), nullable=False, server_default="{}"),
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
    sa.Column("event_id", PortableText()),
    sa.Column("user_key", sa.Integer, nullable=False),
    sa.Column("item_key", sa.Integer),
    sa.Column("type", PortableText(64), nullable=False),
    sa.Column("value", sa.Float),
    sa.Column("time", sa.BigInteger),
    sa.Column("text", PortableText()),
    sa.Column("source", PortableText(), nullable=False),
    sa.Column("context", PortableText()),
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
    sa.Column("source", PortableText(255), primary_key=True),
    sa.Column("low", sa.Float, nullable=False),
    sa.Column("high", sa.Float, nullable=False),
    sa.Column("declared", sa.Boolean, nullable=False),
)
profiles = sa.Table(
    "profiles",
    meta,
    sa.Column("user_id", PortableText(255), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("as_of", sa.BigInteger, nullable=False),
    sa.Column("body", PortableText(), nullable=False),
)
unembedded = sa.Table(
    # Users whose newest portrait is not in the index yet, written with it; what a killed process
    # left stays here.
    "unembedded",
    meta,
    sa.Column("user_id", PortableText(255), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)
answers = sa.Table(
    "answers",
    meta,
    sa.Column("key", PortableText(64), primary_key=True),
    sa.Column("user_id", PortableText(255), index=True),
    sa.Column("body", PortableText(), nullable=False),
)
ledger = sa.Table(
    "ledger",
    meta,
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("user_id", PortableText(255), index=True),
    sa.Column("body", PortableText(), nullable=False),
)
keys = sa.Table(
    "keys",
    meta,
    sa.Column("key_id", PortableText(32), primary_key=True),
    # SHA-256 of the key in hex; the key itself is nowhere.
    sa.Column("hash", PortableText(64), nullable=False, unique=True),
    sa.Column("user_id", PortableText(255), index=True),
    sa.Column("body", PortableText(), nullable=False),
)
shown = sa.Table(
    "shown",
    meta,
    sa.Column("recommendation_id", PortableText(32), primary_key=True),
    sa.Column("user_id", PortableText(255), index=True),
    sa.Column("time", sa.BigInteger, nullable=False, index=True),
    sa.Column("body", PortableText(), nullable=False),
)
outcomes = sa.Table(
    "outcomes",
    meta,
    # One of each kind an item of a list, however often it is told.
    sa.Column("recommendation_id", PortableText(32), primary_key=True),
    sa.Column("item_id", PortableText(255), primary_key=True),
    sa.Column("type", PortableText(64), primary_key=True),
    sa.Column("user_id", PortableText(255), index=True),
    sa.Column("channel", PortableText(64), nullable=False),
    sa.Column("model_version", sa.Integer, nullable=False),
)
wordings = sa.Table(
    "wordings",
    meta,
    sa.Column("user_id", PortableText(255), primary_key=True),
    sa.Column("item_id", PortableText(255), primary_key=True),
    sa.Column("stamp", PortableText(64), nullable=False),
    sa.Column("body", PortableText(), nullable=False),
)
conversations = sa.Table(
    "conversations",
    meta,
    sa.Column("conversation_id", PortableText(64), primary_key=True),
    sa.Column("time", sa.BigInteger, nullable=False, index=True),
    sa.Column("body", PortableText(), nullable=False),
)
