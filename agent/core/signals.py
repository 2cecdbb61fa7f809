"""What an event says about taste: one formula for columns and for single events.

A rating with value v on the scale [low, high] of its source has the place p = 2 (v - low) / (high -
low) - 1, clipped to [-1, 1]. With the user's own mean place m over all their ratings and the
table's habit weight h,

    signal = clip((1 - h) p + h (p - m), -1, 1)

so that a 4 means more from someone who gives 3 than from someone who gives 5 (mean-centring:
Herlocker et al. 1999, "An algorithmic framework for performing collaborative filtering"). Where m
is unknown, signal = p.

Every other event takes the table's number for its type, 0 for types that the table does not name. A
value below zero takes the event back: a purchase or cart of negative quantity counts as the table's
`return`, any other positive event changes its sign, and events that are negative by type stay so.
A quantity of exactly 0 says nothing. A
scale of one single step tells no place: such a rating only says that the user chose the item, as
`view` does.

Amounts above zero (quantities, plays, seconds) are confidence, on a logarithmic scale as in Hu et
al. 2008, "Collaborative Filtering for Implicit Feedback Datasets": with the median m of the amounts
that its source gives to its type, an amount v multiplies a positive signal by

    f = clip(log(1 + v) / log(1 + m), 1/2, 2)
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import Interactions
from limner.core.schema import Event, Scale
from limner.core.settings import SignalTable

RATED_TYPES = ("rating", "review")
"""Types whose value is a rating on the source's scale."""
_QUANTITY_TYPES = ("purchase", "cart")
_NOTHING = float("nan")
_LEAST, _MOST = 0.5, 2.0
"""Bounds of what an amount multiplies a signal by."""

Amounts = Mapping[str, Mapping[str, float]]
"""By source and type of event, the median of the amounts above zero."""
NO_AMOUNTS: Amounts = {}


def typical_amounts(x: Interactions) -> dict[str, dict[str, float]]:
    """Medians of the amounts above zero, by source and type; types of ratings have none."""
    given = np.isfinite(x.value) & (x.value > 0)
    amounts: dict[str, dict[str, float]] = {}
    for source, name in enumerate(x.sources):
        for type_, kind in enumerate(x.types):
            if kind not in RATED_TYPES:
                values = x.value[given & (x.source == source) & (x.type == type_)]
                if len(values):
                    amounts.setdefault(name, {})[kind] = float(np.median(values))
    return amounts


