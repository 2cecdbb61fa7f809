"""Cells whose letters did not decode: read with a mark in place of what is broken, and told of."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from limner.ingest.mapping import Layout
from limner.ingest.read import LINE

NUL = "NUL in a cell"
BROKEN_ID = "broken letter in an id"
MARK = "\ufffd"
_IDS = ("user_id", "item_id", "event_id")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass
class BrokenLetters:
    """How many rows of a file had broken letters, and the first of them."""

    rows: int
    line: int
    cell: str
    """The first broken cell, as it was read."""


def mend_letters(frame: pd.DataFrame, layout: Layout) -> BrokenLetters | None:
    """Put "\ufffd" for each broken byte or half letter, in place, in all columns that are used but
    ids: two ids must not become one. None where nothing was broken.
    """
    ids = {c for name in _IDS if (rule := layout.fields.get(name)) for c in rule.sources}
    broken = np.zeros(len(frame), dtype=bool)
    first = BrokenLetters(0, 0, "")
    for name in used_columns(layout):
        if name in ids or (mask := cells_with(frame[name].to_list(), _SURROGATE)) is None:
            continue
        frame.loc[mask, name] = [_SURROGATE.sub(MARK, cell) for cell in frame.loc[mask, name]]
        at = int(mask.argmax())
        line = int(frame[LINE].iloc[at])
        if not first.line or line < first.line:
            first = BrokenLetters(0, line, frame[name].iloc[at])
        broken |= mask
    first.rows = int(broken.sum())
    return first if first.rows else None


def used_columns(layout: Layout) -> list[str]:
    """The columns that become something, each once."""
    used = [c for rule in layout.fields.values() for c in [rule.column, *rule.columns] if c]
    return list(dict.fromkeys([*used, *layout.rest]))


def cells_with(cells: list[str], pattern: re.Pattern[str]) -> NDArray[np.bool_] | None:
    """[n] whether a pattern of NULs or surrogates is in each cell; None where it is in none."""
    whole = "".join(cells)
    if whole.isascii() and "\x00" not in whole:
        return None
    mask = np.array([pattern.search(cell) is not None for cell in cells], dtype=bool)
    return mask if mask.any() else None
