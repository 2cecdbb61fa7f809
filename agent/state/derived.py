"""State derived from all events of a store, in parts; each part is made again when new
events came.
"""

from contextlib import AbstractContextManager

from limner.core.progress import Progress
from limner.core.settings import Settings
from limner.index.embedders import Embedder
from limner.state.item_vectors import ItemVectorState
from limner.state.portrait_vectors import PortraitVectorState
from limner.state.ranker import RankerState
from limner.state.request_view import RequestView
from limner.state.snapshots import CatalogueState
from limner.store import Store


class DerivedState:
    """The derived state of one store: `catalogue`, `vectors` of its items, `ranker`, and
    `portraits` as vectors. All share one lock, and what a request looked up.
    """

    def __init__(
        self, settings: Settings, store: Store, progress: Progress, embedder: Embedder | None = None
    ) -> None:
        self._view = view = RequestView()
        self.catalogue = CatalogueState(settings, store, progress, view)
        self.vectors = ItemVectorState(settings, store, progress, view, self.catalogue, embedder)
        self.ranker = RankerState(settings, store, progress, view, self.catalogue, self.vectors)
        self.portraits = PortraitVectorState(settings, store, progress, view, self.vectors)

    def request_snapshot(self) -> AbstractContextManager[None]:
        """Around one request in one thread: what is derived is looked up once, and stays what it
        was, until the thread makes something anew.
        """
        return self._view.request_snapshot()
