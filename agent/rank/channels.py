"""Every channel fitted on one set of events, with what is known of items."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import NO_TIME, Interactions
from limner.facts import Population
from limner.retrieve import (
    BM25,
    Channel,
    Collaborative,
    History,
    ItemSimilarity,
    ItemVectors,
    NextItem,
    PopularChannel,
    RecentChannel,
    Traced,
    UserKNN,
    bm25_postings,
    fit_collaborative,
    fit_popular,
    fit_recent,
    normalised,
    transitions,
    users_matrix,
)

if TYPE_CHECKING:
    import scipy.sparse as sp

AnyChannel = TypeVar("AnyChannel", bound=Channel)

HALF_LIVES = {"recent": 0.1, "trending": 0.02, "latest": 0.005, "latest_short": 0.001}
"""Half-lives of the recency channels, as shares of the time that the data spans. The best one
differs by data: .1 on ml-100k, .01 on online-retail, .005 on movietweetings.
"""
_NAMED = ("recent", "latest")
_DIGITS = re.compile(r"([0-9]+)")
_TARGET = 0.25
"""Exponent of the following item's count in transitions: .128 against the cosine's .121 on ML-100K,
.083 against .062 on ml-latest-small (mean ndcg@10 of three validation events a user).
"""


@dataclass(frozen=True)
class Catalogue:
    """What is known of items without any events; rows in the order of a model's item ids."""

    facets: "sp.csr_array"
    """[items, values] facet values weighted by rarity, rows of length 1."""
    vectors: NDArray[np.float32]
    """[items, dimensions] of item texts, without the catalogue's mean, of length 1; no columns
    where there are none.
    """
    postings: "sp.csr_array"
    """[words, items] BM25 weight of a word in an item's text; no rows where there are no texts."""


def catalogue_of(
    item_ids: list[str],
    population: Population | None = None,
    vectors: ItemVectors | None = None,
    texts: Sequence[str] = (),
) -> Catalogue:
    """The catalogue in the order of `item_ids`; items that are unknown to population or vectors
    have zeros there.

    texts: of every item, or of none.
    """
    import scipy.sparse as sp

    items = len(item_ids)
    facets = sp.csr_array((items, 1), dtype=np.float32)
    if population is not None and population.values:
        facets = _facet_matrix(item_ids, population)
    dense = np.zeros((items, 0), dtype=np.float32)
    if vectors is not None and vectors.item_ids:
        dense = _vector_matrix(item_ids, vectors)
    postings = bm25_postings(texts) if texts else sp.csr_array((0, items), dtype=np.float32)
    return Catalogue(facets, dense, postings)


def _facet_matrix(item_ids: Sequence[str], population: Population) -> "sp.csr_array":
    """[items, values] 1 where an item carries a value, times the value's log inverse frequency;
    rows of length 1.
    """
    import scipy.sparse as sp

    items, values = len(item_ids), len(population.values)
    codes = [
        np.empty(0, np.int32) if position is None else population.codes_of(position)
        for position in map(population.position.get, item_ids)
    ]
    rows = np.repeat(np.arange(items), list(map(len, codes)))
    columns = np.concatenate(codes) if codes else np.empty(0, np.int32)
    carried = sp.csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=(items, values))
    rarity = np.log(items / np.maximum(np.bincount(columns, minlength=values), 1))
    return _unit_rows(carried @ sp.diags_array(rarity.astype(np.float32)))


def _vector_matrix(item_ids: Sequence[str], vectors: ItemVectors) -> NDArray[np.float32]:
    """[items, dimensions] centred vectors, zeros for items without one."""
    dense = np.zeros((len(item_ids), vectors.vectors.shape[1]), dtype=np.float32)
    for row, item_id in enumerate(item_ids):
        position = vectors.positions.get(item_id)
        if position is not None:
            dense[row] = vectors.centred[position]
    return dense


def _unit_rows(matrix: "sp.csr_array") -> "sp.csr_array":
    import scipy.sparse as sp

    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return (sp.diags_array((1 / np.maximum(length, 1e-9)).astype(np.float32)) @ matrix).tocsr()


@dataclass(frozen=True)
class Statistics:
    """Figures of each item from its events; every array is [items]."""

    log_share: NDArray[np.float32]
    """Logarithm of the share of users who had it."""
    mean_signal: NDArray[np.float32]
    """Shrunk towards 0 by five events."""
    first_seen: NDArray[np.float64]
    """Epoch milliseconds, NaN where it was never seen or has no times."""


