"""From a fitted system to its numbers: ranked lists of everyone asked, metrics, buckets, and tests
between systems.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from limner.core.messages import Message, joined, message
from limner.core.metrics import BUCKETS, bucket_of
from limner.core.progress import Progress
from limner.evals import metrics as kernels
from limner.evals.metrics import MetricSpec, Style
from limner.evals.predictions import Predicted, predict_probabilities, predict_ratings
from limner.evals.records import Comparison, Metric
from limner.evals.scoring import exclude_own
from limner.evals.splits import Split
from limner.evals.systems.base import Scores, System, Training, UserBatch
from limner.evals.systems.cases import Cases, probability_cases, rating_cases

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CELLS = 2_000_000
"""Scores held at once, users by items."""
_CATEGORIES = 500
"""Most values of the main facet that calibration is told by."""


@dataclass(frozen=True)
class SystemLists:
    """The ranked lists of one system, for all users of a split."""

    items: NDArray[np.int64]
    """[users, depth] positions, best first, padded with -1."""
    scores: NDArray[np.float32]
    """[users, depth] of these items; NaN where padded."""
    auc: Floats
    """[users]; NaN where it was not asked for."""
    raised: NDArray[np.bool_]
    """[users] for whom the system raised."""
    error: str
    """The first of these errors."""
    seconds: float

    @property
    def gave_nothing(self) -> NDArray[np.bool_]:
        """[users] for whom it raised or recommended no item."""
        return np.asarray(self.raised | (self.items[:, :1] < 0).all(axis=1))

    @property
    def trouble(self) -> Message | None:
        """What to say of the error that the system raised; None where it raised none."""
        if not self.error:
            return None
        if self.raised.any():
            return message("run.raised", error=self.error)
        return message("run.asked_singly", error=self.error)

    @property
    def failed(self) -> int:
        """Users for whom the system raised an error or returned nothing."""
        return int(self.gave_nothing.sum())


@dataclass(frozen=True)
class Truth:
    """The hidden events of every asked user, and statistics of users and items from the
    training.
    """

    split: Split
    training: Training

    @cached_property
    def sizes(self) -> Ints:
        """[users] relevant items."""
        return np.array([len(one) for one in self.split.relevant], dtype=np.int64)

    @cached_property
    def indptr(self) -> Ints:
        return np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)

    @cached_property
    def indices(self) -> Ints:
        return np.concatenate([*self.split.relevant, np.empty(0, np.int64)]).astype(np.int64)

    @cached_property
    def lengths(self) -> Ints:
        """[users] training events."""
        return np.diff(self.training.x.starts())[self.split.users]

    @cached_property
    def buckets(self) -> list[str]:
        """[users] name of each user's bucket of history length."""
        return [bucket_of(n) for n in self.lengths.tolist()]

    @cached_property
    def counts(self) -> Ints:
        """[items] training events."""
        return np.bincount(self.training.x.item, minlength=self.items).astype(np.int64)

    @property
    def items(self) -> int:
        return len(self.training.x.item_ids)

    @cached_property
    def ratings(self) -> Cases:
        """True ratings of the hidden events. Raises BadInputError where there are none."""
        return rating_cases(self.split, self.training)

    @cached_property
    def probabilities(self) -> Cases:
        """Cases for predicted probabilities. Raises BadInputError where the split has none."""
        return probability_cases(self.split, self.training)

    @cached_property
    def learned_users(self) -> int:
        """Users with training events."""
        return int((np.diff(self.training.x.starts()) > 0).sum())

    @cached_property
    def share(self) -> Floats:
        """[items] of the users with training events, who had the item."""
        had = np.asarray(self.training.seen.sum(axis=0)).ravel()
        return np.asarray(had / max(self.learned_users, 1), dtype=np.float64)

    @cached_property
    def categories(self) -> NDArray[np.float32]:
        """[items, categories] 0/1 by the main facet."""
        known = self.training.population
        columns = np.flatnonzero([facet == known.primary for facet in known.facets])
        rows = np.repeat(np.arange(self.items), np.diff(known.starts))
        size = np.bincount(known.codes, minlength=len(known.facets))
        columns = np.sort(columns[np.argsort(-size[columns], kind="stable")[:_CATEGORIES]])
        place = np.full(len(known.facets), -1)
        place[columns] = np.arange(len(columns))
        out = np.zeros((self.items, len(columns)), dtype=np.float32)
        kept = place[known.codes] >= 0
        out[rows[kept], place[known.codes[kept]]] = 1
        return out


@dataclass(frozen=True)
class Predictions:
    """A system's predictions; None for a kind that was not asked for or that it does not make."""

    ratings: Predicted | None = None
    probabilities: Predicted | None = None

    @property
    def remark(self) -> Message | None:
        """A remark on missing predictions; None where none are missing."""
        remarks = (
            self.ratings and self.ratings.remark("ratings"),
            self.probabilities and self.probabilities.remark("probabilities"),
        )
        missing = [remark for remark in remarks if remark]
        return joined(missing, "remarks") if missing else None


