"""Training before the first recommendation, and the fallbacks where parts of it are impossible."""

from contextlib import suppress
from threading import Lock, Thread

from limner.core.errors import (
    FetchError,
    IndexAwayError,
    IndexBrokenError,
    LimnerError,
    ModelError,
    NotTrainedError,
    StoreBusyError,
    StoreError,
)
from limner.core.messages import Message, message
from limner.core.progress import Progress
from limner.core.schema import RecommendationRequest, TrainReport
from limner.core.telemetry import logged
from limner.rank import train_report
from limner.state.derived import DerivedState
from limner.store import Store


class Trainer:
    """Trains a store's ranker and keeps its index sound."""

    def __init__(
        self, store: Store, progress: Progress, derived: DerivedState, wait: float
    ) -> None:
        """wait: seconds for another process that writes, as a server does now and then for a
        moment.
        """
        self.store, self.progress, self.derived = store, progress, derived
        self._wait = wait
        self._guard, self._starting = Lock(), Lock()
        self._behind: Thread | None = None

    @logged(
        "rank",
        "train",
        lambda report: {"events": report.events, "users": report.users, "items": report.items},
    )
    def train(self) -> TrainReport:
        """Fit the channels on every event and embed what items are about."""
        with self.store.writing(self._wait):
            embedder = self.sound_index()
            embedded = self.derived.vectors.embed_items()
            # Last, so that a model is only there where the vectors are too, whenever the run was
            # killed.
            model = self.derived.ranker.train()
        return train_report(model, embedder, embedded)

    def is_trained(self) -> bool:
        """Whether the channels were fitted on every event that there is."""
        model = self.derived.ranker.trained()
        return model is not None and model.manifest.last_seq == self.store.last_seq(of_items=True)

    def has_models(self) -> bool:
        """Whether channels were ever trained, whatever they are worth now."""
        return self.derived.ranker.has_models()

    def sound_index(self) -> str:
        """The embedder's name; the index is made anew where it cannot be read. Raises
        IndexMismatchError.
        """
        try:
            return self.derived.vectors.check_index()
        except IndexBrokenError:
            self.progress.say(message("training.index_anew").text)
            self.reindex()
            return self.derived.vectors.check_index()

    def reindex(self) -> int:
        """Embed everything anew with the embedder that the settings name now; how many texts that
        were.
        """
        with self.store.writing(self._wait):
            self.derived.vectors.reindex()
            embedded = self.derived.vectors.embed_items()
            return embedded + self.derived.portraits.embed_all()

    def ready(self, request: RecommendationRequest) -> list[Message]:
        """Do what is missing: training, and vectors of items that came after it. What could not be
        done, as notes.

        Raises BadInputError or UnknownIdError where the request names what the catalogue does not
        have.
        """
        self._check(request)
        with self._guard:  # of several threads that find nothing trained, one trains
            notes = self._find_vectors() if self._has_model() else self._train_as_can_be()
        idle = [
            message("list.idle_quota", what=one) for one in self.derived.ranker.idle_quotas(request)
        ]
        if not notes and (unreached := self.derived.ranker.unreached()):
            try:
                with self.store.writing():
                    self.derived.ranker.embed_new()
            except (StoreBusyError, FetchError, ModelError) as error:
                notes = [message("vectors.new_items", n=len(unreached), error=error)]
        return [*notes, *idle]

    def within(self, seconds: float, request: RecommendationRequest) -> None:
        """Train in the background if nothing is trained yet, and wait at most `seconds`. (`ready`
        waits to the end.)

        Raises NotTrainedError if training takes longer, and as `ready` does for the request.
        """
        if self._has_model():
            return
        self._check(request)
        with self._starting:
            if self._behind is None or not self._behind.is_alive():
                self._behind = Thread(target=self._train_behind, name="training")
                self._behind.start()
            behind = self._behind
        behind.join(seconds)
        if behind.is_alive():
            raise NotTrainedError("training.first_time")

    def _check(self, request: RecommendationRequest) -> None:
        """Reject an impossible request before training. A request without wishes always passes."""
        if request.asks_nothing:
            return
        with suppress(
            StoreError
        ):  # a model that cannot be read is trained anew, an index that is away done without
            self.derived.ranker.allowed(request)

    def _train_behind(self) -> None:
        with self._guard:
            try:
                if not self._has_model():
                    self._train_as_can_be()
            except LimnerError as error:  # whoever asks next tries again, and is told
                self.progress.say(str(error))

    def _has_model(self) -> bool:
        """Whether there is a trained model; one that cannot be read, of an older version say, is as
        good as none.
        """
        try:
            return self.derived.ranker.trained() is not None
        except StoreError as error:
            self.progress.say(message("training.anew", error=error).text)
            return False

    def _find_vectors(self) -> list[Message]:
        try:
            self.derived.vectors.look()
        except (IndexAwayError, ModelError) as error:
            self.derived.vectors.disable_vectors(error)
            return [message("vectors.unread", error=error)]
        return []

    def _train_as_can_be(self) -> list[Message]:
        """Train; without what items are about where that cannot be embedded now."""
        try:
            self.train()
        except (IndexAwayError, ModelError, FetchError) as error:
            self.derived.vectors.disable_vectors(error)
            with self.store.writing(self._wait):
                self.derived.ranker.train()
            return [message("vectors.no_content", error=error)]
        return []
