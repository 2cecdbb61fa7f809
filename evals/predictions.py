"""Predictions of a system for the cases that every system is asked, with defaults for
missing ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limner.core.messages import Message, message
from limner.evals.splits import Split
from limner.evals.systems.base import Rating, System, Telling, Training, UserBatch
from limner.evals.systems.cases import Cases

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Ask = Callable[[UserBatch, Sequence[Ints]], Sequence[Floats]]

_USERS = 500
"""Asked at once."""


@dataclass(frozen=True)
class Predicted:
    """A system's predictions of all cases."""

    cases: Cases
    told: Floats
    """[n] predictions; `usual` replaces missing ones."""
    silent: int
    """Number of cases without a prediction: it was NaN, or the system raised an error for
    the user.
    """
    error: str
    """The first that it raised."""

    def remark(self, what: str) -> Message | None:
        """A remark on cases without a prediction; None where all have one."""
        if not self.silent:
            return None
        counts = {"n": self.silent, "all": len(self.cases), "what": what}
        if self.error:
            return message("run.unpredicted_error", error=self.error, **counts)
        return message("run.unpredicted", **counts)


def predict_ratings(
    system: System, cases: Cases, split: Split, training: Training
) -> Predicted | None:
    """Predicted ratings; None for a system without. The training's mean rating replaces missing
    ones.
    """
    if not isinstance(system, Rating) or training.rated is None:
        return None
    place, scale = training.rated
    usual = scale.low + (float(np.nanmean(place)) + 1) / 2 * (scale.high - scale.low)
    return _predicted(system.ratings, cases, split, training, usual)


def predict_probabilities(
    system: System, cases: Cases, split: Split, training: Training
) -> Predicted | None:
    """Predicted probabilities; None for a system without. One half, which claims nothing, replaces
    missing ones.

    Raises ValueError for a number outside [0, 1].
    """
    if not isinstance(system, Telling):
        return None
    found = _predicted(system.probabilities, cases, split, training, 0.5)
    if ((found.told < 0) | (found.told > 1)).any():
        raise ValueError("probabilities below 0 or above 1")
    return found


def _predicted(ask: Ask, cases: Cases, split: Split, training: Training, usual: float) -> Predicted:
    """Asked for many users at once, and one by one where it raises for them. Raises what it raised
    for everyone.
    """
    values = np.full(len(cases), np.nan)
    first: Exception | None = None
    answered = False
    for begin in range(0, len(split.users), _USERS):
        end = min(begin + _USERS, len(split.users))
        span = slice(*np.searchsorted(cases.user, [begin, end]))
        asked, items = training.asked(split.users[begin:end]), cases.of(begin, end)
        try:
            values[span] = _joined(ask(asked, items), items)
            answered = True
            continue
        except Exception as error:  # noqa: BLE001 - a contestant may raise anything; it is counted below
            first = first or error
        parts = []
        for at, own in enumerate(items):
            try:
                parts.append(_joined(ask(asked.one(at), [own]), [own]))
                answered = True
            except Exception:  # noqa: BLE001 - as above
                parts.append(np.full(len(own), np.nan))
        values[span] = np.concatenate(parts)
    if first is not None and not answered:
        raise first
    silent = np.isnan(values)
    error_text = "" if first is None else f"{type(first).__name__}: {first}"
    return Predicted(cases, np.where(silent, usual, values), int(silent.sum()), error_text)


def _joined(given: Sequence[Floats], items: Sequence[Ints]) -> Floats:
    sizes = [len(one) for one in given]
    if sizes != [len(one) for one in items]:
        raise ValueError(f"predictions of {sizes[:5]} items for {[len(one) for one in items][:5]}")
    return np.concatenate([*given, np.empty(0)]).astype(np.float64)
