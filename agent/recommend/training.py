"""Training before the first recommendation, and the fallbacks where parts of it are impossible."""

from threading import Lock, Thread
from time import monotonic

from limner.core.errors import (
    FetchError,
    IndexAwayError,
    IndexBrokenError,
    LimnerError,
    ModelError,
    StoreBusyError,
    StoreError,
    StoreFullError,
)
from limner.core.messages import Message, message
from limner.core.progress import Progress
from limner.core.schema import RecommendationRequest, TrainingStatus, TrainReport
from limner.core.telemetry import logged
from limner.rank import train_report
from limner.recommend.training_log import TrainingLog, TrainingStoppedError
from limner.state.derived import DerivedState
from limner.store import Store

PATIENCE = 2.0
"""Seconds that a server's request waits for a first training, which tiny stores end within."""
_RETRY = 60.0
"""Seconds before a training behind a server is tried again after one that failed."""
_LAST_STEP = 5.0
"""Seconds that a training behind a server has to end in when the server stops."""


class Trainer:
    """Trains a store's ranker and keeps its index sound."""

    def __init__(
        self, store: Store, progress: Progress, derived: DerivedState, wait: float
    ) -> None:
        """wait: seconds for another process that writes, as a server does now and then for a
        moment.
        """
        self.store, self.progress, self.derived = store, progress, derived
        self.patience: float | None = None
        """Seconds that a request waits for a first training, which then goes on behind it; None:
        to its end.
        """
        self._wait = wait
        self._log = TrainingLog(progress, store.folder)
        self._guard, self._starting = Lock(), Lock()
        self._behind: Thread | None = None
        self._failed: tuple[float, LimnerError] | None = None

    @logged(
        "rank",
        "train",
        lambda report: {"events": report.events, "users": report.users, "items": report.items},
    )
    def train(self) -> TrainReport:
        """Fit the channels on every event and embed what items are about. Others may write while
        the channels are fitted.
        """
        with self.store.training(self._wait), self._log.kept():
            with self.store.writing(self._wait):
                embedder = self.sound_index()
                embedded = self.derived.vectors.embed_items(self._log)
            # Last, so that a model is only there where the vectors are too, whenever the run was
            # killed.
            model = self.derived.ranker.train(self._log, self._wait)
        return train_report(model, embedder, embedded)

    def status(self) -> TrainingStatus:
        """How the ranker stands, and what a training is doing in whatever process."""
        model, now = self.derived.ranker.trained(), self._log.current()
        return TrainingStatus(
            state="training" if now else "trained" if model else "untrained",
            model_version=model.manifest.version if model else None,
            outdated=model is not None and not self.is_trained(),
            now=now,
            error=self._failed[1].message if self._failed else None,
        )

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
        done, as notes; with `patience`, that training goes on behind.

        Raises BadInputError or UnknownIdError where the request names what the catalogue does not
        have.
        """
        if not request.asks_nothing:
            self.derived.ranker.check(request)  # before anything is trained for it
        notes = self._made_ready()
        idle = [
            message("list.idle_quota", what=one) for one in self.derived.ranker.idle_quotas(request)
        ]
        return [*notes, *idle]

    def _made_ready(self) -> list[Message]:
        if self.patience is not None and not self._trained_within(self.patience):
            failed = self._failed
            if failed is not None:
                return [message("list.training_failed", error=failed[1])]
            return [message("list.untrained")]
        with self._guard:  # of several threads that find nothing trained, one trains
            notes = self._find_vectors() if self._has_model() else self._train_as_can_be()
        if not notes and (unreached := self.derived.ranker.unreached()):
            try:
                with self.store.writing():
                    self.derived.ranker.embed_new()
            except (StoreBusyError, StoreFullError, FetchError, ModelError) as error:
                notes = [message("vectors.new_items", n=len(unreached), error=error)]
        return notes

    def start_behind(self) -> None:
        """Train in the background where nothing is trained yet, unless that is done already or
        failed a moment ago.
        """
        with self._starting:
            waits = self._failed is not None and monotonic() - self._failed[0] < _RETRY
            if waits or (self._behind is not None and self._behind.is_alive()):
                return
            self._failed = None
            self._behind = Thread(target=self._train_behind, name="training", daemon=True)
            self._behind.start()

    def _trained_within(self, seconds: float) -> bool:
        """Whether there is a trained model within `seconds`; one that is missing is trained in the
        background.
        """
        if self._has_model():
            return True
        self.start_behind()
        if self._behind is not None:
            self._behind.join(seconds)
        return self._has_model()

    def _train_behind(self) -> None:
        try:
            # Another process may be at it.
            with self.store.training(float("inf")), self._guard:
                if not self._has_model():
                    self._train_as_can_be()
        except TrainingStoppedError:
            return
        except LimnerError as error:
            self._failed = (monotonic(), error)
            self.progress.say(str(error))

    def close(self) -> None:
        """End a training in the background at its next step."""
        self._log.stop.set()
        if self._behind is not None:
            self._behind.join(_LAST_STEP)

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
        except (IndexAwayError, StoreFullError, ModelError) as error:
            self.derived.vectors.disable_vectors(error)
            return [message("vectors.unread", error=error)]
        except IndexBrokenError as error:
            if self.store.unwritable is None:
                raise  # it can be made anew
            self.derived.vectors.disable_vectors(error)
            return [message("vectors.unread", error=error)]
        return []

    def _train_as_can_be(self) -> list[Message]:
        """Train; without what items are about where that cannot be embedded now."""
        try:
            self.train()
        except (IndexAwayError, ModelError, FetchError) as error:
            self.derived.vectors.disable_vectors(error)
            with self.store.training(self._wait), self._log.kept():
                self.derived.ranker.train(self._log, self._wait)
            return [message("vectors.no_content", error=error)]
        return []
