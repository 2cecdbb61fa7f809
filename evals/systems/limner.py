"""Limner's own ranker: the trained channels and their learned fusion, without portraits and without an LLM."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from agent.rank import TELLS, fit, score_users
from evals.systems.base import Asked, Scores, Setting, Training

FAMILIES: Mapping[str, frozenset[str]] = {
    "next_item": TELLS["next_item"] | TELLS["around"],
    "collaborative": TELLS["collaborative"],
    "similar_users": TELLS["similar_users"],
    "popularity": TELLS["popular"] | TELLS["recent"] | TELLS["latest"] | {"age"},
    "facets": TELLS["facets"],
    "entry": frozenset({"entry gap", "entry near"}),
    "content": TELLS["content"] | TELLS["bm25"],
}
"""Channels that tell much of the same, and columns of the same sort: what is left out together to see what it adds."""
WITHOUT = "limner-without:"
"""Before the name of a family."""


@dataclass
class Limner:
    name: ClassVar[str] = "limner"
    grid: ClassVar[Mapping[str, tuple[Setting, ...]]] = {}

    without: str = ""
    """A family to do without; everything speaks where it is empty."""

    def fit(self, training: Training) -> None:
        muted = FAMILIES[self.without] if self.without else frozenset[str]()
        self._model = fit(
            training.x, training.signal, training.catalogue, how=training.how, seed=training.seed, muted=muted,
            progress=training.progress,
        )  # fmt: skip

    def score(self, asked: Asked) -> Scores:
        return score_users(self._model, asked.histories)
