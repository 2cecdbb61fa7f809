"""Splits of interactions into what a system may learn from and what it is asked about."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.interactions import Interactions


@dataclass(frozen=True)
class Split:
    """`train` and, for each of `users` (positions), the items that are asked for."""

    name: str
    train: Interactions
    users: NDArray[np.int64]
    relevant: list[NDArray[np.int64]]
    """For each user, positions of the relevant items."""
    digest: str
    """Hash of the test events, so that two runs can be told to have had the same."""


def leave_last_out(x: Interactions, skip: int = 0) -> Split:
    """Each user's last event by (time, item id) is the test, everything before it training; `skip` more are dropped
    from the end first (1 gives the validation split). Users with fewer than two events have no test.

    Item ids that are numbers are compared as numbers.
    """
    order = np.lexsort((_item_order(x), x.time, x.user))
    x = x.take(order)
    starts = x.starts()
    ends = starts[1:] - skip
    has = ends - starts[:-1] >= 2
    last = ends[has] - 1
    keep = np.zeros(len(x), dtype=bool)
    for begin, end in zip(starts[:-1], ends, strict=True):
        keep[begin : max(end - 1, begin)] = end - begin >= 2
        if end - begin == 1:
            keep[begin] = True
    users = np.flatnonzero(has)
    return Split(
        "leave-last-out", x.take(keep), users, [x.item[at : at + 1].astype(np.int64) for at in last], _digest(x, last)
    )


def global_time(x: Interactions, share: float = 0.8) -> Split:
    """Train before the moment T at which `share` of all events have happened, test at and after it.

    Asked are users with an event before T; relevant are items that they had not had before. Events of users unknown
    before T are not asked about (they need another split), and nobody's later events reach the training.
    """
    order = np.lexsort((_item_order(x), x.time, x.user))
    x = x.take(order)
    cut = np.quantile(x.time, share, method="higher") if len(x) else 0
    early = x.time < cut
    test = np.flatnonzero(~early)
    seen = set(zip(x.user[early].tolist(), x.item[early].tolist(), strict=True))
    known = set(x.user[early].tolist())
    asked: dict[int, list[int]] = {}
    for at in test.tolist():
        pair = (int(x.user[at]), int(x.item[at]))
        if pair[0] in known and pair not in seen:
            asked.setdefault(pair[0], []).append(pair[1])
    users = np.array(sorted(asked), dtype=np.int64)
    return Split(
        "global-time", x.take(early), users, [np.unique(np.array(asked[int(u)], dtype=np.int64)) for u in users],
        _digest(x, test),
    )  # fmt: skip


def _item_order(x: Interactions) -> NDArray[np.int64]:
    """[n] position of each event's item among all items in order of id."""
    try:
        keys: list[tuple[int, str]] = [(int(one), one) for one in x.item_ids]
    except ValueError:
        keys = [(0, one) for one in x.item_ids]
    place = np.empty(len(keys), dtype=np.int64)
    place[sorted(range(len(keys)), key=keys.__getitem__)] = np.arange(len(keys))
    return place[x.item]


def _digest(x: Interactions, rows: NDArray[np.int64]) -> str:
    lines = sorted(f"{x.user_ids[x.user[at]]}\t{x.item_ids[x.item[at]]}\t{x.time[at]}" for at in rows.tolist())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
