"""A trained ranker: channels and learned fusion, as an immutable folder.

A trained model is `models/vN` (npz, LightGBM's text, JSON manifest); `models/current` names the one
in use and is swapped atomically. Events that came after training are overlaid at reading, since a
user's history comes from the store.
"""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import UNREADABLE, StoreError
from limner.core.interactions import Interactions
from limner.core.progress import Progress, Quiet
from limner.core.schema import Scale
from limner.rank.activity import Activity, fit_activity, load_activity
from limner.rank.channels import (
    HALF_LIVES,
    Catalogue,
    Channels,
    Statistics,
    around,
    catalogue_of,
    fit_channels,
    next_item,
    next_short,
    widened,
)
from limner.rank.features import batches, tabulate
from limner.rank.fusion import Fusion, Method, TrainingExamples, learn, load_fusion
from limner.rank.ratings import Rated, Ratings, fit_ratings, load_ratings
from limner.rank.training_queries import How, Query, training_queries
from limner.retrieve import Collaborative, EventStream, History, PopularChannel, RecentChannel

if TYPE_CHECKING:
    import scipy.sparse as sp

CURRENT = "current"
SHORTLIST = 100
"""Items of a moment of the past that are kept."""
MIN_QUERIES = 50
"""Questions with an answer among their candidates below which nothing is learned, and fixed weights
order.
"""


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
    now: float
    span: float


@dataclass(frozen=True)
class EvaluationPoint:
    """A user at a moment of the past, ordered for by a fusion that did not see them."""

    user_id: str
    history: int
    """Of the user's events that name an item, how many came before."""
    order: list[str]
    """Item ids, best first, at most `SHORTLIST`."""
    relevant: frozenset[str]
    """What the user had next."""


@dataclass(frozen=True)
class Model:
    """Fitted channels and, where there was enough to learn from, their fusion."""

    manifest: Manifest
    channels: Channels
    fusion: Fusion | None = None
    ratings: Ratings | None = None
    activity: Activity | None = None
    """None where events have no times."""
    past: Sequence[EvaluationPoint] = ()
    """For measuring what a language model adds; one a user, in random order. Not saved."""

    @property
    def item_ids(self) -> list[str]:
        return self.channels.item_ids

    @property
    def positions(self) -> dict[str, int]:
        return self.channels.positions

    def is_fresh(self, item_id: str) -> bool:
        """Whether nobody had the item when the channels were fitted."""
        at = self.positions.get(item_id)
        return at is None or bool(self.channels.is_fresh[at])

    def over(self, item_ids: Sequence[str], catalogue: Catalogue) -> "Model":
        """The same model over a catalogue that came to have more items; they stand after those it
        was trained on.
        """
        users = self.manifest.users
        ratings = self.ratings.over(len(item_ids)) if self.ratings else None
        return replace(
            self, channels=widened(self.channels, list(item_ids), catalogue, users), ratings=ratings
        )

    def probability(
        self, score: NDArray[np.float64], histories: Sequence[History]
    ) -> NDArray[np.float64]:
        """[users, candidates] of an interaction in the stretch that lessons ask about, of fused
        scores: that the user does anything in it, times that the item is among it if so. NaN where
        nothing was learned.
        """
        if self.fusion is None:
            return np.full_like(score, np.nan)
        given = self.fusion.probability(score)
        return (
            given
            if self.activity is None
            else given * self.activity.probability(histories)[:, None]
        )

    def ratings_of(
        self, rated: Sequence[tuple[str, float]], item_ids: Sequence[str]
    ) -> dict[str, float]:
        """The rating that a user would give to each item, from the (item id, place on the scale)
        that they gave.

        Empty where nothing was learned of ratings or the user gave none; items that are not known
        are left out.
        """
        own = [(self.positions[item], place) for item, place in rated if item in self.positions]
        asked = [item for item in item_ids if item in self.positions]
        if self.ratings is None or not own or not asked:
            return {}
        given = Rated(
            np.array([at for at, _ in own], dtype=np.int64), np.array([place for _, place in own])
        )
        at = np.array([self.positions[item] for item in asked], dtype=np.int64)
        found = self.ratings.predict(given, self.channels.catalogue.facets, at)
        return {item: round(float(value), 2) for item, value in zip(asked, found, strict=True)}

    def history(
        self, events: Sequence[tuple[str, float]], times: Sequence[int] | None = None
    ) -> History:
        """From (item id, signal), oldest first, and their times where known (epoch milliseconds,
        NO_TIME where one has none); items that came after training are left out.
        """
        known = [
            (self.positions[item], signal) for item, signal in events if item in self.positions
        ]
        return History(
            np.array([at for at, _ in known], dtype=np.int64),
            np.array([s for _, s in known], dtype=np.float32),
            time=None if times is None else np.array(times, dtype=np.int64),
        )


