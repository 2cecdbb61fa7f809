"""A trained ranker: channels and learned fusion, as an immutable folder.

A trained model is `models/vN` (npz, LightGBM's text, JSON manifest); `models/current` names the one
in use and is swapped atomically. Events that came after training are overlaid at reading, since a
user's history comes from the store.
"""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from limner.core.atomic import replace_text
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
from limner.rank.features import CandidateTable, batches, tabulate
from limner.rank.fusion import Fusion, Learned, Method, TrainingExamples, learn, load_fusion
from limner.rank.ratings import Rated, Ratings, fit_ratings, load_ratings
from limner.rank.training_queries import How, Query, training_queries
from limner.retrieve import Collaborative, EventStream, History, PopularChannel, RecentChannel

if TYPE_CHECKING:
    import scipy.sparse as sp

CURRENT = "current"
_COUNTED = "counts alone"
"""Method of a model to which nothing was fitted."""
_LEARNED = frozenset(
    {"collaborative", "collaborative_5", "collaborative_all", "collaborative_liked"}
)
"""Channels that there are only after training."""
SHORTLIST = 100
"""Most items kept of an evaluation point."""
MIN_QUERIES = 50
"""Fewest training queries with an answer among their candidates; with fewer, no fusion is learned,
and fixed weights give the order.
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
    """Name of the method that fitted the collaborative channel."""
    now: float
    span: float


@dataclass(frozen=True)
class EvaluationPoint:
    """A user at an evaluation time, with the order given by a fusion that did not see the user."""

    user_id: str
    history: int
    """Number of the user's events with an item before that time."""
    order: list[str]
    """Item ids, best first, at most `SHORTLIST`."""
    relevant: frozenset[str]
    """Items that the user had after that time."""


@dataclass(frozen=True)
class Model:
    """Fitted channels and, where there was enough to learn from, their fusion."""

    manifest: Manifest
    channels: Channels
    fusion: Fusion | None = None
    ratings: Ratings | None = None
    activity: Activity | None = None
    """The model of who comes back; None where events have no times."""
    past: Sequence[EvaluationPoint] = ()
    """For measuring what reranking by a language model adds; one a user, in random order. Not
    saved.
    """

    @property
    def is_trained(self) -> bool:
        """Whether anything was fitted; else there are counts alone, see `untrained`."""
        return self.manifest.method != _COUNTED

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
        """This model over a catalogue with new items, which stand after those it was trained on."""
        users = self.manifest.users
        ratings = self.ratings.over(len(item_ids)) if self.ratings else None
        return replace(
            self, channels=widened(self.channels, list(item_ids), catalogue, users), ratings=ratings
        )

    def probability(
        self, score: NDArray[np.float64], histories: Sequence[History]
    ) -> NDArray[np.float64]:
        """[users, candidates] probability, from fused scores, of an interaction in the stretch that
        training queries ask about: that the user does anything in it, times that the item is among
        it if so. NaN where nothing was learned.
        """
        if self.fusion is None:
            return np.full_like(score, np.nan)
        if_active = self.fusion.probability(score)
        if self.activity is None:
            return if_active
        return if_active * self.activity.probability(histories)[:, None]

    def ratings_of(
        self, rated: Sequence[tuple[str, float]], item_ids: Sequence[str]
    ) -> dict[str, float]:
        """The rating that a user would give to each item, from the (item id, place on the scale)
        that they gave.

        Empty where nothing was learned of ratings or the user gave none; items that are not known
        are left out.
        """
        own = self._known(rated)
        asked = [item for item in item_ids if item in self.positions]
        if self.ratings is None or not own or not asked:
            return {}
        given = Rated(
            np.array([at for at, _ in own], dtype=np.int64), np.array([place for _, place in own])
        )
        at = np.array([self.positions[item] for item in asked], dtype=np.int64)
        predicted = self.ratings.predict(given, self.channels.catalogue.facets, at)
        return dict(zip(asked, (round(float(value), 2) for value in predicted), strict=True))

    def _known(self, values: Sequence[tuple[str, float]]) -> list[tuple[int, float]]:
        """(position, value) of the items that the model knows, from (item id, value)."""
        positions = self.positions
        return [(positions[item], value) for item, value in values if item in positions]

    def history(
        self, events: Sequence[tuple[str, float]], times: Sequence[int] | None = None
    ) -> History:
        """A history from (item id, signal), oldest first, and their times (epoch milliseconds,
        NO_TIME for none). Items added after training are left out.
        """
        known = self._known(events)
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
    """Fit channels and fusion on events and their signals [n], sorted by (user, time), without
    saving them.

    rated: places [n] on the scale, NaN where an event is no rating, and the scale of predictions.
    muted: channels and columns to do without, see `Channels`.
    """
    began = time.monotonic()
    progress = progress or Quiet()
    catalogue = catalogue or catalogue_of(x.item_ids)
    fusion, past = _learn(x, signal, catalogue, how, method, seed, muted, progress)
    progress.start("fitting the channels on all events")
    channels = fit_channels(x, signal, catalogue, muted)
    progress.done()
    manifest = _manifest(x, channels, began)
    ratings = fit_ratings(x, rated[0], catalogue.facets, rated[1], seed) if rated else None
    activity = fit_activity(x, seed) if how == "time" else None
    return Model(manifest, channels, fusion, ratings, activity, past)


