"""From histories to an order of items: the main use of a trained model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from limner.core.schema import Candidate
from limner.rank.features import CANDIDATES, CandidateTable, TopCandidates, tabulate
from limner.rank.model import Model
from limner.retrieve import History

_STEP = 1e-6
"""What each item that no voice found stands below the one before it."""


@dataclass(frozen=True)
class RankedCandidate:
    """A candidate with its place earned."""

    candidate: Candidate
    score: float
    """Higher is better; comparable for one user and one model only."""
    probability: float | None = None
    """Of an interaction in the stretch that lessons ask about, whether or not the user does
    anything then; None where nothing was learned.
    """


@dataclass(frozen=True)
class OrderRequest:
    """One user's request."""

    history: History
    exclude: frozenset[str] = frozenset()
    include: Sequence[str] = ()
    """Items that come back whatever the voices say."""
    content: Mapping[str, float] = field(default_factory=dict)
    """Nearness of items to the portrait."""
    demographic: NDArray[np.float32] | None = None
    """[items] score among users with the same attributes, for a user without history."""


def order(
    model: Model,
    history: History,
    *,
    content: Mapping[str, float] | None = None,
    exclude: frozenset[str] = frozenset(),
    include: Sequence[str] = (),
    allowed: NDArray[np.bool_] | None = None,
    demographic: NDArray[np.float32] | None = None,
    n: int = CANDIDATES,
) -> list[RankedCandidate]:
    """`order_many` for one user, with the channels that found each item."""
    asked = OrderRequest(history, exclude, include, content or {}, demographic)
    return next(order_many(model, [asked], allowed=allowed, n=n, named=True))


def order_many(
    model: Model,
    asked: Sequence[OrderRequest],
    *,
    allowed: NDArray[np.bool_] | None = None,
    n: int = CANDIDATES,
    named: bool = False,
) -> Iterator[list[RankedCandidate]]:
    """For each user at least `n` items (while the catalogue has them), best first; never one of
    `exclude` or one that is not `allowed` [items], every one of `include`.

    Items that no voice found are appended in the order of content, then of the catalogue. A user
    without history gets what is popular of late, and among users with the same attributes. `named`:
    with the channels that found each item.
    """
    table = tabulate(
        model.channels,
        [one.history for one in asked],
        [_positions(model, one.exclude) for one in asked],
        n=max(n, CANDIDATES),
        allowed=allowed,
        add=[_positions(model, one.include) for one in asked],
        fresh=model.channels.fresh,
        voices=_groups(model, asked),
    )
    inside = table.items >= 0
    score, fused = _scored(model, table, [one.history for one in asked])
    probability = np.full_like(score, np.nan)
    if fused.any():
        probability[fused] = model.probability(score, [one.history for one in asked])[fused]
    for row, one in enumerate(asked):
        at = table.items[row][inside[row]]
        points, chance = score[row][inside[row]], probability[row][inside[row]]
        best = np.lexsort((at, -points))
        if not one.include:
            best = best[:n]
        voices = _spoken(table.heard[row], at[best], len(model.item_ids)) if named else {}
        found = [
            RankedCandidate(
                _candidate(model.item_ids[at[k]], place, voices, one.content),
                float(points[k]),
                None if np.isnan(chance[k]) else float(chance[k]),
            )
            for place, k in enumerate(best)
        ]
        yield [*found, *_rest(model, found, one, allowed, n)]


def _positions(model: Model, item_ids: Sequence[str] | frozenset[str]) -> NDArray[np.int64]:
    known = model.positions
    return np.array([known[one] for one in item_ids if one in known], dtype=np.int64)


def _groups(model: Model, asked: Sequence[OrderRequest]) -> dict[str, NDArray[np.float32]]:
    """The voice of users with the same attributes, where anyone without history has some."""
    if all(one.demographic is None for one in asked):
        return {}
    none = np.zeros(len(model.item_ids), dtype=np.float32)
    return {
        "demographic": np.stack(
            [none if one.demographic is None else one.demographic for one in asked]
        )
    }


def _rest(
    model: Model,
    found: Sequence[RankedCandidate],
    asked: OrderRequest,
    allowed: NDArray[np.bool_] | None,
    n: int,
) -> list[RankedCandidate]:
    """Every one asked for that the model does not know, by nearness; then what brings `found` to
    `n`.
    """
    content = asked.content
    known = {one.candidate.item_id for one in found} | asked.exclude
    cold = {one for one in asked.include if one not in model.positions and one not in known}
    first = sorted(cold, key=lambda one: (-content.get(one, 0.0), one))
    short = n - len(found) - len(first)
    rest: Iterator[str] = iter(())
    if short > 0:
        known |= cold
        at = np.arange(len(model.item_ids)) if allowed is None else np.flatnonzero(allowed)
        left = [model.item_ids[one] for one in at if model.item_ids[one] not in known]
        near = sorted((one for one in left if one in content), key=lambda one: (-content[one], one))
        rest = islice(chain(near, (one for one in left if one not in content)), short)
    last = found[-1].score if found else 0.0
    return [
        RankedCandidate(Candidate(item_id=one, scores=_near(one, content)), last - place * _STEP)
        for place, one in enumerate(chain(first, rest), 1)
    ]


def _near(item_id: str, content: Mapping[str, float]) -> dict[str, float]:
    return {"content": content[item_id]} if item_id in content else {}


def _spoken(
    heard: Mapping[str, TopCandidates], at: NDArray[np.int64], items: int
) -> dict[str, dict[int, float]]:
    """By voice the scores of those items at positions `at` [n] that it named, by place among
    them.
    """
    place = np.full(items, -1)
    place[at] = np.arange(len(at))
    found: dict[str, dict[int, float]] = {}
    for name, one in heard.items():
        own = place[one.items]
        kept = own >= 0
        found[name] = dict(zip(own[kept].tolist(), one.scores[kept].tolist(), strict=True))
    return found


def _candidate(
    item_id: str,
    place: int,
    voices: Mapping[str, Mapping[int, float]],
    content: Mapping[str, float],
) -> Candidate:
    heard = {name: round(scores[place], 6) for name, scores in voices.items() if place in scores}
    return Candidate(item_id=item_id, scores=heard | _near(item_id, content))


def _scored(
    model: Model, table: CandidateTable, histories: Sequence[History]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """[users, candidates] scores, and whether each is fusion's; else it is the prior's, where
    nothing was learned or there is no history to go by.
    """
    score = table.prior.astype(np.float64)
    fused = (table.items >= 0) & np.array([len(one.items) > 0 for one in histories], dtype=bool)[
        :, None
    ]
    if model.fusion is None:
        fused[:] = False
    elif fused.any():
        score[fused] = model.fusion.score(model.fusion.known(table.columns[fused], table.names))
    return score, fused


def score_users(
    model: Model, histories: Sequence[History], n: int = CANDIDATES
) -> NDArray[np.float64]:
    """[users, items] for evaluation: candidates by fusion, above the rest, which are level; own
    items at -inf.
    """
    exclude = [one.items for one in histories]
    table = tabulate(model.channels, histories, exclude, n=n)
    out = np.full((len(histories), len(model.item_ids)), -1e6)
    score, _ = _scored(model, table, histories)
    for row, history in enumerate(histories):
        inside = table.items[row] >= 0
        out[row, table.items[row][inside]] = score[row][inside]
        out[row, history.items] = -np.inf
    return out
