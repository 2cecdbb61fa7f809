"""From a portrait and a past to a list that says why: ordered, reranked, explained."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from limner.core.errors import LimnerError
from limner.core.interactions import milliseconds
from limner.core.metrics import bucket_of
from limner.core.schema import (
    Attributes,
    Event,
    Item,
    Profile,
    Reason,
    Recommendation,
    RecommendationRequest,
    Recommendations,
)
from limner.core.settings import Settings
from limner.core.signals import place_of, signals_of
from limner.core.telemetry import Telemetry, logged, timed
from limner.explain.attribution import Attribution, Past, attributions, channel_scores
from limner.explain.reasons import Explained, explain, explain_plainly
from limner.llm.session import ModelHandle, ModelSession
from limner.rank import (
    CANDIDATES,
    PROMISED,
    Model,
    RankedCandidate,
    UserList,
    diversify_list,
    lists,
    order,
    shelf_flags,
    shortfall,
    stated_preferences_of,
    with_context,
)
from limner.rerank import Reranked, Taste, load_weight, rerank
from limner.retrieve import content_scores
from limner.state.snapshots import DerivedState, known_items
from limner.store import ResponseLog, Store
from limner.words import spoken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


ChannelScores = Mapping[str, Mapping[str, float]]
"""By item id the channels that found it, best first, as `channel_scores` gives them."""


@dataclass(frozen=True)
class Shortlist:
    """What came out of ranking, by item id, best first."""

    ranked: Mapping[str, RankedCandidate]
    scores: Mapping[str, float]
    items: Mapping[str, Item]
    placed: ChannelScores


class RecommendationPipeline:
    """Answers with a store's trained ranker; what is missing was trained and painted before."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        snapshots: DerivedState,
        models: ModelSession,
        watch: Telemetry,
    ) -> None:
        self.settings, self.store, self.snapshots, self.models = settings, store, snapshots, models
        self.watch, self.kept = watch, ResponseLog(store)

    def past(self, user_id: str) -> Past:
        return self.past_of(self.store.events(user_id))

    def past_of(self, events: Sequence[Event]) -> Past:
        world = self.snapshots.world()
        items = known_items(events, world.items)
        signal = signals_of(events, self.settings.signals, world.scales)
        placed = ((e.item_id, place_of(e, world.scales)) for e in events)
        return Past(
            events,
            items,
            signal,
            [(item, place) for item, place in placed if item and place is not None],
        )

    def size(self, n: int, wishes: RecommendationRequest) -> int:
        """How many items are chosen where n are asked for; lists of the same size begin alike."""
        # A list that was chosen as a whole is reordered within itself alone.
        return n if wishes.shapes else -(-n // self.settings.rerank.top) * self.settings.rerank.top

    def choose(
        self, profile: Profile, past: Past, n: int, wishes: RecommendationRequest, *, repeats: bool
    ) -> list[RankedCandidate]:
        """At least n items (while the catalogue has them), best first: none that the user had
        unless `repeats`, none that is excluded, none of this visit's.
        """
        omitted = {*wishes.exclude, *wishes.context, *(() if repeats else past.had)}
        with timed(self.watch, "rank"):
            return self._order(profile, past, wishes, exclude=frozenset(omitted), n=n)

    def choose_among(
        self, profile: Profile, past: Past, item_ids: Sequence[str]
    ) -> list[RankedCandidate]:
        """Every given item, each once, best first."""
        given = dict.fromkeys(item_ids)
        with timed(self.watch, "rank"):
            # Fusion learned places among candidates that the user had not had.
            ranked = self._order(
                profile, past, None, exclude=past.had - given.keys(), include=list(given)
            )
        return [one for one in ranked if one.candidate.item_id in given]

    def _order(
        self,
        profile: Profile,
        past: Past,
        wishes: RecommendationRequest | None,
        *,
        exclude: frozenset[str],
        include: Sequence[str] = (),
        n: int = CANDIDATES,
    ) -> list[RankedCandidate]:
        """Channels -> candidates -> learned order -> what was wished for: content from the
        portrait's vectors, the rest from the model. Without wishes the whole catalogue is open,
        hidden items too.
        """
        model = self.model()
        content = self.snapshots.content(
            profile, past.taste, max((e.seq for e in past.events), default=0)
        )
        context = wishes.context if wishes else []
        times = [milliseconds(e.timestamp) for e in past.events if e.item_id is not None]
        history = with_context(
            model.history(past.taste, times), [model.positions[one] for one in context], model
        )
        allowed = self.snapshots.allowed(wishes) if wishes else None
        group = None if len(history.items) else self._group(profile.user_id, model)

        def ordered(k: int, only: "NDArray[np.bool_] | None" = allowed) -> list[RankedCandidate]:
            return order(
                model,
                history,
                content=content,
                exclude=exclude,
                include=include,
                allowed=only,
                demographic=group,
                n=k,
            )

        if wishes is None:
            return ordered(n)
        world = self.snapshots.world()
        said = stated_preferences_of(profile.preferences, past.events, world.facets_of)

        def joined(k: int) -> list[RankedCandidate]:
            """With the best of what the user said to like, where candidates hold too little of
            it.
            """
            found = ordered(k)
            if said is None or len(found) < k:
                return found  # the whole catalogue, or nothing to look for
            known = {one.candidate.item_id for one in found}
            held = [said.carried(world.items[one]) for one in known if one in world.items]
            more: dict[str, RankedCandidate] = {}
            for like in said.likes:
                if sum(like in one for one in held) < PROMISED:
                    carry = self.snapshots.carrying(*like)
                    fit = ordered(PROMISED, carry if allowed is None else carry & allowed)
                    more |= {
                        one.candidate.item_id: one
                        for one in fit
                        if one.candidate.item_id not in known
                    }
            return [*found[: k - len(more)], *more.values()]

        return diversify_list(joined, self.size(n, wishes), wishes, model, world.items, said)

    def shortfall(self, asked: int, given: int, wishes: RecommendationRequest) -> list[str]:
        """A note where a list is shorter than was asked for, and why."""
        if given >= asked:
            return []
        fit = self.snapshots.allowed(wishes)
        return shortfall(
            asked, given, wishes, len(self.model().item_ids) if fit is None else int(fit.sum())
        )

    def model(self) -> Model:
        model = self.snapshots.model()
        if model is None:
            raise LimnerError("The channels are not trained; run `limner train`.")
        return model

    def _group(self, user_id: str, model: Model) -> "NDArray[np.float32] | None":
        """[items] score among users with the same attributes; None where the user has none that are
        counted.
        """
        attributes = self._attributes(user_id)
        return (
            self.snapshots.demographics().score(attributes, model.item_ids) if attributes else None
        )

    @logged("recommend", "list", lambda answer: {"items": len(answer.recommendations)})
    async def answer(
        self,
        profile: Profile,
        past: Past,
        ranked: Sequence[RankedCandidate],
        n: int,
        with_reasons: bool,
        wishes: RecommendationRequest,
        notes: Sequence[str],
    ) -> Recommendations:
        """Shortlist -> reranked order -> reasons -> recommendations."""
        model = await self.models.ready()
        short = self._shortlist(ranked)
        weight, why = self._say_of(model, past)
        with timed(self.watch, "rerank"):
            reranked = await rerank(
                list(short.scores),
                short.items,
                self.taste(profile, past),
                model.chat,
                model.grade,
                self.settings,
                weight=weight,
                user_id=profile.user_id,
                likeness=self.likeness(past, list(short.scores)) if weight else None,
            )
        top = reranked.order[:n]
        told = None
        if with_reasons:
            with timed(self.watch, "explain"):
                told = await self.worded(
                    profile, past, [short.items[i] for i in top], short.placed, model
                )
        said = [*notes, *model.notes, *(told.notes if told else []), *([why] if why else [])]
        return self._listed(profile, past, short, top, model, reranked, told, wishes, said)

    @logged("recommend", "list", lambda answer: {"items": len(answer.recommendations)})
    def at_once(
        self,
        profile: Profile,
        past: Past,
        ranked: Sequence[RankedCandidate],
        n: int,
        with_reasons: bool,
        wishes: RecommendationRequest,
        notes: Sequence[str],
    ) -> Recommendations:
        """The same while no model is waited for: in the fused order, in stored words where they
        still hold, else in template words.
        """
        short = self._shortlist(ranked)
        top, model = list(short.scores)[:n], self.models.opened()
        told = None
        if with_reasons:
            with timed(self.watch, "explain"):
                told = self._told(profile, past, [short.items[i] for i in top], short.placed, model)
        said = [*notes, *(told.notes if told else [])]
        return self._listed(
            profile, past, short, top, model, Reranked(top, "skipped"), told, wishes, said
        )

    async def word(
        self, profile: Profile, past: Past, items: Sequence[Item], ways: ChannelScores
    ) -> None:
        """Have the model say why for each item, and keep what it says for the next time."""
        await self.worded(profile, past, items, ways, await self.models.ready())

    async def worded(
        self,
        profile: Profile,
        past: Past,
        items: Sequence[Item],
        ways: ChannelScores,
        model: ModelHandle,
    ) -> Explained:
        """A reason for each item in a model's words, which are kept, or in template words."""
        world = self.snapshots.world()
        told = await explain(
            profile,
            items,
            past,
            model.chat,
            model.grade,
            self.settings,
            led=self._leads(past, [one.item_id for one in items], ways),
            channels={one.item_id: list(ways[one.item_id]) for one in items},
            lexicon=world.lexicon(self.settings.reasons.language or profile.language),
            values_of=world.facets_of,
            scales=world.scales,
        )
        stamps = self._stamps(profile, past, items, model)
        self.kept.save_wordings(
            profile.user_id,
            {
                i: (stamps[i], reason)
                for i, reason in told.reasons.items()
                if reason.source == "llm" and i in stamps
            },
        )
        return told

    def _told(
        self,
        profile: Profile,
        past: Past,
        items: Sequence[Item],
        ways: ChannelScores,
        model: ModelHandle,
    ) -> Explained:
        told = self.plainly(profile, past, items, ways)
        stamps = self._stamps(profile, past, items, model)
        stored = self.kept.wordings(profile.user_id, stamps) if stamps else {}
        return replace(told, reasons=told.reasons | stored)

    def plainly(
        self,
        profile: Profile,
        past: Past,
        items: Sequence[Item],
        ways: ChannelScores,
        language: str = "",
    ) -> Explained:
        """A reason for each item in template words, of a language or of the portrait's."""
        world = self.snapshots.world()
        return explain_plainly(
            profile,
            items,
            past,
            self.settings,
            led=self._leads(past, [one.item_id for one in items], ways),
            channels={one.item_id: list(ways[one.item_id]) for one in items},
            values_of=world.facets_of,
            scales=world.scales,
            language=language,
        )

    def retold(
        self, found: Sequence[Recommendation], profile: Profile, past: Past, language: str
    ) -> dict[str, Reason]:
        """By item id, a list's reasons in template words of a language; empty where they are in
        that language.
        """
        if not found or language == spoken(self.settings.reasons.language or profile.language).code:
            return {}
        ways = {one.item.item_id: one.channels for one in found}
        return self.plainly(profile, past, [one.item for one in found], ways, language).reasons

    def _stamps(
        self, profile: Profile, past: Past, items: Sequence[Item], model: ModelHandle
    ) -> dict[str, str]:
        """By item id what a model's reason rests on: while it is the same, the words hold. Empty
        without a model.
        """
        if model.name is None or not profile.version:
            return {}
        last = max((event.seq for event in past.events), default=0)
        style = self.settings.reasons.model_dump_json()

        def stamp(item: Item) -> str:
            said = "\x1f".join(
                [model.name or "", str(profile.version), str(last), item.title, style]
            )
            return hashlib.blake2b(
                said.encode("utf-8", "surrogatepass"), digest_size=16
            ).hexdigest()

        return {item.item_id: stamp(item) for item in items}

    def _shortlist(self, ranked: Sequence[RankedCandidate]) -> Shortlist:
        held = self.snapshots.world().items
        by_id = {one.candidate.item_id: one for one in ranked}
        return Shortlist(
            by_id,
            {i: one.score for i, one in by_id.items()},
            {i: held.get(i) or Item(item_id=i) for i in by_id},
            channel_scores([one.candidate for one in ranked]),
        )

    def _listed(
        self,
        profile: Profile,
        past: Past,
        short: Shortlist,
        top: Sequence[str],
        model: ModelHandle,
        reranked: Reranked,
        told: Explained | None,
        wishes: RecommendationRequest,
        said: Sequence[str],
    ) -> Recommendations:
        ratings = self.model().ratings_of(past.rated, top)
        fallback = not past.items and not wishes.context
        painted = [] if profile.version else profile.notes
        answer = Recommendations(
            user_id=profile.user_id,
            recommendations=[
                Recommendation(
                    item=short.items[item_id],
                    rank=rank,
                    score=reranked.scores.get(item_id, short.scores[item_id]),
                    probability=short.ranked[item_id].probability,
                    predicted_rating=ratings.get(item_id),
                    channels={
                        name: short.ranked[item_id].candidate.scores[name]
                        for name in short.placed[item_id]
                    },
                    rerank=reranked.state
                    if item_id in reranked.scores or reranked.state != "applied"
                    else "skipped",
                    flags=self._flags(item_id, past.had, fallback),
                    reason=told.reasons.get(item_id) if told else None,
                )
                for rank, item_id in enumerate(top, 1)
            ],
            profile_version=profile.version or None,
            grade=model.grade,
            model=model.name,
            fallback=fallback,
            wishes=None if wishes == RecommendationRequest() else wishes,
            notes=list(
                dict.fromkeys(
                    [
                        *said,
                        *painted,
                        *self.snapshots.embedding_error(),
                        *self._used(profile.user_id, past, wishes),
                    ]
                )
            ),
            dropped=told.dropped if told else [],
        )
        self.watch.recommended(answer)
        return answer

    def _say_of(self, model: ModelHandle, past: Past) -> tuple[float, str]:
        """A model's weight in the order of a user's recommendations, and why it has none."""
        if model.chat is None or self.settings.rerank.weight is not None:
            return self.settings.rerank.weight or 0.0, ""
        fitted = load_weight(self.store, model.chat.name)
        if fitted is None:
            return 0.0, ""
        weight = fitted.of(bucket_of(len(past.taste)))
        asked = fitted.buckets[0].cases
        return weight, "" if weight else (
            f"{model.chat.name} is not asked for the order: it did not improve it for "
            f"{asked} users of the past."
        )

    def _used(self, user_id: str, past: Past, wishes: RecommendationRequest) -> list[str]:
        """What the list rests on where it is not the user's own past alone."""
        if wishes.context:
            return [
                (
                    f"Ordered for this visit: its items ({len(wishes.context)}) count as the "
                    "newest events."
                )
            ]
        if past.items:
            return []
        attributes = self._attributes(user_id)
        shared = self.snapshots.demographics().known(attributes) if attributes else []
        if not shared:
            return ["Too little is known of this user; these are popular with others."]
        names = ", ".join(dict.fromkeys(one.partition(": ")[0] for one in shared))
        return [
            (
                "Too little is known of what this user did; these are popular with users of "
                f"the same {names}."
            )
        ]

    def _attributes(self, user_id: str) -> Attributes:
        """None of a visitor who is nobody in the store."""
        user = self.store.user(user_id)
        return user.attributes if user else {}

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
    ) -> dict[str, list[Attribution]]:
        """The user's events that speak most for each item, by channel, and checked against what
        others did.
        """
        holders = self.snapshots.holders()

        def companions(first: str, second: str, in_order: bool) -> int:
            return holders.companions(first, second, in_order) - (second in past.had)

        return attributions(
            item_ids, past, self.model(), self.snapshots.vectors(), placed, companions
        )

    def likeness(self, past: Past, item_ids: Sequence[str]) -> dict[str, float]:
        """Cosine of items to what a user liked, less half that to what they disliked; of items that
        have vectors.
        """
        vectors = self.snapshots.vectors()
        score = content_scores(vectors, past.taste)
        return {
            one: float(score[vectors.positions[one]])
            for one in item_ids
            if one in vectors.positions
        }

    def taste(self, profile: Profile, past: Past) -> Taste:
        ranked = sorted(past.events, key=lambda e: (past.signal[e.event_id], e.seq))
        titled = [
            (past.items[e.item_id], past.signal[e.event_id])
            for e in ranked
            if e.item_id and e.item_id in past.items
        ]
        return Taste(
            preferences=sorted(profile.preferences, key=lambda one: -one.strength)[:8],
            liked=[item for item, signal in titled[::-1] if signal > 0][:8],
            disliked=[item for item, signal in titled if signal < 0][:4],
        )

    def lists(self, n: int, wishes: RecommendationRequest, repeats: bool) -> Iterator[UserList]:
        """Everyone's shortlists, from all histories at once."""
        model = self.model()
        people = {user.user_id: user for user in self.store.users()}
        known = any(user.attributes for user in people.values())
        return lists(
            model,
            self.snapshots.crowd(model),
            self.snapshots.world().items,
            n,
            wishes,
            repeats=repeats,
            allowed=self.snapshots.allowed(wishes),
            attributes=people,
            demographics=self.snapshots.demographics() if known else None,
        )

    def plain(
        self, one: UserList, wishes: RecommendationRequest, notes: Sequence[str]
    ) -> Recommendations:
        items = self.snapshots.world().items
        return Recommendations(
            user_id=one.user_id,
            recommendations=[
                Recommendation(
                    item=items.get(found.candidate.item_id)
                    or Item(item_id=found.candidate.item_id),
                    rank=rank,
                    score=found.score,
                    probability=found.probability,
                    flags=self._flags(found.candidate.item_id, frozenset(), one.cold),
                )
                for rank, found in enumerate(one.items, 1)
            ],
            fallback=one.cold,
            wishes=None if wishes == RecommendationRequest() else wishes,
            notes=list(notes),
        )
