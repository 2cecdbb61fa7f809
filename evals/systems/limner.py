"""Limner's own ranker: the trained channels and their learned fusion, without portraits and without
an LLM.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from limner.evals.systems.base import Scores, Setting, Training, UserBatch
from limner.rank import CHANNEL_SIGNALS, Rated, fit, probabilities_of, score_users

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FAMILIES: Mapping[str, frozenset[str]] = {
    "next_item": CHANNEL_SIGNALS["next_item"] | CHANNEL_SIGNALS["around"],
    "collaborative": CHANNEL_SIGNALS["collaborative"],
    "similar_users": CHANNEL_SIGNALS["similar_users"],
    "popularity": CHANNEL_SIGNALS["popular"]
    | CHANNEL_SIGNALS["recent"]
    | CHANNEL_SIGNALS["latest"]
    | {"age"},
    "facets": CHANNEL_SIGNALS["facets"],
    "entry": frozenset({"entry gap", "entry near"}),
    "content": CHANNEL_SIGNALS["content"] | CHANNEL_SIGNALS["bm25"],
}
"""Families of channels and columns that carry similar information; each is left out as a whole, to
measure what it adds.
"""
WITHOUT = "limner-without:"
"""Before the name of a family."""


@dataclass
class LimnerSystem:
    name: ClassVar[str] = "limner"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {}

    without: str = ""
    """A family to do without; everything speaks where it is empty."""

    def fit(self, training: Training) -> None:
        muted = FAMILIES[self.without] if self.without else frozenset[str]()
        self._model = fit(
            training.x,
            training.signal,
            training.catalogue,
            how=training.how,
            seed=training.seed,
            muted=muted,
            rated=training.rated,
            progress=training.progress,
        )
        self._training = training

    def score(self, asked: UserBatch) -> Scores:
        return score_users(self._model, asked.histories)

    def ratings(self, asked: UserBatch, items: Sequence[Ints]) -> list[Floats]:
        """By the mean and what the item departs from it for a user who gave no rating; NaN where
        too little is rated to learn from.
        """
        learned, rated = self._model.ratings, self._training.rated
        if learned is None or rated is None:
            return [np.full(len(one), np.nan) for one in items]
        place, starts, x = rated[0], self._training.x.starts(), self._training.x
        predictions = []
        for user, wanted in zip(asked.users.tolist(), items, strict=True):
            span = slice(starts[user], starts[user + 1])
            known = ~np.isnan(place[span])
            own = Rated(x.item[span][known].astype(np.int64), place[span][known])
            predictions.append(learned.predict(own, self._model.channels.catalogue.facets, wanted))
        return predictions

    def probabilities(self, asked: UserBatch, items: Sequence[Ints]) -> list[Floats]:
        """NaN where too little happened to learn from, and for users without history."""
        return probabilities_of(self._model, asked.histories, items)
