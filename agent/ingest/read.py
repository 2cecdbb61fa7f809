"""Reading any table as chunks of text columns, each row with its line number. Nothing is interpreted here."""

import bz2
import csv
import gzip
import io
import json
import lzma
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, cast

import pandas as pd

from agent.errors import BadInputError
from agent.ingest.mapping import Reading

LINE = "__line__"
"""Column that holds the 1-based line (or record) number."""
BROKEN = "__broken__"
"""Column that holds a line which did not parse at all."""
_CANDIDATES = ("\t", "::", "|", ";", ",")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2")
_JSON_LINES = (".jsonl", ".ndjson", ".json")
_NO_TABLES = (".md", ".pdf", ".html", ".png", ".jpg", ".log")
"""In a folder or archive, files that are passed over; so are those called README or LICENSE."""
_SAMPLE = 64 * 1024


@dataclass(frozen=True)
class Chunk:
    frame: pd.DataFrame
    """Text columns and LINE; missing cells are ""."""
    file: str
    first: bool
    """The first chunk of its file."""


def read_table(place: str, reading: Reading, rows: int) -> Iterator[Chunk]:
    """Chunks of at most `rows` rows of a file, folder, glob or archive.

    Raises BadInputError for what is missing, empty, binary or has broken rows beyond repair.
    """
    path = Path(place)
    if any(mark in place for mark in "*?[") and not path.exists():
        files = sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor) if path.anchor else path)))
    elif path.is_dir():
        files = sorted(one for one in path.iterdir() if one.is_file() and _may_be_table(one.name))
    else:
        files = [path]
    if not files:
        raise BadInputError(f"Nothing was found at '{place}'.")
    for file in files:
        if not file.exists():
            raise BadInputError(f"There is no file '{file}'.")
        try:
            if file.name.lower().endswith(_ARCHIVES):
                yield from _read_archive(file, reading, rows)
            else:
                with file.open("rb") as stream:
                    yield from _read_stream(file.name, stream, reading, rows)
        except OSError as error:
            raise BadInputError(f"'{file}' cannot be read: {error.strerror or error}.") from error
        except (EOFError, lzma.LZMAError) as error:
            raise BadInputError(f"'{file}' is a damaged archive: {error}.") from error


def _may_be_table(name: str) -> bool:
    last = name.rsplit("/", 1)[-1].lower()
    return not last.startswith((".", "readme", "license", "licence")) and not last.endswith(_NO_TABLES)


def _read_archive(file: Path, reading: Reading, rows: int) -> Iterator[Chunk]:
    try:
        with tempfile.TemporaryFile() as plain:
            # Unpacked to disk once: members are read in order of name, and going back in a compressed stream is slow.
            with _decompressed(file) as packed:
                shutil.copyfileobj(packed, plain, 1 << 20)
            plain.seek(0)
            with tarfile.open(fileobj=plain) as archive:
                members = (m for m in archive.getmembers() if m.isfile() and m.size and _may_be_table(m.name))
                for member in sorted(members, key=lambda m: m.name):
                    if (stream := archive.extractfile(member)) is not None:
                        yield from _read_stream(member.name, stream, reading, rows)
    except tarfile.TarError as error:
        raise BadInputError(f"'{file}' is a damaged archive: {error}.") from error


def _decompressed(file: Path) -> IO[bytes]:
    with file.open("rb") as stream:
        head = stream.read(6)
    if head[:2] == b"\x1f\x8b":
        return cast(IO[bytes], gzip.open(file))
    if head == b"\xfd7zXZ\x00":
        return lzma.open(file)
    return bz2.open(file) if head[:3] == b"BZh" else file.open("rb")


def _read_stream(name: str, raw: IO[bytes], reading: Reading, rows: int) -> Iterator[Chunk]:
    head = raw.read(6)
    raw.seek(0)
    lower = name.lower()
    if head[:4] == b"PAR1":
        frames = _parquet(raw, rows)
    elif head[:4] == b"PK\x03\x04":
        frames = _excel(name, raw)
    else:
        stream: IO[bytes] = raw
        if head[:2] == b"\x1f\x8b":
            stream, lower = cast(IO[bytes], gzip.open(raw)), lower.removesuffix(".gz")  # noqa: SIM115
        elif head == b"\xfd7zXZ\x00":
            stream, lower = lzma.open(raw), lower.removesuffix(".xz")  # noqa: SIM115
        sample = stream.read(_SAMPLE)
        stream.seek(0)
        if not sample.strip():
            raise BadInputError(f"'{name}' is empty.")
        encoding = reading.encoding or _encoding(name, sample)
        text = sample.decode(encoding, errors="replace").lstrip("\ufeff")
        if lower.endswith(_JSON_LINES) or text.lstrip().startswith("{"):
            frames = _json_lines(name, stream, encoding, rows)
        else:
            frames = _delimited(name, stream, encoding, text, reading, rows)
    first = True
    for frame in frames:
        yield Chunk(frame, name, first)
        first = False


def _binary(name: str) -> BadInputError:
    return BadInputError(f"'{name}' is a binary file, not a table; name a CSV, TSV, JSON lines, Parquet or Excel file.")


