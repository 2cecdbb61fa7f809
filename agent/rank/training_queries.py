"""What fusion learns from: moments of the past, with what was known before each and what the user
had after it.

**By time** (how a store is used: predict what comes after now). The events before a moment fit the
channels; asked are users known by then who did anything in the following stretch; relevant is what
they had newly in it, nothing maybe. Nothing later than the moment is seen.

**By user** (each user's own timeline, as leave-last-out asks). Users are dealt into folds; the last
events of a fold's users are held out of the channels and asked for one by one. Other users' events
are seen whatever their time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME, Interactions
from limner.retrieve import History

How = Literal["time", "user"]

MOMENTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Shares of all events after which lessons by time ask."""
_STRETCH = 0.2
"""Share of all events in which what follows a moment counts."""
_ASKED = 6
"""Last events of each user that lessons by user ask for, and at most a third of the user's."""
_FOLDS = 5
_LARGE = 4_000
"""Items beyond which fewer folds do, since each fits the channels anew."""
QUERIES = 8_000
"""Questions at most; more cost minutes and change little."""


@dataclass(frozen=True)
class Query:
    user: int
    history: History
    relevant: NDArray[np.int64]
    """Item positions; empty where the user came back for what they had already."""
    value: float
    """The raw value of the event asked for, NaN where several are or it has none."""


@dataclass(frozen=True)
class TrainingSplit:
    """`seen` [n] the events that channels may be fitted on, and what is asked then."""

    seen: NDArray[np.bool_]
    queries: list[Query]


def training_queries(
    x: Interactions, signal: NDArray[np.float32], how: How, seed: int = 0
) -> Iterator[TrainingSplit]:
    """Of events sorted by (user, time); at most QUERIES questions in all."""
    timed = bool(len(x)) and bool((x.time != NO_TIME).all())
    yield from _by_time(x, signal, seed) if how == "time" and timed else _by_user(x, signal, seed)


def moments(x: Interactions) -> list[tuple[int, int]]:
    """The moments of lessons by time, and when the stretch after each ends, inclusive."""
    if not len(x):
        return []
    begins = np.quantile(x.time, MOMENTS, method="higher")
    ends = np.quantile(x.time, np.minimum(np.array(MOMENTS) + _STRETCH, 1), method="higher")
    return [(int(begin), int(end)) for begin, end in zip(begins, ends, strict=True)]


def _by_time(x: Interactions, signal: NDArray[np.float32], seed: int) -> Iterator[TrainingSplit]:
    random = np.random.default_rng(seed)
    starts = x.starts()
    for moment, end in moments(x):
        seen = x.time < moment
        queries = []
        known = np.flatnonzero(np.bincount(x.user[seen], minlength=len(x.user_ids)))
        later = np.bincount(x.user[~seen & (x.time <= end)], minlength=len(x.user_ids)) > 0
        asked = known[later[known]]
        if len(asked) > QUERIES // len(MOMENTS):
            asked = np.sort(random.choice(asked, QUERIES // len(MOMENTS), replace=False))
        for user in asked:
            span = slice(starts[user], starts[user + 1])
            before = x.time[span] < moment
            had = x.item[span][before].astype(np.int64)
            got = np.setdiff1d(x.item[span][~before & (x.time[span] <= end)], had).astype(np.int64)
            past = History(had, signal[span][before], moment)
            queries.append(Query(int(user), past, got, float("nan")))
        yield TrainingSplit(seen, queries)


def _by_user(x: Interactions, signal: NDArray[np.float32], seed: int) -> Iterator[TrainingSplit]:
    random = np.random.default_rng(seed)
    starts = x.starts()
    length = np.diff(starts)
    place = np.arange(len(x)) - starts[x.user]
    asked = np.where(length >= 3, np.clip(length // 3, 1, _ASKED), 0)
    if asked.sum() > QUERIES:
        kept = random.permutation(len(asked))
        asked[kept[np.cumsum(asked[kept]) > QUERIES]] = 0
    folds = _FOLDS if len(x.item_ids) <= _LARGE else 3
    fold = random.integers(0, folds, len(length))
    for one in range(folds):
        users = np.flatnonzero((fold == one) & (asked > 0))
        first = np.full(len(length), np.iinfo(np.int64).max)
        first[users] = length[users] - asked[users]
        queries = []
        for user in users:
            for at in range(starts[user] + first[user], starts[user + 1]):
                span = slice(starts[user], at)
                item = int(x.item[at])
                if item not in x.item[span]:
                    past = History(x.item[span].astype(np.int64), signal[span], int(x.time[at - 1]))
                    queries.append(Query(int(user), past, np.array([item]), float(x.value[at])))
        yield TrainingSplit(place < first[x.user], queries)
