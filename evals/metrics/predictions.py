"""Errors of predicted ratings and of probabilities, each one number over its pairs. Nothing to
measure is NaN.

A prediction that is NaN makes the result NaN: leave such pairs out yourself, and say how many.
Means over users with an interval come from `by_user` and `interval`.
"""

import numpy as np
from numpy.typing import NDArray

from limner.core.metrics import Floats, Ints, Labels, bins_of_width, mean_or_nan, ratio, rmse

_TINY = 1e-15


def accuracy(y: Labels, p: Floats) -> float:
    """Share of cases y (0 or 1) on the right side of a probability of one half; exactly one half
    says yes.
    """
    right = ((p >= 0.5) == (y > 0)).astype(np.float64)
    return mean_or_nan(np.where(np.isnan(p), np.nan, right))


def log_loss(y: Labels, p: Floats) -> float:
    """Mean of -ln of the probability given to what happened; p is kept 1e-15 away from 0 and 1."""
    return mean_or_nan(_surprise(y, p))


def by_user(values: Floats, user: Ints, users: int) -> tuple[Floats, NDArray[np.int64]]:
    """([users] mean of the values [n] of each user, NaN where there are none; [users] how many).

    Give both to `interval` for a pooled mean with an interval over users.
    """
    count = np.bincount(user, minlength=users)
    total = np.bincount(user, weights=values, minlength=users)
    return ratio(total, count), count


def shares(name: str, true: Floats, predicted: Floats, user: Ints, users: int) -> Floats:
    """[users] what each user does to an error over all cases [n], NaN for users without one: their
    mean is that error.

    name: `rmse`, `mae`, `accuracy`, `log_loss` or `ece` (ten bins of equal width). With m_u a
    user's own mean over n_u cases, M the mean over all and w_u = n_u over the users' mean number of
    cases, the share is M + w_u (m_u - M), the linearisation of a ratio (Särndal, Swensson and
    Wretman, Model Assisted Survey Sampling, 1992, 5.6), so that intervals and paired tests over
    users hold for errors that are no means of users. The root of `rmse` is linearised at its value,
    and `ece` with the signs of its bins held.
    """
    if name == "rmse":
        squares = _pooled(np.square(predicted - true), user, users)
        root = rmse(true, predicted)
        return root + (squares - root**2) / (2 * root) if root > 0 else squares
    if name == "mae":
        return _pooled(np.abs(predicted - true), user, users)
    if name == "accuracy":
        return _pooled(((predicted >= 0.5) == (true > 0)).astype(np.float64), user, users)
    if name == "log_loss":
        return _pooled(_surprise(true, predicted), user, users)
    place = bins_of_width(predicted, 10)
    gap = np.bincount(place, weights=(true > 0) - predicted, minlength=10)
    return _pooled(np.sign(gap)[place] * ((true > 0) - predicted), user, users)


def _pooled(values: Floats, user: Ints, users: int) -> Floats:
    own, count = by_user(values, user, users)
    weight = ratio(count, count[count > 0].mean() if len(values) else 0.0)
    whole = mean_or_nan(values)
    return np.asarray(whole + weight * (own - whole))


def _surprise(y: Labels, p: Floats) -> Floats:
    sure = np.clip(p, _TINY, 1 - _TINY)
    return np.asarray(-np.where(y > 0, np.log(sure), np.log1p(-sure)))
