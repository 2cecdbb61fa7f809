"""The REST door: thin, over one engine a process."""

from limner.api.app import create_app
from limner.api.serving import exposure, listen, serve

__all__ = ["create_app", "exposure", "listen", "serve"]
