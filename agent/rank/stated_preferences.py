"""What a user said of their own taste, as weights on a list: it counts before any event could show
it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limner.core.schema import Event, Item, Preference
from limner.facts import struck

STATED_LIKE = 1.5
"""What the relevance of an item that carries a stated like is multiplied by."""
STATED_DISLIKE = 0.3
STRUCK = 0.7
"""A claim that was struck speaks for its items less (of a like), or against them less (of a
dislike: 1 / this).
"""
FIRST, PROMISED = 10, 2
"""Of so many first items, so many carry a stated like, where the catalogue has them; half of the
first at most are brought in so.
"""

Key = tuple[str, str]
"""Facet, and value in lower case."""
FacetsOf = Callable[[Item], Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class StatedPreferences:
    """What was said, to be read against items."""

    weights: Mapping[Key, float]
    likes: Sequence[Key]
    """That were stated, the newest first; no more than can be kept."""
    facets_of: FacetsOf

    def weight(self, item: Item) -> float:
        """What the item's relevance is multiplied by."""
        found = 1.0
        for key in _keys(item, self.facets_of):
            found *= self.weights.get(key, 1.0)
        return found

    def carried(self, item: Item) -> set[Key]:
        """The stated likes that an item carries."""
        return {key for key in _keys(item, self.facets_of) if key in self.likes}

    def heard(
        self, value: NDArray[np.float64], items: Sequence[Item | None]
    ) -> NDArray[np.float64]:
        """[k] relevance of items as it is after what was said: weighed, and the best of each stated
        like lifted to every second place from the second, until `PROMISED` of it are among the
        `FIRST`.
        """
        weight = np.array([1.0 if one is None else self.weight(one) for one in items])
        value = value * weight
        carried = [set[Key]() if one is None else self.carried(one) for one in items]
        order = np.argsort(-value, kind="stable").tolist()
        lifted = self._promised([at for at in order if weight[at] >= 1 or not carried[at]], carried)
        held = np.sort(value)[::-1]
        for turn, at in enumerate(lifted, 1):
            value[at] = np.nextafter(held[turn], np.inf)
        return value

    def _promised(self, order: Sequence[int], carried: Sequence[set[Key]]) -> list[int]:
        """Those of an order, best first, that would not be among the first."""
        lifted: list[int] = []
        while len(lifted) < FIRST // 2:
            left = [at for at in order if at not in lifted]
            keep = FIRST - len(lifted)
            have = Counter(key for at in [*left[:keep], *lifted] for key in carried[at])
            short = (key for key in self.likes if have[key] < PROMISED)
            best = next((at for key in short for at in left[keep:] if key in carried[at]), None)
            if best is None:
                break
            lifted.append(best)
        return lifted


def stated_preferences_of(
    preferences: Sequence[Preference], events: Sequence[Event], facets_of: FacetsOf
) -> StatedPreferences | None:
    """What a user stated and struck; None where they said nothing of the kind.

    facets_of: facet values of an item, as the portrait's facets are.
    """
    stated = [one for one in preferences if one.basis == "stated"]
    weights = {
        _key(one): STATED_LIKE if one.polarity == "like" else STATED_DISLIKE for one in stated
    }
    for facet, value, polarity in struck(events):
        weights.setdefault((facet, value), STRUCK if polarity == "like" else 1 / STRUCK)
    if not weights:
        return None
    liked = sorted((one for one in stated if one.polarity == "like"), key=_age)
    return StatedPreferences(weights, [_key(one) for one in liked][: FIRST // 2], facets_of)


def _key(one: Preference) -> Key:
    return one.facet, one.value.casefold()


def _age(one: Preference) -> float:
    """Less where it was said later."""
    return -one.last_seen.timestamp() if one.last_seen else 0.0


def _keys(item: Item, facets_of: FacetsOf) -> list[Key]:
    return [
        (facet, value.casefold()) for facet, values in facets_of(item).items() for value in values
    ]
