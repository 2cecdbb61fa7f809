"""Reading times: epoch numbers of any unit, ISO, and the formats that tables of the field use."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
from dateutil import parser
from numpy.typing import NDArray
from pandas.tseries.api import guess_datetime_format

from limner.core.interactions import NO_TIME

_SLASHED = re.compile(r"^(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})(?=$|[ T,])")
_YEAR_FIRST = re.compile(r"^\d{4}[./-]\d{1,2}\b")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?")
_ZONE = re.compile(r"(Z|UTC|GMT|[+-]\d{2}:?\d{2})$|[+-]\d{4} \d{4}$", re.IGNORECASE)
_COLUMN_FORMATS = ("ISO8601", "%Y-%m-%d %I:%M %p", "%Y-%m-%d %I:%M:%S %p")
"""Formats that pandas parses a whole column by."""
_DEFAULTS = (datetime(1900, 1, 1), datetime(1904, 2, 1))
"""Two dates from which dateutil completes a text. Where the results differ, the text lacks a year
or month.
"""
_CENTURY_PIVOT = 69
"""Two-digit years from here on are of the 20th century (POSIX strptime)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = (1900, 2100)
_DAY = 86_400_000
SPREADSHEET = "excel"
"""The pattern of day numbers as spreadsheets count them; with "-1904", as old ones of Apple do."""
_FIRST_DAYS = {SPREADSHEET: datetime(1899, 12, 30, tzinfo=UTC)} | {
    f"{SPREADSHEET}-1904": datetime(1904, 1, 1, tzinfo=UTC)
}
"""Day 0 by pattern; 30 December makes up for a 29 February 1900 that spreadsheets count."""
_DAY_NUMBERS = (25_569.0, 60_000.0)
"""1970 to 2064, counted from 1900."""


