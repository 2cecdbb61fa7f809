"""Tables that are written row by row: Parquet, CSV or JSON lines by the file's ending, whole or not
at all.
"""

import csv
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, Protocol

from limner.core.errors import BadInputError

if TYPE_CHECKING:
    import pyarrow as pa

Cell = str | int | float | None
Row = Sequence[Cell]
Kind = Literal["text", "whole", "number"]
"""Type of a column."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet runs."""
_NUMBER = re.compile(r"[+-]?[\d.,]+")
ENDINGS = (".parquet", ".csv", ".jsonl")


class Sink(Protocol):
    def write(self, rows: Sequence[Row]) -> None:
        """Each as long as there are columns, in their order."""


def check_ending(file: Path) -> None:
    """Raises BadInputError for a file that cannot be written so."""
    if file.suffix.lower() not in ENDINGS:
        raise BadInputError(
            "table.unknown_ending", file=file, endings=", ".join(ENDINGS[:-1]), last=ENDINGS[-1]
        )
    if file.is_dir():
        raise BadInputError("file.is_folder", file=file)
    if not file.parent.is_dir():
        raise BadInputError("table.no_parent", folder=file.parent, name=file.name)


@contextmanager
def writing_rows(file: Path, columns: Mapping[str, Kind]) -> Iterator[Sink]:
    """A sink whose rows stand in `file` when the block ends without error, and nowhere otherwise.

    A file that was there is replaced then. Raises BadInputError where its ending says no kind of
    table.
    """
    check_ending(file)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with _opened(part, file.suffix.lower(), columns) as sink:
            yield sink
        part.replace(file)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


@contextmanager
def _opened(part: Path, ending: str, columns: Mapping[str, Kind]) -> Iterator[Sink]:
    if ending == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64()}
        schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
        with pq.ParquetWriter(part, schema) as writer:
            yield _Parquet(writer, schema)
    else:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield _Csv(file, list(columns)) if ending == ".csv" else _JsonLines(file, list(columns))


class _Parquet:
    def __init__(self, writer: "pa.parquet.ParquetWriter", schema: "pa.Schema") -> None:
        self._writer, self._schema = writer, schema

    def write(self, rows: Sequence[Row]) -> None:
        import pyarrow as pa

        columns = [list(column) for column in zip(*rows, strict=True)]
        if rows:
            self._writer.write_table(pa.table(columns, schema=self._schema))


class _Csv:
    def __init__(self, file: IO[str], columns: Sequence[str]) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(columns)

    def write(self, rows: Sequence[Row]) -> None:
        self._writer.writerows([_harmless(cell) for cell in row] for row in rows)


def _harmless(cell: Cell) -> Cell:
    """Text that a spreadsheet would take for a formula, with an apostrophe before it; numbers that
    are written as text stay as they are.
    """
    if not isinstance(cell, str) or not cell.startswith(_FORMULA):
        return cell
    return cell if _NUMBER.fullmatch(cell) else f"'{cell}"


class _JsonLines:
    def __init__(self, file: IO[str], columns: Sequence[str]) -> None:
        self._file, self._columns = file, columns

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._file.write(
                json.dumps(dict(zip(self._columns, row, strict=True)), ensure_ascii=False) + "\n"
            )
