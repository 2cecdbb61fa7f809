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

_ASKED = 100
"""Words of a user's items that ask: those that can add most to any item's score."""


@dataclass(frozen=True)
class BM25(Weighing):
    """BM25 (Robertson and others 1994, Lucene's variant): the words of the items that a user had
    ask, each by the share of the weight of the items that have it.

    `postings` [words, items] sparse, what a word that asks adds to an item.
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
        """By signal too, so that the words of what was disliked speak against an item."""
        return np.asarray(history.signal * history.recency(self.half_life), dtype=np.float32)

    def spread(self, past: Sequence[Weighed]) -> NDArray[np.float32]:
        return np.stack([self._of(one) for one in past], axis=1)

    def _of(self, one: Weighed) -> NDArray[np.float32]:
        """[channels, items]."""
        whole = np.maximum(np.abs(one.weights).sum(axis=0), np.float32(1e-9))
        asked = np.asarray(self._words[one.items].T @ (one.weights / whole), dtype=np.float32)
        adds = np.abs(asked).max(axis=1, initial=0) * self._most
        words = np.flatnonzero(adds)
        if len(words) > _ASKED:
            words = words[np.argpartition(-adds[words], _ASKED)[:_ASKED]]
        return np.asarray((self.postings[words].T @ asked[words]).T, dtype=np.float32)

    def holds(self) -> str:
        return f"{self.postings.shape[0]:,} words"


def words(text: str) -> list[str]:
    """The words of a text in lower case, by Unicode's rules; Chinese, Japanese and Thai by ICU's
    dictionaries.
    """
    from icu4py.breakers import WordBreaker

    return [one for one in WordBreaker(text.casefold(), "en") if any(map(str.isalnum, one))]


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
    held = index.scores
    # The package adds a word of its own, the empty one, at the end.
    shape = (len(corpus), len(held["indptr"]) - 1)
    found = sp.csc_array((held["data"], held["indices"], held["indptr"]), shape=shape)
    return found.T.tocsr()[: len(vocabulary)].astype(np.float32)
