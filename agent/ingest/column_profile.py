"""Profiles of a table's columns from its first rows, for `init` and `ingest`."""

import html
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME
from limner.ingest.clean import number_text, numbers_of
from limner.ingest.missing import something
from limner.ingest.read import META
from limner.ingest.times import day_comes_first, is_clock, parse_times

LOOK = 5000
"""Rows that are looked at."""
ColumnType = Literal["empty", "number", "time", "clock", "list", "word", "text"]

_MARKS = (
    ("|", 0.05),
    (";", 0.05),
    (" > ", 0.3),
    (">", 0.3),
    (" / ", 0.3),
    ("/", 0.3),
    ("、", 0.3),
    ("，", 0.3),
    (", ", 0.3),
    (",", 0.3),
)
"""What separates the parts of lists, and the share of cells that must have it."""
_SURE = ("|", ";")
"""Marks that stand in few texts but lists."""
_MOVING = (",", "、", "，")
_NO_WORD = re.compile(r"[\d\s.:-]*")
_REPEATED_SHARE = 0.5
"""Share of parts, and of first parts, that come again in other cells of a column of lists."""
_LONGEST_PART = 40
_TEXT_LENGTH = 60
"""Mean length, in characters, from which words are text."""
_EARLY, _LATE = 315_532_800_000, 4_102_444_800_000
"""1980 to 2100 in epoch milliseconds: what a column of times holds."""
_AHEAD = 366 * 86_400
"""Seconds from now after which a number is no time of anything done, but an id."""
_PERSON = re.compile(r"name|author|artist|director|actor|writer|composer|creator|editor|person")
_SHAPES = ((re.compile(r"[^\W\d_]+"), "a"), (re.compile(r"\d+"), "9"), (re.compile(r"\s+"), " "))


_REPEATING = 0.8
"""Share of different cells up to which a column holds what comes again."""
_MONEY = re.compile(r"-?[€$£¥₩]\s*-?\d[\d.,\s]*|-?\d[\d.,\s]*(?:[€$£¥₩]|EUR|USD|GBP|JPY|CHF)")
_MOSTLY_MONEY = 0.8


@dataclass(frozen=True)
class ColumnProfile:
    """A column as its first rows show it."""

    name: str
    type: ColumnType
    span: tuple[float, float] | None
    """Lowest and highest number; None where no cell is one."""
    numeric: float
    """Share of the filled cells that are numbers."""
    filled: float
    """Share of the cells that hold something."""
    distinct: int
    """Number of different cells, empty ones left out."""
    unique: bool
    """True if no cell is empty and none repeats."""
    shape: str
    """The commonest form of a cell: letters as "a", digits as "9", runs of them shortened."""
    separator: str
    """What separates the parts of a list; "" where the column is none of lists."""
    sentinel: float | None
    """The number that stands for "seen, not rated" in a rating column: -1, or a 0 apart from the
    ratings. None where there is none.
    """
    cells: tuple[str, ...] = field(repr=False)
    """The cells that hold something, in order."""

    @property
    def is_key(self) -> bool:
        """Whether the cells can be ids: one word or whole number each."""
        return self.type in ("number", "word") and not {" ", "."} & set(self.shape)

    @property
    def repeats(self) -> bool:
        """Whether enough cells come again for them to be of users, each with several rows."""
        return self.distinct <= _REPEATING * len(self.cells)

    @property
    def is_money(self) -> bool:
        """Whether the cells are amounts with the sign of a currency."""
        money = sum(bool(_MONEY.fullmatch(cell.strip())) for cell in self.cells)
        return bool(self.cells) and money > _MOSTLY_MONEY * len(self.cells)

    @property
    def sentinel_cell(self) -> str:
        """The sentinel as the cells write it; "" where there is none."""
        matching = (cell for cell in self.cells if numbers_of([cell])[0] == self.sentinel)
        return next(matching, "") if self.sentinel is not None else ""

    def overlap(self, ids: AbstractSet[str]) -> float:
        """Share of the different cells that are among another table's ids; in [0, 1]."""
        values = set(self.cells)
        return len(values & ids) / len(values) if values else 0.0


class TableProfile:
    """A table's first rows, and the profile of each column, made when first asked for."""

    def __init__(self, frame: pd.DataFrame, rows: int = LOOK) -> None:
        self._frame, self._rows = frame, rows
        self._profiles: dict[str, ColumnProfile] = {}
        self._ids: dict[str, frozenset[str]] = {}
        self.columns = [str(column) for column in frame.columns if column not in META]

    def __getitem__(self, name: str) -> ColumnProfile:
        if name not in self._profiles:
            self._profiles[name] = profile_column(name, self._frame[name][: self._rows])
        return self._profiles[name]

    def cells(self, name: str) -> list[str]:
        """The different filled cells of the profiled rows."""
        return list(filter(None, map(something, dict.fromkeys(self._frame[name][: self._rows]))))

    def grouped(self, name: str, key: str) -> list[list[str]]:
        """The different filled cells of a column for each value of a key; of each row where `key`
        is "". Of the profiled rows.
        """
        column = self._frame[name][: self._rows].map(something)
        if not key or key == name:
            return [[cell] if cell else [] for cell in column]
        groups: dict[str, dict[str, None]] = {}
        for one, cell in zip(self._frame[key][: self._rows], column, strict=True):
            groups.setdefault(one, {}).update({cell: None} if cell else {})
        return [list(group) for group in groups.values()]

    def all_cells(self, name: str) -> list[str]:
        """The cell of every row, not only of the profiled ones; "" where it is empty."""
        return [something(cell) for cell in self._frame[name]]

    def ids(self, name: str) -> frozenset[str]:
        """The different cells of all rows."""
        if name not in self._ids:
            self._ids[name] = frozenset(filter(None, map(something, set(self._frame[name]))))
        return self._ids[name]

    def is_unique(self, name: str) -> bool:
        """Whether no cell of all rows is empty and none repeats."""
        return len(self.ids(name)) == len(self._frame)

    def __len__(self) -> int:
        """Number of all rows."""
        return len(self._frame)

    def values_per(self, key: str, name: str) -> int:
        """The most different cells that one key has in another column."""
        return int(self._frame.groupby(key)[name].nunique().max())


