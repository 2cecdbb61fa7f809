"""The probe's questions are fair, its arithmetic is right, and grades follow from skills."""

import json
from pathlib import Path

import pytest

from limner.core.errors import ModelDeclinedError, ModelUnavailableError
from limner.core.schema import SkillScore
from limner.core.settings import ProbeThresholds
from limner.llm import ChatRequest
from limner.llm.fetch import known_models
from limner.llm.probe import (
    cached_probe,
    grade_of,
    judged,
    known_probe,
    probe,
    probe_version,
    shipped_probes,
)
from limner.llm.probe_tasks import SKILLS, Skill, questions, words_hold
from limner.testing import FakeChat, Reply

QWEN, SMOLLM2 = known_models()["qwen2.5-coder-1.5b"], known_models()["smollm2"]

THRESHOLDS = ProbeThresholds()


def solve(request: ChatRequest) -> str:
    """A model that has every skill, by reading the question as a program can."""
    import re

    text = request.messages[-1].content
    skill = request.prompt.split("@")[0].removeprefix("probe-")
    genres = {
        int(number): genre
        for number, genre in re.findall(r"^ *\[(\d)\] .*genre: (.+)$", text, re.M)
    }
    if skill == "schema":
        fields = dict(re.findall(r"(customer|age|town) ([^;]+)", text))
        bought = [
            {"thing": thing, "count": int(n)} for n, thing in re.findall(r"(\d+) x (\w+)", text)
        ]
        return json.dumps(
            {
                "name": fields["customer"],
                "age": int(fields["age"]),
                "town": fields["town"],
                "bought": bought,
            }
        )
    if skill == "word":
        value, polarity, height, count, total = re.search(  # type: ignore[union-attr]
            r'"(.+)" \| polarity: (\w+) \| rated (\w+) in (\d+) of (\d+)', text
        ).groups()
        return json.dumps(
            {"text": f"The user {polarity}s {value}, rated {height} in {count} of {total} events."}
        )
    if skill == "cite":
        verb, claimed = re.search(r"The user (\w+) (.+)\.", text).groups()  # type: ignore[union-attr]
        ratings = {
            int(number): int(rating) for number, rating in re.findall(r"\[(\d)\] rated (\d)", text)
        }
        good = verb == "likes"
        return json.dumps(
            {
                "evidence": [
                    n for n, g in genres.items() if g == claimed and (ratings[n] >= 4) == good
                ]
            }
        )
    if skill == "refuse":
        asked = text.split("Question: ")[1]
        for line in text.split("\n"):
            match = re.match(
                (
                    r"\s*- (\w+) (lives in|bought|reads|is a neighbour of|trusts the maker|"
                    r"joined in) (.+)\."
                ),
                line,
            )
            keys = {
                "lives in": "town",
                "bought": "buy",
                "reads": "read",
                "is a neighbour of": "neighbour",
                "trusts the maker": "trust",
                "joined in": "join",
            }
            if match and match[1] in asked and keys[match[2]] in asked:
                return json.dumps({"answer": match[3].removesuffix(" last").removesuffix(" most")})
        return json.dumps({"answer": "unknown"})
    if skill == "tool":
        who = re.search(r"\b[A-Z][a-z]+\d\d\b", text)
        if who is None:
            polarity = "dislike" if "cannot stand" in text else "like"
            value = re.search(r"(?:likes|stand) (.+)\?", text)[1]  # type: ignore[index]
            return json.dumps(
                {"call": {"tool": "find_users", "value": value, "polarity": polarity}}
            )
        if "Suggest" in text or "next" in text:
            n = re.search(r"Suggest (\d)", text)
            return json.dumps(
                {"call": {"tool": "recommend", "user_id": who[0], "n": int(n[1]) if n else 5}}
            )
        tool = "history" if "March" in text or "last" in text else "portrait"
        return json.dumps({"call": {"tool": tool, "user_id": who[0]}})
    liked, disliked = re.search(r"likes (.+), dislikes (.+)\.", text).groups()  # type: ignore[union-attr]
    return json.dumps(
        {"order": sorted(genres, key=lambda n: (genres[n] != liked, genres[n] == disliked))}
    )


async def test_a_model_with_every_skill_is_full() -> None:
    chat = FakeChat(solve)
    result = await probe(chat, THRESHOLDS, stop_early=False)
    assert {score.skill: (score.right, score.asked) for score in result.skills} == dict.fromkeys(
        SKILLS, (20, 20)
    )
    assert result.grade == "full"


def without(skill: Skill) -> FakeChat:
    """Every skill but one."""

    def answer(request: ChatRequest) -> Reply:
        return '{"nothing": 1}' if skill in request.prompt else solve(request)

    return FakeChat(answer)


@pytest.mark.parametrize(
    ("skill", "grade"),
    [
        ("schema", "none"),
        ("word", "none"),
        ("cite", "phrase"),
        ("refuse", "phrase"),
        ("tool", "phrase"),
        ("order", "phrase"),
    ],
)
async def test_each_skill_counts(skill: Skill, grade: str) -> None:
    assert (await probe(without(skill), THRESHOLDS)).grade == grade


async def test_stops_as_soon_as_it_is_decided() -> None:
    result = await probe(without("cite"), THRESHOLDS)
    asked = {score.skill: score.asked for score in result.skills}
    assert asked == {"schema": 18, "word": 16, "cite": 3, "refuse": 16, "tool": 17, "order": 16}
    assert [score.skill for score in (await probe(without("word"), THRESHOLDS)).skills] == [
        "schema",
        "word",
    ]


