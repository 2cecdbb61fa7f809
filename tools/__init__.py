"""What the chat agent and MCP clients may call: small typed functions over the engine, one file a subject."""

from tools.base import Args, Result, Tool
from tools.catalogue import catalogue
from tools.cohort import cohort
from tools.compare import compare_users
from tools.explain import explain_preference, explain_recommendation
from tools.favourites import favourites
from tools.find_users import find_users
from tools.history import history
from tools.items import item, popular_items, search_items
from tools.last import last_item
from tools.person import user_attributes
from tools.portrait import portrait
from tools.ratings import ratings
from tools.recommend import recommend
from tools.similar import similar_users
from tools.words import Said, say

TOOLS: tuple[Tool, ...] = (
    portrait, history, last_item, ratings, favourites, user_attributes, compare_users, similar_users, recommend,
    explain_recommendation, explain_preference, find_users, cohort, search_items, popular_items, item, catalogue,
)  # fmt: skip

__all__ = [
    "TOOLS",
    "Args",
    "Result",
    "Said",
    "Tool",
    "catalogue",
    "cohort",
    "compare_users",
    "explain_preference",
    "explain_recommendation",
    "favourites",
    "find_users",
    "history",
    "item",
    "last_item",
    "popular_items",
    "portrait",
    "ratings",
    "recommend",
    "say",
    "search_items",
    "similar_users",
    "user_attributes",
]
