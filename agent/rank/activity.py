"""The probability that a user has any event in the stretch after an evaluation time; fusion then
says with which item.

Logistic regression on the logarithms of three numbers known at that time: time since the user's
last event, time from the first event to the last, and number of events. Times are shares of the
time that the data spans. Fitted over all users known by the last `_LATER` evaluation times; the
intercept is then moved towards the share of users active after the last one, since that share
drifts.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME, Interactions
from limner.core.metrics import ece
from limner.rank.training_queries import evaluation_windows
from limner.retrieve import History

Floats = NDArray[np.float64]

_LATER = 2
"""Evaluation times that are learned from, the last ones: the share of users who return falls as
users pile up.
"""
_LEAST = 1e-3
"""Share of the span added to times before their logarithm."""
_TIES = 11.0
"""Precision of the normal prior on the intercept's move (standard deviation 0.3)."""
_HELD_OUT = 0.2
"""Share of users that the calibration error is measured on."""
_BINS = 10


@dataclass(frozen=True)
class Activity:
    """A fitted predictor of any event that names an item, within the stretch that training queries
    ask about.
    """

    coefficients: list[float]
    """Three, of the logarithms of time since the last event, time from first to last and number of
    events; then the intercept.
    """
    now: int
    """Time of the last event of all, for which probabilities hold; epoch milliseconds UTC."""
    span: int
    """Milliseconds from the first event in the data to the last."""
    rate: float
    """Share of users who were active: the probability of a user whose times are not known."""
    ece: float
    """Expected calibration error over ten bins of equal size, at the last evaluation time, on the
    fifth of the users that was held out.
    """

    def probability(self, histories: Sequence[History]) -> Floats:
        """[users] in [0, 1]; events after `now` count as of now."""
        probability = np.full(len(histories), self.rate)
        times = list(map(_known_times, histories))
        known = np.array([len(time) > 0 for time in times], dtype=bool)
        if known.any():
            known_times = [time for time in times if len(time)]
            first = np.array([time.min() for time in known_times])
            last = np.array([time.max() for time in known_times])
            count = np.array(list(map(len, known_times)))
            columns = _columns(first, last, count, self.now, self.span)
            probability[known] = _predicted(columns, np.array(self.coefficients))
        return probability

    def save(self, folder: Path) -> None:
        (folder / "activity.json").write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")


def _known_times(history: History) -> NDArray[np.int64]:
    """[events with a time]."""
    if history.time is None:
        return np.empty(0, np.int64)
    return np.asarray(history.time[history.time != NO_TIME])


def load_activity(folder: Path) -> Activity | None:
    """The saved predictor; None where none was saved. Raises OSError, ValueError or TypeError where
    it is damaged.
    """
    file = folder / "activity.json"
    return Activity(**json.loads(file.read_text("utf-8"))) if file.exists() else None


def fit_activity(x: Interactions, seed: int = 0) -> Activity | None:
    """Fit on events sorted by (user, time); None where one has no time, or all or none of the users
    came back.
    """
    if not len(x) or (x.time == NO_TIME).any():
        return None
    span = int(np.ptp(x.time))
    columns, active, user = [], [], []
    for begin, end in evaluation_windows(x)[-_LATER:]:
        seen = x.take(x.time < begin)
        known, first, count = np.unique(seen.user, return_index=True, return_counts=True)
        later = np.bincount(x.user[(x.time >= begin) & (x.time <= end)], minlength=len(x.user_ids))
        columns.append(_columns(seen.time[first], seen.time[first + count - 1], count, begin, span))
        active.append(later[known] > 0)
        user.append(known)
    table, came, whose = np.concatenate(columns), np.concatenate(active), np.concatenate(user)
    last = np.arange(len(table)) >= len(table) - len(columns[-1])
    held_out = np.random.default_rng(seed).random(len(x.user_ids))[whose] < _HELD_OUT
    tested = held_out & last
    if not tested.any() or len(np.unique(came[~held_out])) < 2:
        return None
    trial = _fitted(table[~held_out], came[~held_out], last[~held_out])
    error = ece(came[tested], _predicted(table[tested], trial), _BINS, "mass")
    coefficients = _fitted(table, came, last).tolist()
    return Activity(coefficients, int(x.time.max()), span, float(came[last].mean()), error)


def _columns(
    first: NDArray[np.int64], last: NDArray[np.int64], count: NDArray[np.int64], now: int, span: int
) -> Floats:
    """[users, 3] the three logarithms that the regression is on."""
    whole = max(span, 1)
    gap, stay = np.maximum(now - last, 0) / whole, (last - first) / whole
    return np.column_stack([np.log(gap + _LEAST), np.log(stay + _LEAST), np.log1p(count)])


def _predicted(columns: Floats, coefficients: Floats) -> Floats:
    """[users] probability."""
    from scipy.special import expit

    return np.asarray(expit(columns @ coefficients[:-1] + coefficients[-1]))


def _fitted(table: Floats, came: NDArray[np.bool_], last: NDArray[np.bool_]) -> Floats:
    """Coefficients, then the intercept, which is moved so that the mean probability of the `last`
    rows nears the share of them that came true.
    """
    from scipy.optimize import minimize_scalar

    coefficients = _logistic(table, came)
    logits = table[last] @ coefficients[:-1] + coefficients[-1]
    happened = came[last]

    def loss(move: float) -> float:
        """Negative log-posterior."""
        moved = logits + move
        return float(np.logaddexp(0, np.where(happened, -moved, moved)).sum() + _TIES * move**2 / 2)

    coefficients[-1] += minimize_scalar(loss, bounds=(-3, 3), method="bounded").x
    return coefficients


def _logistic(table: Floats, came: NDArray[np.bool_]) -> Floats:
    """Coefficients, then the intercept."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=500).fit(table, came)
    return np.append(model.coef_[0], model.intercept_[0])
