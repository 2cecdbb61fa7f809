"""The rating that a user would give: a linear model of item, user and similar items' ratings.

With places r in [-1, 1] on the scale, μ their mean, and damped deviations (Koren, Factor in the
Neighbors, 2010, 2.1)

    b_i = Σ (r - μ) / (n_i + 25)      b_u = Σ (r - μ - b_i) / (n_u + 10)

and `near`, the user's own residuals r - μ - b_u - b_i on items with the same attributes, weighed by
the cosine of facets, Σ cos · residual / (Σ cos + 1), the rating is a linear combination of b_i, b_u
and near. Its coefficients are fitted on the last fifth of each user's ratings, with deviations from
the first four fifths alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import Interactions
from limner.core.metrics import mae, rmse
from limner.core.schema import RatingReport, Scale

if TYPE_CHECKING:
    import scipy.sparse as sp

Floats = NDArray[np.float64]

_ITEM_DAMPING, _USER_DAMPING = 25.0, 10.0
_LAST = 0.2
_MIN_HELD = 50
"""Ratings to fit on, below which nothing is fitted."""
_USERS = 5_000
"""Most users to fit on, drawn at random."""
_BINS = 10


@dataclass(frozen=True)
class Rated:
    """A user's ratings: item positions [n] and places [n] in [-1, 1]."""

    items: NDArray[np.int64]
    place: Floats


@dataclass(frozen=True)
class Ratings:
    """A fitted predictor."""

    mean: float
    deviation: Floats
    """[items] b_i."""
    coefficients: tuple[float, float, float, float]
    """For the columns 1, b_i, b_u and near."""
    low: float
    high: float
    """Ends of the scale of predictions: that of the source with the most ratings."""
    report: RatingReport

    def predict(
        self, rated: Rated, facets: "sp.csr_array", candidates: NDArray[np.int64]
    ) -> Floats:
        """[candidates] ratings on the scale.

        facets: [items, values] of unit rows. candidates: positions in the catalogue.
        """
        columns = _columns(self.mean, self.deviation, rated, facets, candidates)
        place = np.clip(columns @ np.array(self.coefficients), -1.0, 1.0)
        return np.asarray(self.low + (place + 1) / 2 * (self.high - self.low))

    def over(self, items: int) -> "Ratings":
        """This predictor over a catalogue with new items at its end, whose deviation is 0."""
        return replace(self, deviation=np.pad(self.deviation, (0, items - len(self.deviation))))

    def save(self, folder: Path) -> None:
        np.savez(folder / "ratings.npz", deviation=self.deviation)
        head = {
            "mean": self.mean,
            "coefficients": self.coefficients,
            "low": self.low,
            "high": self.high,
            "report": self.report.model_dump(),
        }
        (folder / "ratings.json").write_text(json.dumps(head, indent=2), encoding="utf-8")


def load_ratings(folder: Path) -> Ratings | None:
    """The saved predictor; None where ratings were too few. Raises one of UNREADABLE where it is
    damaged.
    """
    if not (folder / "ratings.json").exists():
        return None
    head = json.loads((folder / "ratings.json").read_text("utf-8"))
    report = RatingReport.model_validate(head.pop("report"))
    a, b, c, d = map(float, head.pop("coefficients"))
    with np.load(folder / "ratings.npz", allow_pickle=False) as arrays:
        deviation = np.asarray(arrays["deviation"], dtype=np.float64)
    return Ratings(deviation=deviation, coefficients=(a, b, c, d), report=report, **head)


