"""Ranking: training on a million events, and one user's recommendations beside implicit's and
RecTools'.

Two made shops: 10,000 items with a fifth of the events, 100,000 items with all of them (1,000,000).
Users have tastes (a few of many groups of items), popularity has a long tail and moves with time.
Vectors of items' texts are made too, so that training is timed without embedding. Recommendations
are the ten best new items of one user at a time, without reasons, on one thread, by its CPU time.
implicit's are ALS (64 factors) and item-item cosine (100 neighbours), `recommend` with its filter
of what the user had; RecTools' are the same two of implicit and EASE where its matrix fits,
`recommend` of one user, in `.venv-reference` where that is installed. The ratios are what to
compare between machines; the targets are 10 minutes for a million events on two cores, 5 ms at
10,000 items and 20 ms at 100,000.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from limner.core.interactions import Interactions
from limner.core.schema import Item
from limner.evals.bench.harness import (
    REFERENCE_PYTHON,
    SEED,
    Report,
    in_turns,
    line,
    peak_mib,
    reference_times,
    timed,
)
from limner.facts import build_population
from limner.index.documents import plain_text
from limner.rank import catalogue_of, fit, order
from limner.rank.batch import history_batch
from limner.rank.model import Model
from limner.retrieve import ItemVectors, seen_matrix

EVENTS = 1_000_000
SHOPS = ((10_000, 0.2), (100_000, 1.0))
"""Items, and share of the events."""
GROUPS, DIMENSIONS, ASKED = 200, 256, 200
_BLOCK = 50
"""Users that one library answers for before the next has its turn."""
_DAY = 86_400_000

Recommend = Callable[[int], object]
"""Recommends to the user at a place among those who are asked."""


@dataclass(frozen=True)
class MadeShop:
    events: Interactions
    items: list[Item]
    vectors: ItemVectors


@dataclass(frozen=True)
class RankFigures:
    """Measurements of one shop."""

    items: int
    users: int
    events: int
    training_seconds: float
    peak_mib: float
    """Peak memory of the whole process, with the made shop, in MiB."""
    limner_ms: float
    """Median milliseconds of one user's recommendations. All times of this class are CPU time."""
    limner_p95_ms: float
    others_ms: dict[str, float]
    """Median by library and method."""


def reports(events: int = EVENTS) -> Iterator[Report]:
    for items, share in SHOPS:
        yield report(run(items, round(share * events)))


def run(
    items: int, events: int, *, asked: int = ASKED, python: Path = REFERENCE_PYTHON
) -> RankFigures:
    """Make a shop, train and measure; RecTools only where `python` is there."""
    shop = make(items, events)
    signal = np.ones(len(shop.events), dtype=np.float32)
    training_seconds, model = timed(lambda: _train(shop, signal))
    peak = peak_mib()
    users = np.random.default_rng(SEED).choice(len(shop.events.user_ids), asked, replace=False)
    ours = _limner(model, shop.events, signal, users)
    contenders = {"limner": ours, **_implicit(shop.events, users)}
    with threadpool_limits(1):  # threads that wait for work burn CPU, too
        seconds = in_turns(contenders, len(users), block=_BLOCK, clock=process_time)
    milliseconds = {name: 1000 * spent for name, spent in seconds.items()}
    limner_ms = milliseconds.pop("limner")
    if python.exists():
        milliseconds |= _rectools(shop.events, users, python)
    return RankFigures(
        items,
        len(shop.events.user_ids),
        len(shop.events),
        training_seconds,
        peak,
        float(np.median(limner_ms)),
        float(np.quantile(limner_ms, 0.95)),
        {name: float(np.median(spent)) for name, spent in milliseconds.items()},
    )


def report(figures: RankFigures) -> Report:
    return Report(
        f"ranking: {figures.items:,} items, {figures.users:,} users, {figures.events:,} events",
        [
            line(
                "training, embedding apart",
                f"{figures.training_seconds:.1f} s",
                f"peak {figures.peak_mib:,.0f} MiB",
            ),
            line(
                "limner, fused",
                f"{figures.limner_ms:.2f} ms",
                f"(95%: {figures.limner_p95_ms:.2f} ms)",
            ),
            *(
                line(
                    name,
                    f"{median:.2f} ms",
                    f"limner takes {figures.limner_ms / median:.2g} times as long",
                )
                for name, median in figures.others_ms.items()
            ),
        ],
        figures,
    )


