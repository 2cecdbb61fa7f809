"""The catalogue and what is counted over all events, made anew when events came."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from limner.core.columns import NO_NOUNS, ColumnMeaning, Meanings, Nouns
from limner.core.errors import StoreBusyError, StoreFullError
from limner.core.progress import Progress
from limner.core.schema import Event, Item, Scale, User
from limner.core.sensitive import SensitiveNames
from limner.core.settings import Settings
from limner.core.signals import RATED_TYPES, signals
from limner.core.variants import NO_VARIANTS, Variants
from limner.facts import Population, build_population, load_population
from limner.retrieve import Demographics, count_demographics, load_demographics
from limner.retrieve.cooccurrence import Holders, holders_of, load_holders
from limner.state.entity_index import EntityIndex
from limner.state.event_counts import Census
from limner.state.request_view import DerivedPart, Latest, RequestView, locked, uses_snapshot
from limner.store import State, Store
from limner.verify import Lexicon, lexicon_from
from limner.words import spoken

_DRIFT = 0.01
"""Share of users, items and events that may be new before counts over all of them are made
again.
"""


@dataclass(frozen=True)
class Counted:
    """Version of the data that counts over all events were made from."""

    state: State
    table: str
    """Hash of the signal table and of what mapping files say of columns."""

    @property
    def key(self) -> str:
        s = self.state
        return f"{s.users}:{s.items}:{s.events}:{s.erased}:{self.table}"

    @classmethod
    def from_key(cls, key: str) -> "Counted | None":
        parts = key.split(":")
        if len(parts) != 5 or not all(part.isdigit() for part in parts[:4]):
            return None
        users, items, events, erased = map(int, parts[:4])
        return cls(State(0, users, items, events, erased), parts[4])

    def holds(self, now: "Counted") -> bool:
        """Whether counts of this version still serve for `now`: no user was erased, and few rows
        are new.
        """
        mine, its = self.state, now.state
        counts = ((mine.users, its.users), (mine.items, its.items), (mine.events, its.events))
        return (mine.erased, self.table) == (its.erased, now.table) and all(
            0 <= after - before <= _DRIFT * before for before, after in counts
        )


@dataclass
class CatalogueSnapshot:
    """Everything that stages read about the population."""

    stamp: str
    """Version of the data: the store's revision and the signal table."""
    catalogue: str
    """Version of the items; unchanged as long as no item changes."""
    counted: Counted
    """Version of the data behind the base rates, which may lag behind by `_DRIFT`."""
    items: Mapping[str, Item]
    scales: Mapping[str, Scale]
    population: Population
    nouns: Nouns = NO_NOUNS
    """What things of the catalogue are called."""
    lexicons: dict[str, Lexicon] = field(default_factory=dict)
    facets: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    variants: Variants = NO_VARIANTS
    """Which items are variants of one thing."""

    def facets_of(self, item: Item) -> dict[str, list[str]]:
        """Facet values of an item, read once."""
        values = self.facets.get(item.item_id)
        if values is None:
            values = self.population.facets_of(item)
            if item.item_id in self.items:
                self.facets[item.item_id] = values
        return values

    def lexicon(self, language: str) -> Lexicon:
        """Titles and facet values of the catalogue as they are looked for in text of a language."""
        if language not in self.lexicons:
            self.lexicons[language] = lexicon_from(
                self.items.values(), spoken(language), self.population.values
            )
        return self.lexicons[language]


class _Saved(Protocol):
    """Counts that can be saved in a folder."""

    def save(self, folder: Path) -> None: ...


S = TypeVar("S", bound=_Saved)