def fit(
    x: Interactions,
    signal: NDArray[np.float32],
    catalogue: Catalogue | None = None,
    *,
    how: How = "time",
    method: Method = "lightgbm",
    seed: int = 0,
    rated: tuple[NDArray[np.float64], Scale] | None = None,
    muted: frozenset[str] = frozenset(),
    progress: Progress | None = None,
) -> Model:
    """Fit channels and fusion on events and their signals [n], sorted by (user, time); nothing
    stored.

    rated: places [n] on the scale, NaN where an event is no rating, and the scale that predictions
    are told on. muted: channels and columns to do without, see `Channels`.
    """
    began = time.monotonic()
    say = progress or Quiet()
    catalogue = catalogue or catalogue_of(x.item_ids)
    fusion, past = _learn(x, signal, catalogue, how, method, seed, muted, say)
    say.start("training channels", 1)
    channels = fit_channels(x, signal, catalogue, muted)
    say.done()
    manifest = Manifest(
        version=0,
        last_seq=int(x.seq.max(initial=0)),
        users=len(np.unique(x.user)),
        events=len(x),
        seconds=round(time.monotonic() - began, 3),
        method=channels.collaborative.method,
        now=channels.now,
        span=channels.span,
    )
    ratings = fit_ratings(x, rated[0], catalogue.facets, rated[1], seed) if rated else None
    activity = fit_activity(x, seed) if how == "time" else None
    return Model(manifest, channels, fusion, ratings, activity, past)


def _learn(
    x: Interactions,
    signal: NDArray[np.float32],
    catalogue: Catalogue,
    how: How,
    method: Method,
    seed: int,
    muted: frozenset[str],
    say: Progress,
) -> tuple[Fusion | None, list[EvaluationPoint]]:
    taught = [one for one in training_queries(x, signal, how, seed) if one.queries]
    if sum(len(one.queries) for one in taught) < MIN_QUERIES:
        return None, []
    say.start("learning from the past", sum(len(one.queries) for one in taught))
    columns, relevant, items = [], [], []
    asked: list[Query] = []
    found: list[str] = []
    for lesson in taught:
        channels = fit_channels(x.take(lesson.seen), signal[lesson.seen], catalogue, muted)
        for queries in batches(channels, lesson.queries):
            histories = [one.history for one in queries]
            table = tabulate(channels, histories, [one.items for one in histories])
            found = table.names
            columns.append(table.columns[table.items >= 0])
            for row, query in enumerate(queries):
                inside = table.items[row] >= 0
                if inside.any():
                    relevant.append(np.isin(table.items[row][inside], query.relevant))
                    items.append(table.items[row][inside])
                    asked.append(query)
            say.advance(len(queries))
    say.done()
    answered = np.array([one.any() for one in relevant], dtype=bool)
    if answered.sum() < MIN_QUERIES:
        return None, []
    say.start("fitting the fusion")
    group = np.array([len(one) for one in items])
    user = np.array([one.user for one in asked], dtype=np.int64)
    examples = TrainingExamples(
        np.concatenate(columns), np.concatenate(relevant), group, user, found
    )
    columns.clear()  # hundreds of megabytes that would lie beside the same again
    learned = learn(examples, method, seed)
    say.done()
    scores = np.split(learned.score, np.cumsum(group[learned.held])[:-1])
    held = [
        (asked[at], items[at], score)
        for at, score in zip(np.flatnonzero(learned.held), scores, strict=False)
        if answered[at]
    ]
    return learned.fusion, _moments(x, held, seed)


def _moments(
    x: Interactions, held: Sequence[tuple[Query, NDArray[np.int64], NDArray[np.float64]]], seed: int
) -> list[EvaluationPoint]:
    """One of each user, drawn at random, in random order, from questions with their candidates and
    scores.
    """
    drawn: dict[int, EvaluationPoint] = {}
    for at in np.random.default_rng(seed).permutation(len(held)):
        query, items, score = held[at]
        if query.user not in drawn:
            best = items[np.argsort(-score, kind="stable")][:SHORTLIST]
            drawn[query.user] = EvaluationPoint(
                x.user_ids[query.user],
                len(query.history.items),
                [x.item_ids[one] for one in best],
                frozenset(x.item_ids[one] for one in query.relevant),
            )
    return list(drawn.values())


# ---------------------------------------------------------------- folders


def train(
    x: Interactions,
    signal: NDArray[np.float32],
    folder: Path,
    catalogue: Catalogue | None = None,
    *,
    method: Method = "lightgbm",
    rated: tuple[NDArray[np.float64], Scale] | None = None,
    progress: Progress | None = None,
) -> Model:
    """Fit, save as the next version under `folder`, make it current, drop all but the one
    before.
    """
    model = fit(x, signal, catalogue, method=method, rated=rated, progress=progress)
    model = replace(
        model,
        manifest=replace(model.manifest, version=_newest(folder) + 1),
        channels=replace(
            model.channels, recent=tuple(one.from_now_on() for one in model.channels.recent)
        ),
    )
    _save(model, folder)
    for old in folder.glob("v*"):
        # A reader may be opening the version before this one.
        if old.name[1:].isdigit() and int(old.name[1:]) < model.manifest.version - 1:
            shutil.rmtree(old)
    return model


