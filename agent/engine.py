"""The main flow: ingest, train, build, recommend, find users, erase. Each is a few named steps; the
stages do the work.
"""

from collections.abc import AsyncIterator, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from limner.core.errors import UsageError
from limner.core.progress import Progress, Quiet
from limner.core.schema import (
    Audience,
    BuildReport,
    Event,
    IngestReport,
    Profile,
    RecommendationRequest,
    Recommendations,
    TrainReport,
)
from limner.core.sensitive import SensitiveNames
from limner.core.settings import Settings
from limner.core.telemetry import NullTelemetry, Telemetry
from limner.diagnostics import Doctor
from limner.index.embedders import Embedder
from limner.llm.session import ModelSession
from limner.profile.builder import ProfileBuilder
from limner.recommend.audience import AudienceFinder
from limner.recommend.backup import BackupReport, back_up, restore
from limner.recommend.edits import DataEditor, EventPatch
from limner.recommend.erasure import Erased, Eraser
from limner.recommend.feedback import FeedbackService
from limner.recommend.pipeline import RecommendationPipeline
from limner.recommend.serving import RecommendationService
from limner.recommend.training import Trainer
from limner.recommend.weighing import OrderWeigher
from limner.state.derived import DerivedState
from limner.state.reader import DataReader
from limner.store import Store, open_store

if TYPE_CHECKING:
    from limner.ingest import Sources


class Engine:
    """One store and everything that can be asked of it. Made by `open_engine`.

    Beside the main flow, rooms above call its parts: `data` (what is stored), `edits`, `portraits`,
    `recommendations`, `feedback`, `models`, `trainer`, `doctor`.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        progress: Progress,
        embedder: Embedder | None = None,
        watch: Telemetry | None = None,
    ) -> None:
        watch = watch or NullTelemetry()
        self.settings, self.store, self.progress = settings, store, progress
        self.state = state = DerivedState(settings, store, progress, embedder)
        self.models = models = ModelSession(settings, store, progress)
        self.trainer = Trainer(store, progress, state, settings.server.write_wait)
        self.portraits = ProfileBuilder(settings, store, progress, state, models, watch)
        self.pipeline = RecommendationPipeline(settings, store, state, models, watch)
        self.data = DataReader(store, state)
        self.edits = DataEditor(settings, store, state, self.portraits)
        self.eraser = Eraser(settings, store, state)
        self.feedback = FeedbackService(store, self.edits)
        self.recommendations = RecommendationService(
            store, state, models, self.trainer, self.portraits, self.pipeline, self.feedback
        )
        self.audiences = AudienceFinder(
            self.data, state, self.trainer, self.portraits, self.pipeline, progress
        )
        self.doctor = Doctor(store, state, models, self.trainer)
        self.weigher = OrderWeigher(
            settings, store, progress, state, models, self.portraits, self.pipeline
        )

    @cached_property
    def discreet(self) -> "Engine":
        """This engine for those who may not see sensitive attributes of users."""
        other = copy(self)
        hidden = SensitiveNames(self.settings.privacy.sensitive)
        other.data = DataReader(self.store, self.state, hidden)
        other.audiences = AudienceFinder(
            other.data, self.state, self.trainer, self.portraits, self.pipeline, self.progress
        )
        return other

    def ingest(self, *parts: "Sources") -> IngestReport:
        """Read tables into the store: all of it, or nothing."""
        from limner.ingest import ingest  # with pandas, which no other verb needs

        wait = self.settings.server.write_wait
        return ingest(self.store, *parts, progress=self.progress, wait=wait)

    def train(self) -> TrainReport:
        """Fit the channels on every event and embed what items are about."""
        return self.trainer.train()

    async def weigh(self, trained: TrainReport, users: int | None = None) -> TrainReport:
        """Measure on users of the past what a model's order adds to the ranker trained just now."""
        return await self.weigher.weigh(trained, users)

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
        wanted = self.portraits.wanted(user_ids)
        with self.store.writing(self.settings.server.write_wait):
            self.trainer.sound_index()  # before anything is paid for
            model = await self.models.for_run(max_cost)
            report = await self.portraits.build(wanted, model, concurrency, force)
        notes = self.portraits.embed_waiting() if embed else []
        return report.model_copy(update={"notes": [*report.notes, *notes]})

    async def profile(self, user_id: str, version: int | None = None) -> Profile:
        """A stored portrait, painted first where there is none. Raises UnknownIdError."""
        unpainted = await self.portraits.paint_first(user_id) if version is None else []
        return self.portraits.profile(user_id, version, unpainted)

    async def recommend(
        self, request: RecommendationRequest, *, keep: bool = False
    ) -> Recommendations:
        """The best items for a user or a visitor, each saying why; what is missing is trained and
        painted first. See `RecommendationService.recommend`.
        """
        return await self.recommendations.recommend(request, keep=keep)

    async def recommend_all(self, request: RecommendationRequest) -> AsyncIterator[Recommendations]:
        """Everyone's list in turn; without reasons all are scored in batches."""
        self.progress.start("recommendations", self.data.counts().users)
        async for answer in self.recommendations.everyone(request):
            yield answer
            self.progress.advance()
        self.progress.done()

    def users(
        self,
        n: int | None = 10,
        *,
        for_item: str | None = None,
        like: str | None = None,
        where: str = "",
        repeats: bool = False,
    ) -> Audience:
        """The n users (all where None) that an item is likeliest for, whose portraits are likest to
        words, or whose attributes fit. See `AudienceFinder.find`.
        """
        return self.audiences.find(n, for_item=for_item, like=like, where=where, repeats=repeats)

    def erase(self, user_id: str) -> Erased:
        """Erase a user and all that names them, and look at what is left; see `Eraser.erase`."""
        erased = self.eraser.erase(user_id)
        self.recommendations.forget(user_id)
        return erased

    def erase_event(self, event_id: str) -> Event:
        """Erase one event and all that rests on it; see `DataEditor.erase_event`."""
        event = self.edits.erase_event(event_id)
        self.eraser.compact()
        self.recommendations.forget(event.user_id)
        return event

    def correct_event(self, event_id: str, patch: EventPatch) -> Event:
        """Change one event and all that rests on it; see `DataEditor.correct_event`."""
        event = self.edits.correct_event(event_id, patch)
        self.eraser.compact()
        self.recommendations.forget(event.user_id)
        return event

    def back_up(self, file: Path) -> BackupReport:
        """Write a backup of the store to a file, while others go on; see `backup.back_up`."""
        return back_up(self.store, file, wait=self.settings.server.write_wait)

    async def close(self) -> None:
        await self.models.close()
        self.store.close()


def restore_backup(
    settings: Settings, file: Path, *, replace: bool = False, embedder: Embedder | None = None
) -> BackupReport:
    """Put a backup in the place of the store that the settings name; see `backup.restore`. Raises
    UsageError where they name a database by URL.
    """
    if "://" in settings.data:
        raise UsageError("backup.postgres")

    def erase(folder: Path, user_ids: Sequence[str]) -> None:
        if not user_ids:
            return
        store = open_store(str(folder), create=False)
        unpacked = Engine(settings, store, Quiet(), embedder)
        for user_id in user_ids:
            unpacked.erase(user_id)
        unpacked.state.vectors.close()
        store.close()

    return restore(file, Path(settings.data), erase, replace=replace)


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
