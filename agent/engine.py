"""The main flow: ingest, train, build, recommend, rank. Each is a few named steps; the stages do the work."""

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from agent.config import Settings
from agent.embed import Embedder
from agent.errors import (
    BudgetSpentError,
    FetchError,
    IndexAwayError,
    IndexBrokenError,
    LimnerError,
    ModelError,
    StoreBusyError,
    StoreError,
    UnknownIdError,
)
from agent.explain import explain
from agent.interactions import milliseconds
from agent.leads import Lead, Past, leads, places
from agent.llm import ChosenModel
from agent.models import ModelDesk, Ready
from agent.profile import FAILED, Subject, estimate, paint, settings_digest, subject_of
from agent.progress import Progress
from agent.rank import (
    CANDIDATES,
    Listed,
    Model,
    Moment,
    Ranked,
    audience,
    lists,
    order,
    shaped,
    shelf_flags,
    shortfall,
    train_report,
    with_context,
)
from agent.rerank import Taste, load_weight, rerank, save_weight, weigh
from agent.schema import (
    Audience,
    BuildReport,
    Check,
    Estimate,
    Event,
    IngestReport,
    Item,
    Profile,
    Recommendation,
    Recommendations,
    TrainReport,
    User,
    Wishes,
)
from agent.signals import place_of, signals_of
from agent.store import Store
from agent.where import fitting
from agent.world import Snapshots
from evals.splits import bucket_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent.ingest import Sources

_SAMPLE = 5
"""Users that an estimate paints in its head."""


