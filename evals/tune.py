"""Find the fusion's weights on validation events: `python -m evals.tune STORE…` over stores that were ingested.

Validation events are each user's last but one and last but two, and the last fifth of what lies before the global-time
split's moment; the events on which results are reported are never looked at. The weights are found by coordinate ascent
on ndcg@10, averaged over stores and splits, each taken relative to its best channel.
What it finds is written by hand into `agent.rank.WEIGHTS`.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from agent.config import SignalTable
from agent.rank import Model, fit, reciprocal_ranks
from agent.signals import signals
from agent.store import open_store
from evals.metrics import hit, midranks, ndcg, rank_hit, rank_ndcg
from evals.scoring import exclude_own, histories
from evals.splits import Split, global_time, leave_last_out

_STEPS = (0.0, 0.5, 0.7, 1.4, 2.0)


@dataclass(frozen=True)
class Case:
    """Channel scores [users, items] of one data set, own training items at -inf, and the items asked for."""

    name: str
    scores: dict[str, NDArray[np.float32]]
    relevant: list[NDArray[np.int64]]

    @cached_property
    def parts(self) -> dict[str, NDArray[np.float64]]:
        return {channel: reciprocal_ranks(matrix) for channel, matrix in self.scores.items()}

    def of(self, scores: NDArray[np.floating]) -> tuple[float, float]:
        """(ndcg@10, hit@10); one item asked for is ranked with ties counting half, several by the list's order."""
        counts = np.array([len(items) for items in self.relevant])
        if (counts == 1).all():
            ranks = midranks(np.asarray(scores, dtype=np.float64), np.concatenate(self.relevant))
            return float(rank_ndcg(ranks, 10).mean()), float(rank_hit(ranks, 10).mean())
        wanted = np.zeros(scores.shape, dtype=bool)
        for row, items in enumerate(self.relevant):
            wanted[row, items] = True
        hits = np.take_along_axis(wanted, np.argsort(-scores, axis=1, kind="stable")[:, :10], axis=1)
        return float(ndcg(hits, counts, 10).mean()), float(hit(hits, counts, 10).mean())

    def fused(self, weights: Mapping[str, float]) -> tuple[float, float]:
        out = np.sum([weight * self.parts[channel] for channel, weight in weights.items() if weight], axis=0)
        out[np.isneginf(self.scores["popular"])] = -np.inf
        return self.of(out)


def case(name: str, split: Split, signal: NDArray[np.float32]) -> Case:
    """Every channel trained on the split; `signal` [n] is the training events'."""
    model: Model = fit(split.train, signal)
    past = histories(split.train, signal, split.users)
    scores = {channel.name: channel.score(past) for channel in model.channels}
    for matrix in scores.values():
        exclude_own(matrix, past)
    return Case(name, scores, split.relevant)


def tune(cases: Sequence[Case], weights: dict[str, float]) -> dict[str, float]:
    """Coordinate ascent from `weights`; deterministic."""
    best_channel = [max(one.of(matrix)[0] for matrix in one.scores.values()) for one in cases]

    def value(tried: Mapping[str, float]) -> float:
        return float(np.mean([one.fused(tried)[0] / own for one, own in zip(cases, best_channel, strict=True)]))

    best = value(weights)
    for _ in range(3):
        before = best
        for channel in list(weights):
            for tried in [{**weights, channel: (weights[channel] or 0.05) * step} for step in _STEPS]:
                if any(tried.values()) and (found := value(tried)) > best + 1e-4:
                    best, weights = found, tried
        if best == before:
            break
    return weights


def show(cases: Sequence[Case], weights: Mapping[str, float]) -> str:
    lines = []
    for one in cases:
        for channel, matrix in one.scores.items():
            lines.append(f"{one.name:40} {channel:14} ndcg@10 {one.of(matrix)[0]:.4f}  hit@10 {one.of(matrix)[1]:.4f}")
        found = one.fused(weights)
        lines.append(
            f"{one.name:40} {'fusion':14} ndcg@10 {found[0]:.4f}  hit@10 {found[1]:.4f}  n {len(one.relevant)}"
        )
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="+")
    parser.add_argument("--test", action="store_true", help="report on test events too")
    given = parser.parse_args(argv)
    validation, test = [], []
    for data in given.stores:
        store = open_store(data, create=False)
        x = store.interactions()
        signal_of = dict(zip(x.seq.tolist(), signals(x, SignalTable(), store.scales()).tolist(), strict=True))
        store.close()

        def made(split: Split, name: str = data, known: Mapping[int, float] = signal_of) -> Case:
            # The split may order equal times otherwise than the store; signals follow the sequence number.
            signal = np.array([known[seq] for seq in split.train.seq.tolist()], dtype=np.float32)
            return case(f"{name} {split.name}", split, signal)

        early = global_time(x).train
        validation += [made(leave_last_out(x, skip=1)), made(leave_last_out(x, skip=2)), made(global_time(early))]
        if given.test:
            test += [made(leave_last_out(x)), made(global_time(x))]
    start = {"next_item": 1.0, "collaborative": 0.6, "recent": 0.05, "popular": 0.05}
    weights = tune(validation, start)
    sys.stdout.write(f"validation\n{show(validation, weights)}")
    if test:
        sys.stdout.write(f"test\n{show(test, weights)}")
    sys.stdout.write(f"weights { ({channel: round(weight, 3) for channel, weight in weights.items()}) }\n")


if __name__ == "__main__":
    main()
