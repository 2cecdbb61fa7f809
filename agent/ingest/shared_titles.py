"""Titles that name nothing: of scraped items, most may have one text as their title."""

from collections import Counter
from collections.abc import Sequence

from limner.core.schema import Item

SHARED = 0.5
"""Share of the titled items above which one title names none of them."""
FEWEST = 10
"""Items with a title from which that is asked."""
_MAKERS = ("brand", "manufacturer", "maker", "artist", "author", "publisher")
"""Attributes that stand in for a title, in this order."""


def shared_title(items: Sequence[Item]) -> str:
    """The title of more than half of the items; "" where there is none."""
    titles = Counter(item.title for item in items if item.title)
    if titles.total() < FEWEST:
        return ""
    title, count = titles.most_common(1)[0]
    return title if count > SHARED * titles.total() else ""


def without_title(item: Item) -> Item:
    """The item under its maker's name, else under its narrowest category, else under none."""
    by_name = {name.rpartition(".")[2]: value for name, value in item.attributes.items()}
    makers = (value for name in _MAKERS if isinstance(value := by_name.get(name), str))
    title = next(makers, "") or next(reversed(item.categories), "")
    return item.model_copy(update={"title": title})
