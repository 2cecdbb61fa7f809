"""Drawing values with rich, for people. All functions are pure, from values to renderables; they do
not print.

Foreign text (titles, ids, model words) goes through `clean` into `Text`, never through markup, so
that a title with `[red]` or an escape sequence is shown as it is written.
"""

from limner.cli.show.api_keys import keys, new_key
from limner.cli.show.data import (
    datasets,
    erased,
    history,
    ingest_report,
    kinds_of,
    title_of,
    what,
    within_hours,
)
from limner.cli.show.layout import Wide, bullets, card, heading, plain_table, words
from limner.cli.show.lists import audience, recommendations, written_table
from limner.cli.show.portraits import dropped, portrait, why
from limner.cli.show.reports import build_report, checks, estimate, train_report
from limner.cli.show.wordings import before_after, reasons_before_after, two_wordings

__all__ = [
    "Wide",
    "audience",
    "before_after",
    "build_report",
    "bullets",
    "card",
    "checks",
    "datasets",
    "dropped",
    "erased",
    "estimate",
    "heading",
    "history",
    "ingest_report",
    "keys",
    "kinds_of",
    "limner",
    "new_key",
    "plain_table",
    "portrait",
    "reasons_before_after",
    "recommendations",
    "title_of",
    "train_report",
    "two_wordings",
    "what",
    "why",
    "within_hours",
    "words",
    "written_table",
]
