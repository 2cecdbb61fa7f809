"""From channels to one order: training, models as folders, fusion.

A trained model is an immutable folder `models/vN` (npz and a JSON manifest); `models/current` names the one in use and
is swapped atomically. Events that came after training are overlaid at reading, since a user's history comes from the
store.
"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.errors import StoreError
from agent.interactions import Interactions
from agent.progress import Progress, Quiet
from agent.retrieve import (
    Channel,
    Collaborative,
    History,
    NextItem,
    Popular,
    Traced,
    fit_collaborative,
    fit_next_item,
    fit_popular,
    fit_recent,
)
from agent.schema import Candidate

CURRENT = "current"
_RRF = 20.0
"""The constant k of reciprocal rank fusion; the paper has 60; validation took 20 by a hair, 1.055 to 1.050."""
WEIGHTS: Mapping[str, float] = {
    "next_item": 0.7,
    "collaborative": 0.6,
    "recent": 0.2,
    "popular": 0.05,
    "content": 0.1,
}
"""Found by `evals.tune` on ML-100K and ml-latest-small: leave-last-out validation (last but one, last but two) and
global-time validation, mean ndcg@10 relative to the best single channel. `content` is set by hand, not tuned: it needs
item texts, and neither its weight nor its worth has been measured."""
DEPTH = 300
"""How many of each channel's best items become candidates."""


@dataclass(frozen=True)
class Manifest:
    version: int
    last_seq: int
    """Sequence number of the last event that was learned from."""
    users: int
    events: int
    seconds: float
    method: str
    """How the collaborative channel was fitted."""


@dataclass(frozen=True)
class Model:
    """Fitted channels over `item_ids`."""

    manifest: Manifest
    item_ids: list[str]
    popular: Popular
    recent: Popular
    """Popularity of late."""
    collaborative: Collaborative
    next_item: NextItem

    @cached_property
    def positions(self) -> dict[str, int]:
        return {item_id: at for at, item_id in enumerate(self.item_ids)}

    @property
    def channels(self) -> tuple[Channel, ...]:
        return (self.next_item, self.collaborative, self.recent, self.popular)

    @property
    def traced(self) -> tuple[Traced, ...]:
        """The channels that can say which of a user's events speak for an item."""
        return tuple(channel for channel in self.channels if isinstance(channel, Traced))

    def history(self, events: Sequence[tuple[str, float]]) -> History:
        """From (item id, signal), oldest first; items that came after training are left out."""
        known = [(self.positions[item], signal) for item, signal in events if item in self.positions]
        return History(
            np.array([at for at, _ in known], dtype=np.int64), np.array([s for _, s in known], dtype=np.float32)
        )


def fit(x: Interactions, signal: NDArray[np.float32], progress: Progress | None = None) -> Model:
    """Fit every channel on events and their signals [n], nothing stored."""
    began = time.monotonic()
    say = progress or Quiet()
    say.start("training channels", 4)
    popular, recent = fit_popular(x, signal), fit_recent(x, signal)
    say.advance(2)
    next_item = fit_next_item(x)
    say.advance()
    collaborative = fit_collaborative(x)
    say.done()
    manifest = Manifest(
        version=0,
        last_seq=int(x.seq.max(initial=0)),
        users=len(np.unique(x.user)),
        events=len(x),
        seconds=round(time.monotonic() - began, 3),
        method=collaborative.method,
    )
    return Model(manifest, x.item_ids, popular, recent, collaborative, next_item)


def train(x: Interactions, signal: NDArray[np.float32], folder: Path, progress: Progress | None = None) -> Model:
    """Fit every channel, save as the next version under `folder`, make it current, drop all but the one before."""
    model = fit(x, signal, progress)
    model = replace(model, manifest=replace(model.manifest, version=_newest(folder) + 1))
    _save(model, folder)
    for old in folder.glob("v*"):
        # A reader may be opening the version before this one.
        if old.name[1:].isdigit() and int(old.name[1:]) < model.manifest.version - 1:
            shutil.rmtree(old)
    return model


def _newest(folder: Path) -> int:
    return max((int(one.name[1:]) for one in folder.glob("v*") if one.name[1:].isdigit()), default=0)


def _save(model: Model, folder: Path) -> None:
    target = folder / f"v{model.manifest.version}"
    part = folder / f".{target.name}.part"
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    part.mkdir(parents=True)
    arrays: dict[str, NDArray[np.generic]] = {"popular": model.popular.share, "recent": model.recent.share}
    for name, weights in (("collaborative", model.collaborative.weights), ("next_item", model.next_item.weights)):
        arrays |= {f"{name}_{key}": getattr(weights, key) for key in ("data", "indices", "indptr")}
    np.savez(part / "channels.npz", **arrays)  # type: ignore[arg-type]
    (part / "items.json").write_text(json.dumps(model.item_ids, ensure_ascii=False), encoding="utf-8")
    (part / "manifest.json").write_text(json.dumps(vars(model.manifest), indent=2), encoding="utf-8")
    part.rename(target)
    pointer = folder / f".{CURRENT}.part"
    pointer.write_text(target.name)
    pointer.replace(folder / CURRENT)


