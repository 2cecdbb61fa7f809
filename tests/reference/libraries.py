"""What RecTools, LensKit, RecBole and ranx say about the same lists; runs in an environment of its
own.

    .venv-reference/bin/python libraries.py values FOLDER
    .venv-reference/bin/python libraries.py times FOLDER
    .venv-reference/bin/python libraries.py recommend FOLDER

FOLDER holds `lists.csv` (user, item, rank from 1), `relevant.csv` and `history.csv` (user, item),
`features.csv` (item, then 0/1 columns), `ratings.csv` (user, item, rating, predicted) and
`shape.json` (users, items, ks). `values` writes `values.csv` (library, metric, k, user, value; user
-1 for a number over everybody), `times` needs only lists and relevant items and writes
`times.json`, seconds. `recommend` needs only `events.npz` (user, item, time, asked) and writes
`times.json`, by method the milliseconds of CPU of ten items for each user asked.
"""

import importlib.util
import json
import os
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from ranx import Qrels, Run
    from rectools.dataset import Dataset

Row = tuple[str, str, int, int, float]
EVERYBODY = -1


def main() -> None:
    mode, folder = sys.argv[1], Path(sys.argv[2])
    if mode == "times":
        (folder / "times.json").write_text(
            json.dumps({"ranx": time_ranx(folder), "lenskit": time_lenskit(folder)})
        )
        return
    if mode == "recommend":
        (folder / "times.json").write_text(json.dumps(time_recommending(folder)))
        return
    rows = [*rectools(folder), *lenskit(folder), *recbole(folder), *ranx(folder)]
    frame = pd.DataFrame(rows, columns=["library", "metric", "k", "user", "value"])
    frame.to_csv(folder / "values.csv", index=False, float_format="%.17g")


class Shape(TypedDict):
    users: int
    items: int
    ks: list[int]


def shape(folder: Path) -> Shape:
    found: Shape = json.loads((folder / "shape.json").read_text())
    return found


def ranked(folder: Path) -> dict[int, list[int]]:
    """Each user's items, best first; users with an empty list are not in it."""
    return by_user(pd.read_csv(folder / "lists.csv").sort_values(["user", "rank"]))


def relevant(folder: Path) -> dict[int, list[int]]:
    return by_user(pd.read_csv(folder / "relevant.csv").sort_values("user", kind="stable"))


def by_user(rows: pd.DataFrame) -> dict[int, list[int]]:
    """The items of each user, both in the order of the rows."""
    found: dict[int, list[int]] = {}
    for user, item in zip(rows["user"].to_list(), rows["item"].to_list(), strict=True):
        found.setdefault(user, []).append(item)
    return found


def rectools(folder: Path) -> Iterator[Row]:
    from rectools import metrics as m

    names = {"user": "user_id", "item": "item_id"}
    reco, test, past = (
        pd.read_csv(folder / f"{name}.csv").rename(columns=names)
        for name in ("lists", "relevant", "history")
    )
    catalog = np.arange(shape(folder)["items"])
    distances = m.PairwiseHammingDistanceCalculator(
        pd.read_csv(folder / "features.csv").set_index("item")
    )
    for k in shape(folder)["ks"]:
        per_user = {
            "precision": m.Precision(k).calc_per_user(reco, test),
            "recall": m.Recall(k).calc_per_user(reco, test),
            "f1": m.F1Beta(k).calc_per_user(reco, test),
            "hit": m.HitRate(k).calc_per_user(reco, test),
            "mrr": m.MRR(k).calc_per_user(reco, test),
            "map": m.MAP(k).calc_per_user(reco, test),
            "ndcg": m.NDCG(k).calc_per_user(reco, test),
            "ndcg achievable": m.NDCG(k, divide_by_achievable=True).calc_per_user(reco, test),
            "novelty": m.MeanInvUserFreq(k).calc_per_user(reco, past),
            "arp": m.AvgRecPopularity(k).calc_per_user(reco, past),
            "serendipity": m.Serendipity(k).calc_per_user(reco, test, past, catalog),
            "ild": m.IntraListDiversity(k, distances).calc_per_user(reco),
        }
        for name, values in per_user.items():
            yield from (
                ("rectools", name, k, int(user), float(value)) for user, value in values.items()
            )
        yield (
            "rectools",
            "coverage",
            k,
            EVERYBODY,
            m.CatalogCoverage(k, normalize=True).calc(reco, catalog),
        )


def stand_in_for_torch() -> None:
    """LensKit and RecBole import torch for their models; what their modules touch at import is
    this.
    """
    torch = types.ModuleType("torch")
    vars(torch).update(
        Tensor=type("Tensor", (), {}), jit=types.SimpleNamespace(ignore=lambda function: function)
    )
    sys.modules["torch"] = torch


