"""Reading a store: its users, items, events and portraits, and counts over them."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from limner.core.errors import UnknownIdError
from limner.core.filters import fitting
from limner.core.interactions import Interactions
from limner.core.schema import Event, Item, Profile, Scale, User
from limner.core.sensitive import SensitiveNames
from limner.state.derived import DerivedState
from limner.state.entity_index import EntityIndex
from limner.state.event_counts import Census
from limner.state.snapshots import CatalogueSnapshot
from limner.store import Counts, Store


class DataReader:
    """Reads users, items, events and portraits of one store, and counts over all of them. Plain
    functions; any number of threads may call them.
    """

    def __init__(
        self, store: Store, state: DerivedState, hidden: SensitiveNames | None = None
    ) -> None:
        """hidden: attributes of users that are not told, and by which nobody is found."""
        self._store, self._state = store, state
        self._hidden = hidden or SensitiveNames()

    # ------------------------------------------------------------ everything

    def counts(self) -> Counts:
        return self._store.counts()

    def revision(self) -> int:
        """Counts up with every change. Raises StoreError where the store cannot be read."""
        return self._store.revision()

    def catalogue(self) -> CatalogueSnapshot:
        """Items, rating scales and base rates as they are now."""
        return self._state.catalogue.snapshot()

    def census(self) -> Census:
        """All item events as arrays."""
        return self._state.catalogue.census()

    def interactions(self) -> Interactions:
        """All events that name an item, as arrays."""
        return self._store.interactions()

    def names(self) -> EntityIndex:
        """Names of everything in the store."""
        return self._state.catalogue.names().hiding(self._hidden)

    def period(self) -> tuple[datetime, datetime] | None:
        """First and last time of all events; None where none has one."""
        return self._state.catalogue.period()

    def period_text(self) -> str:
        """First and last day of the events, "2001-01-01 to 2001-12-31"; "" where they have no
        times.
        """
        span = self.period()
        return f"{span[0]:%Y-%m-%d} to {span[1]:%Y-%m-%d}" if span else ""

    def scales(self) -> dict[str, Scale]:
        """Rating scales by source."""
        return self._store.scales()

    # ------------------------------------------------------------ users

    def user(self, user_id: str) -> User:
        """Raises UnknownIdError."""
        return self.shown(self._store.require_user(user_id))

    def users(self, where: str = "") -> list[User]:
        """Users whose attributes fit a condition; all users without one. Raises NotAllowedError
        where it asks about hidden ones.
        """
        self.allow(where)
        return [self.shown(user) for user in fitting(self._store.users(), where, "users")]

    def allow(self, where: str) -> None:
        """Raises NotAllowedError where a condition asks about hidden attributes."""
        self._hidden.refuse(where)

    def shown(self, user: User) -> User:
        """A user without hidden attributes."""
        return self._hidden.without(user)

    def user_ids(self) -> list[str]:
        return self._store.user_ids()

    def known_users(self, among: Collection[str]) -> set[str]:
        """Those of the words that are ids of users."""
        return self._store.known_users(among)

    def active_users(self, min_events: int = 1) -> list[tuple[str, int]]:
        """(user id, number of events), most active first."""
        return self._store.active_users(min_events)

    def recently_active(self, n: int) -> list[tuple[str, int]]:
        """The n users whose events came last."""
        return self._store.heard_lately(n)

    # ------------------------------------------------------------ items and events

    def item(self, item_id: str) -> Item:
        """Raises UnknownIdError."""
        item = self._store.item(item_id)
        if item is None:
            raise UnknownIdError("item.unknown", item=item_id)
        return item

    def items_by_id(self, ids: Iterable[str]) -> dict[str, Item]:
        return {item.item_id: item for item in self._store.items(list(ids))}

    def history(self, user_id: str) -> list[Event]:
        """Every event of a user, oldest first. Raises UnknownIdError."""
        self._store.require_user(user_id)
        return self._store.events(user_id)

    def events_by_id(self, ids: Iterable[str]) -> dict[str, Event]:
        return {event.event_id: event for event in self._store.events_by_id(list(ids))}

    def events_by_seq(self, seqs: Sequence[int]) -> list[Event]:
        return self._store.events_by_seq(seqs)

    def event_types(self) -> Mapping[str, int]:
        """Number of events by type."""
        return self._store.event_types()

    # ------------------------------------------------------------ portraits

    def portrait(self, user_id: str, version: int | None = None) -> Profile:
        """A stored portrait, the newest where no version is named. Raises UnknownIdError."""
        self._store.require_user(user_id)
        profile = self._store.profile(user_id, version)
        if profile is None:
            if version:
                raise UnknownIdError("portrait.no_version", user=user_id, version=version)
            raise UnknownIdError("portrait.none", user=user_id)
        return profile

    def portrait_body(
        self, user_id: str, version: int | None, as_of: datetime | None
    ) -> str | None:
        """A stored portrait as JSON; None where none is stored that the model could not paint.

        as_of: the newest that was painted no later. Raises UnknownIdError where none is as old.
        """
        found = self._store.profile_body(user_id, version, as_of)
        if found is None and as_of is not None:
            self._store.require_user(user_id)
            raise UnknownIdError("portrait.none_as_old", user=user_id)
        return None if found is None or not _is_json(found[1]) else found[1]

    def portrait_versions(self, user_id: str) -> list[Profile]:
        """Every stored version, oldest first. Raises UnknownIdError."""
        self._store.require_user(user_id)
        return self._store.profile_versions(user_id)

    def portraits(self, holding: str = "") -> list[Profile]:
        """The newest portrait of every user who has one. `holding` limits them to portraits
        that contain this text.
        """
        return self._store.profiles(holding)

    def users_with_portrait(self) -> list[str]:
        return self._store.profiled_users()


def _is_json(body: str) -> bool:
    """Whether a stored text is whole."""
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