@dataclass(frozen=True)
class Channels:
    """Fitted channels over `item_ids`."""

    item_ids: list[str]
    popular: PopularChannel
    recent: tuple[RecentChannel, ...]
    """Popularity that decays with time, one channel for each of `HALF_LIVES`."""
    collaborative: Collaborative
    next_item: NextItem
    next_short: NextItem
    """Channel fitted on transitions of at most two steps."""
    around: NextItem
    """Channel fitted on transitions in both directions."""
    users: "sp.csr_array"
    catalogue: Catalogue
    statistics: Statistics
    now: float
    """Epoch milliseconds of the last event; 0 where nothing has a time."""
    span: float
    """Milliseconds between the first and the last event, at least 1."""
    muted: frozenset[str] = frozenset()
    """Names of channels and columns that are left out, to measure what they contribute."""

    @cached_property
    def positions(self) -> dict[str, int]:
        return {item_id: at for at, item_id in enumerate(self.item_ids)}

    @cached_property
    def entry(self) -> NDArray[np.int64]:
        """[items] ranks of their ids in natural order, `7` before `10` and `A9` before `A10`.

        Where ids are given out one after another, or by kind, this is the order in which items came
        into the catalogue, and neighbours have something in common.
        """
        keys = list(map(_natural, self.item_ids))
        places = np.empty(len(keys), dtype=np.int64)
        places[sorted(range(len(keys)), key=keys.__getitem__)] = np.arange(len(keys))
        return places

    @cached_property
    def is_fresh(self) -> NDArray[np.bool_]:
        """[items] whether no event names it."""
        return np.asarray((self.popular.share == 0) & (self.statistics.mean_signal == 0))

    @cached_property
    def fresh(self) -> NDArray[np.int64]:
        """Positions of the items that no event names."""
        return np.flatnonzero(self.is_fresh)

    @cached_property
    def candidate_generators(self) -> tuple[Channel, ...]:
        """Candidate generators whose results are shown to people, in display order."""
        generators: list[Channel] = [
            self.next_item,
            self.around,
            self.collaborative,
            UserKNN(self.users, "similar_users", 10.0),
            *(channel for channel in self.recent if channel.name in _NAMED),
            self.popular,
            ItemSimilarity(self.catalogue.facets, "facets", 20.0, "liked"),
        ]
        if self.catalogue.vectors.shape[1]:
            generators.append(ItemSimilarity(self.catalogue.vectors, "content", 20.0, "liked"))
        if self.catalogue.postings.shape[0]:
            generators.append(BM25(self.catalogue.postings))
        return self._without_muted(generators)

    def _without_muted(self, channels: Iterable[AnyChannel]) -> tuple[AnyChannel, ...]:
        return tuple(channel for channel in channels if channel.name not in self.muted)

    @cached_property
    def constant_rankings(self) -> Mapping[str, NDArray[np.int64]]:
        """By candidate generator whose scores are equal for all users without a time of request:
        positions of the items with a score above 0, best first, ties in the catalogue's order.
        """
        anyone = [History(np.empty(0, np.int64), np.empty(0, np.float32))]
        scores = {
            generator.name: generator.score(anyone)[0]
            for generator in self.candidate_generators
            if isinstance(generator, PopularChannel | RecentChannel)
        }
        return {
            name: np.argsort(-score, kind="stable")[: np.count_nonzero(score > 0)]
            for name, score in scores.items()
        }

    @cached_property
    def catalogue_wide(self) -> tuple[Channel, ...]:
        """The candidate generators, and channels that cost little more over the whole catalogue."""
        next_item, together = self.next_item.weights, self.collaborative
        channels: tuple[Channel, ...] = (
            *self.candidate_generators,
            NextItem(next_item, "next_1", 1.0),
            NextItem(next_item, "next_10", 10.0),
            self.next_short,
            Collaborative(together.weights, together.method, "collaborative_5", 5.0),
            Collaborative(together.weights, together.method, "collaborative_all", np.inf),
            Collaborative(
                together.weights, together.method, "collaborative_liked", 20.0, liked=True
            ),
            UserKNN(self.users, "similar_users_all"),
            *(channel for channel in self.recent if channel.name not in _NAMED),
        )
        return self._without_muted(channels)

    @cached_property
    def candidate_only(self) -> tuple[ItemSimilarity, ...]:
        """Channels that score candidates only, since the whole catalogue would cost too much."""
        channels = [
            ItemSimilarity(self.catalogue.facets, "facets_late", 3.0),
            ItemSimilarity(self.catalogue.facets, "facets_all"),
        ]
        if self.catalogue.vectors.shape[1]:
            channels.append(ItemSimilarity(self.catalogue.vectors, "content_late", 3.0))
        return self._without_muted(channels)

    @property
    def all(self) -> tuple[Channel, ...]:
        """The candidate generators and their variants with longer or shorter memory: what fusion
        learns from.
        """
        return (*self.catalogue_wide, *self.candidate_only)

    @property
    def traced(self) -> tuple[Traced, ...]:
        """Channels that can name the events which led to an item."""
        return (self.next_item, self.collaborative)


