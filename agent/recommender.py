"""From a portrait and a past to a list that says why: ordered, reranked, explained."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from agent.config import Settings
from agent.errors import LimnerError
from agent.explain import explain
from agent.interactions import milliseconds
from agent.leads import Lead, Past, leads, places
from agent.models import ModelDesk, Ready
from agent.rank import CANDIDATES, Listed, Model, Ranked, lists, order, shaped, shelf_flags, with_context
from agent.rerank import Taste, load_weight, rerank
from agent.retrieve import content_scores
from agent.schema import Event, Item, Profile, Recommendation, Recommendations, Wishes
from agent.signals import place_of, signals_of
from agent.store import Store
from agent.watch import Watch, timed
from agent.world import Snapshots, known_items
from evals.splits import bucket_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Recommender:
    """Answers with a store's trained ranker; what is missing was trained and painted before."""

    def __init__(self, settings: Settings, store: Store, snapshots: Snapshots, models: ModelDesk, watch: Watch) -> None:
        self.settings, self.store, self.snapshots, self.models = settings, store, snapshots, models
        self.watch = watch

    def past(self, user_id: str) -> Past:
        return self.past_of(self.store.events(user_id))

    def past_of(self, events: Sequence[Event]) -> Past:
        world = self.snapshots.world()
        items = known_items(events, world.items)
        return Past(events, items, signals_of(events, self.settings.signals, world.scales))

    def order(
        self, profile: Profile, past: Past, wishes: Wishes | None, *, exclude: frozenset[str] = frozenset(),
        include: Sequence[str] = (), n: int = CANDIDATES,
    ) -> list[Ranked]:  # fmt: skip
        """Channels -> candidates -> learned order -> what was wished for: content from the portrait's vectors, the rest
        from the model. Without wishes the whole catalogue is open, hidden items too.
        """
        model = self.model()
        content = self.snapshots.content(profile, past.taste, max((e.seq for e in past.events), default=0))
        context = wishes.context if wishes else []
        times = [milliseconds(e.timestamp) for e in past.events if e.item_id is not None]
        history = with_context(model.history(past.taste, times), [model.positions[one] for one in context], model)
        allowed = self.snapshots.allowed(wishes) if wishes else None
        group = None if len(history.items) else self._group(profile.user_id, model)

        def ordered(k: int) -> list[Ranked]:
            return order(
                model, history, content=content, exclude=exclude, include=include, allowed=allowed, demographic=group,
                n=k,
            )  # fmt: skip

        if wishes is None:
            return ordered(n)
        # A list that was chosen as a whole is reordered within itself alone.
        n = n if wishes.shapes else max(n, self.settings.rerank.top)
        return shaped(ordered, n, wishes, model, self.snapshots.world().items)

    def model(self) -> Model:
        model = self.snapshots.model()
        if model is None:
            raise LimnerError("The channels are not trained; run `limner train`.")
        return model

    def _group(self, user_id: str, model: Model) -> "NDArray[np.float32] | None":
        """[items] score among users with the same attributes; None where the user has none that are counted."""
        attributes = self.store.require_user(user_id).attributes
        return self.snapshots.demographics().score(attributes, model.item_ids) if attributes else None

    async def answer(
        self, profile: Profile, past: Past, ranked: Sequence[Ranked], n: int, with_reasons: bool, wishes: Wishes,
        notes: Sequence[str],
    ) -> Recommendations:  # fmt: skip
        """Shortlist -> reranked order -> reasons -> recommendations."""
        world = self.snapshots.world()
        model = await self.models.ready()
        by_id = {one.candidate.item_id: one for one in ranked}
        scores = {item_id: one.score for item_id, one in by_id.items()}
        placed = places([one.candidate for one in ranked])
        items = {i: world.items.get(i) or Item(item_id=i) for i in scores}
        weight, why = self._say_of(model, past)
        with timed(self.watch, "rerank"):
            reranked = await rerank(
                list(scores), items, self.taste(profile, past), model.chat, model.grade, self.settings, weight=weight,
                user_id=profile.user_id, likeness=self.likeness(past, list(scores)) if weight else None,
            )  # fmt: skip
        top = reranked.order[:n]
        told = None
        if with_reasons:
            with timed(self.watch, "explain"):
                told = await explain(
                    profile, [items[i] for i in top], past, model.chat, model.grade, self.settings,
                    led=self._leads(past, top, placed),
                    channels={i: list(placed[i]) for i in top},
                    lexicon=world.lexicon(self.settings.reasons.language or profile.language),
                    values_of=world.population.facets_of,
                    scales=world.scales,
                )  # fmt: skip
        rated = [
            (e.item_id, place) for e in past.events if e.item_id and (place := place_of(e, world.scales)) is not None
        ]
        ratings = self.model().ratings_of(rated, top)
        fallback = not past.items and not wishes.context
        said = [*notes, *model.notes, *([] if profile.version else profile.notes), *(told.notes if told else [])]
        said += [why] if why else []
        said += self._used(profile.user_id, past, wishes)
        answer = Recommendations(
            user_id=profile.user_id,
            recommendations=[
                Recommendation(
                    item=items[item_id],
                    rank=rank,
                    score=reranked.scores.get(item_id, scores[item_id]),
                    probability=by_id[item_id].probability,
                    predicted_rating=ratings.get(item_id),
                    channels={name: by_id[item_id].candidate.scores[name] for name in placed[item_id]},
                    rerank=reranked.state if item_id in reranked.scores or reranked.state != "applied" else "skipped",
                    flags=self._flags(item_id, past.had, fallback),
                    reason=told.reasons.get(item_id) if told else None,
                )
                for rank, item_id in enumerate(top, 1)
            ],
            profile_version=profile.version or None,
            grade=model.grade,
            model=model.name,
            fallback=fallback,
            wishes=None if wishes == Wishes() else wishes,
            notes=list(dict.fromkeys(said)),
            dropped=told.dropped if told else [],
        )
        self.watch.recommended(answer)
        return answer

    def _say_of(self, model: Ready, past: Past) -> tuple[float, str]:
        """A model's weight in the order of a user's recommendations, and why it has none."""
        if model.chat is None or self.settings.rerank.weight is not None:
            return self.settings.rerank.weight or 0.0, ""
        fitted = load_weight(self.store, model.chat.name)
        if fitted is None:
            return 0.0, ""
        weight = fitted.of(bucket_of(len(past.taste)))
        asked = fitted.buckets[0].cases
        return weight, "" if weight else (
            f"{model.chat.name} is not asked for the order: it did not improve it for {asked} users of the past."
        )

    def _used(self, user_id: str, past: Past, wishes: Wishes) -> list[str]:
        """What the list rests on where it is not the user's own past alone."""
        if wishes.context:
            return [f"Ordered for this visit: its items ({len(wishes.context)}) count as the newest events."]
        if past.items:
            return []
        attributes = self.store.require_user(user_id).attributes
        shared = self.snapshots.demographics().known(attributes) if attributes else []
        if not shared:
            return ["Too little is known of this user; these are popular with others."]
        names = ", ".join(dict.fromkeys(one.partition(": ")[0] for one in shared))
        return [f"Too little is known of what this user did; these are popular with users of the same {names}."]

    def _flags(self, item_id: str, had: frozenset[str], fallback: bool) -> list[str]:
        item, model = self.snapshots.world().items.get(item_id), self.model()
        flags = {
            "seen": item_id in had,
            "unknown": item is None,
            "cold_item": item is not None and model.is_fresh(item_id),
            "fallback": fallback,
        }
        return [*(name for name, true in flags.items() if true), *shelf_flags(item)]

    def _leads(
        self, past: Past, item_ids: Sequence[str], placed: Mapping[str, Mapping[str, float]]
    ) -> dict[str, list[Lead]]:
        """The user's events that speak most for each item, by channel, and checked against what others did."""
        holders = self.snapshots.holders()

        def companions(first: str, second: str, in_order: bool) -> int:
            return holders.companions(first, second, in_order) - (second in past.had)

        return leads(item_ids, past, self.model(), self.snapshots.vectors(), placed, companions)

    def likeness(self, past: Past, item_ids: Sequence[str]) -> dict[str, float]:
        """Cosine of items to what a user liked, less half that to what they disliked; of items that have vectors."""
        vectors = self.snapshots.vectors()
        score = content_scores(vectors, past.taste)
        return {one: float(score[vectors.positions[one]]) for one in item_ids if one in vectors.positions}

    def taste(self, profile: Profile, past: Past) -> Taste:
        ranked = sorted(past.events, key=lambda e: (past.signal[e.event_id], e.seq))
        titled = [
            (past.items[e.item_id], past.signal[e.event_id]) for e in ranked if e.item_id and e.item_id in past.items
        ]
        return Taste(
            preferences=sorted(profile.preferences, key=lambda one: -one.strength)[:8],
            liked=[item for item, signal in titled[::-1] if signal > 0][:8],
            disliked=[item for item, signal in titled if signal < 0][:4],
        )

    def lists(self, n: int, wishes: Wishes, repeats: bool) -> Iterator[Listed]:
        """Everyone's shortlists, from all histories at once."""
        model = self.model()
        people = {user.user_id: user for user in self.store.users()}
        known = any(user.attributes for user in people.values())
        return lists(
            model, self.snapshots.crowd(model), self.snapshots.world().items, n, wishes,
            repeats=repeats, allowed=self.snapshots.allowed(wishes), attributes=people,
            demographics=self.snapshots.demographics() if known else None,
        )  # fmt: skip

    def plain(self, one: Listed, wishes: Wishes, notes: Sequence[str]) -> Recommendations:
        items = self.snapshots.world().items
        return Recommendations(
            user_id=one.user_id,
            recommendations=[
                Recommendation(
                    item=items.get(found.candidate.item_id) or Item(item_id=found.candidate.item_id),
                    rank=rank,
                    score=found.score,
                    probability=found.probability,
                    flags=self._flags(found.candidate.item_id, frozenset(), one.cold),
                )
                for rank, found in enumerate(one.items, 1)
            ],
            fallback=one.cold,
            wishes=None if wishes == Wishes() else wishes,
            notes=list(notes),
        )