def _confidence(value: NDArray[np.float64], typical: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n] what amounts multiply their signals by; 1 where there is no amount, or none typical."""
    known = np.isfinite(value) & (value > 0) & (typical > 0)
    ratio = np.log1p(np.where(known, value, 1.0)) / np.log1p(np.where(known, typical, 1.0))
    return np.where(known, np.clip(ratio, _LEAST, _MOST), 1.0)


def signals(
    x: Interactions, table: SignalTable, scales: Mapping[str, Scale], amounts: Amounts | None = None
) -> NDArray[np.float32]:
    """[n] signal of every event, in [-1, 1]. amounts: the typical ones; those of `x` where None."""
    place = places(x, scales)
    mean = user_means(x, place)
    own = mean[x.user]
    rated = ~np.isnan(place)
    habit = np.where(np.isnan(own), 0.0, own) * table.rating_habit
    plain = np.array(
        [_by_type(kind, table) for kind in x.types] or np.empty((0, 3)), dtype=np.float64
    ).reshape(-1, 3)
    sign = np.where(
        np.isnan(x.value) | (x.value > 0) | ~np.isfinite(x.value), 0, np.where(x.value < 0, 1, 2)
    )
    unrated = plain[x.type, sign] if len(x) else np.empty(0)
    if table.amounts and len(x):
        known = typical_amounts(x) if amounts is None else amounts
        typical = np.array(
            [[known.get(source, {}).get(kind, 0.0) for kind in x.types] for source in x.sources]
        )
        unrated = unrated * np.where(
            unrated > 0, _confidence(x.value, typical[x.source, x.type]), 1
        )
    flat = _flat_ratings(x, scales)
    unrated = np.where(flat, table.types.get("view", 0.0), unrated)
    return np.asarray(np.clip(np.where(rated, place - habit, unrated), -1.0, 1.0), dtype=np.float32)


def rated(x: Interactions, scales: Mapping[str, Scale]) -> tuple[NDArray[np.float64], Scale] | None:
    """[n] places on the scale, NaN where an event is no rating, and the scale of the source with
    the most ratings; None where nothing is rated on a scale.
    """
    place = places(x, scales)
    count = np.bincount(x.source[~np.isnan(place)], minlength=len(x.sources))
    return (place, scales[x.sources[int(count.argmax())]]) if count.any() else None


def signal_of(
    event: Event,
    table: SignalTable,
    scales: Mapping[str, Scale],
    user_mean: float | None,
    amounts: Amounts = NO_AMOUNTS,
) -> float:
    """Signal of one event, in [-1, 1]; `user_mean` is the user's mean place (`mean_place`), None
    where unknown.
    """
    place = place_of(event, scales)
    if place is not None:
        return max(-1.0, min(1.0, place - table.rating_habit * (user_mean or 0.0)))
    value = event.value
    if _is_flat(event, scales):
        return max(-1.0, min(1.0, table.types.get("view", 0.0)))
    known = value is not None and np.isfinite(value)
    sign = 0 if value is None or not known or value > 0 else 1 if value < 0 else 2
    signal = _by_type(event.type, table)[sign]
    typical = amounts.get(event.source, {}).get(event.type, 0.0)
    if not table.amounts or signal <= 0 or value is None or not typical:
        return signal
    return min(1.0, signal * float(_confidence(np.array([value]), np.array([typical]))[0]))


def signals_of(
    events: Sequence[Event],
    table: SignalTable,
    scales: Mapping[str, Scale],
    amounts: Amounts = NO_AMOUNTS,
) -> dict[str, float]:
    """Signal by event id of one user's events, each rating read against this user's own mean."""
    mean = mean_place(events, scales)
    return {event.event_id: signal_of(event, table, scales, mean, amounts) for event in events}


def mean_place(events: Sequence[Event], scales: Mapping[str, Scale]) -> float | None:
    """Mean place in [-1, 1] of a user's ratings of items on their scales; None where there are
    none.
    """
    rated_places = [
        place
        for event in events
        if event.item_id and (place := place_of(event, scales)) is not None
    ]
    return sum(rated_places) / len(rated_places) if rated_places else None


def place_of(event: Event, scales: Mapping[str, Scale]) -> float | None:
    """Where a rating lies on its scale, in [-1, 1]; None for anything that is not a rating with a
    scale.
    """
    if event.type not in RATED_TYPES or event.value is None or not np.isfinite(event.value):
        return None
    scale = scales.get(event.source)
    if scale is None or scale.high <= scale.low:
        return None
    return max(-1.0, min(1.0, 2.0 * (event.value - scale.low) / (scale.high - scale.low) - 1.0))


def places(x: Interactions, scales: Mapping[str, Scale]) -> NDArray[np.float64]:
    """[n] place of every rating on its scale, in [-1, 1]; NaN where the event is no rating or has
    no scale.
    """
    low, high = _bounds(x, scales)
    width = np.where(high > low, high - low, _NOTHING)
    rated = np.array([kind in RATED_TYPES for kind in x.types], dtype=bool)
    if not len(x):
        return np.empty(0)
    place = 2.0 * (x.value - low[x.source]) / width[x.source] - 1.0
    return np.where(rated[x.type] & np.isfinite(x.value), np.clip(place, -1.0, 1.0), _NOTHING)


def user_means(x: Interactions, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """[users] mean place of each user's ratings; NaN where a user has none."""
    rated = ~np.isnan(place)
    count = np.bincount(x.user[rated], minlength=len(x.user_ids))
    total = np.bincount(x.user[rated], weights=place[rated], minlength=len(x.user_ids))
    return np.where(count > 0, total / np.maximum(count, 1), _NOTHING)


def _by_type(kind: str, table: SignalTable) -> tuple[float, float, float]:
    """Signals of a type: as it is, with a value below zero, with a value of zero."""
    base = max(-1.0, min(1.0, table.types.get(kind, 0.0)))
    taken_back = base if base < 0 else -base
    if kind in _QUANTITY_TYPES:
        taken_back = max(-1.0, min(1.0, table.types.get("return", taken_back)))
    return base, taken_back, 0.0 if base > 0 else base


def _bounds(
    x: Interactions, scales: Mapping[str, Scale]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    found = [scales.get(source) for source in x.sources]
    low = np.array([scale.low if scale else _NOTHING for scale in found], dtype=np.float64)
    high = np.array([scale.high if scale else _NOTHING for scale in found], dtype=np.float64)
    return low, high


def _flat_ratings(x: Interactions, scales: Mapping[str, Scale]) -> NDArray[np.bool_]:
    low, high = _bounds(x, scales)
    if not len(x):
        return np.empty(0, dtype=bool)
    is_rating = np.array([kind in RATED_TYPES for kind in x.types], dtype=bool)[x.type]
    return np.asarray(is_rating & np.isfinite(x.value) & (high <= low)[x.source], dtype=bool)


def _is_flat(event: Event, scales: Mapping[str, Scale]) -> bool:
    scale = scales.get(event.source)
    rated = event.type in RATED_TYPES and event.value is not None and bool(np.isfinite(event.value))
    return rated and scale is not None and scale.high <= scale.low