def untrained(
    x: Interactions, signal: NDArray[np.float32], catalogue: Catalogue | None = None
) -> Model:
    """A model of what counting tells at once, for the time before the first training: what is
    popular, what follows what, who had the same, facets and words, in fixed weights.

    signal: of each event [n].
    """
    import scipy.sparse as sp

    began, items = time.monotonic(), len(x.item_ids)
    nothing = Collaborative(sp.csr_array((items, items), dtype=np.float32), _COUNTED)
    channels = fit_channels(x, signal, catalogue or catalogue_of(x.item_ids), _LEARNED, nothing)
    channels = replace(channels, recent=tuple(one.from_now_on() for one in channels.recent))
    return Model(_manifest(x, channels, began), channels)


def _manifest(x: Interactions, channels: Channels, began: float) -> Manifest:
    return Manifest(
        version=0,
        last_seq=int(x.seq.max(initial=0)),
        users=len(np.unique(x.user)),
        events=len(x),
        seconds=round(time.monotonic() - began, 3),
        method=channels.collaborative.method,
        now=channels.now,
        span=channels.span,
    )


def _learn(
    x: Interactions,
    signal: NDArray[np.float32],
    catalogue: Catalogue,
    how: How,
    method: Method,
    seed: int,
    muted: frozenset[str],
    progress: Progress,
) -> tuple[Fusion | None, list[EvaluationPoint]]:
    """The fusion learned from training queries, and evaluation points of users that it was tested
    on; (None, []) where there are too few queries with an answer among their candidates.
    """
    splits = [split for split in training_queries(x, signal, how, seed) if split.queries]
    query_count = sum(len(split.queries) for split in splits)
    if query_count < MIN_QUERIES:
        return None, []
    progress.start("learning from the past", query_count)
    answers: list[_QueryCandidates] = []
    columns: list[NDArray[np.float32]] = []
    names: list[str] = []
    for split in splits:
        channels = fit_channels(x.take(split.seen), signal[split.seen], catalogue, muted)
        for queries in batches(channels, split.queries):
            histories = [query.history for query in queries]
            table = tabulate(channels, histories, [history.items for history in histories])
            names = table.names
            columns.append(table.columns[table.items >= 0])
            answers += _candidates_of(queries, table)
            progress.advance(len(queries))
    progress.done()
    if sum(answer.is_answered for answer in answers) < MIN_QUERIES:
        return None, []
    progress.start("fitting the fusion")
    examples = _examples(answers, columns, names)
    columns.clear()  # hundreds of megabytes that `examples` has a copy of
    learned = learn(examples, method, seed)
    progress.done()
    return learned.fusion, _evaluation_points(x, answers, learned, seed)


@dataclass(frozen=True)
class _QueryCandidates:
    """The candidates of one training query."""

    query: Query
    items: NDArray[np.int64]
    """[candidates] positions."""
    relevant: NDArray[np.bool_]
    """[candidates]."""

    @property
    def is_answered(self) -> bool:
        return bool(self.relevant.any())


def _examples(
    answers: Sequence[_QueryCandidates], columns: Sequence[NDArray[np.float32]], names: list[str]
) -> TrainingExamples:
    return TrainingExamples(
        np.concatenate(columns),
        np.concatenate([answer.relevant for answer in answers]),
        np.array([len(answer.items) for answer in answers]),
        np.array([answer.query.user for answer in answers], dtype=np.int64),
        names,
    )


