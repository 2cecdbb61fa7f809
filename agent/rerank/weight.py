"""The weight of a model's order in the blend with the ranker's: fitted on the past, by length of
history.

At evaluation points, of users that the ranker's fusion did not see, the model reorders the
shortlist. Its order is blended with the ranker's by every weight of `WEIGHTS` and scored by what
the user had next (ndcg@10). A weight above zero is taken only if its gain is significant: measured
on other users than those it was chosen on (five folds), the lower end of the gain's 95% bootstrap
interval is above zero (for each length of history by itself, without correction for multiple
tests). Otherwise the weight is zero, and the model is not asked.

The model is asked only at points where something that the user had next is in the shortlist;
elsewhere all orders score alike, and the gain is zero.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from limner.core.messages import Message, message
from limner.core.metrics import BUCKETS, bucket_of, interval, ndcg
from limner.core.progress import Progress
from limner.core.schema import BucketWeight, Grade, Item, RerankWeight
from limner.core.settings import Settings
from limner.llm import Chat
from limner.rank import EvaluationPoint
from limner.rerank.order import Taste, blend, judge
from limner.store import Store

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
"""Shares of the model's order that are tried."""
MIN_CASES = 20
"""Fewest users with a length of history for a weight of their own; with fewer, the weight of all
users applies.
"""
_FOLDS = 5
_CUT = 10


@dataclass(frozen=True)
class WeightCase:
    """The ranker's and the model's order for one user at an evaluation point."""

    history: int
    """The user's events before the point."""
    prior: Sequence[str]
    """Item ids as the ranker orders them, best first."""
    judged: Sequence[str]
    """The items of `prior` as the model orders them."""
    relevant: frozenset[str]
    """Items that the user had after that time."""


@dataclass(frozen=True)
class TasteBefore:
    """A user's taste as the events before an evaluation point show it."""

    taste: Taste
    likeness: Mapping[str, float]
    """By item id, similarity to what the user liked minus that to what they disliked."""


async def weigh(
    past: Sequence[EvaluationPoint],
    items: Mapping[str, Item],
    known_of: Callable[[EvaluationPoint], Awaitable[TasteBefore]],
    chat: Chat,
    grade: Grade,
    settings: Settings,
    progress: Progress,
) -> tuple[RerankWeight | None, Message | None]:
    """Have the model order the shortlists of the past and fit its weight; None, and why, where it
    gave no order.

    known_of: what the events before an evaluation point tell of its user.
    """
    cases: list[WeightCase] = []
    method = ""
    note: Message | None = None
    failures = 0  # in a row
    progress.start("weighing the model's order", len(past))
    for point in past:
        head = list(filter(items.__contains__, point.order))[: settings.rerank.top]
        judged = head
        if point.relevant & set(head):
            known = await known_of(point)
            answer = await judge(
                head,
                items,
                known.taste,
                chat,
                grade,
                settings,
                user_id=point.user_id,
                likeness=known.likeness,
            )
            failures = failures + 1 if answer.state == "failed" else 0
            if failures >= settings.llm.give_up_after:
                progress.done()
                return None, answer.note
            # A failure leaves the order as it was, here as in use.
            judged = answer.order or head
            method, note = answer.method or method, answer.note or note
        cases.append(WeightCase(point.history, head, judged, point.relevant))
        progress.advance()
    progress.done()
    if not method:
        return None, note or message("rerank.no_past")
    return fit_weight(cases, chat.name, method), None


def fit_weight(cases: Sequence[WeightCase], model: str, method: str, seed: int = 0) -> RerankWeight:
    """The weight of `model` for all users, and for each length of history with at least `MIN_CASES`
    cases.
    """
    gains = np.array([_gains(case) for case in cases]).reshape(len(cases), len(WEIGHTS))
    names = np.array([bucket_of(case.history) for case in cases])
    buckets = [_fit("all", gains, seed)]
    for name, *_ in BUCKETS:
        own = gains[names == name]
        if len(own) >= MIN_CASES:
            buckets.append(_fit(name, own, seed))
    return RerankWeight(model=model, method=method, buckets=buckets)


def _gains(case: WeightCase) -> NDArray[np.float64]:
    """[weights] ndcg@10 of the blend minus that of the ranker's order, over the items that the
    model saw.
    """
    relevant = np.array([len(case.relevant & set(case.prior))])

    def score(order: Sequence[str]) -> float:
        hits = np.array([[item_id in case.relevant for item_id in order[:_CUT]]])
        return float(ndcg(hits, relevant, _CUT)[0]) if relevant[0] else 0.0

    plain = score(case.prior)
    blends = (blend(case.prior, case.judged, weight)[0] for weight in WEIGHTS)
    return np.array([score(order) - plain for order in blends])


def _fit(name: str, gains: NDArray[np.float64], seed: int) -> BucketWeight:
    fold_of_case = np.random.default_rng(seed).permutation(len(gains)) % _FOLDS
    held_out_gains = np.zeros(len(gains))
    for fold in range(_FOLDS):
        inside = fold_of_case == fold
        if inside.any() and not inside.all():
            best = int(np.argmax(gains[~inside].mean(axis=0)))
            held_out_gains[inside] = gains[inside, best]
    gain = interval(held_out_gains, seed=seed)
    trusted = len(gains) >= MIN_CASES and gain.low > 0
    weight = WEIGHTS[int(np.argmax(gains.mean(axis=0)))] if trusted else 0.0
    return BucketWeight(
        bucket=name,
        cases=len(gains),
        weight=weight,
        gain=_sound(gain.mean),
        low=_sound(gain.low),
        high=_sound(gain.high),
    )


def _sound(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)


# ---------------------------------------------------------------- kept in the store


def save_weight(store: Store, weight: RerankWeight) -> None:
    store.set_note(_note(weight.model), weight.model_dump_json())


def load_weight(store: Store, model: str) -> RerankWeight | None:
    """The weight fitted for a model on this store; None where there is none, or another version
    saved it in another form.
    """
    text = store.note(_note(model))
    if text is None:
        return None
    try:
        return RerankWeight.model_validate_json(text)
    except ValidationError:
        return None


def _note(model: str) -> str:
    return f"rerank weight of {model}"
