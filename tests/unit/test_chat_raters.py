"""Who rated an item highest or lowest: in words of both languages, against what the events of a
small store say.
"""

from collections.abc import Iterator

import pytest

from limner import tools
from limner.chat import Conversation, answer, plan
from limner.core.errors import UnknownIdError
from limner.engine import Engine
from limner.tools.raters import RatersResult
from tests.unit.chat_store import EVENTS, USERS, make_engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = make_engine(tmp_path_factory.mktemp("raters") / "store")
    yield made
    made.store.close()


def truth(item: str, pick: str, gender: str = "") -> tuple[float, set[str], int]:
    """(the highest or lowest rating, who gave it, how many rated it), from the events alone."""
    among = {one.user_id for one in USERS if not gender or one.attributes["gender"] == gender}
    given = {
        user: value
        for user, i, kind, value, _ in EVENTS
        if i == item and kind == "rating" and user in among
    }
    edge = (max if pick == "highest" else min)(given.values())
    return edge, {user for user, value in given.items() if value == edge}, len(given)


@pytest.mark.parametrize("order", ["highest", "lowest"])
@pytest.mark.parametrize("item", ["i1", "i2", "i3", "i6"])
@pytest.mark.parametrize("gender", ["", "F"])
async def test_who_rated_it_so(engine: Engine, item: str, order: str, gender: str) -> None:
    where = f"gender = {gender}" if gender else ""
    found = await tools.raters.run(
        engine, tools.raters.args.model_validate({"item": item, "order": order, "where": where})
    )
    assert isinstance(found, RatersResult)
    value, who, of = truth(item, order, gender)
    assert (found.value, found.tied, found.of) == (value, len(who), of)
    assert {one.user_id for one in found.users[: found.tied]} == who
    assert set(found.evidence) <= {one.event_id for one in found.users} and found.evidence


@pytest.mark.parametrize(
    ("question", "given"),
    [
        ("Who rated Fargo highest?", {"item": "i2"}),
        ("Who gave Fargo the lowest rating?", {"item": "i2", "order": "lowest"}),
        ("who liked Fargo best", {"item": "i2"}),
        ("Who disliked Fargo most?", {"item": "i2", "order": "lowest"}),
        (
            "Which woman rated Fargo highest in January 2020?",
            {"item": "i2", "where": 'gender = "F"', "since": "2020-01-01", "until": "2020-01-31"},
        ),
        ("What is the lowest rating of Fargo?", {"item": "i2", "order": "lowest"}),
        ("Which 3 users rated Fargo lowest?", {"item": "i2", "order": "lowest", "limit": "3"}),
        ("谁给《Fargo》打分最高？", {"item": "i2"}),
        (
            "哪些女性用户给《Fargo》评分最低？",
            {"item": "i2", "order": "lowest", "where": 'gender = "F"'},
        ),
    ],
)
def test_it_is_asked_in_many_words(engine: Engine, question: str, given: dict[str, str]) -> None:
    [step] = plan(engine, question, Conversation())[0].steps
    assert step.tool.name == "raters" and step.shown() == given


@pytest.mark.parametrize(
    "question",
    [
        "Who rated comedies highest?",
        "Who rated Fargo and Clueless highest?",
        "Who never rated Fargo highest?",
        "Who rated Fargo highest first?",
        "Who rated Fargo highest among those who liked Clueless?",
        "Who rates highest on average?",
        "谁给喜剧打分最高？",
    ],
)
def test_what_is_another_question_is_declined(engine: Engine, question: str) -> None:
    assert plan(engine, question, Conversation())[0].steps == ()


async def test_it_is_the_item_that_was_spoken_of(engine: Engine) -> None:
    for turns in (
        ["Who rated Fargo highest?", "Who gave it the lowest rating?"],
        ["谁给《Fargo》打分最高？", "谁给它打分最低？"],
    ):
        talk = Conversation()
        for turn in turns:
            reply = await answer(engine, turn, talk)
        assert reply.calls[-1].arguments == {"item": "i2", "order": "lowest"}
        assert ("13", 3) in [(one.user_id, one.value) for one in reply.sources]


async def test_nobody_rated_what_nobody_had(engine: Engine) -> None:
    assert not (await answer(engine, "Who rated item i8 highest?")).answered
    with pytest.raises(UnknownIdError):
        await tools.raters.run(engine, tools.raters.args.model_validate({"item": "no such"}))
