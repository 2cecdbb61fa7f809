"""All portraits as points: their vectors in two dimensions, alike ones near each other."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np

from limner.core.schema import Profile
from limner.engine import Engine
from limner.web.words import Words

FEWEST, MOST = 3, 600
"""Portraits that a map needs, and that it shows at most."""
COLOURS = 7
"""Tastes with a colour of their own."""
_SEED = 0
WIDTH, HEIGHT, _EDGE = 1000.0, 640.0, 24.0


@dataclass(frozen=True)
class Point:
    user_id: str
    x: float
    y: float
    series: int
    """Index in the legend; COLOURS where the taste has no colour of its own."""
    taste: str


@dataclass(frozen=True)
class Map:
    points: Sequence[Point]
    legend: Sequence[tuple[str, int]]
    """Tastes that most portraits put first, and how many points do."""
    portraits: int
    users: int
    share: float
    """Share of the variance that the two dimensions keep, in [0, 1]."""


class Cartographer:
    """Draws the map, and keeps it until a portrait changes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._drawn: tuple[tuple[int, int], _Drawn] | None = None

    def map(self, words: Words) -> Map:
        counts = self._engine.data.counts()
        drawn = self._draw() if counts.profiles else _Drawn([], [], [], 0, 0.0)
        named = Counter(one for one in drawn.tastes if one is not None)
        first = [taste for taste, _ in named.most_common(COLOURS)]
        points = [
            Point(
                user_id,
                x,
                y,
                first.index(taste) if taste in first else COLOURS,
                words.value(*taste) if taste else words("no-taste"),
            )
            for user_id, (x, y), taste in zip(drawn.ids, drawn.places, drawn.tastes, strict=True)
        ]
        legend = [(words.value(*taste), named[taste]) for taste in first]
        return Map(points, legend, drawn.portraits, counts.users, drawn.share)

    def _draw(self) -> "_Drawn":
        portraits = self._engine.portraits
        with self._lock:
            portraits.embed_waiting()
            key = portraits.vectors_key()
            if self._drawn is None or self._drawn[0] != key:
                ids, vectors = portraits.vectors()
                self._drawn = (key, _project(ids, vectors, self._engine.data.portraits()))
            return self._drawn[1]


@dataclass(frozen=True)
class _Drawn:
    ids: Sequence[str]
    places: Sequence[tuple[float, float]]
    tastes: Sequence[tuple[str, str] | None]
    """(facet, value) of each portrait's strongest like."""
    portraits: int
    share: float


def _project(
    ids: Sequence[str],
    vectors: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]",
    portraits: Sequence[Profile],
) -> _Drawn:
    """Project vectors by principal components, fitted on a sample where there are many."""
    from sklearn.decomposition import PCA

    if len(ids) < FEWEST or len(np.unique(vectors, axis=0)) < FEWEST:
        return _Drawn([], [], [], len(ids), 0.0)
    rows = np.arange(len(ids))
    if len(ids) > MOST:
        rows = np.sort(np.random.default_rng(_SEED).choice(len(ids), MOST, replace=False))
    fitted = PCA(n_components=2, random_state=_SEED)
    points = np.asarray(fitted.fit_transform(np.asarray(vectors[rows], dtype=np.float64)))
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = (points - low) / np.maximum(high - low, 1e-12)
    places = scaled * [WIDTH - 2 * _EDGE, HEIGHT - 2 * _EDGE] + _EDGE
    tastes = {one.user_id: _foremost(one) for one in portraits}
    shown = [ids[row] for row in rows.tolist()]
    return _Drawn(
        shown,
        [(round(x, 1), round(y, 1)) for x, y in places.tolist()],
        [tastes.get(one) for one in shown],
        len(ids),
        float(fitted.explained_variance_ratio_.sum()),
    )


def _foremost(profile: Profile) -> tuple[str, str] | None:
    likes = [one for one in profile.preferences if one.polarity == "like"]
    best = max(likes, key=lambda one: one.strength * one.confidence, default=None)
    return (best.facet, best.value) if best else None
