"""No plan answers another question than the one asked: what was read of it must stand in the calls,
or it declines.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from limner.chat import Conversation, answer, plan
from limner.chat.vocabulary import vocabulary
from limner.core.errors import StoreBusyError
from limner.engine import Engine
from limner.words.text import stem
from tests.unit.chat_store import make_engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = make_engine(tmp_path_factory.mktemp("guard") / "store")
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("question", "tool", "given"),
    [
        (
            "Who liked Apollo 13 but not Fargo?",
            "cohort",
            {"item": "i1", "polarity": "like", "not_item": "i2", "not_polarity": "like"},
        ),
        (
            "How many users liked comedies but never watched Apollo 13?",
            "cohort",
            {"value": "Comedy", "polarity": "like", "not_item": "i1"},
        ),
        (
            "Who liked both Apollo 13 and Fargo?",
            "cohort",
            {"item": "i1", "polarity": "like", "and_item": "i2", "and_polarity": "like"},
        ),
        (
            "Who liked film noir but disliked comedies?",
            "cohort",
            {
                "value": "Film-Noir",
                "polarity": "like",
                "and_value": "Comedy",
                "and_polarity": "dislike",
            },
        ),
        (
            "Which users liked comedies or film noir?",
            "cohort",
            {"value": "Comedy", "or_value": "Film-Noir"},
        ),
        (
            "有多少用户喜欢Film-Noir但不喜欢Comedy？",
            "cohort",
            {
                "value": "Film-Noir",
                "polarity": "like",
                "and_value": "Comedy",
                "and_polarity": "dislike",
            },
        ),
        ("Which users gave Apollo 13 5 stars?", "cohort", {"item": "i1", "rating": "= 5"}),
        ("How many users rated Apollo 13 below 3?", "cohort", {"item": "i1", "rating": "< 3"}),
        ("users who rated Fargo 4", "cohort", {"item": "i2", "rating": "= 4"}),
        ("哪些用户给《Fargo》打了4分？", "cohort", {"item": "i2", "rating": "= 4"}),
        (
            "Users whose interest in film noir is fading",
            "cohort",
            {"value": "Film-Noir", "course": "stopped"},
        ),
        ("What is the total number of ratings?", "count_events", {"type": "rating"}),
        ("How many ratings were made in January 2020?", "count_events", {"since": "2020-01-01"}),
        ("What are the most popular categories?", "popular_values", {}),
        ("哪个类型最受欢迎？", "popular_values", {}),
        ("films like Fargo", "similar_items", {"item": "i2"}),
        ("Which items are similar to Fargo?", "similar_items", {"item": "i2"}),
        ("users similar to 13", "similar_users", {"user_id": "13"}),
        (
            "Recommend something for user 13 that is not a comedy",
            "recommend",
            {"user_id": "13", "not_value": "Comedy"},
        ),
        ("Is user 13 generous with ratings?", "ratings", {"user_id": "13"}),
        ("users likely to buy Fargo", "audience", {"item": "i2"}),
        ("Who would buy Fargo next?", "audience", {"item": "i2"}),
        ("Which users should I ask about Fargo?", "audience", {"item": "i2"}),
        ("Whom should a campaign for Fargo address?", "audience", {"item": "i2"}),
        ("谁最可能购买《Fargo》？", "audience", {"item": "i2"}),
        ("购买《Fargo》概率最高的用户", "audience", {"item": "i2"}),
        (
            "retired gardeners who buy gifts",
            "audience",
            {"like": "retired gardeners who buy gifts"},
        ),
        ("Which customers returned the most items?", "cohort", {}),
        ("How many movies are in the catalogue?", "catalogue", {"topic": "items"}),
        (
            "Put user 13 next to user 7 and say who has the most entries.",
            "compare_users",
            {"aspect": "events"},
        ),
        (
            "Which films did user 13 and user 7 both watch?",
            "compare_users",
            {"user_id": "13", "other_id": "7"},
        ),
        (
            "How many people older than 13 watched Fargo?",
            "cohort",
            {"item": "i2", "where": "age > 13"},
        ),
        ("users younger than 20", "cohort", {"where": "age < 20"}),
        (
            "the best comedy before 1990",
            "popular_items",
            {"by": "rating", "value": "Comedy", "where": "year <= 1989"},
        ),
        (
            "Which comedies from 1995 are most popular?",
            "popular_items",
            {"value": "Comedy", "where": "year = 1995"},
        ),
        ("Top rated comedy", "popular_items", {"by": "rating", "value": "Comedy"}),
    ],
)
def test_what_is_asked_is_in_the_call(
    engine: Engine, question: str, tool: str, given: dict[str, str]
) -> None:
    found, _ = plan(engine, question, Conversation())
    [one] = found.steps
    assert (one.tool.name, given.items() <= one.shown().items()) == (tool, True), one.shown()
    assert not (given.keys() >= {"not_item"} and "max_events" in one.shown())


@pytest.mark.parametrize(
    "question",
    [
        "Who watched Fargo last?",
        "How many users were active in 2019 but not in 2020?",
        "How many items does no one like?",
        "What did user 13 watch before Fargo?",
        "用户13在看《Fargo》之后看了什么？",
        "How many films did user 13 see, and how many comedies?",
        "Which film is longer, Fargo or Clueless?",
        "What is 2+2?",
        "List users 7 to 13",
        "popular categories among users who like film noir",
        "users likely to watch comedies",
        "Who had neither Fargo nor Clueless?",
        "Which year had the most ratings?",
    ],
)
def test_what_no_call_takes_is_declined(engine: Engine, question: str) -> None:
    found, _ = plan(engine, question, Conversation())
    assert found.steps == () and found.missing is not None


async def test_it_says_what_it_did_not_understand(engine: Engine) -> None:
    reply = await answer(engine, "Who watched Fargo last?")
    assert not reply.answered and "I did not understand “last”" in reply.text


@pytest.mark.parametrize(
    ("turns", "tool", "given"),
    [
        (
            ["Compare user 13 and user 7", "who of them rates higher?"],
            "compare_users",
            {"user_id": "13", "other_id": "7", "aspect": "rating"},
        ),
        (
            ["Compare user 13 and user 7", "which of them has more events?"],
            "compare_users",
            {"aspect": "events"},
        ),
        (
            ["How many films has user 13 seen?", "and how many of them are comedies?"],
            "history",
            {"user_id": "13", "value": "Comedy", "count": "items"},
        ),
        (
            ["Who liked Apollo 13?", "How many of them liked Fargo too?"],
            "cohort",
            {"item": "i1", "polarity": "like", "and_item": "i2", "and_polarity": "like"},
        ),
        (
            ["Has user 13 seen Fargo?", "did she like it?"],
            "history",
            {"user_id": "13", "item": "i2"},
        ),
        (
            ["Recommend 2 comedies to user 13", "why?"],
            "explain_recommendation",
            {"value": "Comedy"},
        ),
        (
            ["Recommend 2 comedies to user ann-1", "why?", "and why the second?"],
            "explain_recommendation",
            {"value": "Comedy"},
        ),
    ],
)
async def test_what_was_said_before_is_kept(
    engine: Engine, turns: list[str], tool: str, given: dict[str, str]
) -> None:
    talk = Conversation()
    for turn in turns:
        reply = await answer(engine, turn, talk)
    assert reply.calls[-1].tool == tool
    assert given.items() <= reply.calls[-1].arguments.items(), reply.calls[-1].arguments


async def test_those_of_nothing_that_was_said_are_nobody(engine: Engine) -> None:
    assert not (await answer(engine, "How many of them liked Fargo?")).answered


async def test_a_list_of_one_kind_is_explained_as_it_was_given(engine: Engine) -> None:
    talk = Conversation()
    await answer(engine, "Recommend 2 comedies to user ann-1", talk)
    reply = await answer(engine, "why?", talk)
    assert "at place 1 of the recommendations of “Comedy” for user ann-1" in reply.text


async def test_a_store_that_another_process_writes_to_is_said_to_be_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(tmp_path / "store")

    def busy(*_: object) -> None:
        raise StoreBusyError("Another process is writing to the store.")

    monkeypatch.setattr(engine.trainer, "ready", busy)
    reply = await answer(engine, "Recommend a film to user 13")
    assert not reply.answered and "Ask again" in reply.text
    await engine.close()


def test_the_plural_of_every_noun_means_what_the_noun_means() -> None:
    for singular, plural in [
        ("movie", "movies"),
        ("cookie", "cookies"),
        ("category", "categories"),
        ("story", "stories"),
    ]:
        assert stem(singular, "en") == stem(plural, "en")
    known = vocabulary()
    for key, tags in list(known.entries()):
        if (
            len(key) == 1
            and tags & {"item", "event", "person", "category"}
            and key[0].isascii()
            and key[0].isalpha()
        ):
            plural = key[0] + ("es" if key[0].endswith(("s", "x", "ch", "sh")) else "s")
            found = known.get((stem(plural, "en"),))
            assert found is None or found & tags, key


async def test_what_two_users_both_had_is_what_they_share(engine: Engine) -> None:
    assert (
        "stand in the history of both"
        in (await answer(engine, "Which films did user 13 and user 7 both watch?")).text
    )


async def test_thanks_are_answered(engine: Engine) -> None:
    assert (await answer(engine, "thanks")).text == "You are welcome."


async def test_types_are_said_in_the_language_of_the_question(engine: Engine) -> None:
    reply = await answer(engine, "用户13有多少个购买事件？")
    assert "购买事件" in reply.text and "purchase" not in reply.text


def test_had_or_bought_is_had_and_a_value_beside_its_facet_is_never_passed_over(
    engine: Engine,
) -> None:
    for question in (
        "category 为 Comedy 的电影，一共有多少人看过或买过？",
        "有多少人买过或看过 Comedy 电影？",
    ):
        found, _ = plan(engine, question, Conversation())
        assert [one.shown().get("value") for one in found.steps] == ["Comedy"], question
        assert all("type" not in one.shown() for one in found.steps)
    bought, _ = plan(engine, "有多少人买过 Comedy 电影？", Conversation())
    assert [one.shown().get("type") for one in bought.steps] == ["purchase"]
    for question in ("How many users are there, by category?", "每个 category 的用户有几个"):
        found, _ = plan(engine, question, Conversation())
        assert found.missing is not None and found.missing.form == "chat.unread", question
