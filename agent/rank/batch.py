"""Everyone at once: all histories as arrays, lists for every user, and the users of one item, in
bounded memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from limner.core.interactions import Interactions
from limner.core.schema import Audience, Item, RankedUser, RecommendationRequest, User
from limner.rank.diversify import diversify_list
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

    def had(self, item: int) -> NDArray[np.bool_]:
        """[users] who had an item."""
        found = np.zeros(len(self), dtype=bool)
        found[
            np.searchsorted(self.starts, np.flatnonzero(self.items == item), side="right") - 1
        ] = True
        return found


def history_batch(x: Interactions, signal: NDArray[np.float32], model: Model) -> HistoryBatch:
    """Events on items that the model does not hold are left out."""
    place = np.array([model.positions.get(one, -1) for one in x.item_ids], dtype=np.int64)
    items = place[x.item] if len(x) else np.empty(0, np.int64)
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
    """Whether nothing usable is known of what the user did."""


def lists(
    model: Model,
    crowd: HistoryBatch,
    items: Mapping[str, Item],
    n: int,
    wishes: RecommendationRequest,
    *,
    repeats: bool,
    allowed: NDArray[np.bool_] | None,
    attributes: Mapping[str, User],
    demographics: Demographics | None,
) -> Iterator[UserList]:
    """The n best items of every user in turn, as `order` has them one by one."""
    context = [model.positions[one] for one in wishes.context if one in model.positions]
    banned = frozenset(wishes.exclude) | frozenset(wishes.context)
    for part in batches(model.channels, range(len(crowd))):
        asked = []
        for user in part:
            own = crowd.history(user)
            history = with_context(own, context, model)
            group = None
            if demographics is not None and not len(history.items):
                group = demographics.score(
                    attributes[crowd.user_ids[user]].attributes, model.item_ids
                )
            had = frozenset() if repeats else frozenset(model.item_ids[at] for at in own.items)
            asked.append(OrderRequest(history, banned | had, demographic=group))
        size = max(n, CANDIDATES) if wishes.shapes else n
        for user, one, first in zip(
            part, asked, order_many(model, asked, allowed=allowed, n=size), strict=True
        ):

            def ordered(
                k: int,
                one: OrderRequest = one,
                first: list[RankedCandidate] = first,
                size: int = size,
            ) -> list[RankedCandidate]:
                return first if k <= size else next(order_many(model, [one], allowed=allowed, n=k))

            chosen = diversify_list(ordered, n, wishes, model, items)[:n]
            yield UserList(crowd.user_ids[user], chosen, cold=not len(one.history.items))


def with_context(history: History, context: Sequence[int], model: Model) -> History:
    """A history that ends with the items of this visit, each a clear sign of taste, had at the
    model's moment.
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
    crowd: HistoryBatch,
    users: Sequence[int],
    item: int,
    advance: Callable[[int], None],
) -> Reach:
    """Of users at positions in the crowd, by the trained model: the item is a candidate of each,
    whatever they had.

    An item that nobody had is scored by content alone, the mean of the likeness of its text and of
    its attributes to what the user had, and has no probability.
    """
    score = np.full(len(users), np.nan)
    probability = np.full(len(users), np.nan)
    content = bool(model.channels.is_fresh[item])
    done = 0
    for part in batches(model.channels, users):
        histories = [crowd.history(user) for user in part]
        known = [at for at, one in enumerate(histories) if len(one.items)]
        rows = np.array(known, dtype=np.int64) + done
        if known and content:
            score[rows] = nearness(model, [histories[at] for at in known], item)
        elif known:
            asked = [np.array([item])] * len(known)
            score[rows], probability[rows] = _fused(model, [histories[at] for at in known], asked)
        done += len(part)
        advance(len(part))
    return Reach(score, probability)


def probabilities_of(
    model: Model, histories: Sequence[History], items: Sequence[NDArray[np.int64]]
) -> list[Floats]:
    """For each user, of the items at these positions, the probability that `Model.probability`
    tells: each is a candidate, whatever the voices say. NaN where nothing was learned, and for
    users without history.
    """
    found = [np.full(len(one), np.nan) for one in items]
    known = [at for at, one in enumerate(histories) if len(one.items) and len(items[at])]
    for part in batches(model.channels, known):
        _, told = _fused(model, [histories[at] for at in part], [items[at] for at in part])
        ends = np.cumsum([len(items[at]) for at in part])
        for at, own in zip(part, np.split(told, ends[:-1]), strict=True):
            found[at] = own
    return found


