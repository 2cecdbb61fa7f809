"""The capability probe: how far a model can be trusted, measured once with generated questions.

A model graded `none` writes nothing. `phrase` words what code has picked. `full` also proposes
claims, reranks, and plans tool calls.
"""

import asyncio
import hashlib
import json
import math
import tempfile
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import cast

from pydantic import TypeAdapter, ValidationError

from limner.core.errors import ModelDeclinedError
from limner.core.progress import Progress, Quiet
from limner.core.schema import Grade, ProbeResult, SkillScore
from limner.core.settings import ProbeThresholds
from limner.llm.base import Chat, ChatRequest
from limner.llm.probe_tasks import SKILLS, ProbeRequest, ProbeTask, Skill, questions

MEASURED = "measured.json"
"""Results that come with the package, by model file's SHA-256; written by `python -m
limner.llm.measure`.
"""
RESULTS: TypeAdapter[dict[str, ProbeResult]] = TypeAdapter(dict[str, ProbeResult])


def threshold(thresholds: ProbeThresholds, skill: Skill) -> float:
    """Share of right answers that a skill asks for."""
    return {
        "schema": thresholds.schema_,
        "word": thresholds.word,
        "cite": thresholds.cite,
        "refuse": thresholds.refuse,
        "tool": thresholds.tool,
        "order": thresholds.order,
    }[skill]


def probe_version(n: int) -> str:
    """12 hex digits over everything that is asked, prompts included."""
    asked = [
        [
            [message.content for message in one.messages]
            for question in questions(skill, n)
            for one in question.asked
        ]
        for skill in SKILLS
    ]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:12]


def grade_of(skills: Sequence[SkillScore]) -> Grade:
    """`none` unless the model fills schemas and words facts; `full` only with every skill; `phrase`
    between.
    """
    passed = {score.skill for score in skills if score.passed}
    if not {"schema", "word"} <= passed:
        return "none"
    return "full" if passed >= set(SKILLS) else "phrase"


async def probe(
    chat: Chat,
    thresholds: ProbeThresholds,
    progress: Progress | None = None,
    *,
    stop_early: bool = True,
) -> ProbeResult:
    """Measure a model on every skill, `thresholds.questions` questions each.

    `stop_early` ends a skill as soon as its result is certain, and the probe as soon as the grade
    must be `none`. A bad or declined answer counts as wrong. Raises ModelUnavailableError,
    ModelRefusedError or BudgetSpentError.
    """
    progress = progress or Quiet()
    n = thresholds.questions
    began = time.monotonic()
    progress.start(f"Probing what {chat.name} can do", len(SKILLS) * n)
    scores: list[SkillScore] = []
    try:
        for skill in SKILLS:
            scores.append(
                await _measure(chat, skill, n, threshold(thresholds, skill), progress, stop_early)
            )
            if stop_early and skill in ("schema", "word") and not scores[-1].passed:
                break
    finally:
        progress.done()
    return ProbeResult(
        model=chat.name,
        probe=probe_version(n),
        skills=scores,
        grade=grade_of(scores),
        seconds=round(time.monotonic() - began, 1),
    )


async def _measure(
    chat: Chat, skill: Skill, n: int, share: float, progress: Progress, stop_early: bool
) -> SkillScore:
    needed = math.ceil(share * n - 1e-9)
    asked = right = 0
    # A hosted model is asked a few at once; one on this machine would only share the same
    # processor.
    at_once = 4 if chat.hosted else 1
    waiting = questions(skill, n)
    while waiting:
        batch, waiting = waiting[:at_once], waiting[at_once:]
        right += sum(await asyncio.gather(*(_right(chat, question) for question in batch)))
        asked += len(batch)
        progress.advance(len(batch))
        if stop_early and (right >= needed or asked - right > n - needed):
            break
    progress.advance(len(waiting))
    return SkillScore(
        skill=skill, asked=asked, right=right, threshold=share, passed=right >= needed
    )


async def _right(chat: Chat, question: ProbeTask) -> bool:
    for asked in question.asked:
        if not await _fits(chat, asked):
            return False
    return True


async def _fits(chat: Chat, asked: ProbeRequest) -> bool:
    request = ChatRequest(
        "probe", asked.prompt, asked.messages, asked.schema, max_tokens=asked.max_tokens
    )
    try:
        return asked.fits((await chat.complete(request)).text)
    except ModelDeclinedError:
        return False


# ---------------------------------------------------------------- once per model


async def cached_probe(
    chat: Chat,
    identity: str,
    thresholds: ProbeThresholds,
    folder: Path,
    progress: Progress | None = None,
) -> ProbeResult:
    """The probe result of the model with this identity: shipped with the package, stored in
    `folder`/probes, or measured now.
    """
    if known := known_probe(identity, thresholds, folder):
        return known
    result = await probe(chat, thresholds, progress)
    _keep(result, _kept(identity, thresholds, folder))
    return result


def _keep(result: ProbeResult, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as part:
        part.write(result.model_dump_json(indent=1))
    Path(part.name).replace(path)


def known_probe(identity: str, thresholds: ProbeThresholds, folder: Path) -> ProbeResult | None:
    """A shipped or stored probe result; None where the model must be asked."""
    version = probe_version(thresholds.questions)
    for digest, result in shipped_probes().items():
        if identity.endswith(digest) and result.probe == version:
            return judged(result, thresholds)
    try:
        stored = ProbeResult.model_validate_json(
            _kept(identity, thresholds, folder).read_text(encoding="utf-8")
        )
    except (FileNotFoundError, ValidationError):
        return None
    return stored if stored.probe == version else None


def shipped_probes() -> dict[str, ProbeResult]:
    """Results that come with the package, by SHA-256 of the model file; every question was
    asked.
    """
    file = resources.files("limner.llm").joinpath(MEASURED)
    return RESULTS.validate_json(file.read_text(encoding="utf-8")) if file.is_file() else {}


def judged(result: ProbeResult, thresholds: ProbeThresholds) -> ProbeResult:
    """A measurement judged again by other thresholds."""
    skills = []
    for score in result.skills:
        share = threshold(thresholds, cast("Skill", score.skill))
        passed = score.right >= math.ceil(share * score.asked - 1e-9)
        skills.append(score.model_copy(update={"threshold": share, "passed": passed}))
    return result.model_copy(update={"skills": skills, "grade": grade_of(skills)})


def _kept(identity: str, thresholds: ProbeThresholds, folder: Path) -> Path:
    # Early stopping depends on the thresholds, so they are part of the name.
    key = f"{identity}\0{thresholds.model_dump_json()}\0{probe_version(thresholds.questions)}"
    return folder / "probes" / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
