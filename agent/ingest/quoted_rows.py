"""Rows of a table whose cells may be quoted, with quotes doubled or behind a backslash."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice

from limner.core.messages import Message, message

_LONGEST = 60
"""Rows that may turn out to be one."""
_TOKENS = re.compile(r'\\\\|\\"|\\')


class QuotedRows:
    """Reads rows as csv does. One with a quote behind a backslash is read again with the backslash
    as an escape, where that fits the table better; this is noted once.
    """

    def __init__(
        self, file: str, text: Iterable[str], separator: str, notes: list[Message], *, plain: bool
    ) -> None:
        """plain: quotes are letters like others."""
        self._file, self._separator, self._notes = file, separator, notes
        self._lines: list[str] = []
        self._noted = plain
        self._plain = plain
        # A backslash before a quote that does not end a cell.
        end = re.escape(separator)
        self._inside = re.compile(rf'\\"(?!["\r\n]|{end}|$)')
        self._reader = (
            csv.reader(text, delimiter=separator, quoting=csv.QUOTE_NONE)
            if plain
            else csv.reader(self._kept(text), delimiter=separator)
        )

    def _kept(self, text: Iterable[str]) -> Iterator[str]:
        for line in text:
            self._lines.append(line)
            yield line

    @property
    def line(self) -> int:
        """The number of lines read so far."""
        return self._reader.line_num

    def header(self) -> list[str]:
        """The next row, as it is."""
        row = next(self._reader)
        self._lines.clear()
        return row

    def take(self, rows: int, width: int) -> list[list[str]]:
        """At most so many of the next rows, which should be of `width` cells each."""
        part = list(islice(self._reader, rows))
        lines, self._lines = self._lines, []
        if self._plain or '\\"' not in "".join(lines):
            return part
        starts = [0, *accumulate(1 + newlines(row) for row in part)]
        if starts[-1] != len(lines):
            return part
        mended: list[list[str]] = []
        at = 0
        while at < len(part):
            own = lines[starts[at] : starts[at + 1]]
            trial = self._mended(part[at], own, width)
            used = 1
            if trial is None and len(part[at]) < width and '\\"' in own[-1]:
                trial, used = self._longer(lines, starts, at, width)
            if trial is not None and not self._noted:
                self._noted = True
                self._notes.append(message("ingest.escaped_quotes", file=self._file))
            mended += [part[at]] if trial is None else trial
            at += used
        return mended

    def _mended(self, row: list[str], lines: Sequence[str], width: int) -> list[list[str]] | None:
        """The rows that some lines stand for, which csv read as one; None where it read them
        well, or nothing fits better.
        """
        text = "".join(lines)
        fits = len(row) == width
        if '\\"' not in text or (fits and not self._inside.search(text)):
            return None
        trials = [self._escaped(lines)]
        if not fits and len(lines) > 1:
            trials.append([cells for line in lines for cells in self._either([line], width)])
        for trial in trials:
            if trial and all(len(cells) == width for cells in trial if cells):
                return trial
        return None

    def _longer(
        self, lines: Sequence[str], starts: Sequence[int], at: int, width: int
    ) -> tuple[list[list[str]] | None, int]:
        """The row that goes on in the lines of later ones, and how many rows it takes; (None, 1)
        where there is none.
        """
        for end in range(at + 2, min(at + _LONGEST, len(starts))):
            trial = self._escaped(lines[starts[at] : starts[end]])
            if len(trial) == 1 and len(trial[0]) == width:
                return trial, end - at
        return None, 1

    def _either(self, line: Sequence[str], width: int) -> list[list[str]]:
        """A line read as csv does if that fits, else with escapes."""
        rows = list(csv.reader(line, delimiter=self._separator))
        fits = all(len(cells) == width for cells in rows)
        return rows if fits and not self._inside.search(line[0]) else self._escaped(line)

    def _escaped(self, lines: Sequence[str]) -> list[list[str]]:
        """The rows if a backslash escapes a quote, and itself before another."""
        plain = [_TOKENS.sub(lambda one: one[0] * (2 if one[0] == "\\" else 1), s) for s in lines]
        return list(csv.reader(plain, delimiter=self._separator, escapechar="\\"))


def newlines(row: Iterable[str]) -> int:
    """The line ends within a row's cells."""
    text = "\x00".join(row)
    return text.count("\n") + text.count("\r") - text.count("\r\n")
