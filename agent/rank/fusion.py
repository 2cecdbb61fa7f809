"""Learning to rank over the candidates' columns: LightGBM, or logistic regression; calibrated on
held-out users.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import StoreError
from limner.core.metrics import ece, ndcg
from limner.rank.features import CHANNEL_SIGNALS, told_by

if TYPE_CHECKING:
    import lightgbm

Floats = NDArray[np.float64]
Method = Literal["lightgbm", "logistic"]

ROUNDS = 100
_TREES = {
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "lambdarank_truncation_level": 20,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
}
"""Chosen on validation events of ML-100K and ml-latest-small."""
_BINS = 10
WORTH = (
    "next_item",
    "around",
    "collaborative",
    "similar_users",
    "recent",
    "latest",
    "popular",
    "facets",
    "content",
    "bm25",
    "prior",
)
_FEW_ROWS = 200_000
_SHUFFLED = 500
"""Questions by which what a channel adds is measured; each asks for a prediction of all their
candidates a channel.
"""


@dataclass(frozen=True)
class TrainingExamples:
    """Candidates of many queries, one after another."""

    columns: NDArray[np.float32]
    """[rows, features]."""
    relevant: NDArray[np.bool_]
    """[rows]."""
    group: NDArray[np.int64]
    """[queries] rows of each."""
    user: NDArray[np.int64]
    """[queries]."""
    names: list[str]

    @cached_property
    def answered(self) -> NDArray[np.bool_]:
        """[queries] whether anything relevant is among the candidates."""
        owner = np.repeat(np.arange(len(self.group)), self.group)
        return np.bincount(owner[self.relevant], minlength=len(self.group)) > 0

    def take(self, queries: NDArray[np.bool_]) -> "TrainingExamples":
        if queries.all():
            return self  # hundreds of megabytes, where there are many
        rows = np.repeat(queries, self.group)
        return TrainingExamples(
            self.columns[rows],
            self.relevant[rows],
            self.group[queries],
            self.user[queries],
            self.names,
        )


@dataclass(frozen=True)
class Calibration:
    """Platt scaling (1999): probability = 1 / (1 + exp(-(slope score + offset))), with its error on
    held-out users.
    """

    slope: float
    offset: float
    ece: float
    """Expected calibration error over ten bins of equal size, on users that neither trees nor
    scaling saw.
    """
    rows: int
    mean: float = math.nan
    """Probability told of a held-out candidate, on average."""
    share: float = math.nan
    """Of these candidates that were answers."""


NOTHING_TOLD = Calibration(1.0, 0.0, math.nan, 0)
"""Where too little was held out to calibrate by."""


@dataclass(frozen=True)
class Fusion:
    """Orders candidates by their columns, of which places are among the candidates: under a filter
    two items may come in another order.
    """

    method: Method
    names: list[str]
    boosters: "Sequence[lightgbm.Booster]"
    """LambdaMART and a classifier, each on its own scale; empty for logistic regression."""
    scales: list[float]
    """Standard deviation of each booster's raw score over the examples that it saw."""
    weights: list[float]
    """Of logistic regression: one a column, then the intercept."""
    centre: list[float]
    spread: list[float]
    calibration: Calibration
    queries: int
    """Questions with an answer among their candidates, which an order can be learned from."""
    asked: int
    """Those and the ones without, which count in the probabilities."""
    worth: dict[str, float]
    """ndcg@10 over the candidates of held-out users: of each column named in `WORTH` alone, of the
    prior, and as `fusion` of a fusion that those users were held out of.
    """
    adds: dict[str, float] = field(default_factory=dict)
    """By voice, what that fusion loses of its ndcg@10 where what the voice tells is shuffled among
    the candidates of each question (permutation importance; Breiman 2001, "Random Forests").
    """

    def score(self, columns: NDArray[np.float32]) -> Floats:
        """[rows] higher is better, of [rows, features] as `known` gives them."""
        if self.method == "logistic":
            filled = _standard(columns, np.array(self.centre), np.array(self.spread))
            return np.asarray(
                filled @ np.array(self.weights[:-1]) + self.weights[-1], dtype=np.float64
            )
        total = np.zeros(len(columns))
        for booster, scale in zip(self.boosters, self.scales, strict=True):
            total += np.asarray(booster.predict(columns, raw_score=True, num_threads=1)) / scale
        return total

    def known(self, columns: NDArray[np.float32], names: Sequence[str]) -> NDArray[np.float32]:
        """[rows, features] the columns that `score` takes, of others by name: those that were not
        learned from are left out, those that are missing are NaN. Vectors may have come or gone
        since, and a store may be older than its program.
        """
        if list(names) == self.names:
            return columns
        place = {name: at for at, name in enumerate(names)}
        found = np.full((len(columns), len(self.names)), np.nan, dtype=np.float32)
        for at, name in enumerate(self.names):
            if name in place:
                found[:, at] = columns[:, place[name]]
        return found

    def probability(self, score: Floats) -> Floats:
        """[rows] of an interaction with each item in the stretch that lessons ask about, given that
        the user does anything in it.
        """
        from scipy.special import expit

        return np.asarray(expit(self.calibration.slope * score + self.calibration.offset))

    def save(self, folder: Path) -> None:
        for number, booster in enumerate(self.boosters):
            booster.save_model(str(folder / f"fusion-{number}.txt"))
        head = {
            "method": self.method,
            "names": self.names,
            "scales": self.scales,
            "weights": self.weights,
            "centre": self.centre,
            "spread": self.spread,
            "calibration": asdict(self.calibration),
            "queries": self.queries,
            "asked": self.asked,
            "worth": self.worth,
            "adds": self.adds,
        }
        (folder / "fusion.json").write_text(json.dumps(head, indent=2), encoding="utf-8")


