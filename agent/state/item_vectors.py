"""The vectors of a store's items, and the index and embedder that they come from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from limner.core.errors import LimnerError
from limner.core.progress import Progress
from limner.core.settings import Settings
from limner.index.chroma import Index, IndexRow, generations
from limner.index.documents import item_text
from limner.index.embedders import Embedder, TextSample, Vectors, choose_embedder, is_hosted
from limner.retrieve import ItemVectors
from limner.state.request_view import DerivedPart, RequestView, locked, uses_snapshot
from limner.state.snapshots import CatalogueState
from limner.store import Store

EMBEDDER_NOTE = "embedder"
DIMENSIONS_NOTE = "dimensions"
_SAMPLED = 48
"""Items whose texts an embedder is tried on."""


class ItemVectorState(DerivedPart):
    """Keeps the index of a store, and the newest vectors of its items."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        progress: Progress,
        view: RequestView,
        catalogue: CatalogueState,
        embedder: Embedder | None = None,
    ) -> None:
        super().__init__(view)
        self._settings, self._store, self._progress = settings, store, progress
        self._catalogue, self._embedder = catalogue, embedder
        self._index: Index | None = None
        self._read: tuple[int, ItemVectors] | None = None
        self.away: LimnerError | None = None
        """Why there are no vectors for now."""

    @locked
    def index(self) -> Index:
        """The store's index, with the embedder that was chosen once for it."""
        if self._index is None:
            self._index = self._make_index(self._choose(self._store.note(EMBEDDER_NOTE)))
        return self._index

    def _choose(self, stored: str | None) -> Embedder:
        size = int(self._store.note(DIMENSIONS_NOTE) or 0) if stored else 0
        return self._embedder or choose_embedder(
            self._settings, stored, size, sample=self._sample, progress=self._progress
        )

    def _sample(self) -> TextSample:
        """Texts of items from all over the catalogue."""
        items, reviews = [*self._catalogue.snapshot().items.values()], self._store.reviews()
        some = items[:: max(1, len(items) // _SAMPLED)][:_SAMPLED]
        texts = [item_text(one, reviews.get(one.item_id, ())) for one in some]
        return TextSample(len(items), texts)

    def keep_choice(self) -> None:
        """Record the embedder's name in the store. From its first vectors on a store keeps its
        embedder.
        """
        embedder = self.index().embedder
        made_by = (self._store.note(EMBEDDER_NOTE), self._store.note(DIMENSIONS_NOTE))
        if made_by != (embedder.name, str(embedder.dimensions)):
            self._store.set_note(EMBEDDER_NOTE, embedder.name)
            self._store.set_note(DIMENSIONS_NOTE, str(embedder.dimensions))

    @property
    def _folder(self) -> Path:
        return self._store.folder / "chroma"

    def _make_index(self, embedder: Embedder) -> Index:
        return Index(self._folder, embedder, self._store.id, self._settings.chroma_url)

    def embed_items(self, progress: Progress | None = None) -> int:
        """Embed the items whose text is new or changed. progress: instead of the store's."""
        embedded = self.index().upsert("items", self.item_rows(), progress or self._progress)
        self.keep_choice()
        self._view.renew()
        return embedded

    def unembedded(self) -> int:
        """Number of items whose current text is not in the index."""
        return len(self.index().outdated("items", self.item_rows()))

    @locked
    def close(self) -> None:
        """Let go of the index' files; the next use opens them again."""
        if self._index is not None:
            self._index.close()

    def is_indexed(self) -> bool:
        """Whether anything was ever embedded."""
        return self._store.note(EMBEDDER_NOTE) is not None or self._folder.exists()

    def item_rows(self) -> list[IndexRow]:
        reviews = self._store.reviews()
        return [
            IndexRow(one.item_id, item_text(one, reviews.get(one.item_id, ())))
            for one in self._catalogue.snapshot().items.values()
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
        self._index, self._read = index, None
        self.keep_choice()
        self._view.renew()

    def look(self) -> None:
        """Try anew whether the index can be read. Raises IndexAwayError or ModelError."""
        if self.away is not None:
            self.away = None
            self._view.renew()
        self.items()

    def disable_vectors(self, error: LimnerError) -> None:
        """Do without vectors, until the next look: there is no content channel, and no portrait can
        be embedded.
        """
        self.away = error
        self._view.renew()

    @uses_snapshot
    @locked
    def items(self) -> ItemVectors:
        """All item vectors, none while they are away; read again only when the index changed."""
        if self.away is not None:
            return ItemVectors([], np.empty((0, 0), dtype=np.float32))
        generation = self.generation()
        if self._read is None or self._read[0] != generation:
            self._read = (generation, ItemVectors(*self.index().everything("items")))
        return self._read[1]

    def load_embedder(self) -> None:
        """Read an embedder of this machine into memory, where there are vectors; one at an endpoint
        is not asked.
        """
        if self.items().item_ids and not is_hosted(self.index().embedder):
            self.index().embedder.passages(["a word"])

    @uses_snapshot
    def generation(self) -> int:
        """Counts up whenever items are embedded."""
        return generations(self._folder).get("items", 0)

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
