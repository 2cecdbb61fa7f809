"""Reading any table as chunks of text columns, with the line number of each row. Cells are not
interpreted here.
"""

import codecs
import csv
import errno
import gzip
import io
import json
import lzma
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO

import pandas as pd
from charset_normalizer import from_bytes

from limner.core.errors import BadInputError, StoreFullError
from limner.core.messages import Message, message
from limner.ingest.literals import python_literal
from limner.ingest.mapping import ROW, FileFormat
from limner.ingest.quoted_rows import QuotedRows, newlines
from limner.ingest.unpacking import bounded, unpacked

LINE = "__line__"
"""Column that holds the 1-based line (or record) number."""
BROKEN = "__broken__"
"""Column that holds a line which did not parse at all."""
RAW = "__raw__"
"""Column that holds the start of such a line."""
META = frozenset({LINE, BROKEN, RAW, ROW})
_CANDIDATES = ("\t", "::", "|", ";", ",")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2")
_JSON_LINES = (".jsonl", ".ndjson", ".json")
_NO_TABLES = (".md", ".pdf", ".html", ".png", ".jpg", ".log")
"""Endings of files that are skipped in a folder or archive, as README and LICENSE are."""
_SAMPLE = 64 * 1024
_DETECTED = 8 * 1024
"""Bytes whose encoding is guessed."""
_CELLS = 4_000_000
"""Cells in one chunk at most: a table of thousands of columns is read in fewer rows at a time."""
_LONGEST_CELL = 4 << 20
_CHUNK_BYTES = 32 << 20
"""About as much text in one chunk at most, by the length of the first lines."""


@dataclass(frozen=True)
class TableChunk:
    frame: pd.DataFrame
    """Text columns and LINE; missing cells are ""."""
    file: str
    first: bool
    """The first chunk of its file."""
    notes: tuple[Message, ...] = ()
    """What a person should know of how the file was read, in the first chunk that shows it."""


def read_table(place: str, reading: FileFormat, rows: int) -> Iterator[TableChunk]:
    """Chunks of at most `rows` rows of a file, folder, glob or archive.

    Raises BadInputError for what is missing, empty, binary or has broken rows beyond repair.
    """
    for file in _files_at(place):
        if not file.exists():
            raise BadInputError("table.no_file", file=file)
        try:
            yield from _read_file(file, reading, rows)
        except _BAD_ARCHIVE as error:
            raise BadInputError("table.bad_archive", file=file, error=error) from error
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise StoreFullError("table.no_space") from error
            raise BadInputError(
                "table.unreadable", file=file, error=error.strerror or error
            ) from error


_BAD_ARCHIVE = (gzip.BadGzipFile, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)


def _files_at(place: str) -> list[Path]:
    """The files of a glob or folder, by name, or the file itself. Raises BadInputError for none."""
    path = Path(place)
    if any(mark in place for mark in "*?[") and not path.exists():
        pattern = str(path.relative_to(path.anchor) if path.anchor else path)
        files = sorted(Path(path.anchor or ".").glob(pattern))
    elif path.is_dir():
        files = sorted(one for one in path.iterdir() if one.is_file() and _may_be_table(one.name))
    else:
        return [path]
    if not files:
        raise BadInputError("table.none_at", path=place)
    return files


def _read_file(file: Path, reading: FileFormat, rows: int) -> Iterator[TableChunk]:
    if file.name.lower().endswith(_ARCHIVES):
        yield from _read_archive(file, reading, rows)
    elif zipfile.is_zipfile(file) and not _is_workbook(file):
        yield from _read_zip(file, reading, rows)
    else:
        with file.open("rb") as stream:
            yield from _read_stream(file.name, stream, reading, rows)


def _may_be_table(name: str) -> bool:
    last = name.rsplit("/", 1)[-1].lower()
    return not last.startswith((".", "readme", "license", "licence")) and not last.endswith(
        _NO_TABLES
    )


def _read_archive(file: Path, reading: FileFormat, rows: int) -> Iterator[TableChunk]:
    try:
        with tempfile.TemporaryFile() as plain:
            # Unpacked to disk once: members are read in order of name, and going back in a
            # compressed stream is slow.
            with file.open("rb") as raw, unpacked(raw, file.name) as packed:
                shutil.copyfileobj(packed, plain, 1 << 20)
            plain.seek(0)
            with tarfile.open(fileobj=plain) as archive:
                members = (
                    m
                    for m in archive.getmembers()
                    if m.isfile() and m.size and _may_be_table(m.name)
                )
                for member in sorted(members, key=lambda m: m.name):
                    if (stream := archive.extractfile(member)) is not None:
                        yield from _read_stream(member.name, stream, reading, rows)
    except tarfile.TarError as error:
        raise BadInputError("table.bad_archive", file=file, error=error) from error


