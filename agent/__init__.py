"""Limner: portraits of users in which every claim points at events, and recommendations that say
why.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limner.limner import Limner

__all__ = ["Limner"]


def __getattr__(name: str) -> object:
    # Loaded at first use, so that importing a part of the package does not load all of it.
    if name == "Limner":
        from limner.limner import Limner

        return Limner
    raise AttributeError(f"module 'limner' has no attribute '{name}'")
