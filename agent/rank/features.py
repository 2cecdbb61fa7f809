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
"""Scores by channel, each [users, items]."""

CANDIDATES = 200
"""Items a user that fusion orders; the truth is among them for 75 to 81% of ML-100K's users."""
DEPTH = 100
"""Best items of each candidate generator that may become candidates."""
FRESH = 10
"""Further candidates that nobody had yet, chosen by content: no other generator can name them."""
RRF = 20.0
"""The constant k of reciprocal rank fusion. The paper has 60; 20 was slightly better in validation
(1.055 against 1.050).
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
"""Weight of each candidate generator in reciprocal rank fusion, which chooses candidates and, where
no fusion was learned, orders them.
"""
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
"""By candidate generator: all columns that carry its information, columns of places left out."""
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
"""Last events of a user whose popularity and ids the candidates are compared with."""
_CELLS = 40_000_000
"""Most scores in memory at once, over users, channels and items."""
_HEAP = 8
"""Size of the groups whose maxima bound the best scores, see `_reached`."""
_MISSING = np.float32(np.nan)


@dataclass(frozen=True)
class TopCandidates:
    """The items that a candidate generator named, best first."""

    items: NDArray[np.int64]
    """[named] positions."""
    scores: NDArray[np.float32]
    """[named]."""


@dataclass(frozen=True)
class Choice:
    """The items that the candidate generators named for one user."""

    items: NDArray[np.int64]
    """[named] positions, ascending."""
    prior: NDArray[np.float32]
    """[named] reciprocal rank fusion; 1 for an item that every generator in `scores` has first."""
    top_candidates: Mapping[str, TopCandidates]
    """The top candidates by candidate generator."""


@dataclass(frozen=True)
class CandidateTable:
    """Candidates of several users, padded to the same number."""

    items: NDArray[np.int64]
    """[users, candidates] positions, -1 where padded; best first by reciprocal rank fusion."""
    columns: NDArray[np.float32]
    """[users, candidates, features]."""
    names: list[str]
    """[features] names of the columns."""
    prior: NDArray[np.float32]
    """[users, candidates] reciprocal rank fusion, 0 where padded or named by no generator."""
    top_candidates: Sequence[Mapping[str, TopCandidates]]
    """[users] by candidate generator, what it named."""


def choose(
    scores: Mapping[str, NDArray[np.float32]],
    open_: NDArray[np.bool_],
    depth: int = DEPTH,
    others: Mapping[str, NDArray[np.float32]] | None = None,
    constant_rankings: Mapping[str, NDArray[np.int64]] | None = None,
) -> Choice:
    """Reciprocal rank fusion of the `depth` best items of each candidate generator (Cormack, Clarke
    and Büttcher 2009), Σ w / (k + rank).

    scores: by channel [items], of which those in `WEIGHTS` are candidate generators.
    open_: [items] whether the item may be a candidate.
    others: scores of further generators; they are not part of the normalisation, so that they only
        ever add to a score.
    constant_rankings: by generator, the positions that it names, best first, where that is known.
    """
    others, constant_rankings = others or {}, constant_rankings or {}
    top_candidates = {
        name: _first(constant_rankings[name], score, open_, depth)
        if name in constant_rankings
        else _best(score, open_, depth)
        for name, score in {**scores, **others}.items()
        if name in WEIGHTS
    }
    total = sum(WEIGHTS[name] for name in top_candidates if name not in others) / (RRF + 1)
    gains = [
        WEIGHTS[name] / total / (RRF + np.arange(1, len(named.items) + 1))
        for name, named in top_candidates.items()
    ]
    positions = np.concatenate([named.items for named in top_candidates.values()])
    gain = np.bincount(positions, np.concatenate(gains))
    items = np.flatnonzero(gain)
    return Choice(items, gain[items].astype(np.float32), top_candidates)


def _best(score: NDArray[np.float32], open_: NDArray[np.bool_], k: int) -> TopCandidates:
    """The k largest scores above 0; ties in the catalogue's order."""
    score = np.where(open_, score, np.float32(0))
    named = np.flatnonzero((score > 0) & (score >= _reached(score, k)))
    value = score[named]
    if len(named) > k:
        cut = np.partition(value, len(value) - k)[len(value) - k]
        # Ties at the k-th score go to the items that come first in the catalogue.
        above, level = np.flatnonzero(value > cut), np.flatnonzero(value == cut)
        chosen = np.concatenate([above, level[: k - len(above)]])
        named, value = named[chosen], value[chosen]
    order = np.argsort(-value, kind="stable")
    return TopCandidates(named[order], value[order])


