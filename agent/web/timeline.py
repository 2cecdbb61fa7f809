"""A user's taste over time: what share each value of a facet has in each period, and a mark for
every event.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from limner.core.schema import Event
from limner.state.snapshots import CatalogueSnapshot
from limner.web.events import EventReader, Tone
from limner.web.words import Words

VALUES = 7
"""Most values with a colour of their own; all others share one."""
_FACETS = 6
_PERIODS = 16
"""Columns at most."""
_PARTS = 8
"""Columns of a history that has no times, or all of it at once."""
_MARKS = 600
"""Events that are marked at most; of more, evenly some."""
WIDTH, HEIGHT = 720.0, 180.0
_GAP = 0.12
"""Share of a column that is space."""


@dataclass(frozen=True)
class Block:
    """A part of a column."""

    series: int
    y: float
    height: float
    said: str


@dataclass(frozen=True)
class TimelineColumn:
    label: str
    events: int
    x: float
    width: float
    blocks: Sequence[Block]
    shares: Sequence[str]
    """Share of every value, in the order of the legend."""


@dataclass(frozen=True)
class Mark:
    key: str
    x: float
    tone: Tone
    said: str


@dataclass(frozen=True)
class Timeline:
    facet: str
    facet_name: str
    facets: Sequence[tuple[str, str]]
    """Facets that can be looked at: as the data has them, and in words."""
    legend: Sequence[str]
    columns: Sequence[TimelineColumn]
    marks: Sequence[Mark]
    sampled: bool


def timeline(
    reader: EventReader, world: CatalogueSnapshot, words: Words, facet: str = ""
) -> Timeline | None:
    """Shares of a facet's values over the history; None where no event is of an item with a facet.

    facet: the one to show, where it is covered by enough events; else the first of those is shown.
    """
    events = [event for event in reader.past.events if event.item_id in reader.past.items]
    facets_of_event = [world.facets_of(reader.past.items[event.item_id or ""]) for event in events]
    facets = _covered_facets(facets_of_event, world.population.primary)
    if not facets:
        return None
    chosen = facet if facet in facets else facets[0]
    values_of_event = [own.get(chosen, ()) for own in facets_of_event]
    totals = Counter(itertools.chain.from_iterable(values_of_event))
    values = [value for value, _ in totals.most_common(VALUES)]
    legend = [words.value(chosen, value) for value in values]
    if len(totals) > len(values):
        values.append("")  # all others
        legend.append(words("others"))
    periods = _periods([event.timestamp for event in events], words)
    marks = _marks(events, reader)
    return Timeline(
        facet=chosen,
        facet_name=words.facet(chosen),
        facets=[(name, words.facet(name)) for name in facets],
        legend=legend,
        columns=_columns(periods, values_of_event, values, legend),
        marks=marks,
        sampled=len(marks) < len(events),
    )


def _covered_facets(facets_of_event: Sequence[Mapping[str, object]], primary: str) -> list[str]:
    """At most `_FACETS` facets that enough events have: the primary one first, then the most
    covered.
    """
    covered = Counter(itertools.chain.from_iterable(facets_of_event))
    least = max(2, len(facets_of_event) // 10)
    enough = [name for name, n in covered.most_common() if n >= least] or list(covered)[:1]
    return sorted(enough, key=lambda name: name != primary)[:_FACETS]


# ---------------------------------------------------------------- periods


def _periods(times: Sequence[datetime | None], words: Words) -> list[tuple[str, list[int]]]:
    """(label, positions of its events) in order: calendar periods, else equal parts of the
    history.
    """
    known = [time for time in times if time is not None]
    if len(known) == len(times):
        for label_of in _UNITS.values():
            periods: dict[str, list[int]] = {}
            for event, time in enumerate(known):
                periods.setdefault(label_of(time), []).append(event)
            if 3 <= len(periods) <= _PERIODS:
                return list(periods.items())
    parts = min(_PARTS, len(times))
    cuts = [round(len(times) * at / parts) for at in range(parts + 1)]
    return [
        (words("part", first=start + 1, last=end), list(range(start, end)))
        for start, end in itertools.pairwise(cuts)
        if end > start
    ]


def _quarter(moment: datetime) -> str:
    return f"{moment.year} Q{(moment.month + 2) // 3}"


_UNITS: Mapping[str, Callable[[datetime], str]] = {
    "day": lambda moment: f"{moment:%Y-%m-%d}",
    "week": lambda moment: f"{moment:%G-W%V}",
    "month": lambda moment: f"{moment:%Y-%m}",
    "quarter": _quarter,
    "year": lambda moment: f"{moment:%Y}",
}
"""The finest with few enough columns is taken."""


# ---------------------------------------------------------------- drawing


def _columns(
    periods: Sequence[tuple[str, list[int]]],
    values_of_event: Sequence[Sequence[str]],
    values: Sequence[str],
    legend: Sequence[str],
) -> list[TimelineColumn]:
    """values_of_event: one entry an event; values: those of the legend, "" for all others."""
    step = WIDTH / max(len(periods), 1)
    columns = []
    for column, (label, positions) in enumerate(periods):
        counts: Counter[str] = Counter()
        for position in positions:
            for value in values_of_event[position]:
                counts[value if value in values else ""] += 1
        whole = sum(counts.values())
        shares = [counts[value] / whole if whole else 0.0 for value in values]
        columns.append(
            TimelineColumn(
                label,
                len(positions),
                round(step * (column + _GAP / 2), 1),
                round(step * (1 - _GAP), 1),
                _blocks(shares, legend, label),
                [f"{share:.0%}" for share in shares],
            )
        )
    return columns


def _blocks(shares: Sequence[float], names: Sequence[str], label: str) -> list[Block]:
    blocks, below = [], HEIGHT
    for series, (share, name) in enumerate(zip(shares, names, strict=True)):
        height = share * HEIGHT
        below -= height
        if height > 0:
            blocks.append(
                Block(series, round(below, 1), round(height, 1), f"{label}: {name} {share:.0%}")
            )
    return blocks


def _marks(events: Sequence[Event], reader: EventReader) -> list[Mark]:
    """Each event at its place in the history, first to last."""
    step = max(1, -(-len(events) // _MARKS))
    marks = []
    for at in range(0, len(events), step):
        seen = reader.seen(events[at])
        x = WIDTH * (at + 0.5) / len(events)
        tooltip = " · ".join(part for part in (seen.title, seen.value, seen.day) if part)
        marks.append(Mark(seen.key, round(x, 1), seen.tone, tooltip))
    return marks
