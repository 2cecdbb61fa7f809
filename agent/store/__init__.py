"""The store: users, items, events as they came, and all that is derived from them."""

from limner.store.columns import Added, Counts, EventColumns, State, event_hash, made_id
from limner.store.pages import StorePage, StorePages
from limner.store.response_log import ResponseLog
from limner.store.store import Store, open_store

__all__ = [
    "Added",
    "Counts",
    "EventColumns",
    "ResponseLog",
    "State",
    "Store",
    "StorePage",
    "StorePages",
    "event_hash",
    "made_id",
    "open_store",
]