def _candidates_of(queries: Sequence[Query], table: CandidateTable) -> Iterator[_QueryCandidates]:
    """The candidates of each query that has any."""
    for query, row in zip(queries, table.items, strict=True):
        items = row[row >= 0]
        if len(items):
            yield _QueryCandidates(query, items, np.isin(items, query.relevant))


def _evaluation_points(
    x: Interactions, answers: Sequence[_QueryCandidates], learned: Learned, seed: int
) -> list[EvaluationPoint]:
    """One query with an answer of each held-out user, drawn at random, in random order."""
    tested = [answers[at] for at in np.flatnonzero(learned.held_out).tolist()]
    ends = np.cumsum([len(answer.items) for answer in tested])
    scores = np.split(learned.score, ends[:-1])
    answered = [pair for pair in zip(tested, scores, strict=False) if pair[0].is_answered]
    drawn: dict[int, EvaluationPoint] = {}
    for at in np.random.default_rng(seed).permutation(len(answered)):
        answer, score = answered[at]
        query = answer.query
        if query.user not in drawn:
            best = answer.items[np.argsort(-score, kind="stable")][:SHORTLIST]
            drawn[query.user] = EvaluationPoint(
                x.user_ids[query.user],
                len(query.history.items),
                [x.item_ids[item] for item in best],
                frozenset(x.item_ids[item] for item in query.relevant),
            )
    return list(drawn.values())


# ---------------------------------------------------------------- folders


def save(model: Model, folder: Path) -> Model:
    """Save a fitted model as the next version under `folder`, make it current, and delete all
    versions but this one and the one before. One process at a time. The model with its version.
    """
    model = replace(
        model,
        manifest=replace(model.manifest, version=_newest(folder) + 1),
        channels=replace(
            model.channels, recent=tuple(recent.from_now_on() for recent in model.channels.recent)
        ),
    )
    _save(model, folder)
    for old in folder.glob("v*"):
        # A reader may be opening the version before this one.
        if old.name[1:].isdigit() and int(old.name[1:]) < model.manifest.version - 1:
            shutil.rmtree(old)
    return model


def _newest(folder: Path) -> int:
    numbers = (path.name[1:] for path in folder.glob("v*"))
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def _save(model: Model, folder: Path) -> None:
    target = folder / f"v{model.manifest.version}"
    part = folder / f".{target.name}.part"
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    part.mkdir(parents=True)
    np.savez(part / "channels.npz", **_arrays(model.channels))  # type: ignore[arg-type]
    (part / "items.json").write_text(
        json.dumps(model.item_ids, ensure_ascii=False), encoding="utf-8"
    )
    (part / "manifest.json").write_text(
        json.dumps(vars(model.manifest), indent=2), encoding="utf-8"
    )
    for fitted in (model.fusion, model.ratings, model.activity):
        if fitted is not None:
            fitted.save(part)
    part.rename(target)
    replace_text(folder / CURRENT, target.name)


def _arrays(channels: Channels) -> dict[str, NDArray[np.generic]]:
    """The arrays from which `_channels` reads the fitted channels."""
    stream = channels.recent[0].stream
    arrays: dict[str, NDArray[np.generic]] = {
        "popular": channels.popular.share,
        "vectors": channels.catalogue.vectors,
        **{f"statistics_{name}": value for name, value in vars(channels.statistics).items()},
        **{f"stream_{name}": value for name, value in vars(stream).items()},
    }
    for recent in channels.recent:
        half_life = np.array(recent.half_life)
        arrays |= {recent.name: recent.heat, f"{recent.name}_half_life": half_life}
    for name, matrix in _sparse(channels).items():
        arrays |= {f"{name}_{key}": getattr(matrix, key) for key in ("data", "indices", "indptr")}
        arrays[f"{name}_shape"] = np.array(matrix.shape)
    return arrays


def _sparse(channels: Channels) -> "dict[str, sp.csr_array]":
    return {
        "collaborative": channels.collaborative.weights,
        "next_item": channels.next_item.weights,
        "next_short": channels.next_short.weights,
        "around": channels.around.weights,
        "users": channels.users,
        "facets": channels.catalogue.facets,
        "postings": channels.catalogue.postings,
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
                raise StoreError("training.damaged", folder=home, error=error) from error
            # a writer trained twice meanwhile, and dropped the version that was being read
            name = newer
    return None


def _load(home: Path) -> Model:
    """Read a saved model. Raises StoreError or one of UNREADABLE where it is damaged."""
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