def rank(
    system: System,
    truth: Truth,
    depth: int,
    progress: Progress,
    *,
    auc: bool = False,
    candidates: int | None = None,
    seed: int = 0,
) -> SystemLists:
    """Ask a fitted system for everyone, some users at a time; ties are broken by chance, the same
    for every system.

    candidates: only what is relevant and so many other items, drawn for each user, are ranked; all
    where None. A user for whom it raises gets an empty list. Raises what it raised where that is
    everyone, ValueError where it gave scores of another shape.
    """
    began = time.monotonic()
    users, items = len(truth.split.users), truth.items
    depth = min(depth, items)
    # In order of position, ties would go to the items that came first.
    shuffled = np.random.default_rng(seed).permutation(items)
    step = max(1, _CELLS // max(items, 1))
    out = SystemLists(
        np.full((users, depth), -1, dtype=np.int64),
        np.full((users, depth), np.nan, dtype=np.float32),
        np.full(users, np.nan),
        np.zeros(users, dtype=bool),
        "",
        0.0,
    )
    first: Exception | None = None
    for begin in range(0, users, step):
        end = min(begin + step, users)
        asked = truth.training.asked(truth.split.users[begin:end])
        scores, error = _scores(system, asked, items, out.raised[begin:end])
        first = first or error
        exclude_own(scores, asked.histories)
        if candidates is not None:
            _keep_sample(scores, asked, truth.split.relevant[begin:end], candidates, seed)
        out.items[begin:end], out.scores[begin:end] = _best(scores, depth, shuffled)
        if auc:
            mine = truth.indptr[begin : end + 1]
            out.auc[begin:end] = kernels.auc(
                scores, mine - mine[0], truth.indices[mine[0] : mine[-1]]
            )
        progress.advance(end - begin)
    if first is not None and out.raised.all():
        raise first
    error_text = f"{type(first).__name__}: {first}" if first is not None else ""
    return SystemLists(
        out.items, out.scores, out.auc, out.raised, error_text, time.monotonic() - began
    )


def _keep_sample(
    scores: NDArray[np.float64],
    asked: UserBatch,
    relevant: Sequence[Ints],
    candidates: int,
    seed: int,
) -> None:
    """Set to -inf, in place, all but what is relevant and as many others as asked for, the same for
    every system.
    """
    items = scores.shape[1]
    for row, values in enumerate(scores):
        others = np.setdiff1d(
            np.arange(items), np.concatenate([relevant[row], asked.histories[row].items])
        )
        drawn = np.random.default_rng((seed, int(asked.users[row])))
        kept = np.concatenate(
            [relevant[row], drawn.choice(others, min(candidates, len(others)), replace=False)]
        )
        values[np.setdiff1d(np.arange(items), kept)] = -np.inf


def _scores(
    system: System, asked: UserBatch, items: int, raised: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], Exception | None]:
    """(scores [users, items], first error): -inf where the system gives no score; users for whom it
    raises are marked in `raised`.
    """
    try:
        return _checked(system.score(asked), len(asked), items), None
    except Exception as error:  # noqa: BLE001 - a contestant may raise anything; it is counted below
        first = error
    out = np.full((len(asked), items), -np.inf)
    for row in range(len(asked)):
        try:
            out[row] = _checked(system.score(asked.one(row)), 1, items)[0]
        except Exception:  # noqa: BLE001 - as above
            raised[row] = True
    return out, first


def _checked(scores: Scores, users: int, items: int) -> NDArray[np.float64]:
    given = np.array(scores, dtype=np.float64)
    if given.shape != (users, items):
        raise ValueError(f"scores of shape {given.shape}, not {(users, items)}")
    given[np.isnan(given)] = -np.inf
    return given


def _best(
    scores: NDArray[np.float64], depth: int, shuffled: Ints
) -> tuple[Ints, NDArray[np.float32]]:
    """The `depth` best of each row, ties in the order of `shuffled`."""
    mixed = scores[:, shuffled]
    if depth < mixed.shape[1]:
        bar = -np.partition(-mixed, depth - 1, axis=1)[:, depth - 1]
    else:
        bar = np.full(len(mixed), -np.inf)
    items = np.full((len(mixed), depth), -1, dtype=np.int64)
    best = np.full((len(mixed), depth), np.nan, dtype=np.float32)
    for row, values in enumerate(mixed):
        above = np.flatnonzero(values > bar[row])
        level = np.flatnonzero(values == bar[row])[: depth - len(above)]
        at = np.concatenate([above, level])
        at = at[values[at] > -np.inf]
        at = at[np.lexsort((at, -values[at]))]
        items[row, : len(at)], best[row, : len(at)] = shuffled[at], values[at]
    return items, best


