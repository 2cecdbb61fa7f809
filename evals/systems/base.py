"""What a system of the harness is: fitted once on the training part, it scores the whole catalogue
for many users.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import CannotRunError
from limner.core.interactions import NO_TIME, Interactions
from limner.core.messages import Message
from limner.core.progress import Progress, Quiet
from limner.core.schema import LedgerRow, Scale
from limner.core.settings import LlmSettings
from limner.core.settings import Settings as Configuration
from limner.core.signals import rated
from limner.evals.data import Shelf
from limner.evals.scoring import histories
from limner.evals.splits import Split
from limner.facts import Population, build_population
from limner.rank import Catalogue, How, catalogue_of
from limner.retrieve import History, fit_popular, seen_matrix, weights_matrix

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp

Scores = NDArray[np.floating]
"""[users, items], higher is better, -inf where the item is not recommended."""
Setting = float | int | str
Settings = Mapping[str, Setting]

_KEPT = ("seen", "share", "population", "catalogue", "rated")


@dataclass(frozen=True)
class Training:
    """What a system may learn from: the events before the cut, and what items are."""

    x: Interactions
    """Sorted by (user, time); `user_ids` and `item_ids` are of everybody, with and without training
    events.
    """
    signal: NDArray[np.float32]
    """[n] what each event says about taste, in [-1, 1]."""
    shelf: Shelf
    scales: Mapping[str, Scale] = field(default_factory=dict)
    """The scale of each source's ratings."""
    how: How = "time"
    """`time` where nobody's later events are in `x`; `user` where each user was cut on their own
    timeline.
    """
    moment: int | None = None
    """Epoch milliseconds that everybody is asked at; None where each user is at their own last
    event.
    """
    seed: int = 0
    progress: Progress = field(default_factory=Quiet)
    settings: Configuration = field(
        default_factory=lambda: Configuration(llm=LlmSettings(choice="none"))
    )
    """Settings by which a system that asks a model finds it."""
    money: float | None = None
    """US dollars that a system may spend on a model; no limit where None."""

    @cached_property
    def seen(self) -> "sp.csr_array":
        """[users, items] 1 where the user had the item."""
        return seen_matrix(self.x)

    @cached_property
    def share(self) -> NDArray[np.float32]:
        """[items] users who had the item, over all users."""
        return fit_popular(self.x).share

    @cached_property
    def population(self) -> Population:
        """Base rates of these events."""
        return build_population(self.x, self.shelf.items, self.signal)

    @cached_property
    def catalogue(self) -> Catalogue:
        """Facets and, where the fast embedder is installed, vectors of the items."""
        return catalogue_of(
            self.x.item_ids, self.population, self.shelf.vectors, self.shelf.plain_texts
        )

    @cached_property
    def rated(self) -> tuple[NDArray[np.float64], Scale] | None:
        """[n] places on the scale, in [-1, 1], NaN where an event is no rating, and the scale that
        ratings are told on: that of the source with the most; None where nothing is rated.
        """
        return rated(self.x, self.scales)

    def again(self, seed: int) -> "Training":
        """This training with another seed; what was computed already is kept."""
        other = replace(self, seed=seed)
        other.__dict__.update(
            {name: value for name, value in self.__dict__.items() if name in _KEPT}
        )
        return other

    def before(self, cut: Split) -> "Training":
        """What may be learned of a split of this training's own events: those of its training
        part.
        """
        # Signals go along by the store's numbers, whatever the order of the rows.
        order = np.argsort(self.x.seq, kind="stable")
        at = order[np.searchsorted(self.x.seq[order], cut.train.seq)]
        return replace(
            self, x=cut.train, signal=self.signal[at], moment=cut.moment, progress=Quiet()
        )

    def asked(self, users: NDArray[np.int64]) -> "UserBatch":
        past = histories(self.x, self.signal, users, self.moment)
        return UserBatch(users, [self.x.user_ids[at] for at in users], past)

    def frame(self) -> "pd.DataFrame":
        """One row an event: user_id, item_id, type, value, timestamp (UTC), signal. For systems
        that like pandas.
        """
        import pandas as pd

        x = self.x
        known = x.time != NO_TIME
        return pd.DataFrame(
            {
                "user_id": np.array(x.user_ids, dtype=object)[x.user],
                "item_id": np.array(x.item_ids, dtype=object)[x.item],
                "type": np.array(x.types, dtype=object)[x.type],
                "value": x.value,
                "timestamp": pd.to_datetime(np.where(known, x.time, 0), unit="ms", utc=True).where(
                    known
                ),
                "signal": self.signal,
            }
        )