def _fused(
    model: Model, histories: Sequence[History], items: Sequence[NDArray[np.int64]]
) -> tuple[Floats, Floats]:
    """[pairs] scores and probabilities of the items asked about for each user, user by user."""
    table = tabulate(model.channels, histories, [one.items for one in histories], add=items)
    row = np.repeat(np.arange(len(items)), [len(one) for one in items])
    place = np.concatenate(
        [_places(own, asked) for own, asked in zip(table.items, items, strict=True)]
    )
    if model.fusion is None:
        return table.prior[row, place].astype(np.float64), np.full(len(row), np.nan)
    score = np.full(table.items.shape, np.nan)
    score[row, place] = model.fusion.score(
        model.fusion.known(table.columns[row, place], table.names)
    )
    return score[row, place], model.probability(score, histories)[row, place]


def _places(candidates: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where items stand among candidates, which hold each."""
    order = np.argsort(candidates, kind="stable")
    return order[np.searchsorted(candidates, items, sorter=order)]


def nearness(model: Model, histories: Sequence[History], item: int) -> Floats:
    """[users] mean of the voices `content` and `facets` for one item, in about [-1, 1]."""
    voices = [one for one in model.channels.voices if one.name in ("content", "facets")]
    return np.asarray(
        np.mean([one.score(histories)[:, item] for one in voices], axis=0), dtype=np.float64
    )


def order_users(found: Reach, user_ids: Sequence[str]) -> NDArray[np.int64]:
    """Positions, likeliest first, users without score last; ties by id."""
    score = np.where(np.isnan(found.probability), found.score, found.probability)
    ties = np.argsort(np.argsort(np.array(user_ids, dtype=object), kind="stable"), kind="stable")
    return np.lexsort((ties, -np.nan_to_num(score, nan=-np.inf))).astype(np.int64)


def audience(
    model: Model,
    crowd: HistoryBatch,
    item: Item,
    matching: Sequence[str],
    n: int | None,
    *,
    repeats: bool,
    advance: Callable[[int], None],
) -> Audience:
    """The n users (all where None) among `matching` ids that an item is likeliest for, best first.

    Those who had it already are left out unless `repeats`.
    """
    at = model.positions[item.item_id]
    had = crowd.had(at)
    wanted = [crowd.position[one] for one in matching if one in crowd.position]
    users = [user for user in wanted if repeats or not had[user]]
    found = reach(model, crowd, users, at, advance)
    ids = [crowd.user_ids[user] for user in users]
    best = order_users(found, ids)[:n]
    fresh = bool(model.channels.is_fresh[at])
    unknown = int(np.isnan(found.score).sum())
    notes = []
    if fresh:
        notes.append(
            "Nobody has had this item yet, so users are ordered by how like it is to what they had."
        )
    elif model.fusion is None:
        notes.append(
            "There was too little past to learn probabilities from; users are in the "
            "order of fixed weights."
        )
    if unknown:
        notes.append(f"{unknown:,} of them did nothing that can be used; they come last, by id.")
    return Audience(
        item=item,
        users=[
            RankedUser(
                user_id=ids[place],
                rank=rank,
                score=0.0 if np.isnan(found.score[place]) else round(float(found.score[place]), 6),
                probability=None
                if np.isnan(found.probability[place])
                else float(found.probability[place]),
                flags=["seen"] * bool(had[users[place]])
                + ["cold_user"] * bool(np.isnan(found.score[place])),
            )
            for rank, place in enumerate(best.tolist(), 1)
        ],
        definition=_definition(model, fresh),
        population=len(crowd),
        matching=len(wanted),
        had=len(wanted) - len(users) if not repeats else 0,
        considered=len(users),
        notes=notes,
    )


def _definition(model: Model, fresh: bool) -> str:
    if fresh:
        return _NEAR
    if model.fusion is None:
        return _UNLEARNED
    return _LIKELY if model.activity is not None else _LIKELY_NEXT


_LIKELY = (
    "calibrated probability that the user has the item within the stretch that training "
    "asks about (a fifth of all "
    "events): that the user does anything in it, times that the item is among it if so; "
    "highest first"
)
_LIKELY_NEXT = (
    "calibrated probability that the user has the item next, if the user does anything; "
    "training knows no times that "
    "tell who will; highest first"
)
_NEAR = "likeness of the item's text and attributes to what the user had, nearest first"
_UNLEARNED = "reciprocal rank fusion of the channels with fixed weights, highest first"
