"""The REST door: thin, over one engine a process."""

from agent.api.app import create_app
from agent.api.serving import exposure, listen, serve

__all__ = ["create_app", "exposure", "listen", "serve"]
