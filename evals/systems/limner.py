"""Limner's own ranker: the trained channels and their learned fusion, without portraits and without an LLM."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from agent.rank import Catalogue, fit, score_users
from evals.systems.base import Asked, Scores, Setting, Training


@dataclass
class Limner:
    name: ClassVar[str] = "limner"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {}

    def fit(self, training: Training) -> None:
        self._model = fit(
            training.x, training.signal, self.catalogue(training), how=training.how, seed=training.seed,
            progress=training.progress,
        )  # fmt: skip

    def catalogue(self, training: Training) -> Catalogue:
        """What it is told of items."""
        return training.catalogue

    def score(self, asked: Asked) -> Scores:
        return score_users(self._model, asked.histories)


@dataclass
class WithoutContent(Limner):
    """Without the texts' vectors."""

    name: ClassVar[str] = "limner-no-content"

    def catalogue(self, training: Training) -> Catalogue:
        none = np.zeros((len(training.x.item_ids), 0), dtype=np.float32)
        return replace(training.catalogue, vectors=none)


@dataclass
class WithoutFacets(Limner):
    """Without the items' attributes."""

    name: ClassVar[str] = "limner-no-facets"

    def catalogue(self, training: Training) -> Catalogue:
        import scipy.sparse as sp

        none = sp.csr_array((len(training.x.item_ids), 1), dtype=np.float32)
        return replace(training.catalogue, facets=none)
