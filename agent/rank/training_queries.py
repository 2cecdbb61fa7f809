"""Training queries of the fusion: a user's history up to some time, and the items that the user had
next.

**By time** (how a store is used: predict what comes after now). The events before an evaluation
time fit the channels, and nothing later is seen. A query is a user known by then who did anything
in the following stretch; relevant are the items that are new to the user in it, maybe none.

**By user** (each user's own timeline, as leave-last-out evaluation has it). Users are dealt into
folds; the last events of a fold's users are held out of the channels, and each is a query. Other
users' events are seen whatever their time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME, Interactions
from limner.retrieve import History

How = Literal["time", "user"]

EVALUATION_TIMES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Evaluation times of queries by time, each as the share of all events before it."""
_STRETCH = 0.2
"""Share of all events in the stretch after an evaluation time."""
_ASKED = 6
"""Last events of a user that become queries by user; at most a third of the user's events."""
_FOLDS = 5
_LARGE = 4_000
"""Items above which three folds are enough, since each fits the channels anew."""
QUERIES = 8_000
"""Most queries; more cost minutes and change little."""


@dataclass(frozen=True)
class Query:
    user: int
    history: History
    relevant: NDArray[np.int64]
    """Item positions; empty where the user came back for what they had already."""
    value: float
    """Raw value of the event that is the answer; NaN where there are several or it has none."""


@dataclass(frozen=True)
class TrainingSplit:
    """Queries with the events that their channels may be fitted on."""

    seen: NDArray[np.bool_]
    """[n] of all events."""
    queries: list[Query]


def training_queries(
    x: Interactions, signal: NDArray[np.float32], how: How, seed: int = 0
) -> Iterator[TrainingSplit]:
    """Splits of events sorted by (user, time); at most QUERIES queries in all."""
    timed = bool(len(x)) and bool((x.time != NO_TIME).all())
    yield from _by_time(x, signal, seed) if how == "time" and timed else _by_user(x, signal, seed)


def evaluation_windows(x: Interactions) -> list[tuple[int, int]]:
    """(evaluation time, end of the stretch after it, inclusive) in epoch milliseconds."""
    if not len(x):
        return []
    begins = np.quantile(x.time, EVALUATION_TIMES, method="higher")
    shares = np.minimum(np.array(EVALUATION_TIMES) + _STRETCH, 1)
    ends = np.quantile(x.time, shares, method="higher")
    return [(int(begin), int(end)) for begin, end in zip(begins, ends, strict=True)]


def _by_time(x: Interactions, signal: NDArray[np.float32], seed: int) -> Iterator[TrainingSplit]:
    random = np.random.default_rng(seed)
    starts = x.starts()
    for begin, end in evaluation_windows(x):
        seen = x.time < begin
        queries = []
        known = np.flatnonzero(np.bincount(x.user[seen], minlength=len(x.user_ids)))
        later = np.bincount(x.user[~seen & (x.time <= end)], minlength=len(x.user_ids)) > 0
        asked = known[later[known]]
        if len(asked) > QUERIES // len(EVALUATION_TIMES):
            asked = np.sort(random.choice(asked, QUERIES // len(EVALUATION_TIMES), replace=False))
        for user in asked:
            span = slice(starts[user], starts[user + 1])
            before = x.time[span] < begin
            had = x.item[span][before].astype(np.int64)
            got = np.setdiff1d(x.item[span][~before & (x.time[span] <= end)], had).astype(np.int64)
            past = History(had, signal[span][before], begin)
            queries.append(Query(int(user), past, got, float("nan")))
        yield TrainingSplit(seen, queries)


def _by_user(x: Interactions, signal: NDArray[np.float32], seed: int) -> Iterator[TrainingSplit]:
    random = np.random.default_rng(seed)
    starts = x.starts()
    length = np.diff(starts)
    place = np.arange(len(x)) - starts[x.user]
    asked = np.where(length >= 3, np.clip(length // 3, 1, _ASKED), 0)
    if asked.sum() > QUERIES:
        shuffled = random.permutation(len(asked))
        asked[shuffled[np.cumsum(asked[shuffled]) > QUERIES]] = 0
    folds = _FOLDS if len(x.item_ids) <= _LARGE else 3
    fold_of_user = random.integers(0, folds, len(length))
    for fold in range(folds):
        users = np.flatnonzero((fold_of_user == fold) & (asked > 0))
        first = np.full(len(length), np.iinfo(np.int64).max)
        first[users] = length[users] - asked[users]
        queries = []
        for user in users:
            for row in range(starts[user] + first[user], starts[user + 1]):
                span = slice(starts[user], row)
                item = int(x.item[row])
                if item not in x.item[span]:
                    past = History(
                        x.item[span].astype(np.int64), signal[span], int(x.time[row - 1])
                    )
                    queries.append(Query(int(user), past, np.array([item]), float(x.value[row])))
        yield TrainingSplit(place < first[x.user], queries)
