"""Baselines that read what items are, and nothing of other users: BM25 over texts, nearness of texts' vectors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from agent.errors import CannotRunError
from agent.retrieve import Alike, weights_matrix
from evals.systems.base import Asked, Personal, Scores, Setting, Training, need

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_PARTS = re.compile(rf"[{_CJK}]+|[^\W{_CJK}]+")


def words(text: str) -> list[str]:
    """Words in lower case; Chinese, Japanese and Korean runs as overlapping pairs of characters (Lucene's CJK
    bigrams), since they have no spaces or glue particles to words."""
    found: list[str] = []
    for part in _PARTS.findall(text.casefold()):
        if re.match(f"[{_CJK}]", part) and len(part) > 1:
            found += [part[at : at + 2] for at in range(len(part) - 1)]
        else:
            found.append(part)
    return found


@dataclass
class Bm25(Personal):
    """BM25 (Robertson and others 1994, Lucene's variant, by the package bm25s): the texts of what the user has had ask,
    each word by the recency and signal of its items."""

    k1: float = 1.2
    b: float = 0.75
    half_life: float = 20.0
    """Events after which an item asks half as loud."""

    name: ClassVar[str] = "bm25"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {
        "half_life": (20.0, 2.0, 5.0, 100.0), "k1": (1.2, 0.6, 2.0), "b": (0.75, 0.3, 1.0),
    }  # fmt: skip

    def learn(self, training: Training) -> None:
        need("bm25s")
        import bm25s
        import scipy.sparse as sp

        corpus = [words(text) for text in training.shelf.texts]
        vocabulary = {word: at for at, word in enumerate(dict.fromkeys(word for text in corpus for word in text))}
        ids = [[vocabulary[word] for word in text] for text in corpus]
        if not vocabulary:
            raise CannotRunError("No item has a text.")
        index = bm25s.BM25(k1=self.k1, b=self.b, method="lucene")
        index.index((ids, vocabulary), show_progress=False)
        weights = index.scores
        # The package adds a word of its own, the empty one.
        shape = (len(corpus), len(weights["indptr"]) - 1)
        held = sp.csc_array((weights["data"], weights["indices"], weights["indptr"]), shape=shape)
        self._words_to_items = held.T.tocsr()
        rows = np.repeat(np.arange(len(ids)), [len(set(text)) for text in ids])
        columns = np.array([word for text in ids for word in sorted(set(text))], dtype=np.int64)
        self._items_to_words = sp.csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)

    def judge(self, asked: Asked) -> Scores:
        weights = [np.maximum(one.signal, 0.05) * one.recency(self.half_life) for one in asked.histories]
        said = weights_matrix(asked.histories, weights, self._items_to_words.shape[0])
        return np.asarray(((said @ self._items_to_words) @ self._words_to_items).todense())


@dataclass
class Content(Personal):
    """Cosine of texts' vectors to the recency-weighted mean of what the user has had."""

    half_life: float = 20.0
    weighing: str = "liked"

    name: ClassVar[str] = "content"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {
        "half_life": (20.0, 1.0, 3.0, 8.0, 100.0), "weighing": ("liked", "all"),
    }  # fmt: skip

    def learn(self, training: Training) -> None:
        vectors = training.catalogue.vectors
        if not vectors.shape[1]:
            raise CannotRunError("The embedder 'wordllama' is not installed; run: pip install 'limner[local]'.")
        self._channel = Alike(vectors, "content", self.half_life, "liked" if self.weighing == "liked" else "all")

    def judge(self, asked: Asked) -> Scores:
        return self._channel.score(asked.histories)
