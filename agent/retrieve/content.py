"""The content channel: similarity of items' vectors to what a user likes, minus what they
dislike.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.retrieve.base import recency

Vectors = NDArray[np.float32]

_HALF_LIFE = 20.0
"""Events after which a liked item counts half."""
_DISLIKES = 0.5
"""Weight of the similarity to dislikes, where that to likes has 1."""
_NEAR_SHARE = 0.01
"""Share of the catalogue that counts as an item's nearest neighbours."""
_NEAR_LEAST = 5
"""Least number of an item's nearest neighbours."""
_NEAR_COSINE = 0.45
"""Least centred cosine of a neighbour: an item of its own kind has none."""
_NEAR_KEPT = 200_000
"""Pairs of neighbours that are cached (about 20 MB)."""
_WORDS = 0.5
"""Weight of the portrait and its preferences in the score, where there are any; the events' items
have the rest.
"""


@dataclass(frozen=True)
class ItemVectors:
    """Vectors of a catalogue, [items, dimensions], of length 1, as the index has them."""

    item_ids: list[str]
    vectors: Vectors

    @cached_property
    def positions(self) -> dict[str, int]:
        return {item_id: at for at, item_id in enumerate(self.item_ids)}

    @cached_property
    def mean(self) -> Vectors:
        """[dimensions] the catalogue's mean vector; unless it is subtracted, e5's cosines all lie
        between .75 and .9.
        """
        return np.asarray(self.vectors.mean(axis=0, keepdims=True), dtype=np.float32)

    @cached_property
    def centred(self) -> Vectors:
        return self.centre(self.vectors)

    def centre(self, vectors: Vectors) -> Vectors:
        """[n, dimensions] the vectors minus the catalogue's mean, of length 1 again; zeros for a
        vector that equals the mean.
        """
        moved = vectors - self.mean
        length = np.linalg.norm(moved, axis=1, keepdims=True)
        return np.asarray(moved / np.where(length < 1e-6, np.inf, length), dtype=np.float32)

    def neighbours(self, item_ids: Sequence[str], item_id: str) -> Vectors:
        """[n] cosine of each of `item_ids` to an item; 0 for those that are not among its nearest
        neighbours in the catalogue.
        """
        here = self.positions.get(item_id)
        if here is None:
            return np.zeros(len(item_ids), dtype=np.float32)
        near = self._nearest(here)
        cosines = (near.get(self.positions.get(item_id, here), 0.0) for item_id in item_ids)
        return np.fromiter(cosines, dtype=np.float32, count=len(item_ids))

    @cached_property
    def _nearest(self) -> Callable[[int], dict[int, float]]:
        """Cached version of `_nearest_to`, since many users are recommended the same items."""
        return lru_cache(max(_NEAR_KEPT // max(self._near, 1), 1))(self._nearest_to)

    @property
    def _near(self) -> int:
        return min(max(_NEAR_LEAST, int(len(self.item_ids) * _NEAR_SHARE)), len(self.item_ids))

    def _nearest_to(self, here: int) -> dict[int, float]:
        """The nearest neighbours of the item at position `here`, as cosines by position."""
        cosine = self.centred @ self.centred[here]
        cosine[here] = 0
        least = max(float(np.partition(cosine, -self._near)[-self._near]), _NEAR_COSINE)
        near = np.flatnonzero(cosine >= least)
        return dict(zip(near.tolist(), cosine[near].tolist(), strict=True))


@dataclass(frozen=True)
class Wording:
    """Query vectors of a portrait, each [n, dimensions]; empty where there are none."""

    likes: Vectors
    """The portrait and its liked preferences."""
    dislikes: Vectors
    """The disliked preferences."""


def content_scores(
    items: ItemVectors, events: Sequence[tuple[str, float]], wording: Wording | None = None
) -> NDArray[np.float32]:
    """[items] score in about [-1, 1]: cosine to the likes' mean minus half the cosine to the
    dislikes' mean.

    `events`: (item id, signal), oldest first; each counts by the size of its signal, halved every
    20 events. The portrait's likes and dislikes enter by the nearest of them. Zeros where nothing
    is known of the user.
    """
    if not items.item_ids:
        return np.empty(0, dtype=np.float32)
    from_events = _event_queries(items, events)
    from_portrait = _portrait_queries(items, wording) if wording else []
    cosines = _nearness(items, [vectors for _, vectors in [*from_events, *from_portrait]])
    event_score, portrait_score = np.zeros((2, len(items.item_ids)), dtype=np.float32)
    for at, (weight, _) in enumerate(from_events):
        event_score += weight * cosines[at]
    for at, (weight, _) in enumerate(from_portrait, len(from_events)):
        portrait_score += weight * cosines[at]
    if not from_portrait:
        return event_score
    if not event_score.any():
        return portrait_score
    score = (1 - _WORDS) * event_score + _WORDS * portrait_score
    return np.asarray(score, dtype=np.float32)


_Query = tuple[float, Vectors]
"""The weight of a similarity in the score, and the vectors [n, dimensions] it is measured to."""


def _event_queries(items: ItemVectors, events: Sequence[tuple[str, float]]) -> list[_Query]:
    """The weighted mean vector of liked items, and of disliked ones, of length 1."""
    positions = np.array(
        [items.positions.get(item_id, -1) for item_id, _ in events], dtype=np.int64
    )
    signal = np.array([value for _, value in events], dtype=np.float32)
    weight = np.abs(signal) * recency(len(events), _HALF_LIFE)
    queries = []
    for sign, share in ((1, 1.0), (-1, -_DISLIKES)):
        counts = (positions >= 0) & (sign * signal > 0)
        if counts.any():
            mean = weight[counts] @ items.centred[positions[counts]]
            queries.append((share, mean[None] / max(float(np.linalg.norm(mean)), 1e-9)))
    return queries


def _portrait_queries(items: ItemVectors, wording: Wording) -> list[_Query]:
    queries = [(1.0, wording.likes), (-_DISLIKES, wording.dislikes)]
    return [(weight, items.centre(vectors)) for weight, vectors in queries if len(vectors)]


def _nearness(items: ItemVectors, queries: Sequence[Vectors]) -> list[Vectors]:
    """For each query, vectors [n, dimensions] of length 1: [items] cosine to the nearest of them.

    All in one product, since reading the catalogue's vectors is what takes long.
    """
    if not queries:
        return []
    cosines = (items.centred @ np.concatenate(queries).T).T
    ends = np.cumsum([len(vectors) for vectors in queries])
    return [np.maximum.reduce([*part]) for part in np.split(cosines, ends[:-1])]


def content_candidates(
    items: ItemVectors,
    events: Sequence[tuple[str, float]],
    wording: Wording | None = None,
    *,
    exclude: frozenset[str] = frozenset(),
    k: int = 300,
) -> dict[str, float]:
    """The k best items by content with a score above 0, best first, ties in the catalogue's
    order.
    """
    score = content_scores(items, events, wording)
    excluded = [items.positions[item_id] for item_id in exclude if item_id in items.positions]
    score[excluded] = 0
    named = np.flatnonzero(score > 0)
    if len(named) > k:
        named = named[score[named] >= np.partition(score[named], -k)[-k]]
    best = named[np.argsort(-score[named], kind="stable")][:k]
    return {items.item_ids[at]: float(score[at]) for at in best}


class ContentBook:
    """A cache of content candidates: one small file a user, valid for one key, erased with the
    user.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, user_id: str, key: str) -> dict[str, float] | None:
        """The user's scores if they were saved under this key (portrait version, index generation,
        last event), else None.
        """
        try:
            saved = json.loads(self._file(user_id).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return saved["scores"] if saved["key"] == key else None

    def put(self, user_id: str, key: str, scores: Mapping[str, float]) -> None:
        """Save scores in place of older ones; where the disk refuses them, the next request only
        takes longer.
        """
        file = self._file(user_id)
        # A unique name, since another process may be saving this user's scores too.
        part = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part.write_text(
                json.dumps({"key": key, "scores": dict(scores)}, ensure_ascii=False),
                encoding="utf-8",
            )
            part.replace(file)
        except OSError:
            with suppress(OSError):
                part.unlink()

    def erase(self, user_id: str) -> None:
        """Those that a process was killed writing too."""
        for name in self.files_of(user_id):
            (self._folder / name).unlink(missing_ok=True)

    def files_of(self, user_id: str) -> list[str]:
        return sorted(path.name for path in self._folder.glob(f"{self._file(user_id).stem}.*"))

    def _file(self, user_id: str) -> Path:
        return self._folder / f"{hashlib.sha256(user_id.encode()).hexdigest()[:32]}.json"
