"""What a run over many users would cost, from the rendered prompts of a few."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent import tokens
from agent.config import Price, Settings
from agent.llm import ChatRequest
from agent.profile.draft import DraftSentence
from agent.profile.full import MAX_TOKENS, PART_TOKENS, merge_request, part_requests, portrait_request
from agent.profile.phrase import claims_of, request
from agent.profile.subject import Subject
from agent.schema import Estimate, Grade
from agent.words import Language, load_language

ANSWER_SHARE = 0.5
"""Of the tokens that an answer may have, how many it usually has."""
REPAIRED = 0.5
"""Share of portraits whose refused claims are sent back once, with about half of the prompt."""


@dataclass(frozen=True)
class Speed:
    """Tokens a second."""

    prompt: float
    output: float
    at_once: int = 1
    """Requests that are answered at the same time at this speed each."""


EMBEDDED = Speed(prompt=35, output=10)
"""The embedded default on two cores of an x86-64 machine, both slots together."""
HOSTED = Speed(prompt=5000, output=60, at_once=4)
"""A guess at a hosted model; measure yours."""


def estimate(
    sample: Sequence[Subject],
    users: int,
    model: str | None,
    grade: Grade,
    settings: Settings,
    *,
    hosted: bool = False,
    price: Price | None = None,
    speed: Speed | None = None,
    language: str = "",
) -> Estimate:
    """Calls, tokens, US dollars and hours for `users` portraits, as the mean over `sample` times the number of users.

    Input tokens are counted on rendered prompts; output tokens are a usual share of what an answer may have. `price`
    None looks the model up in `settings.llm.prices`, and costs nothing where it is not hosted or not listed.
    """
    spoken = load_language(language or settings.portrait.language)
    if model is None or grade == "none" or not sample:
        return Estimate(
            users=users, sample=len(sample), model=model, grade=grade, calls=0,
            input_tokens=0, output_tokens=0, cost=0.0, hours=0.0,
        )  # fmt: skip
    calls, read, written = 0.0, 0.0, 0.0
    for subject in sample:
        more_calls, more_read, more_written = _one(subject, model, grade, settings, spoken, hosted)
        calls, read, written = calls + more_calls, read + more_read, written + more_written
    scale = users / len(sample)
    calls, read, written = calls * scale, read * scale, written * scale
    price = price or (settings.llm.prices.get(model) if hosted else None) or Price()
    pace = speed or (HOSTED if hosted else EMBEDDED)
    seconds = (read / pace.prompt + written / pace.output) / pace.at_once
    return Estimate(
        users=users, sample=len(sample), model=model, grade=grade, calls=round(calls), input_tokens=round(read),
        output_tokens=round(written), cost=round((read * price.input + written * price.output) / 1e6, 4),
        hours=round(seconds / 3600, 4),
    )  # fmt: skip


def _one(
    subject: Subject, model: str, grade: Grade, settings: Settings, language: Language, hosted: bool
) -> tuple[float, float, float]:
    """Calls, input tokens and output tokens of one portrait."""
    if grade == "phrase":
        claims = claims_of(subject.facts.facts, subject.facts.traits, language)
        if not claims:
            return 0, 0, 0
        asked = request(subject, claims, settings, language)[0]
        return 1, _tokens(asked, model), ANSWER_SHARE * asked.max_tokens
    if not subject.shown().events and not subject.facts.facts:
        return 0, 0, 0
    calls, read, written = 0.0, 0.0, 0.0
    if subject.is_long:
        for part in part_requests(subject, settings, language, hosted=hosted):
            calls, read, written = calls + 1, read + _tokens(part, model), written + ANSWER_SHARE * PART_TOKENS
        # Notes are not written yet; what the parts usually answer is what the merge reads.
        last = merge_request([DraftSentence(sentence="", evidence=[])], subject, settings, language, hosted=hosted)
        whole = _tokens(last, model) + written
    else:
        whole = _tokens(portrait_request(subject, settings, language, hosted=hosted), model)
    return (
        calls + 1 + REPAIRED,
        read + whole + REPAIRED * whole / 2,
        written + ANSWER_SHARE * MAX_TOKENS * (1 + REPAIRED / 2),
    )


def _tokens(asked: ChatRequest, model: str) -> int:
    """Of the messages; a few more mark their beginnings."""
    return sum(tokens.count(message.content, model) + 4 for message in asked.messages)
