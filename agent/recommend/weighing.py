"""Measuring on past users how much a language model's order adds to the trained ranker."""

from collections.abc import Sequence

from limner.core.messages import Message, message
from limner.core.progress import Progress
from limner.core.schema import Event, TrainReport
from limner.core.settings import Settings
from limner.llm.session import ModelSession
from limner.profile.builder import ProfileBuilder
from limner.rank import EvaluationPoint
from limner.recommend.pipeline import RecommendationPipeline
from limner.rerank import TasteBefore, load_weight, save_weight, weigh
from limner.state.derived import DerivedState
from limner.store import Store


class OrderWeigher:
    """Measures the weight of a model's order, and keeps it in the store."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        progress: Progress,
        state: DerivedState,
        models: ModelSession,
        builder: ProfileBuilder,
        pipeline: RecommendationPipeline,
    ) -> None:
        self._settings, self._store, self._progress = settings, store, progress
        self._state, self._models = state, models
        self._builder, self._pipeline = builder, pipeline

    async def weigh(self, trained: TrainReport, users: int | None = None) -> TrainReport:
        """The report of a training with the weight that was measured after it.

        users: of the past, at most; by default `rerank.fit_users` for a model graded full, and none
        for a smaller one, which is slow. Without it only a model at an endpoint is opened: training
        needs none, and fetches none.
        """
        rules = self._settings.rerank
        if users == 0 or rules.mode == "off" or rules.weight is not None:
            return trained
        if users is None and not self._models.has_endpoint():
            return trained
        model = await self._models.for_run(None)
        if model.chat is None:
            return trained
        wanted = users if users is not None else rules.fit_users if model.grade == "full" else 0
        if not wanted:
            known = load_weight(self._store, model.chat.name)
            hint = message("training.unmeasured_model", model=model.chat.name)
            return trained if known else _noted(trained, hint)
        weight, why = await weigh(
            self._pipeline.model().past[:wanted],
            self._state.catalogue.snapshot().items,
            self._known_before,
            model.chat,
            model.grade,
            self._settings,
            self._progress,
        )
        if weight is None:
            return _noted(
                trained, message("training.model_not_measured", model=model.chat.name, why=why)
            )
        with self._store.writing(self._settings.server.write_wait):
            save_weight(self._store, weight)
        return trained.model_copy(update={"rerank": weight})

    async def _known_before(self, moment: EvaluationPoint) -> TasteBefore:
        """A user's past before a moment, without later events."""
        events = before(self._store.events(moment.user_id), moment.history)
        profile = self._builder.in_template_words(moment.user_id, events)
        past = self._pipeline.past_of(events)
        return TasteBefore(
            self._pipeline.taste(profile, past), self._pipeline.likeness(past, moment.order)
        )


def before(events: Sequence[Event], count: int) -> list[Event]:
    """A user's events up to the last of the first `count` that name an item."""
    earlier: list[Event] = []
    with_item = 0
    for event in events:
        with_item += event.item_id is not None
        if with_item > count:
            break
        earlier.append(event)
    return earlier


def _noted(report: TrainReport, note: Message) -> TrainReport:
    return report.model_copy(update={"notes": [*report.notes, note]})
