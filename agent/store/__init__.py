"""The store: users, items, events as they came, and all that is derived from them."""

from agent.store.columns import Added, Counts, EventColumns, State, event_hash, made_id
from agent.store.kept import Kept
from agent.store.pages import Page, Pages
from agent.store.store import Store, open_store

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
