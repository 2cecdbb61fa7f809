"""Shared by evaluation and tuning: histories from training events, and taking the items that a user
had out of a ranking.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME, Interactions
from limner.retrieve import History


def histories(
    x: Interactions, signal: NDArray[np.float32], users: NDArray[np.int64], now: int | None = None
) -> list[History]:
    """Histories of users from training events, as channels read them. `signal`: [n] of the events.

    Each is at the moment `now` (epoch milliseconds), or at the user's last event for None.
    """
    starts = x.starts()
    spans = [slice(starts[user], starts[user + 1]) for user in users]
    return [
        History(
            x.item[span].astype(np.int64),
            signal[span],
            int(x.time[span].max(initial=NO_TIME)) if now is None else now,
            time=x.time[span],
        )
        for span in spans
    ]


def exclude_own(scores: NDArray[np.floating], past: Sequence[History]) -> None:
    """Set [users, items] to -inf, in place, at the items of each user's history: they take no
    rank.
    """
    for row, history in enumerate(past):
        scores[row, history.items] = -np.inf
