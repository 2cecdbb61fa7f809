"""The rating that a user would give: a linear model over how item, user and their like are rated.

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
"""Ratings to fit on below which none is predicted."""
_USERS = 5_000
"""Users asked for while fitting; drawn, where there are more."""
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
    """Of 1, b_i, b_u and near."""
    low: float
    high: float
    """The scale on which ratings are told: that of the source with the most."""
    report: RatingReport

    def predict(
        self, rated: Rated, facets: "sp.csr_array", candidates: NDArray[np.int64]
    ) -> Floats:
        """[candidates] on the scale, of items at positions of the catalogue; `facets` [items,
        values] of unit rows.
        """
        columns = _columns(self.mean, self.deviation, rated, facets, candidates)
        place = np.clip(columns @ np.array(self.coefficients), -1.0, 1.0)
        return np.asarray(self.low + (place + 1) / 2 * (self.high - self.low))

    def over(self, items: int) -> "Ratings":
        """The same over a catalogue that items were added to at its end."""
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
    """None where there were too few. Raises one of UNREADABLE where it is damaged."""
    if not (folder / "ratings.json").exists():
        return None
    head = json.loads((folder / "ratings.json").read_text("utf-8"))
    report = RatingReport.model_validate(head.pop("report"))
    coefficients = tuple(float(one) for one in head.pop("coefficients"))
    with np.load(folder / "ratings.npz", allow_pickle=False) as arrays:
        deviation = np.asarray(arrays["deviation"], dtype=np.float64)
    a, b, c, d = coefficients
    return Ratings(deviation=deviation, coefficients=(a, b, c, d), report=report, **head)


def fit_ratings(
    x: Interactions, place: Floats, facets: "sp.csr_array", scale: Scale, seed: int = 0
) -> Ratings | None:
    """Of events sorted by (user, time) with their places [n], NaN where one is no rating; None
    where there are too few.

    The error is that on half of the users, of coefficients fitted on the other half.
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
    columns, told, whose = [], [], []
    for one in _drawn(np.unique(user[late]), seed):
        own = slice(*np.searchsorted(user, [one, one + 1]))
        early, held = np.flatnonzero(~late[own]), np.flatnonzero(late[own])
        rated = Rated(item[own][early], value[own][early])
        columns.append(_columns(mean, deviation, rated, facets, item[own][held]))
        told.append(value[own][held])
        whose.append(np.full(len(held), one))
    table, target, owner = np.concatenate(columns), np.concatenate(told), np.concatenate(whose)
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
    """In steps of the scale."""
    if half.all() or not half.any():
        half = np.arange(len(target)) % 2 == 0
    given = np.clip(table[~half] @ np.array(_least_squares(table[half], target[half])), -1.0, 1.0)
    size = (scale.high - scale.low) / 2
    known = target[~half]
    return RatingReport(
        ratings=len(known),
        rmse=round(rmse(known, given) * size, 4),
        rmse_of_mean=round(float(np.sqrt(np.mean((known - target[half].mean()) ** 2))) * size, 4),
        mae=round(mae(known, given) * size, 4),
        calibration_error=round(_calibration(known, given) * size, 4),
        low=scale.low,
        high=scale.high,
    )


def _calibration(known: Floats, given: Floats) -> float:
    """Mean distance of what was predicted from what was given, over ten bins of equal size by
    prediction.
    """
    bins: Sequence[NDArray[np.int64]] = np.array_split(
        np.argsort(given, kind="stable"), min(_BINS, len(given))
    )
    return float(np.mean([abs(known[one].mean() - given[one].mean()) for one in bins]))
