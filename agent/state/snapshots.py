"""What is derived from all events: items, base rates, trained channels, vectors; made anew when
events came.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from pathlib import Path
from threading import RLock, local
from typing import Concatenate, Generic, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import FetchError, IndexAwayError, LimnerError, ModelError, StoreBusyError
from limner.core.progress import Progress
from limner.core.schema import Event, Item, Preference, Profile, RecommendationRequest, Scale
from limner.core.settings import Settings
from limner.core.signals import RATED_TYPES, rated, signals
from limner.facts import Population, build_population, load_population
from limner.index.chroma import Hit, Index, IndexRow
from limner.index.documents import item_text, plain_text, portrait_text, preference_text
from limner.index.embedders import Embedder, Vectors, choose_embedder, is_hosted
from limner.rank import (
    CANDIDATES,
    Catalogue,
    HistoryBatch,
    Model,
    allowed,
    catalogue_of,
    check_context,
    check_wishes,
    current_version,
    fitting_key,
    history_batch,
    idle_quotas,
    load_model,
    train,
)
from limner.retrieve import (
    ContentBook,
    Demographics,
    ItemVectors,
    Wording,
    content_candidates,
    count_demographics,
    load_demographics,
)
from limner.retrieve.cooccurrence import Holders, holders_of, load_holders
from limner.state.entity_index import EntityIndex
from limner.state.event_counts import Census
from limner.store import State, Store
from limner.verify import Lexicon, lexicon_from
from limner.words import spoken

P = ParamSpec("P")
R = TypeVar("R")

_KEPT = 32
"""Answers to which items of the catalogue a request may see that are kept."""
_AT_ONCE = 64
"""Portraits that are embedded and written together; nothing else can be changed while they are
written.
"""
EMBEDDER_NOTE = "embedder"
DIMENSIONS_NOTE = "dimensions"


_DRIFT = 0.01
"""Share of users, items and events that may come or change before what is counted over all of them
is counted anew.
"""


@dataclass(frozen=True)
class Counted:
    """Of what something was counted over everyone."""

    state: State
    table: str
    """Hash of the signal table."""

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
        """Whether it is still true enough: nobody was erased, and little came since."""
        mine, its = self.state, now.state
        counts = ((mine.users, its.users), (mine.items, its.items), (mine.events, its.events))
        return (mine.erased, self.table) == (its.erased, now.table) and all(
            0 <= after - before <= _DRIFT * before for before, after in counts
        )


@dataclass
class CatalogueSnapshot:
    """Everything that stages read about the population."""

    stamp: str
    """Of what it was derived: the store's revision and the signal table."""
    catalogue: str
    """Of what the items were read: the same as long as none changes."""
    counted: Counted
    """Of what base rates were counted; they may lag behind by `_DRIFT`."""
    items: Mapping[str, Item]
    scales: Mapping[str, Scale]
    population: Population
    lexicons: dict[str, Lexicon] = field(default_factory=dict)
    facets: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def facets_of(self, item: Item) -> dict[str, list[str]]:
        """Facet values of an item, read once."""
        found = self.facets.get(item.item_id)
        if found is None:
            found = self.population.facets_of(item)
            if item.item_id in self.items:
                self.facets[item.item_id] = found
        return found

    def lexicon(self, language: str) -> Lexicon:
        """Titles and facet values of the catalogue as they are looked for in text of a language."""
        if language not in self.lexicons:
            self.lexicons[language] = lexicon_from(
                self.items.values(), spoken(language), self.population.values
            )
        return self.lexicons[language]


