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
"""Standard deviation over users below which a habit tells nobody apart."""
ALL_NEW = 0.9
"""Mean novelty above which novelty tells nobody apart: nearly every item is a new mix."""
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
"""Events that show loyalty when they happen again with one item."""


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
        *_loyalty(events, population.plays),
    ]


def _rating_habit(
    events: Sequence[Event], population: Population, scales: Mapping[str, Scale]
) -> Trait:
    """Mean distance from the source's mean rating in its standard deviations, shrunk by n / (n +
    RATING_PRIOR).
    """
    rated = [(e.source, e.value) for e in events if _is_comparable_rating(e, population)]
    n = len(rated)
    if n < MIN_RATINGS:
        return Trait(name="rating_habit", label="unknown", detail=_too_few(n, "rating"), n=n)
    distance = 0.0
    for source, value in rated:
        mean, deviation, _ = population.ratings[source]
        distance += ((value or 0.0) - mean) / deviation if deviation > 0 else 0.0
    source = Counter(source for source, _ in rated).most_common(1)[0][0]
    own = np.array([value for name, value in rated if name == source], dtype=np.float64)
    top = f" of {scales[source].high:g}" if source in scales else ""
    detail = (
        f"mean rating {own.mean():.1f}{top} over {_n(len(own), 'rating')}, everyone "
        f"{population.ratings[source][0]:.1f}"
    )
    if own.std() == 0:
        detail += "; always the same"
    label = _rating_label(distance / n * n / (n + RATING_PRIOR))
    return Trait(
        name="rating_habit", label=label, value=round(float(own.mean()), 2), detail=detail, n=n
    )


def _rating_label(apart: float) -> str:
    if apart > RATING_APART:
        return "generous"
    return "critical" if apart < -RATING_APART else "balanced"


def _is_comparable_rating(event: Event, population: Population) -> bool:
    """Whether an event is a rating from a source whose ratings the population knows."""
    return (
        event.type in RATED_TYPES and event.value is not None and event.source in population.ratings
    )


def _habits(
    events: Sequence[Event], things: NDArray[np.int64], population: Population
) -> list[Trait]:
    """Breadth, novelty and popularity taste, as `limner.facts.habits` defines them."""
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
    if any(event.timestamp is None for event in events):
        novelty = np.nan
    used = {int(code) for at in things for code in population.codes_of(int(at)) if wanted[code]}
    facet = population.primary
    return [
        _compared(
            ("breadth", "breadth", ("narrow", "average", "broad")),
            float(breadth),
            n,
            population,
            f"{len(used)} of {int(wanted.sum())} {facet} values over {_n(n, 'item')}; "
            "evenness {own:.2f}, usual {usual:.2f}; values of a single item are left out",
        ),
        _compared(
            ("novelty", "novelty_seeking", ("habitual", "average", "exploring")),
            float(novelty),
            n,
            population,
            f"{{own:.0%}} of the later half of {_n(n, 'item')} had a new mix of {facet} "
            "values, usual {usual:.0%}",
        ),
        _compared(
            ("popularity", "popularity_taste", ("niche", "balanced", "mainstream")),
            float(popularity),
            n,
            population,
            f"mean popularity rank {{own:.0%}} over {_n(n, 'item')}, usual {{usual:.0%}}",
        ),
    ]


def _compared(
    habit_name_labels: tuple[str, str, tuple[str, str, str]],
    own: float,
    n: int,
    population: Population,
    detail: str,
) -> Trait:
    """One habit against its norm among users with about as many items.

    habit_name_labels: the habit in `Norms`, the trait's name, and its labels below, within and
        above the norm. own: the user's number, NaN where it could not be measured. n: the user's
        items. detail: a format with `own` and `usual`.
    """
    habit, name, (below, within, above) = habit_name_labels
    if n < MIN_HABIT:
        return Trait(name=name, label="unknown", detail=_too_few(n, "item"), n=n)
    norm = population.norms.of(habit, n)
    if np.isnan(own) or norm is None or _tells_nobody_apart(habit, *norm):
        return Trait(name=name, label="unknown", detail="nothing to compare with", n=n)
    mean, deviation = norm
    z = (own - mean) / deviation
    label = above if z > APART else below if z < -APART else within
    words = detail.format(own=own, usual=mean)
    return Trait(name=name, label=label, value=round(own, 4), detail=words, n=n)


def _tells_nobody_apart(habit: str, mean: float, deviation: float) -> bool:
    return deviation < SAME or (habit == "novelty" and mean > ALL_NEW)


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
    sessions = _session_starts(times)
    has_clock = any(map(_has_clock, times))
    visits = f" in {_n(len(sessions), 'session')}" if has_clock else ""
    detail = f"{_n(n, 'event')} on {_n(len(days), 'day')}{visits}, {_dates(days)}"
    if len(days) == 1:
        return Trait(name="rhythm", label="one day", value=float(n), detail=detail, n=n)
    label = _pace(n, days)
    if weekday := _stands_out(Counter(at.weekday() for at in sessions), len(sessions), 7):
        label += f", {_DAYS[weekday[0]]}"
        detail += f"; {weekday[1]:.0%} of sessions on {_DAYS[weekday[0]]}"
    parts = Counter(at.hour // 6 for at in sessions)
    if has_clock and (part := _stands_out(parts, len(sessions), 4)):
        detail += f"; {part[1]:.0%} of sessions in the {_PARTS[part[0]]}, UTC"
    return Trait(name="rhythm", label=label, value=round(n / len(days), 2), detail=detail, n=n)


def _has_clock(time: datetime) -> bool:
    return bool(time.hour or time.minute or time.second)


def _session_starts(times: Sequence[datetime]) -> list[datetime]:
    """When each session began, in order.

    Sessions are what repeats; the events inside one would say its hour and day again.
    """
    seconds = np.sort([time.timestamp() for time in times])
    starts = seconds[np.append(True, np.diff(seconds) > SESSION_GAP)]
    return [datetime.fromtimestamp(float(at), times[0].tzinfo) for at in starts]


def _pace(n: int, days: set[date]) -> str:
    """How `n` events on these days are spread, in words."""
    if len(days) <= 3 or n / len(days) >= 20:
        return "in bursts"
    span = (max(days) - min(days)).days + 1
    return "often" if len(days) >= span / 4 else "now and then"


def _stands_out(counts: Counter[int], n: int, classes: int) -> tuple[int, float] | None:
    """(class, share) of the commonest class if it is far above chance: z > 2.58."""
    if n < 2 * classes:
        return None
    top, count = min(counts.items(), key=lambda class_count: (-class_count[1], class_count[0]))
    expected = n / classes
    z = (count - expected) / np.sqrt(expected * (1 - 1 / classes))
    return (top, count / n) if z > 2.58 else None


def _loyalty(events: Sequence[Event], plays: bool) -> list[Trait]:
    """How often the user buys or plays an item again; empty for who never bought or played one.
    plays: an amount of plays is how often; pieces that were bought together are one purchase.
    """
    had = [e for e in events if e.type in _HAD_TYPES and (e.value is None or e.value > 0)]
    n = sum(max(1, round(e.value or 1)) if plays and e.type == "play" else 1 for e in had)
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
    again = n - len({e.item_id for e in had})
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
