"""`limner eval run`: systems against each other on one split, full catalogue, with intervals."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from agent.config import SignalTable
from agent.datasets import MIRRORS, fetch, known
from agent.errors import BadInputError, UsageError
from agent.ingest import ingest
from agent.interactions import Interactions
from agent.progress import Progress, Quiet
from agent.rank import How, score_users
from agent.rank import fit as fit_ranker
from agent.retrieve import History, ease_weights, fit_popular
from agent.retrieve.base import weights_matrix
from agent.schema import Scale
from agent.signals import signals
from agent.store import Store, open_store
from evals import metrics as kernels
from evals.scoring import exclude_own, histories
from evals.splits import Split, global_time, leave_last_out

if TYPE_CHECKING:
    import scipy.sparse as sp

_BATCH = 200
_EASE_ITEMS = 20_000
"""Up to here the plain EASE of comparisons inverts its dense matrix (1.6 GB)."""


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitInfo(Strict):
    name: str
    hash: str
    users: int
    train_events: int


class Metric(Strict):
    mean: float | None
    """None where it is undefined."""
    ci95: tuple[float, float] | None
    n: int
    """Users it is the mean over."""


class SystemResult(Strict):
    name: str
    metrics: dict[str, Metric]


class Evaluation(Strict):
    dataset: str
    split: SplitInfo
    systems: list[SystemResult]


Scorer = Callable[[Sequence[History]], NDArray[np.float64]]


def run(
    dataset: str, split: str, systems: Sequence[str], metrics: Sequence[str], progress: Progress | None = None
) -> Evaluation:
    """Fit each system on the training part and rank the whole catalogue minus what a user has had.

    dataset: a known name, a folder of a known data set, or a store. Raises UsageError for an unknown name of any kind,
    BadInputError where the split asks nobody.
    """
    say = progress or Quiet()
    wanted = [(one, *_parse(one)) for one in metrics]
    unknown = [one for one in systems if one not in SYSTEMS]
    if unknown:
        raise UsageError(f"There is no system '{unknown[0]}'; choose from {', '.join(SYSTEMS)}.")
    if split not in SPLITS:
        raise UsageError(f"There is no split '{split}'; choose from {', '.join(SPLITS)}.")
    with tempfile.TemporaryDirectory() as scratch:
        store = _open(dataset, Path(scratch), say)
        x, scales = store.interactions(), store.scales()
        store.close()
    cut = SPLITS[split](x)
    if not len(cut.users):
        raise BadInputError(f"The split {split} of '{dataset}' asks about nobody: no user has enough events.")
    signal = signals(cut.train, SignalTable(), scales)
    results = []
    for name in systems:
        say.start(name, len(cut.users))
        scorer = SYSTEMS[name](cut.train, scales, "time" if split == "global-time" else "user")
        results.append(SystemResult(name=name, metrics=_measure(scorer, cut, signal, wanted, say)))
        say.done()
    info = SplitInfo(name=cut.name, hash=cut.digest, users=len(cut.users), train_events=len(cut.train))
    return Evaluation(dataset=dataset, split=info, systems=results)


def _open(dataset: str, scratch: Path, progress: Progress) -> Store:
    folder = Path(dataset)
    if (folder / "limner.db").exists():
        return open_store(dataset, create=False)
    if dataset in MIRRORS:
        folder = fetch(dataset, scratch / "data", progress)
    found = known(folder) if folder.is_dir() else None
    if found is None:
        raise UsageError(f"'{dataset}' is neither a store nor a data set that Limner knows; see limner data list.")
    store = open_store(str(scratch / "store"))
    ingest(store, *found[1], progress=progress)
    return store


def _parse(metric: str) -> tuple[str, int]:
    name, _, k = metric.strip().partition("@")
    if name not in ("ndcg", "hit", "coverage") or not (k or "10").isdigit():
        raise UsageError(f"There is no metric '{metric}'; choose ndcg@K, hit@K or coverage@K.")
    return name, int(k or 10)


def _measure(
    scorer: Scorer,
    cut: Split,
    signal: NDArray[np.float32],
    wanted: Sequence[tuple[str, str, int]],
    progress: Progress,
) -> dict[str, Metric]:
    deepest = min(max(k for _, _, k in wanted), len(cut.train.item_ids))
    lists, hits = [], []
    for at in range(0, len(cut.users), _BATCH):
        past = histories(cut.train, signal, cut.users[at : at + _BATCH])
        scores = scorer(past)
        exclude_own(scores, past)
        top = np.argsort(-scores, axis=1, kind="stable")[:, :deepest]
        lists.append(top)
        relevant = cut.relevant[at : at + _BATCH]
        hits.append(np.array([np.isin(row, one) for row, one in zip(top, relevant, strict=True)]))
        progress.advance(len(past))
    top, hit = np.concatenate(lists), np.concatenate(hits)
    size = np.array([len(one) for one in cut.relevant], dtype=np.int64)
    out: dict[str, Metric] = {}
    for label, name, k in wanted:
        if name == "coverage":
            share = kernels.coverage(top[:, :k], len(cut.train.item_ids))
            out[label] = Metric(mean=share, ci95=None, n=len(top))
            continue
        values = (kernels.ndcg if name == "ndcg" else kernels.hit)(hit, size, k)
        found = kernels.interval(values)
        defined = found.n > 0
        out[label] = Metric(
            mean=found.mean if defined else None, ci95=(found.low, found.high) if defined else None, n=found.n
        )
    return out


def _popular(train: Interactions, _: dict[str, Scale], how: How) -> Scorer:
    """Users who had the item, whatever they thought of it."""
    channel = fit_popular(train)
    return lambda histories: channel.score(histories).astype(np.float64)


def _ease(train: Interactions, _: dict[str, Scale], how: How) -> Scorer:
    """Plain EASE (Steck 2019): every event an interaction, no recency. Raises BadInputError where it would not fit."""
    items = len(train.item_ids)
    if items > _EASE_ITEMS:
        raise BadInputError(
            f"EASE's matrix of {items:,} items would not fit (at most {_EASE_ITEMS:,}); leave ease out of --systems."
        )
    every = histories(train, np.ones(len(train), dtype=np.float32), np.arange(len(train.user_ids)))
    weights = ease_weights(_binary(every, items))
    return lambda past: np.asarray(_binary(past, items) @ weights, dtype=np.float64)


def _binary(past: Sequence[History], items: int) -> "sp.csr_array":
    return weights_matrix(past, [np.ones(len(one.items), dtype=np.float32) for one in past], items)


def _limner(train: Interactions, scales: dict[str, Scale], how: How) -> Scorer:
    """The trained channels and their learned fusion; without portraits and item texts' vectors."""
    model = fit_ranker(train, signals(train, SignalTable(), scales), how=how)
    return lambda past: score_users(model, past)


SYSTEMS: dict[str, Callable[[Interactions, dict[str, Scale], How], Scorer]] = {
    "popular": _popular,
    "ease": _ease,
    "limner": _limner,
}
SPLITS: dict[str, Callable[[Interactions], Split]] = {"leave-last-out": leave_last_out, "global-time": global_time}