def _newest(folder: Path) -> int:
    return max(
        (int(one.name[1:]) for one in folder.glob("v*") if one.name[1:].isdigit()), default=0
    )


def _save(model: Model, folder: Path) -> None:
    target = folder / f"v{model.manifest.version}"
    part = folder / f".{target.name}.part"
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    part.mkdir(parents=True)
    held = model.channels
    arrays: dict[str, NDArray[np.generic]] = {
        "popular": held.popular.share,
        "vectors": held.catalogue.vectors,
        **{f"statistics_{name}": value for name, value in vars(held.statistics).items()},
    }
    stream = held.recent[0].stream
    arrays |= {f"stream_{name}": value for name, value in vars(stream).items()}
    for one in held.recent:
        arrays |= {one.name: one.heat, f"{one.name}_half_life": np.array(one.half_life)}
    for name, matrix in _sparse(held).items():
        arrays |= {f"{name}_{key}": getattr(matrix, key) for key in ("data", "indices", "indptr")}
        arrays[f"{name}_shape"] = np.array(matrix.shape)
    np.savez(part / "channels.npz", **arrays)  # type: ignore[arg-type]
    (part / "items.json").write_text(
        json.dumps(model.item_ids, ensure_ascii=False), encoding="utf-8"
    )
    (part / "manifest.json").write_text(
        json.dumps(vars(model.manifest), indent=2), encoding="utf-8"
    )
    if model.fusion is not None:
        model.fusion.save(part)
    if model.ratings is not None:
        model.ratings.save(part)
    if model.activity is not None:
        model.activity.save(part)
    part.rename(target)
    pointer = folder / f".{CURRENT}.part"
    pointer.write_text(target.name)
    pointer.replace(folder / CURRENT)


def _sparse(held: Channels) -> "dict[str, sp.csr_array]":
    return {
        "collaborative": held.collaborative.weights,
        "next_item": held.next_item.weights,
        "next_short": held.next_short.weights,
        "around": held.around.weights,
        "users": held.users,
        "facets": held.catalogue.facets,
        "postings": held.catalogue.postings,
    }


def current_version(folder: Path) -> str | None:
    try:
        return (folder / CURRENT).read_text().strip()
    except FileNotFoundError:
        return None


def load_model(folder: Path) -> Model | None:
    """The current model, None where nothing was trained. Raises StoreError where its folder is
    damaged.
    """
    name = current_version(folder)
    while name is not None:
        home = folder / name
        try:
            return _load(home)
        except UNREADABLE as error:
            newer = current_version(folder)
            if newer == name:
                why = (
                    f"The trained model in '{home}' is damaged ({error}); run `limner train` again."
                )
                raise StoreError(why) from error
            # a writer trained twice meanwhile, and dropped the version that was being read
            name = newer
    return None


def _load(home: Path) -> Model:
    """Raises StoreError or one of UNREADABLE where it is damaged."""
    item_ids: list[str] = json.loads((home / "items.json").read_text("utf-8"))
    manifest = Manifest(**json.loads((home / "manifest.json").read_text("utf-8")))
    with np.load(home / "channels.npz", allow_pickle=False) as arrays:
        channels = _channels(item_ids, manifest, {key: arrays[key] for key in arrays.files})
    return Model(manifest, channels, load_fusion(home), load_ratings(home), load_activity(home))


def _channels(
    item_ids: list[str], manifest: Manifest, arrays: dict[str, NDArray[np.generic]]
) -> Channels:
    import scipy.sparse as sp

    def sparse(name: str) -> "sp.csr_array":
        parts = [arrays[f"{name}_{key}"] for key in ("data", "indices", "indptr")]
        return sp.csr_array(tuple(parts), shape=tuple(arrays[f"{name}_shape"].tolist()))

    stream = EventStream(
        np.asarray(arrays["stream_time"], dtype=np.int64),
        np.asarray(arrays["stream_item"], dtype=np.int32),
        np.asarray(arrays["stream_edges"], dtype=np.int64),
    )

    def recent(name: str) -> RecentChannel:
        heat = np.asarray(arrays[name], dtype=np.float32)
        return RecentChannel(heat, stream, float(arrays[f"{name}_half_life"].item()), name)

    return Channels(
        item_ids,
        PopularChannel(np.asarray(arrays["popular"], dtype=np.float32)),
        tuple(recent(name) for name in HALF_LIVES),
        Collaborative(sparse("collaborative"), manifest.method),
        next_item(sparse("next_item")),
        next_short(sparse("next_short")),
        around(sparse("around")),
        sparse("users"),
        Catalogue(
            sparse("facets"), np.asarray(arrays["vectors"], dtype=np.float32), sparse("postings")
        ),
        Statistics(
            np.asarray(arrays["statistics_log_share"], dtype=np.float32),
            np.asarray(arrays["statistics_mean_signal"], dtype=np.float32),
            np.asarray(arrays["statistics_first_seen"], dtype=np.float64),
        ),
        manifest.now,
        manifest.span,
    )
