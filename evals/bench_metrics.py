"""Metrics benchmark: every kernel on lists of 100,000 users, and the accuracy metrics beside ranx
and LensKit.

    python -m limner.evals.bench_metrics [USERS] [SHARED_USERS]

Our clock starts at integer arrays: [users, 100] lists of item positions and the relevant items as
CSR. The libraries run in `.venv-reference` (`make .venv-reference/.installed`) on the first
SHARED_USERS of such lists, and their clock starts at their own objects, ranx's Qrels and Run,
compiled before, and LensKit's item list collections; building those takes longer than measuring,
and is not counted. ranx uses both cores, the others one. Targets for 100,000 users: 3 s for
accuracy, 10 s with intervals and diversity, no slower than either library.
"""

import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from limner.evals import metrics

USERS, SHARED_USERS, ITEMS, DEPTH, GENRES = 100_000, 5_000, 20_000, 100, 19
_SEED = 7
_T = TypeVar("_T")
_ROOT = Path(__file__).resolve().parents[1]
_OTHERS = _ROOT / ".venv-reference" / "bin" / "python"
_SCRIPT = _ROOT / "tests" / "reference" / "libraries.py"


@dataclass(frozen=True)
class BenchLists:
    """`lists` [users, depth] without repeats, CSR of relevant items, `features` [items, genres]."""

    lists: NDArray[np.int64]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    features: NDArray[np.bool_]


@dataclass(frozen=True)
class MetricsBench:
    """What one run measured; seconds are wall clock."""

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


def make(users: int, seed: int = _SEED) -> BenchLists:
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
        [one(hits, counts, DEPTH, "ours", None) for one in metrics.LIST_KERNELS.values()]
    )


def beyond(data: BenchLists, hits: NDArray[np.bool_], popularity: NDArray[np.int64]) -> None:
    counts = np.diff(data.indptr)
    metrics.coverage(data.lists, ITEMS)
    metrics.gini(data.lists, ITEMS)
    metrics.novelty(data.lists, popularity / len(data.lists), DEPTH, users=len(data.lists))
    metrics.arp(data.lists, popularity, DEPTH)
    metrics.ild(data.lists, data.features, DEPTH)
    metrics.serendipity(data.lists, hits, counts, popularity, DEPTH)


def run(
    users: int = USERS, shared_users: int = SHARED_USERS, *, python: Path = _OTHERS
) -> MetricsBench:
    """Generate and measure; the libraries only where `python` is there."""
    data, small = make(users), make(shared_users)
    popularity = np.bincount(data.indices, minlength=ITEMS)
    accuracy_seconds, (hits, values) = _clock(lambda: accuracy(data))
    interval_seconds, _ = _clock(lambda: metrics.intervals(values))
    beyond_seconds, _ = _clock(lambda: beyond(data, hits, popularity))
    ndcg = values[-1]
    paired_seconds, _ = _clock(lambda: metrics.paired_test(ndcg, np.roll(ndcg, 1)))
    shared_seconds = min(_clock(lambda: accuracy(small))[0] for _ in range(3))
    theirs = _libraries(small, python) if python.exists() else {}
    return MetricsBench(
        users,
        DEPTH,
        accuracy_seconds,
        interval_seconds,
        beyond_seconds,
        paired_seconds,
        shared_users,
        shared_seconds,
        theirs.get("ranx"),
        theirs.get("lenskit"),
    )


def table(bench: MetricsBench) -> str:
    """The figures as text."""
    total = bench.accuracy_seconds + bench.interval_seconds + bench.beyond_seconds
    lines = [
        f"metrics: {bench.users:,} users x {bench.depth} recommendations, from integer arrays",
        (
            f"  accuracy, 7 metrics          {bench.accuracy_seconds:8.2f} s  (target 3 s "
            "for 100,000 users)"
        ),
        f"  + intervals, 1,000 rounds    {bench.interval_seconds:8.2f} s",
        (
            f"  + coverage, diversity, ...   {bench.beyond_seconds:8.2f} s  together "
            f"{total:.2f} s (target 10 s)"
        ),
        f"  paired test, 10,000 flips    {bench.paired_seconds:8.2f} s",
        f"accuracy on the same {bench.shared_users:,} lists, each from its own objects",
        f"  limner, 7 metrics            {bench.shared_seconds:8.3f} s",
    ]
    for name, seconds in (
        ("ranx, 7 metrics", bench.ranx_seconds),
        ("LensKit, 6 metrics", bench.lenskit_seconds),
    ):
        if seconds is None:
            lines.append(f"  {name:29}not installed; run make .venv-reference/.installed")
        else:
            lines.append(
                f"  {name:29}{seconds:8.3f} s  {seconds / bench.shared_seconds:6.0f} times as long"
            )
    return "\n".join(lines)


def _libraries(data: BenchLists, python: Path) -> dict[str, float]:
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
        subprocess.run(
            [str(python), "-W", "ignore", str(_SCRIPT), "times", scratch],
            check=True,
            capture_output=True,
        )
        found: dict[str, float] = json.loads((folder / "times.json").read_text())
    return found


def _write(file: Path, head: list[str], columns: list[NDArray[np.int64]]) -> None:
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(head)
        writer.writerows(zip(*(one.tolist() for one in columns), strict=True))


def _clock(work: Callable[[], _T]) -> tuple[float, _T]:
    start = time.perf_counter()
    made = work()
    return time.perf_counter() - start, made


def main() -> None:
    bench = run(*(int(argument) for argument in sys.argv[1:3]))
    sys.stdout.write(f"{table(bench)}\n{json.dumps(asdict(bench))}\n")


if __name__ == "__main__":
    main()
