"""Recommendations like an item: in many words, and only what the item's own users had, against
events counted here.
"""

import math
from collections.abc import Iterator

import pytest

from limner.chat import Conversation, answer, plan
from limner.engine import Engine
from limner.tools.recommend import RecommendArgs, likest, recommend
from tests.unit.chat_store import EVENTS, make_engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = make_engine(tmp_path_factory.mktemp("near") / "store")
    yield made
    made.store.close()


def likeness(item: str) -> dict[str, float]:
    """Cosine of the sets of users, of every item that shares a user with one."""
    users = {one: {user for user, i, *_ in EVENTS if i == one} for _, one, *_ in EVENTS}
    near = {
        one: len(users[item] & had) / math.sqrt(len(users[item]) * len(had))
        for one, had in users.items()
        if one != item
    }
    return {one: value for one, value in near.items() if value}


@pytest.mark.parametrize(("user", "item"), [("ann-1", "i2"), ("7", "i1"), ("quiet", "i3")])
async def test_only_what_is_like_it_and_was_not_had(engine: Engine, user: str, item: str) -> None:
    args = RecommendArgs(user_id=user, near=item, n=20)
    right, had = likeness(item), {i for one, i, *_ in EVENTS if one == user}
    near = likest(engine, args)
    assert near is not None and near.likeness == pytest.approx(right, abs=1e-6)
    result = await recommend.run(engine, args)
    listed = {one["item"]["item_id"] for one in result.model_dump()["recommendations"]}
    assert listed == right.keys() - had
    assert (
        "in the order of the user's own taste" in result.answer
        and "Likeness is the cosine" in result.answer
    )


@pytest.mark.parametrize(
    ("question", "given"),
    [
        ("Recommend user 7 something like Fargo", {"near": "i2"}),
        (
            "Recommend 2 comedies like Apollo 13 to user 7",
            {"near": "i1", "value": "Comedy", "n": "2"},
        ),
        ("something like Fargo for user 7", {"near": "i2"}),
        ("Which films similar to Fargo would you suggest to user 7?", {"near": "i2"}),
        ("films like Fargo that user 7 has not seen", {"near": "i2"}),
        (
            "Recommend user 7 something like Fargo that is not a comedy",
            {"near": "i2", "not_value": "Comedy"},
        ),
        (
            "Recommend user 7 films like Fargo from before 1950",
            {"near": "i2", "where": "year <= 1949"},
        ),
        ("给用户7推荐类似《Fargo》的电影", {"near": "i2"}),
        ("给用户7推荐2部像Fargo一样的电影", {"near": "i2", "n": "2"}),
    ],
)
def test_it_is_asked_in_many_words(engine: Engine, question: str, given: dict[str, str]) -> None:
    [step] = plan(engine, question, Conversation())[0].steps
    assert (
        step.tool.name == "recommend" and {"user_id": "7", **given}.items() <= step.shown().items()
    )


@pytest.mark.parametrize(
    "question",
    [
        "Recommend user 7 something not like Fargo",
        "Recommend user 7 something like Fargo or Clueless",
        "Recommend user 7 something like Fargo but cheaper",
        "Recommend Fargo to user 7",
        "films like Fargo that user 7 rated",
        "Recommend a film to user 7 that users who liked Fargo liked",
    ],
)
def test_what_is_another_question_is_declined(engine: Engine, question: str) -> None:
    assert plan(engine, question, Conversation())[0].steps == ()


async def test_whether_they_like_it_is_no_wish_for_the_like(engine: Engine) -> None:
    [step] = plan(engine, "Does user 13 like Fargo?", Conversation())[0].steps
    assert step.tool.name == "history"
    talk = Conversation()
    await answer(engine, "What does user ann-1 like?", talk)
    reply = await answer(engine, "Recommend something like Fargo", talk)
    assert reply.calls[0].arguments == {"user_id": "ann-1", "near": "i2"}
    why = await answer(engine, "why?", talk)
    assert (
        why.calls[0].arguments["near"] == "i2" and "among what is like “Fargo (1996)”" in why.text
    )