def _is_workbook(file: Path) -> bool:
    with zipfile.ZipFile(file) as packed:
        return "[Content_Types].xml" in packed.namelist()


def _read_zip(file: Path, reading: FileFormat, rows: int) -> Iterator[TableChunk]:
    with zipfile.ZipFile(file) as packed:
        members = [
            m
            for m in packed.infolist()
            if not m.is_dir() and m.file_size and _may_be_table(m.filename)
        ]
        for member in sorted(members, key=lambda m: m.filename):
            with packed.open(member) as opened:
                stream = bounded(opened, member.compress_size, member.filename)
                yield from _read_stream(member.filename, stream, reading, rows)


def _read_stream(name: str, raw: IO[bytes], reading: FileFormat, rows: int) -> Iterator[TableChunk]:
    head = raw.read(6)
    raw.seek(0)
    notes: list[Message] = []
    if head[:4] == b"PAR1":
        frames = _parquet(name, raw, rows)
    elif head[:4] == b"PK\x03\x04":
        frames = _excel(name, raw, notes)
    else:
        stream = unpacked(raw, name)
        sample = stream.read(_SAMPLE)
        stream.seek(0)
        if not sample.strip():
            raise BadInputError("table.empty", file=name)
        rows = max(1, min(rows, _CHUNK_BYTES * max(sample.count(b"\n"), 1) // len(sample)))
        encoding = reading.encoding or _encoding(name, sample, stream)
        if encoding != "utf-8-sig" and not reading.encoding:
            known_as = (
                f"{encoding} ({_USUAL_NAMES[encoding]})" if encoding in _USUAL_NAMES else encoding
            )
            notes.append(message("ingest.other_encoding", file=name, encoding=known_as))
        _check_encoding(encoding)
        text = sample.decode(encoding, errors="replace").lstrip("\ufeff")
        if _plain_name(name).endswith(_JSON_LINES) or text.lstrip().startswith("{"):
            frames = _json_lines(name, stream, encoding, rows, notes)
        else:
            frames = _delimited(name, stream, encoding, text, reading, rows, notes)
    first = True
    for frame in frames:
        yield TableChunk(frame, name, first, tuple(notes))
        first = False
        notes.clear()


def _plain_name(name: str) -> str:
    """A file's name in lower case, without the ending of a compression."""
    return name.lower().removesuffix(".gz").removesuffix(".xz").removesuffix(".bz2")


def _binary(name: str) -> BadInputError:
    return BadInputError("table.binary", file=name)


_OTHER_SCRIPTS = (
    "gb18030",
    "big5",
    "cp932",
    "euc_jp",
    "cp949",
    "cp1251",
    "koi8_r",
    "cp1253",
    "cp1255",
    "cp1256",
)
"""Encodings of scripts other than Latin that tables are met in."""
_USUAL_NAMES = {"gb18030": "GBK", "cp932": "Shift-JIS", "cp949": "EUC-KR"}
"""What people call an encoding whose superset is used to read it."""
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
_UTF16_SHARE = 0.4
"""Share of NUL among every second byte from which a text without a mark is UTF-16."""
_SURROGATE_BYTES = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")


def _check_encoding(name: str) -> None:
    try:
        codecs.lookup(name)
    except LookupError as error:
        raise BadInputError("table.unknown_encoding", encoding=name) from error


def _encoding(name: str, sample: bytes, stream: IO[bytes]) -> str:
    """UTF-8 unless most of what is not ASCII does not decode; a stray broken byte does not change
    it.
    """
    if sample[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if sample[:4096].count(b"\x00") > 16:
        return _utf16(name, sample[:4096])
    block = _first_foreign(sample, stream)
    if block.isascii():
        _refuse_binary(name, sample)
        return "utf-8-sig"
    # Whole lines only: a letter must not be cut in two.
    lines = block
    if block is not sample:
        lines = block[block.find(b"\n") + 1 : block.rfind(b"\n") + 1]
    if len(block) >= _SAMPLE:
        lines = lines[: lines.rfind(b"\n") + 1] or lines[:-4]
    if _is_mostly_utf8(lines):
        return "utf-8-sig"
    _refuse_binary(name, lines)
    return _legacy_encoding(lines)


def _first_foreign(sample: bytes, stream: IO[bytes]) -> bytes:
    """The first block of a file that is not ASCII, which may come late; its last block where all
    are ASCII.
    """
    block = sample
    if sample.isascii() and len(sample) == _SAMPLE:
        stream.seek(len(sample))
        while block.isascii() and (more := stream.read(1 << 20)):
            block = more
        stream.seek(0)
    return block


def _is_mostly_utf8(text: bytes) -> bool:
    decoded = text.decode("utf-8", errors="surrogateescape")
    broken = len(_ESCAPED.findall(decoded)) - 3 * len(_SURROGATE_BYTES.findall(text))
    good = sum(len(run) for run in _LETTERS.findall(decoded))
    return broken <= good or not broken


def _refuse_binary(name: str, text: bytes) -> None:
    """Raises BadInputError for a text with many control bytes."""
    if _strange(text) > len(text) * 0.05:
        raise _binary(name)


def _legacy_encoding(text: bytes) -> str:
    """The encoding of a text that is not UTF-8. Accented Latin letters stand alone among ASCII;
    other scripts come in runs, and charset-normalizer decides between them.
    """
    runs = [len(run) for run in _HIGH_BYTES.findall(text)]
    if sum(length for length in runs if length > 2) > sum(runs) / 2:
        lines = (
            text[:_DETECTED] if len(text) <= _DETECTED else text[: text.rfind(b"\n", 0, _DETECTED)]
        )
        best = from_bytes(lines, cp_isolation=list(_OTHER_SCRIPTS)).best()
        if best is not None:
            return best.encoding
    try:
        text.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252" if len(text.translate(None, _C1_BYTES)) < len(text) else "latin-1"


def _utf16(name: str, sample: bytes) -> str:
    """UTF-16 without a byte order mark, by the half of its bytes that is NUL. Raises BadInputError
    for other files with NULs, and where what it says has letters that no text has.
    """
    high, low = (sample[at::2].count(b"\x00") / len(sample) * 2 for at in (0, 1))
    if max(high, low) < _UTF16_SHARE or min(high, low) > 0.01:
        raise _binary(name)
    encoding = "utf-16-le" if low > high else "utf-16-be"
    text = sample.decode(encoding, errors="replace").encode("utf-8", errors="replace")
    _refuse_binary(name, text)
    return encoding


_ESCAPED = re.compile("[\udc80-\udcff]")
_LETTERS = re.compile("[\u0080-\ud7ff\ue000-\U0010ffff]+")


def _strange(text: bytes) -> int:
    """Control bytes that no text has; a NUL is counted apart, for a row with one is only a bad
    row.
    """
    return len(text) - len(text.translate(None, _CONTROL_BYTES))


_CONTROL_BYTES = bytes([*range(1, 9), *range(14, 32)])
_C1_BYTES = bytes(range(0x80, 0xA0))


def opening(file: str) -> str:
    """The first lines of a plain or compressed text file; "" where it is something else."""
    path = Path(file)
    if not path.is_file() or file.lower().endswith(_ARCHIVES) or zipfile.is_zipfile(path):
        return ""
    with path.open("rb") as raw, unpacked(raw, path.name) as stream:
        sample = stream.read(_SAMPLE)
        if sample[:4] == b"PAR1" or not sample:
            return ""
        stream.seek(0)
        return sample.decode(_encoding(path.name, sample, stream), errors="replace").lstrip(
            "\ufeff"
        )


def guess_separator(text: str) -> str:
    """The candidate that splits the first lines into the most equal number of cells, at least two;
    "," if none does.
    """
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    if len(lines) > 1 and len(text) >= _SAMPLE // 2:
        lines = lines[:-1]
    scores = {candidate: _evenness(lines, candidate) for candidate in _CANDIDATES}
    best = max(scores, key=lambda candidate: scores[candidate])
    return best if scores[best] else ","


def _evenness(lines: list[str], separator: str) -> float:
    """Score of a separator: ten times the share of lines with as many cells as the first, and more
    for many cells. 0 for a single cell, or a share below 0.6.
    """
    if len(separator) == 1:
        cells = [len(row) for row in csv.reader(lines, delimiter=separator)]
    else:
        cells = [line.count(separator) + 1 for line in lines]
    if not cells or cells[0] < 2:
        return 0.0
    share = sum(count == cells[0] for count in cells) / len(cells)
    return share * 10 + min(cells[0], 9) * 0.1 if share >= 0.6 else 0.0


def _delimited(
    name: str,
    stream: IO[bytes],
    encoding: str,
    sample: str,
    reading: FileFormat,
    rows: int,
    notes: list[Message],
) -> Iterator[pd.DataFrame]:
    separator = reading.separator or guess_separator(sample)
    text = io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
    if len(separator) > 1:
        yield from _long_separator(text, separator, reading, rows)
        return
    plain = separator == "\t" or not reading.quoting
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    quoted = QuotedRows(name, text, separator, notes, plain=plain)
    try:
        columns = reading.columns or [cell.strip() for cell in quoted.header()]
        width = len(columns)
        yield from _frames(
            lambda rows: quoted.take(rows, width), columns, rows, quoted.line + 1, separator
        )
    except csv.Error as error:
        raise BadInputError(
            "table.wrong_separator",
            file=name,
            separator=repr(separator),
            error=error,
            line=quoted.line,
        ) from error


def _frames(
    take: Callable[[int], list[list[str]]], columns: list[str], rows: int, line: int, separator: str
) -> Iterator[pd.DataFrame]:
    """Rows as frames, from 1-based line `line` on. `take` gives at most so many of the next rows.

    A short row is padded, one with too many cells is marked broken, blank lines are passed over. A
    row that swallowed whole lines, because a quote did not close, is cut into its lines again.
    """
    width = len(columns)
    names = _distinct(columns)
    rows = max(1, min(rows, _CELLS // max(width, 1)))
    while part := take(rows):
        widths = set(map(len, part))
        if widths == {width} and not _has_newline(part):
            numbers: Sequence[int] = range(line, line + len(part))
            line += len(part)
            broken = None
        else:
            part, numbers, broken, line = _uneven(part, width, line, separator)
            if not part:
                continue
        frame = pd.DataFrame(dict(zip(names, zip(*part, strict=True), strict=True)), dtype=object)
        frame[LINE] = numbers
        if broken is not None:
            frame[BROKEN] = broken
        yield frame


def _has_newline(part: list[list[str]]) -> bool:
    text = "".join(chain.from_iterable(part))
    return "\n" in text or "\r" in text


def _uneven(
    part: list[list[str]], width: int, line: int, separator: str
) -> tuple[list[list[str]], list[int], list[str] | None, int]:
    """(rows of `width` cells, their line numbers, what is wrong with each or None, the line
    after).
    """
    out: list[list[str]] = []
    numbers: list[int] = []
    broken: list[str] = []
    for row in part:
        text = separator.join(row)
        inner = newlines(row)
        swallowed = inner and len(row) != width
        cut = [one.split(separator) for one in text.splitlines()] if swallowed else [row]
        for number, cells in enumerate(cut, line):
            if not cells or (swallowed and cells == [""]):
                continue
            out.append((cells + [""] * (width - len(cells)))[:width])
            numbers.append(number)
            broken.append("wrong number of cells" if len(cells) > width else "")
        line += 1 + inner
    return out, numbers, broken if any(broken) else None, line


_UNPRINTABLE = re.compile("[\x00\ud800-\udfff]")


def _distinct(columns: list[str]) -> list[str]:
    """Names made unique, as spreadsheets do: a, a.1, a.2."""
    seen: dict[str, int] = {}
    names = []
    for column in columns:
        column = _UNPRINTABLE.sub("\ufffd", column)
        count = seen.get(column, 0)
        seen[column] = count + 1
        names.append(f"{column}.{count}" if count else column)
    return names


def _long_separator(
    text: IO[str], separator: str, reading: FileFormat, rows: int
) -> Iterator[pd.DataFrame]:
    columns, first = reading.columns, 1
    if not columns:
        columns, first = (
            [cell.strip() for cell in text.readline().rstrip("\r\n").split(separator)],
            2,
        )
    # A blank line is a row without cells, as csv has it.
    lines = (row.split(separator) if (row := line.rstrip("\r\n")) else [] for line in text)
    yield from _frames(lambda rows: list(islice(lines, rows)), columns, rows, first, separator)


def _json_lines(
    name: str, stream: IO[bytes], encoding: str, rows: int, notes: list[Message]
) -> Iterator[pd.DataFrame]:
    text = io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape")
    read = _JsonRows(name, notes)
    records = read.records(text)
    while part := list(islice(records, rows)):
        flat = [{**read.row(value), LINE: number} for number, value in part]
        keys = list(dict.fromkeys(key for row in flat for key in row))
        columns = {
            name: [row.get(key, "") for row in flat]
            for key, name in zip(keys, _distinct(keys), strict=True)
        }
        yield pd.DataFrame(columns, dtype=object)


_QUOTED_KEY = re.compile(r"[{,]\s*u?'[^']*'\s*:")


class _JsonRows:
    """Rows of a file of JSON, or of what Python printed instead; which is noted once."""

    def __init__(self, name: str, notes: list[Message]) -> None:
        self._name, self._notes = name, notes
        self._noted = False

    def records(self, text: IO[str]) -> Iterator[tuple[int, object]]:
        """(number, value) of the elements of a list, or (line number, text) of filled lines."""
        start = text.read(_SAMPLE).lstrip()
        text.seek(0)
        if not start.startswith("["):
            return ((number, line) for number, line in enumerate(text, 1) if line.strip())
        whole = text.read()
        try:
            values = json.loads(whole)
        except ValueError as error:
            values = self._printed(whole)
            if not isinstance(values, list):
                raise BadInputError("table.bad_json", file=self._name, error=error) from error
        return iter(list(enumerate(values, 1)))

    def row(self, value: object) -> dict[str, object]:
        """A record, or its text, as flat cells; anything else as a broken row."""
        record = value
        if isinstance(value, str):
            try:
                record = json.loads(value)
            except ValueError:
                record = self._printed(value)
        if isinstance(record, dict):
            return flatten({str(key): cell for key, cell in record.items()})
        quoted = isinstance(value, str) and _QUOTED_KEY.search(value)
        fault = "not JSON: single quotes" if quoted else "not valid JSON"
        return {BROKEN: fault, RAW: str(value)[:200]}

    def _printed(self, text: str) -> object:
        """What Python printed; None for other text."""
        if _QUOTED_KEY.search(text[:_SAMPLE]) is None:
            return None
        try:
            value = python_literal(text)
        except ValueError:
            return None
        if not self._noted:
            self._noted = True
            self._notes.append(message("ingest.python_literals", file=self._name))
        return value


def flatten(record: dict[str, object], prefix: str = "") -> dict[str, object]:
    """Nested objects become `outer.inner`; lists stay JSON text; null is ""."""
    row: dict[str, object] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            row.update(flatten(value, f"{prefix}{key}."))
        elif isinstance(value, list | tuple | set):
            listed = json.dumps(list(value), ensure_ascii=False, default=str)
            row[prefix + key] = listed if value else ""
        else:
            row[prefix + key] = (
                ""
                if value is None
                else value
                if isinstance(value, str)
                else json.dumps(value, default=str)
            )
    return row


def _parquet(name: str, raw: IO[bytes], rows: int) -> Iterator[pd.DataFrame]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    line = 1
    try:
        file = pq.ParquetFile(raw)
        for batch in file.iter_batches(
            batch_size=max(1, min(rows, _CELLS // max(len(file.schema_arrow), 1)))
        ):
            # Whole numbers with gaps stay whole: as floats, long ids would lose digits.
            frame = as_text(batch.to_pandas(integer_object_nulls=True))
            frame[LINE] = range(line, line + len(frame))
            line += len(frame)
            yield frame
    except pa.ArrowException as error:
        raise BadInputError(
            "table.bad_parquet", file=name, error=str(error).splitlines()[0]
        ) from error


def _excel(name: str, raw: IO[bytes], notes: list[Message]) -> Iterator[pd.DataFrame]:
    try:
        with pd.ExcelFile(raw) as book:
            sheets = [str(sheet) for sheet in book.sheet_names]
            frame = pd.read_excel(book, sheet_name=0, dtype=object)
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BadInputError("table.bad_excel", file=name, error=error) from error
    if len(sheets) > 1:
        notes.append(message("ingest.first_sheet", file=name, n=len(sheets), sheet=sheets[0]))
    frame = as_text(frame)
    frame[LINE] = range(2, len(frame) + 2)
    yield frame


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Every column as text: missing is "", whole floats lose ".0", times are ISO, lists are
    JSON.
    """
    columns = {
        name: [_cell(value) for value in frame.iloc[:, at]] for at, name in enumerate(_names(frame))
    }
    return pd.DataFrame(columns, dtype=object)


def _names(frame: pd.DataFrame) -> list[str]:
    return _distinct([str(name) for name in frame.columns])


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return _float_text(value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="surrogateescape")
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _float_text(value: float) -> str:
    """A float as text: NaN is "", and whole numbers lose ".0" if they are exact."""
    if value != value:
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(float(value))


def estimated_rows(place: str) -> int | None:
    """Estimated number of rows in a plain file, from its size and first lines. None where no
    estimate is possible.
    """
    path = Path(place)
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        sample = stream.read(_SAMPLE)
    lines = sample.count(b"\n")
    packed = sample[:4] in (b"PAR1", b"PK\x03\x04") or sample[:2] in (b"\x1f\x8b", b"\xfd7", b"BZ")
    return (
        None
        if packed or not lines
        else max(1, round(path.stat().st_size / len(sample) * lines) - 1)
    )