def lenskit(folder: Path) -> Iterator[Row]:
    stand_in_for_torch()
    from lenskit import metrics as m
    from lenskit.data import ItemList
    from lenskit.metrics.ranking import AveragePrecision

    lists, wanted = ranked(folder), relevant(folder)
    users, items = shape(folder)["users"], shape(folder)["items"]
    outputs = [
        ItemList(item_ids=np.array(lists.get(user, []), dtype=np.int64), ordered=True)
        for user in range(users)
    ]
    tests = [
        ItemList(item_ids=np.array(wanted.get(user, []), dtype=np.int64)) for user in range(users)
    ]
    kinds = {
        "precision": m.Precision,
        "recall": m.Recall,
        "hit": m.Hit,
        "mrr": m.RecipRank,
        "ndcg": m.NDCG,
        "map": AveragePrecision,
    }
    for k in shape(folder)["ks"]:
        for name, kind in kinds.items():
            metric = kind(n=k)
            for user, (output, test) in enumerate(zip(outputs, tests, strict=True)):
                # Without test items its precision is 0, its recall NaN, and its AveragePrecision
                # divides by zero.
                if len(test):
                    yield "lenskit", name, k, user, float(metric.measure_list(output, test))
        gini = m.ListGini(n=k, items=items)
        value = gini.global_aggregate(
            [gini.compute_list_data(output, None) for output in outputs if len(output)]
        )
        yield "lenskit", "gini", k, EVERYBODY, float(value)
    ratings = pd.read_csv(folder / "ratings.csv")
    pairs = ItemList(item_ids=np.arange(len(ratings)), scores=ratings["predicted"].to_numpy())
    truth = ItemList(item_ids=np.arange(len(ratings)), rating=ratings["rating"].to_numpy())
    yield "lenskit", "rmse", 0, EVERYBODY, float(m.RMSE().measure_list(pairs, truth))
    yield "lenskit", "mae", 0, EVERYBODY, float(m.MAE().measure_list(pairs, truth))


def recbole(folder: Path) -> Iterator[Row]:
    """Users with a full list and something relevant: RecBole knows no others."""
    m = recbole_metrics()
    lists, wanted = ranked(folder), relevant(folder)
    known = shape(folder)
    deepest = max(known["ks"])
    users = [user for user, items in lists.items() if len(items) >= deepest and user in wanted]
    top = np.array([lists[user][:deepest] for user in users])
    hits = np.array([np.isin(row, wanted[user]) for user, row in zip(users, top, strict=True)])
    sizes = np.array([len(wanted[user]) for user in users])
    counts = pd.read_csv(folder / "history.csv")["item"].value_counts().to_dict()
    config = {"topk": known["ks"], "metric_decimal_place": 20}
    kinds = {
        "precision": m.Precision,
        "hit": m.Hit,
        "mrr": m.MRR,
        "recall": m.Recall,
        "map": m.MAP,
        "ndcg": m.NDCG,
    }
    tables = {}
    for name, kind in kinds.items():
        needs = (hits, sizes) if name in ("recall", "map", "ndcg") else (hits,)
        tables[name] = kind(config).metric_info(*needs)
    popularity = m.AveragePopularity(config)
    tables["arp"] = popularity.metric_info(popularity.get_pop(top, counts))
    for k in known["ks"]:
        for name, table in tables.items():
            yield from (
                ("recbole", name, k, user, float(row[k - 1]))
                for user, row in zip(users, table, strict=True)
            )
        yield (
            "recbole",
            "gini",
            k,
            EVERYBODY,
            float(m.GiniIndex(config).get_gini(top[:, :k], known["items"])),
        )
        yield (
            "recbole",
            "coverage",
            k,
            EVERYBODY,
            float(m.ItemCoverage(config).get_coverage(top[:, :k], known["items"])),
        )


def recbole_metrics() -> types.ModuleType:
    """RecBole's own `evaluator/metrics.py`, without the packages around it, which want torch and
    scikit-learn.
    """
    stand_in_for_torch()
    vars(np)["float"] = float  # The name that numpy 1.24 took away.
    found = importlib.util.find_spec("recbole")
    assert found is not None and found.submodule_search_locations is not None
    root = Path(found.submodule_search_locations[0])
    for name in ("recbole", "recbole.evaluator", "recbole.utils"):
        package = types.ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    kinds = importlib.import_module("recbole.utils.enum_type")
    vars(sys.modules["recbole.utils"])["EvaluatorType"] = kinds.EvaluatorType
    learn = types.ModuleType("sklearn.metrics")
    vars(learn).update(auc=None, mean_absolute_error=None, mean_squared_error=None)
    sys.modules["sklearn"], sys.modules["sklearn.metrics"] = types.ModuleType("sklearn"), learn
    return importlib.import_module("recbole.evaluator.metrics")


