"""Our metrics beside what RecTools, LensKit, RecBole and ranx themselves say about the same lists.

The libraries run in `.venv-reference` (`make test` makes it), and exchange files: see
`libraries.py`.
"""

import csv
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from limner.evals import metrics
from limner.evals.metrics import LIST_KERNELS, Style

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("libraries.py")
USERS, ITEMS, DEPTH, FEATURES = 60, 40, 20, 6
KS = (1, 5, 10, 20)

pytestmark = [pytest.mark.slow, pytest.mark.reference]


@dataclass(frozen=True)
class Case:
    """Lists of every kind: empty, short, full; users with nothing relevant, with one item, with
    more than k.
    """

    lists: NDArray[np.int64]
    relevant: list[NDArray[np.int64]]
    history: list[NDArray[np.int64]]
    features: NDArray[np.int64]
    true: NDArray[np.float64]
    predicted: NDArray[np.float64]

    @property
    def indptr(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.counts)])

    @property
    def indices(self) -> NDArray[np.int64]:
        return np.concatenate(self.relevant)

    @property
    def counts(self) -> NDArray[np.int64]:
        return np.array([len(one) for one in self.relevant])

    @property
    def hits(self) -> NDArray[np.bool_]:
        return metrics.hit_matrix(self.lists, self.indptr, self.indices)

    @property
    def popularity(self) -> NDArray[np.int64]:
        """[items] how many users had each; the history names no item twice."""
        return np.bincount(np.concatenate(self.history), minlength=ITEMS)


def made(seed: int = 5) -> Case:
    random = np.random.default_rng(seed)
    lists = np.full((USERS, DEPTH), -1)
    relevant, history = [], []
    for user in range(USERS):
        length = 0 if user < 3 else int(random.integers(1, DEPTH)) if user < 25 else DEPTH
        lists[user, :length] = random.permutation(ITEMS)[:length]
        size = 0 if user % 10 == 4 else 1 if user % 3 == 0 else int(random.integers(2, ITEMS - 10))
        relevant.append(np.sort(random.permutation(ITEMS)[:size]))
        # Items 36 and up are new to everybody, and low numbers are popular.
        history.append(np.sort(np.flatnonzero(random.random(36) < np.linspace(0.9, 0.05, 36))))
    features = (random.random((ITEMS, FEATURES)) < 0.35).astype(np.int64)
    true = random.integers(1, 6, 50).astype(np.float64)
    # Eighths, since LensKit keeps scores in single precision.
    return Case(
        lists, relevant, history, features, true, true + np.round(8 * random.normal(0, 1, 50)) / 8
    )


def write(case: Case, folder: Path) -> None:
    def pairs(sets: list[NDArray[np.int64]]) -> Iterator[tuple[int, int]]:
        return ((user, int(item)) for user, one in enumerate(sets) for item in one)

    tables: dict[str, tuple[list[str], list[tuple[float, ...]]]] = {
        "lists": (
            ["user", "item", "rank"],
            [
                (u, int(i), r)
                for u, row in enumerate(case.lists)
                for r, i in enumerate(row, 1)
                if i >= 0
            ],
        ),
        "relevant": (["user", "item"], list(pairs(case.relevant))),
        "history": (["user", "item"], list(pairs(case.history))),
        "features": (
            ["item", *(f"f{at}" for at in range(FEATURES))],
            [(item, *row) for item, row in enumerate(case.features.tolist())],
        ),
        "ratings": (
            ["rating", "predicted"],
            list(zip(case.true.tolist(), case.predicted.tolist(), strict=True)),
        ),
    }
    for name, (head, rows) in tables.items():
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([head, *rows])
    (folder / "shape.json").write_text(json.dumps({"users": USERS, "items": ITEMS, "ks": KS}))


@pytest.fixture(scope="module")
def python() -> Path:
    found = Path(
        os.environ.get("LIMNER_REFERENCE_PYTHON", ROOT / ".venv-reference" / "bin" / "python")
    )
    if not found.exists():
        pytest.skip(
            "REFERENCE LIBRARIES ARE MISSING: run `make .venv-reference/.installed` to "
            "check metrics by them"
        )
    return found


@pytest.fixture(scope="module")
def case() -> Case:
    return made()


Values = dict[tuple[str, str, int], dict[int, float]]