def _encoding(name: str, sample: bytes) -> str:
    if sample[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if b"\x00" in sample[:4096] and sample[:4096].count(b"\x00") > 16:
        raise _binary(name)
    cut = sample if len(sample) < _SAMPLE else sample[: sample.rfind(b"\n") + 1] or sample[:-4]
    try:
        cut.decode("utf-8")
    except UnicodeDecodeError:
        strange = sum(byte < 9 or 13 < byte < 32 for byte in cut)
        if strange > len(cut) * 0.05:
            raise _binary(name) from None
        return "latin-1"
    return "utf-8-sig"


def guess_separator(text: str) -> str:
    """The candidate that splits the first lines into the most equal number of cells, at least two; "," if none does."""
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    if len(lines) > 1 and len(text) >= _SAMPLE // 2:
        lines = lines[:-1]
    best, best_score = ",", 1.0
    for candidate in _CANDIDATES:
        if len(candidate) == 1:
            cells = [len(row) for row in csv.reader(lines, delimiter=candidate)] if lines else []
        else:
            cells = [line.count(candidate) + 1 for line in lines]
        if not cells or cells[0] < 2:
            continue
        steady = sum(count == cells[0] for count in cells) / len(cells)
        score = steady * 10 + min(cells[0], 9) * 0.1
        if steady >= 0.6 and score > best_score:
            best, best_score = candidate, score
    return best


def _delimited(
    name: str, stream: IO[bytes], encoding: str, sample: str, reading: Reading, rows: int
) -> Iterator[pd.DataFrame]:
    separator = reading.separator or guess_separator(sample)
    text = io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
    if len(separator) > 1:
        yield from _long_separator(text, separator, reading, rows)
        return
    plain = separator == "\t" or not reading.quoting
    reader = csv.reader(text, delimiter=separator, quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL)
    try:
        columns = reading.columns or [cell.strip() for cell in next(reader)]
        yield from _frames(((reader.line_num, row) for row in reader), columns, rows)
    except csv.Error as error:
        raise BadInputError(
            f"'{name}' does not read as a table separated by {separator!r} ({error}); check the separator."
        ) from error


def _frames(lines: Iterator[tuple[int, list[str]]], columns: list[str], rows: int) -> Iterator[pd.DataFrame]:
    """Rows as frames; a short row is padded, one with too many cells is marked, blank lines are passed over."""
    width = len(columns)
    while part := list(islice(((number, row) for number, row in lines if row), rows)):
        numbers, cells = zip(*part, strict=True)
        broken = [""] * len(part)
        if any(len(row) != width for row in cells):
            broken = ["wrong number of cells" if len(row) > width else "" for row in cells]
            cells = tuple((row + [""] * width)[:width] for row in cells)
        frame = pd.DataFrame(dict(zip(_distinct(columns), zip(*cells, strict=True), strict=True)), dtype=object)
        frame[LINE] = numbers
        if any(broken):
            frame[BROKEN] = broken
        yield frame


def _distinct(columns: list[str]) -> list[str]:
    """Names made unique, as spreadsheets do: a, a.1, a.2."""
    seen: dict[str, int] = {}
    names = []
    for column in columns:
        count = seen.get(column, 0)
        seen[column] = count + 1
        names.append(f"{column}.{count}" if count else column)
    return names


def _long_separator(text: IO[str], separator: str, reading: Reading, rows: int) -> Iterator[pd.DataFrame]:
    columns, first = reading.columns, 1
    if not columns:
        columns, first = [cell.strip() for cell in text.readline().rstrip("\r\n").split(separator)], 2
    lines = ((number, line.rstrip("\r\n").split(separator)) for number, line in enumerate(text, first) if line.strip())
    yield from _frames(lines, columns, rows)


def _json_lines(name: str, stream: IO[bytes], encoding: str, rows: int) -> Iterator[pd.DataFrame]:
    text = io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape")
    start = text.read(1)
    text.seek(0)
    if start == "[":
        try:
            records: Iterator[tuple[int, object]] = iter(list(enumerate(json.load(text), 1)))
        except ValueError as error:
            raise BadInputError(f"'{name}' is not valid JSON: {error}.") from error
    else:
        records = ((number, line) for number, line in enumerate(text, 1) if line.strip())
    while part := list(islice(records, rows)):
        flat: list[dict[str, object]] = []
        for number, one in part:
            try:
                record = json.loads(one) if isinstance(one, str) else one
            except ValueError:
                record = None
            row: dict[str, object] = (
                _flatten(record) if isinstance(record, dict) else {BROKEN: "not valid JSON", "text": str(one)[:200]}
            )
            row[LINE] = number
            flat.append(row)
        yield pd.DataFrame(flat).fillna("")


def _flatten(record: dict[str, object], prefix: str = "") -> dict[str, object]:
    """Nested objects become `outer.inner`; lists stay JSON text; null is ""."""
    row: dict[str, object] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            row.update(_flatten(value, f"{prefix}{key}."))
        elif isinstance(value, list):
            row[prefix + key] = json.dumps(value, ensure_ascii=False) if value else ""
        else:
            row[prefix + key] = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return row


def _parquet(raw: IO[bytes], rows: int) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet as pq

    line = 1
    for batch in pq.ParquetFile(raw).iter_batches(batch_size=rows):
        frame = as_text(batch.to_pandas())
        frame[LINE] = range(line, line + len(frame))
        line += len(frame)
        yield frame


def _excel(name: str, raw: IO[bytes]) -> Iterator[pd.DataFrame]:
    try:
        frame = pd.read_excel(raw, dtype=object)
    except (ValueError, KeyError) as error:
        raise BadInputError(f"'{name}' is not a table that Excel would read: {error}.") from error
    frame = as_text(frame)
    frame[LINE] = range(2, len(frame) + 2)
    yield frame


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Every column as text: missing is "", whole floats lose ".0", times are ISO, lists are JSON."""
    columns = {str(name): _column_text(frame[name]) for name in frame.columns}
    return pd.DataFrame(columns, dtype=object)


def _column_text(column: "pd.Series[str]") -> list[str]:
    return [_cell(value) for value in column]


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        if value != value:
            return ""
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if hasattr(value, "tolist") and not isinstance(value, str):
        value = value.tolist()
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
