"""Paths by their segments as they were sent, so that an id may hold a slash.

A server decodes a path before it is routed, and then `%2F` parts segments as `/` does. Here each
segment is decoded by itself, and what parts segments or escapes stays encoded until the route is
found: `decoded` then gives the id.
"""

from typing import Annotated
from urllib.parse import quote, unquote

from pydantic import BeforeValidator
from starlette.types import ASGIApp, Receive, Scope, Send

from limner.core.urls import id_of

_KEPT = str.maketrans({one: f"%{ord(one):02X}" for one in "%/?#"})


def decoded(part: str) -> str:
    """The id that a parameter of a path stands for, as `Segments` leaves it."""
    return unquote(part)


Decoded = Annotated[str, BeforeValidator(decoded)]


class Segments:
    """Pure ASGI middleware around everything else that reads a path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            parts = path_sent(scope).split("/")
            scope = {**scope, "path": "/".join(id_of(one).translate(_KEPT) for one in parts)}
        await self.app(scope, receive, send)


def path_sent(scope: Scope) -> str:
    """The path as it was sent, still encoded."""
    sent: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return sent.decode("latin-1")
