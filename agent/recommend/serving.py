"""Answering requests for recommendations.

Only a request that is to be worded by a language model waits for one. Portraits, orders of items
and answers are cached between requests until something changes.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import compress, islice
from operator import itemgetter
from threading import Lock
from typing import Generic, TypeVar

from limner.core.errors import UnknownIdError
from limner.core.messages import Message
from limner.core.schema import (
    Item,
    Profile,
    Reason,
    Recommendation,
    RecommendationRequest,
    Recommendations,
    Scale,
)
from limner.core.telemetry import timed
from limner.explain.attribution import Past
from limner.explain.reasons import Explained
from limner.index.documents import preference_text
from limner.llm.session import ModelHandle, ModelSession
from limner.profile.builder import ProfileBuilder
from limner.profile.context import Context, pack, relevance_to
from limner.rank import RankedCandidate, allowed, check_wishes
from limner.recommend.feedback import FeedbackService
from limner.recommend.pipeline import RecommendationPipeline, Shortlist
from limner.recommend.training import Trainer
from limner.rerank import Reranked
from limner.retrieve.neighbors import (
    Near,
    Neighbor,
    PopularItem,
    most_had,
    near_in_text,
    near_in_users,
)
from limner.state.derived import DerivedState
from limner.store import Store

T = TypeVar("T")

ANSWERS = 2000
"""Most answers in the cache, for requests repeated before anything has changed."""
ORDERS = 2000
"""Most orders of items in the cache, for the same request with another length or with reasons."""
KEPT = 500
"""Most users in the cache of pasts and portraits; the longest unused is dropped first."""


@dataclass(frozen=True)
class UserState:
    """A user's portrait and past, with the versions they were read at."""

    newest: tuple[int, int]
    """The user's last event and newest portrait."""
    items: Mapping[str, Item]
    """The catalogue that the past was read against, and the scales."""
    scales: Mapping[str, Scale]
    profile: Profile
    past: Past


@dataclass(frozen=True)
class _State:
    """Versions of everything that an answer depends on; a cached answer is valid while they are
    equal.
    """

    newest: tuple[int, int]
    catalogue: str
    scales: Mapping[str, Scale]
    model: int
    vectors: int