def load_fusion(folder: Path) -> Fusion | None:
    """None where nothing was learned. Raises StoreError, ValueError, KeyError or OSError where it
    is damaged.
    """
    if not (folder / "fusion.json").exists():
        return None
    head = json.loads((folder / "fusion.json").read_text("utf-8"))
    calibration = Calibration(**head.pop("calibration"))
    if head["method"] == "logistic":
        return Fusion(boosters=(), calibration=calibration, **head)
    try:
        import lightgbm
    except OSError as error:
        raise StoreError(
            f"LightGBM cannot be loaded ({error}); install libgomp, or run `limner train` again."
        ) from error
    files = [folder / f"fusion-{number}.txt" for number in range(len(head["scales"]))]
    try:
        boosters = [lightgbm.Booster(model_file=str(file)) for file in files]
    except lightgbm.basic.LightGBMError as error:
        raise StoreError(
            f"The learned fusion in '{folder}' is damaged; run `limner train` again."
        ) from error
    return Fusion(boosters=boosters, calibration=calibration, **head)


def usable(method: Method) -> Method:
    """The method itself, or logistic regression where LightGBM's library lacks one of the system's
    (libgomp).
    """
    if method == "lightgbm":
        try:
            import lightgbm  # noqa: F401
        except OSError:
            return "logistic"
    return method


@dataclass(frozen=True)
class Learned:
    """A fusion of every query, and the order that one made of queries it did not see."""

    fusion: Fusion
    held: NDArray[np.bool_]
    """[queries] of the users that were held out."""
    score: Floats
    """[rows of the held queries] by a fusion of the other queries."""


def learn(examples: TrainingExamples, method: Method = "lightgbm", seed: int = 0) -> Learned:
    """Fit on every query; calibrate with a second model that a fifth of the users was held out
    of.
    """
    method = usable(method)
    held = (
        np.random.default_rng(seed).random(int(examples.user.max(initial=0)) + 1)[examples.user]
        < 0.2
    )
    whole = _fit(examples, np.ones_like(held), method, seed)
    if not held.any() or held.all():
        return Learned(whole, np.zeros_like(held), np.empty(0))
    part = _fit(examples, ~held, method, seed)
    rest = examples.take(held)
    # Scores of the part model are put on the whole model's scale by their own spread.
    score = part.score(rest.columns)
    some = rest.take(rest.answered)
    worth = {
        name: _ndcg(some.columns[:, at], some)
        for at, name in enumerate(some.names)
        if name in WORTH
    }
    worth["fusion"] = _ndcg(score[np.repeat(rest.answered, rest.group)], some)
    calibration, adds = _calibrate(score, rest), _adds(part, some, seed)
    return Learned(replace(whole, calibration=calibration, worth=worth, adds=adds), held, score)


def _adds(fusion: Fusion, examples: TrainingExamples, seed: int) -> dict[str, float]:
    """By voice, see `Fusion.adds`; of queries with an answer that the fusion did not see."""
    random = np.random.default_rng(seed)
    asked = np.zeros(len(examples.group), dtype=bool)
    asked[random.permutation(len(asked))[:_SHUFFLED]] = True
    some = examples.take(asked)
    whole = _ndcg(fusion.score(some.columns), some)
    owner = np.repeat(np.arange(len(some.group)), some.group)
    # The same for all columns of a voice, so that they go on to agree with each other.
    other = np.lexsort((random.random(len(owner)), owner))
    found = {}
    for voice, told in CHANNEL_SIGNALS.items():
        own = [at for at, name in enumerate(some.names) if told_by(name) in told]
        if own:
            columns = some.columns.copy()
            columns[:, own] = columns[other][:, own]
            found[voice] = round(whole - _ndcg(fusion.score(columns), some), 4)
    return found