@dataclass(frozen=True)
class Measured:
    """All numbers of one system."""

    by_user: dict[str, Floats]
    """[users] by metric; NaN where undefined."""
    whole: dict[str, Callable[[NDArray[np.bool_]], float]]
    """The metric over the users of a mask, by metric."""
    pooled: dict[str, Callable[[NDArray[np.bool_]], Floats]]
    """By metric that is an error over all cases (rmse): the share of each user of a mask in the
    error over the mask's cases. `by_user` has such a metric's shares over all users.
    """

    def summary(self, truth: Truth, labels: Sequence[str], seed: int) -> dict[str, Metric]:
        return self._over(np.ones(len(truth.split.users), dtype=bool), labels, seed)

    def buckets(
        self, truth: Truth, labels: Sequence[str], seed: int
    ) -> dict[str, dict[str, Metric]]:
        """Means by length of history; lengths without users are left out."""
        metrics_by_bucket = {}
        bucket_names = np.array(truth.buckets)
        for name, *_ in BUCKETS:
            inside = bucket_names == name
            if inside.any():
                metrics_by_bucket[name] = self._over(inside, labels, seed)
        return metrics_by_bucket

    def _over(
        self, users: NDArray[np.bool_], labels: Sequence[str], seed: int
    ) -> dict[str, Metric]:
        n = int(users.sum())
        out = {
            label: _whole(self.whole[label](users), n) for label in labels if label in self.whole
        }
        names = [label for label in labels if label in self.by_user]
        if names:
            values = [
                self.pooled[one](users) if one in self.pooled else self.by_user[one][users]
                for one in names
            ]
            means = kernels.intervals(np.stack(values), seed=seed)
            out |= {label: _metric(one) for label, one in zip(names, means, strict=True)}
        return {label: out[label] for label in labels}


def predict(system: System, truth: Truth, specs: Sequence[MetricSpec]) -> Predictions:
    """Ratings and probabilities by a fitted system, as far as the metrics need them.

    Raises the system's own error where it fails for every user.
    """
    needed = {one.needs for one in specs}
    cut, training = truth.split, truth.training
    return Predictions(
        predict_ratings(system, truth.ratings, cut, training) if "ratings" in needed else None,
        predict_probabilities(system, truth.probabilities, cut, training)
        if "probabilities" in needed
        else None,
    )


def measure(
    lists: SystemLists,
    truth: Truth,
    specs: Sequence[MetricSpec],
    style: Style = "ours",
    predictions: Predictions = Predictions(),
) -> Measured:
    """Every metric that was asked for, of lists of everyone and of what was predicted; NaN for what
    was not.
    """
    hits = kernels.hit_matrix(lists.items, truth.indptr, truth.indices)
    length = kernels.list_lengths(lists.items)
    by_user: dict[str, Floats] = {}
    whole: dict[str, Callable[[NDArray[np.bool_]], float]] = {}
    pooled: dict[str, Callable[[NDArray[np.bool_]], Floats]] = {}
    for spec in specs:
        k = spec.k or 0
        if spec.name in kernels.LIST_KERNELS:
            by_user[spec.label] = kernels.LIST_KERNELS[spec.name](
                hits, truth.sizes, k, style, length
            )
        elif spec.name == "auc":
            # Who got no scores at all has no AUC, which would leave the failure out of the mean.
            by_user[spec.label] = np.where(lists.gave_nothing, 0.0, lists.auc)
        elif spec.kind == "whole":
            whole[spec.label] = _figure(spec.name, lists.items, truth.items, k)
        elif spec.kind == "pooled":
            said = predictions.ratings if spec.needs == "ratings" else predictions.probabilities
            pooled[spec.label] = _shares(spec.name, said, len(truth.split.users))
            by_user[spec.label] = pooled[spec.label](np.ones(len(truth.split.users), dtype=bool))
        else:
            by_user[spec.label] = _beyond(spec.name, lists.items, hits, truth, k)
    return Measured(by_user, whole, pooled)


def _shares(
    name: str, predicted: Predicted | None, users: int
) -> Callable[[NDArray[np.bool_]], Floats]:
    """A function of a mask [users]: each of its users' share in the error over all of them."""

    def over(mask: NDArray[np.bool_]) -> Floats:
        if predicted is None:
            return np.full(int(mask.sum()), np.nan)
        place = np.cumsum(mask) - 1
        own = mask[predicted.cases.user]
        return kernels.shares(
            name,
            predicted.cases.truth[own],
            predicted.told[own],
            place[predicted.cases.user[own]],
            int(mask.sum()),
        )

    return over


