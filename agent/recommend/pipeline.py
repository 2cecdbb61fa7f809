"""The steps from a portrait and a user's past to an explained list: order, rerank, explain."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from limner.core.interactions import milliseconds
from limner.core.messages import Message, message
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
from limner.explain.reasons import (
    Explained,
    ReasonGrounds,
    choose_grounds,
    model_reasons,
    template_reasons,
)
from limner.llm.session import ModelHandle, ModelSession
from limner.rank import (
    CANDIDATES,
    PROMISED,
    Model,
    RankedCandidate,
    UserList,
    diversify_list,
    lists,
    one_of_each,
    order,
    shelf_flags,
    shortfall,
    stated_preferences_of,
    with_context,
)
from limner.rerank import Reranked, Taste, load_weight, rerank
from limner.retrieve import content_scores
from limner.state.derived import DerivedState
from limner.state.snapshots import known_items
from limner.store import ResponseLog, Store
from limner.words import spoken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


ChannelScores = Mapping[str, Mapping[str, float]]
"""By item id, the scores of the channels that proposed it, best channel first, as `channel_scores`
gives them.
"""


@dataclass(frozen=True)
class Shortlist:
    """The result of ranking by item id, best first, with the request and user it was ranked for."""

    request: RecommendationRequest
    profile: Profile
    past: Past
    ranked: Mapping[str, RankedCandidate]
    items: Mapping[str, Item]
    placed: ChannelScores
    model_version: int
    """Version of the trained channels."""
    notes: Sequence[Message] = ()
    """What had to be trained or painted first, and why the list is short."""
    basis: Sequence[Message] = ()
    """What the order is based on, besides the user's own past and portrait."""

    @property
    def size(self) -> int:
        """Number of items to list: all items that the request names, or its `n`."""
        return len(self.ranked) if self.request.items is not None else self.request.n

    @property
    def scores(self) -> dict[str, float]:
        return {item_id: one.score for item_id, one in self.ranked.items()}