def _ndcg(score: NDArray[np.floating], examples: TrainingExamples) -> float:
    """Mean ndcg@10 over queries with an answer, each over its own candidates; NaN scores come
    last.
    """
    best = np.nan_to_num(score, nan=-np.inf)
    ends = np.cumsum(examples.group)
    hits = np.zeros((len(ends), 10), dtype=bool)
    relevant = np.zeros(len(ends), dtype=np.int64)
    for row, (begin, end) in enumerate(zip(ends - examples.group, ends, strict=True)):
        order = np.argsort(-best[begin:end], kind="stable")[:10]
        hits[row, : len(order)] = examples.relevant[begin:end][order]
        relevant[row] = examples.relevant[begin:end].sum()
    return round(float(ndcg(hits, relevant, 10).mean()), 4)


def _fit(examples: TrainingExamples, among: NDArray[np.bool_], method: Method, seed: int) -> Fusion:
    """`among` [queries]: those to learn from."""
    none = NOTHING_TOLD
    queries, asked = int((examples.answered & among).sum()), int(among.sum())
    if method == "logistic":
        from sklearn.linear_model import LogisticRegression

        rows = examples.take(among)
        centre = np.nanmean(rows.columns, axis=0)
        spread = np.maximum(np.nanstd(rows.columns, axis=0), 1e-6)
        model = LogisticRegression(C=0.1, max_iter=500)
        model.fit(_standard(rows.columns, centre, spread), rows.relevant)
        weights = [*model.coef_[0].tolist(), float(model.intercept_[0])]
        return Fusion(
            method,
            examples.names,
            (),
            [],
            weights,
            centre.tolist(),
            spread.tolist(),
            none,
            queries,
            asked,
            {},
        )
    # An order can only be learned where there is an answer; how likely one is, from all.
    ranker, ranked = _boost(examples.take(among & examples.answered), "lambdarank", seed)
    classifier, classed = _boost(examples.take(among), "binary", seed)
    scales = [ranked, classed]
    return Fusion(
        method, examples.names, (ranker, classifier), scales, [], [], [], none, queries, asked, {}
    )


def _boost(rows: TrainingExamples, objective: str, seed: int) -> "tuple[lightgbm.Booster, float]":
    """The trees, and the standard deviation of their raw score."""
    import lightgbm

    # Threads that wait for each other cost more than they bring on few rows.
    threads = 1 if len(rows.columns) < _FEW_ROWS else 0
    data = lightgbm.Dataset(
        rows.columns,
        rows.relevant.astype(np.int32),
        group=rows.group,
        feature_name=[name.replace(" ", "_") for name in rows.names],
    )
    booster = lightgbm.train(
        {**_TREES, "objective": objective, "seed": seed, "num_threads": threads}, data, ROUNDS
    )
    raw = np.asarray(booster.predict(rows.columns, raw_score=True))
    return booster, max(float(raw.std()), 1e-9)


def _standard(columns: NDArray[np.float32], centre: Floats, spread: Floats) -> Floats:
    moved = (columns - centre) / spread
    return np.clip(np.where(np.isnan(moved), 0.0, moved), -8, 8)


def _calibrate(score: Floats, rest: TrainingExamples) -> Calibration:
    """Slope and offset from the held-out users; the error is of each half by those from the other
    half.
    """
    first = np.repeat(rest.user % 2 == 0, rest.group)
    if any(len(np.unique(rest.relevant[half])) < 2 for half in (first, ~first)):
        return NOTHING_TOLD
    from scipy.special import expit

    given = np.empty(len(score))
    for half in (first, ~first):
        slope, offset = _platt(score[~half], rest.relevant[~half])
        given[half] = expit(slope * score[half] + offset)
    slope, offset = _platt(score, rest.relevant)
    error = ece(rest.relevant, given, _BINS, "mass")
    return Calibration(
        slope, offset, error, len(given), float(given.mean()), float(rest.relevant.mean())
    )


def _platt(score: Floats, relevant: NDArray[np.bool_]) -> tuple[float, float]:
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(C=1e6).fit(score[:, None], relevant)
    return float(found.coef_[0, 0]), float(found.intercept_[0])
