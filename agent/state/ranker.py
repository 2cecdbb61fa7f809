"""The trained ranker over the catalogue as it is now."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import Interactions
from limner.core.progress import Progress
from limner.core.schema import Item, RecommendationRequest
from limner.core.settings import Settings
from limner.core.signals import rated, signals
from limner.index.documents import plain_text
from limner.rank import (
    Catalogue,
    HistoryBatch,
    Model,
    allowed,
    catalogue_of,
    check_context,
    check_wishes,
    current_version,
    fit,
    fitting_key,
    history_batch,
    idle_quotas,
    load_model,
    save,
    untrained,
)
from limner.retrieve import ItemVectors
from limner.state.item_vectors import ItemVectorState
from limner.state.request_view import DerivedPart, Latest, RequestView, locked, uses_snapshot
from limner.state.snapshots import CatalogueState
from limner.store import Store

_KEPT = 32
"""Most cached answers to which items a request may return."""


class RankerState(DerivedPart):
    """Keeps the newest trained ranker of a store, and which items a request may see."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        progress: Progress,
        view: RequestView,
        catalogue: CatalogueState,
        vectors: ItemVectorState,
    ) -> None:
        super().__init__(view)
        self._settings, self._store, self._progress = settings, store, progress
        self._catalogue, self._vectors = catalogue, vectors
        self._model: Model | None = None
        self._counted: Model | None = None
        self._new, self._wide = Latest[list[str]](), Latest[Model]()
        self._idle = Latest[list[str]]()
        self._allowed: dict[str, NDArray[np.bool_] | None] = {}
        self._carrying: dict[str, NDArray[np.bool_]] = {}

    @property
    def models_folder(self) -> Path:
        return self._store.folder / "models"

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
            self._counted = None
        return self._model

    @uses_snapshot
    @locked
    def model(self) -> Model:
        """The trained model, or before the first training one of counts alone, over the current
        catalogue; items added since are known by their content.
        """
        trained = self.trained() or self._untrained()
        new = self._since(trained)
        if not new:
            return trained
        embedded = self._vectors.items() if trained.is_trained else None
        vectors = "" if embedded is None else self._vectors.generation()
        key = f"{trained.manifest.version}:{self._catalogue.snapshot().catalogue}:{vectors}"

        def widen() -> Model:
            ids = [*trained.item_ids, *new]
            return trained.over(ids, self._catalogue_of(ids, embedded))

        return self._wide.of(key, widen)

    def _untrained(self) -> Model:
        """Made once, of the events until then: a first training is soon to follow."""
        if self._counted is None:
            x, signal = self._past()
            self._counted = untrained(x, signal, self._catalogue_of(x.item_ids, None))
        return self._counted

    def _past(self) -> tuple[Interactions, NDArray[np.float32]]:
        """Every event, over the whole catalogue, and the signal of each."""
        world = self._catalogue.snapshot()
        x = self._store.interactions().over(world.items)
        return x, signals(x, self._settings.signals, world.scales, world.population.amounts)

    def _since(self, trained: Model) -> list[str]:
        """Items that the store came to have after training."""
        key = f"{trained.manifest.version}:{self._catalogue.snapshot().catalogue}"
        return self._new.of(
            key,
            lambda: [
                one for one in self._catalogue.snapshot().items if one not in trained.positions
            ],
        )

    def check(self, request: RecommendationRequest) -> None:
        """Raises BadInputError or UnknownIdError where the request names what the catalogue does
        not have.
        """
        items = self._catalogue.snapshot().items
        check_context(request, items)
        check_wishes(request, items)

    @locked
    def allowed(self, request: RecommendationRequest) -> NDArray[np.bool_] | None:
        """[items of the model] whether each may come back, None where all may.

        Raises BadInputError or UnknownIdError where the request names what the catalogue does not
        have.
        """
        check_context(request, self._catalogue.snapshot().items)
        model = self.model()
        ids, version = model.item_ids, model.manifest.version
        key = f"{self._catalogue.snapshot().catalogue}:{version}:{len(ids)}:{fitting_key(request)}"
        if key not in self._allowed:
            check_wishes(request, self._catalogue.snapshot().items)
            if len(self._allowed) >= _KEPT:
                self._allowed.clear()
            self._allowed[key] = allowed(ids, self._catalogue.snapshot().items, request)
        return self._allowed[key]

    @locked
    def carrying(self, facet: str, value: str) -> NDArray[np.bool_]:
        """[items of the model] whether each carries a facet's value, in whatever case."""
        world, model = self._catalogue.snapshot(), self.model()
        ids = model.item_ids
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
    def idle_quotas(self, request: RecommendationRequest) -> list[str]:
        """Quotas on a value that no item of the catalogue has."""
        if not request.quota:
            return []
        world = self._catalogue.snapshot()
        key = f"{world.catalogue}:{sorted(request.quota)}"
        return self._idle.of(key, lambda: idle_quotas(request.quota, world.items.values()))

    def crowd(self, model: Model) -> HistoryBatch:
        """Everyone's histories, as a model's positions."""
        x = self._store.interactions()
        world = self._catalogue.snapshot()
        signal = signals(x, self._settings.signals, world.scales, world.population.amounts)
        return history_batch(x, signal, model)

    def train(self, progress: Progress, wait: float) -> Model:
        """Fit channels and fusion on every event, over the whole catalogue. The items must be
        embedded before.

        wait: seconds for another process that writes, when the fitted model is saved.
        """
        progress.start("reading events and items")
        x, signal = self._past()
        catalogue = self._catalogue_of(x.item_ids, self._vectors.items())
        ratings = rated(x, self._catalogue.snapshot().scales)
        progress.done()
        fitted = fit(x, signal, catalogue, rated=ratings, progress=progress)
        with self._store.writing(wait):
            self._model = save(fitted, self.models_folder)
        self._view.renew()
        return self._model

    def _catalogue_of(self, item_ids: list[str], vectors: ItemVectors | None) -> Catalogue:
        world = self._catalogue.snapshot()
        texts = [plain_text(world.items[one]) if one in world.items else "" for one in item_ids]
        return catalogue_of(item_ids, world.population, vectors, texts)

    def unreached(self) -> set[str]:
        """Items added after training that are not embedded yet, so that no channel can find
        them.
        """
        trained = self.trained()
        new = self._since(trained) if trained else []
        return set(new) - self._vectors.items().positions.keys() if new else set()

    def embed_new(self) -> int:
        """Embed those; how many."""
        missing = self.unreached()
        rows = [row for row in self._vectors.item_rows() if row.id in missing]
        embedded = self._vectors.index().upsert("items", rows, self._progress)
        self._view.renew()
        return embedded
