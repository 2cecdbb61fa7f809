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
    """What the text was asked for; preferences near it come first."""


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
        raise BadInputError(
            f"{max_tokens} tokens are too few; the heading alone takes {size([heading])}."
        )
    lines: list[str] = [heading]
    held: list[Preference] = []
    named: list[str] = []

    def fits(*more: str) -> bool:
        return size([*lines, *more]) <= max_tokens

    ordered = sorted(profile.preferences, key=_key(relevance))
    # A query asks for what bears on it. Without one the summary, which speaks of everything, leads,
    # where it leaves room for what matters most; else it comes where there is room left.
    summary = [profile.summary.strip()] if profile.summary.strip() else []
    if not query and summary and fits(*summary, *(_short(one) for one in ordered[:1])):
        lines += summary
        summary = []
    for one in ordered:
        for line, events in (
            (_line(one), one.evidence[:EVIDENCE]),
            (_short(one), one.evidence[:1]),
        ):
            if fits(line):
                lines.append(line)
                held.append(one)
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
        preferences=held,
        evidence=list(dict.fromkeys(named)),
        left_out=len(profile.preferences) - len(held),
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
        preference_text(one): float(score) for one, score in zip(preferences, scores, strict=True)
    }


def _key(relevance: Mapping[str, float] | None) -> Callable[[Preference], tuple[float, float]]:
    def key(one: Preference) -> tuple[float, float]:
        near = relevance.get(preference_text(one), 0.0) if relevance is not None else 0.0
        return -near, -one.strength * one.confidence

    return key


def _line(one: Preference) -> str:
    sign = "likes" if one.polarity == "like" else "dislikes"
    said = one.text.strip() or f"{sign} {one.value}"
    how = [one.basis, f"strength {one.strength:.2f}"]
    how += [one.trend] if one.trend in ("rising", "fading") else []
    return (
        f"- {sign} {one.facet}: {one.value} ({', '.join(how)}). {said} "
        f"[{', '.join(one.evidence[:EVIDENCE])}]"
    )


def _short(one: Preference) -> str:
    """The same in few tokens."""
    sign = "likes" if one.polarity == "like" else "dislikes"
    return f"- {sign} {one.facet}: {one.value}" + (f" [{one.evidence[0]}]" if one.evidence else "")


def _habits(profile: Profile) -> list[str]:
    return [
        f"- {one.name.replace('_', ' ')}: {one.label}" + (f" ({one.detail})" if one.detail else "")
        for one in profile.traits
        if one.label != "unknown"
    ]
