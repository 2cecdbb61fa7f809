"""How much a model's order is worth beside the ranker's: fitted on the past, by length of history.

For users that the ranker's fusion did not see, the model reorders the shortlist as of a moment of
the past. Orders are blended with every weight of `WEIGHTS` and scored by what the user had next. A
weight is taken only where it is better than none with some certainty: the gain is measured on other
users than those the weight was chosen on (five folds), and the lower end of its 95% bootstrap
interval is above zero (each length of history by itself, without correction for there being
several). Otherwise the weight is zero, and the model is not asked.

Asked are only moments at which something that the user had next stands in the shortlist: where
nothing does, no order of it is better than another, and the gain is zero without asking.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

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
"""Users of a length of history below which they go by the weight of all."""
_FOLDS = 5
_CUT = 10


@dataclass(frozen=True)
class WeightCase:
    """One user at one moment of the past."""

    history: int
    """Events the user had by then."""
    prior: Sequence[str]
    """Item ids as the ranker orders them, best first."""
    judged: Sequence[str]
    """The same items as the model orders them."""
    relevant: frozenset[str]
    """What the user had next."""


@dataclass(frozen=True)
class TasteBefore:
    """What there is to judge a user's items by."""

    taste: Taste
    likeness: Mapping[str, float]
    """Of items to what the user liked, less that to what they disliked."""


async def weigh(
    past: Sequence[EvaluationPoint],
    items: Mapping[str, Item],
    known_of: Callable[[EvaluationPoint], Awaitable[TasteBefore]],
    chat: Chat,
    grade: Grade,
    settings: Settings,
    progress: Progress,
) -> tuple[RerankWeight | None, str]:
    """Have the model order the shortlists of the past and fit its weight; None, and why, where it
    gave no order.

    known_of: what is known of a moment's user from the events before it.
    """
    cases: list[WeightCase] = []
    method = note = ""
    failed = 0  # in a row
    progress.start("weighing the model's order", len(past))
    for one in past:
        head = [item_id for item_id in one.order if item_id in items][: settings.rerank.top]
        judged = head
        if one.relevant & set(head):
            known = await known_of(one)
            answer = await judge(
                head,
                items,
                known.taste,
                chat,
                grade,
                settings,
                user_id=one.user_id,
                likeness=known.likeness,
            )
            failed = failed + 1 if answer.state == "failed" else 0
            if failed >= settings.llm.give_up_after:
                progress.done()
                return None, answer.note
            # A failure leaves the order as it was, here as in use.
            judged, method, note = (
                answer.order or head,
                answer.method or method,
                answer.note or note,
            )
        cases.append(WeightCase(one.history, head, judged, one.relevant))
        progress.advance()
    progress.done()
    if not method:
        return None, note or "The past holds nothing to measure it by."
    return fit_weight(cases, chat.name, method), ""


def fit_weight(cases: Sequence[WeightCase], model: str, method: str, seed: int = 0) -> RerankWeight:
    """The weight of `model` for all users, and for each length of history with at least `MIN_CASES`
    cases.
    """
    gains = np.array([_gains(one) for one in cases]).reshape(len(cases), len(WEIGHTS))
    names = np.array([bucket_of(one.history) for one in cases])
    found = [_fit("all", gains, seed)]
    for name, *_ in BUCKETS:
        own = gains[names == name]
        if len(own) >= MIN_CASES:
            found.append(_fit(name, own, seed))
    return RerankWeight(model=model, method=method, buckets=found)


def _gains(one: WeightCase) -> NDArray[np.float64]:
    """[weights] ndcg@10 of the blend less that of the ranker's order, over the items that the model
    saw.
    """
    relevant = np.array([len(one.relevant & set(one.prior))])

    def score(order: Sequence[str]) -> float:
        hits = np.array([[item_id in one.relevant for item_id in order[:_CUT]]])
        return float(ndcg(hits, relevant, _CUT)[0]) if relevant[0] else 0.0

    plain = score(one.prior)
    return np.array([score(blend(one.prior, one.judged, weight)[0]) - plain for weight in WEIGHTS])


def _fit(name: str, gains: NDArray[np.float64], seed: int) -> BucketWeight:
    fold = np.random.default_rng(seed).permutation(len(gains)) % _FOLDS
    honest = np.zeros(len(gains))
    for one in range(_FOLDS):
        inside = fold == one
        if inside.any() and not inside.all():
            honest[inside] = gains[inside, int(np.argmax(gains[~inside].mean(axis=0)))]
    gain = interval(honest, seed=seed)
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
    """What was fitted for a model on this store; None where nothing was, or by a version that kept
    something else.
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
