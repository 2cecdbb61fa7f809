"""The one place where an engine is put together from settings."""

from limner.core.progress import Progress, Quiet
from limner.core.settings import Settings
from limner.core.telemetry import Watch
from limner.engine import Engine
from limner.index.embedders import Embedder
from limner.store import open_store


def open_engine(
    settings: Settings,
    *,
    create: bool = False,
    progress: Progress | None = None,
    embedder: Embedder | None = None,
    watch: Watch | None = None,
) -> Engine:
    """An engine over the store that the settings name; with `embedder` instead of the one that they would choose.

    Raises UsageError where there is no store and `create` is False.
    """
    store = open_store(settings.data, create=create, folder=settings.folder)
    return Engine(settings, store, progress or Quiet(), embedder, watch)
