"""From histories to an order of items: the main use of a trained model."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from limner.core.schema import Candidate
from limner.rank.features import CANDIDATES, CandidateTable, TopCandidates, tabulate
from limner.rank.model import Model
from limner.retrieve import History

_STEP = 1e-6
"""Score difference between one item that no candidate generator named and the next."""


@dataclass(frozen=True)
class RankedCandidate:
    """A candidate with its final score."""

    candidate: Candidate
    score: float
    """Higher is better; comparable for one user and one model only."""
    probability: float | None = None
    """Probability of an interaction with the item in the period that training queries ask about,
    whether or not the user does anything then. None where nothing was learned.
    """


@dataclass(frozen=True)
class OrderRequest:
    """One user's request."""

    history: History
    exclude: frozenset[str] = frozenset()
    include: Sequence[str] = ()
    """Items that come back even where no candidate generator names them."""
    content: Mapping[str, float] = field(default_factory=dict)
    """Similarity to the portrait by item id."""
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
    """The order of items for one user, with the channels that found each. See `order_many` for the
    rules.
    """
    request = OrderRequest(history, exclude, include, content or {}, demographic)
    return next(order_many(model, [request], allowed=allowed, n=n, named=True))


def order_many(
    model: Model,
    requests: Sequence[OrderRequest],
    *,
    allowed: NDArray[np.bool_] | None = None,
    n: int = CANDIDATES,
    named: bool = False,
) -> Iterator[list[RankedCandidate]]:
    """For each user at least `n` items (while the catalogue has them), best first; never one of
    `exclude` or one that is not `allowed` [items], every one of `include`.

    Items that no candidate generator named are appended in the order of content, then of the
    catalogue. A user without history gets what was popular recently, and what is popular among
    users with the same attributes. named: give each candidate its scores by generator.
    """
    histories = [request.history for request in requests]
    table = tabulate(
        model.channels,
        histories,
        [_positions(model, request.exclude) for request in requests],
        n=max(n, CANDIDATES),
        allowed=allowed,
        add=[_positions(model, request.include) for request in requests],
        fresh=model.channels.fresh,
        extra_scores=_demographic_scores(model, requests),
    )
    score, fused = _scored(model, table, histories)
    probability = np.full_like(score, np.nan)
    if fused.any():
        probability[fused] = model.probability(score, histories)[fused]
    for row, request in enumerate(requests):
        ranked = _ranked_row(model, table, row, request, score[row], probability[row], n, named)
        yield [*ranked, *_unranked(model, ranked, request, allowed, n)]


def _ranked_row(
    model: Model,
    table: CandidateTable,
    row: int,
    request: OrderRequest,
    score: NDArray[np.float64],
    probability: NDArray[np.float64],
    n: int,
    named: bool,
) -> list[RankedCandidate]:
    """One user's candidates, best first: at most `n` where none had to be included.

    score, probability: [candidates] of the row.
    """
    inside = table.items[row] >= 0
    positions, points, chance = table.items[row][inside], score[inside], probability[inside]
    best = np.lexsort((positions, -points))
    if not request.include:
        best = best[:n]
    scores = {}
    if named:
        scores = _scores_by_place(table.top_candidates[row], positions[best], len(model.item_ids))
    return [
        RankedCandidate(
            _candidate(model.item_ids[positions[k]], place, scores, request.content),
            float(points[k]),
            None if np.isnan(chance[k]) else float(chance[k]),
        )
        for place, k in enumerate(best)
    ]


def _positions(model: Model, item_ids: Sequence[str] | frozenset[str]) -> NDArray[np.int64]:
    known = model.positions
    return np.array([known[item_id] for item_id in item_ids if item_id in known], dtype=np.int64)


def _demographic_scores(
    model: Model, requests: Sequence[OrderRequest]
) -> dict[str, NDArray[np.float32]]:
    """[users, items] scores among users with the same attributes, as `tabulate` takes them; empty
    where no request has any.
    """
    if all(request.demographic is None for request in requests):
        return {}
    none = np.zeros(len(model.item_ids), dtype=np.float32)
    rows = [none if r.demographic is None else r.demographic for r in requests]
    return {"demographic": np.stack(rows)}


