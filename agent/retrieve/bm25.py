"""Items whose texts share words with those of what a user had."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from limner.retrieve.base import History, Weighed, Weighing

if TYPE_CHECKING:
    import scipy.sparse as sp

_QUERY_WORDS = 100
"""Most words of a query: those that can add most to any item's score."""


@dataclass(frozen=True)
class BM25(Weighing):
    """BM25 (Robertson and others 1994, Lucene's variant): the query is the words of the items that
    a user had, each weighted by the share of the history's weight on items with the word.

    `postings` [words, items] sparse: what a word of the query adds to an item's score.
    """

    postings: "sp.csr_array"
    name: str = "bm25"
    half_life: float = 20.0

    @property
    def learned(self) -> "sp.csr_array":
        return self.postings

    @cached_property
    def _words(self) -> "sp.csr_array":
        """[items, words] 1 where the item's text has the word."""
        words = self.postings.T.tocsr()
        words.data = np.ones_like(words.data)
        return words

    @cached_property
    def _most(self) -> NDArray[np.float32]:
        """[words] the most that a word adds to any item."""
        return np.asarray(self.postings.max(axis=1).todense(), dtype=np.float32).ravel()

    def weigh(self, history: History) -> NDArray[np.float32]:
        """[n] signal times recency: words of disliked items lower an item's score."""
        return np.asarray(history.signal * history.recency(self.half_life), dtype=np.float32)

    def spread(self, past: Sequence[Weighed]) -> NDArray[np.float32]:
        return np.stack([self._of(user) for user in past], axis=1)

    def _of(self, past: Weighed) -> NDArray[np.float32]:
        """[channels, items] scores for one user."""
        whole = np.maximum(np.abs(past.weights).sum(axis=0), np.float32(1e-9))
        query = np.asarray(self._words[past.items].T @ (past.weights / whole), dtype=np.float32)
        adds = np.abs(query).max(axis=1, initial=0) * self._most
        words = np.flatnonzero(adds)
        if len(words) > _QUERY_WORDS:
            words = words[np.argpartition(-adds[words], _QUERY_WORDS)[:_QUERY_WORDS]]
        return np.asarray((self.postings[words].T @ query[words]).T, dtype=np.float32)

    def holds(self) -> str:
        return f"{self.postings.shape[0]:,} words"


def words(text: str) -> list[str]:
    """The words of a text in lower case, by Unicode's rules; Chinese, Japanese and Thai by ICU's
    dictionaries.
    """
    from icu4py.breakers import WordBreaker

    return [word for word in WordBreaker(text.casefold(), "en") if any(map(str.isalnum, word))]


def bm25_postings(texts: Sequence[str], *, k1: float = 1.2, b: float = 0.75) -> "sp.csr_array":
    """[words, texts] what each word adds to each text; no rows where there is no word at all."""
    import bm25s
    import scipy.sparse as sp

    corpus = [words(text) for text in texts]
    vocabulary = {
        word: at for at, word in enumerate(dict.fromkeys(word for text in corpus for word in text))
    }
    if not vocabulary:
        return sp.csr_array((0, len(corpus)), dtype=np.float32)
    index = bm25s.BM25(k1=k1, b=b, method="lucene")
    index.index(
        ([[vocabulary[word] for word in text] for text in corpus], vocabulary), show_progress=False
    )
    scores = index.scores
    # The package adds a word of its own, the empty one, at the end.
    shape = (len(corpus), len(scores["indptr"]) - 1)
    matrix = sp.csc_array((scores["data"], scores["indices"], scores["indptr"]), shape=shape)
    return matrix.T.tocsr()[: len(vocabulary)].astype(np.float32)
