"""The ratings and probabilities that every system is asked for, the same for all.

**Ratings**: every rating of the test part that a user gave to an item that is new to them, the
first where there are several, told on the scale of the source with the most ratings.

**Probabilities**: for everyone known at the cut, the `POOL` items that most users had before it and
this user had not. What counts as happened is that the user has the item within the stretch after
the cut in which a fifth as many events happen as the training has; where each user is cut on their
own timeline, that it is the item asked for. Which pairs are asked is settled by the training alone,
so that the share that happens is not moved by the choice.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import BadInputError
from limner.core.signals import places
from limner.evals.splits import Split
from limner.evals.systems.base import Training

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

POOL = 100
"""Items asked about for each user."""
STRETCH = 0.2
"""Events of the stretch, as a share of those of the training."""


@dataclass(frozen=True)
class Cases:
    """What is to be predicted: user by user, an item each."""

    user: Ints
    """[n] place among the split's users, ascending."""
    item: Ints
    """[n] position in the catalogue."""
    truth: Floats
    """[n] the rating on its scale; 1 where it happened, else 0."""

    def __len__(self) -> int:
        return len(self.user)

    def of(self, begin: int, end: int) -> list[Ints]:
        """The items of the users from one place to before another."""
        bounds = np.searchsorted(self.user, np.arange(begin, end + 1))
        return [self.item[low:high] for low, high in pairwise(bounds.tolist())]


def rating_cases(split: Split, training: Training) -> Cases:
    """Raises BadInputError where the test holds no rating of a new item by anyone who is asked."""
    rated = training.rated
    place = places(split.test, training.scales)
    row = _rows(split)[split.test.user]
    item = split.test.item.astype(np.int64)
    had = training.seen[split.test.user, item] > 0
    usable = (row >= 0) & ~np.isnan(place) & ~had
    if rated is None or not usable.any():
        raise BadInputError("system.no_rating_cases", split=split.name)
    _, first = np.unique(
        row[usable] * np.int64(len(training.x.item_ids)) + item[usable], return_index=True
    )
    scale = rated[1]
    value = scale.low + (place[usable][first] + 1) / 2 * (scale.high - scale.low)
    return Cases(row[usable][first], item[usable][first], value)


def probability_cases(split: Split, training: Training) -> Cases:
    """Raises BadInputError for a split of which no stretch of time can be told."""
    if split.moment is None and split.name != "leave-last-out":
        raise BadInputError("system.no_probability_cases", split=split.name)
    got = split.test if split.moment is None else split.test.take(split.test.time <= _end(split))
    popular = np.argsort(-training.share, kind="stable")
    wide = np.int64(len(training.x.item_ids))
    happened = np.unique(got.user.astype(np.int64) * wide + got.item)
    pools = []
    for history in training.asked(split.users).histories:
        most = popular[: POOL + len(history.items)]
        pools.append(most[~np.isin(most, history.items)][:POOL])
    user = np.repeat(np.arange(len(pools)), [len(one) for one in pools])
    item = np.concatenate([*pools, np.empty(0, np.int64)]).astype(np.int64)
    return Cases(user, item, np.isin(split.users[user] * wide + item, happened).astype(np.float64))


def _end(split: Split) -> int:
    """When the stretch ends, inclusive, in epoch milliseconds."""
    within = max(round(STRETCH * len(split.train)), 1)
    return int(np.sort(split.test.time)[min(within, len(split.test)) - 1])


def _rows(split: Split) -> Ints:
    """[users of the data] place among those who are asked, -1 for the others."""
    row = np.full(len(split.train.user_ids), -1, dtype=np.int64)
    row[split.users] = np.arange(len(split.users))
    return row