class LRUCache(Generic[T]):
    """At most `most` values by user and request, each good for one state; the longest unasked go
    first.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: OrderedDict[tuple[str, str], tuple[object, T]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._values)

    def holds(self, user_id: str, request: str) -> bool:
        """Whether there is one, of whatever state."""
        with self._lock:
            return (user_id, request) in self._values

    def get(self, user_id: str, request: str, state: object) -> T | None:
        """The cached value if it was stored for this state, else None."""
        with self._lock:
            found = self._values.get((user_id, request))
            if found is None or found[0] != state:
                return None
            self._values.move_to_end((user_id, request))
            return found[1]

    def put(self, user_id: str, request: str, state: object, value: T) -> None:
        with self._lock:
            self._values[user_id, request] = (state, value)
            self._values.move_to_end((user_id, request))
            while len(self._values) > self.most:
                self._values.popitem(last=False)

    def forget(self, user_id: str) -> None:
        with self._lock:
            for key in [one for one in self._values if one[0] == user_id]:
                del self._values[key]


_NOTHING = Past([], {}, {})


_PRESENTATION = {"user_id", "n", "explain", "wording", "items"}
"""Fields of a request that change how its list is shown, and not how items are ordered."""


def _visitor() -> Profile:
    """The portrait of somebody who is nobody in the store."""
    return Profile(user_id="", as_of=datetime.now(UTC), summary="")


class RecommendationService:
    """Plain functions over one store; any number of threads may call them."""

    def __init__(
        self,
        store: Store,
        derived: DerivedState,
        models: ModelSession,
        trainer: Trainer,
        builder: ProfileBuilder,
        pipeline: RecommendationPipeline,
        feedback: FeedbackService,
    ) -> None:
        self._store, self._derived, self._models = store, derived, models
        self._trainer, self._builder, self._pipeline = trainer, builder, pipeline
        self._feedback = feedback
        self._known: OrderedDict[str, UserState] = OrderedDict()
        self._orders, self._answers = (
            LRUCache[list[RankedCandidate]](ORDERS),
            LRUCache[Recommendations](ANSWERS),
        )
        self._lock = Lock()

    def warm(self) -> None:
        """Load what every answer needs, so that no request waits for it.

        A local embedder is loaded too, since the first portrait needs it; before the first training
        the counts that lists come from are made.
        """
        anyone = RecommendationRequest(n=1)
        with self._derived.request_snapshot():
            if self._derived.ranker.trained() is not None:
                self._trainer.ready(anyone)
        with self._derived.request_snapshot():
            self._pipeline.choose(_visitor(), _NOTHING, anyone)
            self._derived.catalogue.holders()
            if self._derived.ranker.trained() is not None:
                self._derived.vectors.load_embedder()

    async def recommend(
        self, request: RecommendationRequest, *, keep: bool = False
    ) -> Recommendations:
        """Items for a user or a visitor, best first; missing training and portraits are made first.

        `keep` stores the list, so that feedback can name it. Raises UnknownIdError or BadInputError
        for a user, item or value in the request that does not exist.
        """
        if not request.asks_model or request.user_id is None:
            return self.recommend_now(request, keep=keep)
        with self._derived.request_snapshot():
            self._store.require_user(request.user_id)
            notes = self._trainer.ready(request)
        unpainted = await self._builder.paint_first(request.user_id)
        model = await self._models.ready()
        with self._derived.request_snapshot():
            short, _ = self._shortlist(request, notes, unpainted)
        reranked, unhelped = await self._pipeline.rerank(short, model)
        explained = await self._explained(short, reranked, model) if request.explain else None
        with self._derived.request_snapshot():
            said = [*model.notes, *(explained.notes if explained else ()), *unhelped]
            answer = self._pipeline.answer(short, model, reranked, explained, said)
            return self._kept(answer, request) if keep else answer

    async def _explained(
        self, short: Shortlist, reranked: Reranked, model: ModelHandle
    ) -> Explained:
        with timed(self._pipeline.watch, "explain"):
            items = [short.items[item_id] for item_id in reranked.order[: short.size]]
            grounds = self._pipeline.grounds(short.profile, short.past, items, short.placed)
            return await self._pipeline.model_reasons(grounds, short.profile, short.past, model)

    def recommend_now(
        self, request: RecommendationRequest, *, keep: bool = False
    ) -> Recommendations:
        """Recommendations without waiting for a model: a valid cached answer, or the fused order
        with reasons in stored or template words.
        """
        with self._derived.request_snapshot():
            key = request.model_dump_json()
            answer = self._repeated(request, key)
            if answer is None:
                notes = self._trainer.ready(request)
                short, state = self._shortlist(request, notes)
                answer = self._worded_now(short)
                self._remember(request, key, state, answer)
            return self._kept(answer, request) if keep else answer

    def _worded_now(self, short: Shortlist) -> Recommendations:
        """A shortlist in its order, in words that are there already."""
        cached = short.request.wording != "template"
        model = self._models.handle() if cached else ModelHandle(None, "none")
        order = list(short.ranked)
        explained = None
        if short.request.explain:
            with timed(self._pipeline.watch, "explain"):
                items = [short.items[item_id] for item_id in order[: short.size]]
                grounds = self._pipeline.grounds(short.profile, short.past, items, short.placed)
                explained = self._pipeline.template_reasons(grounds, short.profile)
                stored = self._pipeline.stored_reasons(short.profile, short.past, items, model)
                explained = replace(explained, reasons=explained.reasons | stored)
        notes = explained.notes if explained else ()
        return self._pipeline.answer(short, model, Reranked(order, "skipped"), explained, notes)

    def _shortlist(
        self,
        request: RecommendationRequest,
        notes: Sequence[Message],
        unpainted: Sequence[Message] = (),
    ) -> tuple[Shortlist, _State]:
        """The shortlist for a request, ranked again only if something has changed.

        `unpainted`: notes on why a model could not paint the user's first portrait.
        """
        user = self._visitor_state() if request.user_id is None else self.known(request.user_id)
        profile = user.profile
        if unpainted and not profile.version:
            profile = profile.model_copy(update={"notes": list(unpainted)})
        state = self._state(user.newest)
        ranked = self._ordered(request, profile, user.past, state)
        return self._pipeline.shortlist(request, profile, user.past, ranked, notes), state

    def _ordered(
        self, request: RecommendationRequest, profile: Profile, past: Past, state: _State
    ) -> list[RankedCandidate]:
        if request.user_id is None or request.items is not None:
            return self._pipeline.choose(profile, past, request)
        key = f"{self._pipeline.depth(request)}:{request.model_dump_json(exclude=_PRESENTATION)}"
        ranked = self._orders.get(request.user_id, key, state)
        if ranked is None:
            ranked = self._pipeline.choose(profile, past, request)
            if not self._derived.portraits.embedding_error():
                self._orders.put(request.user_id, key, state, ranked)
        return ranked

    async def everyone(self, request: RecommendationRequest) -> AsyncIterator[Recommendations]:
        """Every user's list in turn; without reasons all are scored in batches, and no portrait is
        painted.
        """
        notes = self._trainer.ready(request)
        if request.explain:
            for user_id in self._store.user_ids():
                own = request.model_copy(update={"user_id": user_id})
                answer = await self.recommend(own)
                said = list(dict.fromkeys([*notes, *answer.notes]))
                yield answer.model_copy(update={"notes": said})
        else:
            for answer in self._pipeline.everyone(request, notes):
                yield answer

    def _kept(self, answer: Recommendations, request: RecommendationRequest) -> Recommendations:
        version = self._pipeline.model().manifest.version
        return self._feedback.keep(answer, version, anonymous=request.user_id is None)

    # ------------------------------------------------------------ what is kept

    def _state(self, newest: tuple[int, int]) -> _State:
        """All that an order of items for a user rests on."""
        world, model = self._derived.catalogue.snapshot(), self._pipeline.model()
        return _State(
            newest,
            world.catalogue,
            world.scales,
            model.manifest.version,
            self._derived.vectors.generation(),
        )

    def _repeated(self, request: RecommendationRequest, key: str) -> Recommendations | None:
        """The cached answer to an equal request, if nothing that it depends on has changed."""
        user_id = request.user_id
        if user_id is None or not self._answers.holds(user_id, key):
            return None
        newest = self._store.newest(user_id)
        if newest is None or self._derived.ranker.trained() is None:
            return None
        answer = self._answers.get(user_id, key, self._with_model(self._state(newest)))
        if answer is not None:
            self._pipeline.watch.recommended(answer)
        return answer

    def _remember(
        self, request: RecommendationRequest, key: str, state: _State, answer: Recommendations
    ) -> None:
        """Cache an answer that cannot improve: it is worded as requested, or there is no model."""
        if request.user_id is None or request.items is not None:
            return
        final = (
            request.wording == "template"
            or not self._models.is_set()
            or all(
                one.reason is None or one.reason.source == "llm" for one in answer.recommendations
            )
        )
        if final and not self._derived.portraits.embedding_error():
            self._answers.put(request.user_id, key, self._with_model(state), answer)

    def _with_model(self, state: _State) -> tuple[_State, str | None]:
        """The state of an answer together with the language model's name."""
        return state, self._models.handle().name

    def forget(self, user_id: str) -> None:
        """Drop a user from every cache."""
        with self._lock:
            self._known.pop(user_id, None)
        self._orders.forget(user_id)
        self._answers.forget(user_id)

    async def word(self, answer: Recommendations) -> None:
        """Have the model say why for the items of an answer that stand in template words, for the
        next time.
        """
        await self._builder.paint_first(answer.user_id)
        user = self.known(answer.user_id)
        plain = [
            one
            for one in answer.recommendations
            if one.reason is not None and one.reason.source != "llm"
        ]
        items = [one.item for one in plain]
        placed = {one.item.item_id: one.channels for one in plain}
        grounds = self._pipeline.grounds(user.profile, user.past, items, placed)
        model = await self._models.ready()
        await self._pipeline.model_reasons(grounds, user.profile, user.past, model)

    def reasons_in(
        self, language: str, user_id: str, recommendations: Sequence[Recommendation]
    ) -> dict[str, Reason]:
        """A list's reasons in template words of another language, by item id. Empty if the list is
        in that language already. Raises UnknownIdError.
        """
        user = self.known(user_id)
        return self._pipeline.reasons_in(language, recommendations, user.profile, user.past)

    def context(self, user_id: str, max_tokens: int, query: str = "", model: str = "") -> Context:
        """The portrait packed for another model's prompt. Raises UnknownIdError, or BadInputError
        for a tiny budget.
        """
        profile = self.known(user_id).profile
        relevance = None
        if query and profile.preferences:
            texts = [preference_text(one) for one in profile.preferences]
            [asked] = self._derived.vectors.query_vectors([query])
            relevance = relevance_to(
                asked, profile.preferences, self._derived.vectors.passage_vectors(texts)
            )
        return pack(profile, max_tokens, relevance=relevance, query=query, model=model)

    def past(self, user_id: str) -> Past:
        """A user's events, and the taste signal of each. Raises UnknownIdError."""
        self._store.require_user(user_id)
        return self._pipeline.past(user_id)

    def items_like(self, words: str, n: int) -> list[str]:
        """The n items whose text is most similar to the words, best first; empty where nothing is
        embedded.
        """
        if not self._derived.vectors.is_indexed():
            return []
        index = self._derived.vectors.index()
        return [hit.id for hit in index.search("items", index.embedder.queries([words]), n)[0]]

    def popular(self, n: int, request: RecommendationRequest) -> list[PopularItem]:
        """The items with the most users, among those that a request allows."""
        items = self._fitting(request)
        variants = self._derived.catalogue.snapshot().variants
        holders = self._derived.catalogue.holders()
        most = most_had(holders, items.keys(), len(items) if variants else n)
        found = islice(variants.distinct(most, itemgetter(0)), n)
        return [
            PopularItem(item=items[one], rank=rank, users=users)
            for rank, (one, users) in enumerate(found, 1)
        ]

    def neighbours(
        self, item_id: str, n: int, by: Near, request: RecommendationRequest
    ) -> list[Neighbor]:
        """The items nearest to one, of those that a request allows. Raises UnknownIdError."""
        if item_id not in self._derived.catalogue.snapshot().items:
            raise UnknownIdError("item.unknown", item=item_id)
        items = self._fitting(request)
        if by == "users":
            nearest = near_in_users(self._derived.catalogue.holders(), item_id)
        else:
            with self._derived.request_snapshot():
                self._trainer.ready(RecommendationRequest())  # embeds what is not
            nearest = near_in_text(self._derived.vectors.items(), item_id)
        variants = self._derived.catalogue.snapshot().variants
        own = {*variants.of(item_id)} - {item_id}
        fitting = ((items[one], score) for one, score in nearest if one in items and one not in own)
        listed = islice(variants.distinct(fitting, lambda pair: pair[0].item_id), n)
        return [
            Neighbor(item=one, rank=rank, score=round(score, 6))
            for rank, (one, score) in enumerate(listed, 1)
        ]

    def _fitting(self, request: RecommendationRequest) -> dict[str, Item]:
        """The items that a request allows, by id."""
        items = self._derived.catalogue.snapshot().items
        check_wishes(request, items)
        mask = allowed([*items], items, request)
        return dict(items) if mask is None else dict(compress(items.items(), mask))

    def _visitor_state(self) -> UserState:
        world = self._derived.catalogue.snapshot()
        return UserState((0, 0), world.items, world.scales, _visitor(), _NOTHING)

    def known(self, user_id: str) -> UserState:
        """A user's portrait and past as they are now. Raises UnknownIdError."""
        newest = self._store.newest(user_id)
        if newest is None:
            with self._lock:
                self._known.pop(user_id, None)
            raise UnknownIdError("user.unknown", user=user_id)
        world = self._derived.catalogue.snapshot()
        with self._lock:
            state = self._known.get(user_id)
            if state is not None:
                self._known.move_to_end(user_id)
        if (
            state is not None
            and state.newest == newest
            and state.items is world.items
            and state.scales is world.scales
        ):
            return state
        profile = self._builder.profile(user_id)
        state = UserState(
            (newest[0], profile.version),
            world.items,
            world.scales,
            profile,
            self._pipeline.past(user_id),
        )
        with self._lock:
            self._known[user_id] = state
            self._known.move_to_end(user_id)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return state
