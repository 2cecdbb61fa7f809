"""What items are about: nearness of their vectors to what a user likes, minus what they dislike."""

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
"""What nearness to dislikes takes away, against what nearness to likes adds."""
_NEAR_SHARE = 0.01
_NEAR_LEAST = 5
"""What counts as near an item: the hundredth of the catalogue that is nearest to it, and at least
so many items.
"""
_NEAR_COSINE = 0.45
"""And no farther than this, without the catalogue's mean: the nearest of a kind of one are not
near.
"""
_NEAR_KEPT = 200_000
"""Pairs of near items that are kept (about 20 MB)."""
_WORDS = 0.5
"""Share of portrait and preferences in the score, where there are any; the rest is the items' own
vectors.
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
        """[dimensions] what all items share; e5's cosines lie between .75 and .9 unless it is taken
        away.
        """
        return np.asarray(self.vectors.mean(axis=0, keepdims=True), dtype=np.float32)

    @cached_property
    def centred(self) -> Vectors:
        return self.centre(self.vectors)

    def centre(self, vectors: Vectors) -> Vectors:
        """[n, dimensions] without the catalogue's mean, of length 1 again; zeros where nothing is
        left.
        """
        moved = vectors - self.mean
        length = np.linalg.norm(moved, axis=1, keepdims=True)
        return np.asarray(moved / np.where(length < 1e-6, np.inf, length), dtype=np.float32)

    def neighbours(self, item_ids: Sequence[str], item_id: str) -> Vectors:
        """[n] cosine of each of `item_ids` to an item, 0 where it is not among those nearest to it
        in the catalogue.
        """
        here = self.positions.get(item_id)
        if here is None:
            return np.zeros(len(item_ids), dtype=np.float32)
        near = self._nearest(here)
        found = (near.get(self.positions.get(one, here), 0.0) for one in item_ids)
        return np.fromiter(found, dtype=np.float32, count=len(item_ids))

    @cached_property
    def _nearest(self) -> Callable[[int], dict[int, float]]:
        """The cosines of the items that are near the one at a position, by position: kept, since
        what is recommended to one user is recommended to others.
        """
        return lru_cache(max(_NEAR_KEPT // max(self._near, 1), 1))(self._nearest_to)

    @property
    def _near(self) -> int:
        return min(max(_NEAR_LEAST, int(len(self.item_ids) * _NEAR_SHARE)), len(self.item_ids))

    def _nearest_to(self, here: int) -> dict[int, float]:
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
    """Its disliked preferences."""


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
    at = np.array([items.positions.get(item_id, -1) for item_id, _ in events], dtype=np.int64)
    signal = np.array([one for _, one in events], dtype=np.float32)
    weight = recency(len(events), _HALF_LIFE)
    had: list[tuple[float, Vectors]] = []
    for sign, share in ((1, 1.0), (-1, -_DISLIKES)):
        counts = (at >= 0) & (sign * signal > 0)
        if counts.any():
            mean = (np.abs(signal) * weight)[counts] @ items.centred[at[counts]]
            had.append((share, mean[None] / max(float(np.linalg.norm(mean)), 1e-9)))
    portrait = [(1.0, wording.likes), (-_DISLIKES, wording.dislikes)] if wording else []
    said = [(share, items.centre(vectors)) for share, vectors in portrait if len(vectors)]
    near = _nearness(items, [vectors for _, vectors in [*had, *said]])
    score, words = np.zeros((2, len(items.item_ids)), dtype=np.float32)
    for total, terms, cosines in ((score, had, near[: len(had)]), (words, said, near[len(had) :])):
        for (share, _), cosine in zip(terms, cosines, strict=True):
            total += share * cosine
    if not said:
        return score
    return np.asarray(
        (1 - _WORDS) * score + _WORDS * words if score.any() else words, dtype=np.float32
    )


def _nearness(items: ItemVectors, asked: Sequence[Vectors]) -> list[Vectors]:
    """[items] cosine to the nearest of some vectors [n, dimensions] of length 1, for each of
    several such.

    All in one product, since it is reading the catalogue's vectors that takes long.
    """
    if not asked:
        return []
    cosines = (items.centred @ np.concatenate(asked).T).T
    ends = np.cumsum([len(one) for one in asked])
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
    score[[items.positions[one] for one in exclude if one in items.positions]] = 0
    named = np.flatnonzero(score > 0)
    if len(named) > k:
        named = named[score[named] >= np.partition(score[named], -k)[-k]]
    best = named[np.argsort(-score[named], kind="stable")][:k]
    return {items.item_ids[at]: float(score[at]) for at in best}


class ContentBook:
    """Content candidates kept as one small file a user, valid for one key; erased with the user."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, user_id: str, key: str) -> dict[str, float] | None:
        """What was kept under this key (portrait version, index generation, last event), None where
        it is another.
        """
        try:
            kept = json.loads(self._file(user_id).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return kept["scores"] if kept["key"] == key else None

    def put(self, user_id: str, key: str, scores: Mapping[str, float]) -> None:
        """Keep them in the place of older ones; a disk that does not take them costs the next
        request time only.
        """
        file = self._file(user_id)
        # Of a name of its own, since another process may be keeping the same user's.
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
        self._file(user_id).unlink(missing_ok=True)

    def _file(self, user_id: str) -> Path:
        return self._folder / f"{hashlib.sha256(user_id.encode()).hexdigest()[:32]}.json"
