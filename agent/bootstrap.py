"""The one place where an engine is put together from settings."""

from agent.config import Settings
from agent.embed import Embedder
from agent.engine import Engine
from agent.progress import Progress, Quiet
from agent.store import open_store
from agent.watch import Watch


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
