"""Inserting many rows that come as columns."""

from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

Columns = Mapping[str, Sequence[object]]
"""Column name to its n values, None where there is none."""


def insert_columns(connection: sa.Connection, table: sa.Table, columns: Columns) -> None:
    """Insert n rows; what `columns` does not name gets its default."""
    insert: Callable[[sa.Connection, sa.Table, Columns], None] = (
        insert_by_driver if connection.dialect.name == "sqlite" else insert_by_core
    )
    insert(connection, table, columns)


def insert_by_driver(connection: sa.Connection, table: sa.Table, columns: Columns) -> None:
    """Hand the driver its rows as tuples, for dialects whose parameters are positions.

    SQLAlchemy would make a dictionary of every row and a tuple of that again, which costs SQLite as
    much as inserting. No value is converted on the way: the columns' types must be the driver's
    own.
    """
    statement = (
        sa.insert(table).inline().compile(dialect=connection.dialect, column_keys=list(columns))
    )
    places = statement.positiontup or []
    connection.exec_driver_sql(
        str(statement), list(zip(*(columns[name] for name in places), strict=True))
    )


def insert_by_core(connection: sa.Connection, table: sa.Table, columns: Columns) -> None:
    """The same for every dialect."""
    names = list(columns)
    connection.execute(
        sa.insert(table),
        [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)],
    )
