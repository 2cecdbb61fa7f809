"""Golden tests: every prompt of portraits, reasons and reranking, as rendered for one made-up user.

After an intended change: `python -m tests.unit.test_prompts` writes the files anew; a published
version stays as it is.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import resources
from pathlib import Path

import pytest

from limner.core.schema import ChatMessage
from limner.core.settings import Settings
from limner.explain.reasons import ReasonGrounds, list_request, phrase_request
from limner.llm import ChatRequest
from limner.llm.prompts import load_prompt
from limner.profile.draft import Draft, DraftSentence
from limner.profile.full import (
    DraftReader,
    merge_request,
    part_requests,
    portrait_request,
    repair_request,
)
from limner.profile.phrase import claims_of, request
from limner.profile.template import preference_of
from limner.rerank import NEUTRAL, Taste
from limner.rerank.order import item_line, taste_text
from limner.words import load_language, supported_languages
from tests.unit.portraits import EVENTS, FACTS, OTHERS
from tests.unit.test_profile import FIELDS, PARTS, SUBJECT

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
EN = load_language("en")
LONG = replace(SUBJECT, parts=PARTS)
PREFERENCES = [preference_of(fact, EN) for fact in FACTS]
WHYS = [
    ReasonGrounds(OTHERS[0], (PREFERENCES[0], PREFERENCES[2]), EVENTS[2]),
    ReasonGrounds(OTHERS[1], (PREFERENCES[2],)),
    ReasonGrounds(OTHERS[2], (), EVENTS[4], "content"),
    ReasonGrounds(OTHERS[2], (), EVENTS[4], "collaborative"),
]
TASTE = Taste(
    PREFERENCES,
    [shown.item for shown in EVENTS[:1] if shown.item],
    [shown.item for shown in EVENTS[1:2] if shown.item],
)


def phrase(code: str) -> ChatRequest:
    language = load_language(code)
    return request(SUBJECT, claims_of(FACTS, SUBJECT.facts.traits, language), Settings(), language)[
        0
    ]


def repair() -> ChatRequest:
    reader = DraftReader(SUBJECT, SUBJECT.window, FIELDS, EN)
    false = DraftSentence(sentence="This user enjoys gritty comedies.", evidence=["F1", "E14"])
    refused = reader.check(Draft(summary=[false], preferences=[], fields=[], unknowns=[])).refused
    return repair_request(refused, reader, hosted=False)


def reason(code: str, turn: int) -> ChatRequest:
    prompt = load_prompt("reason-phrase" if code == "en" else f"reason-phrase-{code}")
    return phrase_request(WHYS[turn], prompt, Settings(), load_language(code), "u1", turn)


def phrase_messages(code: str) -> list[ChatMessage]:
    return list(phrase(code).messages)


def reason_messages(code: str) -> list[ChatMessage]:
    return list(reason(code, 1).messages)


def rendered(prompt_id: str, **values: str) -> list[ChatMessage]:
    return load_prompt(prompt_id).render(**values)


CASES: dict[str, Callable[[], list[ChatMessage]]] = {
    **{f"portrait-phrase.{code}": partial(phrase_messages, code) for code in supported_languages()},
    "portrait": lambda: list(portrait_request(SUBJECT, FIELDS, EN, hosted=False).messages),
    "portrait-part": lambda: list(part_requests(LONG, FIELDS, EN, hosted=False)[0].messages),
    "portrait-merge": lambda: list(
        merge_request(
            [DraftSentence(sentence="A note.", evidence=["E12"])], LONG, FIELDS, EN, hosted=False
        ).messages
    ),
    "portrait-repair": lambda: list(repair().messages),
    **{f"reason-phrase.{code}": partial(reason_messages, code) for code in supported_languages()},
    "reason-phrase.both": lambda: list(reason("en", 0).messages),
    "reason-phrase.event": lambda: list(reason("en", 2).messages),
    "reason-phrase.others": lambda: list(reason("en", 3).messages),
    "reasons": lambda: list(
        list_request(WHYS, load_prompt("reasons"), Settings(), EN, "u1")[0].messages
    ),
    "rerank": lambda: rendered(
        "rerank",
        taste=taste_text(TASTE, "en"),
        items="\n".join(f"{n}. {item_line(i)}" for n, i in enumerate(OTHERS, 1)),
    ),
    "judge-item": lambda: rendered(
        "judge-item", taste=taste_text(TASTE, "en"), item=item_line(OTHERS[0])
    ),
    "judge-item.neutral": lambda: rendered("judge-item", taste=NEUTRAL, item=item_line(OTHERS[0])),
}


def text_of(messages: list[ChatMessage]) -> str:
    return "\n".join(f"--- {message.role}\n{message.content}" for message in messages) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_a_prompt_renders_as_it_was_published(name: str) -> None:
    assert text_of(CASES[name]()) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_every_golden_file_is_tested() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_no_user_id_stands_in_a_prompt(name: str) -> None:
    text = text_of(CASES[name]())
    assert "u1" not in text.split() and "user_id" not in text


def test_the_phrasing_prompt_is_small_enough_for_the_embedded_model() -> None:
    """At 35 prompt tokens a second: ten seconds for the first user, two for the next."""
    from limner.llm import tokens

    first = [tokens.count(message.content) for message in phrase("en").messages]
    assert sum(first) <= 350 and first[-1] <= 100


def test_only_the_version_that_is_used_is_kept() -> None:
    files = [entry.name for entry in resources.files("limner.prompts").iterdir()]
    ids = [name.split(".v")[0] for name in files if name.endswith(".yaml")]
    assert sorted(ids) == sorted(set(ids))


def test_every_prompt_is_asked_for_somewhere() -> None:
    """By its id, or by its id without a language or skill at its end."""
    code = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("agent", "evals")
        for path in (ROOT / folder).rglob("*.py")
    )
    for path in (ROOT / "prompts").glob("*.yaml"):
        prompt_id = path.name.split(".v")[0]
        stem = prompt_id.rpartition("-")[0]
        assert any(f'"{name}"' in code or f'"{stem}-' in code for name in (prompt_id, stem)), path


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for case, render in CASES.items():
        (GOLDEN / f"{case}.txt").write_text(text_of(render()), encoding="utf-8")
