"""From histories to candidates and the columns that fusion learns on.

Channels score the whole catalogue; the best of each become candidates by reciprocal rank fusion; for candidates alone
the columns are gathered: every channel's score, places among the candidates, and what is known of item and user.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from agent.interactions import NO_TIME
from agent.rank.channels import Channels
from agent.retrieve import History, score_all

One = TypeVar("One")

Scores = Mapping[str, NDArray[np.float32]]
"""By channel, [users, items]."""

CANDIDATES = 200
"""Items a user that fusion orders; the truth is among them for 75 to 81% of ML-100K's users."""
DEPTH = 100
"""Best items of each voice that may become candidates."""
FRESH = 10
"""Candidates beside them that nobody had yet, by content alone; no other voice could name them."""
RRF = 20.0
"""The constant k of reciprocal rank fusion; the paper has 60; validation took 20 by a hair, 1.055 to 1.050."""
WEIGHTS: Mapping[str, float] = {
    "next_item": 1.0,
    "around": 0.6,
    "collaborative": 0.9,
    "similar_users": 0.3,
    "recent": 0.3,
    "latest": 0.3,
    "popular": 0.05,
    "facets": 0.05,
    "content": 0.1,
    "demographic": 0.6,
}
"""What each voice weighs when candidates are chosen, and when nothing was learned."""
_PLACED = ("next_item", "next_1", "next_10", "next_short", "around", "collaborative", "collaborative_5",
           "collaborative_all", "similar_users", "popular", "recent",
           "trending", "latest", "facets", "content")  # fmt: skip
_CELLS = 40_000_000
"""Scores held at once where many users are asked about, over all channels."""
_MISSING = np.float32(np.nan)


@dataclass(frozen=True)
class Table:
    """Candidates of several users, padded to the same number."""

    items: NDArray[np.int64]
    """[users, candidates] positions, -1 where padded; best first by reciprocal rank fusion."""
    columns: NDArray[np.float32]
    """[users, candidates, features]."""
    names: list[str]
    """Of the features."""
    prior: NDArray[np.float32]
    """[users, candidates] reciprocal rank fusion, 1 where first in every voice."""


def choose(scores: Scores, exclude: Sequence[NDArray[np.int64]], n: int, depth: int = DEPTH) -> NDArray[np.float32]:
    """[users, items] reciprocal rank fusion of the voices' `depth` best (Cormack, Clarke and Büttcher 2009):
    Σ w / (k + rank), 0 for items that no voice found or that are excluded; 1 for an item first in every voice.
    """
    first = next(iter(scores.values()))
    users, items = first.shape
    fused = np.zeros((users, items), dtype=np.float32)
    depth = min(max(depth, n), items)
    total = _weight(scores) / (RRF + 1)
    steps = (1 / (RRF + np.arange(1, depth + 1))).astype(np.float32) / np.float32(total)
    for name, matrix in scores.items():
        if name not in WEIGHTS:
            continue
        shown = matrix.copy()
        for row, banned in enumerate(exclude):
            shown[row, banned] = 0
        best = np.argpartition(-shown, depth - 1, axis=1)[:, :depth] if depth < items else np.tile(
            np.arange(items), (users, 1))  # fmt: skip
        value = np.take_along_axis(shown, best, axis=1)
        order = np.lexsort((best, -value), axis=1)
        best, value = np.take_along_axis(best, order, axis=1), np.take_along_axis(value, order, axis=1)
        gain = np.where(value > 0, np.float32(WEIGHTS[name]) * steps, np.float32(0))
        np.put_along_axis(fused, best, np.take_along_axis(fused, best, axis=1) + gain, axis=1)
    return fused


def _weight(scores: Scores) -> float:
    return sum(WEIGHTS[name] for name in scores if name in WEIGHTS)