def locked(
    work: "Callable[Concatenate[DerivedState, P], R]",
) -> "Callable[Concatenate[DerivedState, P], R]":
    """One thread at a time: what events have outdated is made anew once, and others wait for it."""

    @wraps(work)
    def call(self: "DerivedState", /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._guard:
            return work(self, *args, **kwargs)

    return call


class _Saved(Protocol):
    """What may be kept in a folder."""

    def save(self, folder: Path) -> None: ...


T = TypeVar("T")
S = TypeVar("S", bound=_Saved)


class _Latest(Generic[T]):
    """The newest of something, which is made anew when what it was made of has changed."""

    def __init__(self) -> None:
        self._held: tuple[str, T] | None = None

    def of(self, key: str, make: Callable[[], T]) -> T:
        """`key` tells what it is made of."""
        if self._held is None or self._held[0] != key:
            self._held = (key, make())
        return self._held[1]


def uses_snapshot(work: "Callable[[DerivedState], R]") -> "Callable[[DerivedState], R]":
    """Looked up once while the thread's view is steady."""

    @wraps(work)
    def call(self: "DerivedState") -> R:
        view: dict[str, R] | None = getattr(self._own, "view", None)
        if view is None:
            return work(self)
        found = view.get(work.__name__)
        if found is None:
            found = view[work.__name__] = work(self)
        return found

    return call


class DerivedState:
    """Keeps the newest world, model and item vectors of a store, and makes anew what events have
    outdated.
    """

    def __init__(
        self, settings: Settings, store: Store, progress: Progress, embedder: Embedder | None = None
    ) -> None:
        self._settings, self._store, self._progress, self._embedder = (
            settings,
            store,
            progress,
            embedder,
        )
        self._world: CatalogueSnapshot | None = None
        self._model: Model | None = None
        self._index: Index | None = None
        self._vectors: tuple[int, ItemVectors] | None = None
        self._away: LimnerError | None = None
        self._new, self._wide = _Latest[list[str]](), _Latest[Model]()
        self._demographics, self._holders = _Latest[Demographics](), _Latest[Holders]()
        self._census, self._names = _Latest[Census](), _Latest[EntityIndex]()
        self._period = _Latest[tuple[datetime, datetime] | None]()
        self._idle = _Latest[list[str]]()
        self._allowed: dict[str, NDArray[np.bool_] | None] = {}
        self._carrying: dict[str, NDArray[np.bool_]] = {}
        self._book = ContentBook(store.folder / "content")
        self._table = hashlib.sha256(settings.signals.model_dump_json().encode()).hexdigest()[:12]
        self._guard = RLock()
        self._own = local()

    @contextmanager
    def request_snapshot(self) -> Iterator[None]:
        """Around one request in one thread: what is derived is looked up once, and stays what it
        was, until the thread makes something anew.
        """
        self._own.view, self._own.embedding_error = {}, None
        try:
            yield
        finally:
            self._own.view = None

    def _renew(self) -> None:
        """Whatever the thread's view holds may be of before now."""
        if getattr(self._own, "view", None) is not None:
            self._own.view = {}

    @property
    def models_folder(self) -> Path:
        return self._store.folder / "models"

    @uses_snapshot
    @locked
    def world(self) -> CatalogueSnapshot:
        now = Counted(self._store.state(), self._table)
        stamp = f"{now.state.revision}:{now.table}"
        old = self._world
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
            population, counted = self._population(now, items, scales)
        self._world = CatalogueSnapshot(stamp, catalogue, counted, items, scales, population)
        if old is not None and same and old.population is population:
            self._world.lexicons, self._world.facets = old.lexicons, old.facets
        return self._world

    def _population(
        self, now: Counted, items: Mapping[str, Item], scales: Mapping[str, Scale]
    ) -> tuple[Population, Counted]:
        """Base rates, and of what they were counted: as they are kept, if that is of now, else
        counted anew.
        """
        folder = self._store.folder / "population"
        kept = Counted.from_key(self._store.note("population") or "")
        if kept is not None and kept.holds(now) and (found := load_population(folder)) is not None:
            return found, kept
        self._progress.start("counting base rates")
        x = self._store.interactions()
        population = build_population(
            x, list(items.values()), signals(x, self._settings.signals, scales)
        )
        # Kept only where no other process writes: it saves the next one the counting.
        with suppress(StoreBusyError), self._store.writing():
            population.save(folder)
            self._store.set_note("population", now.key)
        self._progress.done()
        return population, now

    def has_models(self) -> bool:
        """Whether channels were ever trained, whatever they are worth now."""
        return current_version(self.models_folder) is not None

    @uses_snapshot
    @locked
    def trained(self) -> Model | None:
        """The trained channels that are current now."""
        name = current_version(self.models_folder)
        if name is None:
            return None
        if self._model is None or f"v{self._model.manifest.version}" != name:
            self._model = load_model(self.models_folder)
        return self._model

    @uses_snapshot
    @locked
    def model(self) -> Model | None:
        """The same over the catalogue as it is now: items that came since are known by their
        content.
        """
        trained = self.trained()
        if trained is None:
            return None
        new = self._since(trained)
        if not new:
            return trained
        vectors = self.index().generation("items") if self._away is None else ""
        key = f"{trained.manifest.version}:{self.world().catalogue}:{vectors}"

        def widen() -> Model:
            ids = [*trained.item_ids, *new]
            return trained.over(ids, self._catalogue(ids))

        return self._wide.of(key, widen)

    def _since(self, trained: Model) -> list[str]:
        """Items that the store came to have after training."""
        key = f"{trained.manifest.version}:{self.world().catalogue}"
        return self._new.of(
            key, lambda: [one for one in self.world().items if one not in trained.positions]
        )

    @locked
    def allowed(self, wishes: RecommendationRequest) -> NDArray[np.bool_] | None:
        """[items of the model] whether each may come back, None where all may.

        Raises BadInputError or UnknownIdError where the wishes name what the catalogue does not
        have.
        """
        check_context(wishes, self.world().items)
        model = self.model()
        ids = model.item_ids if model else []
        version = model.manifest.version if model else 0
        key = f"{self.world().catalogue}:{version}:{len(ids)}:{fitting_key(wishes)}"
        if key not in self._allowed:
            check_wishes(wishes, self.world().items)
            if len(self._allowed) >= _KEPT:
                self._allowed.clear()
            self._allowed[key] = allowed(ids, self.world().items, wishes)
        return self._allowed[key]

    @locked
    def carrying(self, facet: str, value: str) -> NDArray[np.bool_]:
        """[items of the model] whether each carries a facet's value, in whatever case."""
        world, model = self.world(), self.model()
        ids = model.item_ids if model else []
        key = f"{world.catalogue}:{world.counted.key}:{len(ids)}:{facet}:{value.casefold()}"
        if key not in self._carrying:
            if len(self._carrying) >= _KEPT:
                self._carrying.clear()

            def carries(item: Item | None) -> bool:
                held = world.facets_of(item).get(facet, ()) if item else ()
                return any(one.casefold() == value.casefold() for one in held)

            read = (carries(world.items.get(one)) for one in ids)
            self._carrying[key] = np.fromiter(read, dtype=bool, count=len(ids))
        return self._carrying[key]

    @locked
    def idle_quotas(self, wishes: RecommendationRequest) -> list[str]:
        """Quotas on a value that no item of the catalogue has."""
        if not wishes.quota:
            return []
        world = self.world()
        key = f"{world.catalogue}:{sorted(wishes.quota)}"
        return self._idle.of(key, lambda: idle_quotas(wishes.quota, world.items.values()))

    @uses_snapshot
    @locked
    def demographics(self) -> Demographics:
        """What users with the same attributes have had."""

        def count() -> Demographics:
            return count_demographics(self._store.interactions(), self._store.users())

        counted = self.world().counted.key
        return self._demographics.of(
            counted, lambda: self._saved("demographics", counted, load_demographics, count)
        )

    @uses_snapshot
    @locked
    def holders(self) -> Holders:
        """Who had what."""

        def count() -> Holders:
            return holders_of(self._store.interactions())

        counted = self.world().counted.key
        return self._holders.of(
            counted, lambda: self._saved("holders", counted, load_holders, count)
        )

    def _saved(
        self, name: str, stamp: str, load: Callable[[Path], S | None], count: Callable[[], S]
    ) -> S:
        """As it lies in a folder of the store, if that is of now; else counted, and kept if no
        other process writes.
        """
        folder = self._store.folder / name
        found = load(folder) if self._store.note(name) == stamp else None
        if found is None:
            found = count()
            with suppress(StoreBusyError), self._store.writing():
                found.save(folder)
                self._store.set_note(name, stamp)
        return found

    @locked
    def census(self) -> Census:
        """All item events as arrays, kept until the store changes."""
        world = self.world()

        def count() -> Census:
            x = self._store.interactions().over(world.items)
            is_rating = np.array([kind in RATED_TYPES for kind in x.types], dtype=bool)
            counted = (
                is_rating[x.type] & np.isfinite(x.value) if len(x) else np.empty(0, dtype=bool)
            )
            return Census(x, signals(x, self._settings.signals, world.scales), counted)

        return self._census.of(world.stamp, count)

    @locked
    def names(self) -> EntityIndex:
        """What everything in the store is called, kept until the store changes."""
        world = self.world()

        def gather() -> EntityIndex:
            return EntityIndex(
                world.items, world.population, self._store.users(), self._store.event_types()
            )

        return self._names.of(world.stamp, gather)

    @locked
    def period(self) -> tuple[datetime, datetime] | None:
        """First and last time of all events, None where none has one; kept until the store
        changes.
        """
        return self._period.of(f"{self._store.revision()}", self._store.period)

    def crowd(self, model: Model) -> HistoryBatch:
        """Everyone's histories, as a model's positions."""
        x = self._store.interactions()
        return history_batch(x, signals(x, self._settings.signals, self.world().scales), model)

    def train(self) -> Model:
        """Fit channels and fusion on every event, over the whole catalogue. The items must be
        embedded before.
        """
        world = self.world()
        x = self._store.interactions().over(world.items)
        signal = signals(x, self._settings.signals, world.scales)
        catalogue = self._catalogue(x.item_ids)
        ratings = rated(x, world.scales)
        self._model = train(
            x, signal, self.models_folder, catalogue, rated=ratings, progress=self._progress
        )
        self._renew()
        return self._model

    def _catalogue(self, item_ids: list[str]) -> Catalogue:
        world = self.world()
        texts = [plain_text(world.items[one]) if one in world.items else "" for one in item_ids]
        return catalogue_of(item_ids, world.population, self.vectors(), texts)

    # ------------------------------------------------------------ vectors

    @locked
    def index(self) -> Index:
        """The store's index, with the embedder that was chosen once for it."""
        if self._index is None:
            self._index = self._make_index(self._choose(self._store.note(EMBEDDER_NOTE)))
        return self._index

    def _choose(self, stored: str | None) -> Embedder:
        size = int(self._store.note(DIMENSIONS_NOTE) or 0)
        return self._embedder or choose_embedder(
            self._settings, self._store.counts().items, stored, size
        )

    def _keep_choice(self) -> None:
        """From the first vectors on the store has an embedder of its own."""
        embedder = self.index().embedder
        if self._store.note(EMBEDDER_NOTE) != embedder.name:
            self._store.set_note(EMBEDDER_NOTE, embedder.name)
            self._store.set_note(DIMENSIONS_NOTE, str(embedder.dimensions))

    def _make_index(self, embedder: Embedder) -> Index:
        return Index(
            self._store.folder / "chroma", embedder, self._store.id, self._settings.chroma_url
        )

    def embed_items(self) -> int:
        """Embed the items whose text is new or changed."""
        embedded = self.index().upsert("items", self._item_rows(), self._progress)
        self._keep_choice()
        self._renew()
        return embedded

    def unreached(self) -> set[str]:
        """Items that came after training and are not embedded yet, so that nothing can find
        them.
        """
        trained = self.trained()
        new = self._since(trained) if trained else []
        return set(new) - self.vectors().positions.keys() if new else set()

    def embed_new(self) -> int:
        """Embed those; how many."""
        missing = self.unreached()
        rows = [row for row in self._item_rows() if row.id in missing]
        embedded = self.index().upsert("items", rows, self._progress)
        self._renew()
        return embedded

    def unembedded(self) -> int:
        """How many items' text is not in the index as it is now."""
        return len(self.index().outdated("items", self._item_rows()))

    def is_indexed(self) -> bool:
        """Whether anything was ever embedded."""
        return (
            self._store.note(EMBEDDER_NOTE) is not None or (self._store.folder / "chroma").exists()
        )

    def _item_rows(self) -> list[IndexRow]:
        reviews = self._store.reviews()
        return [
            IndexRow(one.item_id, item_text(one, reviews.get(one.item_id, ())))
            for one in self.world().items.values()
        ]

    @locked
    def reindex(self) -> None:
        """Forget all vectors and choose the embedder anew."""
        embedder = self._choose(None)
        embedder.passages(["whether it answers"])  # before anything is thrown away
        # first, so that a process that is killed in between forgets none
        self._store.set_unembedded()
        index = self._make_index(embedder)
        index.clear()
        self._index, self._vectors = index, None
        self._keep_choice()
        self._renew()

    def look(self) -> None:
        """Try anew whether the index can be read. Raises IndexAwayError or ModelError."""
        if self._away is not None:
            self._away = None
            self._renew()
        self.vectors()

    def disable_vectors(self, error: LimnerError) -> None:
        """Do without vectors, until the next look: there is no content channel, and no portrait can
        be embedded.
        """
        self._away = error
        self._renew()

    @uses_snapshot
    @locked
    def vectors(self) -> ItemVectors:
        """All item vectors, none while they are away; read again only when the index changed."""
        if self._away is not None:
            return ItemVectors([], np.empty((0, 0), dtype=np.float32))
        generation = self.generation()
        if self._vectors is None or self._vectors[0] != generation:
            self._vectors = (generation, ItemVectors(*self.index().everything("items")))
        return self._vectors[1]

    def load_embedder(self) -> None:
        """Read an embedder of this machine into memory, where there are vectors; one at an endpoint
        is not asked.
        """
        if self.vectors().item_ids and not is_hosted(self.index().embedder):
            self.index().embedder.passages(["a word"])

    def wording(self, profile: Profile) -> Wording:
        """The vectors of a portrait's preferences: those of texts embedded before, in this process
        or in the index, and the rest embedded now.
        """
        index = self.index()
        ids = {
            preference_text(one): preference_id(profile.user_id, one) for one in profile.preferences
        }
        found = index.embedder.kept(list(ids))
        if sought := [text for text in ids if text not in found]:
            stored = index.vectors("preferences", [ids[text] for text in sought])
            read = {text: stored[ids[text]] for text in sought if ids[text] in stored}
            index.embedder.keep(read)
            found |= read
        new = [text for text in ids if text not in found]
        found |= dict(zip(new, index.embedder.passages(new), strict=True))
        empty = np.empty((0, index.embedder.dimensions), dtype=np.float32)

        def of(polarity: str) -> Vectors:
            texts = dict.fromkeys(
                preference_text(one) for one in profile.preferences if one.polarity == polarity
            )
            return np.stack([found[text] for text in texts]) if texts else empty

        return Wording(of("like"), of("dislike"))

    def content(
        self, profile: Profile, events: Sequence[tuple[str, float]], last_seq: int
    ) -> dict[str, float]:
        """Items nearest to a portrait and to what its user liked, kept until portrait, events or
        items change.

        By the events alone where the portrait's words cannot be embedded, which `embedding_error`
        tells until the next call.
        """
        self._own.embedding_error = None
        key = f"{profile.version}:{last_seq}:{self.generation()}"
        kept = self._book.get(profile.user_id, key)
        if kept is None and self._away is not None:
            return {}
        if kept is None:
            k = CANDIDATES + len(events)
            try:
                wording = self.wording(profile)
            except (IndexAwayError, ModelError, FetchError) as error:
                self._own.embedding_error = error
                return content_candidates(self.vectors(), events, k=k)
            kept = content_candidates(self.vectors(), events, wording, k=k)
            self._book.put(profile.user_id, key, kept)
        return kept

    def embedding_error(self) -> list[str]:
        """Why this thread's list is made without the portrait's words, as a note; empty where it is
        made with them.
        """
        error: LimnerError | None = getattr(self._own, "embedding_error", None)
        return (
            []
            if error is None
            else [f"Without the portrait's vectors, which cannot be made: {error}"]
        )

    def embed_portraits(self) -> int:
        """Embed every portrait that was painted since; how many texts that were. Raises as
        `embed_some` does.
        """
        embedded, waiting = 0, self._store.count_unembedded()
        if waiting:
            self._progress.start("embedding portraits", waiting)
            while waiting:
                embedded += self.embed_some()
                left = self._store.count_unembedded()
                self._progress.advance(max(0, waiting - left))
                waiting = left
            self._progress.done()
        return embedded

    def embed_some(self) -> int:
        """Embed some of the portraits that wait for it, and each of their preferences; how many
        texts that were.

        A portrait waits in the store from the moment it is stored until its vectors are. Raises
        StoreBusyError where others write, IndexAwayError, ModelError or FetchError where nothing
        can be embedded now.
        """
        waiting = self._store.unembedded(_AT_ONCE)
        if not waiting:
            return 0
        if self._away is not None:
            raise self._away
        index = self.index()
        held = [self._store.profile(user_id, version) for user_id, version in waiting.items()]
        portraits = [one for one in held if one is not None]
        # The slow part, while others may still write; of short texts the embedder keeps what it
        # made.
        made = index.embedder.passages([portrait_text(one) for one in portraits])
        index.embedder.passages(
            [preference_text(each) for one in portraits for each in one.preferences]
        )
        with self._store.changing(wait=self._settings.server.write_wait):
            # Whoever was erased or painted anew meanwhile is left out.
            now = {
                user: version
                for user, version in self._store.unembedded(_AT_ONCE).items()
                if waiting.get(user) == version
            }
            embedded = self._write_vectors(
                index,
                [
                    (one, vector)
                    for one, vector in zip(portraits, made, strict=True)
                    if one.user_id in now
                ],
            )
            self._store.set_embedded(now)
        return embedded

    def _write_vectors(self, index: Index, portraits: Sequence[tuple[Profile, Vectors]]) -> int:
        """One write for the portraits, and one for their preferences; those that they held no more
        are forgotten.
        """
        rows = [
            IndexRow(one.user_id, portrait_text(one), {"user_id": one.user_id}, vector)
            for one, vector in portraits
        ]
        preferences = [
            IndexRow(
                preference_id(one.user_id, each), preference_text(each), {"user_id": one.user_id}
            )
            for one, _ in portraits
            for each in one.preferences
        ]
        if again := [one.user_id for one, _ in portraits if one.version > 1]:
            gone = set(index.owned("preferences", again)) - {row.id for row in preferences}
            index.delete("preferences", sorted(gone))
        embedded = index.upsert("portraits", rows) + index.upsert("preferences", preferences)
        self._keep_choice()
        return embedded

    def portraits_like(self, words: str, among: Sequence[str] | None, n: int | None) -> list[Hit]:
        """The n users (all where None) whose portraits are likest to some words, best first; cosine
        similarity.

        among: only these users. Raises as `Index.search` does.
        """
        index = self.index()
        asked = index.embedder.queries([words])
        if among is None and n is not None:
            return index.search("portraits", asked, n)[0]
        if among is None:
            ids, vectors = index.everything("portraits")
        else:
            found = index.vectors("portraits", among)
            ids = sorted(found)
            vectors = (
                np.stack([found[one] for one in ids])
                if ids
                else np.empty((0, len(asked[0])), np.float32)
            )
        likeness = vectors @ asked[0]
        order = np.argsort(-likeness, kind="stable")[:n]
        return [Hit(ids[at], float(likeness[at])) for at in order.tolist()]

    @uses_snapshot
    def generation(self) -> int:
        """Counts up whenever items are embedded."""
        return self.index().generation("items")

    @locked
    def forget(self, user_id: str) -> None:
        """Drop what the index and kept candidates hold of a user."""
        if self.is_indexed():
            self.index().erase(user_id)
        self._book.erase(user_id)

    def query_vectors(self, texts: Sequence[str]) -> Vectors:
        """[n, dimensions] of what is searched by, by the store's embedder."""
        return self.index().embedder.queries(texts)

    def passage_vectors(self, texts: Sequence[str]) -> Vectors:
        """[n, dimensions] of what is searched."""
        return self.index().embedder.passages(texts)

    def check_index(self) -> str:
        """The embedder's name. Raises IndexMismatchError where another made the index."""
        index = self.index()
        index.check()
        return index.embedder.name


def preference_id(user_id: str, one: Preference) -> str:
    return f"{user_id}\x1f{one.polarity}\x1f{one.facet}\x1f{one.value}"


def known_items(events: Sequence[Event], catalogue: Mapping[str, Item]) -> dict[str, Item]:
    """The items of some events, by id."""
    return {
        e.item_id: catalogue[e.item_id]
        for e in events
        if e.item_id is not None and e.item_id in catalogue
    }
