"""Answers at once, as a server gives them: no model is waited for, and what is known of a user is kept between requests
until they do something.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import compress
from threading import Lock

from agent.browse import Near, Neighbor, PopularItem, most_had, near_in_text, near_in_users
from agent.context import Context, pack, relevance_to
from agent.errors import UnknownIdError
from agent.feedback import Listener
from agent.leads import Past
from agent.painter import Painter
from agent.rank import allowed, check_wishes, shortfall
from agent.recommender import Recommender
from agent.schema import Item, Profile, Recommendations, Scale, Wishes
from agent.store import Store
from agent.texts import preference_text
from agent.trainer import Trainer
from agent.world import Snapshots

ANSWERS = 5000
"""Answers that are kept for the case that they are asked for again before anything has changed."""
KEPT = 500
"""Users whose past and portrait are kept; those that were not asked about for longest go."""


@dataclass(frozen=True)
class _Known:
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
    named: str | None
    """The language model."""


class Swift:
    """Plain functions over one store; any number of threads may call them."""

    def __init__(
        self, store: Store, snapshots: Snapshots, trainer: Trainer, painter: Painter, recommender: Recommender,
        listener: Listener,
    ) -> None:  # fmt: skip
        self._store, self._snapshots, self._trainer = store, snapshots, trainer
        self._painter, self._recommender, self._listener = painter, recommender, listener
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._answers: OrderedDict[tuple[str, str], tuple[_State, Recommendations]] = OrderedDict()
        self._lock = Lock()

    def recommend(self, user_id: str, n: int, wishes: Wishes, *, repeats: bool, explain: bool) -> Recommendations:
        """As `Engine.recommend` for one user, kept so that feedback can name it. Raises UnknownIdError."""
        request = f"{n}:{repeats}:{explain}:{wishes.model_dump_json()}"
        with self._snapshots.steady():
            if (held := self._repeated(user_id, request)) is not None:
                return self._kept(held)
        notes = self._ready(wishes)
        with self._snapshots.steady():
            newest = self._store.newest(user_id)
            known = self.known(user_id)
            answer = self._answered(known.profile, known.past, n, wishes, notes, repeats=repeats, explain=explain)
            self._remember(user_id, request, newest, answer)
            return self._kept(answer)

    def visit(self, n: int, wishes: Wishes, *, explain: bool) -> Recommendations:
        """The same for a visitor who is nobody in the store: by the items of the visit, else what is popular."""
        notes = self._ready(wishes)
        with self._snapshots.steady():
            nobody = Profile(user_id="", as_of=datetime.now(UTC), summary="")
            answer = self._answered(nobody, Past([], {}, {}), n, wishes, notes, repeats=False, explain=explain)
            return self._kept(answer, anonymous=True)

    def rank(self, user_id: str, item_ids: Sequence[str], *, explain: bool) -> Recommendations:
        """As `Engine.rank`. Raises UnknownIdError."""
        notes = self._ready(Wishes())
        with self._snapshots.steady():
            known = self.known(user_id)
            found = self._recommender.choose_among(known.profile, known.past, item_ids)
            return self._recommender.at_once(known.profile, known.past, found, len(found), explain, Wishes(), notes)

    def _ready(self, wishes: Wishes) -> list[str]:
        """In a view of its own, since what is missing is made here."""
        with self._snapshots.steady():
            return self._trainer.ready(wishes)

    def _answered(
        self, profile: Profile, past: Past, n: int, wishes: Wishes, notes: Sequence[str], *, repeats: bool,
        explain: bool,
    ) -> Recommendations:  # fmt: skip
        ranked = self._recommender.choose(profile, past, n, wishes, repeats=repeats)
        said = [*notes, *shortfall(n, len(ranked), wishes)]
        return self._recommender.at_once(profile, past, ranked, n, explain, wishes, said)

    def _kept(self, answer: Recommendations, *, anonymous: bool = False) -> Recommendations:
        return self._listener.keep(answer, self._recommender.model().manifest.version, anonymous=anonymous)

    # ------------------------------------------------------------ what is kept

    def _state(self, user_id: str) -> _State | None:
        """All that an answer to a user rests on; None where nothing may be kept yet."""
        newest, model = self._store.newest(user_id), self._snapshots.trained()
        if newest is None or model is None:
            return None
        world, named = self._snapshots.world(), self._recommender.models.opened().name
        return _State(
            newest, world.catalogue, world.scales, model.manifest.version, self._snapshots.generation(), named
        )

    def _repeated(self, user_id: str, request: str) -> Recommendations | None:
        """The answer to the same request, where all that it rests on is the same."""
        with self._lock:
            held = self._answers.get((user_id, request))
        if held is None or held[0] != self._state(user_id):
            return None
        with self._lock:
            if (user_id, request) in self._answers:
                self._answers.move_to_end((user_id, request))
        self._recommender.watch.recommended(held[1])
        return held[1]

    def _remember(
        self, user_id: str, request: str, newest: tuple[int, int] | None, answer: Recommendations
    ) -> None:  # fmt: skip
        """Keep an answer that nothing would better: in a model's words, or with none to ask."""
        worded = all(one.reason is None or one.reason.source == "llm" for one in answer.recommendations)
        state = self._state(user_id)
        if state is None or not (worded or not self._recommender.models.is_set()):
            return
        # A first request may have painted the portrait, which is then what its answer rests on; an event that came
        # meanwhile is not.
        if newest is None or newest[0] != state.newest[0]:
            return
        with self._lock:
            self._answers[user_id, request] = (state, answer)
            self._answers.move_to_end((user_id, request))
            while len(self._answers) > ANSWERS:
                self._answers.popitem(last=False)

    def forget(self, user_id: str) -> None:
        """Keep nothing of a user any more."""
        with self._lock:
            self._known.pop(user_id, None)
            for key in [one for one in self._answers if one[0] == user_id]:
                del self._answers[key]

    async def word(self, answer: Recommendations) -> None:
        """Have the model say why for the items of an answer that stand in template words, for the next time."""
        profile = await self._painter.profile(answer.user_id)
        past = self._recommender.past(answer.user_id)
        wanted = [one for one in answer.recommendations if one.reason is not None and one.reason.source != "llm"]
        await self._recommender.word(
            profile, past, [one.item for one in wanted], {one.item.item_id: one.channels for one in wanted}
        )

    def context(self, user_id: str, max_tokens: int, query: str = "", model: str = "") -> Context:
        """The portrait packed for another model's prompt. Raises UnknownIdError, or BadInputError for a tiny budget."""
        profile = self.known(user_id).profile
        relevance = None
        if query and profile.preferences:
            texts = [preference_text(one) for one in profile.preferences]
            [asked] = self._snapshots.query_vectors([query])
            relevance = relevance_to(asked, profile.preferences, self._snapshots.passage_vectors(texts))
        return pack(profile, max_tokens, relevance=relevance, query=query, model=model)

    def popular(self, n: int, wishes: Wishes) -> list[PopularItem]:
        """What most users have had, of the items that the wishes allow."""
        items = self._fitting(wishes)
        found = most_had(self._snapshots.holders(), items.keys(), n)
        return [PopularItem(item=items[one], rank=rank, users=users) for rank, (one, users) in enumerate(found, 1)]

    def neighbours(self, item_id: str, n: int, by: Near, wishes: Wishes) -> list[Neighbor]:
        """The items nearest to one, of those that the wishes allow. Raises UnknownIdError."""
        if item_id not in self._snapshots.world().items:
            raise UnknownIdError(f"There is no item '{item_id}' in the store; ids are used exactly as in the data.")
        items = self._fitting(wishes)
        if by == "users":
            found = near_in_users(self._snapshots.holders(), item_id)
        else:
            self._trainer.ready(Wishes())  # which embeds what is not embedded yet
            found = near_in_text(self._snapshots.vectors(), item_id)
        held = [(items[one], score) for one, score in found if one in items][:n]
        return [Neighbor(item=one, rank=rank, score=round(score, 6)) for rank, (one, score) in enumerate(held, 1)]

    def _fitting(self, wishes: Wishes) -> dict[str, Item]:
        """The items that wishes allow, by id."""
        items = self._snapshots.world().items
        check_wishes(wishes, items)
        mask = allowed([*items], items, wishes)
        return dict(items) if mask is None else dict(compress(items.items(), mask))

    def known(self, user_id: str) -> _Known:
        """A user's portrait and past as they are now. Raises UnknownIdError."""
        newest = self._store.newest(user_id)
        if newest is None:
            with self._lock:
                self._known.pop(user_id, None)
            raise UnknownIdError(f"There is no user '{user_id}' in the store; ids are used exactly as in the data.")
        world = self._snapshots.world()
        with self._lock:
            held = self._known.get(user_id)
            if held is not None:
                self._known.move_to_end(user_id)
        if (
            held is not None and held.newest == newest and held.items is world.items and held.scales is world.scales
        ):  # fmt: skip
            return held
        profile = self._painter.at_once(user_id)
        held = _Known((newest[0], profile.version), world.items, world.scales, profile, self._recommender.past(user_id))
        with self._lock:
            self._known[user_id] = held
            self._known.move_to_end(user_id)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return held
