"""The contestants of an evaluation, by name: Limner, tuned baselines, and anyone from outside."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from limner.core.errors import UsageError
from limner.core.settings import Settings as Configuration
from limner.evals.systems.base import (
    Asking,
    Rating,
    Remarking,
    Scores,
    Setting,
    Settings,
    System,
    Telling,
    Training,
    UserBatch,
)
from limner.evals.systems.collaborative import Als, Bpr, Ease, ItemKnn, UserKnn
from limner.evals.systems.limner import FAMILIES, WITHOUT, LimnerSystem
from limner.evals.systems.llm import Llm, shape_of
from limner.evals.systems.outside import RunFile, imported, is_run
from limner.evals.systems.plain import PopularSystem, Random, RecentSystem
from limner.evals.systems.predicted import BaseRate, RatingMean
from limner.evals.systems.sasrec import SasRec
from limner.evals.systems.texts import Bm25, Content

__all__ = [
    "ABLATIONS",
    "SYSTEMS",
    "Asking",
    "Contestant",
    "Rating",
    "Remarking",
    "Scores",
    "Setting",
    "Settings",
    "System",
    "Telling",
    "Training",
    "UserBatch",
    "resolve",
]


@dataclass(frozen=True)
class Contestant:
    """A system that can be made anew, from settings that tuning may choose."""

    name: str
    make: Callable[..., System]
    grid: Mapping[str, tuple[Setting, ...]]
    """By setting, the values to choose from, the default first; empty where there is nothing to
    tune.
    """
    seeded: bool = False
    """Whether another seed gives another result."""
    shape: Callable[[Configuration], str] | None = None
    """Hash of the settings that shape its numbers; None where none does."""


SYSTEMS: dict[str, Contestant] = {
    one.name: one
    for one in (
        Contestant(Random.name, Random, Random.grid, seeded=True),
        Contestant(PopularSystem.name, PopularSystem, PopularSystem.grid),
        Contestant(RecentSystem.name, RecentSystem, RecentSystem.grid),
        Contestant(ItemKnn.name, ItemKnn, ItemKnn.grid),
        Contestant(UserKnn.name, UserKnn, UserKnn.grid),
        Contestant(Ease.name, Ease, Ease.grid),
        Contestant(Als.name, Als, Als.grid, seeded=True),
        Contestant(Bpr.name, Bpr, Bpr.grid, seeded=True),
        Contestant(Bm25.name, Bm25, Bm25.grid),
        Contestant(Content.name, Content, Content.grid),
        Contestant(RatingMean.name, RatingMean, RatingMean.grid),
        Contestant("rating-items", partial(RatingMean, items=True), RatingMean.grid),
        Contestant("rating-bias", partial(RatingMean, items=True, users=True), RatingMean.grid),
        Contestant(BaseRate.name, BaseRate, BaseRate.grid),
        Contestant("item-rate", partial(BaseRate, items=True), BaseRate.grid),
        Contestant(SasRec.name, SasRec, SasRec.grid, seeded=True),
        Contestant(Llm.name, Llm, Llm.grid, shape=shape_of),
        Contestant(LimnerSystem.name, LimnerSystem, LimnerSystem.grid, seeded=True),
        *(
            Contestant(
                f"{WITHOUT}{one}", partial(LimnerSystem, one), LimnerSystem.grid, seeded=True
            )
            for one in FAMILIES
        ),
    )
}


ABLATIONS = [name for name in SYSTEMS if name.startswith(WITHOUT)]
"""Limner without one family of channels at a time."""


def resolve(names: Sequence[str], depth: int) -> list[Contestant]:
    """Make contestants from built-in names, import paths `module:Class`, and run files. `depth`:
    length that a list must have.

    Raises UsageError for a name that is none of these or is named twice, BadInputError for a run
    that cannot be read.
    """
    contestants = [_contestant(name.strip(), depth) for name in names]
    if not contestants:
        raise UsageError("system.none")
    twice = [
        one.name
        for at, one in enumerate(contestants)
        if one.name in {other.name for other in contestants[:at]}
    ]
    if twice:
        raise UsageError("system.twice", name=twice[0])
    return contestants


def _contestant(name: str, depth: int) -> Contestant:
    if name in SYSTEMS:
        return SYSTEMS[name]
    if is_run(name):
        run = RunFile(Path(name))
        return Contestant(run.name, lambda: run, {})
    if ":" in name and not name.startswith(WITHOUT):
        imported(name, depth)
        return Contestant(name, lambda: imported(name, depth), {}, seeded=True)
    raise UsageError("system.unknown", name=name, names=", ".join(SYSTEMS))
