"""From a user's history to an order of items: the main use of a trained model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from agent.rank.features import CANDIDATES, DEPTH, tabulate
from agent.rank.fusion import Fusion
from agent.rank.model import Model
from agent.retrieve import History
from agent.schema import Candidate


@dataclass(frozen=True)
class Ranked:
    """A candidate with its place earned."""

    candidate: Candidate
    score: float
    """Higher is better; comparable for one user and one model only."""
    probability: float | None = None
    """Of an interaction in the stretch that fusion learned from; None where nothing was learned."""


def order(
    model: Model,
    history: History,
    *,
    content: Mapping[str, float] | None = None,
    exclude: frozenset[str] = frozenset(),
    include: Sequence[str] = (),
    n: int = CANDIDATES,
) -> list[Ranked]:
    """At least `n` items (while the catalogue has them), best first; never one of `exclude`, every known one of
    `include`.

    `content` maps item ids to their nearness to the portrait: items that only it found are appended in its order, then
    the rest of the catalogue. A user without history gets what is popular of late.
    """
    channels = model.channels
    banned = np.array([model.positions[one] for one in exclude if one in model.positions], dtype=np.int64)
    add = np.array([model.positions[one] for one in include if one in model.positions], dtype=np.int64)
    table, scores = tabulate(channels, [history], [banned], n=max(n, CANDIDATES), add=add if len(add) else None)
    at, columns, prior = table.items[0], table.columns[0], table.prior[0]
    columns, prior, at = columns[at >= 0], prior[at >= 0], at[at >= 0]
    fusion = _fusion_for(model, history)
    probability: list[float | None] = [None] * len(at)
    if fusion is not None and len(at):
        score = fusion.score(columns)
        probability = [*fusion.probability(score).tolist()]
    else:
        score = prior.astype(np.float64)
    best = np.lexsort((at, -score))
    if not len(add):
        best = best[:n]
    voices = {one.name: _heard(scores[one.name][0], banned) for one in channels.voices}
    found = [
        Ranked(_candidate(model.item_ids[at[k]], at[k], voices, content or {}), float(score[k]), probability[k])
        for k in best
    ]
    cold = [one for one in include if one not in model.positions]
    return [*found, *_rest(model, found, content or {}, exclude, cold, n)]


def _rest(
    model: Model, found: Sequence[Ranked], content: Mapping[str, float], exclude: frozenset[str], cold: Sequence[str],
    n: int,
) -> list[Ranked]:  # fmt: skip
    """Every one of `cold`, by nearness; then what brings `found` to `n`: what content alone found, and the rest."""
    known = {one.candidate.item_id for one in found} | exclude
    first = sorted(set(cold) - known, key=lambda one: (-content.get(one, 0.0), one))
    known |= set(first)
    near = sorted((one for one in content if one not in known), key=lambda one: (-content[one], one))
    other = (one for one in model.item_ids if one not in known and one not in content)
    last = found[-1].score if found else 0.0
    rest = chain(first, islice(chain(near, other), max(0, n - len(found) - len(first))))
    return [
        Ranked(Candidate(item_id=one, scores={"content": content[one]} if one in content else {}), last - place * 1e-6)
        for place, one in enumerate(rest, 1)
    ]


def _heard(score: NDArray[np.float32], banned: NDArray[np.int64]) -> NDArray[np.float32]:
    """[items] scores of a voice's `DEPTH` best, 0 for the others: those it would have named a candidate itself."""
    score = score.copy()
    score[banned] = 0
    if len(score) > DEPTH:
        score[score < np.partition(score, len(score) - DEPTH)[len(score) - DEPTH]] = 0
    return score


def _candidate(
    item_id: str, at: int, voices: Mapping[str, NDArray[np.float32]], content: Mapping[str, float]
) -> Candidate:
    heard = {name: round(float(score[at]), 6) for name, score in voices.items() if score[at] > 0}
    if item_id in content:
        heard["content"] = content[item_id]
    return Candidate(item_id=item_id, scores=heard)


def _fusion_for(model: Model, history: History) -> Fusion | None:
    """None where the prior orders: nothing was learned, or there is no history to learn from."""
    return model.fusion if len(history.items) else None


def score_users(model: Model, histories: Sequence[History], n: int = CANDIDATES) -> NDArray[np.float64]:
    """[users, items] for evaluation: candidates by fusion, above the rest by reciprocal rank; own items at -inf."""
    exclude = [one.items for one in histories]
    table, _ = tabulate(model.channels, histories, exclude, n=n)
    out = np.full((len(histories), len(model.item_ids)), -1e6)
    for row, history in enumerate(histories):
        at = table.items[row]
        inside = at >= 0
        fusion = _fusion_for(model, history)
        if fusion is not None and inside.any():
            out[row, at[inside]] = fusion.score(table.columns[row][inside])
        else:
            out[row, at[inside]] = table.prior[row][inside]
        out[row, history.items] = -np.inf
    return out