def profile_column(name: str, column: "Sequence[str] | pd.Series[str]") -> ColumnProfile:
    """Look at the cells of a column, each different one once."""
    cells = [cell for raw in column if (cell := something(raw))]
    counts = Counter(cells)
    numbers = numbers_of([number_text(cell) for cell in counts])
    finite = np.isfinite(numbers)
    repeats = np.array(list(counts.values()), dtype=np.float64)
    numeric = float(repeats[finite].sum() / max(repeats.sum(), 1.0))
    separator = list_separator(list(counts), name)
    return ColumnProfile(
        name=name,
        type=_type_of(cells, numeric, separator),
        span=(float(numbers[finite].min()), float(numbers[finite].max())) if numeric else None,
        numeric=numeric,
        filled=len(cells) / max(len(column), 1),
        distinct=len(counts),
        unique=len(counts) == len(column),
        shape=Counter(_shape(cell) for cell in list(counts)[:500]).most_common(1)[0][0]
        if counts
        else "",
        separator=separator,
        sentinel=_sentinel(numbers[finite], repeats[finite]),
        cells=tuple(cells),
    )


def _type_of(cells: list[str], numeric: float, separator: str) -> ColumnType:
    if not cells:
        return "empty"
    if is_clock(cells):
        return "clock"
    # A few first: reading every sentence of a column of texts as a time is slow.
    if _are_times(cells[:20]) and _are_times(cells):
        return "time"
    if numeric == 1.0:
        return "number"
    if separator or sum(cell.startswith("[") for cell in cells) > len(cells) / 2:
        return "list"
    return "text" if sum(map(len, cells)) > _TEXT_LENGTH * len(cells) else "word"


def _are_times(cells: list[str]) -> bool:
    times, bad = parse_times(cells, day_first=bool(day_comes_first(cells)))
    good = times[times != NO_TIME]
    if all(cell.isdigit() for cell in cells) and good.max(initial=0) > (time.time() + _AHEAD) * 1e3:
        return False
    return not bad.any() and bool((good > _EARLY).all()) and bool((good < _LATE).all())


def _shape(cell: str) -> str:
    for pattern, mark in _SHAPES:
        cell = pattern.sub(mark, cell[:80])
    return cell


def list_separator(cells: Sequence[str], name: str = "") -> str:
    """What separates the parts of lists in a column's different cells; "" where it holds none, or
    lists that JSON or Python wrote.

    The first mark that enough cells have, and whose parts are short and come again in other cells.
    A comma in what is named after people ("Archer, Ann") is none unless their number differs.
    """
    if not cells or sum(cell.startswith("[") for cell in cells) > len(cells) / 2:
        return ""
    # An entity ends in a semicolon.
    cells = [html.unescape(cell) if "&" in cell else cell for cell in cells]
    mark = next((mark for mark, share in _MARKS if _are_lists(cells, mark, share)), "")
    if mark.strip() == "," and _PERSON.search(name.lower()):
        return mark if any(cell.count(",") > 1 for cell in cells) else ""
    return mark


def _are_lists(cells: Sequence[str], mark: str, share: float) -> bool:
    if sum(mark in cell for cell in cells) <= share * len(cells):
        return False
    rows = [[part.strip() for part in cell.split(mark)] for cell in cells]
    lists = [parts for parts in rows if len(parts) > 1]
    counts = Counter(chain.from_iterable(map(set, rows)))
    if sum(map(len, counts.elements())) > _LONGEST_PART * counts.total():
        return False
    if mark in _SURE:
        return len(lists) > len(cells) / 3 or _repeated(chain.from_iterable(lists), counts)
    if len(lists) < 2 or any(_NO_WORD.fullmatch(part) for part in counts):
        return False
    firsts = [parts[0] for parts in lists]
    if mark.strip() in _MOVING and len(lists) > len(cells) / 2 and _move(rows):
        return True
    return _repeated(firsts, counts) and _repeated(chain.from_iterable(lists), counts)


def _move(rows: Sequence[Sequence[str]]) -> bool:
    """Whether lists show themselves in a few cells: they are of several lengths, and a part that
    comes first in one comes later in another. Parts of a name or an address have their place.
    """
    firsts = {parts[0] for parts in rows}
    later = {part for parts in rows for part in parts[1:]}
    return len({len(parts) for parts in rows}) > 1 and bool(firsts & later)


def _repeated(parts: Iterable[str], counts: Counter[str]) -> bool:
    again = [counts[part] > 1 for part in parts]
    return sum(again) >= _REPEATED_SHARE * len(again)


def _sentinel(numbers: NDArray[np.float64], repeats: NDArray[np.float64]) -> float | None:
    """The lowest number if it is -1, or a frequent 0, and all other numbers are whole and positive.
    None otherwise.
    """
    if len(numbers) < 3:
        return None
    low, others = float(numbers.min()), np.delete(numbers, numbers.argmin())
    if others.min() < 1 or (others != np.floor(others)).any():
        return None
    share = float(repeats[numbers.argmin()] / repeats.sum())
    return low if low == -1 or (low == 0 and share >= 0.2) else None
