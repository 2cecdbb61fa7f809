"""The main flow: ingest, train, build, recommend, rank. Each is a few named steps; the stages do
the work.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from limner.core.errors import BadInputError, ModelError, UnknownIdError
from limner.core.filters import fitting
from limner.core.progress import Progress, Quiet
from limner.core.schema import (
    Audience,
    BuildReport,
    Check,
    Estimate,
    Event,
    IngestReport,
    Item,
    Profile,
    RecommendationRequest,
    Recommendations,
    TrainReport,
)
from limner.core.settings import Settings
from limner.core.telemetry import NullTelemetry, Telemetry
from limner.diagnostics import Doctor
from limner.index.embedders import Embedder
from limner.llm import ChosenModel
from limner.llm.session import ModelHandle, ModelSession
from limner.profile.builder import ProfileBuilder
from limner.rank import EvaluationPoint, audience, shelf_flags
from limner.recommend.audience import audience_like, audience_where
from limner.recommend.edits import DataEditor, Erased
from limner.recommend.feedback import FeedbackService
from limner.recommend.pipeline import RecommendationPipeline
from limner.recommend.serving import RecommendationService
from limner.recommend.training import Trainer
from limner.rerank import TasteBefore, load_weight, save_weight, weigh
from limner.state.snapshots import DerivedState
from limner.store import Store, open_store

if TYPE_CHECKING:
    from limner.ingest import Sources


class Engine:
    """One store and everything that can be asked of it. Made by `open_engine`."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        progress: Progress,
        embedder: Embedder | None = None,
        watch: Telemetry | None = None,
    ) -> None:
        self.settings, self.store, self.progress = settings, store, progress
        self.watch = watch or NullTelemetry()
        self.snapshots = DerivedState(settings, store, progress, embedder)
        self.models = ModelSession(settings, store, progress)
        self.trainer = Trainer(store, progress, self.snapshots, settings.server.write_wait)
        self.profile_builder = ProfileBuilder(
            settings, store, progress, self.snapshots, self.models, self.watch
        )
        self.recommender = RecommendationPipeline(
            settings, store, self.snapshots, self.models, self.watch
        )
        self.editor = DataEditor(settings, store, self.snapshots, self.profile_builder)
        self.feedback_service = FeedbackService(store, self.editor)
        self.swift = RecommendationService(
            store,
            self.snapshots,
            self.trainer,
            self.profile_builder,
            self.recommender,
            self.feedback_service,
        )

    # ------------------------------------------------------------ data in

    def ingest(self, *parts: "Sources") -> IngestReport:
        """Read tables into the store: all of it, or nothing."""
        from limner.ingest import ingest  # with pandas, which no other verb needs

        return ingest(
            self.store, *parts, progress=self.progress, wait=self.settings.server.write_wait
        )

    def history(self, user_id: str) -> list[Event]:
        """Every event of a user, oldest first. Raises UnknownIdError."""
        self.store.require_user(user_id)
        return self.store.events(user_id)

    def items_by_id(self, ids: Iterable[str]) -> dict[str, Item]:
        return {item.item_id: item for item in self.store.items(list(ids))}

    def known_users(self, among: Collection[str]) -> set[str]:
        """Those of some words that are users' ids."""
        return self.store.known_users(among)

    # ------------------------------------------------------------ learning

    def train(self) -> TrainReport:
        """Fit the channels on every event and embed what items are about."""
        return self.trainer.train()

    async def weigh(self, trained: TrainReport, users: int | None = None) -> TrainReport:
        """What a model's reordering adds to the ranker trained just now, measured on the past, and
        kept as its weight.

        users: of the past, at most; by default `rerank.fit_users` for a model graded full, and none
        for a smaller one, which is slow. Without it only a model at an endpoint is opened: training
        needs none, and fetches none.
        """
        rules = self.settings.rerank
        if users == 0 or rules.mode == "off" or rules.weight is not None:
            return trained
        if users is None and not self.models.has_endpoint():
            return trained
        model = await self.models.for_run(None)
        if model.chat is None:
            return trained
        wanted = users if users is not None else rules.fit_users if model.grade == "full" else 0
        if not wanted:
            known = load_weight(self.store, model.chat.name)
            hint = (
                f"{model.chat.name} has no say in the order; `limner train --llm-users "
                "40` measures what it adds."
            )
            return trained if known else _noted(trained, hint)
        world = self.snapshots.world()
        past = self.recommender.model().past[:wanted]
        weight, why = await weigh(
            past,
            world.items,
            self._known_then,
            model.chat,
            model.grade,
            self.settings,
            self.progress,
        )
        if weight is None:
            return _noted(
                trained, f"What {model.chat.name} adds to the order was not measured: {why}"
            )
        with self.store.writing(self.settings.server.write_wait):
            save_weight(self.store, weight)
        return trained.model_copy(update={"rerank": weight})

    async def _known_then(self, moment: EvaluationPoint) -> TasteBefore:
        """What was known of a user before a moment, with none of what they did later."""
        events = before(self.store.events(moment.user_id), moment.history)
        profile = self.profile_builder.in_template_words(moment.user_id, events)
        past = self.recommender.past_of(events)
        return TasteBefore(
            self.recommender.taste(profile, past), self.recommender.likeness(past, moment.order)
        )

    def is_trained(self) -> bool:
        """Whether the channels were fitted on every event that there is."""
        return self.trainer.is_trained()

    def reindex(self) -> int:
        """Embed everything anew with the embedder that the settings name now; how many texts that
        were.
        """
        return self.trainer.reindex()

    # ------------------------------------------------------------ portraits

    async def build(
        self,
        user_ids: Sequence[str] | None = None,
        *,
        concurrency: int = 4,
        max_cost: float | None = None,
        force: bool = False,
        embed: bool = True,
    ) -> BuildReport:
        """Paint portraits, each stored when it is finished; those that are up to date are passed
        over.

        embed: all that were painted, before it ends; else whoever looks for them does, or a server
        behind its answers.
        """
        wanted = self._wanted(user_ids)
        with self.store.writing(self.settings.server.write_wait):
            self.trainer.sound_index()  # before anything is paid for
            model = await self.models.for_run(max_cost)
            report = await self.profile_builder.build(wanted, model, concurrency, force)
        notes = self.trainer.embed_portraits() if embed else []
        return report.model_copy(update={"notes": [*report.notes, *notes]})

    async def estimate(self, user_ids: Sequence[str] | None = None) -> Estimate:
        """What a build would cost, from a sample; nothing is asked of a model but its grade."""
        return await self.profile_builder.estimate(self._wanted(user_ids))

    async def current(self, user_id: str) -> Profile | None:
        """The newest stored portrait, of any version, that the model set now would paint from the
        same events.
        """
        return await self.profile_builder.current(user_id)

    async def profile(self, user_id: str, version: int | None = None) -> Profile:
        """A stored portrait, painted first where there is none. Raises UnknownIdError."""
        return await self.profile_builder.profile(user_id, version)

    def portraits(self, holding: str = "") -> list[Profile]:
        """The newest portrait of everyone who has one; only those that hold a text, where one is
        given.
        """
        return self.store.profiles(holding)

    # ------------------------------------------------------------ recommendations

    async def recommend(
        self,
        user_ids: Sequence[str],
        n: int = 10,
        *,
        wishes: RecommendationRequest | None = None,
        repeats: bool = False,
        explain: bool = True,
    ) -> list[Recommendations]:
        """The n best items for each user, best first, each saying why; what is missing is trained
        and painted first.
        """
        for user_id in user_ids:
            self.store.require_user(user_id)
        wishes = wishes or RecommendationRequest()
        notes = self.trainer.ready(wishes)
        return [
            await self._recommend(user_id, n, wishes, repeats, explain, notes)
            for user_id in user_ids
        ]

    async def _recommend(
        self,
        user_id: str,
        n: int,
        wishes: RecommendationRequest,
        repeats: bool,
        with_reasons: bool,
        notes: Sequence[str],
    ) -> Recommendations:
        profile = await self.profile_builder.profile(user_id)
        past = self.recommender.past(user_id)
        ranked = self.recommender.choose(profile, past, n, wishes, repeats=repeats)
        said = [*notes, *self.recommender.shortfall(n, len(ranked), wishes)]
        return await self.recommender.answer(profile, past, ranked, n, with_reasons, wishes, said)

    def visit(
        self, n: int = 10, *, wishes: RecommendationRequest, explain: bool = True
    ) -> Recommendations:
        """The same for a visitor who is nobody in the store: by the items of the visit, without a
        model.
        """
        self.trainer.ready(wishes)  # to the end, where a server would answer that it takes long
        return self.swift.visit(n, wishes, explain=explain, keep=False)

    async def recommend_kept(
        self, user_id: str, n: int, wishes: RecommendationRequest, repeats: bool
    ) -> Recommendations:
        """The same for one user, with the model's say, kept so that feedback can name it."""
        [answer] = await self.recommend([user_id], n, wishes=wishes, repeats=repeats)
        return self.feedback_service.keep(answer, self.recommender.model().manifest.version)

    async def recommend_all(
        self,
        n: int = 10,
        *,
        wishes: RecommendationRequest | None = None,
        repeats: bool = False,
        explain: bool = False,
    ) -> AsyncIterator[Recommendations]:
        """The same for everyone in turn; without reasons all are scored in batches, and no portrait
        is painted.
        """
        wishes = wishes or RecommendationRequest()
        notes = self.trainer.ready(wishes)
        self.progress.start("recommendations", self.store.counts().users)
        if explain:
            for user_id in self.store.user_ids():
                yield await self._recommend(user_id, n, wishes, repeats, True, notes)
                self.progress.advance()
        else:
            for one in self.recommender.lists(n, wishes, repeats):
                yield self.recommender.plain(one, wishes, notes)
                self.progress.advance()
        self.progress.done()

    async def rank(
        self, user_id: str, item_ids: Sequence[str], *, explain: bool = False
    ) -> Recommendations:
        """Every given item in order for a user; those they had or that the store does not know are
        flagged.
        """
        self.store.require_user(user_id)
        notes = self.trainer.ready(RecommendationRequest())
        profile = await self.profile_builder.profile(user_id)
        past = self.recommender.past(user_id)
        found = self.recommender.choose_among(profile, past, item_ids)
        return await self.recommender.answer(
            profile, past, found, len(found), explain, RecommendationRequest(), notes
        )

    def users_for_item(
        self, item_id: str, n: int | None = 10, *, where: str = "", repeats: bool = False
    ) -> Audience:
        """The n users (all where None) that an item is likeliest for, among those whose attributes
        fit `where`.
        """
        item = self.snapshots.world().items.get(item_id)
        if item is None:
            raise UnknownIdError(
                f"There is no item '{item_id}' in the store; ids are used exactly as in the data."
            )
        matching = [user.user_id for user in fitting(self.store.users(), where, "users")]
        notes = self.trainer.ready(RecommendationRequest())
        model = self.recommender.model()
        self.progress.start("users", len(matching))
        found = audience(
            model,
            self.snapshots.history_batch(model),
            item,
            matching,
            n,
            repeats=repeats,
            advance=self.progress.advance,
        )
        self.progress.done()
        hidden = [
            f"The item is {flag} now; it is not recommended to anyone."
            for flag in shelf_flags(item)
        ]
        return self._told(found, where, [*hidden, *notes])

    def users_like(self, words: str, n: int | None = 10, *, where: str = "") -> Audience:
        """The n users (all where None) whose portraits are likest to some words, among those who
        fit `where`.
        """
        if not words.strip():
            raise BadInputError(
                "Say in words what the users are like, such as 'retired gardeners who buy gifts'."
            )
        users = self.store.users()
        matching = [user.user_id for user in fitting(users, where, "users")]
        painted = set(self.store.profiled_users())
        among = [one for one in matching if one in painted]
        notes = self.trainer.embed_portraits()
        found = self.snapshots.portraits_like(words, among if where else None, n)
        return self._told(
            audience_like(words, found, len(users), len(matching), len(among)), where, notes
        )

    def users_where(self, where: str, n: int | None = 10) -> Audience:
        """The n users (all where None) whose attributes fit `where`, those with the most events
        first.
        """
        users = self.store.users()
        matching = [user.user_id for user in fitting(users, where, "users")]
        events = dict(self.store.active_users())
        return self._told(audience_where(matching, events, len(users), n), where)

    def _told(self, found: Audience, where: str, notes: Sequence[str] = ()) -> Audience:
        """With what was asked, and when the events are from."""
        said = {"filter": where, "period": self.period(), "notes": [*notes, *found.notes]}
        return found.model_copy(update=said)

    def period(self) -> str:
        """From when to when the store's events are, in words; empty where they have no times."""
        span = self.snapshots.period()
        return f"{span[0]:%Y-%m-%d} to {span[1]:%Y-%m-%d}" if span else ""

    def erase(self, user_id: str) -> Erased:
        """Erase a user and all that names them. Raises UnknownIdError."""
        erased = self.editor.erase(user_id)
        self.swift.forget(user_id)
        return erased

    # ------------------------------------------------------------ care

    async def model(self) -> ModelHandle:
        return await self.models.ready()

    async def endpoint(self) -> ChosenModel:
        """For other clients of the same model. Raises ModelError where there is none."""
        await self.models.ready()
        if self.models.chosen is None:
            raise ModelError("There is no model to ask.")
        return self.models.chosen

    async def doctor(self, *, probe: bool = False) -> list[Check]:
        """What is well and what is not, each with what to do."""
        return await Doctor(self.store, self.snapshots, self.models, self.trainer).examine(
            probe=probe
        )

    async def close(self) -> None:
        await self.models.close()
        self.store.close()

    def _wanted(self, user_ids: Sequence[str] | None) -> list[str]:
        if user_ids is None:
            return self.store.user_ids()
        for user_id in user_ids:
            self.store.require_user(user_id)
        return list(dict.fromkeys(user_ids))


def open_engine(
    settings: Settings,
    *,
    create: bool = False,
    progress: Progress | None = None,
    embedder: Embedder | None = None,
    watch: Telemetry | None = None,
) -> Engine:
    """An engine over the store that the settings name; with `embedder` instead of the one that they
    would choose.

    Raises UsageError where there is no store and `create` is False.
    """
    store = open_store(settings.data, create=create, folder=settings.folder)
    return Engine(settings, store, progress or Quiet(), embedder, watch)


def _noted(report: TrainReport, note: str) -> TrainReport:
    return report.model_copy(update={"notes": [*report.notes, note]})


def before(events: Sequence[Event], count: int) -> list[Event]:
    """A user's events up to the last of the first `count` that name an item."""
    found, had = [], 0
    for event in events:
        had += event.item_id is not None
        if had > count:
            break
        found.append(event)
    return found