@pytest.fixture(scope="module")
def theirs(python: Path, case: Case, tmp_path_factory: pytest.TempPathFactory) -> Values:
    """Value of each user by (library, metric, k); user -1 for a number over everybody."""
    folder = tmp_path_factory.mktemp("exchange")
    write(case, folder)
    done = subprocess.run(
        [str(python), "-W", "ignore", str(SCRIPT), "values", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: Values = {}
    with (folder / "values.csv").open() as file:
        for row in csv.DictReader(file):
            key = (row["library"], row["metric"], int(row["k"]))
            found.setdefault(key, {})[int(row["user"])] = float(row["value"] or "nan")
    return found


def agree(found: dict[int, float], ours: NDArray[np.float64], users: int) -> None:
    """The same value, or NaN, for each of so many users."""
    assert len(found) == users
    at = list(found)
    np.testing.assert_allclose(ours[at], [found[user] for user in at], rtol=0, atol=1e-9)


ASKED = sum(user % 10 != 4 for user in range(USERS))
FULL = sum(user % 10 != 4 for user in range(25, USERS))
LISTED = sum(user % 10 != 4 for user in range(3, USERS))


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("name", list(LIST_KERNELS))
def test_accuracy_in_each_style_is_the_librarys_own(
    theirs: Values, case: Case, name: str, k: int
) -> None:
    users: dict[Style, int] = {"rectools": ASKED, "lenskit": ASKED, "recbole": FULL}
    for style, asked in users.items():
        if (style, name) in {("lenskit", "f1"), ("recbole", "f1")}:
            continue
        ours = LIST_KERNELS[name](
            case.hits, case.counts, k, style, metrics.list_lengths(case.lists)
        )
        agree(theirs[style, name, k], ours, asked)


@pytest.mark.parametrize("k", KS)
def test_ranx_agrees_but_for_short_lists(theirs: Values, case: Case, k: int) -> None:
    lengths = metrics.list_lengths(case.lists)
    for name, kernel in LIST_KERNELS.items():
        # Its average precision is over all relevant documents.
        ours = kernel(case.hits, case.counts, k, "rectools" if name == "map" else "ours", lengths)
        agree(theirs["ranx", name, k], ours, LISTED)


@pytest.mark.parametrize("k", KS)
def test_ndcg_is_what_rectools_calls_achievable(theirs: Values, case: Case, k: int) -> None:
    agree(theirs["rectools", "ndcg achievable", k], metrics.ndcg(case.hits, case.counts, k), ASKED)


@pytest.mark.parametrize("k", KS)
def test_beyond_accuracy(theirs: Values, case: Case, k: int) -> None:
    share = case.popularity / USERS
    listed = USERS - 3
    agree(
        theirs["rectools", "novelty", k], metrics.novelty(case.lists, share, k, users=USERS), listed
    )
    arp = metrics.arp(case.lists, case.popularity, k)
    agree(theirs["rectools", "arp", k], arp, listed)
    agree(theirs["recbole", "arp", k], arp, FULL)
    found = theirs["rectools", "serendipity", k]
    surprise = metrics.serendipity(case.lists, case.hits, case.counts, case.popularity, k)
    # Theirs is 0 for users with nothing relevant.
    assert all(found[user] == 0 for user in found if not case.counts[user])
    agree({user: value for user, value in found.items() if case.counts[user]}, surprise, LISTED)
    found = theirs["rectools", "ild", k]
    diversity = metrics.ild(case.lists, case.features, k, "hamming")
    pairs = np.minimum(metrics.list_lengths(case.lists), k) > 1
    # Theirs is 0 for a list without a pair.
    assert all(found[user] == 0 and np.isnan(diversity[user]) for user in found if not pairs[user])
    agree(
        {user: value for user, value in found.items() if pairs[user]}, diversity, int(pairs.sum())
    )


@pytest.mark.parametrize("k", KS)
def test_numbers_over_everybody(theirs: Values, case: Case, k: int) -> None:
    full = case.lists[[user for user in range(25, USERS) if case.counts[user]]]
    compared: list[tuple[str, str, Callable[[], float]]] = [
        ("rectools", "coverage", lambda: metrics.coverage(case.lists, ITEMS, k)),
        ("recbole", "coverage", lambda: metrics.coverage(full, ITEMS, k)),
        ("recbole", "gini", lambda: metrics.gini(full, ITEMS, k)),
        ("lenskit", "gini", lambda: metrics.gini(case.lists, ITEMS, k)),
    ]
    for library, name, ours in compared:
        assert ours() == pytest.approx(theirs[library, name, k][-1], abs=1e-9), (library, name)


def test_errors_of_ratings(theirs: Values, case: Case) -> None:
    assert metrics.rmse(case.true, case.predicted) == pytest.approx(
        theirs["lenskit", "rmse", 0][-1], abs=1e-9
    )
    assert metrics.mae(case.true, case.predicted) == pytest.approx(
        theirs["lenskit", "mae", 0][-1], abs=1e-9
    )


def test_the_styles_differ_on_these_lists(case: Case) -> None:
    """So that agreement above cannot come from one formula passing for another."""
    lengths = metrics.list_lengths(case.lists)
    for name, differing in {"precision": 1, "recall": 1, "map": 2, "ndcg": 2}.items():
        values = [
            LIST_KERNELS[name](case.hits, case.counts, 10, style, lengths)
            for style in ("ours", "lenskit", "rectools")
        ]
        distinct = {np.nan_to_num(one, nan=-1.0).round(9).tobytes() for one in values}
        assert len(distinct) == differing + 1, name
