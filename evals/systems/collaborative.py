"""Baselines that learn from who had what: neighbours, EASE, factors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import CannotRunError
from limner.evals.systems.base import (
    Personal,
    Scores,
    Setting,
    Training,
    UserBatch,
    binary,
    keep_largest,
    need,
)
from limner.retrieve import UserKNN, ease_weights, users_matrix

EASE_ITEMS = 20_000
"""Up to here plain EASE inverts its dense matrix (1.6 GB)."""
_EVERY = 1_000_000
"""More neighbours than there are."""


@dataclass
class ItemKnn(Personal):
    """Sum over the user's items of cosine / (1 + shrink / √(nᵢ nⱼ)) with the candidate's nearest
    items (Sarwar and others 2001); by default of all, unshrunk.
    """

    neighbours: int = _EVERY
    shrink: float = 0.0

    name: ClassVar[str] = "item-knn"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {
        "neighbours": (_EVERY, 20, 50, 100, 200, 500),
        "shrink": (0.0, 5.0, 20.0, 100.0),
    }

    def learn(self, training: Training) -> None:
        seen = training.seen
        counts = np.asarray(seen.sum(axis=0)).ravel()
        together = (seen.T @ seen).tocoo()
        row, column = together.coords
        apart = row != column
        row, column = row[apart], column[apart]
        import scipy.sparse as sp

        near = together.data[apart] / (np.sqrt(counts[row] * counts[column]) + self.shrink)
        matrix = sp.csr_array((near.astype(np.float32), (row, column)), shape=together.shape)
        # Rows are candidates: their nearest items speak for them.
        self._near = keep_largest(matrix, self.neighbours).T.tocsr()

    def judge(self, asked: UserBatch) -> Scores:
        return np.asarray((binary(asked.histories, self._near.shape[0]) @ self._near).todense())


@dataclass
class UserKnn(Personal):
    """Sum of the nearest users' cosines over those who had the item (Resnick and others 1994)."""

    neighbours: int = 100

    name: ClassVar[str] = "user-knn"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {"neighbours": (100, 20, 50, 200, 400, 800)}

    def learn(self, training: Training) -> None:
        everyone = users_matrix(training.x, len(training.x.user_ids))
        self._channel = UserKNN(everyone, neighbours_used=self.neighbours)

    def judge(self, asked: UserBatch) -> Scores:
        return self._channel.score(asked.histories)


@dataclass
class Ease(Personal):
    """Plain EASE (Steck 2019): every event an interaction, no recency."""

    penalty: float = 300.0

    name: ClassVar[str] = "ease"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {
        "penalty": (300.0, 10.0, 30.0, 100.0, 1000.0, 3000.0)
    }

    def learn(self, training: Training) -> None:
        items = len(training.x.item_ids)
        if items > EASE_ITEMS:
            raise CannotRunError("system.ease_too_large", items=items, most=EASE_ITEMS)
        self._weights = ease_weights(training.seen, self.penalty)

    def judge(self, asked: UserBatch) -> Scores:
        return np.asarray(binary(asked.histories, len(self._weights)) @ self._weights)


class ImplicitModel(Protocol):
    """The part of the package's models that is used."""

    user_factors: NDArray[np.float32]
    item_factors: NDArray[np.float32]

    def fit(self, user_items: object, show_progress: bool) -> None: ...


class _Factors(Personal):
    """User and item factors by the package `implicit`; a user's are those of the training."""

    def learn(self, training: Training) -> None:
        need("implicit")
        import scipy.sparse as sp
        from threadpoolctl import threadpool_limits

        # The package runs threads of its own; a second pool beneath them makes it many times
        # slower.
        with threadpool_limits(1, "blas"):
            model = self._model(training.seed)
            model.fit(sp.csr_matrix(training.seen), show_progress=False)
        self._users = np.asarray(model.user_factors)
        self._items = np.asarray(model.item_factors)

    def judge(self, asked: UserBatch) -> Scores:
        return np.asarray(self._users[asked.users] @ self._items.T)

    def _model(self, seed: int) -> "ImplicitModel":
        raise NotImplementedError


@dataclass
class Als(_Factors):
    """Implicit ALS (Hu, Koren and Volinsky 2008)."""

    factors: int = 64
    regularization: float = 0.01
    alpha: float = 1.0

    name: ClassVar[str] = "als"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {
        "factors": (64, 16, 32, 128),
        "regularization": (0.01, 0.1, 1.0, 10.0),
        "alpha": (1.0, 5.0, 20.0),
    }

    def _model(self, seed: int) -> "ImplicitModel":
        from implicit.cpu.als import AlternatingLeastSquares

        model: ImplicitModel = AlternatingLeastSquares(
            factors=self.factors,
            regularization=self.regularization,
            alpha=self.alpha,
            random_state=seed,
        )
        return model


@dataclass
class Bpr(_Factors):
    """Bayesian personalised ranking (Rendle and others 2009); on one thread, or two runs would
    differ.
    """

    factors: int = 64
    learning_rate: float = 0.05
    regularization: float = 0.01
    iterations: int = 100

    name: ClassVar[str] = "bpr"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {
        "factors": (64, 16, 32, 128),
        "learning_rate": (0.05, 0.01, 0.1),
        "regularization": (0.01, 0.001, 0.05),
        "iterations": (100, 200),
    }

    def _model(self, seed: int) -> "ImplicitModel":
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        model: ImplicitModel = BayesianPersonalizedRanking(
            factors=self.factors,
            learning_rate=self.learning_rate,
            regularization=self.regularization,
            iterations=self.iterations,
            num_threads=1,
            random_state=seed,
        )
        return model
