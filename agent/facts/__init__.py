"""Facts, counted in code: what a user's events say of their taste against the population, and their habits."""

from agent.facts.facets import facets_of
from agent.facts.mine import UserFacts, in_order, mine_facts
from agent.facts.population import Population, build_population, load_population

__all__ = ["Population", "UserFacts", "build_population", "facets_of", "in_order", "load_population", "mine_facts"]
