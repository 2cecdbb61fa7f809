"""One user's facts, counted against the population.

Units are the user's different items, so that ten views of one item are one item's worth of
evidence. An item's signal is the mean of its strongest events' (a rating outweighs a comment, a
return cancels a purchase). For a facet value v,

    k, n    items that carry v, all items; k+, n+ the same over items with positive signal
    E       expected k+: n+ times the population's share of positive pairs that carry v

**Like.** The lift lambda of k+ over E has a Gamma(a, a) prior with mean 1, so its posterior is
Gamma(k+ + a, E + a): the Gamma-Poisson shrinker (DuMouchel 1999, "Bayesian data mining in large
frequency tables").

    affinity    log2 of the posterior mean, log2((k+ + a) / (E + a)); one item gives at most log2(1
                + 1/a)
    confidence  max(0, 2 P(lambda > 1) - 1)
    strength    half of 1 - 2^-affinity, half of the value's mean signal

**Dislike.** The value's mean signal lies significantly below the user's own (one-sided z test) and
is negative, as are at least half of its items.

    affinity    (mean of v - mean of all) k / (k + b): the difference, shrunk (James and Stein 1961)
    confidence  (2 Phi(z) - 1) k / (k + b)
    strength    half of -affinity, half of -mean of v, at most 1

**Trend.** The user's items in order of time are cut in two halves; the share that carries v is
compared by the pooled two-proportion z test at 5%. Unknown without times, with few items, or where
both halves belong to one burst.

**Stated and inferred.** An event of type `preference` states its facet, value and polarity in its
context, or names known values in its text; or it strikes a claim, which is then said no more until
it is stated again. A search that names a known value infers a like; neither adds to what the items'
signals say.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME, milliseconds
from limner.core.schema import LOOKS, Event, Fact, Polarity, Scale, Trait, Trend
from limner.core.settings import SignalTable
from limner.core.signals import signals_of
from limner.facts.population import Population, expand, strongest
from limner.facts.stated import spoken_facts, struck
from limner.facts.traits import traits_of

LIFT_PRIOR = 4.0
"""a: items' worth of belief that a user is like everyone."""
MEAN_PRIOR = 1.5
"""b: items' worth of belief that a value is rated like the user's others."""
SPREAD_PRIOR = 0.4
"""Standard deviation of signals that a user is assumed to have, with the weight of LIFT_PRIOR
items.
"""
MIN_CONFIDENCE = 0.6
"""Confidence below which a fact is left out, unless there are fewer than FEW others."""
MIN_LIFT = 1.15
"""Lift below which a like is left out, however sure."""
MIN_BELOW = 0.15
"""Shrunk distance below the user's own mean signal that a dislike must have; about a third of a
star of five.
"""
MIN_ITEMS = 2
"""Items that must carry a value."""
FEW = 3
"""Facts up to which less sure ones are added, each with its own low confidence."""
MIN_TENTATIVE = 0.3
"""Confidence of an added fact on several items."""
MIN_MEANT = 0.15
"""Absolute mean signal of an added fact: nearer to 0 it was neither liked nor disliked."""
MIN_GUESS = 0.1
"""Confidence of an added fact on a single item, used only where there is no other fact."""
EVIDENCE = 12
"""Event ids that a fact names."""
SAME = 0.8
"""Jaccard similarity of their items from which two values of one facet are one fact."""
SAME_NESTED = 0.5
"""`SAME` for two values of which one's name contains the other's ("cake", "cake cases")."""
BURST_MS = 24 * 3600 * 1000
"""Halves of a history whose median times are closer than this are one burst."""
TREND_ITEMS = 5
"""Items that each half must have for a trend."""
Z = 1.96
"""Two-sided 5%."""
Z_BELOW = 1.645
"""One-sided 5%."""


@dataclass(frozen=True)
class UserFacts:
    user_id: str
    facts: list[Fact]
    """Stated first, then by strength times confidence; numbered from 1."""
    traits: list[Trait]


@dataclass(frozen=True)
class UserHistory:
    """One user's item events that the population knows, sorted by (time, seq): `n` events on `m`
    items.
    """

    events: list[Event]
    signal: NDArray[np.float64]
    """[n]"""
    time: NDArray[np.int64]
    """[n] epoch milliseconds, NO_TIME where none."""
    unit: NDArray[np.int64]
    """[n] position of the event's item among the user's items."""
    things: NDArray[np.int64]
    """[m] the user's items as positions in the population, in order of first event."""
    unit_signal: NDArray[np.float64]
    """[m]"""