def fit_channels(
    x: Interactions,
    signal: NDArray[np.float32],
    catalogue: Catalogue,
    muted: frozenset[str] = frozenset(),
    collaborative: Collaborative | None = None,
) -> Channels:
    """Fit every channel on events and their signals [n]; with `collaborative` instead of fitting
    that one.
    """
    onward = transitions(x)
    timed = x.time != NO_TIME
    first, last = (
        (float(x.time[timed].min()), float(x.time[timed].max())) if timed.any() else (0.0, 0.0)
    )
    return Channels(
        x.item_ids,
        fit_popular(x, signal),
        tuple(fit_recent(x, signal, HALF_LIVES)),
        collaborative or fit_collaborative(x),
        next_item(normalised(onward, x, target=_TARGET)),
        next_short(normalised(transitions(x, window=2, decay=0.7), x, target=_TARGET)),
        around(normalised(onward + onward.T, x, target=_TARGET)),
        users_matrix(x),
        catalogue,
        _statistics(x, signal, timed),
        now=last,
        span=max(last - first, 1.0),
        muted=muted,
    )


def widened(channels: Channels, item_ids: list[str], catalogue: Catalogue, users: int) -> Channels:
    """Fitted channels over a catalogue with new items at its end, which have a catalogue entry and
    no events.

    users: number of users whose events the channels were fitted on.
    """
    more = len(item_ids) - len(channels.item_ids)
    known = channels.statistics

    def longer(values: NDArray[np.floating], fill: float = 0.0) -> NDArray[np.float32]:
        return np.concatenate([values, np.full(more, fill, dtype=np.float32)]).astype(np.float32)

    return Channels(
        item_ids,
        replace(channels.popular, share=longer(channels.popular.share)),
        tuple(replace(c, heat=np.pad(c.heat, ((0, 0), (0, more)))) for c in channels.recent),
        replace(
            channels.collaborative, weights=_padded(channels.collaborative.weights, more, more)
        ),
        next_item(_padded(channels.next_item.weights, more, more)),
        next_short(_padded(channels.next_short.weights, more, more)),
        around(_padded(channels.around.weights, more, more)),
        _padded(channels.users, 0, more),
        catalogue,
        Statistics(
            longer(known.log_share, math.log(_half(users))),
            longer(known.mean_signal),
            np.concatenate([known.first_seen, np.full(more, np.nan)]),
        ),
        channels.now,
        channels.span,
        channels.muted,
    )


def _padded(matrix: "sp.csr_array", rows: int, columns: int) -> "sp.csr_array":
    """The matrix with empty rows below and empty columns to the right; entries are not copied."""
    import scipy.sparse as sp

    ends = np.concatenate(
        [matrix.indptr, np.full(rows, matrix.indptr[-1], dtype=matrix.indptr.dtype)]
    )
    shape = (matrix.shape[0] + rows, matrix.shape[1] + columns)
    return sp.csr_array((matrix.data, matrix.indices, ends), shape=shape)


def next_item(weights: "sp.csr_array") -> NextItem:
    """Items that come next, after the last three events or so."""
    return NextItem(weights, "next_item", 3.0)


def next_short(weights: "sp.csr_array") -> NextItem:
    """Items that come within two steps of the last event."""
    return NextItem(weights, "next_short", 1.0)


def around(weights: "sp.csr_array") -> NextItem:
    """Items that come before or after the last events."""
    return NextItem(weights, "around", 3.0)


def _natural(item_id: str) -> list[tuple[int, str]]:
    """A key that sorts runs of digits as numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(item_id)]


def _half(users: int) -> float:
    """The share of half a user, added to every item's share so that zero has a logarithm."""
    return 0.5 / max(users, 1)


def _statistics(
    x: Interactions, signal: NDArray[np.float32], timed: NDArray[np.bool_]
) -> Statistics:
    items = len(x.item_ids)
    counts = np.bincount(x.item, minlength=items)
    share = fit_popular(x).share
    first = np.full(items, np.inf)
    np.minimum.at(first, x.item[timed], x.time[timed].astype(np.float64))
    return Statistics(
        np.log(share + _half(len(x.user_ids))).astype(np.float32),
        (np.bincount(x.item, weights=signal, minlength=items) / (counts + 5)).astype(np.float32),
        np.where(np.isfinite(first), first, np.nan),
    )