class Engine:
    """One store and everything that can be asked of it. Made by `agent.bootstrap.open_engine`."""

    def __init__(self, settings: Settings, store: Store, progress: Progress, embedder: Embedder | None = None) -> None:
        self.settings, self.store, self.progress = settings, store, progress
        self.snapshots = Snapshots(settings, store, progress, embedder)
        self.models = ModelDesk(settings, store, progress)

    # ------------------------------------------------------------ data in

    def ingest(self, *parts: "Sources") -> IngestReport:
        """Read tables into the store: all of it, or nothing."""
        from agent.ingest import ingest  # with pandas, which no other verb needs

        return ingest(self.store, *parts, progress=self.progress)

    def history(self, user_id: str) -> list[Event]:
        """Every event of a user, oldest first. Raises UnknownIdError."""
        self._user(user_id)
        return self.store.events(user_id)

    def items_by_id(self, ids: Iterable[str]) -> dict[str, Item]:
        return {item.item_id: item for item in self.store.items(list(ids))}

    def known_users(self, among: Collection[str]) -> set[str]:
        """Those of some words that are users' ids."""
        return self.store.known_users(among)

    # ------------------------------------------------------------ learning

    def train(self) -> TrainReport:
        """Fit the channels on every event and embed what items are about."""
        with self.store.writing():
            embedder = self._sound_index()
            embedded = self.snapshots.embed_items()
            # Last, so that a model is only there where the vectors are too, whenever the run was killed.
            model = self.snapshots.train()
        return train_report(model, embedder, embedded)

    async def weigh(self, trained: TrainReport, users: int | None = None) -> TrainReport:
        """What a model's reordering adds to the ranker trained just now, measured on the past, and kept as its weight.

        users: of the past, at most; by default `rerank.fit_users` for a model graded full, and none for a smaller one,
        which is slow.
        """
        model = await self.models.for_run(None)
        rules = self.settings.rerank
        if model.chat is None or rules.mode == "off" or rules.weight is not None:
            return trained
        wanted = users if users is not None else rules.fit_users if model.grade == "full" else 0
        if not wanted:
            known = load_weight(self.store, model.chat.name)
            hint = (
                f"{model.chat.name} has no say in the order; `limner train --llm-users 40` measures what it would add."
            )
            return trained if known else trained.model_copy(update={"notes": [*trained.notes, hint]})
        world = self.snapshots.world()
        past = self._model().past[:wanted]
        weight, why = await weigh(
            past, world.items, self._taste_then, model.chat, model.grade, self.settings, self.progress
        )
        if weight is None:
            said = f"What {model.chat.name} adds to the order was not measured: {why}"
            return trained.model_copy(update={"notes": [*trained.notes, said]})
        with self.store.writing():
            save_weight(self.store, weight)
        return trained.model_copy(update={"rerank": weight})

    async def _taste_then(self, moment: Moment) -> Taste:
        """A user's taste from the events before a moment, with none of what came later."""
        events, had = [], 0
        for event in self.store.events(moment.user_id):
            had += event.item_id is not None
            if had > moment.history:
                break
            events.append(event)
        past = self._past_of(events)
        world = self.snapshots.world()
        subject = subject_of(
            self._user(moment.user_id), events, past.items, world.population, self.settings, scales=world.scales,
            grade="none",
        )  # fmt: skip
        return self._taste(await paint(subject, None, "none", self.settings), past)

    def is_trained(self) -> bool:
        """Whether the channels were fitted on every event that there is."""
        model = self.snapshots.trained()
        return model is not None and model.manifest.last_seq == self.store.last_seq(of_items=True)

    def _sound_index(self) -> str:
        """The embedder's name; the index is made anew where it cannot be read. Raises IndexMismatchError."""
        try:
            return self.snapshots.check_index()
        except IndexBrokenError:
            self.progress.say("The index cannot be read, so it is made anew.")
            self.reindex()
            return self.snapshots.check_index()

    def reindex(self) -> int:
        """Embed everything anew with the embedder that the settings name now; how many texts that were."""
        with self.store.writing():
            self.snapshots.reindex()
            embedded = self.snapshots.embed_items()
            return embedded + sum(self.snapshots.embed_portrait(profile) for profile in self.portraits())

    # ------------------------------------------------------------ portraits

    async def build(
        self,
        user_ids: Sequence[str] | None = None,
        *,
        concurrency: int = 4,
        max_cost: float | None = None,
        force: bool = False,
    ) -> BuildReport:
        """Paint portraits, each stored when it is finished; those that are up to date are passed over."""
        wanted = self._wanted(user_ids)
        with self.store.writing():
            self._sound_index()  # before anything is paid for
            model = await self.models.for_run(max_cost)
            return await self._build(wanted, model, concurrency, force)

    async def _build(self, wanted: Sequence[str], model: Ready, concurrency: int, force: bool) -> BuildReport:
        built: dict[str, Profile] = {}
        failed: dict[str, str] = {}
        stopped: list[str] = []
        skipped = kept = 0
        turn = asyncio.Semaphore(concurrency)
        self.progress.start("portraits", len(wanted))

        async def one(user_id: str) -> None:
            nonlocal skipped, kept
            async with turn:
                if stopped:
                    return
                try:
                    subject = self._subject(user_id, model)
                    if not force and self._is_current(subject.previous, subject, model):
                        skipped += 1
                    elif painted := await self._paint(subject, model):
                        built[user_id] = painted
                    else:
                        kept += 1
                except BudgetSpentError as error:
                    stopped.append(str(error))
                except (ModelError, FetchError, IndexAwayError) as error:
                    failed[user_id] = str(error)
                self.progress.advance()

        await _all(one(user_id) for user_id in wanted)
        self.progress.done()
        notes = [*model.notes, *(model.recorded.notes if model.recorded else [])]
        notes += _failures(built.values(), model)
        if kept:
            notes.append(f"Stored portraits kept as they are, since the model did not help: {kept} of {len(wanted)}.")
        return BuildReport(
            built=[built[user_id] for user_id in wanted if user_id in built],
            skipped=skipped + kept,
            failed=failed,
            notes=list(dict.fromkeys(notes)),
            stopped=stopped[0] if stopped else None,
        )

    async def _paint(self, subject: Subject, model: Ready) -> Profile | None:
        """window + facts -> draft -> verified portrait -> embedded -> stored.

        None where the model failed and the stored portrait is of the same events: template words would not be better.
        """
        profile = await paint(subject, model.chat, model.grade, self.settings)
        if model.unavailable:
            profile = profile.model_copy(update={"notes": [*profile.notes, *model.notes]})
        if (model.unavailable or profile.grade != model.grade) and self._is_of_now(subject.previous, subject):
            return None
        # Stored last: a portrait that is stored is finished, whenever the run was killed.
        self.snapshots.embed_portrait(profile, subject.previous)
        return self.store.save_profile(profile)

    def _subject(self, user_id: str, model: Ready) -> Subject:
        """One user with everything that a portrait may rest on."""
        world = self.snapshots.world()
        events = self.store.events(user_id)
        return subject_of(
            self._user(user_id),
            events,
            _known_items(events, world.items),
            world.population,
            self.settings,
            scales=world.scales,
            grade=model.grade,
            model=model.name or "",
            previous=self.store.profile(user_id),
            lexicon=world.lexicon(self.settings.portrait.language),
        )

    async def current(self, user_id: str) -> Profile | None:
        """The newest stored portrait, of any version, that the model set now would paint from the same events."""
        model = await self.models.ready()
        subject = self._subject(user_id, model)
        versions = reversed(self.store.profile_versions(user_id))
        return next((one for one in versions if self._is_current(one, subject, model)), None)

    def _is_current(self, old: Profile | None, subject: Subject, model: Ready) -> bool:
        """Whether the model would paint the same again; one that cannot be had paints nothing better."""
        made_by = (old.grade, old.model) if old is not None else None
        return self._is_of_now(old, subject) and (model.unavailable or made_by == (model.grade, model.name))

    def _is_of_now(self, old: Profile | None, subject: Subject) -> bool:
        last = max((event.seq for event in subject.events), default=0)
        return (
            old is not None
            and old.built_from.last_seq == last
            and old.built_from.settings == settings_digest(self.settings)
        )

    async def estimate(self, user_ids: Sequence[str] | None = None) -> Estimate:
        """What a build would cost, from a sample; nothing is asked of a model but its grade."""
        wanted = self._wanted(user_ids)
        model = await self.models.ready()
        sample = [self._subject(user_id, model) for user_id in wanted[:: max(1, len(wanted) // _SAMPLE)][:_SAMPLE]]
        hosted = model.chat.hosted if model.chat else False
        return estimate(sample, len(wanted), model.name, model.grade, self.settings, hosted=hosted)

    async def profile(self, user_id: str, version: int | None = None) -> Profile:
        """A stored portrait, painted first where there is none. Raises UnknownIdError.

        One that is missing and cannot be kept is painted in passing: in template words, as version 0. So it is while
        another process writes, and where its embedding endpoint does not answer.
        """
        self._user(user_id)
        found = self.store.profile(user_id, version)
        if found is None and version is not None:
            raise UnknownIdError(f"User '{user_id}' has no portrait version {version}.")
        if found is None:
            try:
                with self.store.writing():
                    # Not a run of its own: a model that other requests found failing is not tried anew.
                    report = await self._build([user_id], await self.models.ready(), 1, force=False)
            except StoreBusyError as error:
                return await self._in_passing(user_id, str(error))
            if not report.built:
                return await self._in_passing(user_id, report.stopped or report.failed[user_id])
            found = report.built[0]
        return found

    async def _in_passing(self, user_id: str, why: str) -> Profile:
        profile = await paint(self._subject(user_id, Ready(None, "none")), None, "none", self.settings)
        return profile.model_copy(update={"notes": [f"In template words and not stored: {why}"]})

    def portraits(self) -> list[Profile]:
        """The newest portrait of everyone who has one."""
        return self.store.profiles()

    # ------------------------------------------------------------ recommendations

    async def recommend(
        self, user_ids: Sequence[str], n: int = 10, *, wishes: Wishes | None = None, repeats: bool = False,
        explain: bool = True,
    ) -> list[Recommendations]:  # fmt: skip
        """The n best items for each user, best first, each saying why; what is missing is trained and painted first."""
        for user_id in user_ids:
            self._user(user_id)
        wishes = wishes or Wishes()
        notes = self._ready(wishes)
        return [await self._recommend(user_id, n, wishes, repeats, explain, notes) for user_id in user_ids]

    async def recommend_all(
        self, n: int = 10, *, wishes: Wishes | None = None, repeats: bool = False, explain: bool = False
    ) -> AsyncIterator[Recommendations]:
        """The same for everyone in turn; without reasons all are scored in batches, and no portrait is painted."""
        wishes = wishes or Wishes()
        notes = self._ready(wishes)
        self.progress.start("recommendations", self.store.counts().users)
        if explain:
            for user_id in self.store.user_ids():
                yield await self._recommend(user_id, n, wishes, repeats, True, notes)
                self.progress.advance()
        else:
            for one in self._lists(n, wishes, repeats):
                yield self._plain(one, wishes, notes)
                self.progress.advance()
        self.progress.done()

    def _ready(self, wishes: Wishes) -> list[str]:
        """Do what is missing: training, and vectors of items that came after it. What could not be done, as notes.

        Raises BadInputError or UnknownIdError where the wishes name what the catalogue does not have.
        """
        notes = self._find_vectors() if self._has_model() else self._train_as_can_be()
        self.snapshots.allowed(wishes)
        if not notes and (unreached := self.snapshots.unreached()):
            try:
                with self.store.writing():
                    self.snapshots.embed_new()
            except (StoreBusyError, FetchError, ModelError) as error:
                return [
                    f"New items that nothing can find yet, since they are not embedded: {len(unreached):,}. {error}"
                ]
        return notes

    def _has_model(self) -> bool:
        """Whether there is a trained model; one that cannot be read, of an older version say, is as good as none."""
        try:
            return self.snapshots.trained() is not None
        except StoreError as error:
            self.progress.say(f"{error} It is trained anew.")
            return False

    def _find_vectors(self) -> list[str]:
        try:
            self.snapshots.look()
        except (IndexAwayError, ModelError) as error:
            self.snapshots.go_without(error)
            return [f"Without the portrait's vectors and new items', which cannot be read: {error}"]
        return []

    def _train_as_can_be(self) -> list[str]:
        """Train; without what items are about where that cannot be embedded now."""
        try:
            self.train()
        except (IndexAwayError, ModelError, FetchError) as error:
            self.snapshots.go_without(error)
            with self.store.writing():
                self.snapshots.train()
            return [f"Trained without what items are about; run `limner train` when it can be embedded: {error}"]
        return []

    async def _recommend(
        self, user_id: str, n: int, wishes: Wishes, repeats: bool, with_reasons: bool, notes: Sequence[str]
    ) -> Recommendations:
        profile = await self.profile(user_id)
        past = self._past(user_id)
        had = frozenset() if repeats else frozenset(e.item_id for e in past.events if e.item_id is not None)
        ranked = self._order(profile, past, wishes, exclude=had | {*wishes.exclude, *wishes.context}, n=n)
        said = [*notes, *shortfall(n, len(ranked), wishes)]
        return await self._answer(profile, past, ranked, n, with_reasons, wishes, said)

    def _lists(self, n: int, wishes: Wishes, repeats: bool) -> Iterator[Listed]:
        """Everyone's shortlists, from all histories at once."""
        model = self._model()
        people = {user.user_id: user for user in self.store.users()}
        known = any(user.attributes for user in people.values())
        return lists(
            model, self.snapshots.crowd(model), self.snapshots.world().items, n, wishes,
            repeats=repeats, allowed=self.snapshots.allowed(wishes), attributes=people,
            demographics=self.snapshots.demographics() if known else None,
        )  # fmt: skip

    def _plain(self, one: Listed, wishes: Wishes, notes: Sequence[str]) -> Recommendations:
        items = self.snapshots.world().items
        return Recommendations(
            user_id=one.user_id,
            recommendations=[
                Recommendation(
                    item=items.get(found.candidate.item_id) or Item(item_id=found.candidate.item_id),
                    rank=rank,
                    score=found.score,
                    probability=found.probability,
                    flags=self._flags(found.candidate.item_id, set(), one.cold),
                )
                for rank, found in enumerate(one.items, 1)
            ],
            fallback=one.cold,
            wishes=None if wishes == Wishes() else wishes,
            notes=list(notes),
        )

    def users_for_item(self, item_id: str, n: int | None = 10, *, where: str = "", repeats: bool = False) -> Audience:
        """The n users (all where None) that an item is likeliest for, among those whose attributes fit `where`."""
        item = self.snapshots.world().items.get(item_id)
        if item is None:
            raise UnknownIdError(f"There is no item '{item_id}' in the store; ids are used exactly as in the data.")
        matching = [user.user_id for user in fitting(self.store.users(), where, "users")]
        notes = self._ready(Wishes())
        model = self._model()
        self.progress.start("users", len(matching))
        found = audience(
            model, self.snapshots.crowd(model), item, matching, n, repeats=repeats, advance=self.progress.advance
        )
        self.progress.done()
        hidden = [f"The item is {flag} now; it is not recommended to anyone." for flag in shelf_flags(item)]
        return found.model_copy(update={"filter": where, "notes": [*hidden, *notes, *found.notes]})

    async def rank(self, user_id: str, item_ids: Sequence[str], *, explain: bool = False) -> Recommendations:
        """Every given item in order for a user; those they had or that the store does not know are flagged."""
        self._user(user_id)
        notes = self._ready(Wishes())
        profile = await self.profile(user_id)
        past = self._past(user_id)
        given = dict.fromkeys(item_ids)
        ranked = self._order(profile, past, None, include=list(given))
        found = [one for one in ranked if one.candidate.item_id in given]
        return await self._answer(profile, past, found, len(given), explain, Wishes(), notes)

    def _past(self, user_id: str) -> Past:
        return self._past_of(self.store.events(user_id))

    def _past_of(self, events: Sequence[Event]) -> Past:
        world = self.snapshots.world()
        items = _known_items(events, world.items)
        return Past(events, items, signals_of(events, self.settings.signals, world.scales))

    def _order(
        self, profile: Profile, past: Past, wishes: Wishes | None, *, exclude: frozenset[str] = frozenset(),
        include: Sequence[str] = (), n: int = CANDIDATES,
    ) -> list[Ranked]:  # fmt: skip
        """Channels -> candidates -> learned order -> what was wished for: content from the portrait's vectors, the rest
        from the model. Without wishes the whole catalogue is open, hidden items too.
        """
        model = self._model()
        pairs = [(e.item_id, past.signal[e.event_id]) for e in past.events if e.item_id is not None]
        content = self.snapshots.content(profile, pairs, max((e.seq for e in past.events), default=0))
        context = wishes.context if wishes else []
        times = [milliseconds(e.timestamp) for e in past.events if e.item_id is not None]
        history = with_context(model.history(pairs, times), [model.positions[one] for one in context], model)
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

    def _model(self) -> Model:
        model = self.snapshots.model()
        if model is None:
            raise LimnerError("The channels are not trained; run `limner train`.")
        return model

    def _group(self, user_id: str, model: Model) -> "NDArray[np.float32] | None":
        """[items] score among users with the same attributes; None where the user has none that are counted."""
        attributes = self._user(user_id).attributes
        return self.snapshots.demographics().score(attributes, model.item_ids) if attributes else None

    async def _answer(
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
        reranked = await rerank(
            list(scores), items, self._taste(profile, past), model.chat, model.grade, self.settings, weight=weight,
            user_id=profile.user_id,
        )  # fmt: skip
        top = reranked.order[:n]
        told = None
        if with_reasons:
            told = await explain(
                profile, [items[i] for i in top], past, model.chat, model.grade, self.settings,
                led=self._leads(profile.user_id, past, top, placed),
                channels={i: list(placed[i]) for i in top},
                lexicon=world.lexicon(self.settings.reasons.language or profile.language),
                values_of=world.population.facets_of,
                scales=world.scales,
            )  # fmt: skip
        rated = [
            (e.item_id, place) for e in past.events if e.item_id and (place := place_of(e, world.scales)) is not None
        ]
        ratings = self._model().ratings_of(rated, top)
        fallback = not past.items and not wishes.context
        had = {event.item_id for event in past.events}
        said = [*notes, *model.notes, *([] if profile.version else profile.notes), *(told.notes if told else [])]
        said += [why] if why else []
        said += self._used(profile.user_id, past, wishes)
        return Recommendations(
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
                    flags=self._flags(item_id, had, fallback),
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

    def _say_of(self, model: Ready, past: Past) -> tuple[float, str]:
        """A model's weight in the order of a user's recommendations, and why it has none."""
        if model.chat is None or self.settings.rerank.weight is not None:
            return self.settings.rerank.weight or 0.0, ""
        fitted = load_weight(self.store, model.chat.name)
        if fitted is None:
            return 0.0, ""
        weight = fitted.of(bucket_of(sum(event.item_id is not None for event in past.events)))
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
        attributes = self._user(user_id).attributes
        shared = self.snapshots.demographics().known(attributes) if attributes else []
        if not shared:
            return ["Too little is known of this user; these are popular with others."]
        names = ", ".join(dict.fromkeys(one.partition(": ")[0] for one in shared))
        return [f"Too little is known of what this user did; these are popular with users of the same {names}."]

    def _flags(self, item_id: str, had: set[str | None], fallback: bool) -> list[str]:
        item, model = self.snapshots.world().items.get(item_id), self._model()
        flags = {
            "seen": item_id in had,
            "unknown": item is None,
            "cold_item": item is not None and model.is_fresh(item_id),
            "fallback": fallback,
        }
        return [*(name for name, true in flags.items() if true), *shelf_flags(item)]

    def _leads(
        self, user_id: str, past: Past, item_ids: Sequence[str], placed: Mapping[str, Mapping[str, float]]
    ) -> dict[str, list[Lead]]:
        """The user's events that speak most for each item, by channel, and checked against what others did."""

        def companions(first: str, second: str, in_order: bool) -> int:
            return self.store.companions(first, second, besides=user_id, in_order=in_order)

        return leads(item_ids, past, self._model(), self.snapshots.vectors(), placed, companions)

    def _taste(self, profile: Profile, past: Past) -> Taste:
        ranked = sorted(past.events, key=lambda e: (past.signal[e.event_id], e.seq))
        titled = [
            (past.items[e.item_id], past.signal[e.event_id]) for e in ranked if e.item_id and e.item_id in past.items
        ]
        return Taste(
            preferences=sorted(profile.preferences, key=lambda one: -one.strength)[:8],
            liked=[item for item, signal in titled[::-1] if signal > 0][:8],
            disliked=[item for item, signal in titled if signal < 0][:4],
        )

    # ------------------------------------------------------------ care

    async def model(self) -> Ready:
        return await self.models.ready()

    async def endpoint(self) -> ChosenModel:
        """For other clients of the same model. Raises ModelError where there is none."""
        await self.models.ready()
        if self.models.chosen is None:
            raise ModelError("There is no model to ask.")
        return self.models.chosen

    async def doctor(self, *, probe: bool = False) -> list[Check]:
        """What is well and what is not, each with what to do."""
        counts = self.store.counts()
        held = (
            f"{counts.users:,} users, {counts.items:,} items, {counts.events:,} events, {counts.profiles:,} portraits"
        )
        checks = [Check(name="store", state="ok" if counts.events else "warn", detail=held)]
        return [*checks, self._check_channels(), self._check_index(), *await self._check_model(probe)]

    def _check_channels(self) -> Check:
        model = self.snapshots.trained()
        if model is None:
            return Check(name="channels", state="warn", detail="not trained yet; run `limner train`")
        trained = f"model v{model.manifest.version}, {model.manifest.events:,} events"
        if not self.is_trained():
            return Check(name="channels", state="warn", detail=f"{trained}; newer ones came, run `limner train`")
        return Check(name="channels", state="ok", detail=trained)

    def _check_index(self) -> Check:
        if not self.snapshots.is_indexed():
            return Check(name="embeddings", state="warn", detail="no item is embedded yet; run `limner train`")
        try:
            embedder, missing = self.snapshots.check_index(), self.snapshots.unembedded()
        except LimnerError as error:
            return Check(name="embeddings", state="fail", detail=str(error))
        if missing:
            lag = f"{embedder}; items that are not embedded as they are now: {missing:,}, run `limner train`"
            return Check(name="embeddings", state="warn", detail=lag)
        unseen = self.store.counts().profiles - self.snapshots.index().count("portraits")
        if unseen > 0:
            lag = f"{embedder}; portraits that are not embedded: {unseen:,}, run `limner profile build --reindex`"
            return Check(name="embeddings", state="warn", detail=lag)
        return Check(name="embeddings", state="ok", detail=embedder)

    async def _check_model(self, probe: bool) -> list[Check]:
        kind = self.models.kind()
        if kind == "none" or (kind == "local" and not probe and not self._model_is_here()):
            detail = "none is set: template words" if kind == "none" else "the embedded model is not fetched yet"
            return [Check(name="model", state="ok" if kind == "none" else "warn", detail=detail)]
        ready = await self.models.ready()
        chosen = self.models.chosen
        if chosen is None:
            return [Check(name="model", state="fail", detail="; ".join(ready.notes) or "no model")]
        checks = [Check(name="model", state="ok", detail=f"{chosen.name} {chosen.where}, grade {ready.grade}")]
        for skill in self.models.probe.skills if self.models.probe else []:
            words = f"{skill.right} of {skill.asked} right, needs {skill.threshold:.0%}" if skill.asked else "not asked"
            checks.append(Check(name=f"skill: {skill.skill}", state="ok" if skill.passed else "warn", detail=words))
        return checks

    def _model_is_here(self) -> bool:
        from agent.llm import is_fetched

        return is_fetched(self.settings)

    async def close(self) -> None:
        await self.models.close()
        self.store.close()

    # ------------------------------------------------------------ ids

    def _user(self, user_id: str) -> User:
        found = self.store.user(user_id)
        if found is None:
            raise UnknownIdError(f"There is no user '{user_id}' in the store; ids are used exactly as in the data.")
        return found

    def _wanted(self, user_ids: Sequence[str] | None) -> list[str]:
        if user_ids is None:
            return self.store.user_ids()
        for user_id in user_ids:
            self._user(user_id)
        return list(dict.fromkeys(user_ids))


def _failures(built: Collection[Profile], model: Ready) -> list[str]:
    """What a run should say of portraits that a model was to write and did not."""
    failed = [profile for profile in built if profile.grade != model.grade]
    if not failed:
        return []
    gave_up = model.recorded.gave_up if model.recorded else None
    why = gave_up or " ".join(failed[-1].notes).removeprefix(FAILED)
    return [f"Portraits in template words: {len(failed)} of {len(built)}, since the model did not help: {why}"]


async def _all(work: Iterable[Coroutine[object, object, None]]) -> None:
    """Run everything; the first error ends what is under way and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except ExceptionGroup as errors:
        first = errors.exceptions[0]
    else:
        return
    raise first


def _known_items(events: Sequence[Event], catalogue: Mapping[str, Item]) -> dict[str, Item]:
    return {e.item_id: catalogue[e.item_id] for e in events if e.item_id is not None and e.item_id in catalogue}