def ranx(folder: Path) -> Iterator[Row]:
    """Users with a list and something relevant: its Qrels and Run hold no others."""
    # Compiling takes most of a minute, and these lists are small.
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    from ranx import evaluate

    qrels, run, users = ranx_objects(folder)
    names = {
        "precision": "precision",
        "recall": "recall",
        "f1": "f1",
        "hit": "hit_rate",
        "mrr": "mrr",
        "map": "map",
    }
    for k in shape(folder)["ks"]:
        for ours, theirs in {**names, "ndcg": "ndcg"}.items():
            evaluate(qrels, run, f"{theirs}@{k}")
            found = run.scores[f"{theirs}@{k}"]
            yield from (("ranx", ours, k, user, float(found[str(user)])) for user in users)


def ranx_objects(folder: Path) -> tuple["Qrels", "Run", list[int]]:
    from ranx import Qrels, Run

    lists, wanted = ranked(folder), relevant(folder)
    users = [user for user in lists if user in wanted]
    qrels = Qrels({str(user): {str(item): 1 for item in wanted[user]} for user in users})
    run = Run(
        {
            str(user): {str(item): 1 / rank for rank, item in enumerate(lists[user], 1)}
            for user in users
        }
    )
    return qrels, run, users


def time_ranx(folder: Path) -> float:
    """Best of three of the seven accuracy metrics, from Qrels and Run, compiled before."""
    from ranx import evaluate

    qrels, run, _ = ranx_objects(folder)
    k = max(shape(folder)["ks"])
    names = [
        f"{one}@{k}" for one in ("precision", "recall", "f1", "hit_rate", "mrr", "map", "ndcg")
    ]
    evaluate(qrels, run, names)
    return min(clock(lambda: evaluate(qrels, run, names)) for _ in range(3))


def time_lenskit(folder: Path) -> float:
    """The six accuracy metrics that it has, from item list collections."""
    stand_in_for_torch()
    from lenskit import metrics as m
    from lenskit.data import ItemList, ItemListCollection
    from lenskit.metrics.ranking import AveragePrecision

    k = max(shape(folder)["ks"])
    wanted = relevant(folder)
    lists = {
        user: ItemList(item_ids=np.array(one), ordered=True) for user, one in ranked(folder).items()
    }
    outputs = ItemListCollection.from_dict(lists, "user_id")
    tests = ItemListCollection.from_dict(
        {u: ItemList(item_ids=np.array(one)) for u, one in wanted.items()}, "user_id"
    )
    analysis = m.RunAnalysis()
    for kind in (m.Precision, m.Recall, m.Hit, m.RecipRank, AveragePrecision, m.NDCG):
        analysis.add_metric(kind(n=k))
    return clock(lambda: analysis.measure(outputs, tests))


def time_recommending(folder: Path) -> dict[str, list[float]]:
    """RecTools' `recommend` of one user at a time, on one thread."""
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender
    from rectools.dataset import Dataset
    from rectools.models import EASEModel, ImplicitALSWrapperModel, ImplicitItemKNNWrapperModel

    with np.load(folder / "events.npz") as held:
        asked = held["asked"].tolist()
        names = {
            "user_id": held["user"],
            "item_id": held["item"],
            "weight": np.ones(len(held["user"])),
        }
        frame = pd.DataFrame({**names, "datetime": pd.to_datetime(held["time"], unit="ms")})
    dataset = Dataset.construct(frame)
    models = {
        "ALS": ImplicitALSWrapperModel(
            AlternatingLeastSquares(factors=64, iterations=5, random_state=7, num_threads=1)
        ),
        "item-item": ImplicitItemKNNWrapperModel(CosineRecommender(K=100, num_threads=1)),
    }
    if frame["item_id"].nunique() <= 10_000:  # its matrix is dense
        models["EASE"] = EASEModel()
    return {
        name: [1000 * one for one in recommending(model, dataset, asked)]
        for name, model in models.items()
    }


class Recommender(Protocol):
    """What RecTools' models have in common, as far as it is called here."""

    def fit(self, dataset: "Dataset") -> object: ...

    def recommend(
        self, *, users: list[int], dataset: "Dataset", k: int, filter_viewed: bool
    ) -> object: ...


def recommending(model: Recommender, dataset: "Dataset", asked: list[int]) -> Iterator[float]:
    """Seconds of CPU for each user."""
    model.fit(dataset)
    for user in asked:
        start = time.process_time()
        model.recommend(users=[user], dataset=dataset, k=10, filter_viewed=True)
        yield time.process_time() - start


def clock(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
