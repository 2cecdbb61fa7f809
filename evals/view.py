"""Tables as a report shows them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Whisker:
    """Mean and interval as shares of the column's width, in per cent."""

    low: float
    mean: float
    high: float


@dataclass(frozen=True)
class Cell:
    text: str
    interval: str = ""
    mark: str = ""
    """`better` or `worse` than the focal system, significantly; `differs` where neither is better."""
    best: bool = False
    whisker: Whisker | None = None


@dataclass(frozen=True)
class Row:
    name: str
    focal: bool
    cells: Sequence[Cell]
    note: str = ""


@dataclass(frozen=True)
class Table:
    caption: str
    spans: Sequence[tuple[str, int]]
    """Headings over several columns, with how many; none where empty."""
    columns: Sequence[tuple[str, str]]
    """Heading and what stands below it in small."""
    rows: Sequence[Row]
    corner: str = "system"
    """Heading over the rows' names."""
