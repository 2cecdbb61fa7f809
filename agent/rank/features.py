"""From histories to candidates and the columns that fusion learns on.

Channels score the whole catalogue; the best of each become candidates by reciprocal rank fusion;
for candidates alone the columns are gathered: every channel's score, places among the candidates,
and what is known of item and user.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME
from limner.rank.channels import Channels
from limner.retrieve import History, score_all, together, weigh_all

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
"""The constant k of reciprocal rank fusion; the paper has 60; validation took 20 by a hair, 1.055
to 1.050.
"""
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
    "bm25": 0.1,
    "demographic": 0.6,
}
"""What each voice weighs when candidates are chosen, and when nothing was learned."""
_PLACED = (
    "next_item",
    "next_1",
    "next_10",
    "next_short",
    "around",
    "collaborative",
    "collaborative_5",
    "collaborative_all",
    "similar_users",
    "popular",
    "recent",
    "trending",
    "latest",
    "facets",
    "content",
    "bm25",
)
_PLACE = "place "
CHANNEL_SIGNALS: Mapping[str, frozenset[str]] = {
    "next_item": frozenset({"next_item", "next_1", "next_10", "next_short"}),
    "around": frozenset({"around"}),
    "collaborative": frozenset(
        {"collaborative", "collaborative_5", "collaborative_all", "collaborative_liked"}
    ),
    "similar_users": frozenset({"similar_users", "similar_users_all"}),
    "recent": frozenset({"recent", "trending"}),
    "latest": frozenset({"latest", "latest_short"}),
    "popular": frozenset({"popular", "popularity", "popularity gap"}),
    "facets": frozenset({"facets", "facets_late", "facets_all"}),
    "content": frozenset({"content", "content_late"}),
    "bm25": frozenset({"bm25"}),
}
"""By voice the columns, less those of places, that tell what it tells."""
_KNOWN = (
    "prior",
    "popularity",
    "popularity gap",
    "mean signal",
    "age",
    "history",
    "entry gap",
    "entry near",
)
_LATE = 10
"""Events of a user's end that popularity and the order of ids are compared with."""
_CELLS = 40_000_000
"""Scores held at once where many users are asked about, over all channels."""
_HEAP = 8
"""Scores of which the largest stands for all, when the best of a catalogue are looked for."""
_MISSING = np.float32(np.nan)


@dataclass(frozen=True)
class TopCandidates:
    """The items that a voice named, best first."""

    items: NDArray[np.int64]
    """[named] positions."""
    scores: NDArray[np.float32]
    """[named]."""


@dataclass(frozen=True)
class Choice:
    """What the voices name together for one user."""

    items: NDArray[np.int64]
    """[named] positions, ascending."""
    prior: NDArray[np.float32]
    """[named] reciprocal rank fusion, 1 where first in every voice that has a column."""
    heard: Mapping[str, TopCandidates]
    """By voice."""


@dataclass(frozen=True)
class CandidateTable:
    """Candidates of several users, padded to the same number."""

    items: NDArray[np.int64]
    """[users, candidates] positions, -1 where padded; best first by reciprocal rank fusion."""
    columns: NDArray[np.float32]
    """[users, candidates, features]."""
    names: list[str]
    """Of the features."""
    prior: NDArray[np.float32]
    """[users, candidates] reciprocal rank fusion, 0 where padded or no voice named the item."""
    heard: Sequence[Mapping[str, TopCandidates]]
    """[users] what each voice named."""


