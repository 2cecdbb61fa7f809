"""What a run over many users would cost, from the rendered prompts of a few."""

from collections.abc import Sequence
from dataclasses import dataclass

from limner.core.schema import Estimate, Grade
from limner.core.settings import Price, Settings
from limner.llm import ChatRequest, tokens
from limner.llm.cached_client import price_of
from limner.profile.draft import DraftSentence
from limner.profile.full import merge_request, part_requests, portrait_request
from limner.profile.phrase import claims_of, request
from limner.profile.subject import Subject
from limner.words import Language, spoken

ANSWER_SHARE = 0.5
"""Share of `max_tokens` that a draft usually has; a guess."""
PHRASE_SHARE = 0.35
"""Share of `max_tokens` that an answer at grade `phrase` has; 61 of 180 with the embedded model."""
REPAIRED = 0.5
"""Share of portraits whose refused claims are sent back once, with about half of the prompt."""


@dataclass(frozen=True)
class Speed:
    """Tokens a second."""

    prompt: float
    output: float
    at_once: int = 1
    """Number of requests answered in parallel, each at this speed."""
    keeps_prefix: bool = False
    """True where what all prompts begin with, the system message, is read only once."""


EMBEDDED = Speed(prompt=35, output=12, keeps_prefix=True)
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
    """Calls, tokens, US dollars and hours for `users` portraits, as the mean over `sample` times
    the number of users.

    Input tokens are counted on rendered prompts; output tokens are a usual share of what an answer
    may have. `price` None looks the model up in `settings.llm.prices`, and costs nothing where it
    is not hosted or not listed.
    """
    resolved_language = spoken(language or settings.portrait.language)
    if model is None or grade == "none" or not sample:
        return Estimate(
            users=users,
            sample=len(sample),
            model=model,
            grade=grade,
            calls=0,
            input_tokens=0,
            output_tokens=0,
            cost=0.0,
            hours=0.0,
        )
    total = _CallCost()
    for subject in sample:
        total = total.plus(_one(subject, model, grade, settings, resolved_language, hosted))
    scale = users / len(sample)
    calls, read, written = total.calls * scale, total.read * scale, total.written * scale
    price = price or (price_of(model, settings.llm.prices) if hosted else None) or Price()
    pace = speed or (HOSTED if hosted else EMBEDDED)
    seconds = (
        (read - (total.prefix * scale if pace.keeps_prefix else 0)) / pace.prompt
        + written / pace.output
    ) / pace.at_once
    return Estimate(
        users=users,
        sample=len(sample),
        model=model,
        grade=grade,
        calls=round(calls),
        input_tokens=round(read),
        output_tokens=round(written),
        cost=round((read * price.input + written * price.output) / 1e6, 4),
        hours=round(seconds / 3600, 4),
    )


@dataclass(frozen=True)
class _CallCost:
    """Calls and tokens; `prefix` are those of `read` that all calls of one prompt share."""

    calls: float = 0.0
    read: float = 0.0
    written: float = 0.0
    prefix: float = 0.0

    def plus(self, other: "_CallCost") -> "_CallCost":
        return _CallCost(
            self.calls + other.calls,
            self.read + other.read,
            self.written + other.written,
            self.prefix + other.prefix,
        )


def _one(
    subject: Subject, model: str, grade: Grade, settings: Settings, language: Language, hosted: bool
) -> _CallCost:
    """Calls, tokens, cost and time of one portrait."""
    if grade == "phrase":
        claims = [
            one
            for one in claims_of(subject.facts.facts, subject.facts.traits, language)
            if one.is_asked
        ]
        if not claims:
            return _CallCost()
        asked = request(subject, claims, settings, language)[0]
        return _work(asked, model, PHRASE_SHARE)
    if not subject.shown().events and not subject.facts.facts:
        return _CallCost()
    total = _CallCost()
    if subject.is_long:
        for part in part_requests(subject, settings, language, hosted=hosted):
            total = total.plus(_work(part, model, ANSWER_SHARE))
        # Notes are not written yet; what the parts usually answer is what the merge reads.
        empty = [DraftSentence(sentence="", evidence=[])]
        draft = _work(
            merge_request(empty, subject, settings, language, hosted=hosted), model, ANSWER_SHARE
        )
        draft = draft.plus(_CallCost(read=total.written))
    else:
        draft = _work(
            portrait_request(subject, settings, language, hosted=hosted), model, ANSWER_SHARE
        )
    repair = _CallCost(
        REPAIRED,
        REPAIRED * draft.read / 2,
        REPAIRED * draft.written / 2,
        REPAIRED * draft.prefix / 2,
    )
    return total.plus(draft).plus(repair)


def _work(asked: ChatRequest, model: str, share: float) -> _CallCost:
    """One call; a few tokens more mark where messages begin."""
    counts = [tokens.count(message.content, model) + 4 for message in asked.messages]
    return _CallCost(1.0, sum(counts), share * asked.max_tokens, counts[0])
