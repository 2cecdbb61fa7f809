"""What follows what: transitions within a window of a user's events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.interactions import Interactions
from agent.retrieve.base import History, spread_all

if TYPE_CHECKING:
    import scipy.sparse as sp

_WINDOW = 10
_DECAY = 0.9
HALF_LIFE = 2.0
"""Events after which an event of the user's speaks half as loud."""
_USED = 20
"""Half-lives of events before the last that still count; older ones weigh under a millionth."""


@dataclass(frozen=True)
class NextItem:
    """`weights` [items, items] sparse, normalised decayed counts of column after row."""

    weights: "sp.csr_array"
    name: str = "next_item"
    half_life: float = HALF_LIFE

    @property
    def learned(self) -> object:
        return self.weights

    @property
    def items(self) -> int:
        return int(self.weights.shape[0])

    def weigh(self, history: History) -> NDArray[np.float32]:
        used = np.arange(len(history.items)) >= len(history.items) - round(_USED * self.half_life)
        return np.asarray(history.recency(self.half_life) * used, dtype=np.float32)

    def spread(self, weights: "sp.csr_array") -> NDArray[np.float32]:
        return np.asarray((weights @ self.weights).todense(), dtype=np.float32)

    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        return spread_all([self], histories)

    def neighbours(self, history: History, item: int) -> NDArray[np.float32]:
        """[n] what each event of the history adds to an item's score."""
        column = self.weights[:, [item]].toarray().ravel()
        return np.asarray(column[history.items] * self.weigh(history), dtype=np.float32)

    def holds(self) -> str:
        return f"{self.weights.nnz:,} transitions"


def fit_next_item(x: Interactions) -> NextItem:
    """Cosine-normalised transitions: counts over √(n_i n_j)."""
    return NextItem(transitions(x))


def transitions(
    x: Interactions, *, window: int = _WINDOW, decay: float = _DECAY, source: float = 0.5, target: float = 0.5
) -> "sp.csr_array":
    """[items, items] counts of j within `window` events after i, each step worth `decay`, over nᵢ^source nⱼ^target.

    With both exponents a half it is the cosine. A smaller `target` lets what many have come forward.
    """
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
    counts = np.maximum(np.bincount(x.item, minlength=items), 1).astype(np.float32)
    return (sp.diags_array(counts**-source) @ total @ sp.diags_array(counts**-target)).tocsr().astype(np.float32)
