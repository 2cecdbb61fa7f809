"""`limner init`: look at tables and propose a mapping file for a person to check."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from agent.errors import BadInputError
from agent.ingest.mapping import ALIASES, FIELDS, Reading, TableName, plain_name
from agent.ingest.read import LINE, read_table
from agent.ingest.times import parse_times

_SAMPLE_ROWS = 2000


@dataclass(frozen=True)
class _Look:
    file: str
    frame: pd.DataFrame
    headless: bool
    separator: str


def propose_mapping(files: Sequence[str]) -> str:
    """YAML with a comment on each choice: which file is which table, which column is which field."""
    looks = [_look(file) for file in files]
    lines = ["# Proposed by looking at the files: check every line, then run"]
    used: dict[TableName, _Look] = {}
    for look in looks:
        table = _table_of(look)
        if table not in used:
            used[table] = look
    options = " ".join(f"--{table} {look.file}" for table, look in used.items())
    lines.append(f"#   limner ingest {options} --mapping THIS_FILE")
    read: list[str] = []
    for table, look in used.items():
        lines += ["", f"# {look.file}: {len(look.frame.columns) - 1} columns"]
        chosen = _choose(table, look)
        lines.append(f"{table}:" if chosen else f"{table}: {{}}")
        taken = set()
        for field, column, why in chosen:
            lines.append(f"  {field}: {_quoted(column)}  # {why}")
            taken.add(column)
        rest = [str(c) for c in look.frame.columns if c != LINE and c not in taken]
        if rest:
            kind = "context of each event" if table == "events" else "attributes"
            lines.append(f"  # not named, so {kind}: {', '.join(rest)}")
        if look.headless:
            names = ", ".join(_quoted(str(c)) for c in look.frame.columns if c != LINE)
            separator = f"separator: {_quoted(look.separator)}, " if look.separator else ""
            read.append(f"  {table}: {{{separator}columns: [{names}]}}  # the file has no header")
    if read:
        lines += ["", "read:", *read]
    ratings = [
        pd.to_numeric(used["events"].frame[column], errors="coerce").dropna()
        for field, column, _ in (_choose("events", used["events"]) if "events" in used else [])
        if field == "rating"
    ]
    if ratings and len(ratings[0]):
        lines += [
            "",
            f"# scale: [{ratings[0].min():g}, {ratings[0].max():g}]  # as seen; declare it if it is right",
        ]
    return "\n".join(lines) + "\n"


def _look(file: str) -> _Look:
    chunk = next(iter(read_table(file, Reading(), _SAMPLE_ROWS)), None)
    if chunk is None:
        raise BadInputError(f"'{file}' holds no rows.")
    columns = [str(c) for c in chunk.frame.columns if c != LINE]
    # A header of numbers, or of cells that the column itself repeats, is a row of data.
    headless = sum(bool(re.fullmatch(r"-?\d+(\.\d+)?(\.1)?", c.strip())) for c in columns) >= max(1, len(columns) // 3)
    if not headless:
        return _Look(file, chunk.frame, False, "")
    separator = "::" if "::" in _first_line(file) else ""
    names = [f"column{i}" for i in range(1, len(columns) + 1)]
    again = next(iter(read_table(file, Reading(columns=names, separator=separator), _SAMPLE_ROWS)))
    return _Look(file, again.frame, True, separator)


def _first_line(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123
            return stream.readline()
    except OSError:
        return ""


def _table_of(look: _Look) -> TableName:
    names = {re.sub(r"[\s\-]+", "_", plain_name(str(c)).lower()) for c in look.frame.columns}
    has = {field for field, aliases in ALIASES.items() if names & set(aliases)}
    if look.headless:
        guesses = {field for field, _, _ in _guess_headless(look)}
        return "items" if "title" in guesses else "events"
    if "user_id" in has and ({"item_id", "timestamp", "rating", "type"} & has):
        return "events"
    if "user_id" in has and "title" not in has:
        return "users"
    return "items" if "item_id" in has or "title" in has else "events"


def _choose(table: TableName, look: _Look) -> list[tuple[str, str, str]]:
    """(field, column, why) for each field found."""
    if look.headless:
        return _guess_headless(look)
    by_name = {re.sub(r"[\s\-]+", "_", plain_name(str(c)).lower()): str(c) for c in look.frame.columns if c != LINE}
    chosen: list[tuple[str, str, str]] = []
    taken: set[str] = set()
    for field in FIELDS[table]:
        found = next((by_name[a] for a in ALIASES[field] if a in by_name and by_name[a] not in taken), None)
        if found is not None:
            taken.add(found)
            chosen.append((field, found, f"e.g. {_example(look.frame[found])}"))
    names = {field for field, _, _ in chosen}
    if table == "events":
        for field, guess in (
            ("user_id", r"user|customer|client|member|reviewer"),
            ("item_id", r"item|product|id$|code$"),
        ):
            if field not in names:
                other = next((c for n, c in by_name.items() if c not in taken and re.search(guess, n)), None)
                if other:
                    taken.add(other)
                    chosen.append((field, other, f"by its name, please check; e.g. {_example(look.frame[other])}"))
    return chosen


def _guess_headless(look: _Look) -> list[tuple[str, str, str]]:
    """By what the cells hold: times, small ranges of numbers, words."""
    chosen: list[tuple[str, str, str]] = []
    columns = [str(c) for c in look.frame.columns if c != LINE]
    words = [c for c in columns if look.frame[c].str.contains(r"[^\W\d_]{3}", regex=True).mean() > 0.5]
    if words:
        chosen.append(("item_id", columns[0], f"first column; e.g. {_example(look.frame[columns[0]])}"))
        for field, column in zip(("title", "categories"), [c for c in words if c != columns[0]], strict=False):
            chosen.append((field, column, f"words; e.g. {_example(look.frame[column])}"))
        return chosen
    for field, column in zip(("user_id", "item_id"), columns, strict=False):
        chosen.append((field, column, f"by its place; e.g. {_example(look.frame[column])}"))
    for column in columns[2:]:
        number = pd.to_numeric(look.frame[column], errors="coerce")
        _, bad = parse_times(look.frame[column].str.strip().to_list())
        if not bad.any() and number.min() > 1e8 and "timestamp" not in {f for f, _, _ in chosen}:
            chosen.append(("timestamp", column, f"looks like epoch times; e.g. {_example(look.frame[column])}"))
        elif number.notna().all() and number.nunique() <= 101 and "rating" not in {f for f, _, _ in chosen}:
            chosen.append(("rating", column, f"from {number.min():g} to {number.max():g}"))
    return chosen


def _example(column: "pd.Series[str]") -> str:
    cell = next((str(one) for one in column if str(one).strip()), "(empty)")
    return " ".join(cell.split())[:40]


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z_][\w.]*", text) else "'" + text.replace("'", "''") + "'"
