"""Two versions of a portrait side by side, and what changed between them."""

from collections.abc import Sequence
from dataclasses import dataclass

from limner.core.schema import Preference, Profile
from limner.profile import diff
from limner.web.portrait import said_of, summary_in
from limner.web.words import Words

_SAME = 0.05
"""Difference of strength below which it is not that which changed."""
CHANGES = ("new", "gone", "stronger", "weaker", "other", "same")


@dataclass(frozen=True)
class VersionRow:
    """One claim in both versions; empty where one does not make it."""

    facet: str
    name: str
    polarity: str
    before: str
    after: str
    before_percent: int | None
    after_percent: int | None
    change: str
    """One of CHANGES."""


@dataclass(frozen=True)
class Version:
    number: int
    day: str
    summary: str
    lang: str
    events: int


@dataclass(frozen=True)
class Compared:
    versions: Sequence[tuple[int, str]]
    """Number and day of each, newest first."""
    before: Version
    after: Version
    rows: Sequence[VersionRow]
    changes: int


def compared(profiles: Sequence[Profile], before: int, after: int, words: Words) -> Compared | None:
    """Of versions by number, the nearest there is; None where there is none at all."""
    if not profiles:
        return None
    by_number = {one.version: one for one in profiles}
    newest = profiles[-1]
    last = by_number.get(after, newest)
    first = by_number.get(before) or (profiles[-2] if len(profiles) > 1 else newest)
    rows = rows_of(first, last, words)
    return Compared(
        [(one.version, words.day(one.as_of)) for one in reversed(profiles)],
        _version(first, words),
        _version(last, words),
        rows,
        sum(one.change != "same" for one in rows),
    )


def rows_of(before: Profile, after: Profile, words: Words) -> list[VersionRow]:
    """Claims of either, what changed first."""
    found = diff(before, after)
    rows = [_row(None, one, "new", words) for one in found.added]
    rows += [_row(one, None, "gone", words) for one in found.removed]
    rows += [
        _row(one.before, one.after, _course(one.before, one.after, words), words)
        for one in found.changed
    ]
    touched = {
        (one.facet, one.value) for one in [*found.added, *(pair.after for pair in found.changed)]
    }
    rows += [
        _row(one, one, "same", words)
        for one in after.preferences
        if (one.facet, one.value) not in touched
    ]
    return sorted(rows, key=lambda one: CHANGES.index(one.change))


def _course(before: Preference, after: Preference, words: Words) -> str:
    by = after.strength - before.strength
    if abs(by) >= _SAME:
        return "stronger" if by > 0 else "weaker"
    # An event more or less moves every number a little; what a reader can see is what changed.
    return "same" if said_of(before, words) == said_of(after, words) else "other"


def _row(
    before: Preference | None, after: Preference | None, change: str, words: Words
) -> VersionRow:
    one = after or before
    assert one is not None
    return VersionRow(
        words.facet(one.facet),
        words.value(one.facet, one.value),
        one.polarity,
        said_of(before, words) if before else "",
        said_of(after, words) if after else "",
        round(100 * before.strength) if before else None,
        round(100 * after.strength) if after else None,
        change,
    )


def _version(one: Profile, words: Words) -> Version:
    summary, lang = summary_in(one, words)
    return Version(one.version, words.day(one.as_of), summary, lang, one.built_from.events)
