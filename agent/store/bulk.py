"""Inserting many rows that come as columns, as fast as each database takes them."""

from collections.abc import Mapping, Sequence
from typing import cast

import sqlalchemy as sa

Columns = Mapping[str, Sequence[object]]
"""By column name, its n values; None for a missing value."""


def insert_columns(connection: sa.Connection, table: sa.Table, columns: Columns) -> None:
    """Insert n rows; what `columns` does not name gets its default.

    No value is converted on the way: the columns' types must be the driver's own.
    """
    if connection.dialect.name == "sqlite":
        insert_by_driver(connection, table, columns)
    else:
        insert_by_copy(connection, table, columns)


def insert_by_driver(connection: sa.Connection, table: sa.Table, columns: Columns) -> None:
    """Hand SQLite's driver its rows as tuples.

    SQLAlchemy would make a dictionary of every row and a tuple of that again, which costs SQLite as
    much as inserting.
    """
    statement = (
        sa.insert(table).inline().compile(dialect=connection.dialect, column_keys=list(columns))
    )
    places = statement.positiontup or []
    connection.exec_driver_sql(
        str(statement), list(zip(*(columns[name] for name in places), strict=True))
    )


def insert_by_copy(connection: sa.Connection, table: sa.Table, columns: Columns) -> None:
    """Stream the rows into PostgreSQL, which takes some hundred times as many as by INSERT."""
    import psycopg

    quote = connection.dialect.identifier_preparer.quote
    statement = f"COPY {quote(table.name)} ({', '.join(map(quote, columns))}) FROM STDIN"
    try:
        cursor = cast("psycopg.Cursor[object]", connection.connection.cursor())
        with cursor, cursor.copy(statement) as copy:
            for row in zip(*map(_without_nul, columns.values()), strict=True):
                copy.write_row(row)
    except psycopg.Error as error:
        raise sa.exc.DBAPIError.instance(
            statement, None, error, psycopg.Error, dialect=connection.dialect
        ) from error


def _without_nul(values: Sequence[object]) -> list[object]:
    """Texts without NUL characters, as `text_types` stores them."""
    return [
        value.replace("\x00", "\ufffd") if isinstance(value, str) and "\x00" in value else value
        for value in values
    ]