def parse_times(
    cells: Sequence[str], pattern: str = "", day_first: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """([n] epoch milliseconds UTC or NO_TIME, [n] unparseable).

    Numbers are seconds since 1970, or milliseconds, microseconds or nanoseconds by their size (up
    to 1e11, 1e14, 1e17); 20190704 and 20190704183000 are a day and a second; 2019 is a year where
    all numbers are years. A time without a zone is read as UTC. `pattern` is a strptime format that
    overrides all this, or `excel` or `excel-1904` for day numbers of spreadsheets; `day_first`
    reads 03/04/2011 as 3 April.
    """
    series = pd.Series(list(cells), dtype=object)
    out = np.full(len(series), NO_TIME, dtype=np.int64)
    filled = np.array([bool(cell) for cell in cells], dtype=bool)
    if pattern in _FIRST_DAYS:
        _put_days(out, series, _FIRST_DAYS[pattern])
        return out, filled & (out == NO_TIME)
    if pattern:
        _put(out, filled, series, pattern)
        return out, filled & (out == NO_TIME)
    number = np.array(pd.to_numeric(series, errors="coerce"), dtype=np.float64)
    numeric = np.isfinite(number)
    whole = numeric & (number == np.floor(np.where(numeric, number, 0)))
    for low, high, form in (
        (*_YEARS, "%Y"),
        (19000101, 21001231, "%Y%m%d"),
        (19000101000000, 21001231235959, "%Y%m%d%H%M%S"),
    ):
        compact = whole & (number >= low) & (number <= high)
        if form == "%Y" and (compact != numeric).any():
            continue
        if compact.any():
            _put(
                out,
                compact,
                pd.Series([f"{int(one)}" for one in number[compact]], dtype=object),
                form,
                aligned=True,
            )
            numeric &= ~compact
    size = np.abs(number)
    scale = np.select([size < 1e11, size < 1e14, size < 1e17], [1e3, 1.0, 1e-3], 1e-6)
    with np.errstate(invalid="ignore", over="ignore"):
        milli = np.clip(number * scale, -9e15, 9e15)
    out[numeric] = milli[numeric].astype(np.int64)
    words = filled & ~np.isfinite(number)
    if words.any():
        _words(out, words, series, day_first)
    return out, filled & (out == NO_TIME)


def _put_days(out: NDArray[np.int64], series: "pd.Series[str]", first: datetime) -> None:
    """Read day numbers, counted from day 0, into `out`."""
    number = np.array(pd.to_numeric(series, errors="coerce"), dtype=np.float64)
    numeric = np.isfinite(number) & (np.abs(number) < 1e7)
    start = (first - _EPOCH) // timedelta(milliseconds=1)
    out[numeric] = np.rint(number[numeric] * _DAY).astype(np.int64) + start


def are_day_numbers(cells: Sequence[str]) -> bool:
    """Whether all cells that hold something are numbers in the range of a spreadsheet's days."""
    filled = [cell for cell in cells if cell]
    number = np.array(
        pd.to_numeric(pd.Series(filled, dtype=object), errors="coerce"), dtype=np.float64
    )
    low, high = _DAY_NUMBERS
    return bool(filled) and bool(((number >= low) & (number <= high)).all())


def _words(
    out: NDArray[np.int64], words: NDArray[np.bool_], series: "pd.Series[str]", day_first: bool
) -> None:
    """Parse written times into `out`: by column where one format reads them, else by dateutil."""
    cells = pd.Series([_year_first(cell, day_first) for cell in series], dtype=object)
    for form in _COLUMN_FORMATS:
        if (unread := words & (out == NO_TIME)).any():
            _put(out, unread, cells, form)
    worded = words & (out == NO_TIME)
    # Left out, for dateutil would make 2019-13-01 a valid date by swapping month and day.
    worded[worded] = [_YEAR_FIRST.match(cell) is None for cell in cells[worded]]
    if not worded.any():
        return
    form = guess_datetime_format(cells[worded].iloc[0], dayfirst=day_first) or ""
    if "%Y" in form and "%d" in form:
        _put(out, worded, cells, form)
    for at in np.flatnonzero(worded & (out == NO_TIME)).tolist():
        out[at] = _written(cells[at], day_first)


def _year_first(cell: str, day_first: bool) -> str:
    """A slashed date as ISO writes it, whether it exists or not; UTC as ISO writes it."""
    if cell.endswith((" UTC", " GMT")):
        cell = cell[:-4] + "Z"
    match = _SLASHED.match(cell)
    if match is None:
        return cell
    first, second, year = match.groups()
    day, month = (first, second) if day_first else (second, first)
    if len(year) == 2:
        year = ("19" if int(year) >= _CENTURY_PIVOT else "20") + year
    return f"{year}-{month:0>2}-{day:0>2}{cell[match.end() :].replace(',', '', 1)}"


def _written(cell: str, day_first: bool) -> int:
    """Epoch milliseconds of a time in words; NO_TIME for no time, or without year or month."""
    try:
        time, other = (
            parser.parse(cell, dayfirst=day_first, default=default, tzinfos=_zone)
            for default in _DEFAULTS
        )
        if time != other:
            return int(NO_TIME)
        time = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return int(NO_TIME)
    return (time - _EPOCH) // timedelta(milliseconds=1)


def _zone(name: str | None, seconds: int | None) -> timezone | None:
    """An offset as a zone. Raises ValueError for a name whose offset is not known."""
    if seconds is None:
        if name:
            raise ValueError(f"unknown time zone {name}")
        return None
    return timezone(timedelta(seconds=seconds))


def _put(
    out: NDArray[np.int64],
    mask: NDArray[np.bool_],
    cells: "pd.Series[str]",
    form: str,
    *,
    aligned: bool = False,
) -> None:
    """Parse the masked cells by one format into `out`; what does not parse stays as it was."""
    chosen = cells if aligned else cells[mask]
    parsed = pd.to_datetime(chosen, utc=True, errors="coerce", format=form)
    good = ~parsed.isna().to_numpy()
    milliseconds = parsed.dt.as_unit("ms").astype("int64").to_numpy()
    out[np.flatnonzero(mask)[good]] = milliseconds[good]


def day_comes_first(cells: Sequence[str]) -> bool | None:
    """Whether slashed dates put the day first; None where no cell can tell (or none is slashed).

    13/02/2011 can only be a day first, 02/13/2011 only a month. Dates with dots are a day first.
    """
    votes = [match for cell in cells if (match := _SLASHED.match(cell))]
    if any(int(match[1]) > 12 for match in votes):
        return True
    if any(int(match[2]) > 12 for match in votes):
        return False
    return True if votes and all("." in match[0] for match in votes) else None


def is_slashed(cells: Sequence[str]) -> bool:
    return any(_SLASHED.match(cell) for cell in cells)


def is_clock(cells: Sequence[str]) -> bool:
    """True if every cell that is not empty is a time of day without a date."""
    given = [cell for cell in cells if cell]
    return bool(given) and all(_CLOCK.fullmatch(cell) for cell in given)


def lacks_zone(cells: Sequence[str]) -> bool:
    """True if a written (not numeric) time names no zone."""
    return any(cell and not _number(cell) and not _ZONE.search(cell) for cell in cells)


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
