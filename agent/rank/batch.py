"""Many users at once: all histories as arrays, a list for every user, and the users whom an item is
likeliest for, in bounded memory.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import Interactions
from limner.core.messages import Message, message
from limner.core.schema import Audience, Item, RankedUser, RecommendationRequest, User
from limner.core.variants import NO_VARIANTS, Variants
from limner.rank.diversify import diversify_list, one_of_each
from limner.rank.features import CANDIDATES, batches, tabulate
from limner.rank.model import Model
from limner.rank.order import OrderRequest, RankedCandidate, order_many
from limner.retrieve import Demographics, History

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HistoryBatch:
    """The item events of all users, coded as positions in a model's items."""

    user_ids: list[str]
    """Users without events too."""
    starts: NDArray[np.int64]
    """[users + 1] where each user's events begin."""
    items: NDArray[np.int64]
    """[n] positions, oldest first for each user."""
    signal: NDArray[np.float32]
    """[n]."""
    time: NDArray[np.int64]
    """[n] epoch milliseconds UTC, NO_TIME where none."""

    def __len__(self) -> int:
        return len(self.user_ids)

    @cached_property
    def position(self) -> dict[str, int]:
        return {user_id: at for at, user_id in enumerate(self.user_ids)}

    def history(self, user: int) -> History:
        span = slice(self.starts[user], self.starts[user + 1])
        return History(self.items[span], self.signal[span], time=self.time[span])

    def had(self, *items: int) -> NDArray[np.bool_]:
        """[users] who had any of some items."""
        events = np.flatnonzero(np.isin(self.items, items))
        had = np.zeros(len(self), dtype=bool)
        had[np.searchsorted(self.starts, events, side="right") - 1] = True
        return had


def history_batch(x: Interactions, signal: NDArray[np.float32], model: Model) -> HistoryBatch:
    """All users' histories; events on items that the model does not hold are left out."""
    position = np.array([model.positions.get(item_id, -1) for item_id in x.item_ids], np.int64)
    items = position[x.item] if len(x) else np.empty(0, np.int64)
    known = items >= 0
    starts = np.searchsorted(x.user[known], np.arange(len(x.user_ids) + 1)).astype(np.int64)
    return HistoryBatch(x.user_ids, starts, items[known], signal[known], x.time[known])


# ---------------------------------------------------------------- lists for everyone


@dataclass(frozen=True)
class UserList:
    """One user's list."""

    user_id: str
    items: list[RankedCandidate]
    cold: bool
    """Whether the user has no usable history."""


def lists(
    model: Model,
    batch: HistoryBatch,
    items: Mapping[str, Item],
    n: int,
    wishes: RecommendationRequest,
    *,
    repeats: bool,
    allowed: NDArray[np.bool_] | None,
    attributes: Mapping[str, User],
    demographics: Demographics | None,
    variants: Variants = NO_VARIANTS,
) -> Iterator[UserList]:
    """The n best items of every user in turn, as `order` has them one by one; of variants one, and
    none of what the user had.
    """
    context = [model.positions[item_id] for item_id in wishes.context if item_id in model.positions]
    banned = frozenset(wishes.exclude) | variants.with_variants(frozenset(wishes.context))

    def request_of(user: int) -> OrderRequest:
        own = batch.history(user)
        history = with_context(own, context, model)
        group = None
        if demographics is not None and not len(history.items):
            group = demographics.score(attributes[batch.user_ids[user]].attributes, model.item_ids)
        had = frozenset() if repeats else frozenset(model.item_ids[at] for at in own.items)
        return OrderRequest(history, banned | variants.with_variants(had), demographic=group)

    size = max(n, CANDIDATES) if wishes.shapes else n
    for part in batches(model.channels, range(len(batch))):
        requests = list(map(request_of, part))
        orders = order_many(model, requests, allowed=allowed, n=size)
        for user, request, first in zip(part, requests, orders, strict=True):

            def ordered(
                k: int, request: OrderRequest = request, first: list[RankedCandidate] = first
            ) -> list[RankedCandidate]:
                if k <= size:
                    return first
                return next(order_many(model, [request], allowed=allowed, n=k))

            one_each = one_of_each(ordered, variants)
            chosen = diversify_list(one_each, n, wishes, model, items)[:n]
            yield UserList(batch.user_ids[user], chosen, cold=not len(request.history.items))