def _figure(name: str, lists: Ints, items: int, k: int) -> Callable[[NDArray[np.bool_]], float]:
    if name == "coverage":
        return lambda users: kernels.coverage(lists[users], items, k)
    if name == "gini":
        return lambda users: kernels.gini(lists[users], items, k)
    return lambda users: kernels.user_coverage(lists[users], k)


def _beyond(name: str, lists: Ints, hits: NDArray[np.bool_], truth: Truth, k: int) -> Floats:
    if name == "novelty":
        return kernels.novelty(lists, truth.share, k, truth.learned_users or None)
    if name == "arp":
        return kernels.arp(lists, truth.counts, k)
    if name == "serendipity":
        return kernels.serendipity(lists, hits, truth.sizes, truth.counts, k)
    if name == "calibration":
        past = [one.items for one in truth.training.asked(truth.split.users).histories]
        indptr = np.concatenate([[0], np.cumsum([len(one) for one in past])]).astype(np.int64)
        indices = np.concatenate([*past, np.empty(0, np.int64)]).astype(np.int64)
        return kernels.calibration_kl(lists, indptr, indices, truth.categories, k)
    return _diversity(lists, truth, k)


def _diversity(lists: Ints, truth: Truth, k: int) -> Floats:
    """`limner.evals.metrics.ild` over facets, which are too many to hold dense: (pairs - (|Σv|² -
    n) / 2) / pairs.

    A facet value weighs by its rarity; items without any are left out.
    """
    import scipy.sparse as sp

    facets = truth.training.catalogue.facets
    known = np.diff(facets.indptr) > 0
    top = lists[:, :k]
    rows, places = np.nonzero((top >= 0) & known[top])
    listed = sp.csr_array(
        (np.ones(len(rows)), (rows, top[rows, places])), shape=(len(lists), truth.items)
    )
    total = (listed @ facets).tocsr()
    square = np.asarray(total.multiply(total).sum(axis=1)).ravel()
    n = np.bincount(rows, minlength=len(lists)).astype(np.float64)
    pairs = n * (n - 1) / 2
    far = pairs - (square - n) / 2
    return np.asarray(
        np.divide(far, pairs, out=np.full(len(lists), np.nan), where=pairs > 0), dtype=np.float64
    )


def mean_of(parts: Sequence[Measured]) -> Measured:
    """Numbers averaged over repeated runs: by user, and each figure."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    by_user = {
        label: np.mean([one.by_user[label] for one in parts], axis=0) for label in first.by_user
    }

    def averaged(label: str) -> Callable[[NDArray[np.bool_]], float]:
        return lambda users: float(np.mean([one.whole[label](users) for one in parts]))

    def shared(label: str) -> Callable[[NDArray[np.bool_]], Floats]:
        return lambda users: np.asarray(
            np.mean([one.pooled[label](users) for one in parts], axis=0)
        )

    return Measured(
        by_user,
        {label: averaged(label) for label in first.whole},
        {label: shared(label) for label in first.pooled},
    )


def comparisons(
    measured: Mapping[str, Mapping[str, Floats]], against: str, seed: int
) -> list[Comparison]:
    """`against` minus every other system, by metric, paired by user; Holm's correction over each
    metric's others.

    measured: by system and metric, [users] values.
    """
    others = [name for name in measured if name != against]
    # Without the tested system, which may have failed, there is nothing to test.
    labels = list(measured.get(against, {}))
    pairs = [(label, other) for label in labels for other in others]
    if not pairs:
        return []
    ours = np.stack([measured[against][label] for label, _ in pairs])
    theirs = np.stack([measured[other][label] for label, other in pairs])
    tests = kernels.paired_tests(ours, theirs, seed)
    compared = [(against, other, label) for label, other in pairs]
    step = len(others)
    return [
        comparison
        for at in range(0, len(pairs), step)
        for comparison in holm_corrected(compared[at : at + step], tests[at : at + step])
    ]


def holm_corrected(
    compared: Sequence[tuple[str, str, str]], tests: Sequence[kernels.PairedTest]
) -> list[Comparison]:
    """Tests as records, their p corrected over all of them; those of a single user are left out.

    compared: (system, baseline, metric) of each test.
    """
    p_values = kernels.holm([test.p for test in tests])
    return [
        Comparison(
            system=system,
            baseline=baseline,
            metric=metric,
            difference=test.diff,
            ci95=(test.low, test.high),
            p=test.p,
            p_holm=float(p_holm),
            n=test.n,
        )
        for (system, baseline, metric), test, p_holm in zip(compared, tests, p_values, strict=True)
        if test.n > 1
    ]


def _metric(one: kernels.Mean) -> Metric:
    if not one.n:
        return Metric(mean=None, ci95=None, n=0)
    return Metric(mean=one.mean, ci95=(one.low, one.high) if one.n > 1 else None, n=one.n)


def _whole(value: float, n: int) -> Metric:
    return Metric(mean=None if np.isnan(value) else value, ci95=None, n=n)
