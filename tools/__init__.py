"""What the chat agent and MCP clients may call: small typed functions over the engine, one file a subject."""

from tools.alike import similar_items
from tools.audience import audience
from tools.base import Args, Result, Tool
from tools.catalogue import catalogue
from tools.cohort import cohort
from tools.compare import compare_users
from tools.events import count_events
from tools.explain import explain_preference, explain_recommendation
from tools.favourites import favourites
from tools.find_users import find_users
from tools.history import history
from tools.items import item, popular_items, search_items
from tools.last import last_item
from tools.periods import compare_periods
from tools.person import user_attributes
from tools.popular_values import popular_values
from tools.portrait import portrait
from tools.raters import raters
from tools.ratings import ratings
from tools.recommend import recommend
from tools.similar import similar_users
from tools.since import since_when
from tools.words import Said, say

TOOLS: tuple[Tool, ...] = (
    portrait, history, last_item, ratings, favourites, user_attributes, compare_users, similar_users, recommend,
    explain_recommendation, explain_preference, since_when, audience, find_users, cohort, raters, count_events,
    compare_periods, search_items, popular_items, popular_values, similar_items, item, catalogue,
)  # fmt: skip

__all__ = [
    "TOOLS",
    "Args",
    "Result",
    "Said",
    "Tool",
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
