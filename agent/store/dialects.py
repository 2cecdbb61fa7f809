"""Differences between SQLite and PostgreSQL: how they are opened, written to, and fail."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from limner.core.errors import StoreBusyError, StoreError, StoreFullError, UsageError
from limner.core.messages import placeholders
from limner.store import tables as t

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "cache_size=-65536",
    "secure_delete=ON",
    "busy_timeout=5000",
)
_POSTGRES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})


def make_engine(url: str) -> sa.Engine:
    """An engine for an SQLite file or a PostgreSQL database.

    Raises UsageError where the address cannot be read, its driver is missing, or it names another
    kind of database. Messages never hold the URL, which may hold a password.
    """
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise UsageError("store.unreadable_address") from None
    if address.drivername in _POSTGRES:
        return _postgres_engine(address.set(drivername="postgresql+psycopg"))
    if address.drivername in ("sqlite", "sqlite+pysqlite") and address.database:
        if address.database == ":memory:":
            raise UsageError("store.in_memory")
        return _sqlite_engine(address)
    raise UsageError("store.other_database", driver=address.drivername)


def _postgres_engine(address: sa.URL) -> sa.Engine:
    try:
        # A prepared plan of when a table was empty would still be used when a load has filled it.
        return sa.create_engine(
            address, pool_pre_ping=True, connect_args={"prepare_threshold": None}
        )
    except ImportError as error:
        raise UsageError("store.no_driver") from error


def _sqlite_engine(address: sa.URL) -> sa.Engine:
    engine = sa.create_engine(address)
    sa.event.listen(engine, "connect", _tune_sqlite)
    return engine


def _tune_sqlite(connection: object, _: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def make_reader(engine: sa.Engine) -> sa.Engine:
    """The engine for reading from a database. Everything that one transaction reads is of one
    moment.
    """
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ")
    reader = engine.execution_options()  # one of its own, over the same connections
    sa.event.listen(reader, "begin", _begin)
    return reader


def _begin(connection: sa.Connection) -> None:
    """Python's driver begins no transaction for what only reads."""
    connection.exec_driver_sql("BEGIN")


def make_looker(file: Path) -> sa.Engine:
    """An engine that only reads an SQLite file, and writes nothing beside it either. What lies in a
    log that was not worked in cannot be read so, and is refused by SQLite.
    """
    log = file.with_name(f"{file.name}-wal")
    alone = "" if log.exists() and log.stat().st_size else "&immutable=1"
    address = f"file:{quote(str(file.absolute()))}?mode=ro{alone}"
    return sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(address, uri=True, check_same_thread=False),
        poolclass=sa.pool.QueuePool,
    )


def sqlite_file(engine: sa.Engine) -> Path | None:
    """The file of an SQLite database; None for PostgreSQL."""
    return Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None


def upsert(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]
) -> None:
    """Insert rows, each in the place of the one with its primary key, also where another process
    inserts the same key meanwhile.
    """
    if not rows:
        return
    insert = _insert(connection, table)
    values = {
        column.name: insert.excluded[column.name]
        for column in table.columns
        if not column.primary_key and column.name in rows[0]
    }
    keys = list(table.primary_key.columns)
    connection.execute(
        insert.on_conflict_do_update(index_elements=keys, set_=values), [dict(row) for row in rows]
    )


def insert_new(connection: sa.Connection, table: sa.Table, row: Mapping[str, object]) -> bool:
    """Insert a row if none has its primary key; whether it was inserted."""
    insert = _insert(connection, table).on_conflict_do_nothing()
    counted = {"preserve_rowcount": True}
    return connection.execute(insert, dict(row), execution_options=counted).rowcount > 0


def is_there(connection: sa.Connection, user_id: str) -> bool:
    """Whether a user is in the store, until this transaction ends. To be asked after its first
    write, which keeps other writers of SQLite out; PostgreSQL locks the user's row.
    """
    query = sa.select(t.users.c.key).where(t.users.c.user_id == user_id)
    return connection.scalar(query.with_for_update(read=True, key_share=True)) is not None


def _insert(connection: sa.Connection, table: sa.Table) -> "sqlite.Insert | postgresql.Insert":
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


# ---------------------------------------------------------------- failures

_SQLITE_FAILURES: tuple[tuple[tuple[str, ...], type[StoreError], str], ...] = (
    (("full",), StoreFullError, "store.no_space"),
    (("disk I/O", "readonly database"), StoreFullError, "store.cannot_write"),
    (("not a database",), StoreError, "store.foreign_file"),
    (("malformed",), StoreError, "store.damaged"),
    (("unable to open",), StoreError, "store.cannot_open"),
    (("locked",), StoreBusyError, "store.locked"),
)
"""By words of SQLite's own text: the kind of error, and its code of the message catalogue."""
_POSTGRES_FAILURES: tuple[tuple[tuple[str, ...], type[StoreError], str], ...] = (
    (("53100",), StoreFullError, "store.no_space"),
    (("53300",), StoreBusyError, "store.no_connections"),
    (("40001", "40P01", "55P03"), StoreBusyError, "store.rows_changed"),
    (("08", "28", "3D", "57P"), StoreError, "store.unreachable"),
)
"""Errors by the beginning of their SQLSTATE (PostgreSQL manual, appendix A)."""


def translated(error: sa.exc.DatabaseError) -> StoreError:
    """A driver's error as the store's own, in words that say what to do."""
    text = str(error.orig)
    first = text.splitlines()[0] if text else type(error.orig).__name__
    if not (type(error.orig).__module__ or "").startswith("psycopg"):
        for signs, kind, code in _SQLITE_FAILURES:
            if any(sign in text for sign in signs):
                return kind(code)
        return StoreError("store.failed", error=first)
    # A connection that could not be made has no state.
    state = getattr(error.orig, "sqlstate", None)
    if state is None and isinstance(error, sa.exc.OperationalError):
        state = "08"
    for states, kind, code in _POSTGRES_FAILURES:
        if str(state).startswith(states):
            return kind(code, **{"error": first} if "error" in placeholders(code) else {})
    return StoreError("store.failed", error=first)
