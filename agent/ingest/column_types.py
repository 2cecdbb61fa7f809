"""One type a column: numbers, or text where zeros lead or words stand among the numbers."""

import re
from collections import Counter
from collections.abc import Iterable

import pandas as pd

from limner.ingest.mapping import TableName, plain_name
from limner.ingest.missing import MissingCells
from limner.ingest.read import META

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?([eE][+-]?\d+)?")
_LED_BY_ZERO = re.compile(r"0\d+")
_CODES = re.compile(
    r"(?:^|[^a-z])(?:zip|zip.?code|post.?code|postal|plz|phone|telephone|isbn|ean|upc|gtin|barcode)"
    r"(?:[^a-z]|$)"
)
"""Names of columns whose digits are no numbers."""
_WORDS = 0.1
"""Share of different cells from which a column with words holds text."""


def named_as_codes(frame: pd.DataFrame) -> frozenset[str]:
    """The columns of a chunk whose name says that their digits are no numbers.

    For events nothing else is asked: made ids are hashes of what a row holds, and must not change
    because of another row.
    """
    return frozenset(name for name in map(str, frame.columns) if _is_code(name))


def _is_code(name: str) -> bool:
    return _CODES.search(plain_name(name).lower()) is not None


class ColumnTypes:
    """Which columns of a table hold text though some of their cells look like numbers."""

    def __init__(self) -> None:
        self._numbers: Counter[str] = Counter()
        self._words: Counter[str] = Counter()
        self._led_by_zero: set[str] = set()

    def look(self, frame: pd.DataFrame, table: TableName, missing: MissingCells) -> None:
        """Take a chunk's cells into account."""
        for name in map(str, frame.columns):
            if name in META:
                continue
            cells = {cell.strip() for cell in set(frame[name])}
            self._add(name, cells - missing.words(table, name, cells) - {""})

    def _add(self, name: str, cells: Iterable[str]) -> None:
        for cell in cells:
            if _NUMBER.fullmatch(cell):
                self._numbers[name] += 1
            elif not cell.startswith("["):
                self._words[name] += 1
                if _LED_BY_ZERO.fullmatch(cell):
                    self._led_by_zero.add(name)

    @property
    def codes(self) -> frozenset[str]:
        """Columns of digits that are no numbers: postal codes, phone numbers and the like, by their
        name or because zeros lead.
        """
        named = {name for name in self._numbers if _is_code(name)}
        return frozenset(named | self._led_by_zero)

    @property
    def text(self) -> frozenset[str]:
        """Columns of which every cell is text: codes, and those with words among the numbers."""
        mixed = {
            name
            for name, words in self._words.items()
            if (numbers := self._numbers[name]) and words > _WORDS * (words + numbers)
        }
        return self.codes | mixed
