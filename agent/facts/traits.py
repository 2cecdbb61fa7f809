"""A user's habits in words and numbers, each compared with the population; "unknown" where too
little is known.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from limner.core.schema import Event, Scale, Trait
from limner.core.signals import RATED_TYPES
from limner.facts.habits import measure
from limner.facts.population import Population

MIN_RATINGS = 5
MIN_HABIT = 10
"""Items that breadth, novelty and popularity taste need."""
MIN_PRICED = 5
MIN_TIMED = 5
APART = 0.75
"""Standard deviations from the norm at which a habit has a name."""
SAME = 1e-6
"""Where all users are alike to this standard deviation, a habit tells nobody apart."""
ALL_NEW = 0.9
"""Where nearly everyone's every item is a new mix, novelty tells nobody apart."""
RATING_PRIOR = 5.0
"""Ratings' worth of belief that a user rates like everyone."""
RATING_APART = 0.3
"""Shrunk distance from the population's mean, in standard deviations of ratings, at which a habit
has a name.
"""
SESSION_GAP = 3600.0
"""Seconds without an event after which a new session begins."""
_DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
_PARTS = ("night", "morning", "afternoon", "evening")
"""Quarters of the day from midnight UTC: where the user lives is not known, so they are no
label.
"""
_HAD_TYPES = ("purchase", "play")
"""Events that an item can be had by again, where it says loyalty."""


def traits_of(
    events: Sequence[Event],
    things: NDArray[np.int64],
    population: Population,
    scales: Mapping[str, Scale],
) -> list[Trait]:
    """All traits of one user. `events` are item events by time, `things` their different items in
    that order.
    """
    return [
        _rating_habit(events, population, scales),
        *_habits(events, things, population),
        _price_band(things, population),
        _rhythm([event.timestamp for event in events if event.timestamp is not None]),
        *_loyalty(events),
    ]


def _rating_habit(
    events: Sequence[Event], population: Population, scales: Mapping[str, Scale]
) -> Trait:
    """Mean distance from the source's mean rating in its standard deviations, shrunk by n / (n +
    RATING_PRIOR).
    """
    rated = [
        e
        for e in events
        if e.type in RATED_TYPES and e.value is not None and e.source in population.ratings
    ]
    sources = Counter(event.source for event in rated)
    n = len(rated)
    if n < MIN_RATINGS:
        return Trait(name="rating_habit", label="unknown", detail=_too_few(n, "rating"), n=n)
    distance = 0.0
    for event in rated:
        mean, deviation, _ = population.ratings[event.source]
        distance += ((event.value or 0.0) - mean) / deviation if deviation > 0 else 0.0
    apart = distance / n * n / (n + RATING_PRIOR)
    source = sources.most_common(1)[0][0]
    own = np.array([event.value for event in rated if event.source == source], dtype=np.float64)
    top = f" of {scales[source].high:g}" if source in scales else ""
    detail = (
        f"mean rating {own.mean():.1f}{top} over {_n(len(own), 'rating')}, everyone "
        f"{population.ratings[source][0]:.1f}"
    )
    if n >= MIN_RATINGS and own.std() == 0:
        detail += "; always the same"
    label = (
        "generous" if apart > RATING_APART else "critical" if apart < -RATING_APART else "balanced"
    )
    return Trait(
        name="rating_habit", label=label, value=round(float(own.mean()), 2), detail=detail, n=n
    )


def _habits(
    events: Sequence[Event], things: NDArray[np.int64], population: Population
) -> list[Trait]:
    n = len(things)
    wanted = np.array([facet == population.primary for facet in population.facets], dtype=bool)
    breadth, novelty, popularity = measure(
        users=np.zeros(n, dtype=np.int64),
        things=things,
        starts=population.starts,
        codes=population.codes,
        popularity=population.popularity,
        wanted=wanted,
        user_count=1,
    )[0]
    facet = population.primary
    timed = all(event.timestamp is not None for event in events)
    used = (
        len({int(code) for at in things for code in population.codes_of(int(at)) if wanted[code]})
        if facet
        else 0
    )
    names = {
        "breadth": (
            float(breadth),
            ("narrow", "average", "broad"),
            f"{used} of {int(wanted.sum())} {facet} values over {_n(n, 'item')}; "
            "evenness {own:.2f}, usual {usual:.2f}",
        ),
        "novelty": (
            float(novelty) if timed else float("nan"),
            ("habitual", "average", "exploring"),
            (
                f"{{own:.0%}} of the later half of {_n(n, 'item')} had a new mix of {facet} "
                f"values, usual {{usual:.0%}}"
            ),
        ),
        "popularity": (
            float(popularity),
            ("niche", "balanced", "mainstream"),
            f"mean popularity rank {{own:.0%}} over {_n(n, 'item')}, usual {{usual:.0%}}",
        ),
    }
    called = {"breadth": "breadth", "novelty": "novelty_seeking", "popularity": "popularity_taste"}
    traits = []
    for habit, (own, labels, detail) in names.items():
        norm = population.norms.of(habit, n)
        if norm is not None and (norm[1] < SAME or (habit == "novelty" and norm[0] > ALL_NEW)):
            norm = None
        if n < MIN_HABIT or np.isnan(own) or norm is None:
            why = _too_few(n, "item") if n < MIN_HABIT else "nothing to compare with"
            traits.append(Trait(name=called[habit], label="unknown", detail=why, n=n))
            continue
        mean, deviation = norm
        z = (own - mean) / deviation
        label = labels[2] if z > APART else labels[0] if z < -APART else labels[1]
        words = detail.format(own=own, usual=mean)
        traits.append(
            Trait(name=called[habit], label=label, value=round(own, 4), detail=words, n=n)
        )
    return traits


