"""Text columns that behave alike on SQLite and PostgreSQL."""

import json
from typing import Any

import sqlalchemy as sa


def names(body: sa.Column[str], text: str) -> sa.ColumnElement[bool]:
    """Whether a column of JSON holds a text, be it within another one."""
    return body.contains(json.dumps(text, ensure_ascii=False)[1:-1], autoescape=True)


class PortableText(sa.types.TypeDecorator[str]):
    """Text of any length, or of at most `length` characters.

    An id, which has a length, is compared and sorted by code point. PostgreSQL keeps no NUL, which
    becomes U+FFFD there, in what is stored and in what is asked for.
    """

    impl = sa.Text
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        super().__init__()
        self.length = length

    def load_dialect_impl(self, dialect: sa.Dialect) -> "sa.types.TypeEngine[Any]":
        if self.length is None:
            return sa.Text()
        return sa.String(self.length, collation="C" if dialect.name == "postgresql" else None)

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        if value is not None and "\x00" in value and dialect.name == "postgresql":
            return value.replace("\x00", "\ufffd")
        return value
