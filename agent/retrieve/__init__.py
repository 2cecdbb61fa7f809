"""Channels: one way each to find candidates, behind one interface."""

from limner.retrieve.base import (
    DISLIKED,
    Channel,
    History,
    Traced,
    score_all,
    seen_matrix,
    together,
    weigh_all,
    weights_matrix,
)
from limner.retrieve.bm25 import BM25, bm25_postings, words
from limner.retrieve.collaborative import Collaborative, ease_weights, fit_collaborative
from limner.retrieve.content import (
    ContentBook,
    ItemVectors,
    Wording,
    content_candidates,
    content_scores,
)
from limner.retrieve.demographic import Demographics, count_demographics, load_demographics
from limner.retrieve.item_similarity import ItemSimilarity
from limner.retrieve.next_item import NextItem, fit_next_item, normalised, transitions
from limner.retrieve.popular import (
    EventStream,
    PopularChannel,
    RecentChannel,
    fit_popular,
    fit_recent,
)
from limner.retrieve.user_knn import UserKNN, users_matrix

__all__ = [
    "BM25",
    "DISLIKED",
    "Channel",
    "Collaborative",
    "ContentBook",
    "Demographics",
    "EventStream",
    "History",
    "ItemSimilarity",
    "ItemVectors",
    "NextItem",
    "PopularChannel",
    "RecentChannel",
    "Traced",
    "UserKNN",
    "Wording",
    "bm25_postings",
    "content_candidates",
    "content_scores",
    "count_demographics",
    "ease_weights",
    "fit_collaborative",
    "fit_next_item",
    "fit_popular",
    "fit_recent",
    "load_demographics",
    "normalised",
    "score_all",
    "seen_matrix",
    "together",
    "transitions",
    "users_matrix",
    "weigh_all",
    "weights_matrix",
    "words",
]
