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
    """Kind of the change; one of CHANGES."""


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
    """Two versions compared; the newest two stand in for numbers that do not exist.

    None where there are no versions.
    """
    if not profiles:
        return None
    by_number = {version.version: version for version in profiles}
    newest = profiles[-1]
    last = by_number.get(after, newest)
    first = by_number.get(before) or (profiles[-2] if len(profiles) > 1 else newest)
    rows = rows_of(first, last, words)
    return Compared(
        [(version.version, words.day(version.as_of)) for version in reversed(profiles)],
        _version(first, words),
        _version(last, words),
        rows,
        sum(row.change != "same" for row in rows),
    )


def rows_of(before: Profile, after: Profile, words: Words) -> list[VersionRow]:
    """Claims of either, what changed first."""
    changes = diff(before, after)
    rows = [_row(None, preference, "new", words) for preference in changes.added]
    rows += [_row(preference, None, "gone", words) for preference in changes.removed]
    rows += [
        _row(pair.before, pair.after, _course(pair.before, pair.after, words), words)
        for pair in changes.changed
    ]
    touched = {
        (preference.facet, preference.value)
        for preference in [*changes.added, *(pair.after for pair in changes.changed)]
    }
    rows += [
        _row(preference, preference, "same", words)
        for preference in after.preferences
        if (preference.facet, preference.value) not in touched
    ]
    return sorted(rows, key=lambda row: CHANGES.index(row.change))


def _course(before: Preference, after: Preference, words: Words) -> str:
    by = after.strength - before.strength
    if abs(by) >= _SAME:
        return "stronger" if by > 0 else "weaker"
    # An event more or less moves every number a little; what a reader can see is what changed.
    return "same" if said_of(before, words) == said_of(after, words) else "other"


def _row(
    before: Preference | None, after: Preference | None, change: str, words: Words
) -> VersionRow:
    either = after or before
    assert either is not None
    return VersionRow(
        words.facet(either.facet),
        words.value(either.facet, either.value),
        either.polarity,
        said_of(before, words) if before else "",
        said_of(after, words) if after else "",
        round(100 * before.strength) if before else None,
        round(100 * after.strength) if after else None,
        change,
    )


def _version(profile: Profile, words: Words) -> Version:
    summary, lang = summary_in(profile, words)
    return Version(
        profile.version, words.day(profile.as_of), summary, lang, profile.built_from.events
    )
