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
    """`better` or `worse` than the focal system, significantly; `differs` where neither is
    better.
    """
    best: bool = False
    whisker: Whisker | None = None


@dataclass(frozen=True)
class ViewRow:
    name: str
    focal: bool
    cells: Sequence[Cell]
    note: str = ""


@dataclass(frozen=True)
class ViewTable:
    caption: str
    spans: Sequence[tuple[str, int]]
    """Headings over several columns, with how many; none where empty."""
    columns: Sequence[tuple[str, str]]
    """Heading and what stands below it in small."""
    rows: Sequence[ViewRow]
    corner: str = "system"
    """Heading over the rows' names."""


@dataclass(frozen=True)
class TestRow:
    """`what` minus `other`, paired by user: of two measures, or of one metric of two systems."""

    what: str
    """The metric, or the measure that the other is taken from."""
    other: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    n: int
    said: str = ""
    """Who is better."""
