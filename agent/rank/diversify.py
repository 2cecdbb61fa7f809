"""A list chosen as a whole: diverse, novel, boosted, and within quotas.

**Diversity** d is maximal marginal relevance (Carbonell and Goldstein 1998): items are taken one by
one, each the best by

    (1 - d) relevance - d max over the items taken of their similarity,

where similarity is the mean of two cosines, of the items' texts and of their attributes weighted by
rarity, each 0 at least; where an item lacks one of them, the other alone. **Novelty** v mixes the
self-information of an item into its relevance:

    relevance = (1 - v) (score - lowest) / (highest - lowest) + v (-log2 share) / (-log2 least
    share)

over the items to choose from; share is that of the users who had the item, half a user added.
**Quotas** skip an item if one of its values has as many items as its quota allows. A **boost**
multiplies the relevance of the items that fit a condition; several boosts multiply.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from limner.core.filters import parse_short, values_of
from limner.core.schema import Item, RecommendationRequest, Scalar
from limner.core.variants import Variants
from limner.rank.channels import Catalogue
from limner.rank.features import CANDIDATES
from limner.rank.model import Model
from limner.rank.order import RankedCandidate
from limner.rank.stated_preferences import StatedPreferences

if TYPE_CHECKING:
    import scipy.sparse as sp

Floats = NDArray[np.float64]
_MORE = 4
"""Factor by which the number of candidates grows where quotas leave too few."""


def one_of_each(
    ordered: Callable[[int], Sequence[RankedCandidate]], variants: Variants
) -> Callable[[int], Sequence[RankedCandidate]]:
    """An order of items without those that are variants of a better one; as long as before while
    the catalogue has others.
    """
    if not variants:
        return ordered

    def distinct(k: int) -> list[RankedCandidate]:
        size = k
        while True:
            ranked = ordered(size)
            kept = [*variants.distinct(ranked, lambda one: one.candidate.item_id)]
            if len(kept) >= k or len(ranked) < size:
                return kept[:k]
            size *= 2

    return distinct


def diversify_list(
    ordered: Callable[[int], Sequence[RankedCandidate]],
    n: int,
    wishes: RecommendationRequest,
    model: Model,
    items: Mapping[str, Item],
    stated: StatedPreferences | None = None,
) -> list[RankedCandidate]:
    """The first n of an order, or the n that diversity, novelty, boosts or quotas choose from its
    `CANDIDATES` best.

    ordered: `ordered(k)` gives k items, best first, fewer only where there are no more; called
        again with a larger k where quotas leave too few.
    stated: what the user said of their own taste; it multiplies relevance as a boost does, and
        lifts some items that carry a stated like.
    """
    if not wishes.shapes and stated is None:
        return [*ordered(n)]
    size = max(n, CANDIDATES)
    while True:
        candidates = [*ordered(size)][:size]
        chosen = _choose(candidates, n, wishes, model, items, stated)
        if len(chosen) >= n or len(candidates) < size:
            return chosen
        size *= _MORE


def _choose(
    candidates: Sequence[RankedCandidate],
    n: int,
    wishes: RecommendationRequest,
    model: Model,
    items: Mapping[str, Item],
    stated: StatedPreferences | None,
) -> list[RankedCandidate]:
    ids = [ranked.candidate.item_id for ranked in candidates]
    known_items = [items.get(item_id) for item_id in ids]
    positions = np.array([model.positions.get(item_id, -1) for item_id in ids], dtype=np.int64)
    score = np.array([ranked.score for ranked in candidates])
    value = relevance(score, model.channels.statistics.log_share, positions, wishes.novelty)
    if wishes.boost:
        value = value * boosts(known_items, wishes.boost)
    if stated is not None:
        value = stated.reweighted(value, known_items)
    chosen = pick(
        value,
        ItemCosines(model.channels.catalogue, positions).to,
        n,
        wishes.diversity,
        [_groups(item, wishes.quota) for item in known_items],
        _caps(wishes.quota),
    )
    return [candidates[place] for place in chosen]


def relevance(
    score: Floats, log_share: NDArray[np.float32], positions: NDArray[np.int64], novelty: float
) -> Floats:
    """[k] in [0, 1]: fit, less the share of `novelty` that goes to being had by few users.

    positions: [k] of the items in `log_share`, -1 for an item that nobody is known to have had.
    """
    if not len(score):
        return score
    low, high = float(score.min()), float(score.max())
    fit = (score - low) / (high - low) if high > low else np.ones_like(score)
    if not novelty:
        return np.asarray(fit)
    rarest = min(float(log_share.min(initial=0.0)), -1e-9)
    share = (
        np.where(positions >= 0, log_share[positions], rarest)
        if len(log_share)
        else np.full(len(positions), rarest)
    )
    return np.asarray((1 - novelty) * fit + novelty * np.clip(share / rarest, 0, 1))


def boosts(items: Sequence[Item | None], boost: Mapping[str, float]) -> Floats:
    """[k] the product of the boosts whose condition each item fits, 1 where it fits none."""
    factors = np.ones(len(items))
    for text, factor in boost.items():
        condition = parse_short(text)
        factors[[item is not None and condition.fits(item) for item in items]] *= factor
    return factors


def pick(
    value: Floats,
    similarity: Callable[[int], Floats],
    n: int,
    diversity: float,
    groups: Sequence[Sequence[str]],
    caps: Mapping[str, int],
) -> list[int]:
    """Positions of at most n items in the order taken; ties go to the first.

    value: [k] relevance.
    similarity: `similarity(i)` gives [k], of every item to item i.
    groups: [k] each item's `name:value` that quotas count.
    caps: most items by `name:value`, or by name for each of its values.
    """
    left = np.ones(len(value), dtype=bool)
    nearest = np.zeros(len(value))
    counts: Counter[str] = Counter()
    taken: list[int] = []
    while len(taken) < n and left.any():
        gain = np.where(left, (1 - diversity) * value - diversity * nearest, -np.inf)
        best = int(np.argmax(gain))
        left[best] = False
        if any(counts[group] >= _cap(group, caps) for group in groups[best]):
            continue
        counts.update(groups[best])
        taken.append(best)
        if diversity:
            nearest = np.maximum(nearest, similarity(best))
    return taken


class ItemCosines:
    """Similarity of the items at positions `at` [k] of a catalogue; 0 for unknown ones (-1)."""

    def __init__(self, catalogue: Catalogue, at: NDArray[np.int64]) -> None:
        known = at >= 0
        rows = np.where(known, at, 0)
        self._vectors = catalogue.vectors[rows] * known[:, None]
        self._facets: sp.csr_array = (
            catalogue.facets[rows].multiply(known[:, None].astype(np.float32)).tocsr()
        )
        self._has_vector = np.abs(self._vectors).sum(axis=1) > 0
        self._has_facets = np.diff(self._facets.indptr) > 0

    def to(self, item: int) -> Floats:
        """[k] similarity of each item to the item at index `item` of `at`, in [0, 1]."""
        both_vectors = self._has_vector & self._has_vector[item]
        both_facets = self._has_facets & self._has_facets[item]
        text = np.clip(self._vectors @ self._vectors[item], 0, 1) * both_vectors
        product = self._facets @ self._facets[[item]].T
        facets = np.clip(product.toarray().ravel(), 0, 1) * both_facets
        cosines = np.maximum(both_vectors.astype(float) + both_facets, 1)
        return np.asarray((text + facets) / cosines, dtype=np.float64)


def _groups(item: Item | None, quota: Mapping[str, int]) -> list[str]:
    """`name:value` of each value under a quota."""
    if item is None:
        return []
    groups = []
    for name in dict.fromkeys(text.partition(":")[0].casefold() for text in quota):
        groups += [f"{name}:{_text_of(value)}".casefold() for value in values_of(item, name)]
    return list(dict.fromkeys(groups))


def idle_quotas(quota: Mapping[str, int], items: Iterable[Item]) -> list[str]:
    """Quotas on a value that no item has."""
    group_of = {text: text.casefold() for text in quota if ":" in text}
    if not group_of:
        return []
    groups = {group for item in items for group in _groups(item, quota)}
    return [text for text, group in group_of.items() if group not in groups]


def _text_of(value: Scalar) -> str:
    """A value as a quota writes it: 1990.0 is "1990"."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _caps(quota: Mapping[str, int]) -> dict[str, int]:
    return {name.casefold(): most for name, most in quota.items()}


def _cap(group: str, caps: Mapping[str, int]) -> float:
    """The quota of a `name:value`: its own, else the name's, else infinity."""
    return caps.get(group, caps.get(group.partition(":")[0], np.inf))
