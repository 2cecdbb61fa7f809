"""The REST door: thin, over one engine."""

from agent.api.app import create_app, listen, serve

__all__ = ["create_app", "listen", "serve"]
