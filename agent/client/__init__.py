"""A typed client of a Limner server, sync and async.

::

    from limner.client import LimnerClient

    with LimnerClient("http://127.0.0.1:8000") as limner:
        print(limner.recommend("196"))
"""

from limner.client.client import AsyncLimner, LimnerClient
from limner.client.errors import LimnerRefused, LimnerUnreachable

__all__ = ["AsyncLimner", "LimnerClient", "LimnerRefused", "LimnerUnreachable"]
