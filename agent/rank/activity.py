"""Whether a user does anything at all in the stretch after a moment; fusion says what, of those who
do.

Logistic regression on three things known at the moment: how long ago the last event was, how long
the user had been about before it, and how many events there were. Times are shares of all the time
that the data spans, and all three are logarithms. Fitted over everyone known by the later moments
of the lessons; how many come back at all is then drawn to what was so after the last of them, since
it moves with time.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME, Interactions
from limner.core.metrics import ece
from limner.rank.training_queries import moments
from limner.retrieve import History

Floats = NDArray[np.float64]

_LATER = 2
"""Of the moments, how many are learned from: as users pile up fewer of them return, so early ones
promise too much.
"""
_LEAST = 1e-3
"""Share of the span added to times before their logarithm."""
_TIES = 11.0
"""Weight against moving to the last moment's level, as of so many users at even odds: a normal
prior of spread 0.3.
"""
_HELD = 0.2
_BINS = 10


@dataclass(frozen=True)
class Activity:
    """A fitted predictor of any event that names an item, within the stretch that lessons ask
    about.
    """

    coefficients: list[float]
    """Of the logarithms of time since the last event, time from first to last and number of events;
    the intercept.
    """
    now: int
    """The moment it is asked for: that of the last event of all, epoch milliseconds UTC."""
    span: int
    """From the first event of all to the last, in milliseconds."""
    rate: float
    """Share of users who were active; said of a user whose times are not known."""
    ece: float
    """Expected calibration error over ten bins of equal size, on a fifth of the users that was held
    out, at the last moment.
    """

    def probability(self, histories: Sequence[History]) -> Floats:
        """[users] in [0, 1]; events after `now` count as of now."""
        told = np.full(len(histories), self.rate)
        times = [
            np.empty(0, np.int64) if one.time is None else one.time[one.time != NO_TIME]
            for one in histories
        ]
        known = np.array([len(one) > 0 for one in times], dtype=bool)
        if known.any():
            own = [one for one in times if len(one)]
            first, last = np.array([one.min() for one in own]), np.array([one.max() for one in own])
            columns = _columns(
                first, last, np.array([len(one) for one in own]), self.now, self.span
            )
            told[known] = _told(columns, np.array(self.coefficients))
        return told

    def save(self, folder: Path) -> None:
        (folder / "activity.json").write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")


def load_activity(folder: Path) -> Activity | None:
    """None where there is none. Raises OSError, ValueError or TypeError where it is damaged."""
    file = folder / "activity.json"
    return Activity(**json.loads(file.read_text("utf-8"))) if file.exists() else None


def fit_activity(x: Interactions, seed: int = 0) -> Activity | None:
    """Of events sorted by (user, time); None where one has no time, or all or none of the users
    came back.
    """
    if not len(x) or (x.time == NO_TIME).any():
        return None
    span = int(np.ptp(x.time))
    columns, active, user = [], [], []
    for moment, end in moments(x)[-_LATER:]:  # the last one at last
        seen = x.take(x.time < moment)
        known, first, count = np.unique(seen.user, return_index=True, return_counts=True)
        later = np.bincount(x.user[(x.time >= moment) & (x.time <= end)], minlength=len(x.user_ids))
        columns.append(
            _columns(seen.time[first], seen.time[first + count - 1], count, moment, span)
        )
        active.append(later[known] > 0)
        user.append(known)
    table, came, whose = np.concatenate(columns), np.concatenate(active), np.concatenate(user)
    last = np.arange(len(table)) >= len(table) - len(columns[-1])
    held = np.random.default_rng(seed).random(len(x.user_ids))[whose] < _HELD
    if not (held & last).any() or len(np.unique(came[~held])) < 2:
        return None
    told = _told(table[held & last], _fitted(table[~held], came[~held], last[~held]))
    error = ece(came[held & last], told, _BINS, "mass")
    coefficients = _fitted(table, came, last).tolist()
    return Activity(coefficients, int(x.time.max()), span, float(came[last].mean()), error)


def _columns(
    first: NDArray[np.int64], last: NDArray[np.int64], count: NDArray[np.int64], now: int, span: int
) -> Floats:
    """[users, 3]."""
    whole = max(span, 1)
    gap, stay = np.maximum(now - last, 0) / whole, (last - first) / whole
    return np.column_stack([np.log(gap + _LEAST), np.log(stay + _LEAST), np.log1p(count)])


def _told(columns: Floats, coefficients: Floats) -> Floats:
    """[users] probability."""
    from scipy.special import expit

    return np.asarray(expit(columns @ coefficients[:-1] + coefficients[-1]))


def _fitted(table: Floats, came: NDArray[np.bool_], last: NDArray[np.bool_]) -> Floats:
    """Coefficients, then the intercept: moved to where what is told of the `last` rows is what was
    so of them.
    """
    from scipy.optimize import minimize_scalar

    learned = _logistic(table, came)
    logits, happened = table[last] @ learned[:-1] + learned[-1], came[last]

    def loss(move: float) -> float:
        """Negative log-posterior."""
        moved = logits + move
        return float(np.logaddexp(0, np.where(happened, -moved, moved)).sum() + _TIES * move**2 / 2)

    learned[-1] += minimize_scalar(loss, bounds=(-3, 3), method="bounded").x
    return learned


def _logistic(table: Floats, came: NDArray[np.bool_]) -> Floats:
    """Coefficients, then the intercept."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=500).fit(table, came)
    return np.append(model.coef_[0], model.intercept_[0])