def make(items: int, events: int, seed: int = SEED) -> MadeShop:
    """A shop of a year: each user likes three groups of items, and buys mostly what is in fashion
    there.
    """
    random = np.random.default_rng(seed)
    users = max(events // 20, 1)
    group = random.integers(0, GROUPS, items)
    by_group = np.argsort(group, kind="stable")
    first = np.searchsorted(group[by_group], np.arange(GROUPS + 1))
    liked = random.integers(0, GROUPS, (users, 3))
    user = np.sort((users * random.random(events) ** 1.3).astype(np.int32))
    of = liked[user, random.integers(0, 3, events)]
    of = np.where(random.random(events) < 0.2, random.integers(0, GROUPS, events), of)
    moment = random.random(events)
    # The head of each group moves through it in the course of the year.
    size = np.maximum(first[of + 1] - first[of], 1)
    nth = (size * (random.random(events) ** 3 + moment / 2)).astype(np.int64) % size
    item = by_group[np.minimum(first[of] + nth, items - 1)].astype(np.int32)
    by_time = np.lexsort((moment, user))
    zeros = np.zeros(events, dtype=np.int16)
    x = Interactions(
        [f"u{at}" for at in range(users)],
        [f"i{at}" for at in range(items)],
        ["purchase"],
        ["made"],
        user[by_time],
        item[by_time],
        zeros,
        zeros,
        np.full(events, np.nan),
        (moment[by_time] * 365 * _DAY).astype(np.int64),
        np.arange(1, events + 1),
    )
    items_made = [
        Item(
            item_id=f"i{at}",
            title=f"Thing {at}",
            categories=[f"Group {group[at]:03d}"],
            attributes={"brand": f"Brand {at % 997}", "colour": f"Colour {at % 11}"},
        )
        for at in range(items)
    ]
    centres = random.normal(size=(GROUPS, DIMENSIONS))
    vectors = centres[group] + random.normal(size=(items, DIMENSIONS))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return MadeShop(x, items_made, ItemVectors(x.item_ids, vectors.astype(np.float32)))


def _train(shop: MadeShop, signal: NDArray[np.float32]) -> Model:
    population = build_population(shop.events, shop.items, signal)
    texts = [plain_text(item) for item in shop.items]
    catalogue = catalogue_of(shop.events.item_ids, population, shop.vectors, texts)
    return fit(shop.events, signal, catalogue)


def _limner(
    model: Model, x: Interactions, signal: NDArray[np.float32], users: NDArray[np.int64]
) -> Recommend:
    batch = history_batch(x, signal, model)
    histories = [batch.history(int(user)) for user in users]
    had = [frozenset(model.item_ids[item] for item in history.items) for history in histories]

    def recommend(at: int) -> object:
        return order(model, histories[at], exclude=had[at], n=10)

    recommend(0)  # what is made at the first request
    return recommend


def _implicit(x: Interactions, users: NDArray[np.int64]) -> dict[str, Recommend]:
    """implicit's models, trained on the same events, by name."""
    import scipy.sparse as sp
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender

    matrix = sp.csr_matrix(seen_matrix(x))

    def recommender(model: Any) -> Recommend:
        model.fit(matrix, show_progress=False)
        model.num_threads = 1

        def recommend(at: int) -> object:
            return model.recommend(int(users[at]), matrix[users[at]], N=10)

        recommend(0)
        return recommend

    with threadpool_limits(1):
        models = {
            "implicit, ALS": AlternatingLeastSquares(
                factors=64, iterations=5, random_state=SEED, num_threads=2
            ),
            "implicit, item-item": CosineRecommender(K=100, num_threads=2),
        }
        return {name: recommender(model) for name, model in models.items()}


def _rectools(
    x: Interactions, users: NDArray[np.int64], python: Path
) -> dict[str, NDArray[np.float64]]:
    """[users] milliseconds of CPU of each of RecTools' models."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        np.savez(folder / "events.npz", user=x.user, item=x.item, time=x.time, asked=users)
        times = reference_times("recommend", folder, python, threads=1)
    return {f"RecTools, {name}": np.array(spent) for name, spent in times.items()}