def mine_facts(
    events: Sequence[Event],
    population: Population,
    table: SignalTable,
    scales: Mapping[str, Scale],
    *,
    limit: int = 40,
) -> UserFacts:
    """Facts and traits of one user from all of their events, in any order where they have times."""
    ordered = in_order(events)
    user_id = ordered[0].user_id if ordered else ""
    signal = signals_of(ordered, table, scales, population.amounts)
    history = _history(ordered, signal, population)
    spoken = spoken_facts(ordered, population, signal)
    mined = _mine(history, population, limit) if len(history.things) else []
    wrong = struck(ordered)
    right = [fact for fact in mined if (*_key(fact), fact.polarity) not in wrong]
    facts = _merge(spoken, right, limit)
    return UserFacts(user_id, facts, traits_of(history.events, history.things, population, scales))


def in_order(events: Sequence[Event]) -> list[Event]:
    """Events by (time, seq), those without time first."""
    return sorted(events, key=lambda event: (_ms(event), event.seq, event.event_id))


def _ms(event: Event) -> int:
    return milliseconds(event.timestamp)


def _history(
    ordered: Sequence[Event], signal: Mapping[str, float], population: Population
) -> UserHistory:
    position = population.position
    known = [
        (event, at)
        for event in ordered
        if event.item_id is not None and (at := position.get(event.item_id)) is not None
    ]
    events = [event for event, _ in known]
    _, first, inverse = np.unique(
        np.fromiter((at for _, at in known), np.int64, len(known)),
        return_index=True,
        return_inverse=True,
    )
    # np.unique numbers items by position; renumber them in order of first event.
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    unit = rank[inverse]
    event_signal = np.fromiter((signal[e.event_id] for e in events), np.float64, len(events))
    return UserHistory(
        events=events,
        signal=event_signal,
        time=np.fromiter(map(_ms, events), np.int64, len(events)),
        unit=unit,
        things=np.array([known[at][1] for at in np.sort(first)], dtype=np.int64),
        unit_signal=strongest(unit, event_signal, len(first)),
    )


@dataclass(frozen=True)
class _Counts:
    """Per facet value that the user's items carry: `c` values."""

    code: NDArray[np.int64]
    row: NDArray[np.int64]
    """Units, grouped by value: value i's are `row[begin[i]:begin[i + 1]]`."""
    begin: NDArray[np.int64]
    items: NDArray[np.float64]
    liked: NDArray[np.float64]
    disliked: NDArray[np.float64]
    mean: NDArray[np.float64]

    def units(self, at: int) -> NDArray[np.int64]:
        return self.row[self.begin[at] : self.begin[at + 1]]


def _count(history: UserHistory, population: Population) -> _Counts:
    row, code = expand(history.things, population.starts, population.codes)
    order = np.argsort(code, kind="stable")
    row, code = row[order], code[order].astype(np.int64)
    values, begin, items = np.unique(code, return_index=True, return_counts=True)
    local = np.repeat(np.arange(len(values)), items)
    signal = history.unit_signal[row]
    return _Counts(
        code=values.astype(np.int64),
        row=row,
        begin=np.append(begin, len(row)),
        items=items.astype(np.float64),
        liked=np.bincount(local[signal > 0], minlength=len(values)).astype(np.float64),
        disliked=np.bincount(local[signal < 0], minlength=len(values)).astype(np.float64),
        mean=np.bincount(local, weights=signal, minlength=len(values)) / np.maximum(items, 1),
    )


@dataclass(frozen=True)
class _Tests:
    """Test results of each of the `c` counted values: for a dislike where the signal allows one,
    else for a like.
    """

    dislike: NDArray[np.bool_]
    affinity: NDArray[np.float64]
    strength: NDArray[np.float64]
    confidence: NDArray[np.float64]
    significant: NDArray[np.bool_]
    """Passes all thresholds."""
    repeated: NDArray[np.bool_]
    """True for values on several items that are sure enough to state where little else is."""
    guess: NDArray[np.bool_]
    """True for values that are sure enough to state where nothing else is."""


def _mine(history: UserHistory, population: Population, limit: int) -> list[Fact]:
    c = _count(history, population)
    if not len(c.code):
        return []
    tests = _test(c, history, population)
    halves = _halves(history)
    first, last = _seen(history)
    facts = []
    for number, index in enumerate(_choose(c, tests, population, limit), 1):
        code, units = int(c.code[index]), c.units(index)
        rows = np.flatnonzero(np.isin(history.unit, units))
        polarity: Polarity = "dislike" if tests.dislike[index] else "like"
        facts.append(
            Fact(
                number=number,
                facet=population.facets[code],
                value=population.values[code],
                polarity=polarity,
                count=len(rows),
                positive=int((history.signal[rows] > 0).sum()),
                negative=int((history.signal[rows] < 0).sum()),
                share=_tidy(c.items[index] / len(history.things)),
                base_rate=_tidy(population.base[code]),
                affinity=_tidy(tests.affinity[index]),
                strength=_tidy(tests.strength[index]),
                confidence=_tidy(tests.confidence[index]),
                trend=_trend(units, halves),
                first_seen=_when(history, first[units], min),
                last_seen=_when(history, last[units], max),
                evidence=_evidence(history, rows, polarity),
                looked=all(history.events[row].type in LOOKS for row in rows.tolist()),
            )
        )
    return facts


