"""Ranking benchmark: training on a million events, and one user's recommendations beside implicit's
and RecTools'.

    python -m limner.evals.bench_rank [EVENTS]

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

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from limner.core.interactions import Interactions
from limner.core.schema import Item
from limner.evals.bench_ingest import peak_mib
from limner.facts import build_population
from limner.index.documents import plain_text
from limner.rank import catalogue_of, fit, order
from limner.rank.batch import history_batch
from limner.rank.model import Model
from limner.retrieve import ItemVectors, seen_matrix

if TYPE_CHECKING:
    import scipy.sparse as sp

EVENTS = 1_000_000
SHOPS = ((10_000, 0.2), (100_000, 1.0))
"""Items, and share of the events."""
GROUPS, DIMENSIONS, ASKED = 200, 256, 200
_SEED = 7
_DAY = 86_400_000
_ROOT = Path(__file__).resolve().parents[1]
_OTHERS = _ROOT / ".venv-reference" / "bin" / "python"
_SCRIPT = _ROOT / "tests" / "reference" / "libraries.py"


@dataclass(frozen=True)
class Shop:
    events: Interactions
    items: list[Item]
    vectors: ItemVectors


@dataclass(frozen=True)
class RankBench:
    """What one shop measured."""

    items: int
    users: int
    events: int
    training_seconds: float
    peak_mib: float
    """Of the whole process, the made shop included."""
    limner_ms: float
    """Median of one user's recommendations, CPU time, as all below."""
    limner_p95_ms: float
    others_ms: dict[str, float]
    """Median by library and method."""


def make(items: int, events: int, seed: int = _SEED) -> Shop:
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
    order_ = np.lexsort((moment, user))
    zeros = np.zeros(events, dtype=np.int16)
    x = Interactions(
        [f"u{at}" for at in range(users)],
        [f"i{at}" for at in range(items)],
        ["purchase"],
        ["made"],
        user[order_],
        item[order_],
        zeros,
        zeros,
        np.full(events, np.nan),
        (moment[order_] * 365 * _DAY).astype(np.int64),
        np.arange(1, events + 1),
    )
    shelf = [
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
    return Shop(x, shelf, ItemVectors(x.item_ids, vectors.astype(np.float32)))


def run(items: int, events: int, *, asked: int = ASKED, python: Path = _OTHERS) -> RankBench:
    """Generate, train and measure; RecTools only where `python` is there."""
    shop = make(items, events)
    signal = np.ones(len(shop.events), dtype=np.float32)
    began = time.perf_counter()
    population = build_population(shop.events, shop.items, signal)
    texts = [plain_text(one) for one in shop.items]
    model = fit(
        shop.events, signal, catalogue_of(shop.events.item_ids, population, shop.vectors, texts)
    )
    training = time.perf_counter() - began
    peak = peak_mib()
    users = np.random.default_rng(_SEED).choice(len(shop.events.user_ids), asked, replace=False)
    ours = _limner(model, shop.events, signal, users)
    others = _implicit(seen_matrix(shop.events), users)
    if python.exists():
        others |= _rectools(shop.events, users, python)
    return RankBench(
        items,
        len(shop.events.user_ids),
        len(shop.events),
        training,
        peak,
        float(np.median(ours)),
        float(np.quantile(ours, 0.95)),
        {name: float(np.median(one)) for name, one in others.items()},
    )


def table(bench: RankBench) -> str:
    """The figures as text."""
    lines = [
        f"ranking: {bench.items:,} items, {bench.users:,} users, {bench.events:,} events",
        (
            f"  training, embedding apart    {bench.training_seconds:8.1f} s  peak "
            f"{bench.peak_mib:,.0f} MiB"
        ),
        (
            f"  limner, fused                {bench.limner_ms:8.2f} ms  (95%: "
            f"{bench.limner_p95_ms:.2f} ms)"
        ),
    ]
    for name, value in bench.others_ms.items():
        lines.append(
            f"  {name:29}{value:8.2f} ms  limner takes {bench.limner_ms / value:.2g} times as long"
        )
    return "\n".join(lines)


def _limner(
    model: Model, x: Interactions, signal: NDArray[np.float32], users: NDArray[np.int64]
) -> NDArray[np.float64]:
    batch = history_batch(x, signal, model)
    histories = [batch.history(int(one)) for one in users]
    had = [frozenset(model.item_ids[at] for at in one.items) for one in histories]
    order(model, histories[0], n=10)  # what is made at the first request
    with threadpool_limits(1):  # threads that wait for work burn CPU, too
        return _times(lambda at: order(model, histories[at], exclude=had[at], n=10), len(users))


def _implicit(seen: "sp.csr_array", users: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    import scipy.sparse as sp
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender

    matrix = sp.csr_matrix(seen)
    found = {}
    with threadpool_limits(1):
        for name, model in (
            (
                "implicit, ALS",
                AlternatingLeastSquares(
                    factors=64, iterations=5, random_state=_SEED, num_threads=2
                ),
            ),
            ("implicit, item-item", CosineRecommender(K=100, num_threads=2)),
        ):
            model.fit(matrix, show_progress=False)
            model.num_threads = 1
            model.recommend(int(users[0]), matrix[users[0]], N=10)

            def one(at: int, model: object = model) -> object:
                return model.recommend(int(users[at]), matrix[users[at]], N=10)  # type: ignore[attr-defined]

            found[name] = _times(one, len(users))
    return found


def _rectools(
    x: Interactions, users: NDArray[np.int64], python: Path
) -> dict[str, NDArray[np.float64]]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        np.savez(folder / "events.npz", user=x.user, item=x.item, time=x.time, asked=users)
        subprocess.run(
            [str(python), "-W", "ignore", str(_SCRIPT), "recommend", scratch],
            check=True,
            capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        found: dict[str, list[float]] = json.loads((folder / "times.json").read_text())
    return {f"RecTools, {name}": np.array(one) for name, one in found.items()}


def _times(work: Callable[[int], object], count: int) -> NDArray[np.float64]:
    """[count] milliseconds of CPU of each call."""
    found = np.empty(count)
    for at in range(count):
        start = time.process_time()
        work(at)
        found[at] = 1000 * (time.process_time() - start)
    return found


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    for items, share in SHOPS:
        bench = run(items, round(share * events))
        sys.stdout.write(f"{table(bench)}\n{json.dumps(asdict(bench))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
