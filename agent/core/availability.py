"""Whether an item may be shown at all: what the data says of its being hidden or to be had.

Hidden (`hidden: true`) is never recommended. Not available (`available: false`, `in_stock: no`,
`availability: out of stock`) is left out unless asked for. Items that say nothing are neither.
Names and values are read whatever their case; schema.org's and Google Merchant's words for
availability are known.
"""

import re

from limner.core.schema import Attributes, Scalar

HIDDEN = frozenset({"hidden", "is_hidden", "ishidden"})
AVAILABLE = frozenset(
    {
        "available",
        "is_available",
        "isavailable",
        "availability",
        "in_stock",
        "instock",
        "is_in_stock",
    }
)
SHELF = HIDDEN | AVAILABLE
"""Attributes of the shop's shelf, which are nobody's taste."""

_NO = frozenset({"", "false", "f", "no", "n", "0", "off"})
_GONE = frozenset(
    {
        "out of stock",
        "outofstock",
        "sold out",
        "soldout",
        "unavailable",
        "not available",
        "discontinued",
    }
)


def is_hidden(attributes: Attributes) -> bool:
    """Whether an item must not be shown."""
    return any(
        _word(value) not in _NO for name, value in attributes.items() if name.lower() in HIDDEN
    )


def is_unavailable(attributes: Attributes) -> bool:
    """Whether an item cannot be had now."""
    return any(
        _word(value) in _NO | _GONE
        for name, value in attributes.items()
        if name.lower() in AVAILABLE
    )


def _word(value: Scalar | list[str]) -> str:
    """A value for comparing: "https://schema.org/OutOfStock" -> outofstock, 0.0 -> 0, out_of_stock
    -> out of stock.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}"
    text = " ".join(value) if isinstance(value, list) else value
    return re.sub(r"[\s_-]+", " ", text.rpartition("/")[2]).strip().casefold()