def _reached(score: NDArray[np.float32], k: int) -> float:
    """A close lower bound of the k-th largest score: the k-th largest of the maxima of groups of
    `_HEAP` scores. 0 where there are fewer such maxima above 0.
    """
    largest = score[: len(score) // _HEAP * _HEAP].reshape(_HEAP, -1).max(axis=0)
    largest = largest[largest > 0]  # np.partition is slow where most values are equal
    return float(np.partition(largest, -k)[-k]) if len(largest) >= k else 0.0


def _first(
    order: NDArray[np.int64], score: NDArray[np.float32], open_: NDArray[np.bool_], k: int
) -> TopCandidates:
    """The k best open items of a generator, given the `order` of its scores."""
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
    extra_scores: Scores | None = None,
) -> CandidateTable:
    """The `n` best candidates of each user with their columns.

    exclude: for each user the positions that are no candidates.
    allowed: [items] whether the item may be anyone's candidate; None where all may.
    add: for each user positions that are candidates beside the `n`, named by a generator or not.
    fresh: [k] positions of items that nobody had; the `FRESH` nearest by content become candidates.
    extra_scores: of further candidate generators, which have no columns.
    """
    scores = score_all(channels.catalogue_wide, histories)
    rows, top_candidates = [], []
    for row, history in enumerate(histories):
        own = {name: matrix[row] for name, matrix in scores.items()}
        open_ = np.ones(len(channels.item_ids), dtype=bool) if allowed is None else allowed.copy()
        open_[exclude[row]] = False
        others = {name: matrix[row] for name, matrix in (extra_scores or {}).items()}
        constant_rankings = channels.constant_rankings if history.now == NO_TIME else {}
        choice = choose(own, open_, max(DEPTH, n), others, constant_rankings)
        required = add[row] if len(add) else np.empty(0, np.int64)
        if fresh is not None and len(fresh):
            required = np.union1d(required, _nearest(own, fresh[open_[fresh]]))
        at, prior = _candidates(choice, required, n)
        rows.append((at, prior, _columns(channels, history, own, at, prior)))
        top_candidates.append(choice.top_candidates)
    return _padded(rows, _names(channels), top_candidates)


