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
from limner.rank.features import CHANNEL_SIGNALS, base_column

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
"""Queries on which `Fusion.adds` is measured, which costs a prediction of all their candidates for
each channel.
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
    """Mean probability of a held-out candidate."""
    share: float = math.nan
    """Share of the held-out candidates that were relevant."""


UNCALIBRATED = Calibration(1.0, 0.0, math.nan, 0)
"""The calibration used where too few queries were held out to fit one."""


@dataclass(frozen=True)
class Fusion:
    """Orders candidates by their columns. Some columns are places among the candidates, so a filter
    can change the order of two items.
    """

    method: Method
    names: list[str]
    boosters: "Sequence[lightgbm.Booster]"
    """LambdaMART and a classifier, each on its own scale; empty for logistic regression."""
    scales: list[float]
    """Standard deviation of each booster's raw score over the examples that it saw."""
    weights: list[float]
    """Coefficients of logistic regression, one a column, then the intercept; empty for LightGBM."""
    centre: list[float]
    """Mean of each column, for logistic regression."""
    spread: list[float]
    """Standard deviation of each column, for logistic regression."""
    calibration: Calibration
    queries: int
    """Queries with an answer among their candidates: an order is learned from these."""
    asked: int
    """All queries: probabilities are learned from these."""
    worth: dict[str, float]
    """ndcg@10 over the candidates of held-out users: of each column named in `WORTH` alone, of the
    prior, and as `fusion` of a fusion that those users were held out of.
    """
    adds: dict[str, float] = field(default_factory=dict)
    """By candidate generator: ndcg@10 that the fusion loses when the generator's columns are
    shuffled among the candidates of each query (permutation importance; Breiman 2001, "Random
    Forests").
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
        """[rows, features] the columns that `score` takes, from columns with these names: unknown
        ones are left out, missing ones are NaN.

        They differ where vectors came or went since training, or a newer program reads the model.
        """
        if list(names) == self.names:
            return columns
        place = {name: at for at, name in enumerate(names)}
        known = np.full((len(columns), len(self.names)), np.nan, dtype=np.float32)
        for at, name in enumerate(self.names):
            if name in place:
                known[:, at] = columns[:, place[name]]
        return known

    def probability(self, score: Floats) -> Floats:
        """[rows] probability of an interaction with each item in the stretch that training queries
        ask about, given that the user does anything in it.
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
    """The saved fusion; None where none was learned. Raises StoreError, ValueError, KeyError or
    OSError where it is damaged.
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
        raise StoreError("training.no_lightgbm", error=error) from error
    files = [folder / f"fusion-{number}.txt" for number in range(len(head["scales"]))]
    try:
        boosters = [lightgbm.Booster(model_file=str(file)) for file in files]
    except lightgbm.basic.LightGBMError as error:
        raise StoreError("training.fusion_damaged", folder=folder) from error
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
    """A fusion learned from every query, and the scores of held-out queries by one that did not see
    them.
    """

    fusion: Fusion
    held_out: NDArray[np.bool_]
    """[queries] whether the query's user was held out."""
    score: Floats
    """[rows of the held-out queries] by a fusion learned from the other queries."""


def learn(examples: TrainingExamples, method: Method = "lightgbm", seed: int = 0) -> Learned:
    """Fit on every query; calibrate and measure with a second model that a fifth of the users was
    held out of.
    """
    method = usable(method)
    draws = np.random.default_rng(seed).random(int(examples.user.max(initial=0)) + 1)
    held_out = draws[examples.user] < 0.2
    whole = _fit(examples, np.ones_like(held_out), method, seed)
    if not held_out.any() or held_out.all():
        return Learned(whole, np.zeros_like(held_out), np.empty(0))
    part = _fit(examples, ~held_out, method, seed)
    tested = examples.take(held_out)
    # Scores of the part model are put on the whole model's scale by their own spread.
    score = part.score(tested.columns)
    answered = tested.take(tested.answered)
    worth = {
        name: _ndcg(answered.columns[:, at], answered)
        for at, name in enumerate(answered.names)
        if name in WORTH
    }
    worth["fusion"] = _ndcg(score[np.repeat(tested.answered, tested.group)], answered)
    calibration, adds = _calibrate(score, tested), _adds(part, answered, seed)
    fusion = replace(whole, calibration=calibration, worth=worth, adds=adds)
    return Learned(fusion, held_out, score)