async def test_answering_everything_or_nothing_is_no_skill() -> None:
    def never(request: ChatRequest) -> str:
        return '{"answer": "unknown"}' if "refuse" in request.prompt else solve(request)

    def always(request: ChatRequest) -> str:
        text = solve(request)
        return '{"answer": "something"}' if "unknown" in text else text

    for chat in (FakeChat(never), FakeChat(always)):
        score = (await probe(chat, THRESHOLDS, stop_early=False)).skills[3]
        assert (score.skill, score.right, score.passed) == ("refuse", 10, False)


@pytest.mark.parametrize("order", [[1, 2, 3, 4], [4, 3, 2, 1]])
async def test_copying_the_lists_order_is_never_right(order: list[int]) -> None:
    def copy(request: ChatRequest) -> str:
        return json.dumps({"order": order}) if "order" in request.prompt else solve(request)

    score = (await probe(FakeChat(copy), THRESHOLDS, stop_early=False)).skills[5]
    assert score.right == 0


async def test_citing_everything_is_never_right() -> None:
    def everything(request: ChatRequest) -> str:
        return '{"evidence": [1, 2, 3, 4, 5, 6]}' if "cite" in request.prompt else solve(request)

    assert (await probe(FakeChat(everything), THRESHOLDS, stop_early=False)).skills[2].right == 0


async def test_a_declined_question_is_wrong_and_a_dead_model_ends_the_probe() -> None:
    result = await probe(FakeChat(lambda _: ModelDeclinedError("no")), THRESHOLDS)
    assert result.grade == "none"
    with pytest.raises(ModelUnavailableError):
        await probe(FakeChat(lambda _: ModelUnavailableError("down")), THRESHOLDS)


@pytest.mark.parametrize("skill", SKILLS)
def test_questions_are_generated_alike_and_differ(skill: Skill) -> None:
    one, other = questions(skill, 20), questions(skill, 20)
    texts = [asked.messages[-1].content for question in one for asked in question.asked]
    assert texts == [asked.messages[-1].content for question in other for asked in question.asked]
    assert len(set(texts)) == len(texts)
    assert questions(skill, 30)[:20][3].asked[0].messages == one[3].asked[0].messages, (
        "more questions keep the first"
    )


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("The user likes moss poems and rated them high in 7 of 9 events.", True),
        ("The user likes Moss Poems, rated high in 7 of the 9 events.", True),
        ("The user dislikes moss poems and rated them high in 7 of 9 events.", False),
        ("The user does not like moss poems, rated high in 7 of 9 events.", False),
        ("The user likes moss poems and rated them high in 8 of 9 events.", False),
        ("The user likes award-winning moss poems, 7 of 9 events.", False),
        ("The user likes moss poems by Keats, 7 of 9 events.", False),
        ("The user likes salt ballads, rated high in 7 of 9 events.", False),
        ("Moss poems, 7 of 9 events.", False),
        ("", False),
    ],
)
def test_words_are_checked(text: str, holds: bool) -> None:
    assert words_hold(text, "moss poems", like=True, numbers={"7", "9"}) is holds


def test_words_of_a_dislike_are_checked() -> None:
    numbers = {"4", "5"}
    assert words_hold(
        "The user dislikes Osk and rated it low in 4 of 5 events.",
        "Osk",
        like=False,
        numbers=numbers,
    )
    for text in (
        "The user likes Osk, rated low in 4 of 5 events.",
        "The user enjoys Osk in 4 of 5 events.",
    ):
        assert not words_hold(text, "Osk", like=False, numbers=numbers)


# ---------------------------------------------------------------- kept and shipped


async def test_is_asked_once_per_model_and_thresholds(tmp_path: Path) -> None:
    chat = without("cite")
    first = await cached_probe(chat, "m at x", THRESHOLDS, tmp_path)
    asked = len(chat.requests)
    assert (
        await cached_probe(chat, "m at x", THRESHOLDS, tmp_path) == first
        and len(chat.requests) == asked
    )
    assert known_probe("m at x", THRESHOLDS, tmp_path) == first
    assert known_probe("m at y", THRESHOLDS, tmp_path) is None
    assert known_probe("m at x", ProbeThresholds(word=0.7), tmp_path) is None


async def test_a_spoilt_cache_is_measured_again(tmp_path: Path) -> None:
    first = await cached_probe(without("cite"), "m", THRESHOLDS, tmp_path)
    (kept,) = (tmp_path / "probes").iterdir()
    kept.write_text("{")
    again = await cached_probe(without("cite"), "m", THRESHOLDS, tmp_path)
    assert again.skills == first.skills


def test_shipped_results_belong_to_these_questions_and_grade_as_promised(tmp_path: Path) -> None:
    shipped = shipped_probes()
    assert {result.probe for result in shipped.values()} == {probe_version(20)}, (
        "run python -m limner.llm.measure"
    )
    qwen = known_probe(f"any name {QWEN.sha256}", THRESHOLDS, tmp_path)
    smollm2 = known_probe(f"any name {SMOLLM2.sha256}", THRESHOLDS, tmp_path)
    assert qwen is not None and qwen.grade == "phrase"
    assert smollm2 is not None and smollm2.grade == "none"
    for result in shipped.values():
        assert [score.asked for score in result.skills] == [20] * 6
        assert result.grade == grade_of(result.skills)


def test_other_thresholds_judge_the_same_measurement_anew() -> None:
    skills = [SkillScore(skill=s, asked=20, right=15, threshold=0.5, passed=True) for s in SKILLS]
    qwen = shipped_probes()[QWEN.sha256]
    low = dict.fromkeys(("schema", "word", "cite", "refuse", "tool", "order"), 0.5)
    result = judged(qwen.model_copy(update={"skills": skills}), ProbeThresholds.model_validate(low))
    assert result.grade == "full"
    assert judged(result, THRESHOLDS).grade == "none"