def choose(
    scores: Mapping[str, NDArray[np.float32]],
    open_: NDArray[np.bool_],
    depth: int = DEPTH,
    others: Mapping[str, NDArray[np.float32]] | None = None,
    standing: Mapping[str, NDArray[np.int64]] | None = None,
) -> Choice:
    """Reciprocal rank fusion of each voice's `depth` best (Cormack, Clarke and Büttcher 2009), Σ w
    / (k + rank).

    scores: by channel [items], of which those in `WEIGHTS` are voices; `open_` [items] the items
    that may be named. others: further voices; what they add comes on top, so that scores are not
    smaller where they are asked. standing: by voice the positions that it names, best first, where
    that is known.
    """
    others, standing = others or {}, standing or {}
    heard = {
        name: _first(standing[name], one, open_, depth)
        if name in standing
        else _best(one, open_, depth)
        for name, one in {**scores, **others}.items()
        if name in WEIGHTS
    }
    total = sum(WEIGHTS[name] for name in heard if name not in others) / (RRF + 1)
    gains = [
        WEIGHTS[name] / total / (RRF + np.arange(1, len(one.items) + 1))
        for name, one in heard.items()
    ]
    gain = np.bincount(np.concatenate([one.items for one in heard.values()]), np.concatenate(gains))
    items = np.flatnonzero(gain)
    return Choice(items, gain[items].astype(np.float32), heard)


def _best(score: NDArray[np.float32], open_: NDArray[np.bool_], k: int) -> TopCandidates:
    """The k largest above 0, ties in the catalogue's order."""
    score = np.where(open_, score, np.float32(0))
    named = np.flatnonzero((score > 0) & (score >= _reached(score, k)))
    value = score[named]
    if len(named) > k:
        cut = np.partition(value, len(value) - k)[len(value) - k]
        # Of those that equal the last to be named, the first of the catalogue.
        above, level = np.flatnonzero(value > cut), np.flatnonzero(value == cut)
        kept = np.concatenate([above, level[: k - len(above)]])
        named, value = named[kept], value[kept]
    order = np.argsort(-value, kind="stable")
    return TopCandidates(named[order], value[order])