def current_version(folder: Path) -> str | None:
    try:
        return (folder / CURRENT).read_text().strip()
    except FileNotFoundError:
        return None


def load_model(folder: Path) -> Model | None:
    """The current model, None where nothing was trained. Raises StoreError where its folder is damaged."""
    import scipy.sparse as sp

    name = current_version(folder)
    if name is None:
        return None
    home = folder / name
    try:
        item_ids: list[str] = json.loads((home / "items.json").read_text("utf-8"))
        manifest = Manifest(**json.loads((home / "manifest.json").read_text("utf-8")))
        with np.load(home / "channels.npz", allow_pickle=False) as arrays:
            n = len(item_ids)

            def sparse(channel: str) -> "sp.csr_array":
                parts = [arrays[f"{channel}_{key}"] for key in ("data", "indices", "indptr")]
                return sp.csr_array(tuple(parts), shape=(n, n))

            return Model(
                manifest,
                item_ids,
                Popular(arrays["popular"]),
                Popular(arrays["recent"], "recent"),
                Collaborative(sparse("collaborative"), manifest.method),
                NextItem(sparse("next_item")),
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"The trained model in '{home}' is damaged ({error}); run `limner train` again.") from error


def candidates(
    model: Model,
    history: History,
    *,
    content: Mapping[str, float],
    exclude: frozenset[str],
    n: int,
    depth: int = DEPTH,
) -> list[Candidate]:
    """At least `n` items (while the catalogue has them), each with its score in every channel that found it.

    `content` maps item ids to similarity. Never an item of `exclude`. Order is the catalogue's, not a ranking.
    """
    banned = np.array([model.positions[one] for one in exclude if one in model.positions], dtype=np.int64)
    found: dict[str, dict[str, float]] = {}
    for channel in model.channels:
        scores = channel.score([history])[0]
        scores[banned] = 0
        for at in _best(scores, max(depth, n)):
            found.setdefault(model.item_ids[at], {})[channel.name] = float(scores[at])
    for item_id, score in content.items():
        if item_id not in exclude:
            found.setdefault(item_id, {})["content"] = score
    if len(found) < n:
        for item_id in model.item_ids:
            if item_id not in exclude:
                found.setdefault(item_id, {})
            if len(found) >= n:
                break
    return [Candidate(item_id=item_id, scores=scores) for item_id, scores in found.items()]


def _best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Positions of the k largest positive scores, best first, ties by position."""
    positive = np.flatnonzero(scores > 0)
    if len(positive) > k:
        cut = np.partition(scores[positive], len(positive) - k)[len(positive) - k]
        positive = positive[scores[positive] >= cut]
    return positive[np.lexsort((positive, -scores[positive]))][:k]


def fuse(found: Sequence[Candidate], weights: Mapping[str, float] = WEIGHTS) -> list[tuple[Candidate, float]]:
    """Weighted reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): Σ w / (k + rank). Best first, ties by id.

    Scores are scaled so that first in every channel is 1.
    """
    total = sum(weights.values()) / (_RRF + 1)
    fused: dict[str, float] = {one.item_id: 0.0 for one in found}
    for channel, weight in weights.items():
        scored = sorted(
            ((-one.scores[channel], one.item_id) for one in found if one.scores.get(channel, 0.0) > 0),
        )
        for rank, (_, item_id) in enumerate(scored, 1):
            fused[item_id] += weight / (_RRF + rank) / total
    ranked = sorted(found, key=lambda one: (-fused[one.item_id], one.item_id))
    return [(one, fused[one.item_id]) for one in ranked]


def reciprocal_ranks(scores: NDArray[np.float32], k: float = _RRF) -> NDArray[np.float64]:
    """[users, items] 1 / (k + rank) of each positive score in its row, 0 where the channel is silent."""
    order = np.argsort(-scores, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(1, scores.shape[1] + 1)[None, :], axis=1)
    return np.where(scores > 0, 1.0 / (k + rank), 0.0)


def fuse_scores(
    scores: Mapping[str, NDArray[np.float32]], weights: Mapping[str, float] = WEIGHTS
) -> NDArray[np.float64]:
    """The same fusion over whole score matrices [users, items], for evaluation; silent entries (<= 0) add nothing."""
    fused: NDArray[np.float64] | None = None
    for channel, matrix in scores.items():
        part = weights[channel] * reciprocal_ranks(matrix)
        fused = part if fused is None else fused + part
    if fused is None:
        raise ValueError("no channel to fuse")
    return fused