def _price_band(things: NDArray[np.int64], population: Population) -> Trait:
    """The third of the population's prices in which the user's median price lies."""
    prices = population.price[things]
    prices = prices[~np.isnan(prices)]
    n = len(prices)
    if n < MIN_PRICED or np.isnan(population.price_edges).any():
        return Trait(name="price_band", label="unknown", detail=_too_few(n, "priced item"), n=n)
    middle = float(np.median(prices))
    low, high = (float(edge) for edge in population.price_edges)
    label = "low" if middle < low else "high" if middle > high else "mid"
    detail = (
        f"median price {middle:.2f} over {_n(n, 'item')}; a third of all lies below "
        f"{low:.2f}, a third above {high:.2f}"
    )
    return Trait(name="price_band", label=label, value=round(middle, 2), detail=detail, n=n)


def _dates(days: set[date]) -> str:
    first, last = min(days), max(days)
    return f"{first} to {last}" if first != last else f"{first}"


def _rhythm(times: Sequence[datetime]) -> Trait:
    """Active days, sessions, and the weekday or part of the day that stands out (binomial z test at
    1%).
    """
    n = len(times)
    if n < MIN_TIMED:
        return Trait(name="rhythm", label="unknown", detail=_too_few(n, "dated event"), n=n)
    days = {time.date() for time in times}
    span = (max(days) - min(days)).days + 1
    seconds = np.sort([time.timestamp() for time in times])
    sessions = 1 + int((np.diff(seconds) > SESSION_GAP).sum())
    by_day = any(time.hour or time.minute or time.second for time in times)
    visits = f" in {_n(sessions, 'session')}" if by_day else ""
    detail = f"{_n(n, 'event')} on {_n(len(days), 'day')}{visits}, {_dates(days)}"
    if len(days) == 1:
        return Trait(name="rhythm", label="one day", value=float(n), detail=detail, n=n)
    marks = []
    # Sessions are what repeats; the events inside one say the same hour and day again.
    starts = [times[0].fromtimestamp(float(at), times[0].tzinfo) for at in seconds]
    starts = [
        at
        for at, new in zip(starts, np.append(True, np.diff(seconds) > SESSION_GAP), strict=True)
        if new
    ]
    if standing := _stands_out(Counter(at.weekday() for at in starts), len(starts), 7):
        marks.append(_DAYS[standing[0]])
        detail += f"; {standing[1]:.0%} of sessions on {_DAYS[standing[0]]}"
    if by_day and (standing := _stands_out(Counter(at.hour // 6 for at in starts), len(starts), 4)):
        detail += f"; {standing[1]:.0%} of sessions in the {_PARTS[standing[0]]}, UTC"
    pace = (
        "in bursts"
        if len(days) <= 3 or n / len(days) >= 20
        else "often"
        if len(days) >= span / 4
        else "now and then"
    )
    label = ", ".join([pace, *marks])
    return Trait(name="rhythm", label=label, value=round(n / len(days), 2), detail=detail, n=n)


def _stands_out(counts: Counter[int], n: int, classes: int) -> tuple[int, float] | None:
    """(class, share) of the commonest class if it is far above chance: z > 2.58."""
    if n < 2 * classes:
        return None
    top, count = min(counts.items(), key=lambda one: (-one[1], one[0]))
    expected = n / classes
    z = (count - expected) / np.sqrt(expected * (1 - 1 / classes))
    return (top, count / n) if z > 2.58 else None


def _loyalty(events: Sequence[Event]) -> list[Trait]:
    """How often the user takes again what they had; said only where items are bought or played."""
    had = [e.item_id for e in events if e.type in _HAD_TYPES and (e.value is None or e.value > 0)]
    n = len(had)
    if n == 0:
        return []
    if n < MIN_HABIT:
        return [
            Trait(
                name="loyalty",
                label="unknown",
                detail=_too_few(n, "purchase or play", "purchases or plays"),
                n=n,
            )
        ]
    again = n - len(set(had))
    share = again / n
    label = "returning" if share >= 0.4 else "trying" if share < 0.1 else "mixed"
    return [
        Trait(
            name="loyalty",
            label=label,
            value=round(share, 4),
            detail=f"{again} of {n} purchases or plays were of an item had before",
            n=n,
        )
    ]


def _too_few(n: int, what: str, many: str = "") -> str:
    many = many or f"{what}s"
    return f"only {n:,} {what if n == 1 else many}" if n else f"no {many}"


def _n(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