def fit_ratings(
    x: Interactions, place: Floats, facets: "sp.csr_array", scale: Scale, seed: int = 0
) -> Ratings | None:
    """Fit on events sorted by (user, time) with their places [n], NaN where an event is no rating;
    None where there are too few.

    The reported error is measured on half of the users, with coefficients fitted on the other half.
    """
    rows = np.flatnonzero(~np.isnan(place))
    user, item, value = x.user[rows], x.item[rows].astype(np.int64), place[rows].astype(np.float64)
    count = np.bincount(user, minlength=len(x.user_ids))
    nth = np.arange(len(rows)) - (np.cumsum(count) - count)[user]
    late = nth >= np.ceil(count[user] * (1 - _LAST))
    if late.sum() < _MIN_HELD:
        return None
    items = facets.shape[0]
    mean, deviation = _deviations(item[~late], value[~late], items)
    columns, targets, owners = [], [], []
    for user_position in _drawn(np.unique(user[late]), seed):
        own = slice(*np.searchsorted(user, [user_position, user_position + 1]))
        early, held_out = np.flatnonzero(~late[own]), np.flatnonzero(late[own])
        rated = Rated(item[own][early], value[own][early])
        columns.append(_columns(mean, deviation, rated, facets, item[own][held_out]))
        targets.append(value[own][held_out])
        owners.append(np.full(len(held_out), user_position))
    table, target, owner = map(np.concatenate, (columns, targets, owners))
    half = owner % 2 == 0
    report = _report(table, target, half, scale)
    mean, deviation = _deviations(item, value, items)
    a, b, c, d = _least_squares(table, target)
    return Ratings(mean, deviation, (a, b, c, d), scale.low, scale.high, report)


def _drawn(users: NDArray[np.int32], seed: int) -> NDArray[np.int32]:
    if len(users) <= _USERS:
        return users
    return np.sort(np.random.default_rng(seed).choice(users, _USERS, replace=False))


def _deviations(item: NDArray[np.int64], value: Floats, items: int) -> tuple[float, Floats]:
    mean = float(value.mean())
    total = np.bincount(item, weights=value - mean, minlength=items)
    return mean, total / (np.bincount(item, minlength=items) + _ITEM_DAMPING)


def _columns(
    mean: float,
    deviation: Floats,
    rated: Rated,
    facets: "sp.csr_array",
    candidates: NDArray[np.int64],
) -> Floats:
    """[candidates, 4] with μ moved into the first: 1, b_i, b_u, near."""
    left = rated.place - mean - deviation[rated.items]
    user = float(left.sum() / (len(left) + _USER_DAMPING))
    cosine = np.asarray((facets[candidates] @ facets[rated.items].T).todense(), dtype=np.float64)
    near = cosine @ (left - user) / (cosine.sum(axis=1) + 1)
    ones = np.ones(len(candidates))
    return np.column_stack([ones, deviation[candidates], user * ones, near])


def _least_squares(table: Floats, target: Floats) -> list[float]:
    from sklearn.linear_model import Ridge

    # A trace of shrinking: a column of zeros (no attributes, say) has no best coefficient.
    model = Ridge(alpha=1.0).fit(table[:, 1:], target)
    return [float(model.intercept_), *model.coef_.tolist()]


def _report(table: Floats, target: Floats, half: NDArray[np.bool_], scale: Scale) -> RatingReport:
    """Errors in steps of the scale: coefficients are fitted on `half` [ratings], errors measured on
    the other.
    """
    if half.all() or not half.any():
        half = np.arange(len(target)) % 2 == 0
    coefficients = np.array(_least_squares(table[half], target[half]))
    predicted = np.clip(table[~half] @ coefficients, -1.0, 1.0)
    size = (scale.high - scale.low) / 2
    actual = target[~half]
    return RatingReport(
        ratings=len(actual),
        rmse=round(rmse(actual, predicted) * size, 4),
        rmse_of_mean=round(float(np.sqrt(np.mean((actual - target[half].mean()) ** 2))) * size, 4),
        mae=round(mae(actual, predicted) * size, 4),
        calibration_error=round(_calibration(actual, predicted) * size, 4),
        low=scale.low,
        high=scale.high,
    )


def _calibration(actual: Floats, predicted: Floats) -> float:
    """Mean distance between the mean prediction and the mean rating of a bin, over ten bins of
    equal size by prediction.
    """
    order = np.argsort(predicted, kind="stable")
    bins: Sequence[NDArray[np.int64]] = np.array_split(order, min(_BINS, len(predicted)))
    return float(np.mean([abs(actual[rows].mean() - predicted[rows].mean()) for rows in bins]))
