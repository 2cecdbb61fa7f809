"""A portrait packed for another model's prompt: what matters most, within a budget of tokens."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from limner.core.errors import BadInputError
from limner.core.schema import Preference, Profile, Value
from limner.index.documents import preference_text
from limner.llm import tokens

Vectors = NDArray[np.float32]

EVIDENCE = 3
"""Event ids that a line names."""


class Context(Value):
    """A portrait as a text that fits into a prompt."""

    user_id: str
    """The user's id, exactly as in the data."""
    text: str
    """Lines, most relevant first; each preference ends with the ids of its events in square
    brackets.
    """
    tokens: int
    """Tokens of the text; never more than `max_tokens`."""
    max_tokens: int
    """Tokens that the text may have."""
    preferences: list[Preference]
    """The preferences that the text states, in its order."""
    evidence: list[str]
    """Ids of the events that the text names."""
    left_out: int
    """Preferences for which there was no room."""
    profile_version: int
    """Version of the portrait; 0 where it is not stored."""
    query: str = ""
    """The query that the text was packed for; similar preferences come first."""


def pack(
    profile: Profile,
    max_tokens: int,
    *,
    relevance: Mapping[str, float] | None = None,
    query: str = "",
    model: str = "",
) -> Context:
    """The portrait in at most `max_tokens` tokens of `model`'s encoding.

    relevance: by `preference_text`, how near each preference is to the query; without it strength
    times confidence counts. Raises BadInputError where not even the heading fits.
    """
    heading = f"User {profile.user_id}, as of {profile.as_of:%Y-%m-%d}."

    def size(lines: Sequence[str]) -> int:
        return tokens.count("\n".join(lines), model)

    if size([heading]) > max_tokens:
        raise BadInputError("portrait.too_few_tokens", tokens=max_tokens, least=size([heading]))
    lines: list[str] = [heading]
    packed: list[Preference] = []
    named: list[str] = []

    def fits(*more: str) -> bool:
        return size([*lines, *more]) <= max_tokens

    ordered = sorted(profile.preferences, key=_key(relevance))
    # A query asks for what bears on it. Without one the summary, which speaks of everything, leads,
    # where it leaves room for what matters most; else it comes where there is room left.
    summary = [profile.summary.strip()] if profile.summary.strip() else []
    if (
        not query
        and summary
        and fits(*summary, *(_short(preference) for preference in ordered[:1]))
    ):
        lines += summary
        summary = []
    for preference in ordered:
        for line, events in (
            (_line(preference), preference.evidence[:EVIDENCE]),
            (_short(preference), preference.evidence[:1]),
        ):
            if fits(line):
                lines.append(line)
                packed.append(preference)
                named += events
                break
    for extra in [*summary, *_habits(profile)]:
        if fits(extra):
            lines.append(extra)
    text = "\n".join(lines)
    return Context(
        user_id=profile.user_id,
        text=text,
        tokens=tokens.count(text, model),
        max_tokens=max_tokens,
        preferences=packed,
        evidence=list(dict.fromkeys(named)),
        left_out=len(profile.preferences) - len(packed),
        profile_version=profile.version,
        query=query,
    )


def relevance_to(
    query: Vectors, preferences: Sequence[Preference], vectors: Vectors
) -> dict[str, float]:
    """Cosine of each preference to a query [dimensions], by `preference_text`; vectors [n,
    dimensions] of length 1.
    """
    scores = vectors @ query
    return {
        preference_text(preference): float(score)
        for preference, score in zip(preferences, scores, strict=True)
    }


def _key(relevance: Mapping[str, float] | None) -> Callable[[Preference], tuple[float, float]]:
    def key(preference: Preference) -> tuple[float, float]:
        near = relevance.get(preference_text(preference), 0.0) if relevance is not None else 0.0
        return -near, -preference.strength * preference.confidence

    return key


def _line(preference: Preference) -> str:
    sign = "likes" if preference.polarity == "like" else "dislikes"
    text = preference.text.strip() or f"{sign} {preference.value}"
    how = [preference.basis, f"strength {preference.strength:.2f}"]
    how += [preference.trend] if preference.trend in ("rising", "fading") else []
    return (
        f"- {sign} {preference.facet}: {preference.value} ({', '.join(how)}). {text} "
        f"[{', '.join(preference.evidence[:EVIDENCE])}]"
    )


def _short(preference: Preference) -> str:
    """A preference in few tokens: polarity, facet, value and one event id."""
    sign = "likes" if preference.polarity == "like" else "dislikes"
    return f"- {sign} {preference.facet}: {preference.value}" + (
        f" [{preference.evidence[0]}]" if preference.evidence else ""
    )


def _habits(profile: Profile) -> list[str]:
    return [
        f"- {trait.name.replace('_', ' ')}: {trait.label}"
        + (f" ({trait.detail})" if trait.detail else "")
        for trait in profile.traits
        if trait.label != "unknown"
    ]
