"""Errors of predicted ratings and of probabilities, each one number over its pairs. Nothing to measure is NaN.

A prediction that is NaN makes the result NaN: leave such pairs out yourself, and say how many. Means over users with an
interval come from `by_user` and `interval`.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evals.metrics.arrays import Floats, Ints, Labels, ratio

Bins = Literal["width", "mass"]

_TINY = 1e-15


def rmse(true: Floats, predicted: Floats) -> float:
    """Root of the mean squared error, in the ratings' unit."""
    return float(np.sqrt(_mean(np.square(predicted - true))))


def mae(true: Floats, predicted: Floats) -> float:
    """Mean absolute error, in the ratings' unit."""
    return _mean(np.abs(predicted - true))


def accuracy(y: Labels, p: Floats) -> float:
    """Share of cases y (0 or 1) on the right side of a probability of one half; exactly one half says yes."""
    right = ((p >= 0.5) == (y > 0)).astype(np.float64)
    return _mean(np.where(np.isnan(p), np.nan, right))


def log_loss(y: Labels, p: Floats) -> float:
    """Mean of -ln of the probability given to what happened; p is kept 1e-15 away from 0 and 1."""
    sure = np.clip(p, _TINY, 1 - _TINY)
    return _mean(-np.where(y > 0, np.log(sure), np.log1p(-sure)))


def ece(y: Labels, p: Floats, bins: int = 10, equal: Bins = "width") -> float:
    """Expected calibration error (Guo and others 2017): |share that happened - mean probability|, weighted by bin.

    bins: of equal `width` over [0, 1], right edge included, as in the paper; or of equal `mass`, each with as many
    cases as the next, equal probabilities kept in the order given.
    """
    if not len(p) or np.isnan(p).any():
        return float("nan")
    if equal == "mass":
        place = np.empty(len(p), dtype=np.int64)
        place[np.argsort(p, kind="stable")] = np.arange(len(p)) * bins // len(p)
    else:
        place = np.searchsorted(np.arange(1, bins) / bins, p, side="left").astype(np.int64)
    gap = np.bincount(place, weights=(y > 0) - p, minlength=bins)
    return float(np.abs(gap).sum() / len(p))


def by_user(values: Floats, user: Ints, users: int) -> tuple[Floats, NDArray[np.int64]]:
    """([users] mean of the values [n] of each user, NaN where there are none; [users] how many).

    Give both to `interval` for a pooled mean with an interval over users.
    """
    count = np.bincount(user, minlength=users)
    total = np.bincount(user, weights=values, minlength=users)
    return ratio(total, count), count


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")
