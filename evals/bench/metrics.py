"""Metrics: every kernel on lists of 100,000 users, the accuracy metrics beside ranx and LensKit.

Our clock starts at integer arrays: [users, 100] lists of item positions and the relevant items as
CSR. The libraries run in `.venv-reference` (`make .venv-reference/.installed`) on the first
SHARED_USERS of such lists, and their clock starts at their own objects, ranx's Qrels and Run,
compiled before, and LensKit's item list collections; building those takes longer than measuring,
and is not counted. ranx uses both cores, the others one. Targets for 100,000 users: 3 s for
accuracy, 10 s with intervals and diversity, no slower than either library.
"""

import csv
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from limner.evals import metrics
from limner.evals.bench.harness import (
    REFERENCE_PYTHON,
    SEED,
    Report,
    in_turns,
    line,
    reference_times,
    timed,
)

USERS, SHARED_USERS, ITEMS, DEPTH, GENRES = 100_000, 5_000, 20_000, 100, 19


@dataclass(frozen=True)
class BenchLists:
    """`lists` [users, depth] without repeats, CSR of relevant items, `features` [items, genres]."""

    lists: NDArray[np.int64]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    features: NDArray[np.bool_]


@dataclass(frozen=True)
class MetricsFigures:
    """Measurements of one run; seconds are wall clock."""

    users: int
    depth: int
    accuracy_seconds: float
    """Hits and the seven list metrics."""
    interval_seconds: float
    """1,000 bootstrap rounds of all seven."""
    beyond_seconds: float
    """Coverage, novelty, diversity, popularity, Gini and serendipity."""
    paired_seconds: float
    """10,000 sign flips of one metric, and the interval of the difference."""
    shared_users: int
    shared_seconds: float
    """Our accuracy metrics on the lists that the libraries had."""
    ranx_seconds: float | None
    """None where the reference libraries are not installed."""
    lenskit_seconds: float | None


def reports(users: int = USERS, shared_users: int = SHARED_USERS) -> Iterator[Report]:
    yield report(run(users, shared_users))


def run(
    users: int = USERS, shared_users: int = SHARED_USERS, *, python: Path = REFERENCE_PYTHON
) -> MetricsFigures:
    """Make the lists and measure; the libraries only where `python` is there."""
    data, shared = make(users), make(shared_users)
    popularity = np.bincount(data.indices, minlength=ITEMS)
    accuracy_seconds, (hits, values) = timed(lambda: accuracy(data))
    interval_seconds, _ = timed(lambda: metrics.intervals(values))
    beyond_seconds, _ = timed(lambda: beyond(data, hits, popularity))
    ndcg = values[-1]
    paired_seconds, _ = timed(lambda: metrics.paired_test(ndcg, np.roll(ndcg, 1)))
    # The best of three, as of the libraries.
    shared_seconds = float(in_turns({"limner": lambda _: accuracy(shared)}, 3)["limner"].min())
    libraries = _libraries(shared, python) if python.exists() else {}
    return MetricsFigures(
        users,
        DEPTH,
        accuracy_seconds,
        interval_seconds,
        beyond_seconds,
        paired_seconds,
        shared_users,
        shared_seconds,
        libraries.get("ranx"),
        libraries.get("lenskit"),
    )


def report(figures: MetricsFigures) -> Report:
    total = figures.accuracy_seconds + figures.interval_seconds + figures.beyond_seconds
    return Report(
        f"metrics: {figures.users:,} users x {figures.depth} recommendations, from integer arrays",
        [
            line(
                "accuracy, 7 metrics",
                f"{figures.accuracy_seconds:.2f} s",
                "(target 3 s for 100,000 users)",
            ),
            line("+ intervals, 1,000 rounds", f"{figures.interval_seconds:.2f} s"),
            line(
                "+ coverage, diversity, ...",
                f"{figures.beyond_seconds:.2f} s",
                f"together {total:.2f} s (target 10 s)",
            ),
            line("paired test, 10,000 flips", f"{figures.paired_seconds:.2f} s"),
            f"accuracy on the same {figures.shared_users:,} lists, each from its own objects",
            line("limner, 7 metrics", f"{figures.shared_seconds:.3f} s"),
            _library_line("ranx, 7 metrics", figures.ranx_seconds, figures.shared_seconds),
            _library_line("LensKit, 6 metrics", figures.lenskit_seconds, figures.shared_seconds),
        ],
        figures,
    )


def _library_line(name: str, seconds: float | None, our_seconds: float) -> str:
    if seconds is None:
        return line(name, "", "not installed; run make .venv-reference/.installed")
    return line(name, f"{seconds:.3f} s", f"{seconds / our_seconds:6.0f} times as long")


def make(users: int, seed: int = SEED) -> BenchLists:
    """Long-tailed lists and relevant items, a twentieth of which are in the list."""
    random = np.random.default_rng(seed)
    start = (ITEMS * random.random(users) ** 2).astype(np.int64)
    # Odd strides and a catalogue that no small odd number divides: no list repeats an item.
    lists = (
        start[:, None] + np.arange(DEPTH) * (2 * random.integers(0, 40, users)[:, None] + 1)
    ) % (ITEMS - 1)
    counts = random.integers(1, 20, users)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    owner = np.repeat(np.arange(users), counts)
    nth = np.arange(len(owner)) - indptr[owner]
    from_list = random.random(len(owner)) < 0.05
    # Places 0..19 of the list, or items beyond those that are listed: distinct either way.
    elsewhere = (start[owner] + ITEMS // 2 + nth) % (ITEMS - 1)
    indices = np.where(from_list, lists[owner, nth * 5], elsewhere)
    return BenchLists(lists, indptr, indices, random.random((ITEMS, GENRES)) < 0.12)


def accuracy(data: BenchLists) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """(hits, [metrics, users] of every list metric at the full depth)."""
    hits = metrics.hit_matrix(data.lists, data.indptr, data.indices)
    counts = np.diff(data.indptr)
    return hits, np.stack(
        [kernel(hits, counts, DEPTH, "ours", None) for kernel in metrics.LIST_KERNELS.values()]
    )


def beyond(data: BenchLists, hits: NDArray[np.bool_], popularity: NDArray[np.int64]) -> None:
    """Compute every metric beyond accuracy at the full depth."""
    counts = np.diff(data.indptr)
    metrics.coverage(data.lists, ITEMS)
    metrics.gini(data.lists, ITEMS)
    metrics.novelty(data.lists, popularity / len(data.lists), DEPTH, users=len(data.lists))
    metrics.arp(data.lists, popularity, DEPTH)
    metrics.ild(data.lists, data.features, DEPTH)
    metrics.serendipity(data.lists, hits, counts, popularity, DEPTH)


def _libraries(data: BenchLists, python: Path) -> dict[str, float]:
    """Seconds of each reference library on the same lists."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        users, depth = data.lists.shape
        owner = np.repeat(np.arange(users), np.diff(data.indptr))
        _write(folder / "relevant.csv", ["user", "item"], [owner, data.indices])
        columns = [
            np.repeat(np.arange(users), depth),
            data.lists.ravel(),
            np.tile(np.arange(1, depth + 1), users),
        ]
        _write(folder / "lists.csv", ["user", "item", "rank"], columns)
        (folder / "shape.json").write_text(
            json.dumps({"users": users, "items": ITEMS, "ks": [depth]})
        )
        times = reference_times("times", folder, python)
    return {name: min(seconds) for name, seconds in times.items()}


def _write(file: Path, head: list[str], columns: list[NDArray[np.int64]]) -> None:
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(head)
        writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
