"""An item's portrait as text: title, attributes, and what reviewers say. This is what is
embedded.
"""

from collections.abc import Sequence

from limner.core.availability import SHELF
from limner.core.schema import Attributes, Item, Preference, Profile
from limner.core.variants import GROUP
from limner.llm import tokens

MAX_TOKENS = 160
MAX_CHARACTERS = 800
"""Most characters of an item's text in `plain_text`."""
_REVIEWS = 3
_REVIEW_TOKENS = 30
_VALUES = 8
_NO_TEXT = SHELF | {GROUP}
"""Attributes that say nothing of what an item is about."""


def item_text(item: Item, reviews: Sequence[str] = (), max_tokens: int = MAX_TOKENS) -> str:
    """Title, categories, attributes, text and short quotes of reviews, at most `max_tokens`
    tokens.
    """
    parts = [item.title or item.item_id]
    if item.categories:
        parts.append(", ".join(item.categories[:_VALUES]))
    parts += _attribute_lines(item.attributes, item.categories)
    if item.text:
        parts.append(tokens.cut(item.text, max_tokens // 2))
    parts += [f'"{tokens.cut(review, _REVIEW_TOKENS)}"' for review in reviews[:_REVIEWS]]
    return tokens.cut(". ".join(parts), max_tokens)


def plain_text(item: Item) -> str:
    """An item's words for full-text search: title, categories, attribute values and the start of
    its text, without attribute names. Tokens are not counted, so that a whole catalogue takes a
    moment.
    """
    values = [*item.categories]
    for name, value in sorted(item.attributes.items()):
        if (
            name.lower() not in _NO_TEXT
            and not isinstance(value, bool)
            and value != list(item.categories)
        ):
            values += value[:_VALUES] if isinstance(value, list) else [str(value)]
    return ". ".join([item.title or item.item_id, *values, item.text[:MAX_CHARACTERS]])


def preference_text(preference: Preference) -> str:
    """A single preference as it is embedded: the value first, since that is what items share."""
    return f"{preference.value} ({preference.facet})"


def portrait_text(profile: Profile) -> str:
    """A portrait as it is embedded: what is liked, strongest first, then the summary."""
    likes = [one for one in profile.preferences if one.polarity == "like"]
    likes.sort(key=lambda one: -one.strength)
    return ". ".join([", ".join(one.value for one in likes[:12]), profile.summary]).strip(". ")


def _attribute_lines(attributes: Attributes, categories: Sequence[str]) -> list[str]:
    lines = []
    for name, value in sorted(attributes.items()):
        if name.lower() in _NO_TEXT:  # what comes and goes is not what the item is about
            continue
        if isinstance(value, list):
            if value != list(categories):
                lines.append(f"{name}: {', '.join(value[:_VALUES])}")
        elif not isinstance(value, bool) or value:
            lines.append(f"{name}: {value}")
    return lines
