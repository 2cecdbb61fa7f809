"""Results of studies as typed JSON: a line for each finished case, and one record at the end."""

from typing import Literal

from pydantic import Field

from limner.core.messages import Message
from limner.evals.records import Comparison, Metric, Spent, SplitInfo, StrictRecord, Why

Study = Literal["portraits", "reasons", "chat"]
State = Literal["ok", "error", "skipped"]
Outcome = Literal["right", "wrong", "abstained"]


class Figure(Metric):
    """A mean over cases with its 95% bootstrap interval."""

    undefined: int = 0
    """Cases without a value, which the mean is not over."""


class GivenReason(StrictRecord):
    """A reason as it was shown."""

    item_id: str
    text: str
    shape: str
    """The text with its names and numbers taken out."""
    features: list[str] = Field(default=[])
    """Values of the main facet that the text names."""
    source: str = "template"


class ChatCase(StrictRecord):
    """A question put to the chat, and what came back."""

    kind: str
    question: str
    expected: list[str]
    """Any of these is right; empty where the data hold no answer."""
    text: str
    outcome: Outcome


class Case(StrictRecord):
    """One user, or one question; a line of `cases.jsonl`."""

    id: str
    user_id: str
    bucket: str
    """The user's bucket of history length."""
    groups: dict[str, str] = Field(default={})
    """Attribute to value, of the user."""
    state: State = "ok"
    """`error` where it raised; `skipped` where the cost limit came first. Neither enters any
    mean.
    """
    why: Why = None
    seconds: float = 0.0
    values: dict[str, float | None] = Field(default={})
    """Values by measure; None where undefined."""
    tried: dict[str, list[float | None]] = Field(default={})
    """For each arm, the value at each weight that may be chosen on other users."""
    source: str = ""
    """`llm` where a model's words stand, `template` where they do not, `failed` where a model was
    asked in vain.
    """
    said: list[GivenReason] = Field(default=[])
    asked: ChatCase | None = None


class Cost(StrictRecord):
    total: Spent = Spent()
    purposes: dict[str, Spent] = Field(default={})
    """Calls by purpose: portrait, phrase, reason, judge, …"""
    per_user: dict[str, float | None] = Field(default={})
    """calls, tokens, cost, model_seconds and seconds, over the users that were finished."""
    per_request: dict[str, float | None] = Field(default={})
    """tokens, cost and seconds, over the calls that reached a model."""
    llm: dict[str, int] = Field(default={})
    """Cases by whether the model `ran`, `fell back` to template words, or was `skipped`."""


class StudyRecord(StrictRecord):
    """`study.json`."""

    study: Study
    variant: str = ""
    """The study's name in an experiment: with model and prompts where there are several."""
    dataset: str
    split: SplitInfo
    asked: str = ""
    """Hash of the plan; a study can be resumed only with the same one."""
    model: str | None = None
    grade: str = "none"
    cases: int = 0
    states: dict[str, int] = Field(default={})
    """Cases by state: ok, error, skipped."""
    figures: dict[str, Figure] = Field(default={})
    buckets: dict[str, dict[str, Figure]] = Field(default={})
    """Figures by length of history, then measure."""
    groups: dict[str, dict[str, Figure]] = Field(default={})
    """Figures by `attribute=value` of the user, then measure."""
    kinds: dict[str, dict[str, Figure]] = Field(default={})
    """Figures of the chat study by kind of question."""
    comparisons: list[Comparison] = Field(default=[])
    """Paired by user, corrected for all of the study (Holm 1979); each difference is `system` minus
    `baseline`.
    """
    cost: Cost = Cost()
    seed: int = 0
    notes: list[Message] = Field(default=[])
