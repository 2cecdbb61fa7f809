"""Answers at once, as a server gives them: no model is waited for, and what is known of a user is
kept between requests until they do something.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import compress
from threading import Lock
from typing import Generic, TypeVar

from limner.core.errors import UnknownIdError
from limner.core.schema import Item, Profile, RecommendationRequest, Recommendations, Scale
from limner.explain.attribution import Past
from limner.index.documents import preference_text
from limner.profile.builder import ProfileBuilder
from limner.profile.context import Context, pack, relevance_to
from limner.rank import RankedCandidate, allowed, check_wishes
from limner.recommend.feedback import FeedbackService
from limner.recommend.pipeline import RecommendationPipeline
from limner.recommend.training import Trainer
from limner.retrieve.neighbors import (
    Near,
    Neighbor,
    PopularItem,
    most_had,
    near_in_text,
    near_in_users,
)
from limner.state.snapshots import DerivedState
from limner.store import Store

T = TypeVar("T")

ANSWERS = 2000
"""Answers that are kept for the case that they are asked for again before anything has changed."""
ORDERS = 2000
"""Orders of items that are kept for lists of another length, or with reasons, of the same
request.
"""
PATIENCE = 20.0
"""Seconds that a request waits for a first training, which small stores end within."""
KEPT = 500
"""Users whose past and portrait are kept; those that were not asked about for longest go."""


@dataclass(frozen=True)
class UserState:
    """What is known of a user."""

    newest: tuple[int, int]
    """The user's last event and newest portrait."""
    items: Mapping[str, Item]
    """The catalogue that the past was read against, and the scales."""
    scales: Mapping[str, Scale]
    profile: Profile
    past: Past


@dataclass(frozen=True)
class _State:
    """What an answer rests on."""

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
        """None where there is none of this state."""
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


def _nobody() -> Profile:
    return Profile(user_id="", as_of=datetime.now(UTC), summary="")


