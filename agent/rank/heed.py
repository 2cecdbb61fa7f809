"""What a user said of their own taste, as weights on a list: it counts before any event could show it."""

from collections.abc import Callable, Mapping, Sequence

from agent.facts import struck
from agent.schema import Event, Item, Preference

STATED_LIKE = 1.5
"""What the relevance of an item that carries a stated like is multiplied by."""
STATED_DISLIKE = 0.3
STRUCK = 0.7
"""A claim that was struck speaks for its items less (of a like), or against them less (of a dislike: 1 / this)."""

Weight = Callable[[Item], float]


def heeding(
    preferences: Sequence[Preference], events: Sequence[Event], facets_of: Callable[[Item], Mapping[str, Sequence[str]]]
) -> Weight | None:
    """The weight of an item by what its user stated and struck; None where they said nothing of the kind.

    facets_of: facet values of an item, as the portrait's facets are.
    """
    weights = {
        (one.facet, one.value.casefold()): STATED_LIKE if one.polarity == "like" else STATED_DISLIKE
        for one in preferences
        if one.basis == "stated"
    }
    for facet, value, polarity in struck(events):
        weights.setdefault((facet, value), STRUCK if polarity == "like" else 1 / STRUCK)
    if not weights:
        return None

    def weight(item: Item) -> float:
        found = 1.0
        for facet, values in facets_of(item).items():
            for value in values:
                found *= weights.get((facet, value.casefold()), 1.0)
        return found

    return weight
