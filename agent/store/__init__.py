"""The store: users, items, events as they came, and all that is derived from them."""

from limner.store.columns import Added, Counts, EventColumns, State, event_hash, made_id
from limner.store.pages import Page, Pages
from limner.store.response_log import Kept
from limner.store.store import Store, open_store

__all__ = [
    "Added",
    "Counts",
    "EventColumns",
    "Kept",
    "Page",
    "Pages",
    "State",
    "Store",
    "event_hash",
    "made_id",
    "open_store",
]
