"""Ids as segments of a path: any id is one segment, whatever it holds."""

import re
from urllib.parse import quote, unquote

# Browsers and proxies walk folders at a segment of dots, however it is encoded (WHATWG URL,
# "double-dot path segment").
_DOTS = re.compile(r"~*\.{1,2}")
_HIDDEN_DOTS = re.compile(r"~+\.{1,2}")


def segment(one: str) -> str:
    """An id as it stands in a path: percent-encoded; `.` and `..` are `~.` and `~..`, and those
    `~~.` and `~~..`.
    """
    return quote(f"~{one}" if _DOTS.fullmatch(one) else one, safe="")


def id_of(part: str) -> str:
    """The id that a segment stands for; the inverse of `segment`, and of plain percent-encoding."""
    one = unquote(part)
    return one[1:] if _HIDDEN_DOTS.fullmatch(one) else one
