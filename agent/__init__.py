"""Limner: portraits of users in which every claim points at events, and recommendations that say
why.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limner.limner import Limner

    __version__: str

__all__ = ["Limner", "__version__"]


def __getattr__(name: str) -> object:
    # Loaded at first use, so that importing a part of the package does not load all of it.
    if name == "Limner":
        from limner.limner import Limner

        return Limner
    if name == "__version__":
        return _installed_version()
    raise AttributeError(f"module 'limner' has no attribute '{name}'")


def _installed_version() -> str:
    """Version of the installed distribution, such as "0.1.0"; "0+unknown" where it is imported
    without being installed.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("limner")
    except PackageNotFoundError:
        return "0+unknown"
