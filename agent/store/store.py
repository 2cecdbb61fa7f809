"""One store: a folder with a SQLite file, or the URL of a database."""

from pathlib import Path

from limner.core.errors import StoreError, UsageError
from limner.store.api_key_table import ApiKeyStore
from limner.store.entities import EntityStore
from limner.store.erasure import ErasingStore
from limner.store.events import EventStore
from limner.store.model_calls import ModelCallStore
from limner.store.portraits import PortraitStore
from limner.store.tallies import StoreTallies


class Store(
    EntityStore, EventStore, StoreTallies, PortraitStore, ModelCallStore, ApiKeyStore, ErasingStore
):
    """Events as they came, and everything derived from them, versioned.

    Each part is a module of its own over the one `Database`; what is kept of shown lists and
    conversations is `ResponseLog`, and pages are `StorePages`.
    """


def open_store(data: str, *, create: bool = True, folder: Path | None = None) -> "Store":
    """The store in a folder or behind a database URL.

    Raises UsageError where there is none and `create` is false, StoreError where it cannot be read.
    """
    if "://" in data:
        return Store(data, folder or Path(".limner"), create=create)
    home = Path(data)
    file = home / "limner.db"
    if home.exists() and not home.is_dir():
        raise UsageError("store.is_file", folder=data)
    if not file.exists() and not create:
        raise UsageError("store.missing", folder=data)
    made = [file, home] if not home.exists() else [] if file.exists() else [file]
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError("store.no_folder", folder=data, error=error.strerror) from error
    return Store(f"sqlite:///{file}", home, is_folder=True, made=made)