class RecommendationPipeline:
    """Answers with a store's trained ranker; what is missing was trained and painted before."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        derived: DerivedState,
        models: ModelSession,
        watch: Telemetry,
    ) -> None:
        self.settings, self.store, self.derived, self.models = settings, store, derived, models
        self.watch, self.kept = watch, ResponseLog(store)

    def past(self, user_id: str) -> Past:
        return self.past_of(self.store.events(user_id))

    def past_of(self, events: Sequence[Event]) -> Past:
        world = self.derived.catalogue.snapshot()
        items = known_items(events, world.items)
        signal = signals_of(events, self.settings.signals, world.scales, world.population.amounts)
        placed = ((e.item_id, place_of(e, world.scales)) for e in events)
        return Past(
            events,
            items,
            signal,
            [(item, place) for item, place in placed if item and place is not None],
        )

    def depth(self, request: RecommendationRequest) -> int:
        """Number of items to rank for a request. Requests of equal depth share the beginning of
        their lists.
        """
        # A list that was chosen as a whole is reordered within itself alone.
        top, n = self.settings.rerank.top, request.n
        return n if request.shapes else -(-n // top) * top

    def choose(
        self, profile: Profile, past: Past, request: RecommendationRequest
    ) -> list[RankedCandidate]:
        """Rank items for a user, best first.

        If the request names items, each of them comes once. Otherwise at least `n` come, while the
        catalogue has them. Left out are items the user has had (unless `repeats`), excluded items,
        and the items of this visit; and variants of what was had or visited. Of several variants
        the best comes back.
        """
        with timed(self.watch, "rank"):
            if request.items is None:
                had = frozenset() if request.repeats else past.had
                variants = self.derived.catalogue.snapshot().variants
                omitted = variants.with_variants(had | {*request.context}) | {*request.exclude}
                return self._order(profile, past, request, exclude=omitted, n=request.n)
            named = dict.fromkeys(request.items)
            # Fusion learned places among candidates that the user had not had.
            ranked = self._order(
                profile, past, None, exclude=past.had - named.keys(), include=list(named)
            )
            return [one for one in ranked if one.candidate.item_id in named]

    def _order(
        self,
        profile: Profile,
        past: Past,
        request: RecommendationRequest | None,
        *,
        exclude: frozenset[str],
        include: Sequence[str] = (),
        n: int = CANDIDATES,
    ) -> list[RankedCandidate]:
        """Channels -> candidates -> learned order -> what was asked for: content from the
        portrait's vectors, the rest from the model. Without a request the whole catalogue is open,
        hidden items too.
        """
        model = self.model()
        content: Mapping[str, float] = {}
        if model.is_trained:  # before, nothing is embedded
            content = self.derived.portraits.candidates(
                profile, past.taste, max((e.seq for e in past.events), default=0)
            )
        context = request.context if request else []
        times = [milliseconds(e.timestamp) for e in past.events if e.item_id is not None]
        history = with_context(
            model.history(past.taste, times), [model.positions[one] for one in context], model
        )
        allowed = self.derived.ranker.allowed(request) if request else None
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

        if request is None:
            return ordered(n)
        world = self.derived.catalogue.snapshot()
        stated = stated_preferences_of(profile.preferences, past.events, world.facets_of)

        def joined(k: int) -> list[RankedCandidate]:
            """The k best items; where they carry too few items that the user states to like, the
            best of those replace the last ones.
            """
            ranked = ordered(k)
            if stated is None or len(ranked) < k:
                return ranked  # the whole catalogue, or nothing to look for
            known = {one.candidate.item_id for one in ranked}
            carried = [stated.carried(world.items[one]) for one in known if one in world.items]
            more: dict[str, RankedCandidate] = {}
            for like in stated.likes:
                if sum(like in one for one in carried) < PROMISED:
                    carry = self.derived.ranker.carrying(*like)
                    fit = ordered(PROMISED, carry if allowed is None else carry & allowed)
                    more |= {
                        one.candidate.item_id: one
                        for one in fit
                        if one.candidate.item_id not in known
                    }
            return [*ranked[: k - len(more)], *more.values()]

        one_each = one_of_each(joined, world.variants)
        return diversify_list(one_each, self.depth(request), request, model, world.items, stated)

    def shortlist(
        self,
        request: RecommendationRequest,
        profile: Profile,
        past: Past,
        ranked: Sequence[RankedCandidate],
        notes: Sequence[Message],
    ) -> Shortlist:
        """Collect the ranked items with their catalogue entries, channel scores and notes."""
        catalogue = self.derived.catalogue.snapshot().items
        by_id = {one.candidate.item_id: one for one in ranked}
        return Shortlist(
            request,
            profile,
            past,
            by_id,
            {item_id: catalogue.get(item_id) or Item(item_id=item_id) for item_id in by_id},
            channel_scores([one.candidate for one in ranked]),
            self.model().manifest.version,
            [*notes, *self._shortfall(request, len(ranked))],
            [
                *([] if profile.version else profile.notes),
                *self.derived.portraits.embedding_error(),
                *self._used(profile.user_id, past, request),
            ],
        )

    def _shortfall(self, request: RecommendationRequest, chosen: int) -> list[Message]:
        """A note where a list is shorter than was asked for, and why."""
        if request.items is not None or chosen >= request.n:
            return []
        fit = self.derived.ranker.allowed(request)
        available = len(self.model().item_ids) if fit is None else int(fit.sum())
        return shortfall(request.n, chosen, request, available)

    def model(self) -> Model:
        return self.derived.ranker.model()

    def _group(self, user_id: str, model: Model) -> "NDArray[np.float32] | None":
        """[items] score among users with the same attributes; None if the user has no counted
        attribute.
        """
        attributes = self._attributes(user_id)
        return (
            self.derived.catalogue.demographics().score(attributes, model.item_ids)
            if attributes
            else None
        )

    async def rerank(self, short: Shortlist, model: ModelHandle) -> tuple[Reranked, list[Message]]:
        """The order in which a language model would list the items, blended by its measured weight;
        and a note where it has no say.
        """
        weight, why = self._say_of(model, short.past)
        item_ids = list(short.ranked)
        with timed(self.watch, "rerank"):
            reranked = await rerank(
                item_ids,
                short.items,
                self.taste(short.profile, short.past),
                model.chat,
                model.grade,
                self.settings,
                weight=weight,
                user_id=short.profile.user_id,
                likeness=self.likeness(short.past, item_ids) if weight else None,
            )
        return reranked, [why] if why else []

    def grounds(
        self, profile: Profile, past: Past, items: Sequence[Item], placed: ChannelScores
    ) -> list[ReasonGrounds]:
        """The evidence for each item's reason."""
        item_ids = [one.item_id for one in items]
        leads = self._leads(past, item_ids, placed)
        channels = {item_id: list(placed[item_id]) for item_id in item_ids}
        values_of = self.derived.catalogue.snapshot().facets_of
        return choose_grounds(profile, items, past, leads, channels, values_of)

    def template_reasons(
        self, grounds: Sequence[ReasonGrounds], profile: Profile, language: str = ""
    ) -> Explained:
        """A reason for each item in template words, of a language or of the portrait's."""
        world = self.derived.catalogue.snapshot()
        chosen = language or self._language(profile)
        return template_reasons(grounds, self.settings, world.scales, chosen, world.nouns)

    def stored_reasons(
        self, profile: Profile, past: Past, items: Sequence[Item], model: ModelHandle
    ) -> dict[str, Reason]:
        """Reasons by item id that a model worded earlier and that are still valid."""
        stamps = self._stamps(profile, past, items, model)
        return self.kept.wordings(profile.user_id, stamps) if stamps else {}

    async def model_reasons(
        self, grounds: Sequence[ReasonGrounds], profile: Profile, past: Past, model: ModelHandle
    ) -> Explained:
        """A reason for each item in a model's words, which are stored, or in template words."""
        world, language = self.derived.catalogue.snapshot(), self._language(profile)
        explained = await model_reasons(
            grounds,
            model.chat,
            model.grade,
            self.settings,
            world.scales,
            language,
            lexicon=world.lexicon(language),
            user_id=profile.user_id,
            nouns=world.nouns,
        )
        stamps = self._stamps(profile, past, [one.item for one in grounds], model)
        self.kept.save_wordings(
            profile.user_id,
            {
                item_id: (stamps[item_id], reason)
                for item_id, reason in explained.reasons.items()
                if reason.source == "llm" and item_id in stamps
            },
        )
        return explained

    def _language(self, profile: Profile) -> str:
        return self.settings.reasons.language or profile.language

    def reasons_in(
        self, language: str, recommendations: Sequence[Recommendation], profile: Profile, past: Past
    ) -> dict[str, Reason]:
        """A list's reasons in template words of another language, by item id. Empty if the list is
        in that language already.
        """
        if not recommendations or language == spoken(self._language(profile)).code:
            return {}
        placed = {one.item.item_id: one.channels for one in recommendations}
        grounds = self.grounds(profile, past, [one.item for one in recommendations], placed)
        return self.template_reasons(grounds, profile, language).reasons

    def _stamps(
        self, profile: Profile, past: Past, items: Sequence[Item], model: ModelHandle
    ) -> dict[str, str]:
        """By item id, a hash of everything that a model's reason depends on. A stored reason is
        valid while the hash is the same. Empty without a model.
        """
        if model.name is None or not profile.version:
            return {}
        last = max((event.seq for event in past.events), default=0)
        nouns = self.derived.catalogue.snapshot().nouns
        style = self.settings.reasons.model_dump_json() + (nouns.items if nouns.item else "")

        def stamp(item: Item) -> str:
            said = "\x1f".join(
                [model.name or "", str(profile.version), str(last), item.title, style]
            )
            return hashlib.blake2b(
                said.encode("utf-8", "surrogatepass"), digest_size=16
            ).hexdigest()

        return {item.item_id: stamp(item) for item in items}

    @logged("recommend", "list", lambda answer: {"items": len(answer.recommendations)})
    def answer(
        self,
        short: Shortlist,
        model: ModelHandle,
        reranked: Reranked,
        explained: Explained | None,
        notes: Sequence[Message] = (),
    ) -> Recommendations:
        """The list that is answered with."""
        request, past = short.request, short.past
        top, scores = reranked.order[: short.size], short.scores
        ratings = self.model().ratings_of(past.rated, top)
        fallback = not past.items and not request.context
        reasons = explained.reasons if explained else {}
        answer = Recommendations(
            user_id=short.profile.user_id,
            recommendations=[
                Recommendation(
                    item=short.items[item_id],
                    rank=rank,
                    score=reranked.scores.get(item_id, scores[item_id]),
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
                    reason=reasons.get(item_id),
                )
                for rank, item_id in enumerate(top, 1)
            ],
            profile_version=short.profile.version or None,
            grade=model.grade,
            model=model.name,
            fallback=fallback,
            untrained=not self.model().is_trained,
            wishes=request.options,
            notes=list(dict.fromkeys([*short.notes, *notes, *short.basis])),
            dropped=explained.dropped if explained else [],
        )
        self.watch.recommended(answer)
        return answer

    def _say_of(self, model: ModelHandle, past: Past) -> tuple[float, Message | None]:
        """A model's weight in the order of a user's recommendations, and why it has none."""
        if model.chat is None or self.settings.rerank.weight is not None:
            return self.settings.rerank.weight or 0.0, None
        fitted = load_weight(self.store, model.chat.name)
        if fitted is None:
            return 0.0, None
        weight = fitted.of(bucket_of(len(past.taste)))
        asked = fitted.buckets[0].cases
        if weight:
            return weight, None
        return weight, message("rerank.no_help", model=model.chat.name, n=asked)

    def _used(self, user_id: str, past: Past, request: RecommendationRequest) -> list[Message]:
        """Notes on what the list is based on, where it is not the user's own past alone."""
        if request.context:
            return [message("list.visit", n=len(request.context))]
        if past.items:
            return []
        attributes = self._attributes(user_id)
        shared = self.derived.catalogue.demographics().known(attributes) if attributes else []
        if not shared:
            return [message("list.popular")]
        names = ", ".join(dict.fromkeys(one.partition(": ")[0] for one in shared))
        return [message("list.popular_alike", names=names)]

    def _attributes(self, user_id: str) -> Attributes:
        """The user's attributes; empty for a visitor, who is not in the store."""
        user = self.store.user(user_id)
        return user.attributes if user else {}

    def _flags(self, item_id: str, had: frozenset[str], fallback: bool) -> list[str]:
        item, model = self.derived.catalogue.snapshot().items.get(item_id), self.model()
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
        holders = self.derived.catalogue.holders()

        def companions(first: str, second: str, in_order: bool) -> int:
            return holders.companions(first, second, in_order) - (second in past.had)

        return attributions(
            item_ids, past, self.model(), self.derived.vectors.items(), placed, companions
        )

    def likeness(self, past: Past, item_ids: Sequence[str]) -> dict[str, float]:
        """Cosine of items to what a user liked, less half that to what they disliked; of items that
        have vectors.
        """
        vectors = self.derived.vectors.items()
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

    def everyone(
        self, request: RecommendationRequest, notes: Sequence[Message]
    ) -> Iterator[Recommendations]:
        """Everyone's lists without reasons, from all histories at once."""
        model = self.model()
        people = {user.user_id: user for user in self.store.users()}
        known = any(user.attributes for user in people.values())
        for ranked in lists(
            model,
            self.derived.ranker.crowd(model),
            self.derived.catalogue.snapshot().items,
            request.n,
            request,
            repeats=request.repeats,
            allowed=self.derived.ranker.allowed(request),
            attributes=people,
            demographics=self.derived.catalogue.demographics() if known else None,
            variants=self.derived.catalogue.snapshot().variants,
        ):
            yield self._plain(ranked, request, notes)

    def _plain(
        self, ranked: UserList, request: RecommendationRequest, notes: Sequence[Message]
    ) -> Recommendations:
        items = self.derived.catalogue.snapshot().items
        return Recommendations(
            user_id=ranked.user_id,
            recommendations=[
                Recommendation(
                    item=items.get(chosen.candidate.item_id)
                    or Item(item_id=chosen.candidate.item_id),
                    rank=rank,
                    score=chosen.score,
                    probability=chosen.probability,
                    flags=self._flags(chosen.candidate.item_id, frozenset(), ranked.cold),
                )
                for rank, chosen in enumerate(ranked.items, 1)
            ],
            fallback=ranked.cold,
            wishes=request.options,
            notes=list(notes),
        )
