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
"""Values with a colour of their own; the others are one."""
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
    """Of every value, in the order of the legend."""


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
    """None where no event is of an item with a facet."""
    events = [event for event in reader.past.events if event.item_id in reader.past.items]
    held = [world.facets_of(reader.past.items[event.item_id or ""]) for event in events]
    covered = Counter(name for one in held for name in one)
    enough = [name for name, n in covered.most_common() if n >= max(2, len(events) // 10)] or list(
        covered
    )[:1]
    # What items are comes first.
    facets = sorted(enough, key=lambda name: name != world.population.primary)[:_FACETS]
    if not facets:
        return None
    chosen = facet if facet in facets else facets[0]
    totals: Counter[str] = Counter()
    for one in held:
        totals.update(one.get(chosen, ()))
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
        columns=_columns(periods, [one.get(chosen, ()) for one in held], values, legend),
        marks=marks,
        sampled=len(marks) < len(events),
    )


# ---------------------------------------------------------------- periods


def _periods(times: Sequence[datetime | None], words: Words) -> list[tuple[str, list[int]]]:
    """(label, positions of its events) in order: calendar periods, else equal parts of the
    history.
    """
    known = [one for one in times if one is not None]
    if len(known) == len(times):
        for name in _UNITS:
            found: dict[str, list[int]] = {}
            for at, one in enumerate(known):
                found.setdefault(_UNITS[name](one), []).append(at)
            if 3 <= len(found) <= _PERIODS:
                return list(found.items())
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
    held: Sequence[Sequence[str]],
    values: Sequence[str],
    legend: Sequence[str],
) -> list[TimelineColumn]:
    """held: values of each event; values: those of the legend, "" for all others."""
    step = WIDTH / max(len(periods), 1)
    columns = []
    for at, (label, positions) in enumerate(periods):
        counts: Counter[str] = Counter()
        for position in positions:
            for value in held[position]:
                counts[value if value in values else ""] += 1
        whole = sum(counts.values())
        shares = [counts[value] / whole if whole else 0.0 for value in values]
        columns.append(
            TimelineColumn(
                label,
                len(positions),
                round(step * (at + _GAP / 2), 1),
                round(step * (1 - _GAP), 1),
                _blocks(shares, legend, label),
                [f"{share:.0%}" for share in shares],
            )
        )
    return columns


def _blocks(shares: Sequence[float], names: Sequence[str], label: str) -> list[Block]:
    found, below = [], HEIGHT
    for series, (share, name) in enumerate(zip(shares, names, strict=True)):
        height = share * HEIGHT
        below -= height
        if height > 0:
            found.append(
                Block(series, round(below, 1), round(height, 1), f"{label}: {name} {share:.0%}")
            )
    return found


def _marks(events: Sequence[Event], reader: EventReader) -> list[Mark]:
    """Each event at its place in the history, first to last."""
    step = max(1, -(-len(events) // _MARKS))
    found = []
    for at in range(0, len(events), step):
        seen = reader.seen(events[at])
        x = WIDTH * (at + 0.5) / len(events)
        said = " · ".join(part for part in (seen.title, seen.value, seen.day) if part)
        found.append(Mark(seen.key, round(x, 1), seen.tone, said))
    return found
