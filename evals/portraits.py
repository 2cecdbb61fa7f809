"""A map of the portraits of a store: their vectors in two dimensions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import IndexMismatchError, ModelError, SettingsError, StoreError
from limner.core.messages import Message, message
from limner.core.metrics import BUCKETS, bucket_of
from limner.index.embedders import Vectors

if TYPE_CHECKING:
    from limner.engine import Engine

FEWEST, MOST = 10, 1000
"""Portraits that a map needs, and that it shows at most."""
_SEED = 0


@dataclass(frozen=True)
class Projection:
    name: str
    places: NDArray[np.float64]
    """[portraits, 2]."""
    caption: str


@dataclass(frozen=True)
class PortraitMap:
    """Portraits by length of history, in every projection."""

    buckets: tuple[str, ...]
    """Bucket of history length of each portrait's user."""
    projections: tuple[Projection, ...]
    note: Message | None = None
    """Why there is no map, or what it leaves out."""

    @property
    def bucket_names(self) -> tuple[str, ...]:
        return tuple(name for name, _, _ in BUCKETS)


def portrait_map(engine: "Engine") -> PortraitMap:
    """A map of the store's portraits. Empty, with a note, where they are too few or have no
    vectors.
    """
    if not engine.data.counts().profiles:
        return PortraitMap((), (), message("map.no_portraits"))
    try:
        ids, vectors = engine.portraits.vectors()
    except (IndexMismatchError, StoreError, SettingsError, ModelError) as error:
        return PortraitMap((), (), message("map.no_vectors", error=error))
    return project(ids, vectors, dict(engine.data.active_users()))


def project(ids: list[str], vectors: Vectors, events: Mapping[str, int]) -> PortraitMap:
    """[n, dimensions] vectors of users by PCA and t-SNE; `events` are the lengths of their
    histories.
    """
    if len(ids) < FEWEST:
        return PortraitMap((), (), message("map.too_few", fewest=FEWEST, n=len(ids)))
    note = None
    rows = np.arange(len(ids))
    if len(ids) > MOST:
        rows = np.sort(np.random.default_rng(_SEED).choice(len(ids), MOST, replace=False))
        note = message("map.drawn", n=MOST, all=len(ids))
    chosen = np.asarray(vectors[rows], dtype=np.float64)
    if len(np.unique(chosen, axis=0)) < 3:
        return PortraitMap((), (), message("map.all_alike"))
    return PortraitMap(
        tuple(bucket_of(events.get(ids[row], 0)) for row in rows.tolist()),
        (_pca(chosen), _tsne(chosen)),
        note,
    )


def _pca(vectors: NDArray[np.float64]) -> Projection:
    from sklearn.decomposition import PCA

    fitted = PCA(n_components=2, random_state=_SEED)
    places = np.asarray(fitted.fit_transform(vectors), dtype=np.float64)
    share = float(fitted.explained_variance_ratio_.sum())
    return Projection("PCA", places, f"The two directions hold {share:.0%} of the variance.")


def _tsne(vectors: NDArray[np.float64]) -> Projection:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(30.0, (len(vectors) - 1) / 3)
    fitted = TSNE(n_components=2, perplexity=perplexity, init="pca", random_state=_SEED)
    # On cores that others use too, OpenMP's threads wait for each other hundreds of times as long
    # as they work.
    with threadpool_limits(1):
        places = np.asarray(fitted.fit_transform(vectors), dtype=np.float64)
    return Projection(
        "t-SNE",
        places,
        (
            "Neighbours are alike; distances between groups mean nothing. Perplexity "
            f"{perplexity:.0f}."
        ),
    )
