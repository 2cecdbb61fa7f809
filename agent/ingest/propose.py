"""`limner init`: look at tables and propose a mapping file for a person to check."""

from collections.abc import Sequence
from itertools import islice

import pandas as pd

from limner.core.columns import Nouns
from limner.core.errors import BadInputError
from limner.ingest.column_profile import TableProfile
from limner.ingest.mapping import FileFormat, looks_headless
from limner.ingest.pivot import looks_pivoted, pivot_frame
from limner.ingest.proposal_text import proposal
from limner.ingest.propose_joins import propose_joins
from limner.ingest.propose_nouns import nouns_of
from limner.ingest.read import META, guess_separator, opening, read_table
from limner.ingest.table_kinds import arranged, catalogue_inside
from limner.ingest.table_look import TableLook

_PROFILED_ROWS = 2000
_READ_ROWS = 50_000
"""Rows whose ids are compared with those of other tables."""


def propose_mapping(files: Sequence[str]) -> str:
    """YAML with a comment on each choice: which file is which table, which column is which field.

    What it proposes is valid as it stands wherever a user and an item column could be guessed; the
    comments say what to check. Raises BadInputError for a file that cannot be read as a table.
    """
    tables = arranged([_look(file) for file in files])
    events = tables.used.get("events")
    twofold = (
        events is not None and "items" not in tables.used and catalogue_inside(tables.used, events)
    )
    joins, left = propose_joins(tables)
    named = tables.used.get("items") or events
    nouns = nouns_of(named, events) if named is not None else (Nouns(), "")
    return proposal(tables, joins, left, nouns, twofold=twofold)


# ---------------------------------------------------------------- looking


def _look(file: str) -> TableLook:
    frame = _frame(file, FileFormat())
    columns = [str(c) for c in frame.columns if c not in META]
    separator = guess_separator(text) if (text := opening(file)) else ""
    headless = looks_headless(columns)
    if headless:
        names = [f"column{i}" for i in range(1, len(columns) + 1)]
        frame = _frame(file, FileFormat(columns=names, separator=separator))
    profile = TableProfile(frame, _PROFILED_ROWS)
    pivot = looks_pivoted(profile)
    if pivot is not None:
        profile = TableProfile(pivot_frame([frame], pivot), _PROFILED_ROWS)
    return TableLook(file, profile, headless, separator, pivot=pivot)


def _frame(file: str, reading: FileFormat) -> pd.DataFrame:
    """The first rows of a table. Raises BadInputError where it has none."""
    chunks = islice(read_table(file, reading, _PROFILED_ROWS), _READ_ROWS // _PROFILED_ROWS)
    frames = [chunk.frame for chunk in chunks]
    if not frames:
        raise BadInputError("ingest.no_rows", file=file)
    return pd.concat(frames, ignore_index=True).fillna("")