class RecommendationService:
    """Plain functions over one store; any number of threads may call them."""

    def __init__(
        self,
        store: Store,
        snapshots: DerivedState,
        trainer: Trainer,
        profile_builder: ProfileBuilder,
        recommender: RecommendationPipeline,
        feedback_service: FeedbackService,
    ) -> None:
        self._store, self._snapshots, self._trainer = store, snapshots, trainer
        self._painter, self._recommender, self._listener = (
            profile_builder,
            recommender,
            feedback_service,
        )
        self._known: OrderedDict[str, UserState] = OrderedDict()
        self._orders, self._answers = (
            LRUCache[list[RankedCandidate]](ORDERS),
            LRUCache[Recommendations](ANSWERS),
        )
        self._lock = Lock()

    def warm(self) -> None:
        """Read what every answer needs, so that no request waits for it; nothing where nothing was
        trained yet.

        The embedder too, where it is of this machine: the first portrait is painted from its words.
        """
        with self._snapshots.request_snapshot():
            if self._snapshots.trained() is None:
                return
            self._trainer.ready(RecommendationRequest())
        with self._snapshots.request_snapshot():
            self._recommender.choose(_nobody(), _NOTHING, 1, RecommendationRequest(), repeats=False)
            self._snapshots.holders()
            self._snapshots.load_embedder()

    def recommend(
        self, user_id: str, n: int, wishes: RecommendationRequest, *, repeats: bool, explain: bool
    ) -> Recommendations:
        """As `Engine.recommend` for one user, kept so that feedback can name it. Raises
        UnknownIdError.
        """
        asked = f"{repeats}:{wishes.model_dump_json()}"
        request = f"{n}:{explain}:{asked}"
        with self._snapshots.request_snapshot():
            if (held := self._repeated(user_id, request)) is not None:
                return self._kept(held)
            notes = self._ready(wishes)
            known = self.known(user_id)
            state = self._state(known.newest)
            size = self._recommender.size(n, wishes)
            ranked = self._orders.get(user_id, f"{size}:{asked}", state)
            if ranked is None:
                ranked = self._recommender.choose(
                    known.profile, known.past, n, wishes, repeats=repeats
                )
                if not self._snapshots.embedding_error():
                    self._orders.put(user_id, f"{size}:{asked}", state, ranked)
            answer = self._answered(
                known.profile, known.past, ranked, n, wishes, notes, explain=explain
            )
            self._remember(user_id, request, state, answer)
            return self._kept(answer)

    def visit(
        self, n: int, wishes: RecommendationRequest, *, explain: bool, keep: bool = True
    ) -> Recommendations:
        """The same for a visitor who is nobody in the store: by the items of the visit, else what
        is popular.

        keep: so that feedback can name it.
        """
        with self._snapshots.request_snapshot():
            notes = self._ready(wishes)
            nobody = _nobody()
            ranked = self._recommender.choose(nobody, _NOTHING, n, wishes, repeats=False)
            answer = self._answered(nobody, _NOTHING, ranked, n, wishes, notes, explain=explain)
            return self._kept(answer, anonymous=True) if keep else answer

    def rank(self, user_id: str, item_ids: Sequence[str], *, explain: bool) -> Recommendations:
        """As `Engine.rank`. Raises UnknownIdError."""
        with self._snapshots.request_snapshot():
            notes = self._ready(RecommendationRequest())
            known = self.known(user_id)
            found = self._recommender.choose_among(known.profile, known.past, item_ids)
            return self._recommender.at_once(
                known.profile,
                known.past,
                found,
                len(found),
                explain,
                RecommendationRequest(),
                notes,
            )

    def _ready(self, wishes: RecommendationRequest) -> list[str]:
        """What is missing is made here. Raises NotTrainedError while that takes long."""
        self._trainer.within(PATIENCE, wishes)
        return self._trainer.ready(wishes)

    def _answered(
        self,
        profile: Profile,
        past: Past,
        ranked: Sequence[RankedCandidate],
        n: int,
        wishes: RecommendationRequest,
        notes: Sequence[str],
        *,
        explain: bool,
    ) -> Recommendations:
        said = [*notes, *self._recommender.shortfall(n, len(ranked), wishes)]
        return self._recommender.at_once(profile, past, ranked, n, explain, wishes, said)

    def _kept(self, answer: Recommendations, *, anonymous: bool = False) -> Recommendations:
        return self._listener.keep(
            answer, self._recommender.model().manifest.version, anonymous=anonymous
        )

    # ------------------------------------------------------------ what is kept

    def _state(self, newest: tuple[int, int]) -> _State:
        """All that an order of items for a user rests on."""
        world, model = self._snapshots.world(), self._recommender.model()
        return _State(
            newest,
            world.catalogue,
            world.scales,
            model.manifest.version,
            self._snapshots.generation(),
        )

    def _repeated(self, user_id: str, request: str) -> Recommendations | None:
        """The answer to the same request, where all that it rests on is the same."""
        if not self._answers.holds(user_id, request):
            return None
        newest = self._store.newest(user_id)
        if newest is None or self._snapshots.trained() is None:
            return None
        held = self._answers.get(user_id, request, self._worded(self._state(newest)))
        if held is not None:
            self._recommender.watch.recommended(held)
        return held

    def _remember(self, user_id: str, request: str, state: _State, answer: Recommendations) -> None:
        """Keep an answer that nothing would better: in a model's words, or with none to ask."""
        worded = all(
            one.reason is None or one.reason.source == "llm" for one in answer.recommendations
        )
        if (
            worded or not self._recommender.models.is_set()
        ) and not self._snapshots.embedding_error():
            self._answers.put(user_id, request, self._worded(state), answer)

    def _worded(self, state: _State) -> tuple[_State, str | None]:
        """What an answer rests on: the state, and the language model."""
        return state, self._recommender.models.opened().name

    def forget(self, user_id: str) -> None:
        """Keep nothing of a user any more."""
        with self._lock:
            self._known.pop(user_id, None)
        self._orders.forget(user_id)
        self._answers.forget(user_id)

    async def word(self, answer: Recommendations) -> None:
        """Have the model say why for the items of an answer that stand in template words, for the
        next time.
        """
        profile = await self._painter.profile(answer.user_id)
        past = self._recommender.past(answer.user_id)
        wanted = [
            one
            for one in answer.recommendations
            if one.reason is not None and one.reason.source != "llm"
        ]
        await self._recommender.word(
            profile,
            past,
            [one.item for one in wanted],
            {one.item.item_id: one.channels for one in wanted},
        )

    def context(self, user_id: str, max_tokens: int, query: str = "", model: str = "") -> Context:
        """The portrait packed for another model's prompt. Raises UnknownIdError, or BadInputError
        for a tiny budget.
        """
        profile = self.known(user_id).profile
        relevance = None
        if query and profile.preferences:
            texts = [preference_text(one) for one in profile.preferences]
            [asked] = self._snapshots.query_vectors([query])
            relevance = relevance_to(
                asked, profile.preferences, self._snapshots.passage_vectors(texts)
            )
        return pack(profile, max_tokens, relevance=relevance, query=query, model=model)

    def popular(self, n: int, wishes: RecommendationRequest) -> list[PopularItem]:
        """What most users have had, of the items that the wishes allow."""
        items = self._fitting(wishes)
        found = most_had(self._snapshots.holders(), items.keys(), n)
        return [
            PopularItem(item=items[one], rank=rank, users=users)
            for rank, (one, users) in enumerate(found, 1)
        ]

    def neighbours(
        self, item_id: str, n: int, by: Near, wishes: RecommendationRequest
    ) -> list[Neighbor]:
        """The items nearest to one, of those that the wishes allow. Raises UnknownIdError."""
        if item_id not in self._snapshots.world().items:
            raise UnknownIdError(
                f"There is no item '{item_id}' in the store; ids are used exactly as in the data."
            )
        items = self._fitting(wishes)
        if by == "users":
            found = near_in_users(self._snapshots.holders(), item_id)
        else:
            with self._snapshots.request_snapshot():
                self._ready(RecommendationRequest())  # which embeds what is not embedded yet
            found = near_in_text(self._snapshots.vectors(), item_id)
        held = [(items[one], score) for one, score in found if one in items][:n]
        return [
            Neighbor(item=one, rank=rank, score=round(score, 6))
            for rank, (one, score) in enumerate(held, 1)
        ]

    def _fitting(self, wishes: RecommendationRequest) -> dict[str, Item]:
        """The items that wishes allow, by id."""
        items = self._snapshots.world().items
        check_wishes(wishes, items)
        mask = allowed([*items], items, wishes)
        return dict(items) if mask is None else dict(compress(items.items(), mask))

    def known(self, user_id: str) -> UserState:
        """A user's portrait and past as they are now. Raises UnknownIdError."""
        newest = self._store.newest(user_id)
        if newest is None:
            with self._lock:
                self._known.pop(user_id, None)
            raise UnknownIdError(
                f"There is no user '{user_id}' in the store; ids are used exactly as in the data."
            )
        world = self._snapshots.world()
        with self._lock:
            held = self._known.get(user_id)
            if held is not None:
                self._known.move_to_end(user_id)
        if (
            held is not None
            and held.newest == newest
            and held.items is world.items
            and held.scales is world.scales
        ):
            return held
        profile = self._painter.at_once(user_id)
        held = UserState(
            (newest[0], profile.version),
            world.items,
            world.scales,
            profile,
            self._recommender.past(user_id),
        )
        with self._lock:
            self._known[user_id] = held
            self._known.move_to_end(user_id)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return held