def _unranked(
    model: Model,
    ranked: Sequence[RankedCandidate],
    request: OrderRequest,
    allowed: NDArray[np.bool_] | None,
    n: int,
) -> list[RankedCandidate]:
    """What follows the ranked candidates: included items that the model does not know, by content
    score; then as many others as bring the list to `n`.
    """
    content = request.content
    used = {candidate.candidate.item_id for candidate in ranked} | request.exclude
    unknown = set(request.include) - model.positions.keys() - used
    item_ids = sorted(unknown, key=lambda item_id: (-content.get(item_id, 0.0), item_id))
    missing = n - len(ranked) - len(item_ids)
    if missing > 0:
        item_ids += islice(_others(model, used | unknown, content, allowed), missing)
    last = ranked[-1].score if ranked else 0.0
    return [
        RankedCandidate(
            Candidate(item_id=item_id, scores=_content_score(item_id, content)),
            last - place * _STEP,
        )
        for place, item_id in enumerate(item_ids, 1)
    ]


def _others(
    model: Model, used: Set[str], content: Mapping[str, float], allowed: NDArray[np.bool_] | None
) -> Iterator[str]:
    """Allowed items that are not used: by content score, then those without one in the catalogue's
    order.
    """
    at = np.arange(len(model.item_ids)) if allowed is None else np.flatnonzero(allowed)
    unused = [item_id for position in at if (item_id := model.item_ids[position]) not in used]
    scored = [item_id for item_id in unused if item_id in content]
    yield from sorted(scored, key=lambda item_id: (-content[item_id], item_id))
    yield from (item_id for item_id in unused if item_id not in content)


def _content_score(item_id: str, content: Mapping[str, float]) -> dict[str, float]:
    return {"content": content[item_id]} if item_id in content else {}


def _scores_by_place(
    top_candidates: Mapping[str, TopCandidates], positions: NDArray[np.int64], items: int
) -> dict[str, dict[int, float]]:
    """By candidate generator, its scores of the items at `positions` [n], by index in `positions`.
    Items that the generator did not name are left out.
    """
    place = np.full(items, -1)
    place[positions] = np.arange(len(positions))
    scores: dict[str, dict[int, float]] = {}
    for name, named in top_candidates.items():
        places = place[named.items]
        inside = places >= 0
        scores[name] = dict(
            zip(places[inside].tolist(), named.scores[inside].tolist(), strict=True)
        )
    return scores


def _candidate(
    item_id: str,
    place: int,
    scores: Mapping[str, Mapping[int, float]],
    content: Mapping[str, float],
) -> Candidate:
    own = {
        name: round(by_place[place], 6) for name, by_place in scores.items() if place in by_place
    }
    return Candidate(item_id=item_id, scores=own | _content_score(item_id, content))


def _scored(
    model: Model, table: CandidateTable, histories: Sequence[History]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """[users, candidates] scores, and whether each comes from the fusion; the others, where nothing
    was learned or the user has no history, are priors.
    """
    score = table.prior.astype(np.float64)
    has_history = np.array([len(history.items) > 0 for history in histories], dtype=bool)
    fused = (table.items >= 0) & has_history[:, None]
    if model.fusion is None:
        fused[:] = False
    elif fused.any():
        score[fused] = model.fusion.score(model.fusion.known(table.columns[fused], table.names))
    return score, fused


def score_users(
    model: Model, histories: Sequence[History], n: int = CANDIDATES
) -> NDArray[np.float64]:
    """[users, items] for evaluation: candidates by fusion, all other items at -1e6, the user's own
    at -inf.
    """
    exclude = [history.items for history in histories]
    table = tabulate(model.channels, histories, exclude, n=n)
    out = np.full((len(histories), len(model.item_ids)), -1e6)
    score, _ = _scored(model, table, histories)
    for row, history in enumerate(histories):
        inside = table.items[row] >= 0
        out[row, table.items[row][inside]] = score[row][inside]
        out[row, history.items] = -np.inf
    return out
