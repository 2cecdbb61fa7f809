"""Items that the same users had: EASE where its matrix fits, item-item cosine beyond."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.interactions import Interactions
from agent.retrieve.base import History, keep_top, weights_matrix

if TYPE_CHECKING:
    import scipy.sparse as sp

EASE_ITEMS = 10_000
"""Up to here EASE's dense matrix is inverted (0.4 GB, about a minute on two cores)."""
_LAMBDA = 300.0
_NEIGHBOURS = 500
"""Weights kept a row: at 9,066 items a tenth of the file, and no worse."""
_HALF_LIFE = 10.0
"""Events after which an event speaks half as loud (ndcg@10 on ML-100K's validation .096 against .070 without)."""


@dataclass(frozen=True)
class Collaborative:
    """`weights` [items, items] sparse: how much having the row's item speaks for the column's."""

    weights: "sp.csr_array"
    method: str
    name: str = "collaborative"
    half_life: float = _HALF_LIFE
    liked: bool = False
    """Events count by their signal, so that dislikes speak against; else every event that is no dislike counts 1."""

    def _weights(self, history: History) -> NDArray[np.float32]:
        return np.asarray((history.signal if self.liked else history.taste()) * history.recency(self.half_life))

    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        items = self.weights.shape[0]
        taste = weights_matrix(histories, [self._weights(h) for h in histories], items)
        return np.asarray((taste @ self.weights).todense(), dtype=np.float32)

    def neighbours(self, history: History, item: int) -> NDArray[np.float32]:
        """[n] what each event of the history adds to an item's score."""
        column = self.weights[:, [item]].toarray().ravel()
        return np.asarray(column[history.items] * self._weights(history), dtype=np.float32)

    def holds(self) -> str:
        return f"{self.method}, {self.weights.nnz:,} weights"


def fit_collaborative(x: Interactions, ease_items: int = EASE_ITEMS) -> Collaborative:
    """EASE (Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data"): B = I - P / diag(P), P = (XᵀX + λI)⁻¹.

    Its top weights a row are kept. Beyond `ease_items` items: cosine of item columns (Sarwar et al. 2001).
    """
    import scipy.sparse as sp

    users, items = len(x.user_ids), len(x.item_ids)
    seen = sp.csr_array((np.ones(len(x), np.float32), (x.user, x.item)), shape=(users, items))
    seen.data = np.ones_like(seen.data)
    if 0 < items <= ease_items:
        return Collaborative(keep_top(ease_weights(seen), _NEIGHBOURS), "EASE")
    counts = np.asarray(seen.sum(axis=0)).ravel()
    scale = sp.diags_array(1 / np.sqrt(np.maximum(counts, 1)))
    unit = (seen @ scale).tocsr()
    parts = []
    for at in range(0, items, 1000):
        block = np.asarray((unit[:, at : at + 1000].T @ unit).todense(), dtype=np.float32)
        block[np.arange(block.shape[0]), np.arange(at, at + block.shape[0])] = 0
        parts.append(keep_top(block, _NEIGHBOURS))
    weights = sp.vstack(parts).tocsr() if parts else sp.csr_array((items, items), dtype=np.float32)
    return Collaborative(weights, "item cosine")


def ease_weights(seen: "sp.csr_array", penalty: float = _LAMBDA) -> NDArray[np.float32]:
    """[items, items] dense, zero diagonal."""
    import scipy.linalg

    gram = np.asarray((seen.T @ seen).todense(), dtype=np.float32)
    gram[np.diag_indices_from(gram)] += penalty
    # Symmetric and positive definite, so Cholesky halves the work of a general inverse.
    factor, info = scipy.linalg.lapack.spotrf(gram, lower=1, overwrite_a=1)
    if info:
        raise ValueError("the gram matrix is not positive definite")
    inverse, _ = scipy.linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    lower = np.tril(inverse)
    inverse = lower + np.tril(inverse, -1).T
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0
    return np.asarray(weights, dtype=np.float32)