def with_context(history: History, context: Sequence[int], model: Model) -> History:
    """The history followed by the items of this visit, with signal 1 and the time of the model's
    last event.
    """
    if not context:
        return history
    items = np.concatenate([history.items, np.array(context, dtype=np.int64)])
    signal = np.concatenate([history.signal, np.ones(len(context), dtype=np.float32)])
    time = history.time
    if time is not None and model.activity is not None:
        time = np.concatenate([time, np.full(len(context), model.activity.now)])
    return History(items, signal, history.now, time)


# ---------------------------------------------------------------- users for an item


@dataclass(frozen=True)
class Reach:
    """How near an item is to each of some users."""

    score: Floats
    """[users] higher is likelier; users without usable history are NaN."""
    probability: Floats
    """[users] NaN where none was learned."""


def reach(
    model: Model,
    batch: HistoryBatch,
    users: Sequence[int],
    item: int,
    advance: Callable[[int], None],
) -> Reach:
    """How likely an item is for users at positions in the batch, whatever they had.

    An item that nobody had is scored by content alone, the mean similarity of its text and of its
    attributes to what the user had, and has no probability. advance: called with the number of
    users done since the last call.
    """
    score = np.full(len(users), np.nan)
    probability = np.full(len(users), np.nan)
    fresh = bool(model.channels.is_fresh[item])
    done = 0
    for part in batches(model.channels, users):
        histories = [batch.history(user) for user in part]
        rows = np.flatnonzero([len(history.items) > 0 for history in histories])
        known = [histories[row] for row in rows]
        if known and fresh:
            score[rows + done] = nearness(model, known, item)
        elif known:
            items = [np.array([item])] * len(known)
            score[rows + done], probability[rows + done] = _fused(model, known, items)
        done += len(part)
        advance(len(part))
    return Reach(score, probability)


def probabilities_of(
    model: Model, histories: Sequence[History], items: Sequence[NDArray[np.int64]]
) -> list[Floats]:
    """For each user the probabilities, as `Model.probability` gives them, of the items at these
    positions; each item counts as a candidate.

    NaN where nothing was learned, and for users without history.
    """
    probabilities = [np.full(len(positions), np.nan) for positions in items]
    known = [at for at, past in enumerate(histories) if len(past.items) and len(items[at])]
    for part in batches(model.channels, known):
        _, fused = _fused(model, [histories[at] for at in part], [items[at] for at in part])
        ends = np.cumsum([len(items[at]) for at in part])
        for at, own in zip(part, np.split(fused, ends[:-1]), strict=True):
            probabilities[at] = own
    return probabilities


def _fused(
    model: Model, histories: Sequence[History], items: Sequence[NDArray[np.int64]]
) -> tuple[Floats, Floats]:
    """[pairs] scores and probabilities of the items asked about for each user, user by user."""
    exclude = [history.items for history in histories]
    table = tabulate(model.channels, histories, exclude, add=items)
    row = np.repeat(np.arange(len(items)), [len(positions) for positions in items])
    place = np.concatenate(list(map(_places, table.items, items)))
    if model.fusion is None:
        return table.prior[row, place].astype(np.float64), np.full(len(row), np.nan)
    score = np.full(table.items.shape, np.nan)
    score[row, place] = model.fusion.score(
        model.fusion.known(table.columns[row, place], table.names)
    )
    return score[row, place], model.probability(score, histories)[row, place]


