"""The one place where an engine is put together from settings."""

from agent.config import Settings
from agent.engine import Engine
from agent.progress import Progress, Quiet
from agent.store import open_store


def open_engine(settings: Settings, *, create: bool = False, progress: Progress | None = None) -> Engine:
    """An engine over the store that the settings name. Raises UsageError where there is none and `create` is False."""
    store = open_store(settings.data, create=create, folder=settings.folder)
    return Engine(settings, store, progress or Quiet())
