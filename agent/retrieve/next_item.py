"""What follows what: transitions within a window of a user's events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.interactions import Interactions
from agent.retrieve.base import History, weights_matrix

if TYPE_CHECKING:
    import scipy.sparse as sp

_WINDOW = 10
_DECAY = 0.9
HALF_LIFE = 2.0
"""Events after which an event of the user's speaks half as loud."""
_USED = 40
"""Events before the last that still count; at this half-life older ones weigh under a millionth."""


@dataclass(frozen=True)
class NextItem:
    """`weights` [items, items] sparse, cosine-normalised decayed counts of column after row."""

    weights: "sp.csr_array"
    name: str = "next_item"

    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        items = self.weights.shape[0]
        recent = [History(h.items[-_USED:], h.signal[-_USED:]) for h in histories]
        weights = weights_matrix(recent, [h.recency(HALF_LIFE) for h in recent], items)
        return np.asarray((weights @ self.weights).todense(), dtype=np.float32)

    def neighbours(self, history: History, item: int) -> NDArray[np.float32]:
        """[n] what each event of the history adds to an item's score."""
        column = self.weights[:, [item]].toarray().ravel()
        used = np.arange(len(history.items)) >= len(history.items) - _USED
        return np.asarray(column[history.items] * history.recency(HALF_LIFE) * used, dtype=np.float32)

    def holds(self) -> str:
        return f"{self.weights.nnz:,} transitions"


def fit_next_item(x: Interactions) -> NextItem:
    """Counts of j within `_WINDOW` events after i, each step back worth `_DECAY`, over √(n_i n_j)."""
    import scipy.sparse as sp

    items = len(x.item_ids)
    total = sp.csr_array((items, items), dtype=np.float32)
    for step in range(1, _WINDOW + 1):
        if len(x) <= step:
            break
        same = x.user[:-step] == x.user[step:]
        before, after = x.item[:-step][same], x.item[step:][same]
        other = before != after
        data = np.full(int(other.sum()), _DECAY ** (step - 1), dtype=np.float32)
        total = total + sp.csr_array((data, (before[other], after[other])), shape=(items, items))
    counts = np.bincount(x.item, minlength=items).astype(np.float32)
    scale = sp.diags_array(1 / np.sqrt(np.maximum(counts, 1)))
    return NextItem((scale @ total @ scale).tocsr().astype(np.float32))
