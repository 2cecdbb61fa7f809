"""Answers at once, as a server gives them: no model is waited for, and what is known of a user is kept between requests
until they do something.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from agent.context import Context, pack, relevance_to
from agent.errors import UnknownIdError
from agent.feedback import Listener
from agent.leads import Past
from agent.painter import Painter
from agent.rank import shortfall
from agent.recommender import Recommender
from agent.schema import Item, Profile, Recommendations, Scale, Wishes
from agent.store import Store
from agent.texts import preference_text
from agent.trainer import Trainer
from agent.watch import timed
from agent.world import Snapshots

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


class Swift:
    """Plain functions over one store; any number of threads may call them."""

    def __init__(
        self, store: Store, snapshots: Snapshots, trainer: Trainer, painter: Painter, recommender: Recommender,
        listener: Listener,
    ) -> None:  # fmt: skip
        self._store, self._snapshots, self._trainer = store, snapshots, trainer
        self._painter, self._recommender, self._listener = painter, recommender, listener
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = Lock()

    def recommend(self, user_id: str, n: int, wishes: Wishes, *, repeats: bool, explain: bool) -> Recommendations:
        """As `Engine.recommend` for one user, kept so that feedback can name it. Raises UnknownIdError."""
        known = self.known(user_id)
        notes = self._trainer.ready(wishes)
        with timed(self._recommender.watch, "rank"):
            had = frozenset() if repeats else known.past.had
            omitted = had | {*wishes.exclude, *wishes.context}
            ranked = self._recommender.order(known.profile, known.past, wishes, exclude=omitted, n=n)
        said = [*notes, *shortfall(n, len(ranked), wishes)]
        answer = self._recommender.at_once(known.profile, known.past, ranked, n, explain, wishes, said)
        return self._listener.keep(answer, self._recommender.model().manifest.version)

    def visit(self, n: int, wishes: Wishes, *, explain: bool) -> Recommendations:
        """The same for a visitor who is nobody in the store: by the items of the visit, else what is popular."""
        profile, past = Profile(user_id="", as_of=datetime.now(UTC), summary=""), Past([], {}, {})
        notes = self._trainer.ready(wishes)
        with timed(self._recommender.watch, "rank"):
            ranked = self._recommender.order(
                profile, past, wishes, exclude=frozenset({*wishes.exclude, *wishes.context}), n=n
            )
        said = [*notes, *shortfall(n, len(ranked), wishes)]
        answer = self._recommender.at_once(profile, past, ranked, n, explain, wishes, said)
        return self._listener.keep(answer, self._recommender.model().manifest.version, anonymous=True)

    def rank(self, user_id: str, item_ids: Sequence[str], *, explain: bool) -> Recommendations:
        """As `Engine.rank`. Raises UnknownIdError."""
        known = self.known(user_id)
        notes = self._trainer.ready(Wishes())
        given = dict.fromkeys(item_ids)
        with timed(self._recommender.watch, "rank"):
            ranked = self._recommender.order(
                known.profile, known.past, None, exclude=known.past.had - given.keys(), include=list(given)
            )
        found = [one for one in ranked if one.candidate.item_id in given]
        return self._recommender.at_once(known.profile, known.past, found, len(given), explain, Wishes(), notes)

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