def _test(c: _Counts, history: UserHistory, population: Population) -> _Tests:
    like_affinity, like_confidence = _likes(c, history, population)
    low_affinity, low_confidence, z = _dislikes(c, history)
    like_strength = (1 - 2.0 ** -np.maximum(like_affinity, 0)) / 2 + np.maximum(c.mean, 0) / 2
    low_strength = np.minimum(1, np.maximum(-low_affinity, 0) / 2 + np.maximum(-c.mean, 0) / 2)
    may_like = (2 * c.liked >= np.maximum(c.items, 1)) & (c.mean > 0) & (like_affinity > 0)
    may_dislike = (2 * c.disliked >= c.items) & (c.mean < 0) & (low_affinity < 0)
    liked = (
        may_like
        & (like_affinity >= np.log2(MIN_LIFT))
        & (c.liked >= MIN_ITEMS)
        & (like_confidence >= MIN_CONFIDENCE)
    )
    disliked = may_dislike & (low_affinity <= -MIN_BELOW) & (c.items >= MIN_ITEMS) & (z >= Z_BELOW)
    disliked &= low_confidence >= MIN_CONFIDENCE
    confidence = np.where(may_dislike, low_confidence, like_confidence)
    may = (may_like | may_dislike) & (np.abs(c.mean) >= MIN_MEANT)
    return _Tests(
        dislike=may_dislike,
        affinity=np.where(may_dislike, low_affinity, like_affinity),
        strength=np.where(may_dislike, low_strength, like_strength),
        confidence=confidence,
        significant=liked | disliked,
        repeated=may & (confidence >= MIN_TENTATIVE) & (c.items >= MIN_ITEMS),
        guess=may & (confidence >= MIN_GUESS),
    )


def _choose(c: _Counts, tests: _Tests, population: Population, limit: int) -> list[int]:
    """Positions of the values that become facts, at most `limit`, best first.

    Significant ones; with fewer than FEW of them also repeated ones; with none at all, guesses.
    """
    score = tests.strength * tests.confidence
    # What an item is says more than who made it, as long as little can be said at all.
    is_primary = np.array([population.facets[int(code)] == population.primary for code in c.code])
    weak_score = 1.0 * is_primary + score
    chosen = _distinct(_ranked(tests.significant, score, c), c, population, limit)
    few = min(limit, FEW)
    if len(chosen) < FEW:
        repeated = _ranked(tests.repeated, weak_score, c)
        chosen = _distinct([*chosen, *repeated], c, population, few)
    return chosen or _distinct(_ranked(tests.guess, weak_score, c), c, population, few)


