"""Reading a query from any database that SQLAlchemy reaches, for ingest."""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from agent.errors import BadInputError


def read_query(url: str, query: str, rows: int) -> Iterator[tuple[list[str], list[Sequence[object]]]]:
    """(column names, at most `rows` rows) at a time. Raises BadInputError where the database or the query fails."""
    try:
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            result = connection.execution_options(yield_per=rows).execute(sa.text(query))
            names = list(result.keys())
            for part in result.partitions(rows):
                yield names, [tuple(row) for row in part]
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        first = str(error).splitlines()[0]
        raise BadInputError(f"The query could not be read: {first}.") from error
