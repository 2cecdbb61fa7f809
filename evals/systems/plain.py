"""Baselines that ask little: chance, what is popular, what is popular of late."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from limner.evals.systems.base import Scores, Setting, Training, UserBatch
from limner.retrieve import fit_popular, fit_recent


@dataclass
class Random:
    """Chance, the floor; the same for a user whoever else is asked."""

    name: ClassVar[str] = "random"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {}

    def fit(self, training: Training) -> None:
        self._seed, self._items = training.seed, len(training.x.item_ids)

    def score(self, asked: UserBatch) -> Scores:
        rows = [
            np.random.default_rng((self._seed, int(user))).random(self._items)
            for user in asked.users
        ]
        return np.array(rows).reshape(len(asked), self._items)


@dataclass
class PopularSystem:
    """Users who had the item, whatever they thought of it."""

    name: ClassVar[str] = "popular"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {}

    def fit(self, training: Training) -> None:
        self._channel = fit_popular(training.x)

    def score(self, asked: UserBatch) -> Scores:
        return self._channel.score(asked.histories)


@dataclass
class RecentSystem:
    """Popular of late, at the moment that each user is asked at."""

    half_life: float = 0.1
    """An event loses half of its weight in this share of the time that the training spans."""

    name: ClassVar[str] = "recent"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {
        "half_life": (0.1, 0.005, 0.01, 0.02, 0.05, 0.2, 0.4)
    }

    def fit(self, training: Training) -> None:
        [self._channel] = fit_recent(training.x, half_lives={self.name: self.half_life})

    def score(self, asked: UserBatch) -> Scores:
        return self._channel.score(asked.histories)
