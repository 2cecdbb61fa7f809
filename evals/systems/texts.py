"""Baselines that read what items are, and nothing of other users: BM25 over texts, nearness of
texts' vectors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from limner.core.errors import CannotRunError
from limner.evals.systems.base import Personal, Scores, Setting, Training, UserBatch
from limner.retrieve import ItemSimilarity, bm25_postings, weights_matrix


@dataclass
class Bm25(Personal):
    """BM25 (Robertson and others 1994, Lucene's variant, by the package bm25s): the texts of what
    the user has had ask, each word by the recency and signal of its items.
    """

    k1: float = 1.2
    b: float = 0.75
    half_life: float = 20.0
    """Events after which an item asks half as loud."""

    name: ClassVar[str] = "bm25"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {
        "half_life": (20.0, 2.0, 5.0, 100.0),
        "k1": (1.2, 0.6, 2.0),
        "b": (0.75, 0.3, 1.0),
    }

    def learn(self, training: Training) -> None:
        self._words_to_items = bm25_postings(training.shelf.texts, k1=self.k1, b=self.b)
        if not self._words_to_items.shape[0]:
            raise CannotRunError("system.no_texts")
        self._items_to_words = self._words_to_items.T.tocsr()
        self._items_to_words.data = np.ones_like(self._items_to_words.data)

    def judge(self, asked: UserBatch) -> Scores:
        weights = [
            np.maximum(one.signal, 0.05) * one.recency(self.half_life) for one in asked.histories
        ]
        said = weights_matrix(asked.histories, weights, self._items_to_words.shape[0])
        return np.asarray(((said @ self._items_to_words) @ self._words_to_items).todense())


@dataclass
class Content(Personal):
    """Cosine of texts' vectors to the recency-weighted mean of what the user has had."""

    half_life: float = 20.0
    weighing: str = "liked"

    name: ClassVar[str] = "content"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {
        "half_life": (20.0, 1.0, 3.0, 8.0, 100.0),
        "weighing": ("liked", "all"),
    }

    def learn(self, training: Training) -> None:
        vectors = training.catalogue.vectors
        if not vectors.shape[1]:
            raise CannotRunError("system.no_wordllama")
        self._channel = ItemSimilarity(
            vectors, "content", self.half_life, "liked" if self.weighing == "liked" else "all"
        )

    def judge(self, asked: UserBatch) -> Scores:
        return self._channel.score(asked.histories)
