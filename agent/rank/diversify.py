"""A list chosen as a whole: diverse, novel, boosted, and within quotas.

**Diversity** d is maximal marginal relevance (Carbonell and Goldstein 1998): items are taken one by
one, each the best by

    (1 - d) relevance - d max over the items taken of their likeness,

likeness being the mean of the cosine of the two items' texts and that of their attributes weighed
by rarity (one of them where an item lacks the other), 0 at least. **Novelty** v mixes the
self-information of an item into its relevance:

    relevance = (1 - v) (score - lowest) / (highest - lowest) + v (-log2 share) / (-log2 least
    share)

over the items to choose from; share is that of the users who had the item, half a user added.
**Quotas** pass over an item of which one value is full already. A **boost** multiplies the
relevance of the items that fit a condition, several boosts one after the other.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from limner.core.filters import parse_short, values_of
from limner.core.schema import Item, RecommendationRequest, Scalar
from limner.rank.channels import Catalogue
from limner.rank.features import CANDIDATES
from limner.rank.model import Model
from limner.rank.order import RankedCandidate
from limner.rank.stated_preferences import StatedPreferences

if TYPE_CHECKING:
    import scipy.sparse as sp

Floats = NDArray[np.float64]
_MORE = 4
"""By how much the choice grows where quotas leave too few."""


def diversify_list(
    ordered: Callable[[int], Sequence[RankedCandidate]],
    n: int,
    wishes: RecommendationRequest,
    model: Model,
    items: Mapping[str, Item],
    said: StatedPreferences | None = None,
) -> list[RankedCandidate]:
    """The first n of an order, or the n that wishes for diversity, novelty, boosts or quotas choose
    from its `CANDIDATES` best.

    `ordered(k)` gives k items, best first, fewer only where there are no more; quotas that leave
    too few ask for more. said: by the user of their own taste; it multiplies relevance as a boost
    does, and brings in what they like.
    """
    if not wishes.shapes and said is None:
        return [*ordered(n)]
    size = max(n, CANDIDATES)
    while True:
        found = [*ordered(size)][:size]
        chosen = _choose(found, n, wishes, model, items, said)
        if len(chosen) >= n or len(found) < size:
            return chosen
        size *= _MORE


def _choose(
    found: Sequence[RankedCandidate],
    n: int,
    wishes: RecommendationRequest,
    model: Model,
    items: Mapping[str, Item],
    said: StatedPreferences | None,
) -> list[RankedCandidate]:
    ids = [one.candidate.item_id for one in found]
    at = np.array([model.positions.get(one, -1) for one in ids], dtype=np.int64)
    value = relevance(
        np.array([one.score for one in found]),
        model.channels.statistics.log_share,
        at,
        wishes.novelty,
    )
    if wishes.boost:
        value = value * boosts([items.get(one) for one in ids], wishes.boost)
    if said is not None:
        value = said.heard(value, [items.get(one) for one in ids])
    groups = [_groups(items.get(one), wishes.quota) for one in ids]
    taken = pick(
        value,
        Likeness(model.channels.catalogue, at).to,
        n,
        wishes.diversity,
        groups,
        _caps(wishes.quota),
    )
    return [found[one] for one in taken]


def relevance(
    score: Floats, log_share: NDArray[np.float32], at: NDArray[np.int64], novelty: float
) -> Floats:
    """[k] in [0, 1]; `at` [k] positions of the items in `log_share`, -1 where nobody is known to
    have had it.
    """
    if not len(score):
        return score
    low, high = float(score.min()), float(score.max())
    fit = (score - low) / (high - low) if high > low else np.ones_like(score)
    if not novelty:
        return np.asarray(fit)
    rarest = min(float(log_share.min(initial=0.0)), -1e-9)
    share = np.where(at >= 0, log_share[at], rarest) if len(log_share) else np.full(len(at), rarest)
    return np.asarray((1 - novelty) * fit + novelty * np.clip(share / rarest, 0, 1))


def boosts(items: Sequence[Item | None], boost: Mapping[str, float]) -> Floats:
    """[k] what each item's relevance is multiplied by: the product of the boosts whose condition it
    fits.
    """
    found = np.ones(len(items))
    for text, factor in boost.items():
        condition = parse_short(text)
        found[[item is not None and condition.fits(item) for item in items]] *= factor
    return found


def pick(
    value: Floats,
    likeness: Callable[[int], Floats],
    n: int,
    diversity: float,
    groups: Sequence[Sequence[str]],
    caps: Mapping[str, int],
) -> list[int]:
    """Positions of at most n items in the order taken; ties go to the first.

    value: [k] relevance. likeness(i): [k] of every item to item i. groups: of each item, the
    `name:value` that quotas count; caps: by `name:value`, or by name for each of its values, how
    many items at most.
    """
    left = np.ones(len(value), dtype=bool)
    nearest = np.zeros(len(value))
    held: Counter[str] = Counter()
    taken: list[int] = []
    while len(taken) < n and left.any():
        gain = np.where(left, (1 - diversity) * value - diversity * nearest, -np.inf)
        best = int(np.argmax(gain))
        left[best] = False
        if any(held[one] >= _cap(one, caps) for one in groups[best]):
            continue
        held.update(groups[best])
        taken.append(best)
        if diversity:
            nearest = np.maximum(nearest, likeness(best))
    return taken


class Likeness:
    """Cosines between items at positions of a catalogue; 0 to items that it does not hold (-1)."""

    def __init__(self, catalogue: Catalogue, at: NDArray[np.int64]) -> None:
        held = at >= 0
        rows = np.where(held, at, 0)
        self._vectors = catalogue.vectors[rows] * held[:, None]
        self._facets: sp.csr_array = (
            catalogue.facets[rows].multiply(held[:, None].astype(np.float32)).tocsr()
        )
        self._worded = np.abs(self._vectors).sum(axis=1) > 0
        self._marked = np.diff(self._facets.indptr) > 0

    def to(self, item: int) -> Floats:
        """[k] in [0, 1]."""
        worded, marked = self._worded & self._worded[item], self._marked & self._marked[item]
        words = np.clip(self._vectors @ self._vectors[item], 0, 1) * worded
        marks = np.clip((self._facets @ self._facets[[item]].T).toarray().ravel(), 0, 1) * marked
        return np.asarray(
            (words + marks) / np.maximum(worded.astype(float) + marked, 1), dtype=np.float64
        )


def _groups(item: Item | None, quota: Mapping[str, int]) -> list[str]:
    """`name:value` of each value under a quota."""
    if item is None:
        return []
    found = []
    for name in dict.fromkeys(one.partition(":")[0].casefold() for one in quota):
        found += [f"{name}:{_said(value)}".casefold() for value in values_of(item, name)]
    return list(dict.fromkeys(found))


def idle_quotas(quota: Mapping[str, int], items: Iterable[Item]) -> list[str]:
    """Those on a value that no item has."""
    caps = {one: one.casefold() for one in quota if ":" in one}
    if not caps:
        return []
    held = {group for item in items for group in _groups(item, quota)}
    return [one for one, group in caps.items() if group not in held]


def _said(value: Scalar) -> str:
    """1990.0 is 1990."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _caps(quota: Mapping[str, int]) -> dict[str, int]:
    return {name.casefold(): most for name, most in quota.items()}


def _cap(group: str, caps: Mapping[str, int]) -> float:
    """Of a `name:value`: its own quota, or that of every value of the name."""
    return caps.get(group, caps.get(group.partition(":")[0], np.inf))
