"""What a model answers when it is asked for a portrait. Nothing here is trusted; `full` and
`phrase` verify it.
"""

from functools import cache

from pydantic import BaseModel, ConfigDict, Field, create_model

from limner.core.schema import Kind, Polarity, Scalar


class Drafted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DraftSentence(Drafted):
    sentence: str
    evidence: list[str]
    """F1 a fact, T1 a habit, E1 an event."""


class DraftPreference(Drafted):
    facet: str
    value: str
    polarity: Polarity
    kind: Kind
    evidence: list[str]
    text: str


class DraftField(Drafted):
    name: str
    """A field's name, or Q1 for the first question."""
    value: Scalar | list[str]
    evidence: list[str]


class Draft(Drafted):
    """Strength, confidence, trend and basis are missing on purpose: code computes them."""

    summary: list[DraftSentence]
    preferences: list[DraftPreference]
    fields: list[DraftField]
    unknowns: list[str]
    """Names of fields and questions that the events do not answer."""


class Notes(Drafted):
    """A model's summary of one part of a long history."""

    notes: list[DraftSentence]


class Fix(Drafted):
    number: int
    """Number of the refused claim."""
    text: str
    """Empty to withdraw it."""
    evidence: list[str]


class Fixes(Drafted):
    fixes: list[Fix]


@cache
def phrased(keys: tuple[str, ...]) -> type[BaseModel]:
    """The answer to a request for one sentence a claim: an object with the claims' keys.

    Keys instead of a list: no claim can be left out, worded twice or invented, and they cost fewer
    tokens.
    """
    fields = {key: (str, Field()) for key in keys}
    return create_model("Phrased", __base__=Drafted, **fields)  # type: ignore[no-any-return,call-overload]