def _adds(fusion: Fusion, examples: TrainingExamples, seed: int) -> dict[str, float]:
    """`Fusion.adds`, measured on at most `_SHUFFLED` of these queries, which the fusion did not see
    and which all have an answer.
    """
    random = np.random.default_rng(seed)
    drawn = np.zeros(len(examples.group), dtype=bool)
    drawn[random.permutation(len(drawn))[:_SHUFFLED]] = True
    sample = examples.take(drawn)
    whole = _ndcg(fusion.score(sample.columns), sample)
    owner = np.repeat(np.arange(len(sample.group)), sample.group)
    # One permutation for all columns of a generator, so that they stay consistent with each other.
    shuffled = np.lexsort((random.random(len(owner)), owner))
    adds = {}
    for generator, names in CHANNEL_SIGNALS.items():
        own = [at for at, name in enumerate(sample.names) if base_column(name) in names]
        if own:
            columns = sample.columns.copy()
            columns[:, own] = columns[shuffled][:, own]
            adds[generator] = round(whole - _ndcg(fusion.score(columns), sample), 4)
    return adds


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
    """A fusion without calibration; `among` [queries] marks those to learn from."""
    fusion = Fusion(
        method=method,
        names=examples.names,
        boosters=(),
        scales=[],
        weights=[],
        centre=[],
        spread=[],
        calibration=UNCALIBRATED,
        queries=int((examples.answered & among).sum()),
        asked=int(among.sum()),
        worth={},
    )
    if method == "logistic":
        return _fit_logistic(fusion, examples.take(among))
    # An order can only be learned where there is an answer; how likely one is, from all.
    ranker, ranker_scale = _boost(examples.take(among & examples.answered), "lambdarank", seed)
    classifier, classifier_scale = _boost(examples.take(among), "binary", seed)
    return replace(fusion, boosters=(ranker, classifier), scales=[ranker_scale, classifier_scale])


def _fit_logistic(fusion: Fusion, examples: TrainingExamples) -> Fusion:
    from sklearn.linear_model import LogisticRegression

    centre = np.nanmean(examples.columns, axis=0)
    spread = np.maximum(np.nanstd(examples.columns, axis=0), 1e-6)
    model = LogisticRegression(C=0.1, max_iter=500)
    model.fit(_standard(examples.columns, centre, spread), examples.relevant)
    weights = [*model.coef_[0].tolist(), float(model.intercept_[0])]
    return replace(fusion, weights=weights, centre=centre.tolist(), spread=spread.tolist())


def _boost(rows: TrainingExamples, objective: str, seed: int) -> "tuple[lightgbm.Booster, float]":
    """The trees, and the standard deviation of their raw score."""
    import lightgbm

    # On few rows, threads cost more time than they save.
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


def _calibrate(score: Floats, examples: TrainingExamples) -> Calibration:
    """Platt scaling fitted on the examples of held-out users; its error is measured on each half of
    them with the scaling of the other half.
    """
    first = np.repeat(examples.user % 2 == 0, examples.group)
    if any(len(np.unique(examples.relevant[half])) < 2 for half in (first, ~first)):
        return UNCALIBRATED
    from scipy.special import expit

    probability = np.empty(len(score))
    for half in (first, ~first):
        slope, offset = _platt(score[~half], examples.relevant[~half])
        probability[half] = expit(slope * score[half] + offset)
    slope, offset = _platt(score, examples.relevant)
    return Calibration(
        slope,
        offset,
        ece=ece(examples.relevant, probability, _BINS, "mass"),
        rows=len(probability),
        mean=float(probability.mean()),
        share=float(examples.relevant.mean()),
    )


def _platt(score: Floats, relevant: NDArray[np.bool_]) -> tuple[float, float]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1e6).fit(score[:, None], relevant)
    return float(model.coef_[0, 0]), float(model.intercept_[0])
