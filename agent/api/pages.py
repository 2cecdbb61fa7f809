"""Cursors: opaque to clients, so that what they hold may change."""

import base64
import binascii
from typing import Annotated

from fastapi import Query

from limner.core.errors import BadInputError

LIMIT = 1000
Limit = Annotated[int, Query(ge=1, le=LIMIT, description="Rows of a page, at most.")]
_ABOUT = "`next` of the page before; leave it out for the first."
Cursor = Annotated[str, Query(max_length=100, description=_ABOUT, examples=["dXNlcnM6MTAw"])]


def cursor_of(kind: str, after: int | None) -> str | None:
    """The cursor of the page after the row with this number; None for the last page."""
    return (
        None
        if after is None
        else base64.urlsafe_b64encode(f"{kind}:{after}".encode()).decode().rstrip("=")
    )


def after_of(kind: str, cursor: str) -> int:
    """The key that a cursor stands for, 0 for an empty one. Raises BadInputError."""
    if not cursor:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    name, _, number = text.partition(":")
    if name != kind or not (number.isascii() and number.isdigit()) or len(number) > 18:
        raise BadInputError("api.wrong_cursor", cursor=cursor)
    return int(number)