def _likes(
    c: _Counts, history: UserHistory, population: Population
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.special import gammaincc

    expected = (history.unit_signal > 0).sum() * population.base_positive[c.code]
    shape, rate = c.liked + LIFT_PRIOR, expected + LIFT_PRIOR
    return np.log2(shape / rate), np.maximum(0.0, 2 * gammaincc(shape, rate) - 1)


def _dislikes(
    c: _Counts, history: UserHistory
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    from scipy.special import ndtr

    signal = history.unit_signal
    spread = np.sqrt(
        (len(signal) * signal.var() + LIFT_PRIOR * SPREAD_PRIOR**2) / (len(signal) + LIFT_PRIOR)
    )
    below = signal.mean() - c.mean
    z = below / (spread / np.sqrt(c.items))
    shrink = c.items / (c.items + MEAN_PRIOR)
    return -below * shrink, np.maximum(0.0, 2 * ndtr(z) - 1) * shrink, z


def _ranked(which: NDArray[np.bool_], score: NDArray[np.float64], c: _Counts) -> list[int]:
    """Positions that `which` marks, best first; ties go to the value with more items, then to the
    lower code.
    """
    at = np.flatnonzero(which)
    ranked: list[int] = at[np.lexsort((c.code[at], -c.items[at], -score[at]))].tolist()
    return ranked


def _distinct(ranked: Sequence[int], c: _Counts, population: Population, limit: int) -> list[int]:
    """The best `limit`, leaving out values with nearly the items of a better one, and giving one
    facet at most half of the places.

    A number's bands have one place: who chooses low prices and middling ones has no price band.
    """
    bands = {rule.facet for rule in population.rules if rule.kind == "band"}
    chosen: list[int] = []
    taken: dict[str, list[tuple[str, frozenset[int]]]] = {}
    for index in dict.fromkeys(ranked):
        code = int(c.code[index])
        facet = population.facets[code]
        others = taken.setdefault(facet, [])
        candidate = population.values[code].casefold(), frozenset(c.units(index).tolist())
        room = 1 if facet in bands else max(2, limit // 2)
        if len(others) >= room or any(_overlaps(candidate, other) for other in others):
            continue
        others.append(candidate)
        chosen.append(index)
        if len(chosen) == limit:
            break
    return chosen


def _overlaps(a: tuple[str, frozenset[int]], b: tuple[str, frozenset[int]]) -> bool:
    """Whether two values, (name, units) each, share so many units that they are one fact."""
    (name, units), (other, others) = a, b
    nested = name in other or other in name
    return len(units & others) >= (SAME_NESTED if nested else SAME) * len(units | others)


@dataclass(frozen=True)
class _Halves:
    later: NDArray[np.bool_]
    """[m] true for units of the later half."""


def _halves(history: UserHistory) -> _Halves | None:
    """The user's items cut in two by time; None without times, with few items, or in one burst."""
    first, _ = _seen(history)
    if len(first) < 2 * TREND_ITEMS or (first == NO_TIME).any():
        return None
    order = np.argsort(first, kind="stable")
    half = len(order) // 2
    early, late = order[:half], order[half:]
    if np.median(first[late]) - np.median(first[early]) < BURST_MS:
        return None
    later = np.zeros(len(first), dtype=bool)
    later[late] = True
    return _Halves(later)


def _trend(units: NDArray[np.int64], halves: _Halves | None) -> Trend:
    if halves is None or len(units) < 2:
        return "unknown"
    n2 = int(halves.later.sum())
    n1 = len(halves.later) - n2
    k2 = int(halves.later[units].sum())
    k1 = len(units) - k2
    pooled = (k1 + k2) / (n1 + n2)
    if pooled in (0.0, 1.0):
        return "steady"
    z = (k2 / n2 - k1 / n1) / np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    if abs(z) > Z:
        return "rising" if z > 0 else "fading"
    return "steady" if len(units) >= TREND_ITEMS else "unknown"


def _seen(history: UserHistory) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[m] first and last time of every unit, NO_TIME where none."""
    first = np.full(len(history.things), np.iinfo(np.int64).max)
    last = np.full(len(history.things), NO_TIME)
    np.minimum.at(first, history.unit, history.time)
    np.maximum.at(last, history.unit, history.time)
    return first, last


def _evidence(history: UserHistory, rows: NDArray[np.int64], polarity: Polarity) -> list[str]:
    """At most `EVIDENCE` ids of events that agree with the polarity: strongest signal first, then
    latest; each item once before any item twice.
    """
    sign = -1.0 if polarity == "dislike" else 1.0
    signal = history.signal[rows] * sign
    rows = rows[signal > 0]
    ranked = rows[np.lexsort((-rows, -history.signal[rows] * sign))]
    units = history.unit[ranked]
    _, first = np.unique(units, return_index=True)
    again = np.ones(len(ranked), dtype=bool)
    again[first] = False
    best = np.concatenate([ranked[~again], ranked[again]])[:EVIDENCE]
    return [history.events[int(at)].event_id for at in best]


def _merge(spoken: Sequence[Fact], mined: Sequence[Fact], limit: int) -> list[Fact]:
    """At most `limit` facts: stated ones, then mined and inferred ones on values not named yet."""
    facts = [fact for fact in spoken if fact.basis == "stated"]
    inferred = [fact for fact in spoken if fact.basis == "inferred"]
    for others in (mined, inferred):
        named = set(map(_key, facts))
        facts += [fact for fact in others if _key(fact) not in named]
    return [
        fact.model_copy(update={"number": number}) for number, fact in enumerate(facts[:limit], 1)
    ]


def _key(fact: Fact) -> tuple[str, str]:
    return fact.facet, fact.value.casefold()


def _when(
    history: UserHistory, times: NDArray[np.int64], pick: Callable[[NDArray[np.int64]], np.int64]
) -> datetime | None:
    known = times[times != NO_TIME]
    return datetime.fromtimestamp(int(pick(known)) / 1000, UTC) if len(known) else None


def _tidy(number: float) -> float:
    """Four decimals: enough to read, and equal on every machine."""
    return round(float(number), 4)