def _places(candidates: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.int64]:
    """[items] index of each item in `candidates`, which contain them all."""
    order = np.argsort(candidates, kind="stable")
    return order[np.searchsorted(candidates, items, sorter=order)]


def nearness(model: Model, histories: Sequence[History], item: int) -> Floats:
    """[users] mean score of the channels `content` and `facets` for one item, in about [-1, 1]."""
    scores = [
        channel.score(histories)[:, item]
        for channel in model.channels.candidate_generators
        if channel.name in ("content", "facets")
    ]
    return np.asarray(np.mean(scores, axis=0), dtype=np.float64)


def order_users(reached: Reach, user_ids: Sequence[str]) -> NDArray[np.int64]:
    """Positions, likeliest first, users without score last; ties by id."""
    score = np.where(np.isnan(reached.probability), reached.score, reached.probability)
    ties = np.argsort(np.argsort(np.array(user_ids, dtype=object), kind="stable"), kind="stable")
    return np.lexsort((ties, -np.nan_to_num(score, nan=-np.inf))).astype(np.int64)


def audience(
    model: Model,
    batch: HistoryBatch,
    item: Item,
    matching: Sequence[str],
    n: int | None,
    *,
    variants: Variants = NO_VARIANTS,
    repeats: bool,
    advance: Callable[[int], None],
) -> Audience:
    """The n users (all where None) among `matching` ids that an item is likeliest for, best first.

    Those who had it or a variant already are left out unless `repeats`.
    """
    position = model.positions[item.item_id]
    same = (model.positions.get(one, position) for one in variants.of(item.item_id))
    had = batch.had(*same)
    known = [batch.position[user_id] for user_id in matching if user_id in batch.position]
    users = [user for user in known if repeats or not had[user]]
    reached = reach(model, batch, users, position, advance)
    ids = [batch.user_ids[user] for user in users]
    best = order_users(reached, ids)[:n].tolist()
    fresh = bool(model.channels.is_fresh[position])
    return Audience(
        item=item,
        users=[
            _ranked_user(ids[place], rank, reached, place, seen=bool(had[users[place]]))
            for rank, place in enumerate(best, 1)
        ],
        definition=_definition(model, fresh),
        population=len(batch),
        matching=len(known),
        had=len(known) - len(users) if not repeats else 0,
        considered=len(users),
        notes=_audience_notes(model, fresh, int(np.isnan(reached.score).sum())),
    )


def _ranked_user(user_id: str, rank: int, reached: Reach, place: int, seen: bool) -> RankedUser:
    score, probability = float(reached.score[place]), float(reached.probability[place])
    cold = math.isnan(score)
    return RankedUser(
        user_id=user_id,
        rank=rank,
        score=0.0 if cold else round(score, 6),
        probability=None if math.isnan(probability) else probability,
        flags=["seen"] * seen + ["cold_user"] * cold,
    )


def _audience_notes(model: Model, fresh: bool, unknown: int) -> list[Message]:
    """What to know about the order; `unknown` users have no usable history."""
    notes = []
    if fresh:
        notes.append(message("audience.by_likeness"))
    elif model.fusion is None:
        notes.append(message("audience.fixed_weights"))
    if unknown:
        notes.append(message("audience.inactive_last", n=unknown))
    return notes


def _definition(model: Model, fresh: bool) -> str:
    if fresh:
        return _NEAR
    if model.fusion is None:
        return _UNLEARNED
    return _LIKELY if model.activity is not None else _LIKELY_NEXT


_LIKELY = (
    "calibrated probability that the user has the item within the stretch that training asks about "
    "(a fifth of all events): that the user does anything in it, times that the item is among it "
    "if so; highest first"
)
_LIKELY_NEXT = (
    "calibrated probability that the user has the item next, if the user does anything; training "
    "knows no times that tell who will; highest first"
)
_NEAR = "likeness of the item's text and attributes to what the user had, nearest first"
_UNLEARNED = "reciprocal rank fusion of the channels with fixed weights, highest first"
