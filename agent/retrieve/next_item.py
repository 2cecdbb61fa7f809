"""The next-item channel: transitions between items within a window of a user's events."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import Interactions
from limner.retrieve.base import History, ItemWeights

if TYPE_CHECKING:
    import scipy.sparse as sp

_WINDOW = 10
_DECAY = 0.9
HALF_LIFE = 2.0
"""Events after which an event of the user's counts half."""
_USED = 20
"""Half-lives after which an event is left out; its weight would be under a millionth."""


@dataclass(frozen=True)
class NextItem(ItemWeights):
    """`weights` are normalised decayed counts of the column's item after the row's."""

    name: str = "next_item"
    half_life: float = HALF_LIFE

    def weigh(self, history: History) -> NDArray[np.float32]:
        used = np.arange(len(history.items)) >= len(history.items) - round(_USED * self.half_life)
        return np.asarray(history.recency(self.half_life) * used, dtype=np.float32)

    def holds(self) -> str:
        return f"{self.weights.nnz:,} transitions"


def fit_next_item(x: Interactions) -> NextItem:
    """Cosine-normalised transitions: counts over √(n_i n_j)."""
    return NextItem(normalised(transitions(x), x))


def transitions(x: Interactions, *, window: int = _WINDOW, decay: float = _DECAY) -> "sp.csr_array":
    """[items, items] counts of j within `window` events after i, each step worth `decay`."""
    import scipy.sparse as sp

    items = len(x.item_ids)
    total = sp.csr_array((items, items), dtype=np.float32)
    for step in range(1, window + 1):
        if len(x) <= step:
            break
        same = x.user[:-step] == x.user[step:]
        before, after = x.item[:-step][same], x.item[step:][same]
        other = before != after
        data = np.full(int(other.sum()), decay ** (step - 1), dtype=np.float32)
        total = total + sp.csr_array((data, (before[other], after[other])), shape=(items, items))
    return total


def normalised(
    counts: "sp.csr_array", x: Interactions, *, source: float = 0.5, target: float = 0.5
) -> "sp.csr_array":
    """Transition counts of i to j over nᵢ^source nⱼ^target, n being an item's events.

    With both exponents a half it is the cosine. A smaller `target` favours popular items.
    """
    import scipy.sparse as sp

    seen = np.maximum(np.bincount(x.item, minlength=len(x.item_ids)), 1).astype(np.float32)
    return (
        (sp.diags_array(seen**-source) @ counts @ sp.diags_array(seen**-target))
        .tocsr()
        .astype(np.float32)
    )