def tabulate(
    channels: Channels,
    histories: Sequence[History],
    exclude: Sequence[NDArray[np.int64]],
    *,
    n: int = CANDIDATES,
    add: Sequence[NDArray[np.int64]] = (),
    fresh: NDArray[np.int64] | None = None,
    voices: Scores | None = None,
) -> tuple[Table, Scores]:
    """The `n` best candidates of each user with their columns.

    `add`: for each user the items that are candidates whatever the voices say, beside the `n`. `fresh` [k]: items that
    nobody had, of which the `FRESH` nearest by content are candidates too. `voices`: further ones that have a say in
    who is a candidate, and no columns.
    """
    scores = score_all(channels.all, histories)
    prior = choose(scores, exclude, n)
    if voices:
        # On top, so that what others in the batch have does not change the columns of those who have none.
        prior += choose(voices, exclude, n) * np.float32(_weight(voices) / _weight(scores))
    add = [*(add or [np.empty(0, np.int64)] * len(histories))]
    if fresh is not None and len(fresh):
        near = _nearest(scores, fresh, exclude)
        add = [np.union1d(own, other) for own, other in zip(add, near, strict=True)]
    wanted = prior.copy()
    for row, own in enumerate(add):
        wanted[row, own] = np.inf
    n += max((len(own) for own in add), default=0)
    n = min(n, prior.shape[1])
    at = np.argpartition(-wanted, n - 1, axis=1)[:, :n]
    value = np.take_along_axis(prior, at, axis=1)
    order = np.lexsort((at, -value), axis=1)
    at, value = np.take_along_axis(at, order, axis=1), np.take_along_axis(value, order, axis=1)
    inside = np.take_along_axis(wanted, at, axis=1) > 0
    columns = _columns(channels, histories, scores, at, value)
    stacked = np.stack(list(columns.values()), axis=2, dtype=np.float32)
    return Table(np.where(inside, at, -1), stacked, list(columns), value), scores


def batches(channels: Channels, asked: Sequence[One]) -> Iterator[Sequence[One]]:
    """In parts of as many users as may have their scores over the whole catalogue held together."""
    wide = max(len(channels.all) * len(channels.item_ids), 2 * int(channels.users.shape[0]), 1)
    size = max(1, _CELLS // wide)
    for at in range(0, len(asked), size):
        yield asked[at : at + size]


def _nearest(scores: Scores, fresh: NDArray[np.int64], exclude: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """For each user the `FRESH` of these items nearest by content, or by attributes where there are no vectors."""
    near = scores["content"] if "content" in scores else scores["facets"]
    found = []
    for row, banned in enumerate(exclude):
        left = np.setdiff1d(fresh, banned)
        value = near[row, left]
        best = np.lexsort((left, -value))[:FRESH]
        found.append(left[best][value[best] > 0])
    return found


def _columns(
    channels: Channels, histories: Sequence[History], scores: Scores, at: NDArray[np.int64],
    prior: NDArray[np.float32],
) -> dict[str, NDArray[np.float32]]:  # fmt: skip
    """By name, each [users, candidates]."""
    gathered = {name: np.take_along_axis(matrix, at, axis=1) for name, matrix in scores.items()}
    placed = {f"place {name}": _places(gathered[name]) for name in _PLACED if name in gathered}
    known = channels.statistics
    log_share = known.log_share[at]
    tail = np.array(
        [known.log_share[h.items[-10:]].mean() if len(h.items) else _MISSING for h in histories], dtype=np.float32
    )
    now = np.array([channels.now if h.now == NO_TIME else h.now for h in histories], dtype=np.float64)
    age = ((now[:, None] - known.first_seen[at]) / channels.span).astype(np.float32)
    length = np.array([len(h.items) for h in histories], dtype=np.float32)
    return {
        **gathered,
        **placed,
        "prior": prior,
        "popularity": log_share,
        "popularity gap": log_share - tail[:, None],
        "mean signal": known.mean_signal[at],
        "age": age,
        "history": np.broadcast_to(np.log1p(length)[:, None], at.shape),
    }


def _places(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """[users, candidates] 0 for the largest of its row, counting up."""
    order = np.argsort(-values, axis=1, kind="stable")
    place = np.empty_like(values)
    np.put_along_axis(place, order, np.arange(values.shape[1], dtype=np.float32)[None, :], axis=1)
    return place
