"""Reading times: epoch numbers of any unit, ISO, and the formats that tables of the field use."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME

_SLASHED = re.compile(r"^(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})(?=$|[ T,])")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?")
_ZONE = re.compile(r"(Z|UTC|GMT|[+-]\d{2}:?\d{2})$|[+-]\d{4} \d{4}$", re.IGNORECASE)
_DATE_LIKE = re.compile(r"\d{4}|\d{1,2}\D+\d{1,2}\D+\d{2}")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_OTHERS = (
    "%a %b %d %H:%M:%S %z %Y",
    "%m %d, %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M:%S",
)
_YEARS = (1900, 2100)


def parse_times(
    cells: Sequence[str], pattern: str = "", day_first: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """([n] epoch milliseconds UTC or NO_TIME, [n] unparseable).

    Numbers are seconds since 1970, or milliseconds, microseconds or nanoseconds by their size (up
    to 1e11, 1e14, 1e17); 20190704 and 20190704183000 are a day and a second; 2019 is a year where
    all numbers are years. A time without a zone is read as UTC. `pattern` is a strptime format that
    overrides all this; `day_first` reads 03/04/2011 as 3 April.
    """
    series = pd.Series(list(cells), dtype=object)
    out = np.full(len(series), NO_TIME, dtype=np.int64)
    given = np.array([bool(cell) for cell in cells], dtype=bool)
    if pattern:
        _put(out, given, series, pattern)
        return out, given & (out == NO_TIME)
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
    words = given & ~np.isfinite(number)
    if words.any():
        _words(out, words, series, day_first)
    return out, given & (out == NO_TIME)


def _words(
    out: NDArray[np.int64], words: NDArray[np.bool_], series: "pd.Series[str]", day_first: bool
) -> None:
    clean = pd.Series(
        [_tidy(cell) for cell in series[words].to_list()], index=np.flatnonzero(words), dtype=object
    )
    # pandas would read 03-04-2011 as ISO; what is slashed is not.
    slashed = np.zeros(len(out), dtype=bool)
    slashed[clean.index] = [cell[1:3].find("/") >= 0 for cell in clean]
    cells = pd.Series("", index=range(len(out)), dtype=object)
    cells[clean.index] = clean

    def left(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        open_: NDArray[np.bool_] = out == NO_TIME
        return mask & open_

    _put(out, words & ~slashed, cells, "ISO8601")
    if slashed.any():
        days = "%d/%m/" if day_first else "%m/%d/"
        for year in ("%Y", "%y"):
            for clock in _CLOCKS:
                if left(slashed).any():
                    _put(out, left(slashed), cells, days + year + clock)
    for form in _OTHERS:
        if left(words).any():
            _put(out, left(words), cells, form)
    # The last resort is slow and generous: it would read "Monday" or "12:30" as a time of today.
    rest = left(words & ~slashed)
    rest[rest] = [
        bool(_DATE_LIKE.search(cell)) and not _CLOCK.fullmatch(cell) for cell in cells[rest]
    ]
    if rest.any():
        _put(out, rest, cells, "mixed", day_first=day_first)


def _tidy(cell: str) -> str:
    """Days, months and years between slashes, and UTC as ISO writes it."""
    if cell.endswith(" UTC"):
        cell = cell[:-4] + "Z"
    # A search through the whole of every ISO time would cost more than parsing it.
    return _SLASHED.sub(r"\1/\2/\3", cell) if _SLASHED.match(cell) else cell


def _put(
    out: NDArray[np.int64],
    mask: NDArray[np.bool_],
    cells: "pd.Series[str]",
    form: str,
    *,
    aligned: bool = False,
    day_first: bool = False,
) -> None:
    """Parse the masked cells by one format into `out`; what does not parse stays as it was."""
    chosen = cells if aligned else cells[mask]
    parsed = pd.to_datetime(chosen, utc=True, errors="coerce", format=form, dayfirst=day_first)
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
