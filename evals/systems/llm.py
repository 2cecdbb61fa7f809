"""A language model by itself: what is popular and what reads like the user's past, in the model's
order alone.
"""

import asyncio
import hashlib
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import CannotRunError, ModelError, SettingsError
from limner.core.messages import joined
from limner.core.schema import Item, LedgerRow
from limner.core.settings import Settings as Configuration
from limner.evals.systems.base import Scores, Setting, Training, UserBatch
from limner.llm import Budget, MemoryCache
from limner.llm.session import ModelHandle, ModelSession
from limner.rerank import ModelOrder, Taste, judge, prompts_of
from limner.retrieve import History, ItemSimilarity

T = TypeVar("T")

_ANSWERS: tuple[str, ...] = (
    "choice",
    "model",
    "base_url",
    "grade",
    "local_model",
    "local_sha256",
    "context",
    "temperature",
    "probe",
)
"""Settings of a model that shape its answers. The other settings are limits of time and cost."""
_TITLES = 8
"""Items a user liked most, and half as many that they disliked, that the model may be told of."""


class _Loop:
    """An event loop in a thread of its own: clients of models belong to one loop, and the caller
    may be in another (a notebook's).
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._runner = asyncio.Runner()

    def wait(self, work: Coroutine[object, object, T]) -> T:
        return self._thread.submit(self._runner.run, work).result()

    def close(self) -> None:
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()


def shape_of(settings: Configuration) -> str:
    """Hash of all settings that shape the numbers of the system `llm`."""
    llm = settings.llm.model_dump_json(include=set(_ANSWERS))
    shaping = (
        llm,
        settings.rerank.model_dump_json(),
        settings.portrait.language,
        prompts_of(settings),
    )
    return hashlib.sha256(repr(shaping).encode()).hexdigest()[:16]


class Llm:
    """The shortlist is made of the most popular items and of those whose texts are nearest to what
    the user has had, in turns, as long as the settings' `rerank.top`; a model orders it as it does
    for `recommend`, with no weight of any other order. What is not on it follows by popularity.
    Users of whom there is nothing to tell get the shortlist.

    Skipped where there is no model; a user for whom the model gives no order has failed.
    """

    name: ClassVar[str] = "llm"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {}

    def __init__(self) -> None:
        self._book = MemoryCache()
        self._open: tuple[_Loop, ModelSession] | None = None
        self._ready = ModelHandle(None, "none")

    @property
    def model(self) -> str:
        return self._ready.name or ""

    @property
    def ledger(self) -> Sequence[LedgerRow]:
        return self._book.rows

    def fit(self, training: Training) -> None:
        self._share, self._items = training.share, training.shelf.items
        self._ids = training.x.item_ids
        self._by_id = dict(zip(self._ids, self._items, strict=True))
        vectors = training.catalogue.vectors
        self._content = (
            ItemSimilarity(vectors, "content", 20.0, "liked") if vectors.shape[1] else None
        )
        rerank = training.settings.rerank
        mode = "auto" if rerank.mode == "off" else rerank.mode
        self._settings = training.settings.model_copy(
            update={"rerank": rerank.model_copy(update={"mode": mode})}
        )
        desk = ModelSession(self._settings, self._book, training.progress)
        desk.budget = Budget(training.money)
        self._loop = _Loop()
        self._open = self._loop, desk
        try:
            self._ready = self._loop.wait(desk.ready())
        except SettingsError as error:
            raise CannotRunError(error.message) from error
        if self._ready.chat is None:
            if self._ready.notes:
                raise CannotRunError(joined(self._ready.notes))
            raise CannotRunError("system.no_model")

    def score(self, asked: UserBatch) -> Scores:
        scores = np.tile(self._share - 2, (len(asked), 1)).astype(np.float64)
        near = self._content.score(asked.histories) if self._content else None
        heads = [
            self._head(history, None if near is None else near[row])
            for row, history in enumerate(asked.histories)
        ]
        judged = self._loop.wait(self._judged(asked, heads))
        for row, (head, one) in enumerate(zip(heads, judged, strict=True)):
            place = {item_id: at for at, item_id in enumerate(one.order)}
            order = sorted(range(len(head)), key=lambda at: place.get(self._ids[head[at]], at))
            scores[row, head[order]] = -np.arange(len(head)) / max(len(head), 1)
        return scores

    def close(self) -> None:
        if self._open is not None:
            loop, desk = self._open
            self._open = None
            loop.wait(desk.close())
            loop.close()

    def _head(self, history: History, near: NDArray[np.float32] | None) -> NDArray[np.int64]:
        """Positions of the shortlist, none of them had."""
        top = self._settings.rerank.top
        popular = np.argsort(-self._share, kind="stable")
        likened = popular if near is None else np.argsort(-near, kind="stable")
        # Of each as many as would do alone, in case the other has nothing new.
        had = np.unique(history.items)
        some = [
            one[~np.isin(one, had)][:top]
            for one in (popular[: top + len(had)], likened[: top + len(had)])
        ]
        turns = (
            np.column_stack(some).ravel() if len(some[0]) == len(some[1]) else np.concatenate(some)
        )
        return np.array(list(dict.fromkeys(turns.tolist()))[:top], dtype=np.int64)

    async def _judged(
        self, asked: UserBatch, heads: Sequence[NDArray[np.int64]]
    ) -> list[ModelOrder]:
        turn = asyncio.Semaphore(self._settings.llm.concurrency)

        async def one(history: History, head: NDArray[np.int64]) -> ModelOrder:
            taste = self._taste(history)
            async with turn:
                verdict = await judge(
                    [self._ids[at] for at in head],
                    self._by_id,
                    taste,
                    self._ready.chat,
                    self._ready.grade,
                    self._settings,
                )
            if not verdict.order and not taste.is_empty and len(head) > 1:
                why = verdict.note or ""
                raise ModelError(why) if verdict.state == "failed" else CannotRunError(why)
            return verdict

        verdicts = await asyncio.gather(*map(one, asked.histories, heads), return_exceptions=True)
        wrong = next((each for each in verdicts if isinstance(each, BaseException)), None)
        if wrong is not None:
            raise wrong
        return [each for each in verdicts if isinstance(each, ModelOrder)]

    def _taste(self, history: History) -> Taste:
        """The user's taste from the past alone, without a portrait: best liked first, then latest.
        Items without a signal count as liked, after all others.
        """
        order = np.lexsort((np.arange(len(history.items)), history.signal))
        liked = [self._items[at] for at in history.items[order[history.signal[order] >= 0][::-1]]]
        disliked = [self._items[at] for at in history.items[order[history.signal[order] < 0]]]
        return Taste(
            liked=_different(liked)[:_TITLES], disliked=_different(disliked)[: _TITLES // 2]
        )


def _different(items: Sequence[Item]) -> list[Item]:
    return list({one.item_id: one for one in items}.values())
