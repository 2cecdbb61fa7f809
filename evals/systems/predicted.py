"""Baselines of predicted ratings and probabilities: means, and what each user and item departs from
them by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import BadInputError, CannotRunError
from limner.evals.splits import make_split
from limner.evals.systems.base import Scores, Setting, Training, UserBatch
from limner.evals.systems.cases import probability_cases

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ITEM_DAMPING, _USER_DAMPING = 25.0, 10.0
_RATE_DAMPING = 20.0


@dataclass
class RatingMean:
    """The mean of all ratings, for every pair; with deviations of items, and of users, where they
    are asked for.

    b_i = Σ (r - μ) / (n_i + 25) and b_u = Σ (r - μ - b_i) / (n_u + 10) (Koren, Factor in the
    Neighbors, 2010, 2.1).
    """

    items: bool = False
    users: bool = False

    name: ClassVar[str] = "rating-mean"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {}

    def fit(self, training: Training) -> None:
        """Raises CannotRunError where nothing is rated."""
        if training.rated is None:
            raise CannotRunError("system.nothing_rated")
        place, scale = training.rated
        self._share = training.share
        at = np.flatnonzero(~np.isnan(place))
        value = scale.low + (place[at] + 1) / 2 * (scale.high - scale.low)
        user, item = training.x.user[at], training.x.item[at]
        self._low, self._high, self._mean = scale.low, scale.high, float(value.mean())
        self._item = np.zeros(len(training.x.item_ids))
        self._user = np.zeros(len(training.x.user_ids))
        left = value - self._mean
        if self.items:
            self._item = _damped(left, item, len(self._item), _ITEM_DAMPING)
            left = left - self._item[item]
        if self.users:
            self._user = _damped(left, user, len(self._user), _USER_DAMPING)

    def score(self, asked: UserBatch) -> Scores:
        """Scores by predicted rating; popularity decides between equals."""
        own = self._item + 1e-6 * self._share
        return np.asarray(np.tile(own, (len(asked), 1)) + self._user[asked.users][:, None])

    def ratings(self, asked: UserBatch, items: Sequence[Ints]) -> list[Floats]:
        own = self._mean + self._user[asked.users]
        return [
            np.asarray(np.clip(one + self._item[at], self._low, self._high))
            for one, at in zip(own, items, strict=True)
        ]


def _damped(left: Floats, key: NDArray[np.int32], size: int, damping: float) -> Floats:
    total = np.bincount(key, weights=left, minlength=size)
    return np.asarray(total / (np.bincount(key, minlength=size) + damping))


@dataclass
class BaseRate:
    """How often what was asked happened when the same was asked of the training's own end; for each
    item where that is asked for, drawn to the whole by twenty cases.
    """

    items: bool = False

    name: ClassVar[str] = "base-rate"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {}

    def fit(self, training: Training) -> None:
        """Raises CannotRunError where the training is too short to be asked."""
        self._share = training.share
        name = "leave-last-out" if training.moment is None else "global-time"
        try:
            cut = make_split(name, training.x).everyone()
            cases = probability_cases(cut, training.before(cut))
        except BadInputError as error:
            raise CannotRunError("system.training_too_short", error=error) from error
        items = len(training.x.item_ids)
        whole = float(cases.truth.mean())
        self._rate = np.full(items, whole)
        if self.items:
            happened = np.bincount(cases.item, weights=cases.truth, minlength=items)
            count = np.bincount(cases.item, minlength=items)
            self._rate = (happened + _RATE_DAMPING * whole) / (count + _RATE_DAMPING)

    def score(self, asked: UserBatch) -> Scores:
        """Scores by predicted rate; popularity decides between equals."""
        return np.tile(self._rate + 1e-9 * self._share, (len(asked), 1))

    def probabilities(self, asked: UserBatch, items: Sequence[Ints]) -> list[Floats]:
        return [self._rate[at] for at in items]
