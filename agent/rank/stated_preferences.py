"""Preferences that a user stated, as weights on a list. They act at once, before any event shows
them.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from limner.core.schema import Event, Item, Preference
from limner.facts import struck

STATED_LIKE, STATED_DISLIKE = 1.5, 0.3
"""Factors on the relevance of an item that carries a stated like or dislike."""
STRUCK = 0.7
"""Factor for an item that carries a like which the user struck; 1 / STRUCK for a struck dislike."""
FIRST, PROMISED = 10, 2
"""PROMISED of the FIRST items carry each stated like, where the catalogue has such items; at most
FIRST / 2 items are lifted to reach that.
"""

Key = tuple[str, str]
"""Facet, and value in lower case."""
FacetsOf = Callable[[Item], Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class StatedPreferences:
    """Stated and struck preferences of one user, which weigh items by their facet values."""

    weights: Mapping[Key, float]
    likes: Sequence[Key]
    """Stated likes, the newest first, at most FIRST / 2."""
    facets_of: FacetsOf

    def weight(self, item: Item) -> float:
        """The factor on the item's relevance."""
        return math.prod(
            (self.weights.get(key, 1.0) for key in _keys(item, self.facets_of)), start=1.0
        )

    def carried(self, item: Item) -> set[Key]:
        """The stated likes that an item carries."""
        return {key for key in _keys(item, self.facets_of) if key in self.likes}

    def reweighted(
        self, value: NDArray[np.float64], items: Sequence[Item | None]
    ) -> NDArray[np.float64]:
        """[k] relevance of items after weighting and lifting.

        Items are lifted to every second place from the second, the best of each stated like first,
        until `PROMISED` items of each like are among the `FIRST`.
        """
        weight = np.array([1.0 if item is None else self.weight(item) for item in items])
        value = value * weight
        carried = [set[Key]() if item is None else self.carried(item) for item in items]
        order = np.argsort(-value, kind="stable").tolist()
        may_lift = [at for at in order if weight[at] >= 1 or not carried[at]]
        descending = np.sort(value)[::-1]
        for place, at in enumerate(self._lifted(may_lift, carried), 1):
            value[at] = np.nextafter(descending[place], np.inf)
        return value

    def _lifted(self, order: Sequence[int], carried: Sequence[set[Key]]) -> list[int]:
        """Positions to lift into the first places, out of an order that has the best first.

        carried: [k] the stated likes of each item.
        """
        lifted: list[int] = []
        while len(lifted) < FIRST // 2:
            left = [at for at in order if at not in lifted]
            room = FIRST - len(lifted)
            first = [*left[:room], *lifted]
            best = self._best_missing(first, left[room:], carried)
            if best is None:
                break
            lifted.append(best)
        return lifted

    def _best_missing(
        self, first: Sequence[int], others: Sequence[int], carried: Sequence[set[Key]]
    ) -> int | None:
        """The best of the others that carries a like of which the first items have too few; the
        newest such like counts first.
        """
        counts = Counter(chain.from_iterable(carried[at] for at in first))
        for like in self.likes:
            if counts[like] < PROMISED:
                best = next((at for at in others if like in carried[at]), None)
                if best is not None:
                    return best
        return None


def stated_preferences_of(
    preferences: Sequence[Preference], events: Sequence[Event], facets_of: FacetsOf
) -> StatedPreferences | None:
    """What a user stated and struck; None where they did neither.

    facets_of: facet values of an item, by the facets that preferences name.
    """
    stated = [preference for preference in preferences if preference.basis == "stated"]
    factors = {"like": STATED_LIKE, "dislike": STATED_DISLIKE}
    weights = {_key(preference): factors[preference.polarity] for preference in stated}
    for facet, value, polarity in struck(events):
        weights.setdefault((facet, value), STRUCK if polarity == "like" else 1 / STRUCK)
    if not weights:
        return None
    liked = sorted((p for p in stated if p.polarity == "like"), key=_age)
    return StatedPreferences(weights, list(map(_key, liked))[: FIRST // 2], facets_of)


def _key(preference: Preference) -> Key:
    return preference.facet, preference.value.casefold()


def _age(preference: Preference) -> float:
    """Smaller for a preference that was stated later; 0 without a date."""
    return -preference.last_seen.timestamp() if preference.last_seen else 0.0


def _keys(item: Item, facets_of: FacetsOf) -> list[Key]:
    return [
        (facet, value.casefold()) for facet, values in facets_of(item).items() for value in values
    ]
