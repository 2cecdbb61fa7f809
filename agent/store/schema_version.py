"""Makes a store's tables, or brings those of an older store to today's schema, as it is opened.

alembic keeps the revision in the table `alembic_version`. It is imported only where a store is
older than the code.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from limner.core.errors import StoreError
from limner.store import tables as t

BASELINE = "0001"
"""Revision of stores that recorded none."""
HEAD = "0002"
"""Revision that `tables` describes: the newest file in `migrations/versions`."""
STORE_ID = "store id"
"""The note that holds a store's id."""

_alembic_version = sa.Table(
    "alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True)
)
_STORE_ID = sa.select(t.notes.c.text).where(t.notes.c.name == STORE_ID).scalar_subquery()
_OPENING = sa.select(_alembic_version.c.version_num, _STORE_ID.label("store_id"))


def current_id(engine: sa.Engine) -> str | None:
    """The id of a store with the current schema. None for an older schema, and where there is no
    store.
    """
    try:
        with engine.connect() as connection:
            row = connection.execute(_OPENING).first()
    except (sa.exc.OperationalError, sa.exc.ProgrammingError):
        if sa.inspect(engine).has_table(_alembic_version.name):
            raise
        return None
    if row is None or row.version_num != HEAD:
        return None
    store_id: str | None = row.store_id
    return store_id


def stored_version(engine: sa.Engine) -> str | None:
    """The revision of the store's schema; None where there is no store yet."""
    inspector = sa.inspect(engine)
    if inspector.has_table(_alembic_version.name):
        with engine.connect() as connection:
            version: str | None = connection.scalar(sa.select(_alembic_version.c.version_num))
        if version is not None:
            return version
    return BASELINE if inspector.has_table(t.notes.name) else None


@contextmanager
def _transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that holds changes of tables too, which SQLite's driver begins none for."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


def make_tables(engine: sa.Engine) -> None:
    """An empty store of today's schema."""
    with _transaction(engine) as connection:
        t.meta.create_all(connection)
        _alembic_version.create(connection, checkfirst=True)
        connection.execute(sa.insert(_alembic_version), {"version_num": HEAD})
        connection.execute(sa.insert(t.notes), {"name": STORE_ID, "text": uuid4().hex})


def upgrade(engine: sa.Engine, version: str) -> None:
    """Bring a store from a revision to today's, wholly or not at all. Raises StoreError where the
    code does not know the revision.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    folder = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    if version not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreError("store.newer", version=version, known=HEAD)
    with _transaction(engine) as connection:
        config.attributes["connection"] = connection
        if version == BASELINE:
            command.stamp(config, BASELINE)
        command.upgrade(config, HEAD)