class CatalogueState(DerivedPart):
    """Keeps the newest snapshot of a store's catalogue, and what is counted of its events."""

    def __init__(
        self, settings: Settings, store: Store, progress: Progress, view: RequestView
    ) -> None:
        super().__init__(view)
        self._settings, self._store, self._progress = settings, store, progress
        self._snapshot: CatalogueSnapshot | None = None
        self._demographics, self._holders = Latest[Demographics](), Latest[Holders]()
        self._census, self._names = Latest[Census](), Latest[EntityIndex]()
        self._period = Latest[tuple[datetime, datetime] | None]()
        self._sensitive = SensitiveNames(settings.privacy.sensitive)
        self._signals = settings.signals.model_dump_json()

    @uses_snapshot
    @locked
    def snapshot(self) -> CatalogueSnapshot:
        meanings = self._store.meanings()
        now = Counted(self._store.state(), self._table(meanings))
        stamp = f"{now.state.revision}:{now.table}"
        old = self._snapshot
        if old is not None and old.stamp == stamp:
            return old
        catalogue = f"{now.state.items}:{now.state.erased}"
        same = old is not None and old.catalogue == catalogue
        items = old.items if old and same else {item.item_id: item for item in self._store.items()}
        scales: Mapping[str, Scale] = self._store.scales()
        if old is not None and old.scales == scales:
            scales = old.scales
        if old is not None and old.counted.holds(now):
            population, counted = old.population, old.counted
        else:
            population, counted = self._population(now, items, scales, meanings)
        variants = old.variants if old and same else Variants(items.values())
        self._snapshot = CatalogueSnapshot(
            stamp, catalogue, counted, items, scales, population, meanings.nouns, variants=variants
        )
        if old is not None and same and old.population is population:
            self._snapshot.lexicons, self._snapshot.facets = old.lexicons, old.facets
        return self._snapshot

    def _table(self, meanings: Meanings) -> str:
        told = "" if meanings == Meanings() else meanings.model_dump_json()
        return hashlib.sha256((self._signals + told).encode()).hexdigest()[:12]

    def _population(
        self,
        now: Counted,
        items: Mapping[str, Item],
        scales: Mapping[str, Scale],
        meanings: Meanings,
    ) -> tuple[Population, Counted]:
        """Base rates and their version: the saved ones if recent enough, else counted again."""
        folder = self._store.folder / "population"
        kept = Counted.from_key(self._store.note("population") or "")
        if kept is not None and kept.holds(now) and (found := load_population(folder)) is not None:
            return found, kept
        self._progress.start("counting base rates")
        x = self._store.interactions()
        population = build_population(
            x,
            list(items.values()),
            signals(x, self._settings.signals, scales),
            meanings.items,
            meanings.plays,
        )
        # Kept only where it can be written: it saves the next one the counting.
        with suppress(StoreBusyError, StoreFullError, OSError), self._store.writing():
            population.save(folder)
            self._store.set_note("population", now.key)
        self._progress.done()
        return population, now

    @uses_snapshot
    @locked
    def demographics(self) -> Demographics:
        """Counts of the items that users with an attribute value have had."""

        def count() -> Demographics:
            users = map(self._sensitive.without, self._store.users())
            told = self._store.meanings().users
            shared = [_without_own(user, told) for user in users]
            return count_demographics(self._store.interactions(), shared)

        # What was counted with other settings is of no use.
        counted = f"{self.snapshot().counted.key}:{self._sensitive.stamp}"
        return self._demographics.of(
            counted, lambda: self._saved("demographics", counted, load_demographics, count)
        )

    @uses_snapshot
    @locked
    def holders(self) -> Holders:
        """Which users had which items."""

        def count() -> Holders:
            return holders_of(self._store.interactions())

        counted = self.snapshot().counted.key
        return self._holders.of(
            counted, lambda: self._saved("holders", counted, load_holders, count)
        )

    def _saved(
        self, name: str, stamp: str, load: Callable[[Path], S | None], count: Callable[[], S]
    ) -> S:
        """Counts from a folder of the store if they are current. Otherwise they are made again, and
        saved unless another process is writing.
        """
        folder = self._store.folder / name
        counts = load(folder) if self._store.note(name) == stamp else None
        if counts is None:
            counts = count()
            with suppress(StoreBusyError, StoreFullError, OSError), self._store.writing():
                counts.save(folder)
                self._store.set_note(name, stamp)
        return counts

    @uses_snapshot
    @locked
    def census(self) -> Census:
        """All item events as arrays; cached until the store changes."""
        world = self.snapshot()

        def count() -> Census:
            x = self._store.interactions().over(world.items)
            is_rating = np.array([kind in RATED_TYPES for kind in x.types], dtype=bool)
            counted = (
                is_rating[x.type] & np.isfinite(x.value) if len(x) else np.empty(0, dtype=bool)
            )
            amounts = world.population.amounts
            return Census(x, signals(x, self._settings.signals, world.scales, amounts), counted)

        return self._census.of(world.stamp, count)

    @uses_snapshot
    @locked
    def names(self) -> EntityIndex:
        """Names of everything in the store; cached until the store changes."""
        world = self.snapshot()

        def gather() -> EntityIndex:
            return EntityIndex(
                world.items, world.population, self._store.users(), self._store.event_types()
            )

        return self._names.of(world.stamp, gather)

    @uses_snapshot
    @locked
    def period(self) -> tuple[datetime, datetime] | None:
        """First and last time of all events, None where no event has a time; cached until the store
        changes.
        """
        return self._period.of(f"{self._store.revision()}", self._store.period)


def _without_own(user: User, told: Mapping[str, ColumnMeaning]) -> User:
    """A user without what a mapping says is an id or a text: it is shared with nobody."""
    own = {name for name, meaning in told.items() if meaning.role in ("id", "text")}
    if own.isdisjoint(user.attributes):
        return user
    kept = {name: value for name, value in user.attributes.items() if name not in own}
    return user.model_copy(update={"attributes": kept})


def known_items(events: Sequence[Event], catalogue: Mapping[str, Item]) -> dict[str, Item]:
    """The items of some events, by id."""
    return {
        e.item_id: catalogue[e.item_id]
        for e in events
        if e.item_id is not None and e.item_id in catalogue
    }