def _reached(score: NDArray[np.float32], k: int) -> float:
    """What k of the scores reach at least, near the k-th largest: so many of the largest of `_HEAP`
    each do.
    """
    largest = score[: len(score) // _HEAP * _HEAP].reshape(_HEAP, -1).max(axis=0)
    largest = largest[largest > 0]  # that most are level would make it slow
    return float(np.partition(largest, -k)[-k]) if len(largest) >= k else 0.0


def _first(
    order: NDArray[np.int64], score: NDArray[np.float32], open_: NDArray[np.bool_], k: int
) -> TopCandidates:
    """The same of a score whose order is known."""
    near = order[: k + len(open_) - np.count_nonzero(open_)]
    named = near[open_[near]][:k]
    return TopCandidates(named, score[named])


def tabulate(
    channels: Channels,
    histories: Sequence[History],
    exclude: Sequence[NDArray[np.int64]],
    *,
    n: int = CANDIDATES,
    allowed: NDArray[np.bool_] | None = None,
    add: Sequence[NDArray[np.int64]] = (),
    fresh: NDArray[np.int64] | None = None,
    voices: Scores | None = None,
) -> CandidateTable:
    """The `n` best candidates of each user with their columns.

    exclude: for each user the positions that are no candidates; `allowed` [items]: those that may
    be anyone's. `add`: for each user the items that are candidates whatever the voices say, beside
    the `n`. `fresh` [k]: items that nobody had, of which the `FRESH` nearest by content are
    candidates too. `voices`: further ones that have a say in who is a candidate, and no columns.
    """
    scores = score_all(channels.wide, histories)
    rows, heard = [], []
    for row, history in enumerate(histories):
        own = {name: matrix[row] for name, matrix in scores.items()}
        open_ = np.ones(len(channels.item_ids), dtype=bool) if allowed is None else allowed.copy()
        open_[exclude[row]] = False
        others = {name: one[row] for name, one in (voices or {}).items()}
        standing = channels.standing if history.now == NO_TIME else {}
        choice = choose(own, open_, max(DEPTH, n), others, standing)
        sure = add[row] if len(add) else np.empty(0, np.int64)
        if fresh is not None and len(fresh):
            sure = np.union1d(sure, _nearest(own, fresh[open_[fresh]]))
        at, prior = _candidates(choice, sure, n)
        rows.append((at, prior, _columns(channels, history, own, at, prior)))
        heard.append(choice.heard)
    return _padded(rows, _names(channels), heard)


def _candidates(
    choice: Choice, sure: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The n best and those that are `sure`, by prior; with their priors."""
    items, prior = choice.items, choice.prior
    if not len(sure):
        best = _best(prior, np.ones(len(items), dtype=bool), n)
        return items[best.items], best.scores
    unnamed = np.setdiff1d(sure, items)
    items = np.concatenate([items, unnamed])
    prior = np.concatenate([prior, np.zeros(len(unnamed), dtype=np.float32)])
    by_prior = np.argsort(-prior, kind="stable")
    kept = by_prior[(np.arange(len(items)) < n) | np.isin(items[by_prior], sure)]
    return items[kept], prior[kept]


def _padded(
    rows: Sequence[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]],
    names: list[str],
    heard: Sequence[Mapping[str, TopCandidates]],
) -> CandidateTable:
    """Of (positions, priors, columns) of each user."""
    users, most = len(rows), max((len(at) for at, _, _ in rows), default=0)
    items = np.full((users, most), -1, dtype=np.int64)
    priors = np.zeros((users, most), dtype=np.float32)
    columns = np.full((users, most, len(names)), _MISSING, dtype=np.float32)
    for row, (at, prior, own) in enumerate(rows):
        items[row, : len(at)], priors[row, : len(at)], columns[row, : len(at)] = at, prior, own
    return CandidateTable(items, columns, names, priors, heard)


def batches(channels: Channels, asked: Sequence[One]) -> Iterator[Sequence[One]]:
    """In parts of as many users as may have their scores over the whole catalogue held together."""
    wide = max(len(channels.all) * len(channels.item_ids), 2 * int(channels.users.shape[0]), 1)
    size = max(1, _CELLS // wide)
    for at in range(0, len(asked), size):
        yield asked[at : at + size]


def _nearest(
    scores: Mapping[str, NDArray[np.float32]], fresh: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The `FRESH` of these items nearest by content, or by attributes where there are no
    vectors.
    """
    near = scores["content"] if "content" in scores else scores["facets"]
    value = near[fresh]
    best = np.lexsort((fresh, -value))[:FRESH]
    return fresh[best][value[best] > 0]


def told_by(column: str) -> str:
    """What a column of places is about; any other itself."""
    return column.removeprefix(_PLACE)


def _names(channels: Channels) -> list[str]:
    """Of the columns."""
    named = [one.name for one in channels.all]
    return [*named, *(_PLACE + name for name in _PLACED if name in named), *_known(channels)]


def _known(channels: Channels) -> list[str]:
    return [name for name in _KNOWN if name not in channels.muted]


def _columns(
    channels: Channels,
    history: History,
    scores: Mapping[str, NDArray[np.float32]],
    at: NDArray[np.int64],
    prior: NDArray[np.float32],
) -> NDArray[np.float32]:
    """[candidates, features] of one user, in the order of `_names`."""
    found = {name: one[at] for name, one in scores.items()}
    groups = together(channels.close)
    for alike, past in zip(groups, weigh_all(groups, history), strict=True):
        parts = alike[0].at(past, at)
        found |= zip((one.name for one in alike), parts, strict=True)
    placed = np.stack([found[name] for name in _PLACED if name in found])
    places = np.empty_like(placed)
    order = np.argsort(-placed, axis=1, kind="stable")
    places[np.arange(len(placed))[:, None], order] = np.arange(len(at), dtype=np.float32)
    known = channels.statistics
    log_share = known.log_share[at]
    late = history.items[-_LATE:]
    tail = known.log_share[late].mean() if len(late) else _MISSING
    away = (
        channels.entry[at][:, None] - channels.entry[late]
        if len(late)
        else np.full((len(at), 1), _MISSING)
    )
    now = channels.now if history.now == NO_TIME else history.now
    rest = {
        "prior": prior,
        "popularity": log_share,
        "popularity gap": log_share - tail,
        "mean signal": known.mean_signal[at],
        "age": (now - known.first_seen[at]) / channels.span,
        "history": np.full(len(at), np.log1p(len(history.items))),
        "entry gap": away[:, -1],
        "entry near": np.abs(away).min(axis=1),
    }
    columns = [*found.values(), *places, *(rest[name] for name in _known(channels))]
    return np.stack(columns, axis=1, dtype=np.float32)
