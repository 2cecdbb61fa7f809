"""Results of evaluations as typed JSON: written by runs, read by compare and report."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from limner.core.messages import Message
from limner.core.metrics import Style

Why = Annotated[Message | None, BeforeValidator(lambda why: why or None)]
"""A reason; None where there is none, for which older records have an empty text."""


class StrictRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitInfo(StrictRecord):
    name: str
    hash: str
    """Hash of the test events."""
    users: int
    """Asked about."""
    train_events: int
    test_events: int
    items: int
    """Ranked for every user, less what the user has had."""
    candidates: str = "all"
    """`all`, or `sampled N`: sampling inflates every number."""


def apart(candidates: str, style: Style) -> list[str]:
    """Labels for numbers of another protocol: sampled candidates, or the metrics of another tool.
    Empty for our metrics over all items.
    """
    said = [] if candidates == "all" else [f"{candidates} candidates"]
    return said if style == "ours" else [*said, f"{style} metrics"]


class Metric(StrictRecord):
    mean: float | None
    """None for an undefined mean."""
    ci95: tuple[float, float] | None
    """Bootstrap over users; None for figures of the whole list (coverage, Gini)."""
    n: int
    """Users it is the mean over."""


class Spent(StrictRecord):
    """Calls of one purpose, or of all."""

    calls: int = 0
    """Calls that reached a model, not the cache."""
    cached: int = 0
    """Answered from the cache, at no cost."""
    failed: int = 0
    """Unavailable, refused, or answered out of form."""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    """US dollars."""
    seconds: float = 0.0
    """Latencies of the calls that reached a model, added up; a wait for a free place of the model's
    is part of them.
    """


class SystemResult(StrictRecord):
    name: str
    state: Literal["ok", "failed", "skipped"] = "ok"
    """`failed` where it raised; `skipped` where it cannot run here."""
    why: Why = None
    """For a person: the reason of a failure or a skip, or a caveat about the numbers."""
    metrics: dict[str, Metric] = {}
    buckets: dict[str, dict[str, Metric]] = {}
    """Figures by length of history, then metric."""
    failed_users: int = 0
    """Users for whom it raised or gave nothing; they count as misses, never as absent."""
    fit_seconds: float = 0.0
    rank_seconds: float = 0.0
    settings: dict[str, float | int | str] = {}
    """The settings that tuning chose."""
    trials: int = 0
    """Settings that tuning tried; 0 where the defaults stand."""
    tune_seconds: float = 0.0
    cost: Spent = Spent()
    """Cost of the model calls, for a system that asks a model."""
    asked: str = ""
    """Hash of the settings of a model that shape such a system's numbers; where they change it is
    measured anew.
    """


class Comparison(StrictRecord):
    """One system against another, paired by user."""

    system: str
    baseline: str
    metric: str
    difference: float
    ci95: tuple[float, float]
    p: float
    p_holm: float
    """Corrected over all comparisons of this metric (Holm 1979)."""
    n: int


class Evaluation(StrictRecord):
    dataset: str
    split: SplitInfo
    systems: list[SystemResult]
    comparisons: list[Comparison] = []
    style: Style = "ours"
    """The library whose definition of accuracy metrics its numbers follow."""
    seed: int = 0
    notes: list[Message] = []
    """What a reader must know: who was not asked, what was not tuned."""
    asked: str = ""
    """Hash of the plan; a run can be resumed only with the same one."""
