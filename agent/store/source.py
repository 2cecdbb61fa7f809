"""Reading a query from any database that SQLAlchemy reaches, for ingest."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa

from limner.core.errors import BadInputError


def read_query(
    url: str, query: str, rows: int
) -> Iterator[tuple[list[str], list[Sequence[object]]]]:
    """(column names, at most `rows` rows) at a time. Raises BadInputError where the database or the
    query fails.

    Nothing is written: what a query changes is rolled back, and no file is made. Messages never
    hold the URL, which may hold a password.
    """
    try:
        where = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise BadInputError("source.bad_url") from None
    file = where.database or ""
    if (
        where.get_backend_name() == "sqlite"
        and file not in ("", ":memory:")
        and not Path(file).is_file()
    ):
        raise BadInputError("source.no_file", file=file)
    try:
        engine = sa.create_engine(where)
        try:
            with engine.connect() as connection:
                result = connection.execute(sa.text(query), execution_options={"yield_per": rows})
                names = list(result.keys())
                for part in result.partitions(rows):
                    yield names, [tuple(row) for row in part]
        finally:
            engine.dispose()
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        first = str(error).splitlines()[0]
        raise BadInputError("source.failed", error=first) from error