def _candidates(
    choice: Choice, required: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(positions, priors) of the n best items and the required ones, best prior first."""
    items, prior = choice.items, choice.prior
    if not len(required):
        best = _best(prior, np.ones(len(items), dtype=bool), n)
        return items[best.items], best.scores
    unnamed = np.setdiff1d(required, items)
    items = np.concatenate([items, unnamed])
    prior = np.concatenate([prior, np.zeros(len(unnamed), dtype=np.float32)])
    by_prior = np.argsort(-prior, kind="stable")
    chosen = by_prior[(np.arange(len(items)) < n) | np.isin(items[by_prior], required)]
    return items[chosen], prior[chosen]


def _padded(
    rows: Sequence[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]],
    names: list[str],
    top_candidates: Sequence[Mapping[str, TopCandidates]],
) -> CandidateTable:
    """One table from the (positions, priors, columns) of each user."""
    users, most = len(rows), max((len(at) for at, _, _ in rows), default=0)
    items = np.full((users, most), -1, dtype=np.int64)
    priors = np.zeros((users, most), dtype=np.float32)
    columns = np.full((users, most, len(names)), _MISSING, dtype=np.float32)
    for row, (at, prior, own) in enumerate(rows):
        items[row, : len(at)], priors[row, : len(at)], columns[row, : len(at)] = at, prior, own
    return CandidateTable(items, columns, names, priors, top_candidates)


def batches(channels: Channels, asked: Sequence[One]) -> Iterator[Sequence[One]]:
    """Parts of `asked`, which has one entry a user, so small that a part's scores over the whole
    catalogue fit into memory.
    """
    wide = max(len(channels.all) * len(channels.item_ids), 2 * int(channels.users.shape[0]), 1)
    size = max(1, _CELLS // wide)
    for at in range(0, len(asked), size):
        yield asked[at : at + size]


def _nearest(
    scores: Mapping[str, NDArray[np.float32]], fresh: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The `FRESH` items nearest by content among these, or by attributes where there are no
    vectors.
    """
    near = scores["content"] if "content" in scores else scores["facets"]
    value = near[fresh]
    best = np.lexsort((fresh, -value))[:FRESH]
    return fresh[best][value[best] > 0]


def base_column(column: str) -> str:
    """The column that a column of places ranks; any other column's own name."""
    return column.removeprefix(_PLACE)


def _names(channels: Channels) -> list[str]:
    """Names of the columns that `_columns` gives."""
    named = [channel.name for channel in channels.all]
    return [*named, *(_PLACE + name for name in _PLACED if name in named), *_known(channels)]


def _known(channels: Channels) -> list[str]:
    return [name for name in _KNOWN if name not in channels.muted]


def _columns(
    channels: Channels,
    history: History,
    scores: Mapping[str, NDArray[np.float32]],
    candidates: NDArray[np.int64],
    prior: NDArray[np.float32],
) -> NDArray[np.float32]:
    """[candidates, features] of one user, in the order of `_names`."""
    channel_scores = {name: score[candidates] for name, score in scores.items()}
    groups = together(channels.candidate_only)
    for group, past in zip(groups, weigh_all(groups, history), strict=True):
        parts = group[0].at(past, candidates)
        channel_scores |= zip((channel.name for channel in group), parts, strict=True)
    placed = np.stack([channel_scores[name] for name in _PLACED if name in channel_scores])
    places = np.empty_like(placed)
    order = np.argsort(-placed, axis=1, kind="stable")
    places[np.arange(len(placed))[:, None], order] = np.arange(len(candidates), dtype=np.float32)
    known = _known_columns(channels, history, candidates, prior)
    columns = [*channel_scores.values(), *places, *(known[name] for name in _known(channels))]
    return np.stack(columns, axis=1, dtype=np.float32)


def _known_columns(
    channels: Channels, history: History, candidates: NDArray[np.int64], prior: NDArray[np.float32]
) -> dict[str, NDArray[np.floating]]:
    """The columns of `_KNOWN`: what is known of the candidates and of the user, no channel's."""
    statistics = channels.statistics
    log_share = statistics.log_share[candidates]
    late = history.items[-_LATE:]
    if len(late):
        late_log_share = statistics.log_share[late].mean()
        distance = channels.entry[candidates][:, None] - channels.entry[late]
    else:
        late_log_share, distance = _MISSING, np.full((len(candidates), 1), _MISSING)
    now = channels.now if history.now == NO_TIME else history.now
    return {
        "prior": prior,
        "popularity": log_share,
        "popularity gap": log_share - late_log_share,
        "mean signal": statistics.mean_signal[candidates],
        "age": (now - statistics.first_seen[candidates]) / channels.span,
        "history": np.full(len(candidates), np.log1p(len(history.items))),
        "entry gap": distance[:, -1],
        "entry near": np.abs(distance).min(axis=1),
    }
