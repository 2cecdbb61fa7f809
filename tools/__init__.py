"""Tools for the chat agent and MCP clients: small typed functions over the engine, one file a
subject.
"""

from limner.tools.alike import similar_items
from limner.tools.amounts import amounts
from limner.tools.audience import audience
from limner.tools.base import Args, Result, Tool
from limner.tools.catalogue import catalogue
from limner.tools.cohort import cohort
from limner.tools.compare import compare_users
from limner.tools.events import count_events
from limner.tools.explain import explain_preference, explain_recommendation
from limner.tools.favourites import favourites
from limner.tools.find_users import find_users
from limner.tools.history import history
from limner.tools.items import item, popular_items, search_items
from limner.tools.last import last_item
from limner.tools.periods import compare_periods
from limner.tools.person import user_attributes
from limner.tools.popular_values import popular_values
from limner.tools.portrait import portrait
from limner.tools.raters import raters
from limner.tools.ratings import ratings
from limner.tools.recommend import recommend
from limner.tools.similar import similar_users
from limner.tools.since import since_when
from limner.tools.words import ToolStatement, say

TOOLS: tuple[Tool, ...] = (
    portrait,
    history,
    last_item,
    ratings,
    favourites,
    user_attributes,
    compare_users,
    similar_users,
    recommend,
    explain_recommendation,
    explain_preference,
    since_when,
    audience,
    find_users,
    cohort,
    raters,
    count_events,
    amounts,
    compare_periods,
    search_items,
    popular_items,
    popular_values,
    similar_items,
    item,
    catalogue,
)

__all__ = [
    "TOOLS",
    "Args",
    "Result",
    "Tool",
    "ToolStatement",
    "amounts",
    "audience",
    "catalogue",
    "cohort",
    "compare_periods",
    "compare_users",
    "count_events",
    "explain_preference",
    "explain_recommendation",
    "favourites",
    "find_users",
    "history",
    "item",
    "last_item",
    "popular_items",
    "popular_values",
    "portrait",
    "raters",
    "ratings",
    "recommend",
    "say",
    "search_items",
    "similar_items",
    "similar_users",
    "since_when",
    "user_attributes",
]