@dataclass(frozen=True)
class UserBatch:
    """Some users to recommend for."""

    users: NDArray[np.int64]
    """[users] positions in the training's `user_ids`."""
    user_ids: list[str]
    histories: list[History]
    """The users' training events; empty for users who have none."""

    def __len__(self) -> int:
        return len(self.histories)

    def one(self, at: int) -> "UserBatch":
        return UserBatch(
            self.users[at : at + 1], self.user_ids[at : at + 1], self.histories[at : at + 1]
        )


class System(Protocol):
    """A contestant. Raises CannotRunError from `fit` where it cannot run here."""

    @property
    def name(self) -> str: ...

    def fit(self, training: Training) -> None: ...

    def score(self, asked: UserBatch) -> Scores:
        """[users, items]; what a user has had already is taken out afterwards."""


@runtime_checkable
class Rating(Protocol):
    """A system that predicts ratings."""

    def ratings(
        self, asked: UserBatch, items: Sequence[NDArray[np.int64]]
    ) -> Sequence[NDArray[np.float64]]:
        """For each user, of the items at these positions, the rating that the user would give, on
        the scale that the training tells (`Training.rated`); NaN where it cannot say.
        """


@runtime_checkable
class Telling(Protocol):
    """A system that tells how likely an interaction is."""

    def probabilities(
        self, asked: UserBatch, items: Sequence[NDArray[np.int64]]
    ) -> Sequence[NDArray[np.float64]]:
        """For each user, of the items at these positions, the probability in [0, 1] that the user
        has the item in the stretch after the moment in which a fifth as many events happen as the
        training has, whether or not the user comes back; without a moment, that it is the next. NaN
        where it cannot say.
        """


@runtime_checkable
class Asking(Protocol):
    """A system that asks a model."""

    @property
    def model(self) -> str:
        """Name of the model; empty for none."""

    @property
    def ledger(self) -> Sequence[LedgerRow]:
        """A row each call."""

    def close(self) -> None:
        """Let the model go; whatever became of `fit`."""


@runtime_checkable
class Remarking(Protocol):
    """A system that knows what a reader of its numbers must know."""

    @property
    def remark(self) -> Message | None:
        """A sentence; None where there is nothing to say."""


class Personal:
    """A baseline that needs a history; users without one get what is popular, for any system would
    do as much.
    """

    name: ClassVar[str]
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {}
    """Values that tuning may choose from; the class's defaults come first."""

    def fit(self, training: Training) -> None:
        self._share = training.share
        self.learn(training)

    def score(self, asked: UserBatch) -> Scores:
        scores = np.array(self.judge(asked), dtype=np.float32)
        for row, history in enumerate(asked.histories):
            if not len(history.items):
                scores[row] = self._share
        return scores

    def learn(self, training: Training) -> None:
        raise NotImplementedError

    def judge(self, asked: UserBatch) -> Scores:
        """Scores [users, items] of a batch; rows of users without history are not looked at."""
        raise NotImplementedError


def need(package: str) -> None:
    """Raises CannotRunError where a package of the extra `evals` is not installed."""
    if importlib.util.find_spec(package) is None:
        raise CannotRunError("system.no_package", package=package)


def binary(past: Sequence[History], items: int) -> "sp.csr_array":
    """[users, items] 1 where the user had the item."""
    return weights_matrix(past, [np.ones(len(one.items), dtype=np.float32) for one in past], items)


def keep_largest(matrix: "sp.csr_array", k: int) -> "sp.csr_array":
    """The k largest entries of each row."""
    import scipy.sparse as sp

    data, columns, ends = [], [], [0]
    for row in range(matrix.shape[0]):
        span = slice(matrix.indptr[row], matrix.indptr[row + 1])
        values, rows = matrix.data[span], matrix.indices[span]
        if len(values) > k:
            best = np.argpartition(-values, k - 1)[:k]
            values, rows = values[best], rows[best]
        data.append(values)
        columns.append(rows)
        ends.append(ends[-1] + len(values))
    parts = (
        (np.concatenate(data), np.concatenate(columns), np.array(ends)) if data else ([], [], [0])
    )
    return sp.csr_array(parts, shape=matrix.shape)
