"""A typed client of a Limner server, sync and async.

::

    from agent.client import Limner

    with Limner("http://127.0.0.1:8000") as limner:
        print(limner.recommend("196"))
"""

from agent.client.client import AsyncLimner, Limner
from agent.client.errors import LimnerRefused, LimnerUnreachable

__all__ = ["AsyncLimner", "Limner", "LimnerRefused", "LimnerUnreachable"]
