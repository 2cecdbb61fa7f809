"""Facts, counted in code: what a user's events say of their taste against the population, and their
habits.
"""

from limner.facts.facets import facets_of
from limner.facts.mine import UserFacts, in_order, mine_facts
from limner.facts.population import Population, build_population, load_population
from limner.facts.stated import (
    STRUCK,
    WITHDRAWN,
    is_strike,
    is_withdrawal,
    struck,
    told_polarity,
    unread_statements,
    without_withdrawn,
)

__all__ = [
    "STRUCK",
    "WITHDRAWN",
    "Population",
    "UserFacts",
    "build_population",
    "facets_of",
    "in_order",
    "is_strike",
    "is_withdrawal",
    "load_population",
    "mine_facts",
    "struck",
    "told_polarity",
    "unread_statements",
    "without_withdrawn",
]
